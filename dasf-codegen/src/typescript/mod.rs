//! The client in TypeScript: one file without dependencies, for browsers and for Node.js.
//!
//! The file has these parts: the named types, an interface for the arguments of each function, the
//! class `Client` with a method for each function, and a class for each class of the module. Then the
//! [`RUNTIME`] follows, which is the same in every file, and the checks of results.
//!
//! Types and classes are in upper camel case, and methods in lower camel case, as usual in
//! TypeScript. Arguments and properties have the names of the wire format: they are data, and a
//! program can pass a property of a result as an argument.

#[cfg(test)]
mod tests;
mod text;
mod types;

use heck::ToLowerCamelCase;

use crate::description::{Class, Description, Field, Function, Type};
use crate::names::{Folding, Names, identifier};
use text::{Comment, Expression, line_comment, literal, signature};
use types::{Direction, Types, remarks, type_name};

/// The part that is the same in every file.
const RUNTIME: &str = include_str!("runtime.ts");

/// The names of types and values that every file defines or uses.
const RESERVED: [&str; 106] = [
    "ANSWERS_LIMIT",
    "ANSWER_TIME",
    "Answer",
    "ArgumentError",
    "Array",
    "ArrayBuffer",
    "BEFORE_END",
    "Boolean",
    "CANCEL_TIME",
    "CLOSE_LIMIT",
    "CONNECT_LIMIT",
    "CONTEXT_LIMIT",
    "Call",
    "CallOptions",
    "Caller",
    "Client",
    "ClientOptions",
    "ConnectionError",
    "DasfError",
    "Date",
    "Error",
    "FAILURES",
    "FailureKind",
    "Frame",
    "JSON",
    "Job",
    "JobBroker",
    "JobCancelledError",
    "JobId",
    "JobRecord",
    "JobState",
    "JobStatus",
    "KEEP",
    "KEEPER",
    "KEEPER_QUERY",
    "KEEP_ALIVE",
    "Kept",
    "LONGEST",
    "LONGEST_UNREAD",
    "Link",
    "MAX_LOSSES",
    "Map",
    "Math",
    "ModuleError",
    "NAME_LETTERS",
    "NOBODY_LISTENS",
    "NO_HOLD",
    "NO_USER",
    "NaN",
    "NoJobError",
    "NobodyListensError",
    "Number",
    "Object",
    "Omit",
    "Outgoing",
    "PING_AGAIN",
    "PONG_CONNECTION_LIMIT",
    "Parts",
    "Platform",
    "ProgressReport",
    "Promise",
    "Properties",
    "Property",
    "PulsarAddress",
    "Purpose",
    "QUIET",
    "RECEIPT_LIMIT",
    "RETURN_LIMIT",
    "Readonly",
    "Record",
    "RefusedError",
    "RequestTooLargeError",
    "Required",
    "ResultError",
    "SHAPES",
    "SHORTEST_UNREAD",
    "SILENCE",
    "SLOWEST_LINK",
    "START_LIMIT",
    "SUBMITTER_PATIENCE",
    "SendWay",
    "SendWindow",
    "Sendable",
    "Set",
    "Shape",
    "Shapes",
    "Signal",
    "SocketMaker",
    "String",
    "Submit",
    "SubmitOptions",
    "Submitted",
    "Submitter",
    "TOPIC_LIMIT",
    "TextDecoder",
    "TextEncoder",
    "TimeoutError",
    "TopicSender",
    "UNFINISHED_LIMIT",
    "UNRECEIPTED_LIMIT",
    "URL",
    "Uint8Array",
    "WINDOW_LIMIT",
    "WebSocket",
    "WebSocketConstructor",
    "WebSocketLike",
];

/// The names that the methods of a class cannot have. Every object has these names, or they would
/// change it, for example into a promise.
const RESERVED_METHODS: [&str; 9] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "then",
    "toJSON",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// The methods of `Client` that do not call a function of the module.
const CLIENT_METHODS: [&str; 5] = ["apiInfo", "attach", "close", "ping", "submit"];

