//! Values with names for their axes.

use chrono::{NaiveDateTime, TimeDelta};
use ndarray::{ArrayD, Axis};

use super::attributes::{Attribute, Attributes};
use super::error::NetcdfError;
use super::time;
use super::values::{Element, Value, Values};

/// Values with a name for each axis, and attributes: what a [`DataArray`](super::DataArray) and
/// each of its coordinates consist of.
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
/// assert_eq!(error.to_string(), r#"1 dimensions are named ["x"], but the values have 2 axes"#);
/// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    dims: Vec<String>,
    values: Values,
    attributes: Attributes,
}

impl Variable {
    /// Values, with the names of their axes.
    ///
    /// # Errors
    ///
    /// When there are not as many names as the values have axes.
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

    /// A single value, without axes.
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

    /// The same with one more attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name, value);
        self
    }

    /// The names of the axes.
    #[must_use]
    pub fn dims(&self) -> &[String] {
        &self.dims
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.values.shape()
    }

    /// The axis of this name, to be used with the methods of `ndarray`.
    #[must_use]
    pub fn axis(&self, dimension: &str) -> Option<Axis> {
        self.dims
            .iter()
            .position(|name| name == dimension)
            .map(Axis)
    }

    /// Whether it has all dimensions of a coordinate, which is one of its own then.
    pub(super) fn has_dims_of(&self, coordinate: &Self) -> bool {
        let mut dims = coordinate.dims.iter();
        dims.all(|dimension| self.dims.contains(dimension))
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The values, taken out.
    #[must_use]
    pub fn into_values(self) -> Values {
        self.values
    }

    /// What is said of the values.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// What is said of the values, to be changed.
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        &mut self.attributes
    }

    /// The values, if they are stored as this type; see [`Values::view`].
    ///
    /// # Errors
    ///
    /// When they have another type.
    pub fn view<T: Element>(&self) -> Result<&ArrayD<T>, NetcdfError> {
        self.values.view()
    }

    /// A copy as numbers of double precision; see [`Values::to_f64`].
    ///
    /// # Errors
    ///
    /// When they are no numbers.
    pub fn to_f64(&self) -> Result<ArrayD<f64>, NetcdfError> {
        self.values.to_f64()
    }

    /// A copy as times.
    ///
    /// Times that could not be understood when the variable was read are numbers with the
    /// attributes `units` and `calendar`. For these the error says what is the matter with them:
    ///
    /// ```
    /// use dasf_types::netcdf::Variable;
    ///
    /// let model_time = Variable::new(["time"], [0.0, 30.0])?
    ///     .with_attribute("units", "days since 2000-01-01")
    ///     .with_attribute("calendar", "360_day");
    /// assert_eq!(
    ///     model_time.to_times().unwrap_err().to_string(),
    ///     "the values are no times: the calendar `360_day` is not that of the real world"
    /// );
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When they are no times, or in a calendar other than the Gregorian one.
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

    /// A copy as durations.
    ///
    /// Older xarray, such as 2024.10, writes a `timedelta64` as a number with the attribute
    /// `units`, such as `hours`. A number that counts hours looks the same. So such values are read
    /// as numbers, as in today's xarray, and this method turns them into durations:
    ///
    /// ```
    /// use dasf_types::netcdf::Variable;
    ///
    /// let lead = Variable::new(["lead"], [6, 12])?.with_attribute("units", "hours");
    /// assert_eq!(lead.to_durations()?[1].unwrap().num_minutes(), 720);
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// NaN is `None`.
    ///
    /// # Errors
    ///
    /// When the values are neither durations nor numbers with the attribute `units`;
    /// [`NetcdfError::NotDurations`] when the unit has no fixed length, or a number is too large.
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
