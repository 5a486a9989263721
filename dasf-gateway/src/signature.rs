//! The functions and methods of a module with their arguments, as callers of the gateway see them: the arguments of a
//! constructor are beside those of the method.

use std::collections::HashSet;

use dasf_protocol::api_info::{ALLOW_GROUPS, ApiInfo, FunctionInfo, allows_unknown_arguments};
use dasf_runtime::module::validate::fit_a_query;
use serde_json::Value;

use crate::definitions::{Definitions, Root, properties};
use crate::forms::argument::Form;

/// The keys of requests that are not arguments.
const NO_ARGUMENTS: [&str; 3] = ["func_name", "class_name", "function"];

/// The parameter of a query with the token of the caller.
const TOKEN: &str = "token";
/// The maximum number of arguments of all functions and methods together. Methods beyond it are described as if
/// they had none. The constructor's arguments count for each method.
const MAX_ARGUMENTS: usize = 50_000;

/// All functions and methods of a module.
#[derive(Debug)]
pub(crate) struct Signatures<'a> {
    pub(crate) definitions: Definitions<'a>,
    pub(crate) classes: Vec<Class<'a>>,
    pub(crate) members: Vec<Signature<'a>>,
}

/// A class.
#[derive(Debug)]
pub(crate) struct Class<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
}

/// A function, or a method with the arguments of its constructor.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) class: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) is_deprecated: bool,
    pub(crate) groups: Vec<&'a str>,
    pub(crate) arguments: Vec<Argument<'a>>,
    /// Whether the module accepts arguments that it does not name.
    pub(crate) is_open: bool,
    pub(crate) reports_progress: bool,
    fits_a_query: bool,
    pub(crate) result: Root,
}

/// An argument.
#[derive(Debug)]
pub(crate) struct Argument<'a> {
    pub(crate) name: String,
    pub(crate) root: Root,
    pub(crate) schema: &'a Value,
    pub(crate) is_required: bool,
    pub(crate) form: Form,
}

impl<'a> Signatures<'a> {
    pub(crate) fn read(api: &'a ApiInfo) -> Self {
        let mut definitions = Definitions::default();
        let outer = definitions.add(&api.rpc_schema, None);
        let mut add = |function: &'a FunctionInfo| {
            let schema = definitions.add(&function.rpc_schema, Some(outer));
            let result = definitions.add(&function.return_schema, Some(outer));
            (function, schema, result)
        };
        let functions: Vec<_> = api.functions.iter().map(&mut add).collect();
        let methods: Vec<Vec<_>> = api
            .classes
            .iter()
            .map(|class| class.methods.iter().map(&mut add).collect())
            .collect();
        let constructors: Vec<Root> = api
            .classes
            .iter()
            .map(|class| definitions.add(&class.rpc_schema, Some(outer)))
            .collect();
        let mut members: Vec<Signature<'a>> = functions
            .into_iter()
            .map(|(function, schema, result)| {
                Signature::read(&definitions, function, schema, result, None)
            })
            .collect();
        let mut classes = Vec::new();
        let mut count = 0;
        let parts = api.classes.iter().zip(constructors).zip(methods);
        for ((class, constructor), methods) in parts {
            for (method, schema, result) in methods {
                let class = Some((class.name.as_str(), constructor));
                let mut member = Signature::read(&definitions, method, schema, result, class);
                count += member.arguments.len();
                if count > MAX_ARGUMENTS {
                    member.arguments = Vec::new();
                    member.is_open = true;
                }
                members.push(member);
            }
            let (_, schema) = definitions.follow(constructor, definitions.document(constructor));
            classes.push(Class {
                name: &class.name,
                description: text(schema, "description"),
            });
        }
        Self {
            definitions,
            classes,
            members,
        }
    }
}

