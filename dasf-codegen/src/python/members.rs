//! Functions and classes.

use heck::{ToShoutySnakeCase, ToSnakeCase};

use super::layout::{Expression, docstring, fits, indented, string};
use super::types::{Detail, section};
use super::{Block, File, IN_ANNOTATIONS, Import, code, member, topic_line};
use crate::description::{Class, Field, Function, Type};
use crate::names::{Folding, Names, identifier};

/// The methods of every client.
const IN_CLIENTS: [&str; 6] = [
    "api_info",
    "attach",
    "close",
    "ping",
    "submit",
    "with_options",
];

/// The maximum length of a constant's name.
const MAX_CONSTANT: usize = 40;

/// The mode of a client: its calls block, or are coroutines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Blocking,
    Async,
}

/// What the functions of a class do with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// They return its result.
    Call,
    /// They submit it as a job.
    Submit,
}

/// A function or a constructor in Python.
struct Signature {
    name: String,
    /// The constant with the types of its arguments and its result.
    constant: String,
    parameters: Vec<Parameter>,
    /// The type of the result.
    result: String,
    documentation: String,
    is_deprecated: bool,
}

struct Parameter {
    /// The name in Python.
    name: String,
    /// The name in JSON.
    wire: String,
    ty: String,
    is_required: bool,
}

/// A class in Python.
struct Object {
    constructor: Signature,
    documentation: String,
    methods: Vec<Signature>,
    /// The names of its class for the blocking and for the asynchronous client.
    blocking: String,
    asynchronous: String,
}

