//! A module as its author wrote it: the items with the options of their attributes.

use syn::ext::IdentExt;
use syn::{Attribute, Generics, Ident, ItemMod, LitStr, Path, Signature, Type, Visibility};

use crate::attributes::{
    ArgumentOptions, ClassOptions, FunctionOptions, ModuleOptions, OuterAttributes, ReturnOptions,
};
use crate::docs::Docs;
use crate::mistakes::Mistakes;
use crate::types::{ArgumentType, ResultType, TypeNames};

/// A part of a module, and the mistakes in it that its reader found.
pub(crate) struct WithMistakes<T> {
    /// The part; `None` if it could not be read, or is left out.
    pub(crate) value: Option<T>,
    pub(crate) mistakes: Mistakes,
}

/// An annotated `mod`.
pub(crate) struct ModuleSource {
    /// The item, without our attributes.
    pub(crate) item: ItemMod,
    pub(crate) options: ModuleOptions,
    /// Whether the options contain `main = false`, even if another one is invalid.
    pub(crate) forbids_main: bool,
    pub(crate) krate: Path,
    pub(crate) type_names: TypeNames,
    pub(crate) members: Vec<MemberSource>,
    /// The mistakes in the attribute of the module.
    pub(crate) mistakes: Mistakes,
    /// The mistakes of attributes at places where nothing reads them.
    pub(crate) misplaced: Mistakes,
}

/// An item with an attribute of ours.
pub(crate) struct MemberSource {
    pub(crate) kind: MemberKind,
    /// The mistakes in its attribute. `check` adds all others.
    pub(crate) mistakes: Mistakes,
}

pub(crate) enum MemberKind {
    Function(Box<FunctionSource>),
    Class(Box<ClassSource>),
}

/// A function, a method or a constructor.
pub(crate) struct FunctionSource {
    pub(crate) signature: Signature,
    pub(crate) options: FunctionOptions,
    pub(crate) returns: ReturnOptions,
    pub(crate) outer: OuterAttributes,
    pub(crate) arguments: Vec<WithMistakes<ArgumentSource>>,
    pub(crate) result: WithMistakes<ResultType>,
}

/// An argument of a function, without `self`.
pub(crate) struct ArgumentSource {
    pub(crate) ident: Ident,
    pub(crate) ty: ArgumentType,
    pub(crate) options: ArgumentOptions,
    pub(crate) docs: Docs,
    /// The attributes `#[cfg(…)]`.
    pub(crate) conditions: Vec<Attribute>,
}

/// An annotated `impl` block.
pub(crate) struct ClassSource {
    pub(crate) ty: Type,
    /// The name of the type; `None` if it has none.
    pub(crate) ident: Option<Ident>,
    /// The trait that the block implements.
    pub(crate) trait_path: Option<Path>,
    pub(crate) generics: Generics,
    pub(crate) options: ClassOptions,
    pub(crate) outer: OuterAttributes,
    /// The constructor and the methods, without those that callers cannot reach.
    pub(crate) methods: Vec<WithMistakes<MethodSource>>,
    /// Whether the author left out a method that callers could reach.
    pub(crate) has_skipped_method: bool,
}

/// A method or a constructor.
pub(crate) struct MethodSource {
    pub(crate) visibility: Visibility,
    /// Whether it has the option `skip`, which a constructor must not have.
    pub(crate) is_skipped: bool,
    pub(crate) function: FunctionSource,
}

impl MemberSource {
    /// Returns whether all of it could be read, apart from single arguments.
    pub(crate) fn is_readable(&self) -> bool {
        match &self.kind {
            MemberKind::Function(function) => function.is_readable(),
            MemberKind::Class(class) => class.ident.is_some() && class.has_constructor(),
        }
    }
}

impl FunctionSource {
    /// Returns whether its result could be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.result.value.is_some()
    }

    /// Returns the arguments that could be read.
    pub(crate) fn readable_arguments(&self) -> impl Iterator<Item = &ArgumentSource> {
        self.arguments.iter().filter_map(|it| it.value.as_ref())
    }

    /// Returns the name in requests.
    pub(crate) fn name(&self) -> String {
        name_in_requests(self.options.name.as_ref(), &self.signature.ident)
    }
}

impl ArgumentSource {
    /// Returns the name in requests.
    pub(crate) fn name(&self) -> String {
        name_in_requests(self.options.rename.as_ref(), &self.ident)
    }
}

impl ClassSource {
    /// Returns the name in requests. `ident` is the name of the type.
    pub(crate) fn name(&self, ident: &Ident) -> String {
        name_in_requests(self.options.name.as_ref(), ident)
    }

    /// Returns the constructor and the methods.
    pub(crate) fn all_methods(&self) -> impl Iterator<Item = &MethodSource> {
        self.methods.iter().filter_map(|it| it.value.as_ref())
    }

    /// Returns whether it has a constructor that could be read.
    fn has_constructor(&self) -> bool {
        self.all_methods()
            .any(|method| method.is_constructor() && method.function.is_readable())
    }

    /// Returns the methods that could be read, without the constructor.
    pub(crate) fn readable_methods(&self) -> impl Iterator<Item = &FunctionSource> {
        let methods = self.all_methods().filter(|it| !it.is_constructor());
        let methods = methods.map(|method| &method.function);
        methods.filter(|method| method.is_readable())
    }
}

impl MethodSource {
    pub(crate) fn is_constructor(&self) -> bool {
        self.function.signature.ident == "new"
    }

    pub(crate) fn is_public(&self) -> bool {
        matches!(self.visibility, Visibility::Public(_))
    }
}

/// Returns the name that an option sets, or the item's own.
fn name_in_requests(option: Option<&LitStr>, ident: &Ident) -> String {
    match option {
        Some(name) => name.value(),
        None => ident.unraw().to_string(),
    }
}
