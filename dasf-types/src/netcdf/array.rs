//! Arrays: one variable with its coordinates.

use chrono::{NaiveDateTime, TimeDelta};
use indexmap::IndexMap;
use ndarray::{ArrayD, Axis};

use super::attributes::{Attribute, Attributes};
use super::cf;
use super::error::NetcdfError;
use super::format;
use super::values::{Element, Value, Values};
use super::variable::Variable;

/// The name that xarray writes for an array without a name.
const UNNAMED: &str = "__xarray_dataarray_variable__";
/// The attribute in which xarray keeps the name of an array that has the name of a coordinate or a
/// dimension.
const HIDDEN_NAME: &str = "__xarray_dataarray_name__";

/// Values with named axes, coordinates along them and attributes: Python's `xarray.DataArray`.
///
/// ```
/// use chrono::NaiveDate;
/// use dasf_types::netcdf::ndarray::{Axis, array};
/// use dasf_types::netcdf::DataArray;
///
/// let days = [1, 2].map(|day| NaiveDate::from_ymd_opt(1998, 1, day));
/// let sst = DataArray::new(["time", "lon"], array![[27.5, 27.7, f64::NAN], [27.4, 27.9, 28.3]])?
///     .with_name("sst")
///     .with_attribute("units", "degC")
///     .with_coordinate("time", days)?
///     .with_coordinate("lon", [278.0, 279.0, 280.0])?;
///
/// assert_eq!(sst.shape(), [2, 3]);
/// assert_eq!(sst.coordinate("lon").unwrap().to_f64()?[1], 279.0);
/// let over_time = sst.to_f64()?.mean_axis(sst.axis("time").unwrap()).unwrap();
/// assert!((over_time[1] - 27.8).abs() < 1e-9 && over_time[2].is_nan());
///
/// // It is sent as a NetCDF file with all these parts.
/// assert_eq!(DataArray::from_netcdf(&sst.to_netcdf()?)?, sst);
/// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DataArray {
    name: Option<String>,
    variable: Variable,
    coordinates: IndexMap<String, Variable>,
}

impl DataArray {
    /// Returns an array of these values, with the names of their axes.
    ///
    /// # Errors
    ///
    /// Fails if the number of names differs from the number of axes.
    pub fn new<D>(
        dims: impl IntoIterator<Item = D>,
        values: impl Into<Values>,
    ) -> Result<Self, NetcdfError>
    where
        D: Into<String>,
    {
        Variable::new(dims, values).map(Self::from)
    }

    /// Returns an array of a single value without axes.
    ///
    /// ```
    /// use dasf_types::netcdf::DataArray;
    ///
    /// let mean = DataArray::scalar(27.3).with_name("mean");
    /// assert_eq!(mean.to_f64()?.first(), Some(&27.3));
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    #[must_use]
    pub fn scalar(value: impl Value) -> Self {
        Variable::scalar(value).into()
    }

    /// Returns an array of other values with the name, the attributes and the coordinates of this
    /// array. Coordinates along dimensions that the values do not have are left out.
    ///
    /// ```
    /// use dasf_types::netcdf::ndarray::{Axis, array};
    /// use dasf_types::netcdf::DataArray;
    ///
    /// let sst = DataArray::new(["time", "lon"], array![[27.0, 28.0], [27.5, 28.5]])?
    ///     .with_name("sst")
    ///     .with_coordinate("time", [1997, 1998])?
    ///     .with_coordinate("lon", [278.0, 279.0])?;
    ///
    /// let kelvin = sst.derive(sst.dims(), sst.to_f64()? + 273.15)?;
    /// assert_eq!(kelvin.coordinate("time"), sst.coordinate("time"));
    ///
    /// let mean = sst.to_f64()?.mean_axis(Axis(0)).unwrap();
    /// let mean = sst.derive(["lon"], mean)?;
    /// assert_eq!(mean.name(), Some("sst"));
    /// assert!(mean.coordinate("lon").is_some() && mean.coordinate("time").is_none());
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the number of names differs from the number of axes, or if a dimension has another
    /// length than a coordinate along it.
    pub fn derive<D>(
        &self,
        dims: impl IntoIterator<Item = D>,
        values: impl Into<Values>,
    ) -> Result<Self, NetcdfError>
    where
        D: Into<String>,
    {
        let mut derived = Self::new(dims, values)?;
        derived.name.clone_from(&self.name);
        derived.attributes_mut().clone_from(self.attributes());
        for (name, coordinate) in self.coordinates() {
            if derived.variable.has_dims_of(coordinate) {
                derived = derived.with_coordinate_variable(name, coordinate.clone())?;
            }
        }
        Ok(derived)
    }

