//! Reads and writes the NetCDF-3 classic file format: names, numbers and characters.
//!
//! A file consists of a header and the values of each variable. The header counts with 32 bits, so
//! a short file may announce any amount of data. This module allocates memory only for bytes that
//! the file really contains, and uses no byte of the file twice.

use std::collections::HashSet;

use super::attributes::{Attribute, Attributes};
use super::error::NetcdfError;

const DIMENSIONS: u32 = 10;
const VARIABLES: u32 = 11;
const ATTRIBUTES: u32 = 12;
/// The limit of NumPy, so that Python can hold everything that is read here. It also limits
/// recursion.
pub(super) const MAX_AXES: usize = 64;
/// The limit of the netCDF library. Each use of a dimension takes four bytes of the file, but a
/// copy of its name in memory.
const MAX_NAME: usize = 256;
/// The number of records in a file that was not closed.
const STREAMING: u32 = u32::MAX;

/// The contents of a file, with values as they are stored.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) dimensions: Vec<Dimension>,
    pub(super) attributes: Attributes,
    pub(super) variables: Vec<StoredVariable>,
}

#[derive(Debug)]
pub(super) struct Dimension {
    pub(super) name: String,
    pub(super) length: usize,
}

#[derive(Debug)]
pub(super) struct StoredVariable {
    pub(super) name: String,
    /// The indices of its dimensions.
    pub(super) dimensions: Vec<usize>,
    pub(super) attributes: Attributes,
    pub(super) values: Stored,
}

/// Values in the order of the file: the last dimension varies fastest.
#[derive(Debug)]
pub(super) enum Stored {
    Chars(Vec<u8>),
    Numbers(Numbers),
}

#[derive(Debug)]
pub(super) enum Numbers {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Numbers {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::I8(numbers) => numbers.len(),
            Self::I16(numbers) => numbers.len(),
            Self::I32(numbers) => numbers.len(),
            Self::F32(numbers) => numbers.len(),
            Self::F64(numbers) => numbers.len(),
        }
    }

    /// Returns exact copies, because double precision represents every number of the format.
    pub(super) fn to_f64s(&self) -> Vec<f64> {
        fn widen<T: Copy + Into<f64>>(numbers: &[T]) -> Vec<f64> {
            numbers.iter().map(|&number| number.into()).collect()
        }
        match self {
            Self::I8(numbers) => widen(numbers),
            Self::I16(numbers) => widen(numbers),
            Self::I32(numbers) => widen(numbers),
            Self::F32(numbers) => widen(numbers),
            Self::F64(numbers) => numbers.clone(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::I8(_) => Kind::I8,
            Self::I16(_) => Kind::I16,
            Self::I32(_) => Kind::I32,
            Self::F32(_) => Kind::F32,
            Self::F64(_) => Kind::F64,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        fn write<const N: usize, T: Copy>(
            numbers: &[T],
            bytes: impl Fn(T) -> [u8; N],
            out: &mut Vec<u8>,
        ) {
            out.reserve(numbers.len() * N);
            for &number in numbers {
                out.extend_from_slice(&bytes(number));
            }
        }
        match self {
            Self::I8(numbers) => write(numbers, i8::to_be_bytes, out),
            Self::I16(numbers) => write(numbers, i16::to_be_bytes, out),
            Self::I32(numbers) => write(numbers, i32::to_be_bytes, out),
            Self::F32(numbers) => write(numbers, f32::to_be_bytes, out),
            Self::F64(numbers) => write(numbers, f64::to_be_bytes, out),
        }
    }
}

/// A type of the format.
#[derive(Debug, Clone, Copy)]
enum Kind {
    I8 = 1,
    Char = 2,
    I16 = 3,
    I32 = 4,
    F32 = 5,
    F64 = 6,
}

impl Kind {
    fn from_code(code: u32) -> Option<Self> {
        let all = [
            Self::I8,
            Self::Char,
            Self::I16,
            Self::I32,
            Self::F32,
            Self::F64,
        ];
        all.into_iter().find(|&kind| kind as u32 == code)
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::Char => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Reads values from bytes whose length is a multiple of a value's size.
    fn read(self, bytes: &[u8]) -> Stored {
        fn numbers<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|&chunk| number(chunk))
                .collect()
        }
        Stored::Numbers(match self {
            Self::Char => return Stored::Chars(bytes.to_vec()),
            Self::I8 => Numbers::I8(numbers(bytes, i8::from_be_bytes)),
            Self::I16 => Numbers::I16(numbers(bytes, i16::from_be_bytes)),
            Self::I32 => Numbers::I32(numbers(bytes, i32::from_be_bytes)),
            Self::F32 => Numbers::F32(numbers(bytes, f32::from_be_bytes)),
            Self::F64 => Numbers::F64(numbers(bytes, f64::from_be_bytes)),
        })
    }
}

