//! `dasf api`: shows the functions and classes of a module.

use std::collections::BTreeSet;

use clap::builder::styling::Style;
use dasf::cli::{Connection, Error, has_colours, print_result, printable, unknown};
use dasf_codegen::description::{
    Class, Definition, Description, Field, Format, Function, NetCdf, Openness, Presence, Schema,
    Type, TypeId,
};
use serde_json::Value;
use textwrap::core::display_width;

use crate::options::Api;
use crate::{describe, read, with_caller};

/// The greatest width of lines, in characters.
const MAX_WIDTH: usize = 100;
/// The greatest length of brief documentation, in characters.
const MAX_BRIEF: usize = 200;
/// A space at which lines do not break.
const NO_BREAK: char = '\u{a0}';
/// The greatest length of a shown value, in characters.
const MAX_VALUE: usize = 60;
/// The greatest number of alternatives that are shown.
const MAX_CHOICES: usize = 12;
/// The greatest nesting of shown types.
const MAX_DEPTH: usize = 12;

pub(crate) fn run(connection: &Connection, options: &Api) -> Result<(), Error> {
    if options.indent.indent.is_some() && !options.json {
        return Err(Error::usage("--indent needs --json"));
    }
    let topic = connection.topic()?;
    if options.json {
        let document = with_caller(connection, options.timeout, async |caller, presence| {
            describe(caller, presence).await
        })?;
        return options.indent.print(&document);
    }
    let document: Value = with_caller(connection, options.timeout, async |caller, presence| {
        read(caller, &describe(caller, presence).await?)
    })?;
    let description = dasf_codegen::read(&document).map_err(Error::failed)?;
    let mut page = Page {
        topic: topic.as_str(),
        description: &description,
        width: page_width(),
        has_colours: has_colours(&std::io::stdout()),
        text: String::new(),
    };
    match &options.name {
        None => page.overview(),
        Some(name) => page.detail(name)?,
    }
    print_result(page.text.trim_end())
}

/// The output while it is written. It makes strings of the module safe for a terminal.
struct Page<'a> {
    topic: &'a str,
    description: &'a Description,
    width: usize,
    has_colours: bool,
    text: String,
}

