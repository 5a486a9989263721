//! The conventions that give the stored values of a file their meaning: coordinates, missing
//! values, packed numbers, strings and times. Reading and writing follow xarray, but never lose
//! digits or change the dates of a model's calendar.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use ndarray::IxDyn;

use super::attributes::{Attribute, Attributes};
use super::error::NetcdfError;
use super::format::{Dimension, File, Numbers, Stored, StoredVariable};
use super::time;
use super::values::{Values, shaped};
use super::variable::Variable;

/// Attributes that describe how values are stored. Readers would misinterpret a user's attribute of
/// the same name.
const STORAGE: [&str; 7] = [
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "_Unsigned",
    "_Encoding",
    "coordinates",
];

/// The maximum number of coordinate names listed for each variable separately.
const LISTED: usize = 10_000;

/// The contents of a file, with values converted by the conventions.
pub(super) struct Contents {
    pub(super) variables: IndexMap<String, Variable>,
    pub(super) coordinates: IndexMap<String, Variable>,
    pub(super) attributes: Attributes,
}

fn unreadable(variable: &str, problem: impl Into<String>) -> NetcdfError {
    NetcdfError::Unreadable {
        variable: variable.to_owned(),
        problem: problem.into(),
    }
}

/// Converts the contents of a file.
pub(super) fn decode(mut file: File) -> Result<Contents, NetcdfError> {
    give_units_to_bounds(&mut file.variables);
    let text_axes = text_axes(&file);
    let mut coordinate_names: HashSet<String> = HashSet::new();
    let mut all = IndexMap::new();
    for mut stored in file.variables {
        if let Some(Attribute::Text(names)) = stored.attributes.remove("coordinates") {
            coordinate_names.extend(names.split_whitespace().map(str::to_owned));
        }
        let (name, variable) = decode_variable(stored, &file.dimensions, &text_axes)?;
        coordinate_names.extend(variable.dims().iter().cloned());
        all.insert(name, variable);
    }
    if file.attributes.text("coordinates").is_some()
        && let Some(Attribute::Text(names)) = file.attributes.remove("coordinates")
    {
        coordinate_names.extend(names.split_whitespace().map(str::to_owned));
    }
    let (coordinates, variables) = all
        .into_iter()
        .partition(|(name, _)| coordinate_names.contains(name));
    Ok(Contents {
        variables,
        coordinates,
        attributes: file.attributes,
    })
}

/// Copies the units of times to their bounds, which need not have units themselves.
fn give_units_to_bounds(variables: &mut [StoredVariable]) {
    let mut given = HashMap::new();
    for variable in variables.iter() {
        let attributes = &variable.attributes;
        if let (Some(units), Some(bounds)) = (attributes.text("units"), attributes.text("bounds"))
            && time::are_since(units)
        {
            let calendar = attributes.text("calendar").map(str::to_owned);
            given.insert(bounds.to_owned(), (units.to_owned(), calendar));
        }
    }
    for variable in variables {
        if let Some((units, calendar)) = given.remove(&variable.name) {
            let attributes = &mut variable.attributes;
            if attributes.get("units").is_none() {
                attributes.insert("units", units);
            }
            if let (None, Some(calendar)) = (attributes.get("calendar"), calendar) {
                attributes.insert("calendar", calendar);
            }
        }
    }
}

/// Returns for each dimension whether it counts the characters of strings.
fn text_axes(file: &File) -> Vec<bool> {
    let mut are: Vec<bool> = vec![true; file.dimensions.len()];
    for variable in &file.variables {
        let characters = matches!(variable.values, Stored::Chars(_));
        let last = variable.dimensions.len().saturating_sub(1);
        for (axis, &index) in variable.dimensions.iter().enumerate() {
            if let Some(is) = are.get_mut(index) {
                *is &= characters && axis == last;
            }
        }
    }
    let names: HashSet<&str> = file
        .variables
        .iter()
        .map(|variable| variable.name.as_str())
        .collect();
    for (is, dimension) in are.iter_mut().zip(&file.dimensions) {
        *is &= !names.contains(dimension.name.as_str());
    }
    are
}

