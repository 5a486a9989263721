//! A module as the macros understand it: read from the annotated `mod`, and checked.

use std::collections::HashMap;

use darling::error::Accumulator;
use darling::{Error, Result};
use proc_macro2::{Span, TokenStream};
use quote::format_ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, FnArg, Ident, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, Pat,
    Path, ReceiverKind, ReturnType, Signature, Type, UseTree, Visibility, parse_quote,
};

use crate::docs::Docs;
use crate::options::{
    self, ArgumentOptions, ClassOptions, ConstraintValue, DefaultOption, FunctionOptions,
    ModuleOptions,
};
use crate::types::{ArgumentType, ResultType, Shape};

/// Names in the module, or of a client's methods, that the macro itself uses.
const RESERVED_IN_MODULE: [&str; 5] = ["main", "module", "client", "blocking", "Client"];
const RESERVED_IN_CLIENT: [&str; 4] = ["connect", "builder", "caller", "new"];

/// An annotated `mod`.
pub(crate) struct Module {
    pub(crate) name: Ident,
    pub(crate) krate: Path,
    pub(crate) topic: Option<String>,
    pub(crate) description: String,
    /// Whether the attribute gives the description.
    pub(crate) has_own_description: bool,
    pub(crate) version: Option<String>,
    pub(crate) has_main: bool,
    pub(crate) members: Vec<Member>,
}

pub(crate) enum Member {
    Function(Box<Function>),
    Class(Box<Class>),
}

/// A function, a method or a constructor.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    /// The name in requests.
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// The documentation comment as it stands, for the client.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) result: ResultType,
    pub(crate) return_description: Option<String>,
    pub(crate) return_keywords: Vec<(&'static str, ConstraintValue)>,
    pub(crate) schema_extra: Option<Expr>,
    pub(crate) is_async: bool,
    pub(crate) is_inline: bool,
    /// A method that changes its object.
    pub(crate) is_mutating: bool,
}

pub(crate) struct Class {
    pub(crate) ty: Type,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) constructor: Function,
    pub(crate) methods: Vec<Function>,
}

pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// The name in requests.
    pub(crate) name: String,
    pub(crate) ty: ArgumentType,
    pub(crate) default: Option<DefaultOption>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) keywords: Vec<(&'static str, ConstraintValue)>,
    pub(crate) examples: Vec<Expr>,
}

impl Argument {
    /// Whether a request may leave it out.
    pub(crate) fn has_default(&self) -> bool {
        self.default.is_some() || matches!(self.ty.shape, Shape::Optional(_) | Shape::Reporter)
    }

    /// Whether it is part of the request, and of a client's method.
    pub(crate) fn is_data(&self) -> bool {
        !matches!(self.ty.shape, Shape::Reporter | Shape::Context)
    }
}

