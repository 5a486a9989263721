//! Variables: values with names for their axes.

use chrono::{NaiveDateTime, TimeDelta};
use ndarray::{ArrayD, Axis};

use super::attributes::{Attribute, Attributes};
use super::error::NetcdfError;
use super::time;
use super::values::{Element, Value, Values};

/// Values with a name for each axis, and attributes. A [`DataArray`](super::DataArray) and each of
/// its coordinates consist of one.
///
/// ```
/// use dasf_types::netcdf::ndarray::array;
/// use dasf_types::netcdf::Variable;
///
/// let depth = Variable::new(["y", "x"], array![[10.0, 12.5], [9.0, 11.0]])?
///     .with_attribute("units", "m");
/// assert_eq!(depth.dims(), ["y", "x"]);
/// assert_eq!(depth.attributes().text("units"), Some("m"));
///
/// let error = Variable::new(["x"], array![[1.0, 2.0]]).unwrap_err();
/// assert_eq!(error.to_string(), r#"the names of the dimensions are ["x"], but the values have 2 axes"#);
/// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    dims: Vec<String>,
    values: Values,
    attributes: Attributes,
}

impl Variable {
    /// Returns a variable of these values, with the names of their axes.
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
        let dims: Vec<String> = dims.into_iter().map(Into::into).collect();
        let values = values.into();
        let axes = values.shape().len();
        if dims.len() == axes {
            Ok(Self {
                dims,
                values,
                attributes: Attributes::new(),
            })
        } else {
            Err(NetcdfError::DimensionCount {
                names: dims.len(),
                dims,
                axes,
            })
        }
    }

    /// Returns a variable of a single value without axes.
    #[must_use]
    pub fn scalar(value: impl Value) -> Self {
        Self {
            dims: Vec::new(),
            values: value.into(),
            attributes: Attributes::new(),
        }
    }

    pub(super) fn with_attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Sets an attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name, value);
        self
    }

    /// Returns the names of the axes.
    #[must_use]
    pub fn dims(&self) -> &[String] {
        &self.dims
    }

    /// Returns the length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.values.shape()
    }

    /// Returns the axis of this name, for the methods of `ndarray`.
    #[must_use]
    pub fn axis(&self, dimension: &str) -> Option<Axis> {
        self.dims
            .iter()
            .position(|name| name == dimension)
            .map(Axis)
    }

    /// Returns whether the variable has all dimensions of a coordinate, so that the coordinate
    /// belongs to it.
    pub(super) fn has_dims_of(&self, coordinate: &Self) -> bool {
        let mut dims = coordinate.dims.iter();
        dims.all(|dimension| self.dims.contains(dimension))
    }

    /// Returns the values.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Returns the values and drops the rest.
    #[must_use]
    pub fn into_values(self) -> Values {
        self.values
    }

    /// Returns the attributes of the values.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Returns the attributes of the values for changes.
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        &mut self.attributes
    }

    /// Returns the values if they have this type; see [`Values::view`].
    ///
    /// # Errors
    ///
    /// Fails if they have another type.
    pub fn view<T: Element>(&self) -> Result<&ArrayD<T>, NetcdfError> {
        self.values.view()
    }

    /// Returns a copy as floats of double precision; see [`Values::to_f64`].
    ///
    /// # Errors
    ///
    /// Fails if the values are not numbers.
    pub fn to_f64(&self) -> Result<ArrayD<f64>, NetcdfError> {
        self.values.to_f64()
    }

    /// Returns a copy as times.
    ///
    /// Times that could not be converted when the variable was read are numbers with the attributes
    /// `units` and `calendar`. For these, the error explains why:
    ///
    /// ```
    /// use dasf_types::netcdf::Variable;
    ///
    /// let model_time = Variable::new(["time"], [0.0, 30.0])?
    ///     .with_attribute("units", "days since 2000-01-01")
    ///     .with_attribute("calendar", "360_day");
    /// assert_eq!(
    ///     model_time.to_times().unwrap_err().to_string(),
    ///     "the values are not times: the calendar `360_day` is not a calendar of the real world"
    /// );
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the values are not times, or use a calendar other than the Gregorian one.
    pub fn to_times(&self) -> Result<ArrayD<Option<NaiveDateTime>>, NetcdfError> {
        match (&self.values, self.attributes.text("units")) {
            (Values::Time(times), _) => Ok(times.clone()),
            (Values::Bool(_) | Values::Text(_) | Values::Duration(_), _) | (_, None) => {
                Err(self.values.wrong_type("times"))
            }
            (values, Some(units)) => {
                let calendar = self.attributes.text("calendar");
                time::decode_times(&values.to_f64()?, units, calendar)
            }
        }
    }

    /// Returns a copy as durations.
    ///
    /// Older xarray, for example 2024.10, writes a `timedelta64` as a number with the attribute
    /// `units`, for example `hours`. A plain number of hours looks the same. Therefore such values
    /// are read as numbers, as in today's xarray, and this method converts them to durations:
    ///
    /// ```
    /// use dasf_types::netcdf::Variable;
    ///
    /// let lead = Variable::new(["lead"], [6, 12])?.with_attribute("units", "hours");
    /// assert_eq!(lead.to_durations()?[1].unwrap().num_minutes(), 720);
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// NaN becomes `None`.
    ///
    /// # Errors
    ///
    /// Fails if the values are neither durations nor numbers with the attribute `units`. Returns
    /// [`NetcdfError::NotDurations`] if the unit has no fixed length, or if a number is too large.
    pub fn to_durations(&self) -> Result<ArrayD<Option<TimeDelta>>, NetcdfError> {
        match (&self.values, self.attributes.text("units")) {
            (Values::Duration(durations), _) => Ok(durations.clone()),
            (Values::Bool(_) | Values::Text(_) | Values::Time(_), _) | (_, None) => {
                Err(self.values.wrong_type("durations"))
            }
            (values, Some(units)) => {
                let durations = time::decode_durations(&values.to_f64()?, units);
                durations.ok_or_else(|| NetcdfError::NotDurations {
                    reason: format!(
                        "the units `{units}` are not a unit such as `hours`, or a number is too large"
                    ),
                })
            }
        }
    }
}