/// Generates the client of a module with a header.
pub(crate) fn write(description: &Description, header: &[String]) -> String {
    let mut names = Names::without(RESERVED);
    let types = Types::new(description, &mut names);
    let mut writer = Writer {
        types: &types,
        names,
        interfaces: String::new(),
        classes: String::new(),
    };
    let methods = writer.methods(description);
    let header: Vec<String> = header.iter().map(|line| line_comment(line)).collect();
    let comment = Comment::of(&description.documentation).and(
        "The client connects at the first call, and reconnects when a connection is lost. A call that \
         fails rejects with a `DasfError`; the class of the error is the reason.",
    );
    format!(
        "{header}\n\n{declarations}{interfaces}{comment}export class Client {{
  readonly #caller: Caller;

  /** Creates a client. It connects at the first call. */
  constructor(options: ClientOptions) {{
    this.#caller = Caller.of(options, {topic}, SHAPES);
  }}

  /** The same functions and classes, which submit their calls as jobs. */
  get submit(): Submit<Client> {{
    return this.#caller.submitting(Client);
  }}

  /**
   * Returns the job with an id, which this or another program submitted. It does not ask the broker.
   * `T` is the type of its result, which nothing checks.
   */
  attach<T = unknown>(id: string): Job<T> {{
    return this.#caller.attach<T>(id);
  }}

{methods}  /** Checks that the module listens; rejects if it does not answer. */
  ping(options?: CallOptions): Promise<void> {{
    return this.#caller.ping(options);
  }}

  /** Requests the module's API description. */
  apiInfo(options?: CallOptions): Promise<Record<string, unknown>> {{
    return this.#caller.apiInfo(options);
  }}

  /** Closes the connections. Unfinished calls reject with a `ConnectionError`. */
  close(): Promise<void> {{
    return this.#caller.close();
  }}
}}

{classes}{RUNTIME}
/** The checks of the named types in results. */
const SHAPES: Shapes = {shapes};\n",
        header = header.join("\n"),
        declarations = types.declare(),
        interfaces = writer.interfaces,
        comment = comment.write(""),
        topic = literal(&description.topic),
        classes = writer.classes,
        shapes = types.shapes().write(0, "const SHAPES: Shapes = ;".len()),
    )
}

struct Writer<'a> {
    types: &'a Types<'a>,
    /// The names in the file.
    names: Names,
    /// The interfaces of arguments, each followed by an empty line.
    interfaces: String,
    /// The classes, each followed by an empty line.
    classes: String,
}

impl Writer<'_> {
    /// Returns the methods of `Client`, each followed by an empty line.
    fn methods(&mut self, description: &Description) -> String {
        let mut names = Names::without(RESERVED_METHODS.into_iter().chain(CLIENT_METHODS));
        let mut written = String::new();
        for function in &description.functions {
            let name = names.claim(&method_name(&function.name));
            let interface = type_name(&function.name);
            let of = &function.name;
            let arguments = self.arguments(&interface, of, &function.arguments, function.is_open);
            let mut request = spread(arguments.as_ref().map(Arguments::given));
            request.push((
                "func_name".to_owned(),
                Expression::word(literal(&function.name)),
            ));
            written += &self.method(&name, function, arguments.as_ref(), request);
        }
        // A class without methods has nothing to call.
        let classes = description.classes.iter();
        for class in classes.filter(|class| !class.methods.is_empty()) {
            let name = names.claim(&method_name(&class.name));
            written += &self.class(&name, class);
        }
        written
    }

    /// Writes a class; returns the method of `Client` that creates an object of it.
    fn class(&mut self, method: &str, class: &Class) -> String {
        let name = self.names.claim(&type_name(&class.name));
        let arguments = self.arguments(&name, &class.name, &class.arguments, class.is_open);
        let mut names = Names::without(RESERVED_METHODS);
        let mut methods = String::new();
        for function in &class.methods {
            let method = names.claim(&method_name(&function.name));
            let interface = format!("{name}{}", type_name(&function.name));
            let wire_name = format!("{}.{}", class.name, function.name);
            let is_open = function.is_open;
            let own = self.arguments(&interface, &wire_name, &function.arguments, is_open);
            let mut call = spread(own.as_ref().map(Arguments::given));
            call.push((
                "func_name".to_owned(),
                Expression::word(literal(&function.name)),
            ));
            let kept = arguments.as_ref().map(|_| Expression::word("this.#args"));
            let mut request = spread(kept);
            request.push((
                "class_name".to_owned(),
                Expression::word(literal(&class.name)),
            ));
            request.push(("function".to_owned(), Expression::Object(call)));
            methods += &self.method(&method, function, own.as_ref(), request);
        }
        let (field, parameter, assignment) = match &arguments {
            None => (String::new(), String::new(), String::new()),
            Some(arguments) => {
                let interface = &arguments.interface;
                let undefined = if arguments.may_be_left_out {
                    " | undefined"
                } else {
                    ""
                };
                (
                    format!("  readonly #args: {interface}{undefined};\n"),
                    format!(", {}", arguments.parameter()),
                    format!(
                        "    this.#args = {};\n",
                        arguments.given().write(4, "this.#args = ;".len())
                    ),
                )
            }
        };
        let comment = Comment::of(&class.documentation)
            .and("The module creates a new object for each method call.")
            .deprecated(class.is_deprecated);
        self.classes += &format!(
            "{comment}export class {name} {{
  readonly #caller: Caller;
{field}
  /** @internal */
  constructor(caller: Caller{parameter}) {{
    this.#caller = caller;
{assignment}  }}

{methods}}}