impl Page<'_> {
    /// Writes all functions and classes, in brief.
    fn overview(&mut self) {
        let Description {
            documentation,
            functions,
            classes,
            ..
        } = self.description;
        self.heading(self.topic);
        self.brief(2, documentation);
        if functions.is_empty() && classes.is_empty() {
            self.line("\nThe module has no functions and no classes.");
        }
        if !functions.is_empty() {
            self.text.push('\n');
            self.heading("Functions");
        }
        for function in functions {
            self.function(2, "", function);
            self.brief(6, &function.documentation);
        }
        if !classes.is_empty() {
            self.text.push('\n');
            self.heading("Classes");
        }
        for class in classes {
            self.class(class);
        }
        let example = functions.first().map(|function| &function.name);
        if let Some(name) = example.or(classes.first().map(|class| &class.name)) {
            let topic = self.topic;
            let name = printable(name);
            self.line(&format!("\nFor details: dasf api -t {topic} {name}"));
        }
    }

    /// Writes the details of a function, class or method, with its types.
    fn detail(&mut self, name: &str) -> Result<(), Error> {
        let Description {
            functions, classes, ..
        } = self.description;
        if let Some(function) = functions.iter().find(|function| function.name == name) {
            self.whole_function("", function, None);
            return Ok(());
        }
        if let Some(class) = classes.iter().find(|class| class.name == name) {
            self.class_heading(0, class);
            self.documentation(&class.documentation);
            self.fields("Arguments", &class.arguments);
            self.text.push('\n');
            self.heading("Methods");
            for method in &class.methods {
                self.function(2, ".", method);
                self.brief(6, &method.documentation);
            }
            self.types(class.arguments.iter().map(|argument| &argument.schema));
            return Ok(());
        }
        if let Some((class_name, method_name)) = name.split_once('.')
            && let Some(class) = classes.iter().find(|class| class.name == class_name)
            && let Some(method) = class.methods.iter().find(|it| it.name == method_name)
        {
            self.whole_function(&format!("{class_name}."), method, Some(class));
            return Ok(());
        }
        let mut known: Vec<String> = functions.iter().map(|it| it.name.clone()).collect();
        for class in classes {
            known.push(class.name.clone());
            let methods = class.methods.iter();
            known.extend(methods.map(|method| format!("{}.{}", class.name, method.name)));
        }
        Err(unknown("the module", "function or class", name, &known))
    }

    fn whole_function(&mut self, prefix: &str, function: &Function, class: Option<&Class>) {
        self.function(0, prefix, function);
        self.documentation(&function.documentation);
        if function.is_deprecated {
            self.line("\nDeprecated: use another function.");
        }
        if function.reporter.is_some() {
            self.line("\nSends progress reports.");
        }
        self.fields("Arguments", &function.arguments);
        self.text.push('\n');
        self.heading("Result");
        self.entry(2, &self.shown(&function.result), &function.result);
        let schemas = function.arguments.iter().map(|argument| &argument.schema);
        self.types(schemas.chain([&function.result]));

        self.text.push('\n');
        self.heading("Usage");
        let mut usage = format!("dasf call -t {} {prefix}{}", self.topic, function.name);
        let arguments = function.arguments.iter().map(|argument| ("", argument));
        let constructor = class.into_iter().flat_map(|class| &class.arguments);
        // An option and its argument stay on one line.
        let option = format!("--new{NO_BREAK}");
        let constructor = constructor.map(|argument| (option.as_str(), argument));
        for (option, argument) in arguments.chain(constructor) {
            let (begin, end) = if argument.is_required() {
                (" ", "")
            } else {
                (" [", "]")
            };
            usage = usage + begin + option + &argument.name + "=VALUE" + end;
        }
        self.paragraph(2, 6, &usage);
    }

    fn class(&mut self, class: &Class) {
        self.class_heading(2, class);
        self.brief(6, &class.documentation);
        for method in &class.methods {
            self.function(4, ".", method);
            self.brief(8, &method.documentation);
        }
    }

    fn class_heading(&mut self, indent: usize, class: &Class) {
        self.signature(indent, &class.name, &class.arguments, "");
    }

    fn function(&mut self, indent: usize, prefix: &str, function: &Function) {
        let name = format!("{prefix}{}", function.name);
        let result = format!(" -> {}", self.shown(&function.result));
        self.signature(indent, &name, &function.arguments, &result);
    }

    /// Writes `name(a: integer, b: integer = 2) -> integer`, with a line for each argument if one
    /// line is too short.
    fn signature(&mut self, indent: usize, name: &str, arguments: &[Field], end: &str) {
        let arguments: Vec<String> = arguments.iter().map(|it| self.argument(it)).collect();
        let name = printable(name);
        let line = format!("({}){end}", arguments.join(", "));
        let length = indent + display_width(&name) + display_width(&line);
        let blanks = " ".repeat(indent);
        let name = self.bold(&name);
        if length <= self.width || arguments.is_empty() {
            self.line(&format!("{blanks}{name}{line}"));
            return;
        }
        self.line(&format!("{blanks}{name}("));
        for argument in arguments {
            self.paragraph(indent + 4, indent + 8, &format!("{argument},"));
        }
        self.paragraph(indent, indent + 4, &format!("){end}"));
    }

    /// Returns, for example, `b: integer = 2`.
    fn argument(&self, field: &Field) -> String {
        let mut text = format!("{}: {}", field.name, self.shown(&field.schema));
        match &field.presence {
            Presence::Required => {}
            Presence::Default(value) => text = text + " = " + &shown_value(value),
            Presence::Optional => text.push_str(" (optional)"),
        }
        printable(&text)
    }

    fn fields(&mut self, heading: &str, fields: &[Field]) {
        if fields.is_empty() {
            return;
        }
        self.text.push('\n');
        self.heading(heading);
        for field in fields {
            self.entry(2, &self.argument(field), &field.schema);
        }
    }

    /// Writes a line, and below it the documentation and the constraints of a schema.
    fn entry(&mut self, indent: usize, line: &str, schema: &Schema) {
        self.documented_entry(indent, line, &schema.documentation, schema);
    }

    fn documented_entry(
        &mut self,
        indent: usize,
        line: &str,
        documentation: &str,
        schema: &Schema,
    ) {
        self.paragraph(indent, indent + 4, line);
        let constraints = phrases(schema, 0).join(", ");
        for text in [documentation, &constraints] {
            for line in paragraphs(text) {
                self.paragraph(indent + 4, indent + 4, &line);
            }
        }
    }

    /// Writes all named types that these schemas use.
    fn types<'s>(&mut self, schemas: impl Iterator<Item = &'s Schema>) {
        let mut found = BTreeSet::new();
        let mut next = Vec::new();
        schemas.for_each(|schema| collect(schema, &mut next, 0));
        while let Some(id) = next.pop() {
            if !found.insert(id) {
                continue;
            }
            match &self.description.declaration(id).definition {
                Definition::Alias(schema) => collect(schema, &mut next, 0),
                Definition::Object { fields, rest, .. } => {
                    let fields = fields.iter().map(|field| &field.schema);
                    let all = fields.chain(rest.as_deref());
                    all.for_each(|schema| collect(schema, &mut next, 0));
                }
            }
        }
        if found.is_empty() {
            return;
        }
        self.text.push('\n');
        self.heading("Types");
        for id in found {
            let declaration = self.description.declaration(id);
            let name = &declaration.name;
            match &declaration.definition {
                Definition::Alias(schema) => {
                    let line = format!("{name}: {}", self.shown(schema));
                    let documentation = declaration.whole_documentation();
                    self.documented_entry(2, &line, &documentation, schema);
                }
                Definition::Object { fields, rest, .. } => {
                    self.paragraph(2, 2, name);
                    self.brief(6, &declaration.documentation);
                    for field in fields {
                        self.entry(4, &self.argument(field), &field.schema);
                    }
                    if let Some(rest) = rest {
                        let line = format!("any other key: {}", self.shown(rest));
                        self.entry(4, &line, rest);
                    }
                }
            }
        }
    }

    /// Writes the first paragraph of documentation.
    fn brief(&mut self, indent: usize, documentation: &str) {
        let text = brief(documentation);
        if !text.is_empty() {
            self.paragraph(indent, indent, &text);
        }
    }

    /// Writes the whole documentation.
    fn documentation(&mut self, documentation: &str) {
        if documentation.trim().is_empty() {
            return;
        }
        self.text.push('\n');
        for line in paragraphs(documentation.trim()) {
            self.paragraph(0, 0, &line);
        }
    }

    fn heading(&mut self, text: &str) {
        let heading = self.bold(text);
        self.line(&heading);
    }

    /// Writes lines that fit the width.
    fn paragraph(&mut self, first_indent: usize, indent: usize, text: &str) {
        let text = printable(text);
        let (first_indent, indent) = (" ".repeat(first_indent), " ".repeat(indent));
        let options = textwrap::Options::new(self.width)
            .initial_indent(&first_indent)
            .subsequent_indent(&indent);
        let filled = textwrap::fill(text.trim_end(), options);
        self.line(&filled.trim_end().replace(NO_BREAK, " "));
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn bold(&self, text: &str) -> String {
        if self.has_colours {
            let style = Style::new().bold();
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn shown(&self, schema: &Schema) -> String {
        printable(&self.type_of(schema, 0))
    }

    /// Returns a type in the notation of TypeScript, which resembles JSON.
    fn type_of(&self, schema: &Schema, depth: usize) -> String {
        if depth > MAX_DEPTH {
            return "…".to_owned();
        }
        let of = |schema: &Schema| self.type_of(schema, depth + 1);
        match &schema.ty {
            Type::Null => "null".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Integer(_) => "integer".to_owned(),
            Type::Number => "number".to_owned(),
            Type::Text(format) => match format {
                Format::Plain => "string".to_owned(),
                Format::Base64 => "base64".to_owned(),
                Format::NetCdf(NetCdf::DataArray) => "NetCDF array".to_owned(),
                Format::NetCdf(NetCdf::Dataset) => "NetCDF dataset".to_owned(),
                Format::DateTime => "date-time".to_owned(),
                Format::Date => "date".to_owned(),
                Format::Time => "time".to_owned(),
                Format::Duration => "duration".to_owned(),
                Format::Uuid => "uuid".to_owned(),
                Format::Other(name) => format!("string ({})", cut(name, MAX_VALUE)),
            },
            Type::Literal(values) => choices(values.iter().map(shown_value)),
            Type::Nullable(inner) => format!("{} | null", of(inner)),
            Type::List(item) | Type::Set(item) => match &item.ty {
                Type::Literal(_) | Type::Nullable(_) | Type::Union(_) => {
                    format!("({})[]", of(item))
                }
                _ => format!("{}[]", of(item)),
            },
            Type::Tuple(items) => {
                let items: Vec<String> = items.iter().map(of).collect();
                format!("[{}]", items.join(", "))
            }
            Type::Map(value) => format!("{{string: {}}}", of(value)),
            Type::Named(id) => self.description.declaration(*id).name.clone(),
            Type::Union(variants) => choices(variants.iter().map(|variant| of(&variant.schema))),
            Type::Any(_) => "any".to_owned(),
        }
    }
}

/// Returns a type in the notation of TypeScript. It is safe for a terminal.
pub(crate) fn type_text(description: &Description, schema: &Schema) -> String {
    let page = Page {
        topic: "",
        description,
        width: MAX_WIDTH,
        has_colours: false,
        text: String::new(),
    };
    page.shown(schema)
}

/// Returns the constraints of a schema, in words.
fn phrases(schema: &Schema, depth: usize) -> Vec<String> {
    let mut phrases = schema.constraints.phrases();
    match &schema.ty {
        _ if depth > MAX_DEPTH => {}
        Type::Nullable(inner) => phrases.extend(self::phrases(inner, depth + 1)),
        Type::List(item) | Type::Set(item) | Type::Map(item) => {
            if matches!(schema.ty, Type::Set(_)) {
                phrases.push("no duplicates".to_owned());
            }
            let each = self::phrases(item, depth + 1);
            phrases.extend(each.into_iter().map(|phrase| format!("each {phrase}")));
        }
        Type::Any(Openness::Inexpressible(reason)) => phrases.push(reason.clone()),
        _ => {}
    }
    phrases
}

/// Finds the named types in a schema.
fn collect(schema: &Schema, found: &mut Vec<TypeId>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let depth = depth + 1;
    match &schema.ty {
        Type::Named(id) => found.push(*id),
        Type::Nullable(inner) | Type::List(inner) | Type::Set(inner) | Type::Map(inner) => {
            collect(inner, found, depth);
        }
        Type::Tuple(items) => items.iter().for_each(|item| collect(item, found, depth)),
        Type::Union(variants) => {
            let schemas = variants.iter().map(|variant| &variant.schema);
            schemas.for_each(|schema| collect(schema, found, depth));
        }
        _ => {}
    }
}

/// Returns, for example, `"en" | "de"`, with a limited number of alternatives.
fn choices(choices: impl ExactSizeIterator<Item = String>) -> String {
    let more = choices.len().saturating_sub(MAX_CHOICES);
    let mut shown: Vec<String> = choices.take(MAX_CHOICES).collect();
    if more > 0 {
        shown.push(format!("… {more} more"));
    }
    shown.join(" | ")
}

fn shown_value(value: &Value) -> String {
    cut(&value.to_string(), MAX_VALUE)
}

/// Returns the paragraphs of documentation, each on one line, with empty lines between them. The
/// lines of lists and code stay.
fn paragraphs(documentation: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut goes_on = false;
    let mut is_code = false;
    for line in documentation.lines() {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        let stands_alone = is_code
            || is_fence
            || line.trim().is_empty()
            || line.starts_with([' ', '\t', '-', '*', '#', '>', '|', '+'])
            || line.starts_with(|first: char| first.is_ascii_digit());
        match paragraphs.last_mut() {
            Some(last) if goes_on && !stands_alone => *last = format!("{last} {line}"),
            _ => paragraphs.push(line.to_owned()),
        }
        // A line after an item of a list belongs to the item.
        goes_on = !is_code && !is_fence && !line.trim().is_empty();
    }
    paragraphs
}

/// Returns the first paragraph of documentation, or its beginning, on one line.
pub(crate) fn brief(documentation: &str) -> String {
    let lines = documentation.trim_start().lines();
    let first: Vec<&str> = lines.take_while(|line| !line.trim().is_empty()).collect();
    cut(&first.join(" "), MAX_BRIEF)
}

/// Returns the width of lines.
pub(crate) fn page_width() -> usize {
    textwrap::termwidth().min(MAX_WIDTH)
}

/// Cuts a string that is too long.
fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(description: &Description, width: usize, has_colours: bool) -> Page<'_> {
        Page {
            topic: "odd",
            description,
            width,
            has_colours,
            text: String::new(),
        }
    }

    fn description(properties: &Value) -> Description {
        let document = json!({
            "functions": [{
                "name": "f",
                "rpc_schema": {
                    "$defs": {
                        "Node": {
                            "type": "object",
                            "description": "One node.",
                            "properties": {"next": {"$ref": "#/$defs/Node"}},
                            "additionalProperties": {"type": "integer"},
                        },
                    },
                    "type": "object",
                    "properties": properties,
                },
                "return_schema": {},
            }],
            "classes": [],
            "rpc_schema": {},
        });
        dasf_codegen::read(&document).unwrap()
    }

    #[test]
    fn types_are_written_as_in_typescript() {
        let many: Vec<usize> = (0..100).collect();
        for (schema, expected) in [
            (
                json!({"type": "string", "format": "date-time"}),
                "date-time",
            ),
            (
                json!({"type": "string", "format": "email"}),
                "string (email)",
            ),
            (json!({"enum": ["a", "b"]}), r#""a" | "b""#),
            (
                json!({"enum": many}),
                "0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | … 88 more",
            ),
            (
                json!({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}),
                "(number | null)[]",
            ),
            (
                json!({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
                "integer[][]",
            ),
            (
                json!({
                    "type": "array",
                    "prefixItems": [{"type": "number"}, {"type": "string"}],
                    "minItems": 2,
                    "maxItems": 2,
                }),
                "[number, string]",
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "boolean"}}),
                "{string: boolean}",
            ),
            (
                json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
                "integer | string",
            ),
            (json!({"$ref": "#/$defs/Node"}), "Node"),
            (json!({}), "any"),
        ] {
            let description = description(&json!({"x": schema}));
            let field = &description.functions[0].arguments[0];
            let shown = page(&description, 80, false).shown(&field.schema);
            assert_eq!(shown, expected, "{schema}");
        }
    }

    #[test]
    fn a_recursive_type_is_shown_once() {
        let description = description(&json!({
            "node": {"$ref": "#/$defs/Node"},
            "sizes": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2},
        }));
        let mut page = page(&description, 80, false);
        page.detail("f").unwrap();
        assert_eq!(
            page.text,
            "\
f(node: Node (optional), sizes: integer[] (optional)) -> any

Arguments
  node: Node (optional)
  sizes: integer[] (optional)
      at least 2 items, each at least 1

Result
  any

Types
  Node
      One node.
    next: Node (optional)
    any other key: integer

Usage
  dasf call -t odd f [node=VALUE] [sizes=VALUE]
"
        );
    }

    #[test]
    fn an_enum_has_its_documentation_and_that_of_its_values() {
        let document = json!({
            "functions": [{
                "name": "f",
                "rpc_schema": {
                    "$defs": {"Scale": {
                        "description": "The scale of a magnitude.",
                        "oneOf": [
                            {"const": "local", "description": "The scale of Richter."},
                            {"const": "moment"},
                        ],
                    }},
                    "type": "object",
                    "properties": {"scale": {"$ref": "#/$defs/Scale"}},
                },
                "return_schema": {},
            }],
            "classes": [],
            "rpc_schema": {},
        });
        let description = dasf_codegen::read(&document).unwrap();
        let mut page = page(&description, 80, false);
        page.detail("f").unwrap();
        assert!(
            page.text.contains(
                "
Types
  Scale: \"local\" | \"moment\"
      The scale of a magnitude.

      - `\"local\"`: The scale of Richter.
"
            ),
            "{}",
            page.text
        );
    }

    #[test]
    fn long_lines_are_wrapped() {
        let description = description(&json!({
            "first": {"type": "string", "default": "a".repeat(100)},
            "second": {"type": "integer"},
        }));
        let mut page = page(&description, 40, false);
        page.function(2, "", &description.functions[0]);
        page.brief(6, &"word ".repeat(100));
        assert!(
            page.text
                .starts_with("  f(\n      first: string =\n          \"aaaa"),
            "{}",
            page.text
        );
        assert!(
            page.text
                .contains("…,\n      second: integer (optional),\n  ) -> any\n")
        );
        assert!(page.text.ends_with("word…\n") || page.text.ends_with("word …\n"));
        assert!(page.text.lines().all(|line| display_width(line) <= 40));
    }

    #[test]
    fn names_are_bold_in_a_terminal() {
        let description = description(&json!({}));
        let mut page = page(&description, 80, true);
        page.function(0, "", &description.functions[0]);
        assert_eq!(page.text, "\u{1b}[1mf\u{1b}[0m() -> any\n");
    }

    #[test]
    fn lists_and_code_stay_as_they_are() {
        let text = "One\nparagraph.\n\nAnother:\n- item\ngoes on\n* item\n```\na\nb\n```\nEnd.";
        assert_eq!(
            paragraphs(text),
            [
                "One paragraph.",
                "",
                "Another:",
                "- item goes on",
                "* item",
                "```",
                "a",
                "b",
                "```",
                "End.",
            ]
        );
    }
}