impl Module {
    /// Reads an annotated `mod`, and takes the attributes inside it away, whether it succeeds or
    /// not.
    pub(crate) fn from_item(attribute: TokenStream, item: &mut ItemMod) -> Result<Self> {
        let mut errors = Error::accumulator();
        let options: ModuleOptions = errors
            .handle(options::from_tokens(attribute))
            .unwrap_or_default();
        let krate = options.krate.unwrap_or_else(|| parse_quote!(::dasf));
        let docs = Docs::of(&item.attrs);
        if let Some(topic) = &options.topic
            && !is_topic(&topic.value())
        {
            let error = "a topic is made of letters, digits, '-' and '_'";
            errors.push(Error::custom(error).with_span(topic));
        }
        let mut members = Vec::new();
        match &mut item.content {
            None => errors.push(
                Error::custom(
                    "write the items inline, in `mod name { … }`: the macro must see them",
                )
                .with_span(&item.ident),
            ),
            Some((_, items)) => {
                check_reserved(items, &mut errors);
                let class_docs = class_docs(items);
                let fallible: Path = parse_quote!(#krate::__private::Fallible);
                let mut reader = Reader {
                    errors: &mut errors,
                    class_docs,
                    krate: krate.clone(),
                    fallible,
                    found_attribute: false,
                };
                members = items
                    .iter_mut()
                    .filter_map(|item| reader.member(item))
                    .collect();
                let found_attribute = reader.found_attribute;
                if members.is_empty() && !found_attribute {
                    let error = "nothing here can be called; mark functions with #[dasf::function]";
                    errors.push(Error::custom(error).with_span(&item.ident));
                }
            }
        }
        check_names(&members, &mut errors);
        errors.finish()?;
        Ok(Self {
            name: item.ident.clone(),
            krate,
            topic: options.topic.map(|topic| topic.value()),
            has_own_description: options.description.is_some(),
            description: options.description.or(docs.summary).unwrap_or_default(),
            version: options.version,
            has_main: options.main.unwrap_or(true),
            members,
        })
    }
}

fn is_topic(text: &str) -> bool {
    let accepts = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.chars().all(accepts)
}

/// The documentation of the module's types, by their names.
fn class_docs(items: &[Item]) -> HashMap<String, Vec<Attribute>> {
    let documented = items.iter().filter_map(|item| match item {
        Item::Struct(item) => Some((&item.ident, &item.attrs)),
        Item::Enum(item) => Some((&item.ident, &item.attrs)),
        _ => None,
    });
    documented
        .map(|(ident, attributes)| (ident.to_string(), doc_comments(attributes)))
        .collect()
}

fn doc_comments(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .cloned()
        .collect()
}

/// Nothing in the module may have a name that the macro uses itself.
fn check_reserved(items: &[Item], errors: &mut Accumulator) {
    for ident in items.iter().flat_map(names_of) {
        if RESERVED_IN_MODULE.contains(&ident.to_string().as_str()) {
            let error =
                format!("`{ident}` is a name that #[dasf::module] uses itself; choose another");
            errors.push(Error::custom(error).with_span(ident));
        }
    }
}

/// The names that an item brings into its module.
fn names_of(item: &Item) -> Vec<&Ident> {
    fn imported<'t>(tree: &'t UseTree, names: &mut Vec<&'t Ident>) {
        match tree {
            UseTree::Path(path) => imported(&path.tree, names),
            UseTree::Name(name) => names.push(&name.ident),
            UseTree::Rename(rename) => names.push(&rename.rename),
            UseTree::Group(group) => group.items.iter().for_each(|tree| imported(tree, names)),
            _ => {}
        }
    }
    match item {
        Item::Const(item) => vec![&item.ident],
        Item::Enum(item) => vec![&item.ident],
        Item::Fn(item) => vec![&item.sig.ident],
        Item::Mod(item) => vec![&item.ident],
        Item::Static(item) => vec![&item.ident],
        Item::Struct(item) => vec![&item.ident],
        Item::Trait(item) => vec![&item.ident],
        Item::Type(item) => vec![&item.ident],
        Item::Use(item) => {
            let mut names = Vec::new();
            imported(&item.tree, &mut names);
            names
        }
        _ => Vec::new(),
    }
}

/// Two members, or two methods of a client, must not have one name.
fn check_names(members: &[Member], errors: &mut Accumulator) {
    let mut in_module = HashMap::new();
    let mut in_client = HashMap::new();
    for member in members {
        let (ident, name, method) = match member {
            Member::Function(function) => {
                (&function.ident, &function.name, function.ident.to_string())
            }
            Member::Class(class) => (
                &class.ident,
                &class.name,
                snake_case(&class.ident.to_string()),
            ),
        };
        if RESERVED_IN_CLIENT.contains(&method.as_str()) {
            let error = format!("`{method}` is a method of every client; choose another name");
            errors.push(Error::custom(error).with_span(ident));
        }
        if in_module.insert(name.clone(), ()).is_some() {
            let error = format!("the name {name:?} is taken by another member of this module");
            errors.push(Error::custom(error).with_span(ident));
        } else if in_client.insert(method.clone(), ()).is_some() {
            let error =
                format!("the client would have two methods `{method}`; rename one of the members");
            errors.push(Error::custom(error).with_span(ident));
        }
    }
}

