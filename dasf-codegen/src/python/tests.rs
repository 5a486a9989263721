use serde_json::{Value, json};

use super::layout::{docstring, literal, string};
use super::*;
use crate::description::{
    Class, Constraints, Declaration, Definition, Field, Format, Function, NetCdf, Openness,
    Presence, Schema, Type, TypeId, Variant,
};

fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.to_owned(),
        schema: Schema::of(ty),
        presence: Presence::Required,
    }
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

fn object(name: &str, fields: Vec<Field>) -> Declaration {
    Declaration {
        name: name.to_owned(),
        documentation: String::new(),
        documented_values: Vec::new(),
        definition: Definition::Object {
            fields,
            rest: None,
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

fn description() -> Description {
    Description {
        topic: "demo".to_owned(),
        documentation: String::new(),
        functions: Vec::new(),
        classes: Vec::new(),
        types: Vec::new(),
        api_info: Value::Null,
    }
}

/// Returns the generated part of the file, without the runtime.
fn written(description: &Description) -> String {
    let text = write(description, &[]);
    let end = RUNTIME.lines().last().unwrap();
    let (_, rest) = text.split_once(&format!("{end}\n")).unwrap();
    // The runtime contains its last line twice.
    let rest = rest.split_once(&format!("{end}\n")).map_or(rest, |it| it.1);
    rest.to_owned()
}

fn with_function(function: Function) -> String {
    let mut description = description();
    description.functions.push(function);
    written(&description)
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in\n{text}");
}

#[test]
fn texts_are_literals_of_python() {
    assert_eq!(string("it's"), r#""it's""#);
    assert_eq!(string(r#"a "b""#), r#"'a "b"'"#);
    assert_eq!(string(r#"it's "b""#), r#"'it\'s "b"'"#);
    assert_eq!(
        string("\\ \n\r\t\0\u{7f}\u{2028}ä🌍"),
        r#""\\ \n\r\t\x00\x7f\u2028ä🌍""#
    );
}

#[test]
fn values_are_literals_of_python() {
    let value = json!({"a": [true, false, null], "b": -1, "c": 1e300, "d": {}});
    assert_eq!(
        literal(&value).flat(),
        r#"{"a": [True, False, None], "b": -1, "c": 1e300, "d": {}}"#
    );
    assert_eq!(layout::number("1e400"), "float(\"1e400\")");
}

#[test]
fn functions_submit_jobs_of_their_own_names() {
    let mut description = description();
    for name in ["submit", "attach", "property", "add"] {
        let arguments = vec![field("a", Type::Boolean)];
        let function = function(name, arguments, Type::Boolean);
        description.functions.push(function);
    }
    description.classes.push(Class {
        name: "Stack".to_owned(),
        documentation: String::new(),
        arguments: Vec::new(),
        is_open: false,
        methods: vec![function("submit", Vec::new(), Type::Null)],
        is_deprecated: false,
    });
    let text = written(&description);
    for part in [
        "class _SubmitStack(_BlockingSubmittingObject):\n",
        "    def submit(self) -> Job[None]:\n",
        "    async def submit(self) -> AsyncJob[None]:\n",
        "    def add(self, a: bool) -> Job[bool]:\n",
        "    async def add(self, a: bool) -> AsyncJob[bool]:\n",
        "    def stack(self) -> _SubmitStack:\n",
        "    def submit(self) -> _Submit:\n",
        "    def submit(self) -> _AsyncSubmit:\n",
        "    def submit_(self, a: bool) -> bool:\n",
        "    def submit_(self, a: bool) -> Job[bool]:\n",
        "    def attach_(self, a: bool) -> bool:\n",
    ] {
        contains(&text, part);
    }
    // The decorator is the built-in one.
    let client = text.split_once("class Client(").unwrap().1;
    assert!(client.find("@property") < client.find("def property"));
}

/// The constructor accepts both names.
#[test]
fn no_attribute_is_the_name_of_another_field() {
    let mut description = description();
    let names = ["Name", "name", "Age", "age2", "age"];
    let fields = names.map(|name| field(name, Type::Boolean)).into();
    description.types.push(object("Person", fields));
    let text = written(&description);
    contains(&text, "name2: bool = Field(");
    contains(&text, "    name: bool\n");
    contains(&text, "age3: bool = Field(");
    contains(&text, "    age2: bool\n    age: bool\n");
}

/// To Python, letters with the same compatibility form are the same letter.
#[test]
fn names_differ_for_python_too() {
    let mut description = description();
    for name in ["ﬁt", "fit", "ｃlass", "ｐing"] {
        let arguments = ["µ", "μ", "ſelf"].map(|name| field(name, Type::Boolean));
        let function = function(name, arguments.into(), Type::Null);
        description.functions.push(function);
    }
    let fields = ["ϵ", "ℓ", "ﬁ", "fi", "ｊson"].map(|name| field(name, Type::Boolean));
    description.types.push(object("Ｐoint", fields.into()));
    description.types.push(object("Point", Vec::new()));
    let text = written(&description);
    for part in [
        "    def fit(self, μ: bool, μ2: bool, self_: bool) -> None:\n",
        "{\"µ\": μ, \"μ\": μ2, \"ſelf\": self_}",
        "    def fit2(self",
        "    def class_(self",
        "    def ping_(self",
        "class Point(_Model)",
        "    ε: bool = Field(validation_alias=\"ϵ\", serialization_alias=\"ϵ\")\n",
        "    l: bool = Field(validation_alias=\"ℓ\", serialization_alias=\"ℓ\")\n",
        "    fi2: bool = Field(validation_alias=\"ﬁ\", serialization_alias=\"ﬁ\")\n",
        "    fi: bool\n",
        "    json_: bool = Field(",
        "class Point2(_Model)",
    ] {
        contains(&text, part);
    }
}

/// An alias without quotes would refer to a later type.
#[test]
fn a_type_with_other_letters_is_found_in_an_alias() {
    let mut description = description();
    let named = |id| Type::Named(TypeId(id));
    let long = (0..14).map(|_| Schema::of(named(0))).collect();
    description
        .types
        .push(object("Größe", vec![field("parts", Type::Tuple(long))]));
    contains(&written(&description), "GrößeParts = TypeAliasType(");
}

#[test]
fn nothing_ends_a_docstring_before_its_end() {
    for (text, expected) in [
        ("Text.", r#""""Text.""""#),
        (r#"a "quote""#, r#""""a "quote" """"#),
        (r#""quote""#, r#""""\"quote" """"#),
        (r#"""""#, r#""""\"\"" """"#),
        (r"C:\x", r#""""C:\\x""""#),
        ("back\\", r#""""back\\""""#),
        ("nul\0", r#""""nul\x00""""#),
        ("a\tb \r\n\r\n  c\rd", "\"\"\"a    b\n\n  c\nd\n\"\"\""),
        ("a\n  b\n    c", "\"\"\"a\nb\n  c\n\"\"\""),
    ] {
        assert_eq!(docstring(text, 0), format!("{expected}\n"));
    }
    assert_eq!(docstring("a\n\nb", 4), "    \"\"\"a\n\n    b\n    \"\"\"\n");
}

#[test]
fn a_function_is_a_method_of_both_clients() {
    let mut b = field("b", Type::Number);
    b.presence = Presence::Default(json!(2.5));
    b.schema.documentation = "The second.".to_owned();
    *b.schema.constraints = Constraints {
        exclusive_minimum: Some(0.into()),
        ..Constraints::default()
    };
    let mut add = function(
        "add",
        vec![b, field("a", Type::Integer(None))],
        Type::Number,
    );
    add.documentation = "Add.".to_owned();
    add.reporter = Some("report".to_owned());
    add.is_deprecated = true;
    let text = with_function(add);
    contains(
        &text,
        r#"_ADD: _Function[float] = _Function(
    "add",
    float,
    {"b": Annotated[float, Field(gt=0)], "a": int},
)
"#,
    );
    contains(
        &text,
        r#"    @deprecated("The module marks this as deprecated.")
    async def add(self, a: int, *, b: float = _LEFT_OUT) -> float:
        """Add.

        Reports its progress: see ``with_options(on_progress=...)``.

        Parameters
        ----------
        b : float, default: 2.5
            The second.
            Greater than 0.
        a : int

        Returns
        -------
        float
        """
        return await self._call(_ADD, {"b": b, "a": a})
"#,
    );
    contains(
        &text,
        "        return self._call(_ADD, {\"b\": b, \"a\": a})\n",
    );
}

#[test]
fn a_class_is_made_by_both_clients() {
    let mut description = description();
    description.classes.push(Class {
        name: "Client".to_owned(),
        documentation: String::new(),
        arguments: vec![field("self", Type::Boolean)],
        is_open: false,
        methods: vec![function("list", Vec::new(), Type::Null)],
        is_deprecated: false,
    });
    let text = written(&description);
    contains(&text, "class Client2(_BlockingObject):\n");
    contains(&text, "    async def list_(self) -> None:\n");
    contains(
        &text,
        "    def client(self, self_: bool) -> AsyncClient2:\n",
    );
    contains(
        &text,
        "        return Client2(self, _CLIENT, {\"self\": self_})\n",
    );
}

#[test]
fn names_of_python_are_reserved() {
    let names: Vec<&str> = names_of_the_runtime().collect();
    for name in [
        "Any",
        "Union",
        "websocket",
        "json",
        "DasfError",
        "_KINDS",
        "_text",
        "_T",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    let mut description = description();
    for name in [
        "class",
        "close",
        "camelCase",
        "camel_case",
        "__init__",
        "2nd",
        "世",
        "",
        "print",
    ] {
        let function = function(name, vec![field(name, Type::Boolean)], Type::Null);
        description.functions.push(function);
    }
    description.types.push(object("Any", Vec::new()));
    description
        .types
        .push(object("list", vec![field("model_config", Type::Null)]));
    description.types.push(alias("ValueError", Type::Boolean));
    let text = written(&description);
    for part in [
        "def class_(self, class_: bool)",
        "def close_(self, close: bool)",
        "def camel_case(self, camel_case: bool)",
        "def camel_case2(self, camel_case: bool)",
        "def init(self, init: bool)",
        "def x2nd(self, x2nd: bool)",
        "def x(self, x: bool)",
        "def 世(self, 世: bool)",
        "def print(self, print: bool)",
        "class Any2(_Model):",
        "class List(_Model):",
        "ValueError2: TypeAlias = bool",
        "\"camelCase\", None, {\"camelCase\": bool}",
    ] {
        contains(&text, part);
    }
    contains(
        &text,
        r#"    model_config_: None = Field(
        validation_alias="model_config",
        serialization_alias="model_config",
    )
"#,
    );
}

#[test]
fn a_type_comes_after_its_parts() {
    let mut description = description();
    description.types = vec![
        alias("Forest", Type::List(boxed(Type::Named(TypeId(1))))),
        object("Tree", vec![field("trees", Type::Named(TypeId(0)))]),
        alias(
            "Deep",
            Type::Nullable(boxed(Type::List(boxed(Type::Named(TypeId(2)))))),
        ),
        alias("Woods", Type::Map(boxed(Type::Named(TypeId(0))))),
    ];
    let text = written(&description);
    let place = |part| text.find(part).unwrap_or_else(|| panic!("{part}"));
    assert!(place("class Tree(_Model):\n") < place("Forest: TypeAlias = list[Tree]\n"));
    assert!(place("Forest: ") < place("Woods: TypeAlias = dict[str, Forest]\n"));
    contains(
        &text,
        "Deep = TypeAliasType(\"Deep\", \"list[Deep] | None\")\n",
    );
    let whole = write(&description, &[]);
    contains(
        &whole,
        "from typing_extensions import Self, TypeAliasType\n",
    );
}

#[test]
fn a_long_chain_of_types_has_an_order() {
    let mut description = description();
    let link = |next| object("Link", vec![field("next", Type::Named(TypeId(next)))]);
    description.types = (1..20_000).map(link).collect();
    description.types.push(object("End", Vec::new()));
    assert!(written(&description).starts_with("\n\nclass End(_Model):"));
}

#[test]
fn a_tag_distinguishes_the_types_of_a_union() {
    let tag = |value: &str| field("kind", Type::Literal(vec![json!(value)]));
    let variant = |id| Variant {
        name: String::new(),
        schema: Schema::of(Type::Named(TypeId(id))),
    };
    let mut description = description();
    description.types = vec![
        object("A", vec![tag("a")]),
        object("B", vec![tag("b")]),
        object("B2", vec![tag("b")]),
        alias("Tagged", Type::Union(vec![variant(0), variant(1)])),
        alias("Untagged", Type::Union(vec![variant(1), variant(2)])),
    ];
    let text = written(&description);
    contains(
        &text,
        "Tagged: TypeAlias = Annotated[A | B, Field(discriminator=\"kind\")]\n\
         Untagged: TypeAlias = B | B2\n",
    );
}

#[test]
fn an_inexpressible_type_is_any_value_with_the_reason() {
    let reason = Openness::Inexpressible("the schema uses `not`".to_owned());
    let text = with_function(function(
        "f",
        vec![field("a", Type::Any(reason))],
        Type::Null,
    ));
    contains(
        &text,
        "_F: _Function[None] = _Function(\"f\", None, {\"a\": Any})\n",
    );
    contains(
        &text,
        "            Any JSON value, because the schema uses `not`.\n",
    );
}

#[test]
fn numbers_that_literal_does_not_support_are_integers() {
    let values = vec![json!(1), json!("a"), json!(u64::MAX), json!(-1)];
    let text = with_function(function("f", Vec::new(), Type::Literal(values)));
    contains(
        &text,
        "_F: _Function[Literal[1, \"a\", -1] | int] = _Function(",
    );
}

#[test]
fn sets_contain_only_hashable_types() {
    let set = |ty| Type::Set(boxed(ty));
    let arguments = vec![
        field("a", set(Type::Integer(None))),
        field("b", set(Type::List(boxed(Type::Boolean)))),
        field("c", set(Type::Text(Format::Base64))),
    ];
    let text = with_function(function("f", arguments, Type::Tuple(Vec::new())));
    contains(
        &text,
        "self, a: set[int], b: list[list[bool]], c: set[bytes]",
    );
    contains(&text, "-> tuple[()]:\n");
    contains(&text, "            All values are different.\n");
}

#[test]
fn the_file_imports_only_the_names_that_it_uses() {
    let text = write(&description(), &["One".to_owned(), String::new()]);
    assert!(
        text.starts_with("# One\n#\n\"\"\"The client of the DASF module ``demo``.\"\"\"\n\nfrom")
    );
    assert!(!text.contains("import datetime") && !text.contains("import uuid"));
    let arguments = vec![
        field("a", Type::Text(Format::Uuid)),
        field("b", Type::Text(Format::Duration)),
    ];
    let mut description = description();
    description
        .functions
        .push(function("f", arguments, Type::Null));
    let text = write(&description, &[]);
    contains(
        &text,
        "import copy\nimport datetime\nimport difflib\nimport hashlib\n",
    );
    contains(&text, "import time\nimport uuid\n");
}

#[test]
fn patterns_have_the_syntax_of_their_engine() {
    let mut description = description();
    let patterns = [r"^\d$", "^[a-z]$", "(?=a)", r"^[\s]"];
    let arguments = patterns.into_iter().map(|pattern| {
        let mut text = field(pattern, Type::Text(Format::Plain));
        text.schema.constraints.pattern = Some(pattern.to_owned());
        text
    });
    let function = function("f", arguments.collect(), Type::Null);
    description.functions.push(function);
    // These patterns are pydantic's, in the syntax of its engine.
    let text = written(&description);
    contains(&text, r#"_matches("^\\d$")]"#);
    contains(&text, r#"_matches("(?=a)")]"#);
    description.api_info = json!({"x_dasf": {"version": 1}});
    let text = written(&description);
    contains(&text, r#"_matches("^\\d$", "^[0-9]$")]"#);
    contains(&text, r#"_matches("^[a-z]$")]"#);
    contains(&text, r#"\\x{2028}-\\x{2029}"#);
    // A module of this framework does not start with this pattern, so the client does not check it.
    assert!(!text.contains("_matches(\"(?=a)"), "{text}");
}

#[test]
fn bounds_of_integers_are_integers() {
    let mut argument = field("a", Type::Integer(None));
    let number = |value: f64| serde_json::Number::from_f64(value);
    *argument.schema.constraints = Constraints {
        minimum: number(0.5),
        exclusive_maximum: number(2.5),
        multiple_of: number(0.5),
        min_length: Some(3),
        ..Constraints::default()
    };
    let mut text = field("b", Type::Text(Format::Plain));
    *text.schema.constraints = Constraints {
        pattern: Some("(?=\"x\")\\d".to_owned()),
        max_length: Some(3),
        minimum: number(1.0),
        ..Constraints::default()
    };
    let written = with_function(function("f", vec![argument, text], Type::Null));
    contains(&written, "\"a\": Annotated[int, Field(ge=1, lt=3)],\n");
    contains(&written, "Field(max_length=3), _matches('(?=\"x\")\\\\d')]");
}

#[test]
fn arguments_in_netcdf_are_bytes_or_xarray_objects_and_results_their_files() {
    let array = || Type::Text(Format::NetCdf(NetCdf::DataArray));
    let dataset = || Type::Text(Format::NetCdf(NetCdf::Dataset));
    let arguments = vec![
        field("a", array()),
        field("b", Type::List(boxed(array()))),
        field("c", Type::Nullable(boxed(dataset()))),
    ];
    let text = with_function(function("f", arguments, dataset()));
    for part in [
        "    {\"a\": NetCDFArray, \"b\": list[NetCDFArray], \"c\": NetCDF | None},\n",
        "        a: bytes | XarrayObject,\n",
        "        b: list[bytes | XarrayObject],\n",
        "        c: bytes | XarrayObject | None,\n",
        "    ) -> NetCDF:\n",
        "        b : list[bytes | XarrayObject]\n",
        "            A NetCDF file with an ``xarray.DataArray``.\n",
        "            A NetCDF file with an ``xarray.Dataset``.\n",
    ] {
        contains(&text, part);
    }
}

#[test]
fn a_series_becomes_a_data_frame() {
    let series = |tag: &str, names: [&str; 4]| {
        let mut fields = Vec::from(names.map(|name| field(name, Type::Number)));
        fields[0].schema.ty = Type::Literal(vec![tag.into()]);
        object("Series", fields)
    };
    let names = ["response_type", "name", "index", "columns"];
    for (declaration, base) in [
        (series("series", names), "_SeriesModel"),
        (series("geojson", names), "_Model"),
        (
            series("series", ["kind", "name", "index", "columns"]),
            "_Model",
        ),
        (
            series("series", ["response_type", "name", "index", "rows"]),
            "_Model",
        ),
    ] {
        let mut description = description();
        description.types.push(declaration);
        contains(&written(&description), &format!("class Series({base}):\n"));
    }
}