",
            comment = comment.write(""),
            methods = methods.strip_suffix('\n').unwrap_or(&methods),
        );
        let comment = Comment::of(&class.documentation).deprecated(class.is_deprecated);
        let given = if arguments.is_some() { ", args" } else { "" };
        let parameters: Vec<String> = arguments.iter().map(Arguments::parameter).collect();
        format!(
            "{}{}    return new {name}(this.#caller{given});\n  }}\n\n",
            comment.write("  "),
            signature(method, &parameters, &name),
        )
    }

    /// Writes the interface of arguments, if there are any.
    fn arguments(
        &mut self,
        start: &str,
        of: &str,
        fields: &[Field],
        is_open: bool,
    ) -> Option<Arguments> {
        if fields.is_empty() {
            return None;
        }
        let interface = self.names.claim(&format!("{start}Arguments"));
        let comment = Comment::of(&format!("The arguments of `{of}`."));
        let direction = Direction::Argument;
        let written = self
            .types
            .interface(&interface, fields, None, direction, false, &comment);
        self.interfaces += &written;
        let names = fields
            .iter()
            .map(|field| Expression::word(literal(&field.name)));
        Some(Arguments {
            interface,
            of: of.to_owned(),
            known: (!is_open).then(|| names.collect()),
            may_be_left_out: !fields.iter().any(Field::is_required),
        })
    }

    /// Returns a method, followed by an empty line.
    fn method(
        &self,
        name: &str,
        function: &Function,
        arguments: Option<&Arguments>,
        request: Vec<(String, Expression)>,
    ) -> String {
        let mut comment = Comment::of(&function.documentation);
        if function.reporter.is_some() {
            comment = comment.and("Reports its progress to `onProgress`.");
        }
        let result = &function.result;
        let mut returns = result.documentation.trim().to_owned();
        for remark in remarks(result) {
            if !returns.is_empty() {
                let is_sentence = returns.ends_with(['.', '!', '?', ':']);
                returns.push_str(if is_sentence { " " } else { ". " });
            }
            returns.push_str(&remark);
        }
        if !returns.is_empty() {
            comment = comment.tag("returns", &returns);
        }
        let comment = comment.deprecated(function.is_deprecated);
        let ty = match &result.ty {
            Type::Null => "void".to_owned(),
            ty => self.types.ty(ty, Direction::Result),
        };
        let parameters = arguments.map(Arguments::parameter).into_iter();
        let parameters: Vec<String> = parameters
            .chain(["options?: CallOptions".to_owned()])
            .collect();
        let call = Expression::Call(
            "this.#caller.call".to_owned(),
            vec![
                Expression::Object(request),
                self.types.shape_of(result),
                Expression::word("options"),
            ],
        );
        // The check of the arguments may throw; an asynchronous method rejects then.
        let name = match arguments.is_some_and(|it| it.known.is_some()) {
            true => format!("async {name}"),
            false => name.to_owned(),
        };
        format!(
            "{}{}    return {};\n  }}\n\n",
            comment.write("  "),
            signature(&name, &parameters, &format!("Promise<{ty}>")),
            call.write(4, "return ;".len()),
        )
    }
}

/// The arguments of a function or a class.
struct Arguments {
    interface: String,
    /// The name of the function or the class, for error messages.
    of: String,
    /// The names of the arguments; `None` if the module accepts others.
    known: Option<Vec<Expression>>,
    may_be_left_out: bool,
}

impl Arguments {
    fn parameter(&self) -> String {
        let mark = if self.may_be_left_out { "?" } else { "" };
        format!("args{mark}: {}", self.interface)
    }

    /// Returns the parameter `args`, with a check of its names.
    fn given(&self) -> Expression {
        let args = Expression::word("args");
        let Some(known) = &self.known else {
            return args;
        };
        let of = Expression::word(literal(&self.of));
        Expression::Call(
            "known".to_owned(),
            vec![of, args, Expression::List(known.clone())],
        )
    }
}

/// Returns the first part of a request: the arguments, if there are any.
fn spread(arguments: Option<Expression>) -> Vec<(String, Expression)> {
    let spread = |arguments| ("...".to_owned(), arguments);
    arguments.map(spread).into_iter().collect()
}

/// Returns the name of a method: the function's own name if it is usual in TypeScript.
fn method_name(name: &str) -> String {
    let is_usual = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric());
    if is_usual {
        name.to_owned()
    } else {
        identifier(&name.to_lower_camel_case(), "call", Folding::Exact)
    }
}