/// `Greeter` makes `greeter`, `SeaIce` makes `sea_ice`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut previous_is_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && previous_is_lower {
            snake.push('_');
        }
        previous_is_lower = letter.is_lowercase() || letter.is_ascii_digit();
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Reads the items of a module.
struct Reader<'a> {
    errors: &'a mut Accumulator,
    class_docs: HashMap<String, Vec<Attribute>>,
    krate: Path,
    fallible: Path,
    /// Whether anything was meant to be callable.
    found_attribute: bool,
}

impl Reader<'_> {
    fn fail(&mut self, error: impl std::fmt::Display, place: &impl Spanned) {
        self.errors.push(Error::custom(error).with_span(place));
    }

    fn member(&mut self, item: &mut Item) -> Option<Member> {
        let attributes = match item {
            Item::Fn(item) => &mut item.attrs,
            Item::Impl(item) => &mut item.attrs,
            Item::Struct(item) => &mut item.attrs,
            Item::Enum(item) => &mut item.attrs,
            _ => return None,
        };
        let function = options::take_member(attributes, "function", &self.krate);
        let class = options::take_member(attributes, "class", &self.krate);
        self.found_attribute |= function.is_some() || class.is_some();
        match (item, function, class) {
            (Item::Fn(item), Some(attribute), None) => self
                .function(&attribute, item)
                .map(|function| Member::Function(Box::new(function))),
            (Item::Impl(item), None, Some(attribute)) => self
                .class(&attribute, item)
                .map(|class| Member::Class(Box::new(class))),
            (Item::Fn(_), _, Some(class)) => {
                self.fail("a function takes #[dasf::function]", &class);
                None
            }
            (_, Some(function), _) => {
                self.fail("#[dasf::function] belongs on a function", &function);
                None
            }
            (_, None, Some(class)) => {
                self.fail(
                    "#[dasf::class] belongs on the `impl` block with the methods",
                    &class,
                );
                None
            }
            (_, None, None) => None,
        }
    }

    fn function(&mut self, attribute: &Attribute, item: &mut ItemFn) -> Option<Function> {
        let options: FunctionOptions = self.errors.handle(options::from_attribute(attribute))?;
        if options.skip {
            self.fail(
                "a function without #[dasf::function] is not callable; `skip` is for methods",
                attribute,
            );
        }
        let docs = doc_comments(&item.attrs);
        self.callable(&mut item.sig, options, docs, None)
    }

    fn class(&mut self, attribute: &Attribute, item: &mut ItemImpl) -> Option<Class> {
        let options: ClassOptions = self.errors.handle(options::from_attribute(attribute))?;
        if let Some((path, _)) = &item.trait_ {
            self.fail(
                "a class is an `impl` block of the type itself, not of a trait",
                path,
            );
        }
        if !item.generics.params.is_empty() {
            self.fail(
                "a class must be one type; write an `impl` block without parameters",
                &item.generics,
            );
        }
        let ty = (*item.self_ty).clone();
        let ident = match &ty {
            Type::Path(path) if path.qself.is_none() => {
                path.path.segments.last().map(|it| it.ident.clone())
            }
            _ => None,
        };
        let Some(ident) = ident else {
            self.fail("a class must be a type with a name", &ty);
            return None;
        };
        let type_docs = self
            .class_docs
            .get(&ident.to_string())
            .cloned()
            .unwrap_or_default();
        let docs = if type_docs.is_empty() {
            doc_comments(&item.attrs)
        } else {
            type_docs
        };
        let parsed_docs = Docs::of(&docs);

        let mut constructor = None;
        let mut methods = Vec::new();
        for item in &mut item.items {
            let ImplItem::Fn(method) = item else { continue };
            match self.method(method, &ty, &parsed_docs) {
                Some(Method::Constructor(function)) => constructor = Some(function),
                Some(Method::Method(function)) => methods.push(function),
                None => {}
            }
        }
        let Some(constructor) = constructor else {
            self.fail(
                "a class needs a constructor, `pub fn new(…) -> Self`",
                &ident,
            );
            return None;
        };
        if methods.is_empty() {
            self.fail(
                "a class needs a method, a `pub fn` that takes `&self`",
                &ident,
            );
        }
        Some(Class {
            name: options.name.unwrap_or_else(|| ident.unraw().to_string()),
            description: options.description.or(parsed_docs.summary),
            ty,
            ident,
            docs,
            constructor,
            methods,
        })
    }

    fn method(&mut self, item: &mut ImplItemFn, this: &Type, class_docs: &Docs) -> Option<Method> {
        let options = self
            .errors
            .handle(options::take_options::<FunctionOptions>(&mut item.attrs))?;
        let is_public = matches!(item.vis, Visibility::Public(_));
        if options.skip || !is_public {
            return None;
        }
        let is_constructor = item.sig.ident == "new";
        let receiver = match item.sig.inputs.first() {
            Some(FnArg::Receiver(receiver)) => Some(receiver),
            _ => None,
        };
        match (is_constructor, receiver) {
            (true, Some(receiver)) => {
                let error = "`new` makes the object; it takes no `self`";
                self.errors.push(Error::custom(error).with_span(receiver));
                return None;
            }
            // An associated function is not callable from outside; it needs no mark to say so.
            (false, None) => return None,
            (false, Some(receiver)) if !is_borrowed(receiver) => {
                let error = "a method takes `&self` or `&mut self`; mark others with #[dasf(skip)]";
                self.errors.push(Error::custom(error).with_span(receiver));
                return None;
            }
            _ => {}
        }
        let docs = doc_comments(&item.attrs);
        let mut function = self.callable(&mut item.sig, options, docs, Some(this))?;
        if !is_constructor {
            return Some(Method::Method(function));
        }
        for argument in &mut function.arguments {
            if argument.description.is_none() {
                argument.description = class_docs.argument(&argument.name);
            }
            if !argument.is_data() {
                let error =
                    "only functions and methods can report or see their context; `new` cannot";
                self.errors
                    .push(Error::custom(error).with_span(&argument.ident));
            }
        }
        Some(Method::Constructor(function))
    }

    /// What functions, methods and constructors have in common.
    fn callable(
        &mut self,
        signature: &mut Signature,
        options: FunctionOptions,
        docs: Vec<Attribute>,
        this: Option<&Type>,
    ) -> Option<Function> {
        self.check_signature(signature);
        let parsed_docs = Docs::of(&docs);
        let mut arguments: Vec<Argument> = Vec::new();
        let mut changes_object = false;
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(receiver) => changes_object = is_mutating(receiver),
                FnArg::Typed(input) => {
                    if let Some(argument) = self.argument(input, &parsed_docs, this) {
                        arguments.push(argument);
                    }
                }
            }
        }
        self.check_arguments(&arguments);
        let result = ResultType::of(&signature.output, this, &self.fallible);
        let result = self.errors.handle(result)?;
        if options.inline && signature.asyncness.is_some() {
            self.fail(
                "an async function never blocks; leave `inline` out",
                &signature.ident,
            );
        }
        let returns = options.returns.unwrap_or_default();
        Some(Function {
            name: options
                .name
                .unwrap_or_else(|| signature.ident.unraw().to_string()),
            ident: signature.ident.clone(),
            description: options.description.or(parsed_docs.summary),
            docs,
            arguments,
            result,
            return_description: returns.description.or(parsed_docs.returns),
            return_keywords: returns.constraints.keywords(),
            schema_extra: options.schema_extra,
            is_async: signature.asyncness.is_some(),
            is_inline: options.inline,
            is_mutating: changes_object,
        })
    }

    fn check_signature(&mut self, signature: &Signature) {
        if !signature
            .generics
            .params
            .iter()
            .all(|it| matches!(it, syn::GenericParam::Lifetime(_)))
        {
            self.fail(
                "a callable function has fixed types; it takes no type parameters",
                &signature.generics,
            );
        }
        if let Some(abi) = &signature.abi {
            self.fail("an extern function cannot be called from outside", abi);
        }
        if let syn::Safety::Unsafe(unsafety) = &signature.safety {
            self.fail(
                "an unsafe function cannot be called from outside; wrap it in a safe one",
                unsafety,
            );
        }
        if let ReturnType::Type(_, ty) = &signature.output
            && matches!(**ty, Type::Never(_))
        {
            self.fail("a function that never returns never answers", ty);
        }
    }

    fn check_arguments(&mut self, arguments: &[Argument]) {
        for shape in [Shape::Reporter, Shape::Context] {
            let mut same = arguments
                .iter()
                .filter(|argument| argument.ty.shape == shape)
                .skip(1);
            if let Some(second) = same.next() {
                self.fail(
                    "one argument of this type is enough; remove this one",
                    &second.ident,
                );
            }
        }
        let mut names = HashMap::new();
        for argument in arguments {
            if matches!(
                argument.name.as_str(),
                "func_name" | "class_name" | "function"
            ) {
                let error = format!(
                    "{:?} has a meaning of its own in requests; rename this argument",
                    argument.name
                );
                self.fail(error, &argument.ident);
            } else if names.insert(&argument.name, ()).is_some() {
                let error = format!("the name {:?} is taken by another argument", argument.name);
                self.fail(error, &argument.ident);
            }
        }
    }

    fn argument(
        &mut self,
        input: &mut syn::PatType,
        docs: &Docs,
        this: Option<&Type>,
    ) -> Option<Argument> {
        let options: ArgumentOptions = self
            .errors
            .handle(options::take_options(&mut input.attrs))?;
        let own_docs = Docs::of(&input.attrs);
        input
            .attrs
            .retain(|attribute| !attribute.path().is_ident("doc"));
        let ident = match &*input.pat {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                pattern.ident.clone()
            }
            other => {
                self.fail(
                    "an argument needs a name; take it apart inside the function",
                    other,
                );
                return None;
            }
        };
        let ty = self.errors.handle(ArgumentType::of(&input.ty, this))?;
        let name = options.rename.unwrap_or_else(|| ident.unraw().to_string());
        if ty.shape == Shape::Context && options.default.is_some() {
            self.fail("the context is no data; it has no default", &ident);
        }
        Some(Argument {
            description: options
                .description
                .or(own_docs.summary)
                .or_else(|| docs.argument(&name)),
            ident,
            name,
            ty,
            default: options.default,
            title: options.title,
            keywords: options.constraints.keywords(),
            examples: options.example,
        })
    }
}

enum Method {
    Constructor(Function),
    Method(Function),
}

fn is_borrowed(receiver: &syn::Receiver) -> bool {
    matches!(receiver.kind, ReceiverKind::Reference(..))
}

fn is_mutating(receiver: &syn::Receiver) -> bool {
    matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_)))
}

/// A name for generated code, made of several. Each is written behind its length, so that no two
/// lists of names make the same.
pub(crate) fn joined(parts: &[&Ident], suffix: &str) -> Ident {
    let mut name = "__dasf".to_owned();
    for part in parts {
        let part = part.unraw().to_string();
        name.push_str(&format!("_{}{part}", part.len()));
    }
    format_ident!("{name}_{suffix}", span = Span::call_site())
}
