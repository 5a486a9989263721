//! Reading an annotated `mod` into the model, and checking it on the way.

use std::collections::HashMap;

use darling::{Error, Result};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, FnArg, Ident, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, LitStr, Pat,
    Path, ReceiverKind, ReturnType, Signature, Type, UseTree, Visibility, parse_quote,
};

use crate::constraints::{self, Kind};
use crate::docs::Docs;
use crate::misplaced;
use crate::mistakes::Mistakes;
use crate::model::{Argument, Class, Function, Member, Module, Outer, of_name, snake_case};
use crate::names::{Known, Names, type_path};
use crate::options::{
    self, ArgumentOptions, ClassOptions, DefaultOption, Errors, FunctionOptions, MethodOptions,
    ModuleOptions, ReturnOptions, UnknownArguments,
};
use crate::serde_attributes;
use crate::types::{ArgumentType, ReplaceSelf, ResultType, Shape};
use crate::unknown_variants;
use crate::variant_order;

/// Names in the module, and names of a client's methods, that the macro uses itself.
const RESERVED_IN_MODULE: [&str; 5] = ["main", "module", "client", "blocking", "Client"];
const RESERVED_IN_CLIENT: [&str; 4] = ["connect", "builder", "caller", "new"];
/// The keys of a request that are not arguments.
const RESERVED_IN_REQUEST: [&str; 3] = ["func_name", "class_name", "function"];

/// A `mod` that was read, and its mistakes.
pub(crate) struct Read {
    /// The module, without the members that have mistakes.
    pub(crate) module: Module,
    pub(crate) mistakes: Result<()>,
}