impl File<'_> {
    /// Writes the clients, their classes and their constants.
    pub(super) fn write_members(&mut self) {
        let mut names = Names::default();
        let is_reserved = |name: &str| IN_CLIENTS.contains(&name) || IN_ANNOTATIONS.contains(&name);
        let claim = |names: &mut Names, name: &str| names.claim(&member(name, is_reserved));
        let mut functions = Vec::new();
        for function in &self.description.functions {
            let name = claim(&mut names, &function.name);
            functions.push(self.function(function, name, ""));
        }
        let mut objects = Vec::new();
        for class in &self.description.classes {
            let name = claim(&mut names, &class.name.to_snake_case());
            objects.push(self.object(class, name));
        }
        for purpose in [Purpose::Call, Purpose::Submit] {
            for mode in [Mode::Blocking, Mode::Async] {
                for object in &objects {
                    self.blocks.push(Block::Class(object.write(mode, purpose)));
                }
            }
        }
        for mode in [Mode::Blocking, Mode::Async] {
            let text = submitting(&functions, &objects, mode);
            self.blocks.push(Block::Class(text));
        }
        for mode in [Mode::Blocking, Mode::Async] {
            let text = self.client(&functions, &objects, mode);
            self.blocks.push(Block::Class(text));
        }
    }

    /// Chooses the signature of a function, and writes its constant. `class` is the class of a
    /// method, and empty for a function.
    fn function(&mut self, function: &Function, name: String, class: &str) -> Signature {
        let constant = self.constant(&format!("{class} {}", function.name));
        let parameters = self.parameters(&function.arguments, &format!("{class} {name}"));
        let result = self.annotation(&function.result, Detail::Plain);
        let checked = self.ty(&function.result);
        let (result, checked) =
            self.both(&result, checked, &format!("{class} {name} result"), |ty| {
                let table = format!("{constant}: _Function[{ty}] = _Function(");
                fits(ty, 0, 30) && fits(&table, 0, 0)
            });
        let items = vec![
            Expression::Text(string(&function.name)),
            checked,
            self.table(&function.arguments),
        ];
        let mut head = format!("{constant}: _Function[{result}] = ");
        if !fits(&head, 0, "_Function(".len()) {
            head = format!("{constant}: _Function[\n    {result}\n] = ");
        }
        let table = Expression::call("_Function", items).after(&head);
        self.blocks.push(Block::Statement(table.lines(0, 0) + "\n"));
        let mut sections = vec![summary(&function.documentation, &function.name)];
        self.describe(&parameters, &function.arguments, &mut sections);
        let explained = self.explain(&function.result);
        if function.result.ty != Type::Null || !explained.is_empty() {
            sections.push(section("Returns", vec![(result.clone(), explained)]));
        }
        if function.reporter.is_some() {
            let note = "Reports its progress: see ``with_options(on_progress=...)``.";
            sections.insert(1, note.to_owned());
        }
        Signature {
            name,
            constant,
            parameters,
            result,
            documentation: sections.join("\n\n"),
            is_deprecated: self.note_deprecated(function.is_deprecated),
        }
    }

    fn object(&mut self, class: &Class, name: String) -> Object {
        let blocking = self.claim_type(&class.name);
        let asynchronous = self.claim_type(&format!("Async{blocking}"));
        let constant = self.constant(&class.name);
        let parameters = self.parameters(&class.arguments, &class.name);
        let items = vec![
            Expression::Text(string(&class.name)),
            self.table(&class.arguments),
        ];
        let table = Expression::call("_Arguments", items).after(&format!("{constant} = "));
        self.blocks.push(Block::Statement(table.lines(0, 0) + "\n"));
        let documentation = match class.documentation.trim() {
            "" => format!("The class {} of the module.", code(&class.name)),
            documentation => documentation.to_owned(),
        };
        let mut sections = vec![documentation.clone()];
        self.describe(&parameters, &class.arguments, &mut sections);
        let constructor = Signature {
            name,
            constant,
            parameters,
            result: String::new(),
            documentation: sections.join("\n\n"),
            is_deprecated: self.note_deprecated(class.is_deprecated),
        };
        let mut names = Names::default();
        let mut methods = Vec::new();
        for method in &class.methods {
            let is_reserved = |name: &str| IN_ANNOTATIONS.contains(&name);
            let name = names.claim(&member(&method.name, is_reserved));
            methods.push(self.function(method, name, &class.name));
        }
        Object {
            constructor,
            documentation,
            methods,
            blocking,
            asynchronous,
        }
    }

    /// Claims the name of a constant.
    fn constant(&mut self, name: &str) -> String {
        let spelled = identifier(&name.to_shouty_snake_case(), "X", Folding::Compatible);
        // Only ASCII can be cut without splitting a character.
        let kept = spelled.get(..MAX_CONSTANT).unwrap_or(&spelled);
        self.names.claim(&format!("_{kept}"))
    }

    fn note_deprecated(&mut self, is_deprecated: bool) -> bool {
        if is_deprecated {
            self.imports.insert(Import::Extension("deprecated"));
        }
        is_deprecated
    }

    /// Returns a type for annotations and for checks. A long type gets a name.
    fn both(
        &mut self,
        plain: &Expression,
        checked: Expression,
        name: &str,
        is_short: impl Fn(&str) -> bool,
    ) -> (String, Expression) {
        if is_short(&plain.flat()) || matches!(plain, Expression::Text(_)) {
            return (plain.flat(), checked);
        }
        let name = self.short(&checked, name, |_| false);
        (name.clone(), Expression::Text(name))
    }

    fn parameters(&mut self, arguments: &[Field], owner: &str) -> Vec<Parameter> {
        let mut names = Names::without(["self"]);
        let mut parameters = Vec::new();
        for argument in arguments {
            let name = names.claim(&member(&argument.name, |name| name == "self"));
            let plain = self.annotation(&argument.schema, Detail::Accepted);
            let checked = self.ty(&argument.schema);
            let (ty, _) = self.both(&plain, checked, &format!("{owner} {name}"), |ty| {
                fits(&format!("{name}: {ty} = _LEFT_OUT,"), 8, 0)
            });
            parameters.push(Parameter {
                name,
                wire: argument.name.clone(),
                ty,
                is_required: argument.is_required(),
            });
        }
        parameters
    }

    /// Returns the types of arguments by their names in JSON.
    fn table(&mut self, arguments: &[Field]) -> Expression {
        let mut items = Vec::new();
        for argument in arguments {
            let ty = self.ty(&argument.schema);
            items.push(ty.after(&format!("{}: ", string(&argument.name))));
        }
        Expression::braces(items)
    }

    /// Adds the documentation of the parameters.
    fn describe(&mut self, parameters: &[Parameter], arguments: &[Field], to: &mut Vec<String>) {
        let mut entries = Vec::new();
        for (parameter, argument) in parameters.iter().zip(arguments) {
            let ty = self.say_type(argument, Detail::Accepted);
            let head = format!("{} : {ty}", parameter.name);
            entries.push((head, self.explain(&argument.schema)));
        }
        if !entries.is_empty() {
            to.push(section("Parameters", entries));
        }
    }

    fn client(&self, functions: &[Signature], objects: &[Object], mode: Mode) -> String {
        let (name, base, what) = match mode {
            Mode::Blocking => ("Client", "_BlockingClient", "The blocking client"),
            Mode::Async => ("AsyncClient", "_AsyncClient", "The asyncio client"),
        };
        let mut text = format!("class {name}({base}):\n");
        text.push_str(&docstring(&self.documentation(what), 4));
        text.push('\n');
        text.push_str(&indented(&topic_line(&self.description.topic), 4));
        // Before the functions, of which one may have the name `property`.
        let class = submitting_class(mode);
        text.push_str(&indented(
            &format!(
                "\n@property\ndef submit(self) -> {class}:\n    \
                 \"\"\"The same functions, which submit their calls as jobs.\"\"\"\n    \
                 return {class}(self)\n"
            ),
            4,
        ));
        for function in functions {
            text.push('\n');
            text.push_str(&function.call(mode, Purpose::Call));
        }
        for object in objects {
            text.push('\n');
            text.push_str(&object.make(mode, Purpose::Call));
        }
        text
    }
}

/// Returns the name of the class with the functions that submit jobs.
fn submitting_class(mode: Mode) -> &'static str {
    match mode {
        Mode::Blocking => "_Submit",
        Mode::Async => "_AsyncSubmit",
    }
}

