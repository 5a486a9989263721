//! The attributes of serde on a type whose values calls carry.

use syn::Attribute;

use super::macro_options::MacroOptions;

/// A type with derives of `JsonSchema` and `Deserialize`.
pub(crate) struct SerdeType {
    pub(crate) options: MacroOptions,
    /// Whether the type also derives `Serialize`.
    pub(crate) is_written: bool,
}

impl SerdeType {
    /// Reads the attributes of a type. `None` if the type does not derive both traits, or if serde
    /// reads or writes it as another type: then the attributes of that type count.
    pub(crate) fn of(attributes: &[Attribute]) -> Option<Self> {
        let derives = MacroOptions::named(attributes, "derive");
        let options = MacroOptions::serde(attributes);
        let is_another = ["from", "try_from", "into"]
            .iter()
            .any(|name| options.has(name));
        let is_ours = derives.has("Deserialize") && derives.has("JsonSchema") && !is_another;
        is_ours.then(|| Self {
            options,
            is_written: derives.has("Serialize"),
        })
    }
}