/// Reads an annotated `mod`, and removes the attributes inside it.
pub(crate) fn read(attribute: TokenStream, item: &mut ItemMod) -> Read {
    let mut errors = Mistakes::default();
    // A mistake in another option must not add a `main`.
    let forbids_main = options::forbids_main(&attribute);
    let options: ModuleOptions = errors
        .handle(options::from_tokens(attribute, Kind::Unknown))
        .unwrap_or_default();
    let krate = options.krate.unwrap_or_else(|| parse_quote!(::dasf));
    let docs = Docs::of(&item.attrs);
    if let Some(topic) = &options.topic {
        check_characters("topic", topic, &['-', '_'], &mut errors);
    }
    if let Some(group) = &options.group {
        check_characters("group", group, &['-', '_', '.', ':'], &mut errors);
    }
    let mut members: Vec<(Member, bool)> = Vec::new();
    match &mut item.content {
        None => errors.push(
            Error::custom(
                "write the items inside `mod name { … }`; the macro cannot read them in another file",
            )
            .with_span(&item.ident),
        ),
        Some((_, items)) => {
            check_reserved(items, &mut errors);
            allow_imports(items, &krate);
            variant_order::keep(items);
            unknown_variants::mark(items);
            let mut reader = Reader {
                errors: &mut errors,
                class_docs: class_docs(items),
                names: Names::of(items, &krate),
                krate: krate.clone(),
                fallible: parse_quote!(#krate::__private::Fallible),
                found_attribute: false,
            };
            let mut is_class = Vec::new();
            for item in items.iter_mut() {
                let before = reader.errors.len();
                let had_attribute = std::mem::take(&mut reader.found_attribute);
                let member = reader.member(item);
                let is_sound = reader.errors.len() == before;
                members.extend(member.map(|member| (member, is_sound)));
                is_class.push(reader.found_attribute);
                reader.found_attribute |= had_attribute;
            }
            let found_attribute = reader.found_attribute;
            let before = errors.len();
            misplaced::take(items, &krate, &is_class, &mut errors);
            if !found_attribute && errors.len() == before {
                let error = "this module has nothing to call; mark functions with #[dasf::function] \
                             and `impl` blocks with #[dasf::class]";
                errors.push(Error::custom(error).with_span(&item.ident));
            }
            serde_attributes::check(items, &krate, &mut errors);
        }
    }
    check_names(members.iter().map(|(member, _)| member), &mut errors);
    let members = members.into_iter();
    let members = members.filter_map(|(member, is_sound)| is_sound.then_some(member));
    let module = Module {
        name: item.ident.clone(),
        krate,
        topic: options.topic.map(|topic| topic.value()),
        group: options.group.map(|group| group.value()),
        description: options.description.or(docs.summary).unwrap_or_default(),
        version: options.version,
        has_main: options.main.unwrap_or(!forbids_main),
        errors: options.errors.unwrap_or(Errors::Outermost),
        unknown_arguments: options
            .unknown_arguments
            .unwrap_or(UnknownArguments::Ignore),
        members: members.collect(),
    };
    Read {
        module,
        mistakes: errors.finish(),
    }
}

/// Refuses a topic or group with characters other than letters, digits and some signs.
fn check_characters(what: &str, literal: &LitStr, signs: &[char], errors: &mut Mistakes) {
    let name = literal.value();
    let is_other = |c: &char| !c.is_ascii_alphanumeric() && !signs.contains(c);
    let fact = match name.chars().find(is_other) {
        None if name.is_empty() => format!("the {what} is empty"),
        None => return,
        Some(' ') => format!("the {what} {name:?} contains a space"),
        Some(other) => format!("the {what} {name:?} contains {other:?}"),
    };
    let signs: Vec<String> = signs.iter().map(|sign| format!("{sign:?}")).collect();
    let (last, others) = signs.split_last().unwrap_or((&name, &[]));
    let others = others.join(", ");
    let error = format!("{fact}; use ASCII letters, digits, {others} and {last}");
    errors.push(Error::custom(error).with_span(literal));
}

/// Returns the documentation of the module's types, by their names.
fn class_docs(items: &[Item]) -> HashMap<String, Vec<Attribute>> {
    let documented = items.iter().filter_map(|item| match item {
        Item::Struct(item) => Some((&item.ident, &item.attrs)),
        Item::Enum(item) => Some((&item.ident, &item.attrs)),
        _ => None,
    });
    documented
        .map(|(ident, attributes)| (ident.to_string(), of_name(attributes, "doc")))
        .collect()
}

/// Refuses items with a name that the macro uses itself.
fn check_reserved(items: &[Item], errors: &mut Mistakes) {
    for ident in items.iter().flat_map(names_of) {
        if RESERVED_IN_MODULE.contains(&ident.to_string().as_str()) {
            let error =
                format!("#[dasf::module] uses the name `{ident}` itself; choose another name");
            errors.push(Error::custom(error).with_span(ident));
        }
    }
}

/// Allows unused imports of our attributes: the macro removes the attributes themselves.
fn allow_imports(items: &mut [Item], krate: &Path) {
    let krate = krate.segments.last().map(|last| &last.ident);
    for item in items {
        let is_of_ours = |name: &Ident| {
            name == "function" || name == "class" || name == "dasf" || Some(name) == krate
        };
        let imports_ours = names_of(item).into_iter().any(is_of_ours);
        if let Item::Use(item) = item
            && imports_ours
        {
            item.attrs.push(parse_quote!(#[allow(unused_imports)]));
        }
    }
}

/// Returns the names that an item brings into its module.
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

/// Refuses members, and methods of a client, that share a name. Members with a `#[cfg(…)]` may share
/// it: the compiler reports the members that exist together.
fn check_names<'m>(members: impl Iterator<Item = &'m Member>, errors: &mut Mistakes) {
    let mut in_module = HashMap::new();
    let mut in_client = HashMap::new();
    for member in members {
        let (ident, name, method) = match member {
            Member::Function(function) => {
                let method = function.ident.unraw().to_string();
                (&function.ident, &function.name, method)
            }
            Member::Class(class) => (
                &class.ident,
                &class.name,
                snake_case(&class.ident.to_string()),
            ),
        };
        if RESERVED_IN_CLIENT.contains(&method.as_str()) {
            let error = format!("every client has a method `{method}`; choose another name");
            errors.push(Error::custom(error).with_span(ident));
        }
        if !member.outer().conditions.is_empty() {
            continue;
        }
        if in_module.insert(name.clone(), ()).is_some() {
            let error =
                format!("another member of this module has the name {name:?}; rename one of them");
            errors.push(Error::custom(error).with_span(ident));
        } else if in_client.insert(method.clone(), ()).is_some() {
            let error =
                format!("the client would have two methods `{method}`; rename one of the members");
            errors.push(Error::custom(error).with_span(ident));
        }
        if let Member::Class(class) = member {
            let mut names = HashMap::new();
            let methods = class.methods.iter();
            for method in methods.filter(|method| method.outer.conditions.is_empty()) {
                if names.insert(&method.name, ()).is_some() {
                    let error = format!(
                        "another method of this class has the name {:?}; rename one of them",
                        method.name
                    );
                    errors.push(Error::custom(error).with_span(&method.ident));
                }
            }
        }
    }
}

/// Reads the items of a module.
struct Reader<'a> {
    errors: &'a mut Mistakes,
    class_docs: HashMap<String, Vec<Attribute>>,
    names: Names,
    krate: Path,
    fallible: Path,
    /// Whether an item has one of our attributes.
    found_attribute: bool,
}

impl Reader<'_> {
    fn fail(&mut self, error: impl std::fmt::Display, place: &impl Spanned) {
        self.errors.push(Error::custom(error).with_span(place));
    }

    /// Reads an item with an attribute of ours. An attribute on the wrong kind of item stays there;
    /// `misplaced` reports it.
    fn member(&mut self, item: &mut Item) -> Option<Member> {
        match item {
            Item::Fn(item) => {
                let attribute = self.attribute(&mut item.attrs, "function")?;
                let function = self.function(&attribute, item)?;
                Some(Member::Function(Box::new(function)))
            }
            Item::Impl(item) => {
                let attribute = self.attribute(&mut item.attrs, "class")?;
                let class = self.class(&attribute, item)?;
                Some(Member::Class(Box::new(class)))
            }
            _ => None,
        }
    }

    /// Removes an attribute from an item and returns it.
    fn attribute(&mut self, attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
        let mut found = options::take_member(attributes, name, &self.krate).into_iter();
        let first = found.next()?;
        self.found_attribute = true;
        if let Some(second) = found.next() {
            self.fail(
                format!("write one #[dasf::{name}(…)] with all options"),
                &second,
            );
        }
        Some(first)
    }

    fn function(&mut self, attribute: &Attribute, item: &mut ItemFn) -> Option<Function> {
        let options: FunctionOptions = self
            .errors
            .handle(options::from_attribute(attribute, Kind::Unknown))
            .unwrap_or_default();
        let outer = Outer::of(&item.attrs);
        self.callable(&mut item.sig, options, outer, None)
    }

    fn class(&mut self, attribute: &Attribute, item: &mut ItemImpl) -> Option<Class> {
        let options: ClassOptions = self
            .errors
            .handle(options::from_attribute(attribute, Kind::Unknown))
            .unwrap_or_default();
        if let Some((path, _)) = &item.trait_ {
            self.fail(
                "#[dasf::class] belongs on an `impl` block of the type itself, not of a trait",
                path,
            );
        }
        if !item.generics.params.is_empty() {
            self.fail(
                "a class cannot be generic; write an `impl` block without parameters",
                &item.generics,
            );
        }
        let ty = (*item.self_ty).clone();
        let ident = type_path(&ty).and_then(|path| path.path.segments.last());
        let ident = ident.map(|segment| segment.ident.clone());
        if ident.is_none() {
            self.fail("a class must be a type with a name", &ty);
        }
        let name = ident.as_ref().map(Ident::to_string).unwrap_or_default();
        let mut outer = Outer::of(&item.attrs);
        if let Some(docs) = self.class_docs.get(&name).filter(|docs| !docs.is_empty()) {
            outer.docs.clone_from(docs);
        }
        let parsed_docs = Docs::of(&outer.docs);

        let mut constructor = None;
        let mut has_constructor = false;
        let mut methods = Vec::new();
        let mut has_method = false;
        for item in &mut item.items {
            let ImplItem::Fn(method) = item else { continue };
            let is_constructor = method.sig.ident == "new";
            has_constructor |= is_constructor;
            let is_callable = matches!(method.vis, Visibility::Public(_))
                && matches!(method.sig.inputs.first(), Some(FnArg::Receiver(_)));
            has_method |= is_callable && !is_constructor;
            match self.method(method, &ty, &parsed_docs) {
                Some(Method::Constructor(function)) => constructor = Some(function),
                Some(Method::Method(function)) => methods.push(function),
                None => {}
            }
        }
        let ident = ident?;
        let is_inherent = item.trait_.is_none();
        if is_inherent && !has_constructor {
            self.fail(
                "a class needs a constructor, `pub fn new(…) -> Self`",
                &ident,
            );
        }
        if is_inherent && methods.is_empty() && !has_method {
            self.fail(
                "a class needs at least one method, a `pub fn` with `&self` or `&mut self`",
                &ident,
            );
        }
        let name = self.name(options.name.as_ref(), &ident);
        Some(Class {
            name,
            description: options.description.or(parsed_docs.summary),
            ty,
            ident,
            outer,
            constructor: constructor?,
            methods,
        })
    }

    fn method(&mut self, item: &mut ImplItemFn, this: &Type, class_docs: &Docs) -> Option<Method> {
        let options = options::take_options::<MethodOptions>(&mut item.attrs, Kind::Unknown);
        let options = self.errors.handle(options).flatten();
        let has_options = options.is_some();
        let options = options.unwrap_or_default();
        let is_public = matches!(item.vis, Visibility::Public(_));
        let is_constructor = item.sig.ident == "new";
        let receiver = match item.sig.inputs.first() {
            Some(FnArg::Receiver(receiver)) => Some(receiver),
            _ => None,
        };
        let ident = &item.sig.ident;
        let mistake = match (is_constructor, receiver) {
            _ if options.skip && is_constructor => Some((
                "a class needs its constructor `new`; remove `skip`",
                ident.span(),
            )),
            _ if options.skip => return None,
            (true, _) if !is_public => Some(("the constructor `new` must be `pub`", ident.span())),
            (true, Some(receiver)) => Some((
                "the constructor `new` cannot take `self`; remove it",
                receiver.span(),
            )),
            (true, None) if !makes_object(&item.sig.output, this) => Some((
                "the constructor `new` must return `Self` or `Result<Self, E>`",
                match &item.sig.output {
                    ReturnType::Default => ident.span(),
                    output @ ReturnType::Type(..) => output.span(),
                },
            )),
            // Private methods and associated functions cannot be called; without options they are
            // left out silently.
            (false, _) if !is_public && has_options => Some((
                "a private method cannot be called; make it `pub`, or remove its options",
                ident.span(),
            )),
            (false, None) if has_options => Some((
                "a function without `self` cannot be called; add `&self`, or move it out of the \
                 `impl` block",
                ident.span(),
            )),
            (false, _) if !is_public => return None,
            (false, None) => return None,
            (false, Some(receiver)) if !is_borrowed(receiver) => Some((
                "a method must take `&self` or `&mut self`; write #[dasf(skip)] to leave this one out",
                receiver.span(),
            )),
            _ => None,
        };
        if let Some((mistake, span)) = mistake {
            self.fail(mistake, &span);
        }
        let outer = Outer::of(&item.attrs);
        let mut function = self.callable(&mut item.sig, options.function, outer, Some(this))?;
        if !is_constructor {
            return Some(Method::Method(function));
        }
        self.check_constructor(&function);
        for argument in &mut function.arguments {
            if argument.description.is_none() {
                argument.description = class_docs.argument(&argument.name);
            }
        }
        Some(Method::Constructor(function))
    }

    fn check_constructor(&mut self, function: &Function) {
        let ident = &function.ident;
        if let Some(tool) = function.arguments.iter().find(|it| !it.is_data()) {
            let error =
                "the constructor `new` cannot take a progress report or a context; a method can";
            self.fail(error, &tool.ident);
        }
        if function.name != "new"
            || function.is_inline
            || function.schema_extra.is_some()
            || !function.return_constraints.is_empty()
        {
            self.fail(
                "the constructor `new` takes only the options `description` and `errors`",
                ident,
            );
        }
        if !function.outer.conditions.is_empty() {
            let error = "the constructor cannot be conditional; put #[cfg(…)] on the `impl` block";
            self.fail(error, ident);
        }
    }

    /// Returns the name in requests: the name in the option, or the item's own.
    fn name(&mut self, option: Option<&LitStr>, ident: &Ident) -> String {
        let Some(literal) = option else {
            return ident.unraw().to_string();
        };
        let name = literal.value();
        let mut letters = name.chars();
        let is_letter = |c: char| c.is_alphanumeric() || c == '_';
        let is_identifier = letters
            .next()
            .is_some_and(|c| is_letter(c) && !c.is_numeric())
            && letters.all(is_letter);
        if !is_identifier {
            let error = format!(
                "the name {name:?} is not an identifier; use letters, digits and '_', and do not \
                 begin with a digit"
            );
            self.fail(error, literal);
        }
        name
    }

    /// Reads a function, a method or a constructor.
    fn callable(
        &mut self,
        signature: &mut Signature,
        options: FunctionOptions,
        outer: Outer,
        this: Option<&Type>,
    ) -> Option<Function> {
        self.check_signature(signature);
        let docs = Docs::of(&outer.docs);
        let mut arguments: Vec<Argument> = Vec::new();
        let mut changes_object = false;
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(receiver) => changes_object = is_mutating(receiver),
                FnArg::Typed(input) => {
                    if let Some(argument) = self.argument(input, &docs, this) {
                        arguments.push(argument);
                    }
                }
            }
        }
        self.check_arguments(&arguments);
        let result = ResultType::of(&signature.output, this, &self.fallible, &self.names);
        let result = self.errors.handle(result);
        let kind = match &result {
            Some(result) => Kind::of_values(&result.value, &self.names),
            None => Kind::Unknown,
        };
        let returns = options::from_tokens(options.returns, kind);
        let returns: ReturnOptions = self.errors.handle(returns).unwrap_or_default();
        let result = result?;
        if options.inline && signature.asyncness.is_some() {
            self.fail(
                "an async function always runs on the task of the call; remove `inline`",
                &signature.ident,
            );
        }
        let return_constraints = returns.constraints.list();
        let no_values = std::iter::empty();
        for error in constraints::check(&return_constraints, no_values, &result.value, &self.names)
        {
            self.errors.push(error);
        }
        Some(Function {
            name: self.name(options.name.as_ref(), &signature.ident),
            ident: signature.ident.clone(),
            description: options.description.or(docs.summary),
            outer,
            arguments,
            result,
            return_description: returns.description.or(docs.returns),
            return_constraints,
            schema_extra: options.schema_extra.map(|mut extra| {
                if let Some(this) = this {
                    ReplaceSelf(this).visit_expr_mut(&mut extra);
                }
                extra
            }),
            is_async: signature.asyncness.is_some(),
            is_inline: options.inline,
            errors: options.errors,
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
                "a function of a module cannot be generic; use fixed types",
                &signature.generics,
            );
        }
        if let Some(abi) = &signature.abi {
            self.fail("a function of a module cannot be `extern`; remove it", abi);
        }
        if let syn::Safety::Unsafe(unsafety) = &signature.safety {
            self.fail(
                "a function of a module cannot be `unsafe`; wrap it in a safe function",
                unsafety,
            );
        }
    }

    fn check_arguments(&mut self, arguments: &[Argument]) {
        for (shape, name) in [
            (Shape::Reporter, "progress report"),
            (Shape::Context, "context"),
        ] {
            let mut same = arguments
                .iter()
                .filter(|argument| argument.ty.shape == shape && argument.conditions.is_empty())
                .skip(1);
            if let Some(second) = same.next() {
                self.fail(
                    format!("a function takes at most one {name}; remove this argument"),
                    &second.ident,
                );
            }
        }
        let mut names = HashMap::new();
        for argument in arguments {
            if RESERVED_IN_REQUEST.contains(&argument.name.as_str()) {
                let error = format!(
                    "requests use the key {:?} themselves; rename this argument",
                    argument.name
                );
                self.fail(error, &argument.ident);
            } else if argument.conditions.is_empty() && names.insert(&argument.name, ()).is_some() {
                let error = format!(
                    "another argument has the name {:?}; rename one of them",
                    argument.name
                );
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
        let kind = Kind::of_values(&input.ty, &self.names);
        let options = options::take_options::<ArgumentOptions>(&mut input.attrs, kind);
        let options = self.errors.handle(options).flatten().unwrap_or_default();
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
                    "an argument needs a name; destructure it inside the function",
                    other,
                );
                return None;
            }
        };
        let ty = ArgumentType::of(&input.ty, this, &self.names);
        let ty = self.errors.handle(ty)?;
        let mut options = options;
        if let Some(this) = this {
            let mut replace = ReplaceSelf(this);
            if let Some(DefaultOption::Expression(default)) = &mut options.default {
                replace.visit_expr_mut(default);
            }
            for example in &mut options.example {
                replace.visit_expr_mut(example);
            }
        }
        let constraints = options.constraints.list();
        let default = match &options.default {
            Some(DefaultOption::Expression(expression)) => Some(("the default", &**expression)),
            _ => None,
        };
        let examples = options
            .example
            .iter()
            .map(|example| ("an example", example));
        let values = default.into_iter().chain(examples);
        for error in constraints::check(&constraints, values, &ty.owned, &self.names) {
            self.errors.push(error);
        }
        if ty.shape == Shape::Context
            && (options.default.is_some()
                || options.rename.is_some()
                || !options.example.is_empty())
        {
            self.fail(
                "the context is not part of a request; remove its options",
                &ident,
            );
        }
        let name = self.name(options.rename.as_ref(), &ident);
        Some(Argument {
            description: options
                .description
                .or(own_docs.summary)
                .or_else(|| docs.argument(&name))
                .or_else(|| docs.argument(&ident.unraw().to_string())),
            ident,
            name,
            ty,
            default: options.default,
            title: options.title,
            constraints,
            examples: options.example,
            conditions: of_name(&input.attrs, "cfg"),
        })
    }
}