fn decode_variable(
    stored: StoredVariable,
    dimensions: &[Dimension],
    text_axes: &[bool],
) -> Result<(String, Variable), NetcdfError> {
    let StoredVariable {
        name,
        dimensions: mut indices,
        mut attributes,
        values,
    } = stored;
    let values = match values {
        Stored::Chars(bytes) => {
            let is_text_axis = |index: usize| text_axes.get(index).copied().unwrap_or_default();
            let text_axis = indices.pop_if(|&mut index| is_text_axis(index));
            let length = text_axis.map(|index| dimensions.get(index).map_or(0, |axis| axis.length));
            let shape = shape(&indices, dimensions);
            decode_texts(&name, &bytes, length.unwrap_or(1), &shape, &mut attributes)?
        }
        Stored::Numbers(numbers) => {
            let shape = shape(&indices, dimensions);
            let numbers = decode_numbers(&name, numbers, &shape, &mut attributes)?;
            decode_meaning(numbers, &mut attributes)
        }
    };
    // The remaining attributes have no meaning for values of this type, and would prevent writing
    // the variable again.
    for attribute in STORAGE {
        attributes.remove(attribute);
    }
    let dims = indices
        .iter()
        .filter_map(|&index| dimensions.get(index))
        .map(|dimension| dimension.name.clone());
    let variable = Variable::new(dims, values)?.with_attributes(attributes);
    Ok((name, variable))
}

fn shape(indices: &[usize], dimensions: &[Dimension]) -> Vec<usize> {
    let lengths = indices.iter().filter_map(|&index| dimensions.get(index));
    lengths.map(|dimension| dimension.length).collect()
}

/// Returns the shape if it fits the number of values.
fn checked_shape(variable: &str, shape: &[usize], values: usize) -> Result<IxDyn, NetcdfError> {
    fn product(mut lengths: impl Iterator<Item = usize>) -> Option<usize> {
        lengths.try_fold(1, usize::checked_mul)
    }
    // Beside an empty dimension, the others could have any length, which `ndarray` rejects.
    let filled = product(shape.iter().map(|&length| length.max(1)));
    let fits = filled.is_some_and(|filled| isize::try_from(filled).is_ok());
    if fits && product(shape.iter().copied()) == Some(values) {
        Ok(IxDyn(shape))
    } else {
        Err(unreadable(
            variable,
            format!("{values} values do not fit the shape {shape:?}"),
        ))
    }
}

fn decode_texts(
    variable: &str,
    bytes: &[u8],
    length: usize,
    shape: &[usize],
    attributes: &mut Attributes,
) -> Result<Values, NetcdfError> {
    // As in xarray, these have no meaning for strings.
    for fill in ["_FillValue", "missing_value", "_Unsigned"] {
        attributes.remove(fill);
    }
    let encoding = attributes.remove("_Encoding");
    let encoding = encoding
        .as_ref()
        .and_then(Attribute::as_str)
        .unwrap_or("utf-8");
    let latin = match encoding.to_lowercase().as_str() {
        "utf-8" | "utf8" | "ascii" | "us-ascii" => false,
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" => true,
        other => {
            return Err(unreadable(
                variable,
                format!("its strings have the encoding `{other}`; use UTF-8 or Latin-1"),
            ));
        }
    };
    let decode = |bytes: &[u8]| {
        let end = bytes
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        let bytes = bytes.get(..end).unwrap_or_default();
        if latin {
            return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
        }
        String::from_utf8(bytes.to_vec()).map_err(|error| {
            unreadable(
                variable,
                format!("it contains bytes that are not text: {error}"),
            )
        })
    };
    let texts: Vec<String> = if length == 0 {
        // Strings without characters take no bytes, so the file could announce any number of them.
        if !shape.contains(&0) {
            return Err(unreadable(variable, "its strings have no characters"));
        }
        Vec::new()
    } else {
        bytes.chunks(length).map(decode).collect::<Result<_, _>>()?
    };
    let shape = checked_shape(variable, shape, texts.len())?;
    Ok(Values::Text(shaped(shape, texts)))
}

