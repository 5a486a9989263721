//! What can be wrong with a file, or with what is to be written to one.

/// Why data could not be read from NetCDF, written to it, or put together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetcdfError {
    /// The text is not base64.
    #[error("the text is not base64: {reason}")]
    Base64 {
        /// What is wrong with it.
        reason: String,
    },
    /// The data do not begin as a NetCDF-3 file does.
    #[error("the data are no NetCDF-3 file: {found}")]
    NotNetcdf3 {
        /// What they look like.
        found: &'static str,
    },
    /// The file contradicts the format, or itself.
    #[error("the NetCDF file is malformed at byte {offset}: {problem}")]
    Malformed {
        /// Where it does.
        offset: usize,
        /// How it does.
        problem: String,
    },
    /// The values of a variable cannot be understood.
    #[error("variable `{variable}` cannot be read: {problem}")]
    Unreadable {
        /// The name of the variable.
        variable: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A variable has no form in a NetCDF-3 file.
    #[error("variable `{variable}` cannot be written: {problem}")]
    Unwritable {
        /// The name of the variable.
        variable: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An attribute has no form in a NetCDF-3 file, or means something else there.
    #[error("attribute `{attribute}` of {owner} cannot be written: {problem}")]
    UnwritableAttribute {
        /// What has the attribute.
        owner: String,
        /// The name of the attribute.
        attribute: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A name has no form in a NetCDF-3 file.
    #[error("the name {name:?} cannot be written: {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A NetCDF-3 file holds less than two gibibytes.
    #[error("the data do not fit a NetCDF-3 classic file, which holds less than 2 GiB")]
    TooLarge,
    /// There are as many names of dimensions as the values have axes.
    #[error("{names} dimensions are named {dims:?}, but the values have {axes} axes")]
    DimensionCount {
        /// How many names there are.
        names: usize,
        /// The names.
        dims: Vec<String>,
        /// How many axes the values have.
        axes: usize,
    },
    /// A dimension has the same length everywhere.
    #[error(
        "dimension `{dimension}` has length {expected}, but `{variable}` has {found} values along it"
    )]
    DimensionLength {
        /// The name of the dimension.
        dimension: String,
        /// Its length elsewhere.
        expected: usize,
        /// The variable that differs.
        variable: String,
        /// Its length in this variable.
        found: usize,
    },
    /// A coordinate of an array has only dimensions of the array.
    #[error("coordinate `{coordinate}` has the dimension `{dimension}`, which the array lacks")]
    ForeignDimension {
        /// The name of the coordinate.
        coordinate: String,
        /// The dimension that the array lacks.
        dimension: String,
    },
    /// The values of a coordinate have several axes, and nothing says which these are.
    #[error("coordinate `{coordinate}` has {axes} axes; name them with a `Variable`")]
    CoordinateAxes {
        /// The name of the coordinate.
        coordinate: String,
        /// How many axes its values have.
        axes: usize,
    },
    /// What has the name of a dimension has values along it.
    #[error("`{name}` is a dimension, so the variable `{name}` has values along it")]
    NotAlongItself {
        /// The name.
        name: String,
    },
    /// A name stands for one variable only.
    #[error("there are two variables with the name `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// An array becomes part of a dataset under its name.
    #[error("the array has no name, which it needs in a dataset")]
    Unnamed,
    /// A file with one array holds one variable besides coordinates.
    #[error(
        "an array is read from a file with one variable besides coordinates; this one has {}",
        list(.found)
    )]
    NotOneVariable {
        /// The variables of this file.
        found: Vec<String>,
    },
    /// The values are of another type.
    #[error("the values are {found}, not {wanted}")]
    WrongType {
        /// What the values are.
        found: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The values are no times of the Gregorian calendar.
    #[error("the values are no times: {reason}")]
    NotTimes {
        /// Why they are not.
        reason: String,
    },
    /// The values are not durations.
    #[error("the values are no durations: {reason}")]
    NotDurations {
        /// Why they are not.
        reason: String,
    },
    /// NetCDF-3 has no integers of more than 32 bits.
    #[error("the integer {value} does not fit the 32 bits of NetCDF-3")]
    Integer {
        /// The integer.
        value: String,
    },
}

/// The first few of the names: a file may have very many.
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
