//! Datasets of several variables that share coordinates.

use indexmap::IndexMap;

use super::array::{DataArray, along_itself};
use super::attributes::{Attribute, Attributes};
use super::cf;
use super::error::NetcdfError;
use super::format;
use super::values::Values;
use super::variable::Variable;

/// Several variables that share coordinates: Python's `xarray.Dataset`.
///
/// ```
/// use dasf_types::netcdf::ndarray::array;
/// use dasf_types::netcdf::{Dataset, Variable};
///
/// let sst = Variable::new(["time", "lon"], array![[27.5, 27.7], [27.4, 27.9]])?;
/// let index = Variable::new(["time"], [1.9, 2.1])?.with_attribute("long_name", "El Niño index");
/// let dataset = Dataset::new()
///     .with_variable("sst", sst)?
///     .with_variable("nino", index)?
///     .with_coordinate("lon", [278.0, 279.0])?
///     .with_attribute("institution", "Somewhere");
///
/// assert_eq!(dataset.variable("nino").unwrap().to_f64()?.sum(), 4.0);
/// // The array gets the coordinates along the dimensions of the variable.
/// let sst = dataset.data_array("sst").unwrap();
/// assert!(sst.coordinate("lon").is_some());
///
/// assert_eq!(Dataset::from_netcdf(&dataset.to_netcdf()?)?, dataset);
/// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    variables: IndexMap<String, Variable>,
    coordinates: IndexMap<String, Variable>,
    attributes: Attributes,
}

impl Dataset {
    /// Returns a dataset without variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable.
    ///
    /// A variable with the name of a dimension becomes a coordinate.
    ///
    /// # Errors
    ///
    /// Fails if the name is already used, or if a dimension has another length elsewhere.
    pub fn with_variable(
        mut self,
        name: impl Into<String>,
        variable: Variable,
    ) -> Result<Self, NetcdfError> {
        let name = name.into();
        self.prepare(&name, &variable)?;
        if self.dimension(&name).is_some() || variable.axis(&name).is_some() {
            self.coordinates.insert(name, variable);
        } else {
            self.variables.insert(name, variable);
        }
        Ok(self)
    }

    /// Adds a coordinate: with values along the dimension of its name, or with a single value for
    /// the whole dataset.
    ///
    /// # Errors
    ///
    /// Fails if the values have several axes, or for the reasons of [`Self::with_variable`].
    pub fn with_coordinate(
        self,
        name: impl Into<String>,
        values: impl Into<Values>,
    ) -> Result<Self, NetcdfError> {
        let name = name.into();
        let variable = along_itself(&name, values.into())?;
        self.with_coordinate_variable(name, variable)
    }

    /// Adds a coordinate that may have any axes and attributes.
    ///
    /// # Errors
    ///
    /// The same as [`Self::with_variable`].
    pub fn with_coordinate_variable(
        mut self,
        name: impl Into<String>,
        coordinate: Variable,
    ) -> Result<Self, NetcdfError> {
        let name = name.into();
        self.prepare(&name, &coordinate)?;
        self.coordinates.insert(name, coordinate);
        Ok(self)
    }

    /// Adds an array under its name, with its coordinates.
    ///
    /// ```
    /// use dasf_types::netcdf::{DataArray, Dataset};
    ///
    /// let depths = [0.0, 10.0];
    /// let salinity = DataArray::new(["depth"], [34.9, 35.1])?.with_coordinate("depth", depths)?;
    /// let oxygen = DataArray::new(["depth"], [8.5, 7.9])?.with_coordinate("depth", depths)?;
    /// let profile = Dataset::new()
    ///     .with_data_array(salinity.with_name("salinity"))?
    ///     .with_data_array(oxygen.with_name("oxygen"))?;
    /// assert_eq!(profile.coordinates().len(), 1);
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the array has no name, or if the dataset has different coordinates of the same
    /// name. Otherwise the errors are those of [`Self::with_variable`].
    pub fn with_data_array(self, array: DataArray) -> Result<Self, NetcdfError> {
        let (name, variable, coordinates) = array.into_parts();
        let name = name.ok_or(NetcdfError::Unnamed)?;
        let mut dataset = self;
        for (name, coordinate) in coordinates {
            if dataset.coordinates.get(&name) != Some(&coordinate) {
                dataset = dataset.with_coordinate_variable(name, coordinate)?;
            }
        }
        dataset.with_variable(name, variable)
    }

