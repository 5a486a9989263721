//! The content of the file, for descriptions made by hand.

use serde_json::{Value, json};

use super::{RESERVED, RUNTIME, write};
use crate::description::{
    Class, Constraints, Declaration, Definition, Description, Field, Format, Function, Openness,
    Presence, Schema, Type, TypeId, Variant, Width,
};

fn field(name: &str, ty: Type, presence: Presence) -> Field {
    Field {
        name: name.to_owned(),
        schema: Schema::of(ty),
        presence,
    }
}

fn required(name: &str, ty: Type) -> Field {
    field(name, ty, Presence::Required)
}

fn function(name: &str, arguments: Vec<Field>, result: Type) -> Function {
    Function {
        name: name.to_owned(),
        documentation: String::new(),
        arguments,
        reporter: None,
        is_open: false,
        result: Schema::of(result),
        is_deprecated: false,
    }
}

fn class(name: &str, arguments: Vec<Field>, methods: Vec<Function>) -> Class {
    Class {
        name: name.to_owned(),
        documentation: String::new(),
        arguments,
        is_open: false,
        methods,
        is_deprecated: false,
    }
}

fn object(name: &str, fields: Vec<Field>, rest: Option<Type>) -> Declaration {
    let rest = rest.map(|ty| Box::new(Schema::of(ty)));
    Declaration {
        name: name.to_owned(),
        documentation: String::new(),
        documented_values: Vec::new(),
        definition: Definition::Object {
            fields,
            rest,
            rest_patterns: Vec::new(),
        },
    }
}

fn alias(name: &str, ty: Type) -> Declaration {
    Declaration {
        name: name.to_owned(),
        documentation: String::new(),
        documented_values: Vec::new(),
        definition: Definition::Alias(Schema::of(ty)),
    }
}

fn boxed(ty: Type) -> Box<Schema> {
    Box::new(Schema::of(ty))
}

const TEXT: Type = Type::Text(Format::Plain);
const INTEGER: Type = Type::Integer(None);

/// Returns the parts of the file before and after the runtime.
fn written(functions: Vec<Function>, classes: Vec<Class>, types: Vec<Declaration>) -> [String; 2] {
    let description = Description {
        topic: "topic".to_owned(),
        documentation: "A module.".to_owned(),
        functions,
        classes,
        types,
        api_info: Value::Null,
    };
    let file = write(&description, &["Of a test.".to_owned()]);
    let (before, after) = file.split_once(RUNTIME).unwrap();
    [before.to_owned(), after.to_owned()]
}

fn assert_has(text: &str, lines: &str) {
    assert!(text.contains(lines), "{lines}\nis not in\n{text}");
}

#[test]
fn the_header_comes_first() {
    let [before, after] = written(vec![], vec![], vec![]);
    assert!(
        before.starts_with("// Of a test.\n\n/**\n * A module.\n"),
        "{before}"
    );
    assert_has(&before, "Caller.of(options, \"topic\", SHAPES)");
    assert!(after.ends_with("const SHAPES: Shapes = {};\n"), "{after}");
}

#[test]
fn arguments_are_one_object_and_optional_if_all_of_them_are() {
    let default = |name| field(name, INTEGER, Presence::Default(json!(2)));
    let functions = vec![
        function("none", vec![], Type::Null),
        function("add", vec![required("a", INTEGER), default("b")], INTEGER),
        function("slow", vec![default("n")], TEXT),
    ];
    let [before, _] = written(functions, vec![], vec![]);
    assert_has(
        &before,
        "  none(options?: CallOptions): Promise<void> {
    return this.#caller.call({ func_name: \"none\" }, \"null\", options);
  }
",
    );
    assert_has(
        &before,
        "export interface AddArguments {
  /** An integer. */
  a: number;
  /** An integer. Default: `2`. */
  b?: number;
}
",
    );
    assert_has(
        &before,
        "  async add(args: AddArguments, options?: CallOptions): Promise<number> {",
    );
    assert_has(
        &before,
        "  async slow(args?: SlowArguments, options?: CallOptions): Promise<string> {",
    );
}

#[test]
fn arguments_of_any_name_are_accepted_if_the_schema_allows_them() {
    let mut function = function("f", vec![required("a", TEXT)], TEXT);
    function.is_open = true;
    let mut class = class("C", vec![required("a", TEXT)], vec![function.clone()]);
    class.is_open = true;
    let [before, _] = written(vec![function], vec![class], vec![]);
    assert_has(
        &before,
        "  f(args: FArguments, options?: CallOptions): Promise<string> {
    return this.#caller.call({ ...args, func_name: \"f\" }, \"string\", options);
",
    );
    assert_has(&before, "    this.#args = args;\n");
    assert_has(&before, "function: { ...args, func_name: \"f\" }");
}