impl From<Numbers> for Stored {
    fn from(numbers: Numbers) -> Self {
        Self::Numbers(numbers)
    }
}

impl Stored {
    fn kind(&self) -> Kind {
        match self {
            Self::Chars(_) => Kind::Char,
            Self::Numbers(numbers) => numbers.kind(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Chars(bytes) => bytes.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Chars(bytes) => out.extend_from_slice(bytes),
            Self::Numbers(numbers) => numbers.write(out),
        }
    }
}

/// Returns the number of bytes missing to a multiple of four.
fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<File, NetcdfError> {
    let large_offsets = match bytes {
        [b'C', b'D', b'F', 1, ..] => false,
        [b'C', b'D', b'F', 2, ..] => true,
        _ => return Err(NetcdfError::NotNetcdf3 { found: look(bytes) }),
    };
    let mut header = Header {
        bytes,
        at: 4,
        large_offsets,
    };
    let (records, dimensions) = header.dimensions()?;
    let attributes = header.attributes()?;
    let described = header.variables(&dimensions)?;
    let body = Body {
        bytes,
        records,
        dimensions: &dimensions,
    };
    let variables = body.read(described)?;
    Ok(File {
        dimensions: dimensions
            .into_iter()
            .map(|(dimension, _)| dimension)
            .collect(),
        attributes,
        variables,
    })
}

/// Describes data that are not a NetCDF-3 file.
fn look(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "they are empty",
        [0x89, b'H', b'D', b'F', ..] => {
            "they are NetCDF-4 or HDF5; write them with format=\"NETCDF3_CLASSIC\""
        }
        [b'C', b'D', b'F', 5, ..] => {
            "they have the variant CDF-5; write them with format=\"NETCDF3_CLASSIC\""
        }
        _ => "they do not begin with `CDF`",
    }
}

fn malformed(offset: usize, problem: impl Into<String>) -> NetcdfError {
    NetcdfError::Malformed {
        offset,
        problem: problem.into(),
    }
}

/// The header's description of a variable.
struct Described {
    name: String,
    dimensions: Vec<usize>,
    attributes: Attributes,
    kind: Kind,
    begin: u64,
    /// The place of the description in the file.
    offset: usize,
}

/// The header, read from start to end.
struct Header<'a> {
    bytes: &'a [u8],
    at: usize,
    large_offsets: bool,
}

