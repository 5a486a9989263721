//! The errors of reading and writing NetCDF files.

/// The reason why data cannot be read from NetCDF, written to it, or combined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetcdfError {
    /// The string is not base64.
    #[error("the string is not base64: {reason}")]
    Base64 {
        /// The error in it.
        reason: String,
    },
    /// The data do not begin like a NetCDF-3 file.
    #[error("the data are not a NetCDF-3 file: {found}")]
    NotNetcdf3 {
        /// A description of the data.
        found: &'static str,
    },
    /// The file contradicts the format or itself.
    #[error("the NetCDF file is malformed at byte {offset}: {problem}")]
    Malformed {
        /// The place of the error.
        offset: usize,
        /// A description of the error.
        problem: String,
    },
    /// The values of a variable cannot be read.
    #[error("variable `{variable}` cannot be read: {problem}")]
    Unreadable {
        /// The name of the variable.
        variable: String,
        /// A description of the problem.
        problem: String,
    },
    /// A variable cannot be written to a NetCDF-3 file.
    #[error("variable `{variable}` cannot be written: {problem}")]
    Unwritable {
        /// The name of the variable.
        variable: String,
        /// A description of the problem.
        problem: String,
    },
    /// An attribute cannot be written to a NetCDF-3 file, or has a special meaning there.
    #[error("attribute `{attribute}` of {owner} cannot be written: {problem}")]
    UnwritableAttribute {
        /// The variable or dataset with the attribute.
        owner: String,
        /// The name of the attribute.
        attribute: String,
        /// A description of the problem.
        problem: String,
    },
    /// A name cannot be written to a NetCDF-3 file.
    #[error("the name {name:?} cannot be written: {problem}")]
    Name {
        /// The name.
        name: String,
        /// A description of the problem.
        problem: &'static str,
    },
    /// The data exceed the size of a NetCDF-3 file, which is less than 2 GiB.
    #[error("the data do not fit in a NetCDF-3 classic file; use less than 2 GiB")]
    TooLarge,
    /// The number of dimension names differs from the number of axes.
    #[error("the names of the dimensions are {dims:?}, but the values have {axes} axes")]
    DimensionCount {
        /// The number of names.
        names: usize,
        /// The names.
        dims: Vec<String>,
        /// The number of axes of the values.
        axes: usize,
    },
    /// A dimension has different lengths in different variables.
    #[error(
        "dimension `{dimension}` has length {expected}, but `{variable}` has {found} values along it"
    )]
    DimensionLength {
        /// The name of the dimension.
        dimension: String,
        /// Its length in other variables.
        expected: usize,
        /// The variable with another length.
        variable: String,
        /// The length in this variable.
        found: usize,
    },
    /// A coordinate of an array has a dimension that the array does not have.
    #[error(
        "coordinate `{coordinate}` has the dimension `{dimension}`, which the array does not have"
    )]
    ForeignDimension {
        /// The name of the coordinate.
        coordinate: String,
        /// The missing dimension.
        dimension: String,
    },
    /// The values of a coordinate have several axes without names.
    #[error("coordinate `{coordinate}` has {axes} axes; name them with a `Variable`")]
    CoordinateAxes {
        /// The name of the coordinate.
        coordinate: String,
        /// The number of axes of its values.
        axes: usize,
    },
    /// A variable has the name of a dimension but not this dimension.
    #[error(
        "the variable `{name}` has the name of a dimension; it must have values along `{name}`"
    )]
    NotAlongItself {
        /// The name.
        name: String,
    },
    /// Two variables have the same name.
    #[error("there are two variables with the name `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// An array without a name cannot become part of a dataset.
    #[error("the array has no name; a dataset needs one")]
    Unnamed,
    /// A file for one array has no variable, or several, besides coordinates.
    #[error(
        "an array needs a file with one variable besides coordinates; this one has {}",
        list(.found)
    )]
    NotOneVariable {
        /// The variables in this file.
        found: Vec<String>,
    },
    /// The values have another type.
    #[error("the values are {found}, not {wanted}")]
    WrongType {
        /// The type of the values.
        found: &'static str,
        /// The requested type.
        wanted: &'static str,
    },
    /// The values are not times of the Gregorian calendar.
    #[error("the values are not times: {reason}")]
    NotTimes {
        /// Why they are not times.
        reason: String,
    },
    /// The values are not durations.
    #[error("the values are not durations: {reason}")]
    NotDurations {
        /// Why they are not durations.
        reason: String,
    },
    /// An integer has more than the 32 bits of NetCDF-3.
    #[error("the integer {value} does not fit in the 32 bits of NetCDF-3")]
    Integer {
        /// The integer.
        value: String,
    },
}

/// Lists the first names, because a file may have very many.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.split_at_checked(SHOWN) {
        Some((shown, rest @ [_, ..])) => {
            format!("{} and {} more", shown.join(", "), rest.len())
        }
        _ if names.is_empty() => "none".to_owned(),
        _ => names.join(", "),
    }
}