/// The type of unpacked numbers.
#[derive(Clone, Copy)]
enum Precision {
    Single,
    Double,
}

/// Returns the unpacked numbers, with missing values as NaN.
fn decode_numbers(
    variable: &str,
    stored: Numbers,
    shape: &[usize],
    attributes: &mut Attributes,
) -> Result<Values, NetcdfError> {
    let shape = checked_shape(variable, shape, stored.len())?;
    let unsigned = attributes.remove("_Unsigned");
    let unsigned = unsigned.as_ref().and_then(Attribute::as_str) == Some("true");
    let fills = ["_FillValue", "missing_value"].map(|name| attributes.remove(name));
    let mut factor = |name: &str| match attributes.remove(name) {
        None => Ok(None),
        Some(attribute) => match attribute.as_f64() {
            Some(number) => Ok(Some((number, matches!(attribute, Attribute::F32(_))))),
            None => Err(unreadable(
                variable,
                format!("its attribute `{name}` is not one number"),
            )),
        },
    };
    let (scale, offset) = (factor("scale_factor")?, factor("add_offset")?);

    // Use single precision if it represents the numbers, and if the factors have single precision.
    let long = matches!(stored, Numbers::I32(_) | Numbers::F64(_));
    let single_factors = scale.map_or(offset.is_none(), |(_, single)| single)
        && offset.is_none_or(|(_, single)| single);
    let precision = if single_factors && !long {
        Precision::Single
    } else {
        Precision::Double
    };
    let (stored, range) = if unsigned {
        widen(stored)
    } else {
        (stored, 0.0)
    };
    let single = matches!(stored, Numbers::F32(_));
    let fills = fills
        .iter()
        .flatten()
        .filter_map(Attribute::to_f64s)
        .flatten();
    let mut fills: Vec<f64> = fills
        .filter(|fill| !fill.is_nan())
        .map(|fill| {
            if fill < 0.0 && range > 0.0 {
                // The fill value of unsigned numbers may be written as a signed one.
                fill + range
            } else if single {
                // It was rounded when it was stored as a value.
                #[allow(clippy::cast_possible_truncation)]
                f64::from(fill as f32)
            } else {
                fill
            }
        })
        // Minus zero has another place in the order than zero; the sum is zero.
        .map(|fill| fill + 0.0)
        .collect();
    // There may be as many fill values as values.
    fills.sort_by(f64::total_cmp);
    let is_fill = |number: f64| {
        let found = fills.binary_search_by(|fill| fill.total_cmp(&(number + 0.0)));
        found.is_ok()
    };
    if fills.is_empty() && scale.is_none() && offset.is_none() {
        return Ok(plain(stored, shape));
    }

    let numbers = stored
        .to_f64s()
        .into_iter()
        .map(|number| if is_fill(number) { f64::NAN } else { number });
    let (scale, offset) = (
        scale.map(|(scale, _)| scale),
        offset.map(|(offset, _)| offset),
    );
    Ok(match precision {
        Precision::Double => {
            let unpack = |number: f64| {
                let scaled = scale.map_or(number, |scale| number * scale);
                offset.map_or(scaled, |offset| scaled + offset)
            };
            Values::F64(shaped(shape, numbers.map(unpack).collect()))
        }
        #[allow(clippy::cast_possible_truncation)]
        // factors and numbers fit; otherwise the precision is `Double`
        Precision::Single => {
            let unpack = |number: f64| {
                let scaled = scale.map_or(number as f32, |scale| number as f32 * scale as f32);
                offset.map_or(scaled, |offset| scaled + offset as f32)
            };
            Values::F32(shaped(shape, numbers.map(unpack).collect()))
        }
    })
}