#[test]
fn a_class_keeps_the_arguments_of_its_constructor() {
    let greeting = field("greeting", TEXT, Presence::Default(json!("Hi")));
    let greet = function("greet", vec![required("name", TEXT)], TEXT);
    let mut greeter = class("Greeter", vec![greeting], vec![greet.clone()]);
    greeter.is_deprecated = true;
    let classes = vec![
        greeter,
        class("Plain", vec![], vec![greet]),
        class("Empty", vec![], vec![]),
    ];
    let [before, _] = written(vec![], classes, vec![]);
    assert_has(
        &before,
        "  /** @deprecated The module marks this as deprecated. */
  greeter(args?: GreeterArguments): Greeter {
    return new Greeter(this.#caller, args);
  }
",
    );
    assert_has(
        &before,
        "    return this.#caller.call(
      {
        ...this.#args,
        class_name: \"Greeter\",
        function: { ...known(\"Greeter.greet\", args, [\"name\"]), func_name: \"greet\" },
      },
      \"string\",
      options,
    );
",
    );
    assert_has(
        &before,
        "    this.#args = known(\"Greeter\", args, [\"greeting\"]);\n",
    );
    assert_has(
        &before,
        "  plain(): Plain {\n    return new Plain(this.#caller);\n  }\n",
    );
    assert!(!before.contains("Empty"), "{before}");
}

#[test]
fn every_type_has_a_type_in_typescript_and_a_check() {
    let union = Type::Union(vec![
        Variant {
            name: String::new(),
            schema: Schema::of(INTEGER),
        },
        Variant {
            name: String::new(),
            schema: Schema::of(Type::Number),
        },
    ]);
    let nullable = Type::Nullable(boxed(Type::Boolean));
    for (ty, written_as, shape) in [
        (Type::Boolean, "boolean", "\"boolean\""),
        (
            Type::Literal(vec![json!("a\"b"), json!(1), json!(true)]),
            "\"a\\\"b\" | 1 | true",
            "{ literal: [\"a\\\"b\", 1, true] }",
        ),
        (Type::Literal(vec![]), "never", "{ literal: [] }"),
        (
            nullable.clone(),
            "boolean | null",
            "{ nullable: \"boolean\" }",
        ),
        (
            Type::List(boxed(nullable)),
            "(boolean | null)[]",
            "{ list: { nullable: \"boolean\" } }",
        ),
        (Type::Set(boxed(TEXT)), "string[]", "{ list: \"string\" }"),
        (
            Type::Tuple(vec![Schema::of(TEXT), Schema::of(INTEGER)]),
            "[string, number]",
            "{ tuple: [\"string\", \"integer\"] }",
        ),
        (Type::Tuple(vec![]), "[]", "{ tuple: [] }"),
        (
            Type::Map(boxed(TEXT)),
            "Record<string, string>",
            "{ map: \"string\" }",
        ),
        (union, "number", "{ union: [\"integer\", \"number\"] }"),
        (Type::Any(Openness::Declared), "unknown", "\"any\""),
        (Type::Named(TypeId(7)), "unknown", "\"any\""),
    ] {
        let [before, _] = written(vec![function("f", vec![], ty)], vec![], vec![]);
        assert_has(&before, &format!("Promise<{written_as}> {{"));
        assert_has(
            &before,
            &format!("({{ func_name: \"f\" }}, {shape}, options)"),
        );
    }
}

#[test]
fn a_tag_must_be_given_although_it_has_a_default() {
    let tag = |ty, default| field("kind", ty, Presence::Default(default));
    let literal =
        |values: &[&str]| Type::Literal(values.iter().map(|&value| value.into()).collect());
    let types = vec![
        object("Dog", vec![tag(literal(&["dog"]), json!("dog"))], None),
        alias("CatKind", literal(&["cat"])),
        object("Cat", vec![tag(Type::Named(TypeId(1)), json!("cat"))], None),
        object("Pet", vec![tag(literal(&["a", "b"]), json!("a"))], None),
        object("Stray", vec![tag(literal(&["a"]), json!(null))], None),
        alias("Circle", Type::Named(TypeId(5))),
        object("Round", vec![tag(Type::Named(TypeId(5)), json!("a"))], None),
    ];
    let arguments = (0..types.len()).map(|id| required("of", Type::Named(TypeId(id))));
    let mut functions = vec![function(
        "call",
        arguments.collect(),
        Type::Named(TypeId(0)),
    )];
    let tagged = tag(literal(&["dog"]), json!("dog"));
    functions.push(function("bark", vec![tagged], TEXT));
    let [before, after] = written(functions, vec![], types);
    assert_has(&before, "export interface Dog {\n  kind: \"dog\";\n}\n");
    assert!(!before.contains("DogInput"), "{before}");
    assert_has(&before, "export interface Cat {\n  kind: CatKind;\n}\n");
    assert_has(&before, "  kind?: \"a\" | \"b\";\n");
    assert_has(&before, "  kind?: \"a\";\n");
    assert_has(&before, "  kind?: Circle;\n");
    // Arguments are not a variant of a union.
    assert_has(&before, "bark(args?: BarkArguments,");
    // The runtime requires the tag in results.
    assert_has(&after, "{ name: \"kind\", shape: { literal: [\"dog\"] } }");
}

#[test]
fn a_type_with_defaults_is_written_for_either_direction() {
    let types = || {
        let y = field("y", Type::Number, Presence::Default(json!(0.5)));
        let z = field("z", Type::Number, Presence::Optional);
        let point = Type::Named(TypeId(0));
        vec![
            object("Point", vec![required("x", Type::Number), y, z], None),
            object("Line", vec![required("from", point.clone())], None),
            alias("Points", Type::List(boxed(point))),
        ]
    };
    let line = Type::Named(TypeId(1));
    let take = function("take", vec![required("line", line.clone())], Type::Null);
    let give = function("give", vec![], line);

    let [before, after] = written(vec![take.clone(), give.clone()], vec![], types());
    assert_has(
        &before,
        "export interface PointInput {\n  x: number;\n  /** Default: `0.5`. */\n  y?: number;\n  z?: number;\n}\n",
    );
    assert_has(
        &before,
        "export interface Point {\n  x: number;\n  /** Default: `0.5`. */\n  y: number;\n  z?: number;\n}\n",
    );
    assert_has(
        &before,
        "export interface LineInput {\n  from: PointInput;\n}\n",
    );
    assert_has(&before, "export interface Line {\n  from: Point;\n}\n");
    assert_has(&before, "export type Points = Point[];\n");
    assert_has(&before, "  line: LineInput;\n");
    assert_has(&before, "give(options?: CallOptions): Promise<Line> {");
    let point = "  Point: {
    object: [
      { name: \"x\", shape: \"number\" },
      { name: \"y\", shape: \"number\", default: 0.5 },
      { name: \"z\", shape: \"number\", optional: true },
    ],
  },
  Line: { object: [{ name: \"from\", shape: { named: \"Point\" } }] },
";
    assert_has(&after, point);

    for (function, line) in [(take, "  y?: number;\n"), (give, "  y: number;\n")] {
        let [before, _] = written(vec![function], vec![], types());
        assert_has(&before, line);
        assert!(!before.contains("Input"), "{before}");
    }
}

#[test]
fn further_properties_are_as_typescript_allows_them() {
    let types = vec![
        object("Same", vec![required("a", TEXT)], Some(TEXT)),
        object("Other", vec![required("a", INTEGER)], Some(TEXT)),
        object("Nothing", vec![], None),
        alias("Tree", Type::Map(boxed(Type::Named(TypeId(3))))),
    ];
    let [before, _] = written(vec![], vec![], types);
    assert_has(&before, "  a: string;\n  [key: string]: string;\n");
    assert_has(
        &before,
        "  /** All other properties have the type `string`. */\n  [key: string]: unknown;\n",
    );
    assert_has(
        &before,
        "export type Nothing = { [key: string]: unknown };\n",
    );
    assert_has(&before, "export type Tree = { [key: string]: Tree };\n");
}

#[test]
fn names_are_valid_in_typescript() {
    let names = [
        "close",
        "constructor",
        "then",
        "toString",
        "delete",
        "get_user",
        "getUser",
        "2m",
        "größe",
        "__proto__",
        "",
    ];
    let functions = names.map(|name| function(name, vec![required(name, TEXT)], Type::Null));
    let classes = ["Client", "get_user", "Promise"].map(|name| {
        let methods = vec![function("close", vec![], Type::Null)];
        class(name, vec![], methods)
    });
    let types = [
        "Array",
        "Point",
        "point",
        "世",
        "HTTPError",
        "GetUserArguments",
    ];
    let types = types.map(|name| object(name, vec![required("a-b", TEXT)], None));
    let [before, _] = written(functions.into(), classes.into(), types.into());
    for (method, name) in [
        ("close2", "close"),
        ("constructor2", "constructor"),
        ("then2", "then"),
        ("toString2", "toString"),
        ("delete", "delete"),
        ("getUser", "get_user"),
        ("getUser2", "getUser"),
        ("call2m", "2m"),
        ("größe", "größe"),
        ("proto", "__proto__"),
        ("call", ""),
    ] {
        let start = before
            .find(&format!("\n  async {method}("))
            .unwrap_or_else(|| panic!("{method}: {before}"));
        let rest = &before[start..];
        let request =
            format!("{{ ...known(\"{name}\", args, [\"{name}\"]), func_name: \"{name}\" }}");
        assert!(
            rest.find(&request).is_some_and(|at| at < 200),
            "{method}: {rest}"
        );
    }
    for declared in [
        "class Client2",
        "class GetUser ",
        "class Promise2",
        "interface Array2",
        "interface Point2",
        "interface 世 ",
        "interface HTTPError",
        "interface GetUserArguments2",
        "interface GetUserArguments3",
    ] {
        assert_has(&before, &format!("export {declared}"));
    }
    // A class has no reserved methods of a client.
    assert_has(
        &before,
        "\n  close(options?: CallOptions): Promise<void> {\n    return this.#caller.call(",
    );
    assert_has(&before, "  client(): Client2 {");
    assert_has(&before, "  \"größe\": string;\n");
    assert_has(&before, "  \"a-b\": string;\n");
}

#[test]
fn comments_complete_the_types() {
    let mut number = field("a", Type::Integer(Some(Width::I64)), Presence::Required);
    number.schema.documentation = "Evil */ text".to_owned();
    *number.schema.constraints = Constraints {
        exclusive_minimum: Some(0.into()),
        maximum: Some(9.into()),
        ..Constraints::default()
    };
    let reason = "it has `not`".to_owned();
    let open = required(
        "b",
        Type::List(boxed(Type::Any(Openness::Inexpressible(reason)))),
    );
    let mut function = function("f", vec![number, open], TEXT);
    function.documentation = "Does.".to_owned();
    function.reporter = Some("reporter".to_owned());
    function.result.documentation = "The sum".to_owned();
    function.result.constraints.min_length = Some(3);
    function.is_deprecated = true;
    let [before, _] = written(vec![function], vec![], vec![]);
    assert_has(
        &before,
        "  /**
   * Evil *\\/ text
   *
   * A 64-bit integer; JavaScript numbers are exact up to 2^53 - 1. Greater than 0, at most 9.
   */
",
    );
    assert_has(
        &before,
        "  /** Each item: any JSON value, because it has `not`. */\n  b: unknown[];\n",
    );
    assert_has(
        &before,
        "  /**
   * Does.
   *
   * Reports its progress to `onProgress`.
   *
   * @returns The sum. At least 3 characters.
   * @deprecated The module marks this as deprecated.
   */
",
    );
}

#[test]
fn long_unions_are_broken() {
    let values = (0..10)
        .map(|value| json!(format!("a long value {value}")))
        .collect();
    let types = vec![alias("Long", Type::Literal(values))];
    let [before, _] = written(vec![], vec![], types);
    assert_has(
        &before,
        "export type Long =\n  | \"a long value 0\"\n  | \"a long value 1\"\n",
    );
    assert_has(&before, "  | \"a long value 9\";\n");
}

#[test]
fn a_function_does_not_hide_the_jobs() {
    let functions = ["submit", "attach", "job"].map(|name| function(name, vec![], Type::Null));
    let [text, _] = written(functions.into(), vec![], vec![]);
    for part in [
        "  get submit(): Submit<Client> {",
        "  attach<T = unknown>(id: string): Job<T> {",
        "  submit2(options?: CallOptions): Promise<void> {",
        "  attach2(options?: CallOptions): Promise<void> {",
        "  job(options?: CallOptions): Promise<void> {",
    ] {
        assert_has(&text, part);
    }
}

#[test]
fn all_names_of_the_runtime_are_reserved() {
    let code = RUNTIME.lines().map(str::trim_start);
    let code = code.filter(|line| !line.starts_with(['*', '/']));
    for line in code {
        let outside_of_texts = line.split(['"', '`']).step_by(2);
        let words = outside_of_texts.flat_map(|code| {
            code.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        });
        for word in words {
            // A type parameter is a single letter. It hides other types of this name.
            let is_type =
                word.len() > 1 && word.starts_with(|first: char| first.is_ascii_uppercase());
            assert!(!is_type || RESERVED.contains(&word), "{word} in {line}");
        }
    }
}
