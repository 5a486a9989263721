//! The errors of making these types.

/// The reason why a value cannot be shown in one of these forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresentError {
    /// A link does not begin with `https://` or `http://` and a host, or is not a URL of at most
    /// 2083 characters.
    #[error("the link {href:?} is not valid: {problem}")]
    Link {
        /// The link.
        href: String,
        /// A description of the problem.
        problem: &'static str,
    },
    /// A row of a table is not an object.
    #[error("row {row} is {found}; a row of a table must be a struct or a map")]
    NotAnObject {
        /// The number of the row, from 0.
        row: usize,
        /// The kind of value that it is.
        found: &'static str,
    },
    /// A cell of a table is a list or an object.
    #[error("{name:?} in row {row} is {found}; a cell of a table is a text or a number")]
    NotFlat {
        /// The number of the row, from 0.
        row: usize,
        /// The name of the cell.
        name: String,
        /// The kind of value that it is.
        found: &'static str,
    },
    /// A row of a table cannot be written as JSON.
    #[error("row {row} cannot be written: {problem}")]
    Unwritable {
        /// The number of the row, from 0.
        row: usize,
        /// A description of the problem.
        problem: String,
    },
}