/// Reads integers as unsigned ones in a larger type, and returns the size of their range.
fn widen(stored: Numbers) -> (Numbers, f64) {
    fn unsigned<T: Copy, U>(numbers: &[T], widen: impl Fn(T) -> U) -> Vec<U> {
        numbers.iter().map(|&number| widen(number)).collect()
    }
    match stored {
        Numbers::I8(numbers) => {
            let numbers = unsigned(&numbers, |number| number.cast_unsigned().into());
            (Numbers::I16(numbers), 256.0)
        }
        Numbers::I16(numbers) => {
            let numbers = unsigned(&numbers, |number| number.cast_unsigned().into());
            (Numbers::I32(numbers), 65_536.0)
        }
        Numbers::I32(numbers) => {
            let numbers = unsigned(&numbers, |number| number.cast_unsigned().into());
            (Numbers::F64(numbers), 4_294_967_296.0)
        }
        other => (other, 0.0),
    }
}

/// Returns numbers without conversion.
fn plain(stored: Numbers, shape: IxDyn) -> Values {
    match stored {
        Numbers::I8(numbers) => Values::I8(shaped(shape, numbers)),
        Numbers::I16(numbers) => Values::I16(shaped(shape, numbers)),
        Numbers::I32(numbers) => Values::I32(shaped(shape, numbers)),
        Numbers::F32(numbers) => Values::F32(shaped(shape, numbers)),
        Numbers::F64(numbers) => Values::F64(shaped(shape, numbers)),
    }
}

/// Converts numbers to times, durations or booleans. Numbers with unknown units stay numbers.
fn decode_meaning(values: Values, attributes: &mut Attributes) -> Values {
    let dtype = attributes.text("dtype").unwrap_or_default();
    let units = attributes.text("units").unwrap_or_default();
    if dtype.starts_with("timedelta64") {
        if let Ok(numbers) = values.to_f64()
            && let Some(durations) = time::decode_durations(&numbers, units)
        {
            attributes.remove("dtype");
            attributes.remove("units");
            return Values::Duration(durations);
        }
    } else if time::are_since(units) {
        let calendar = attributes.text("calendar");
        if let Ok(numbers) = values.to_f64()
            && let Ok(times) = time::decode_times(&numbers, units, calendar)
        {
            attributes.remove("units");
            attributes.remove("calendar");
            return Values::Time(times);
        }
    } else if dtype == "bool"
        && let Ok(numbers) = values.to_f64()
    {
        attributes.remove("dtype");
        return Values::Bool(numbers.mapv(|number| number != 0.0));
    }
    values
}