/// Returns the class with the functions that submit jobs.
fn submitting(functions: &[Signature], objects: &[Object], mode: Mode) -> String {
    let name = submitting_class(mode);
    let base = match mode {
        Mode::Blocking => "_BlockingSubmitting",
        Mode::Async => "_AsyncSubmitting",
    };
    let mut text = format!("class {name}({base}):\n");
    text.push_str(&docstring(
        "The functions of the module, which submit jobs.",
        4,
    ));
    for function in functions {
        text.push('\n');
        text.push_str(&function.call(mode, Purpose::Submit));
    }
    for object in objects {
        text.push('\n');
        text.push_str(&object.make(mode, Purpose::Submit));
    }
    text
}

impl Object {
    /// Returns the name of the class, and that of its base.
    fn class(&self, mode: Mode, purpose: Purpose) -> (String, &'static str) {
        let name = match mode {
            Mode::Blocking => &self.blocking,
            Mode::Async => &self.asynchronous,
        };
        let base = match (mode, purpose) {
            (Mode::Blocking, Purpose::Call) => "_BlockingObject",
            (Mode::Async, Purpose::Call) => "_AsyncObject",
            (Mode::Blocking, Purpose::Submit) => "_BlockingSubmittingObject",
            (Mode::Async, Purpose::Submit) => "_AsyncSubmittingObject",
        };
        match purpose {
            Purpose::Call => (name.clone(), base),
            Purpose::Submit => (format!("_Submit{name}"), base),
        }
    }

    /// Returns the class with the methods.
    fn write(&self, mode: Mode, purpose: Purpose) -> String {
        let (name, base) = self.class(mode, purpose);
        let mut text = format!("class {name}({base}):\n");
        text.push_str(&docstring(&self.documentation, 4));
        for method in &self.methods {
            text.push('\n');
            text.push_str(&method.call(mode, purpose));
        }
        text
    }

    /// Returns the client's method that creates an object.
    fn make(&self, mode: Mode, purpose: Purpose) -> String {
        let (name, _) = self.class(mode, purpose);
        let items = vec![
            Expression::text("self"),
            Expression::text(&self.constructor.constant),
            self.constructor.given(),
        ];
        let value = Expression::call(&name, items).after("return ");
        let documentation = match purpose {
            Purpose::Call => &self.constructor.documentation,
            Purpose::Submit => &self.documentation,
        };
        self.constructor.write("def", &name, documentation, &value)
    }
}

impl Signature {
    /// Returns the method that calls the function, or submits a call of it.
    fn call(&self, mode: Mode, purpose: Purpose) -> String {
        let (def, call) = match mode {
            Mode::Blocking => ("def", "return self._call"),
            Mode::Async => ("async def", "return await self._call"),
        };
        let result = match (mode, purpose) {
            (_, Purpose::Call) => self.result.clone(),
            (Mode::Blocking, Purpose::Submit) => format!("Job[{}]", self.result),
            (Mode::Async, Purpose::Submit) => format!("AsyncJob[{}]", self.result),
        };
        let documentation = match purpose {
            Purpose::Call => self.documentation.clone(),
            Purpose::Submit => format!("Submit a call of {}.", code(&self.name)),
        };
        let items = vec![Expression::text(&self.constant), self.given()];
        let body = Expression::call(call, items);
        self.write(def, &result, &documentation, &body)
    }

    /// Returns the arguments by their names in JSON.
    fn given(&self) -> Expression {
        let item = |it: &Parameter| Expression::Text(format!("{}: {}", string(&it.wire), it.name));
        Expression::braces(self.parameters.iter().map(item).collect())
    }

    fn write(&self, def: &str, result: &str, documentation: &str, body: &Expression) -> String {
        let mut parameters = vec!["self".to_owned()];
        let (required, others): (Vec<_>, Vec<_>) =
            self.parameters.iter().partition(|it| it.is_required);
        parameters.extend(required.iter().map(|it| format!("{}: {}", it.name, it.ty)));
        if !others.is_empty() {
            parameters.push("*".to_owned());
        }
        let other = |it: &&Parameter| format!("{}: {} = _LEFT_OUT", it.name, it.ty);
        parameters.extend(others.iter().map(other));
        let mut text = String::new();
        if self.is_deprecated {
            text.push_str("    @deprecated(\"The module marks this as deprecated.\")\n");
        }
        let parameters = parameters.into_iter().map(Expression::Text).collect();
        let head = Expression::call(&format!("{def} {}", self.name), parameters);
        let end = format!(") -> {result}:");
        text.push_str("    ");
        text.push_str(&head.lines(4, end.chars().count() - 1));
        text.push_str(&end[1..]);
        text.push('\n');
        text.push_str(&docstring(documentation, 8));
        text.push_str(&format!("        {}\n", body.lines(8, 0)));
        text
    }
}

/// Returns the module's documentation of a function, or a summary if there is none.
fn summary(documentation: &str, name: &str) -> String {
    match documentation.trim() {
        "" => format!("Call {} of the module.", code(name)),
        documentation => documentation.to_owned(),
    }
}