    /// Sets the name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets an attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.variable.attributes_mut().insert(name, value);
        self
    }

    /// Adds a coordinate: with values along the dimension of its name, or with a single value for
    /// the whole array.
    ///
    /// ```
    /// use dasf_types::netcdf::DataArray;
    ///
    /// let profile = DataArray::new(["depth"], [8.5, 7.9])?
    ///     .with_coordinate("depth", [0.0, 10.0])?
    ///     .with_coordinate("station", "P7")?;
    ///
    /// let error = profile.clone().with_coordinate("depth", [0.0, 10.0, 20.0]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "dimension `depth` has length 2, but `depth` has 3 values along it"
    /// );
    /// let error = profile.with_coordinate("lat", [54.0, 54.1]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "coordinate `lat` has the dimension `lat`, which the array does not have"
    /// );
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the array does not have this dimension, or has it with another length.
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
    /// ```
    /// use dasf_types::netcdf::ndarray::array;
    /// use dasf_types::netcdf::{DataArray, Variable};
    ///
    /// let depths = Variable::new(["z"], [0.0, 10.0])?.with_attribute("positive", "down");
    /// let ages = Variable::new(["z"], [3, 5])?;
    /// let array = DataArray::new(["z"], [8.5, 7.9])?
    ///     .with_coordinate_variable("z", depths)?
    ///     .with_coordinate_variable("age", ages)?;
    /// assert_eq!(array.coordinate("age").unwrap().dims(), ["z"]);
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the array does not have a dimension of the coordinate, or has it with another
    /// length.
    pub fn with_coordinate_variable(
        mut self,
        name: impl Into<String>,
        coordinate: Variable,
    ) -> Result<Self, NetcdfError> {
        let name = name.into();
        if self.variable.axis(&name).is_some() && coordinate.axis(&name).is_none() {
            return Err(NetcdfError::NotAlongItself { name });
        }
        for (dimension, &found) in coordinate.dims().iter().zip(coordinate.shape()) {
            let expected = self.variable.axis(dimension);
            let expected = expected.and_then(|Axis(axis)| self.shape().get(axis));
            let &expected = expected.ok_or_else(|| NetcdfError::ForeignDimension {
                coordinate: name.clone(),
                dimension: dimension.clone(),
            })?;
            if expected != found {
                return Err(NetcdfError::DimensionLength {
                    dimension: dimension.clone(),
                    expected,
                    variable: name,
                    found,
                });
            }
        }
        self.coordinates.insert(name, coordinate);
        Ok(self)
    }

    pub(super) fn from_parts(
        name: Option<String>,
        variable: Variable,
        coordinates: IndexMap<String, Variable>,
    ) -> Self {
        Self {
            name,
            variable,
            coordinates,
        }
    }

    pub(super) fn into_parts(self) -> (Option<String>, Variable, IndexMap<String, Variable>) {
        (self.name, self.variable, self.coordinates)
    }

    /// Returns the name, if the array has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the names of the axes.
    #[must_use]
    pub fn dims(&self) -> &[String] {
        self.variable.dims()
    }

    /// Returns the length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.variable.shape()
    }

    /// Returns the axis of this name, for the methods of `ndarray`.
    #[must_use]
    pub fn axis(&self, dimension: &str) -> Option<Axis> {
        self.variable.axis(dimension)
    }

    /// Returns the values.
    #[must_use]
    pub fn values(&self) -> &Values {
        self.variable.values()
    }

    /// Returns the values and drops the rest.
    #[must_use]
    pub fn into_values(self) -> Values {
        self.variable.into_values()
    }

    /// Returns the attributes of the values.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        self.variable.attributes()
    }

    /// Returns the attributes of the values for changes.
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        self.variable.attributes_mut()
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

    /// Returns the values if they have this type; see [`Values::view`].
    ///
    /// # Errors
    ///
    /// Fails if they have another type.
    pub fn view<T: Element>(&self) -> Result<&ArrayD<T>, NetcdfError> {
        self.variable.view()
    }

    /// Returns a copy as floats of double precision; see [`Values::to_f64`].
    ///
    /// # Errors
    ///
    /// Fails if the values are not numbers.
    pub fn to_f64(&self) -> Result<ArrayD<f64>, NetcdfError> {
        self.variable.to_f64()
    }

    /// Returns a copy as times; see [`Variable::to_times`].
    ///
    /// # Errors
    ///
    /// Fails if the values are not times, or use a calendar other than the Gregorian one.
    pub fn to_times(&self) -> Result<ArrayD<Option<NaiveDateTime>>, NetcdfError> {
        self.variable.to_times()
    }

    /// Returns a copy as durations; see [`Variable::to_durations`].
    ///
    /// # Errors
    ///
    /// Fails if the values are neither durations nor numbers with a unit of time.
    pub fn to_durations(&self) -> Result<ArrayD<Option<TimeDelta>>, NetcdfError> {
        self.variable.to_durations()
    }

    /// Reads a NetCDF-3 file with one variable besides coordinates.
    ///
    /// As with `xarray.open_dataarray`, the attributes of the file itself are dropped.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a valid NetCDF-3 file, or do not contain exactly one variable
    /// besides coordinates.
    pub fn from_netcdf(bytes: &[u8]) -> Result<Self, NetcdfError> {
        let mut contents = cf::decode(format::read(bytes)?)?;
        let variables: Vec<_> = contents.variables.into_iter().collect();
        let [(name, variable)] =
            <[_; 1]>::try_from(variables).map_err(|all| NetcdfError::NotOneVariable {
                found: all.into_iter().map(|(name, _)| name).collect(),
            })?;
        let hidden = contents.attributes.remove(HIDDEN_NAME);
        let hidden = hidden.as_ref().and_then(Attribute::as_str);
        let name = hidden.map_or(name, str::to_owned);
        let coordinates = &mut contents.coordinates;
        coordinates.retain(|_, coordinate| variable.has_dims_of(coordinate));
        Ok(Self {
            name: Some(name).filter(|name| name != UNNAMED),
            variable,
            coordinates: contents.coordinates,
        })
    }

    /// Writes the array as a NetCDF-3 file.
    ///
    /// # Errors
    ///
    /// Fails if a part of it cannot be written: a name with characters outside Latin-1, an
    /// attribute with a special meaning in files, or 2 GiB of data.
    pub fn to_netcdf(&self) -> Result<Vec<u8>, NetcdfError> {
        let mut attributes = Attributes::new();
        let name = match &self.name {
            None => UNNAMED,
            Some(name) if self.coordinates.contains_key(name) || self.dims().contains(name) => {
                attributes.insert(HIDDEN_NAME, name.as_str());
                UNNAMED
            }
            Some(name) => name,
        };
        if self.coordinates.contains_key(name) {
            return Err(NetcdfError::Duplicate {
                name: name.to_owned(),
            });
        }
        let variables = [(name, &self.variable)];
        format::write(&cf::encode(variables, &self.coordinates, &attributes)?)
    }
}

impl From<Variable> for DataArray {
    /// Makes an array without a name and coordinates.
    fn from(variable: Variable) -> Self {
        Self {
            name: None,
            variable,
            coordinates: IndexMap::new(),
        }
    }
}

/// Returns a coordinate along the dimension of its own name, or of a single value.
pub(super) fn along_itself(name: &str, values: Values) -> Result<Variable, NetcdfError> {
    match values.shape().len() {
        0 => Variable::new([""; 0], values),
        1 => Variable::new([name], values),
        axes => Err(NetcdfError::CoordinateAxes {
            coordinate: name.to_owned(),
            axes,
        }),
    }
}