/// Converts variables to the contents of a file.
pub(super) fn encode<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a Variable)>,
    coordinates: &IndexMap<String, Variable>,
    attributes: &Attributes,
) -> Result<File, NetcdfError> {
    let variables: IndexMap<&str, &Variable> = variables.into_iter().collect();
    let all = || {
        let coordinates = coordinates
            .iter()
            .map(|(name, variable)| (name.as_str(), variable));
        variables
            .iter()
            .map(|(&name, &variable)| (name, variable))
            .chain(coordinates)
    };
    if attributes.text("coordinates").is_some() {
        return Err(reserved("the dataset", "coordinates"));
    }
    // A coordinate along its own dimension is known by its name. Only the others are listed.
    let dimension_names: HashSet<&str> = all()
        .flat_map(|(_, variable)| variable.dims().iter().map(String::as_str))
        .collect();
    let mut listed: Vec<(&str, &Variable)> = coordinates
        .iter()
        .map(|(name, variable)| (name.as_str(), variable))
        .filter(|(name, _)| !dimension_names.contains(name))
        .collect();
    listed.sort_by_key(|(name, _)| *name);
    if let Some((name, _)) = listed
        .iter()
        .find(|(name, _)| name.contains(char::is_whitespace))
    {
        return Err(NetcdfError::Name {
            name: (*name).to_owned(),
            problem: "the name of a coordinate cannot contain spaces",
        });
    }

    let mut encoder = Encoder {
        file: File::default(),
        taken: dimension_names
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        dimensions: HashMap::new(),
        text_axes: HashMap::new(),
    };
    encoder.taken.extend(all().map(|(name, _)| name.to_owned()));
    // With very many variables and coordinates, the lists would be longer than the data. One list
    // for all is enough then.
    let by_variable = variables.len().saturating_mul(listed.len()) <= LISTED;
    let mut named = HashSet::new();
    for (name, variable) in all() {
        let mut names = Vec::new();
        if by_variable && variables.contains_key(name) {
            let belonging = listed.iter().filter(|(_, at)| variable.has_dims_of(at));
            names.extend(belonging.map(|(coordinate, _)| *coordinate));
            named.extend(names.iter().copied());
        }
        encoder.add(name, variable, &names.join(" "))?;
    }
    // A coordinate that belongs to no variable is listed for the whole file.
    let unnamed: Vec<&str> = listed
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !named.contains(name))
        .collect();
    encoder.file.attributes = attributes.clone();
    if !unnamed.is_empty() {
        encoder
            .file
            .attributes
            .insert("coordinates", unnamed.join(" "));
    }
    Ok(encoder.file)
}

fn reserved(owner: &str, attribute: &str) -> NetcdfError {
    NetcdfError::UnwritableAttribute {
        owner: owner.to_owned(),
        attribute: attribute.to_owned(),
        problem: "readers would use it to decode the values; use another name".to_owned(),
    }
}

struct Encoder {
    file: File,
    /// Names that are not available for the dimension of a string's characters.
    taken: HashSet<String>,
    /// The indices of the user's dimensions.
    dimensions: HashMap<String, usize>,
    /// The dimension for strings of each length.
    text_axes: HashMap<usize, usize>,
}

impl Encoder {
    fn add(
        &mut self,
        name: &str,
        variable: &Variable,
        coordinates: &str,
    ) -> Result<(), NetcdfError> {
        let mut dimensions = Vec::with_capacity(variable.dims().len() + 1);
        for (dimension, &length) in variable.dims().iter().zip(variable.shape()) {
            dimensions.push(self.dimension(name, dimension, length)?);
        }
        let mut attributes = variable.attributes().clone();
        let is_storage = |attribute: &str| STORAGE.contains(&attribute);
        let storage = attributes
            .iter()
            .map(|(attribute, _)| attribute)
            .find(|&name| is_storage(name));
        if let Some(attribute) = storage {
            return Err(reserved(&format!("`{name}`"), attribute));
        }
        let dtype = attributes.text("dtype").unwrap_or_default();
        if dtype == "bool" || dtype.starts_with("timedelta64") {
            return Err(reserved(&format!("`{name}`"), "dtype"));
        }
        let mut say = |attribute: &str, value: Attribute| {
            if attributes.insert(attribute, value).is_some() {
                return Err(reserved(&format!("`{name}`"), attribute));
            }
            Ok(())
        };
        let values = match variable.values() {
            Values::Bool(array) => {
                say("dtype", "bool".into())?;
                Numbers::I8(array.iter().map(|&value| value.into()).collect()).into()
            }
            Values::I8(array) => Numbers::I8(array.iter().copied().collect()).into(),
            Values::I16(array) => Numbers::I16(array.iter().copied().collect()).into(),
            Values::I32(array) => Numbers::I32(array.iter().copied().collect()).into(),
            Values::F32(array) => {
                say("_FillValue", f32::NAN.into())?;
                Numbers::F32(array.iter().copied().collect()).into()
            }
            Values::F64(array) => {
                say("_FillValue", f64::NAN.into())?;
                Numbers::F64(array.iter().copied().collect()).into()
            }
            Values::Text(array) => {
                say("_Encoding", "utf-8".into())?;
                let texts: Vec<&str> = array.iter().map(String::as_str).collect();
                let (length, characters) = characters(name, &texts)?;
                dimensions.push(self.text_axis(length));
                Stored::Chars(characters)
            }
            Values::Time(array) => {
                let encoded = time::encode_times(array);
                let encoded = encoded.ok_or_else(|| too_precise(name, "times"))?;
                say("units", encoded.units.into())?;
                say("calendar", "proleptic_gregorian".into())?;
                encoded.numbers.into()
            }
            Values::Duration(array) => {
                let encoded = time::encode_durations(array);
                let encoded = encoded.ok_or_else(|| too_precise(name, "durations"))?;
                say("units", encoded.units.into())?;
                say("dtype", "timedelta64[ns]".into())?;
                encoded.numbers.into()
            }
        };
        if !coordinates.is_empty() {
            say("coordinates", coordinates.into())?;
        }
        self.file.variables.push(StoredVariable {
            name: name.to_owned(),
            dimensions,
            attributes,
            values,
        });
        Ok(())
    }

