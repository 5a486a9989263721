//! Finding attributes by their path.

use syn::{Attribute, Path};

/// Returns whether the path of an attribute is `dasf::NAME`, or `NAME` where it was imported. The
/// crate may have another name.
pub(crate) fn is_dasf_attribute(path: &Path, name: &str, krate: &Path) -> bool {
    let krate = krate.segments.last();
    let segments: Vec<_> = path.segments.iter().collect();
    match segments.as_slice() {
        [only] => only.ident == name,
        [first, second] => {
            let is_ours = first.ident == "dasf" || krate.is_some_and(|it| it.ident == first.ident);
            is_ours && second.ident == name
        }
        _ => false,
    }
}

/// Removes the attributes `#[dasf::NAME]` from an item and returns them.
pub(crate) fn take_dasf_attributes(
    attributes: &mut Vec<Attribute>,
    name: &str,
    krate: &Path,
) -> Vec<Attribute> {
    attributes
        .extract_if(.., |attribute| {
            is_dasf_attribute(attribute.path(), name, krate)
        })
        .collect()
}

/// Returns the attributes with a name, such as `doc`.
pub(crate) fn named(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    let attributes = attributes.iter();
    attributes
        .filter(|attribute| attribute.path().is_ident(name))
        .cloned()
        .collect()
}