impl<'a> Signature<'a> {
    fn read(
        definitions: &Definitions<'a>,
        function: &'a FunctionInfo,
        root: Root,
        result: Root,
        class: Option<(&'a str, Root)>,
    ) -> Self {
        let (root, schema) = definitions.follow(root, definitions.document(root));
        let mut arguments = Vec::new();
        let mut is_open = is_open(schema);
        let mut fits_a_query = fit_a_query(schema);
        if let Some((class, constructor)) = class {
            let (root, constructor) =
                definitions.follow(constructor, definitions.document(constructor));
            is_open |= self::is_open(constructor);
            fits_a_query &= fit_a_query(constructor);
            let of_method = |name: &str| properties(schema).any(|(known, _)| known == name);
            for mut argument in Argument::read_all(definitions, root, constructor) {
                if of_method(&argument.name) {
                    argument.name = format!("{class}.{}", argument.name);
                }
                arguments.push(argument);
            }
        }
        arguments.extend(Argument::read_all(definitions, root, schema));
        let groups = schema.get(ALLOW_GROUPS).and_then(Value::as_array);
        let groups = groups.into_iter().flatten().filter_map(Value::as_str);
        Self {
            class: class.map(|(name, _)| name),
            name: &function.name,
            description: text(schema, "description"),
            is_deprecated: schema.get("deprecated") == Some(&Value::Bool(true)),
            groups: groups.collect(),
            arguments,
            is_open,
            fits_a_query,
            reports_progress: properties(schema).any(|(_, schema)| is_reporter(schema)),
            result,
        }
    }

    /// Returns the signature of one function or method of a module, with the definitions of its schemas.
    pub(crate) fn find(
        api: &'a ApiInfo,
        class: Option<&str>,
        name: &str,
    ) -> Option<(Definitions<'a>, Self)> {
        let mut definitions = Definitions::default();
        let outer = definitions.add(&api.rpc_schema, None);
        let class = match class {
            Some(name) => Some(api.classes.iter().find(|class| class.name == name)?),
            None => None,
        };
        let functions = class.map_or(&api.functions, |class| &class.methods);
        let function = functions.iter().find(|function| function.name == name)?;
        let schema = definitions.add(&function.rpc_schema, Some(outer));
        let result = definitions.add(&function.return_schema, Some(outer));
        let class = class.map(|class| {
            let constructor = definitions.add(&class.rpc_schema, Some(outer));
            (class.name.as_str(), constructor)
        });
        let signature = Self::read(&definitions, function, schema, result, class);
        Some((definitions, signature))
    }

    /// Returns whether a query can hold all arguments. The token of the caller is in the query, too, if it is
    /// not in a header.
    pub(crate) fn fits_a_query(&self) -> bool {
        self.fits_a_query && self.arguments.iter().all(|it| it.name != TOKEN)
    }

    /// Returns the only argument of bytes, with its media type.
    pub(crate) fn bytes(&self) -> Option<(&Argument<'a>, &str)> {
        let mut bytes = self
            .arguments
            .iter()
            .filter_map(|argument| match &argument.form {
                Form::Bytes(media_type) => Some((argument, media_type.as_str())),
                _ => None,
            });
        bytes.next().filter(|_| bytes.next().is_none())
    }

    /// Returns the form of an argument.
    pub(crate) fn form(&self, name: &str) -> Option<&Form> {
        let mut arguments = self.arguments.iter();
        arguments.find_map(|argument| (argument.name == name).then_some(&argument.form))
    }

    /// Returns the argument that the body of a request can be without a query: the only argument of bytes, if no
    /// other argument is required.
    pub(crate) fn body(&self) -> Option<(&Argument<'a>, &str)> {
        let only = self.bytes()?;
        let mut others = self.arguments.iter().filter(|it| it.name != only.0.name);
        others.all(|other| !other.is_required).then_some(only)
    }
}

impl<'a> Argument<'a> {
    fn read_all(
        definitions: &Definitions<'a>,
        root: Root,
        schema: &'a Value,
    ) -> impl Iterator<Item = Self> {
        let required = schema.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        let required: HashSet<&str> = required.collect();
        let arguments = properties(schema).filter(|(name, schema)| {
            !NO_ARGUMENTS.contains(&name.as_str()) && !is_reporter(schema)
        });
        arguments.map(move |(name, schema)| Self {
            name: name.clone(),
            root,
            schema,
            is_required: required.contains(name.as_str()),
            form: Form::of(definitions, root, schema),
        })
    }
}

fn is_open(schema: &Value) -> bool {
    schema.as_object().is_some_and(allows_unknown_arguments)
}

/// Returns whether the value of a schema is the report of a function's progress, which is no argument.
fn is_reporter(schema: &Value) -> bool {
    schema.get("is_reporter") == Some(&Value::Bool(true))
}

/// Returns a text of a schema; empty if there is none.
pub(crate) fn text<'a>(schema: &'a Value, keyword: &str) -> &'a str {
    schema
        .get(keyword)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