impl<'a> Header<'a> {
    fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], NetcdfError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| {
            let there = rest.len();
            malformed(
                self.at,
                format!("{what} takes {length} bytes, but only {there} are left"),
            )
        })?;
        self.at += length;
        Ok(taken)
    }

    /// Takes bytes that are padded to a multiple of four. The last padding of a file may be
    /// missing.
    fn take_padded(&mut self, length: usize, what: &str) -> Result<&'a [u8], NetcdfError> {
        let taken = self.take(length, what)?;
        self.at = self
            .bytes
            .len()
            .min(self.at.saturating_add(padding(length)));
        Ok(taken)
    }

    fn number(&mut self, what: &str) -> Result<u32, NetcdfError> {
        let bytes = self.take(4, what)?.try_into().unwrap_or_default();
        Ok(u32::from_be_bytes(bytes))
    }

    fn length(&mut self, what: &str) -> Result<usize, NetcdfError> {
        let offset = self.at;
        let number = self.number(what)?;
        // Lengths are signed in the format, and a negative length exceeds every file.
        if number > i32::MAX.unsigned_abs() {
            return Err(malformed(offset, format!("{what} is negative")));
        }
        usize::try_from(number).map_err(|_| malformed(offset, format!("{what} is too large")))
    }

    fn name(&mut self, what: &str) -> Result<String, NetcdfError> {
        let offset = self.at;
        let length = self.length(what)?;
        if length > MAX_NAME {
            return Err(malformed(
                offset,
                format!("{what} has {length} bytes, but at most {MAX_NAME} are allowed"),
            ));
        }
        let bytes = self.take_padded(length, what)?;
        // The format requires UTF-8, but scipy writes Latin-1.
        Ok(match str::from_utf8(bytes) {
            Ok(name) => name.to_owned(),
            Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
        })
    }

    /// Returns the number of entries of a list.
    fn list(&mut self, tag: u32, what: &str) -> Result<usize, NetcdfError> {
        let offset = self.at;
        let found = self.number(what)?;
        let count = self.length(what)?;
        if found == tag || (found == 0 && count == 0) {
            Ok(count)
        } else {
            Err(malformed(offset, format!("expected the {what} here")))
        }
    }

    fn kind(&mut self) -> Result<Kind, NetcdfError> {
        let offset = self.at;
        let code = self.number("a type")?;
        Kind::from_code(code)
            .ok_or_else(|| malformed(offset, format!("the type {code} is unknown")))
    }

    /// Returns the number of records, and each dimension with a flag for the one that counts
    /// records.
    fn dimensions(&mut self) -> Result<(usize, Vec<(Dimension, bool)>), NetcdfError> {
        let start = self.at;
        let records = self.number("the number of records")?;
        if records == STREAMING {
            return Err(malformed(start, "the number of records is missing"));
        }
        self.at = start;
        let records = self.length("the number of records")?;
        let count = self.list(DIMENSIONS, "list of dimensions")?;
        let mut dimensions = Vec::new();
        let mut names = HashSet::new();
        for _ in 0..count {
            let offset = self.at;
            let name = self.name("the name of a dimension")?;
            let length = self.length("the length of a dimension")?;
            if !names.insert(name.clone()) {
                return Err(malformed(
                    offset,
                    format!("dimension `{name}` occurs twice"),
                ));
            }
            // Length zero marks the dimension that counts records. scipy writes empty dimensions in
            // the same way. As long as there are no records, both mean the same.
            let counts_records = length == 0;
            let length = if counts_records { records } else { length };
            dimensions.push((Dimension { name, length }, counts_records));
        }
        let unlimited = dimensions.iter().filter(|(_, unlimited)| *unlimited);
        if records > 0 && unlimited.count() > 1 {
            return Err(malformed(
                start,
                "several dimensions are unlimited, or some are empty beside an unlimited one",
            ));
        }
        Ok((records, dimensions))
    }

    fn attributes(&mut self) -> Result<Attributes, NetcdfError> {
        let count = self.list(ATTRIBUTES, "list of attributes")?;
        let mut attributes = Attributes::new();
        for _ in 0..count {
            let offset = self.at;
            let name = self.name("the name of an attribute")?;
            let kind = self.kind()?;
            let count = self.length("the length of an attribute")?;
            let length = count
                .checked_mul(kind.size())
                .ok_or_else(|| malformed(offset, format!("attribute `{name}` is too long")))?;
            let bytes = self.take_padded(length, "the value of an attribute")?;
            let value = match kind.read(bytes) {
                Stored::Chars(bytes) => Attribute::Text(attribute_text(&bytes)),
                Stored::Numbers(Numbers::I8(numbers)) => Attribute::I8(numbers),
                Stored::Numbers(Numbers::I16(numbers)) => Attribute::I16(numbers),
                Stored::Numbers(Numbers::I32(numbers)) => Attribute::I32(numbers),
                Stored::Numbers(Numbers::F32(numbers)) => Attribute::F32(numbers),
                Stored::Numbers(Numbers::F64(numbers)) => Attribute::F64(numbers),
            };
            if attributes.insert(name.clone(), value).is_some() {
                return Err(malformed(
                    offset,
                    format!("attribute `{name}` occurs twice"),
                ));
            }
        }
        Ok(attributes)
    }

    fn variables(
        &mut self,
        dimensions: &[(Dimension, bool)],
    ) -> Result<Vec<Described>, NetcdfError> {
        let count = self.list(VARIABLES, "list of variables")?;
        let mut variables = Vec::new();
        let mut names = HashSet::new();
        for _ in 0..count {
            let offset = self.at;
            let name = self.name("the name of a variable")?;
            if !names.insert(name.clone()) {
                return Err(malformed(offset, format!("variable `{name}` occurs twice")));
            }
            let axes = self.length("the number of dimensions of a variable")?;
            if axes > MAX_AXES {
                return Err(malformed(
                    offset,
                    format!(
                        "variable `{name}` has {axes} dimensions, but at most {MAX_AXES} are allowed"
                    ),
                ));
            }
            let indices = (0..axes).map(|_| self.length("the index of a dimension"));
            let indices = indices.collect::<Result<Vec<_>, _>>()?;
            for (axis, &index) in indices.iter().enumerate() {
                match dimensions.get(index) {
                    Some((Dimension { length: 1.., .. }, true)) if axis > 0 => {
                        return Err(malformed(
                            offset,
                            format!("the unlimited dimension of `{name}` is not its first"),
                        ));
                    }
                    Some(_) => {}
                    None => {
                        return Err(malformed(
                            offset,
                            format!("variable `{name}` has an unknown dimension"),
                        ));
                    }
                }
            }
            let attributes = self.attributes()?;
            let kind = self.kind()?;
            // Ignore the size, because it follows from the dimensions, and some writers get it
            // wrong.
            let _size = self.number("the size of a variable")?;
            let begin = if self.large_offsets {
                let bytes = self.take(8, "the offset of a variable")?;
                u64::from_be_bytes(bytes.try_into().unwrap_or_default())
            } else {
                self.number("the offset of a variable")?.into()
            };
            variables.push(Described {
                name,
                dimensions: indices,
                attributes,
                kind,
                begin,
                offset,
            });
        }
        Ok(variables)
    }
}