    /// Sets an attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name, value);
        self
    }

    /// Checks that a variable fits the other ones, and turns variables with the names of its
    /// dimensions into coordinates.
    fn prepare(&mut self, name: &str, variable: &Variable) -> Result<(), NetcdfError> {
        if self.variables.contains_key(name) || self.coordinates.contains_key(name) {
            return Err(NetcdfError::Duplicate {
                name: name.to_owned(),
            });
        }
        if self.dimension(name).is_some() && variable.axis(name).is_none() {
            return Err(NetcdfError::NotAlongItself {
                name: name.to_owned(),
            });
        }
        for (dimension, &found) in variable.dims().iter().zip(variable.shape()) {
            let namesake = self.variable(dimension);
            if namesake.is_some_and(|namesake| namesake.axis(dimension).is_none()) {
                return Err(NetcdfError::NotAlongItself {
                    name: dimension.clone(),
                });
            }
            match self.dimension(dimension) {
                Some(expected) if expected != found => {
                    return Err(NetcdfError::DimensionLength {
                        dimension: dimension.clone(),
                        expected,
                        variable: name.to_owned(),
                        found,
                    });
                }
                _ => {}
            }
        }
        for dimension in variable.dims() {
            if let Some(coordinate) = self.variables.shift_remove(dimension) {
                self.coordinates.insert(dimension.clone(), coordinate);
            }
        }
        Ok(())
    }

    /// Returns the length of a dimension.
    #[must_use]
    pub fn dimension(&self, name: &str) -> Option<usize> {
        let mut all = self.variables.values().chain(self.coordinates.values());
        all.find_map(|variable| variable.shape().get(variable.axis(name)?.0).copied())
    }

    /// Returns the variable or the coordinate of this name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name).or_else(|| self.coordinate(name))
    }

    /// Returns all variables with their names, without coordinates.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = (&str, &Variable)> {
        self.variables
            .iter()
            .map(|(name, variable)| (name.as_str(), variable))
    }

    /// Returns the coordinate of this name.
    #[must_use]
    pub fn coordinate(&self, name: &str) -> Option<&Variable> {
        self.coordinates.get(name)
    }

    /// Returns all coordinates with their names.
    pub fn coordinates(&self) -> impl ExactSizeIterator<Item = (&str, &Variable)> {
        self.coordinates
            .iter()
            .map(|(name, coordinate)| (name.as_str(), coordinate))
    }

    /// Returns a copy of a variable or a coordinate, with the coordinates along its dimensions.
    #[must_use]
    pub fn data_array(&self, name: &str) -> Option<DataArray> {
        let variable = self.variable(name)?;
        let coordinates = self.coordinates.iter();
        let coordinates = coordinates.filter(|(_, coordinate)| variable.has_dims_of(coordinate));
        Some(DataArray::from_parts(
            Some(name.to_owned()),
            variable.clone(),
            coordinates
                .map(|(name, coordinate)| (name.clone(), coordinate.clone()))
                .collect(),
        ))
    }

    /// Returns the attributes of the dataset.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Returns the attributes of the dataset for changes.
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        &mut self.attributes
    }

    /// Reads a NetCDF-3 file.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a valid NetCDF-3 file.
    pub fn from_netcdf(bytes: &[u8]) -> Result<Self, NetcdfError> {
        let contents = cf::decode(format::read(bytes)?)?;
        Ok(Self {
            variables: contents.variables,
            coordinates: contents.coordinates,
            attributes: contents.attributes,
        })
    }

    /// Writes the dataset as a NetCDF-3 file.
    ///
    /// # Errors
    ///
    /// Fails if a part of it cannot be written; see [`DataArray::to_netcdf`].
    pub fn to_netcdf(&self) -> Result<Vec<u8>, NetcdfError> {
        let variables = self.variables();
        format::write(&cf::encode(variables, &self.coordinates, &self.attributes)?)
    }
}