enum Method {
    Constructor(Function),
    Method(Function),
}

/// Returns whether a constructor returns its object, or a `Result` of it, as far as its tokens show.
fn makes_object(output: &ReturnType, this: &Type) -> bool {
    let ReturnType::Type(_, ty) = output else {
        return false;
    };
    let is_object = |ty: &Type| {
        let is_self = type_path(ty).is_some_and(|path| path.path.is_ident("Self"));
        is_self || ty.to_token_stream().to_string() == this.to_token_stream().to_string()
    };
    is_object(ty)
        || match Names::default().known(ty) {
            Some((Known::Result, segment)) => crate::names::parameters(segment)
                .next()
                .is_none_or(is_object),
            _ => false,
        }
}

/// Returns the type of a receiver that is written out, as in `self: &Self`.
fn written_type(receiver: &syn::Receiver) -> Option<&Type> {
    match &receiver.kind {
        ReceiverKind::Typed(_, ty) => Some(ty),
        _ => None,
    }
}

fn is_borrowed(receiver: &syn::Receiver) -> bool {
    matches!(receiver.kind, ReceiverKind::Reference(..))
        || matches!(written_type(receiver), Some(Type::Reference(_)))
}

fn is_mutating(receiver: &syn::Receiver) -> bool {
    matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_)))
        || matches!(
            written_type(receiver),
            Some(Type::Reference(reference)) if reference.mutability.is_some()
        )
}