/// Returns the string of an attribute. As in xarray, bytes that are not UTF-8 are replaced, so the
/// rest of the file stays readable.
fn attribute_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\0')
        .to_owned()
}

/// The values after the header.
struct Body<'a> {
    bytes: &'a [u8],
    records: usize,
    dimensions: &'a [(Dimension, bool)],
}

impl Body<'_> {
    fn read(&self, described: Vec<Described>) -> Result<Vec<StoredVariable>, NetcdfError> {
        let in_records = |variable: &Described| {
            let first = variable.dimensions.first();
            first
                .and_then(|&index| self.dimensions.get(index))
                .is_some_and(|&(_, counts_records)| counts_records)
        };
        // The length of each variable: in one record if it has records, otherwise in total.
        let mut lengths = Vec::with_capacity(described.len());
        let mut in_one_record = 0_usize;
        let mut record_variables = 0_usize;
        for variable in &described {
            let of_record = in_records(variable);
            let too_long = || {
                malformed(
                    variable.offset,
                    format!("variable `{}` is longer than the file", variable.name),
                )
            };
            let length = self
                .length(variable, usize::from(of_record))
                .ok_or_else(too_long)?;
            lengths.push(length);
            if of_record {
                record_variables += 1;
                in_one_record = length
                    .checked_add(padding(length))
                    .and_then(|padded| in_one_record.checked_add(padded))
                    .ok_or_else(too_long)?;
            }
        }
        // The records of a single variable follow each other without padding.
        let stride = |length| {
            if record_variables == 1 {
                length
            } else {
                in_one_record
            }
        };
        let mut unclaimed = self.bytes.len();
        let mut variables = Vec::with_capacity(described.len());
        for (variable, length) in described.into_iter().zip(lengths) {
            let too_long = || {
                malformed(
                    variable.offset,
                    format!(
                        "the values of `{}` are not in the file, or belong to another variable",
                        variable.name
                    ),
                )
            };
            let (count, stride) = if in_records(&variable) {
                (self.records, stride(length))
            } else {
                (1, length)
            };
            let total = length.checked_mul(count).ok_or_else(too_long)?;
            // Without this check, many short descriptions could share the same long values.
            unclaimed = unclaimed.checked_sub(total).ok_or_else(too_long)?;
            let begin = usize::try_from(variable.begin).map_err(|_| too_long())?;
            let values = if total == 0 {
                variable.kind.read(&[])
            } else if stride == length {
                let end = begin.checked_add(total).ok_or_else(too_long)?;
                variable
                    .kind
                    .read(self.bytes.get(begin..end).ok_or_else(too_long)?)
            } else {
                let last = stride
                    .checked_mul(count - 1)
                    .and_then(|last| last.checked_add(begin)?.checked_add(length))
                    .filter(|&end| end <= self.bytes.len());
                last.ok_or_else(too_long)?;
                let mut bytes = Vec::with_capacity(total);
                for record in 0..count {
                    let start = begin + record * stride;
                    bytes.extend_from_slice(&self.bytes[start..start + length]);
                }
                variable.kind.read(&bytes)
            };
            variables.push(StoredVariable {
                name: variable.name,
                dimensions: variable.dimensions,
                attributes: variable.attributes,
                values,
            });
        }
        Ok(variables)
    }

    /// Returns the length in bytes along all dimensions except the first ones.
    fn length(&self, variable: &Described, skipped: usize) -> Option<usize> {
        let lengths = variable.dimensions.iter().skip(skipped).map(|&index| {
            self.dimensions
                .get(index)
                .map(|(dimension, _)| dimension.length)
        });
        let lengths = lengths.collect::<Option<Vec<_>>>()?;
        if lengths.contains(&0) {
            return Some(0);
        }
        lengths
            .into_iter()
            .try_fold(variable.kind.size(), usize::checked_mul)
    }
}