    /// Returns the index of a dimension of the user.
    fn dimension(
        &mut self,
        variable: &str,
        dimension: &str,
        length: usize,
    ) -> Result<usize, NetcdfError> {
        let Some(&index) = self.dimensions.get(dimension) else {
            let index = self.new_dimension(dimension.to_owned(), length);
            self.dimensions.insert(dimension.to_owned(), index);
            return Ok(index);
        };
        let known = self.file.dimensions.get(index);
        match known.map_or(0, |known| known.length) {
            expected if expected == length => Ok(index),
            expected => Err(NetcdfError::DimensionLength {
                dimension: dimension.to_owned(),
                expected,
                variable: variable.to_owned(),
                found: length,
            }),
        }
    }

    /// Returns the index of a dimension for the characters of strings: `string7` for strings of
    /// seven bytes.
    fn text_axis(&mut self, length: usize) -> usize {
        if let Some(&index) = self.text_axes.get(&length) {
            return index;
        }
        let mut name = format!("string{length}");
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        let index = self.new_dimension(name, length);
        self.text_axes.insert(length, index);
        index
    }

    fn new_dimension(&mut self, name: String, length: usize) -> usize {
        self.file.dimensions.push(Dimension { name, length });
        self.file.dimensions.len() - 1
    }
}

fn unwritable(variable: &str, problem: &str) -> NetcdfError {
    NetcdfError::Unwritable {
        variable: variable.to_owned(),
        problem: problem.to_owned(),
    }
}

fn too_precise(variable: &str, what: &str) -> NetcdfError {
    let problem = format!(
        "its {what} are too precise and too far apart for one unit of NetCDF-3; round them"
    );
    unwritable(variable, &problem)
}

/// Returns strings as characters, filled up with NUL to the same length.
fn characters(variable: &str, texts: &[&str]) -> Result<(usize, Vec<u8>), NetcdfError> {
    if texts.iter().any(|text| text.ends_with('\0')) {
        let problem = "one of its strings ends with a NUL, which readers remove";
        return Err(unwritable(variable, problem));
    }
    // A dimension of length zero would be unlimited.
    let length = texts
        .iter()
        .map(|text| text.len())
        .max()
        .unwrap_or(1)
        .max(1);
    let size = length.checked_mul(texts.len());
    let size = size
        .filter(|&size| i32::try_from(size).is_ok())
        .ok_or(NetcdfError::TooLarge)?;
    let mut characters = Vec::with_capacity(size);
    for text in texts {
        characters.extend_from_slice(text.as_bytes());
        characters.resize(characters.len() + length - text.len(), 0);
    }
    Ok((length, characters))
}