/// Writes a file. No dimension is unlimited.
pub(super) fn write(file: &File) -> Result<Vec<u8>, NetcdfError> {
    let mut out = b"CDF\x01\0\0\0\0".to_vec();
    write_list(DIMENSIONS, file.dimensions.len(), &mut out)?;
    for dimension in &file.dimensions {
        write_name(&dimension.name, &mut out)?;
        write_length(dimension.length, &mut out)?;
    }
    write_attributes("the dataset", &file.attributes, &mut out)?;
    write_list(VARIABLES, file.variables.len(), &mut out)?;
    let mut begins = Vec::with_capacity(file.variables.len());
    for variable in &file.variables {
        write_name(&variable.name, &mut out)?;
        write_length(variable.dimensions.len(), &mut out)?;
        for &index in &variable.dimensions {
            write_length(index, &mut out)?;
        }
        let owner = format!("`{}`", variable.name);
        write_attributes(&owner, &variable.attributes, &mut out)?;
        let kind = variable.values.kind();
        out.extend_from_slice(&(kind as u32).to_be_bytes());
        let length = variable.values.len().checked_mul(kind.size());
        let length = length.ok_or(NetcdfError::TooLarge)?;
        let padded = length.checked_add(padding(length));
        write_length(padded.ok_or(NetcdfError::TooLarge)?, &mut out)?;
        begins.push(out.len());
        out.extend_from_slice(&[0; 4]);
    }
    for (variable, field) in file.variables.iter().zip(begins) {
        let begin = to_length(out.len())?.to_be_bytes();
        if let Some(field) = out.get_mut(field..field + 4) {
            field.copy_from_slice(&begin);
        }
        variable.values.write(&mut out);
        pad(&mut out);
    }
    to_length(out.len())?;
    Ok(out)
}

fn to_length(length: usize) -> Result<i32, NetcdfError> {
    i32::try_from(length).map_err(|_| NetcdfError::TooLarge)
}

fn write_length(length: usize, out: &mut Vec<u8>) -> Result<(), NetcdfError> {
    out.extend_from_slice(&to_length(length)?.to_be_bytes());
    Ok(())
}

fn write_list(tag: u32, count: usize, out: &mut Vec<u8>) -> Result<(), NetcdfError> {
    let tag = if count == 0 { 0 } else { tag };
    out.extend_from_slice(&tag.to_be_bytes());
    write_length(count, out)
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len() + padding(out.len()), 0);
}

fn write_name(name: &str, out: &mut Vec<u8>) -> Result<(), NetcdfError> {
    let refuse = |problem| NetcdfError::Name {
        name: name.to_owned(),
        problem,
    };
    if name.is_empty() {
        return Err(refuse("it is empty"));
    }
    if name.contains('/') || name.chars().any(char::is_control) || name.ends_with(' ') {
        return Err(refuse(
            "it contains a `/` or a control character, or ends with a space",
        ));
    }
    // scipy reads and writes Latin-1, so other characters would become another name.
    let latin: Option<Vec<u8>> = name.chars().map(|char| u8::try_from(char).ok()).collect();
    let latin = latin.ok_or_else(|| refuse("it contains characters outside Latin-1"))?;
    if !name.is_ascii() && str::from_utf8(&latin).is_ok() {
        return Err(refuse("readers would decode it as another name"));
    }
    if latin.len() > MAX_NAME {
        return Err(refuse("it is longer than 256 bytes"));
    }
    write_length(latin.len(), out)?;
    out.extend_from_slice(&latin);
    pad(out);
    Ok(())
}

fn write_attributes(
    owner: &str,
    attributes: &Attributes,
    out: &mut Vec<u8>,
) -> Result<(), NetcdfError> {
    write_list(ATTRIBUTES, attributes.len(), out)?;
    for (name, value) in attributes.iter() {
        write_name(name, out)?;
        let stored = match value {
            Attribute::Text(text) if text.ends_with('\0') => {
                return Err(NetcdfError::UnwritableAttribute {
                    owner: owner.to_owned(),
                    attribute: name.to_owned(),
                    problem: "it ends with a NUL, which readers remove".to_owned(),
                });
            }
            Attribute::Text(text) => Stored::Chars(text.as_bytes().to_vec()),
            Attribute::I8(numbers) => Stored::Numbers(Numbers::I8(numbers.clone())),
            Attribute::I16(numbers) => Stored::Numbers(Numbers::I16(numbers.clone())),
            Attribute::I32(numbers) => Stored::Numbers(Numbers::I32(numbers.clone())),
            Attribute::F32(numbers) => Stored::Numbers(Numbers::F32(numbers.clone())),
            Attribute::F64(numbers) => Stored::Numbers(Numbers::F64(numbers.clone())),
        };
        out.extend_from_slice(&(stored.kind() as u32).to_be_bytes());
        write_length(stored.len(), out)?;
        stored.write(out);
        pad(out);
    }
    Ok(())
}
