//! The arguments of a function of another module: their names, their values out of texts, and the check of them.

use std::fmt;
use std::sync::OnceLock;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::raw_text;
use super::unknown_arguments::ArgumentNames;
use super::validate::{Dialect, Problem, Validator};
use super::value_types::{takes_lists, takes_scalars_and_lists_only, takes_texts_only};

/// The arguments of a function, method or constructor of another module, by the schema that the module
/// publishes. The schema is compiled when it is used first.
///
/// ```
/// use dasf_runtime::module::validate::{Dialect, Parameters};
/// use serde_json::json;
///
/// let schema = json!({"properties": {"name": {"type": "string"}, "a": {"type": "integer", "maximum": 9}}});
/// let parameters = Parameters::new(&schema, Dialect::JsonSchema);
/// assert_eq!(parameters.value_of("name", "12").get(), "\"12\"");
/// assert_eq!(parameters.value_of("a", "12").get(), "12");
/// assert_eq!(parameters.problems(r#"{"a": 12}"#, "").len(), 1);
/// ```
pub struct Parameters {
    schema: Value,
    dialect: Dialect,
    /// `None` if the schema is not valid. Then only the module can check the arguments.
    validator: OnceLock<Option<Validator>>,
    /// The same schema as a validator, but no argument is required.
    each: OnceLock<Option<Validator>>,
}

impl Parameters {
    /// Returns the arguments in a schema.
    pub fn new(schema: &Value, dialect: Dialect) -> Self {
        Self {
            schema: schema.clone(),
            dialect,
            validator: OnceLock::new(),
            each: OnceLock::new(),
        }
    }

    /// Returns the schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Returns the names of the arguments.
    pub fn names(&self) -> ArgumentNames<'_> {
        ArgumentNames::of(&self.schema)
    }

    /// Returns whether all arguments are numbers, texts, booleans, null, or lists of them, so that a query can
    /// hold them. A report of the progress does not count: a caller may leave it out.
    pub fn fit_a_query(&self) -> bool {
        fit_a_query(&self.schema)
    }

    /// Returns whether the schema is valid. If it is not, only the module can check the arguments.
    pub fn is_checked(&self) -> bool {
        self.validator().is_some()
    }

    /// Returns the first problems of arguments, which are a JSON object. Their paths begin with `prefix`. There
    /// are none if only the module can check them: the schema is not valid, or the text has a number such as
    /// `1e400`.
    pub fn problems(&self, json: &str, prefix: &str) -> Vec<Problem> {
        let problems = |validator: &Validator| validator.problems_of_text(json, prefix).ok();
        self.validator().and_then(problems).unwrap_or_default()
    }

    /// Returns the value of an argument that a text stands for: JSON if the schema accepts that, otherwise the
    /// text itself. If the schema accepts neither, it is the one with the better error message.
    pub fn value_of(&self, name: &str, text: &str) -> Box<RawValue> {
        let json: Option<Box<RawValue>> = serde_json::from_str(text).ok();
        let is_text = match (&json, self.each()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(json), Some(each)) => {
                let schema = &self.schema["properties"][name];
                let wants_text = || takes_texts_only(schema, &self.schema);
                match serde_json::from_str::<Value>(json.get()) {
                    Ok(json) if each.accepts(&json!({name: json})) => false,
                    Ok(_) => each.accepts(&json!({name: text})) || wants_text(),
                    // Only the module can check a number that cannot be read here, such as 1e400.
                    Err(_) => wants_text(),
                }
            }
        };
        match json {
            Some(json) if !is_text => json,
            _ => raw_text(text),
        }
    }

    /// Returns the value of an argument that is given as several texts, or as one. A list has an item for each
    /// text, and a single text can also be the list as JSON.
    ///
    /// ```
    /// use dasf_runtime::module::validate::{Dialect, Parameters};
    /// use serde_json::json;
    ///
    /// let numbers = json!({"type": "array", "items": {"type": "number"}});
    /// let names = json!({"type": "array", "items": {"type": "string"}});
    /// let schema = json!({"properties": {"numbers": numbers, "names": names}});
    /// let parameters = Parameters::new(&schema, Dialect::JsonSchema);
    /// assert_eq!(parameters.values_of("numbers", &["1.50", "2"]).get(), "[1.50,2]");
    /// assert_eq!(parameters.values_of("numbers", &["1"]).get(), "[1]");
    /// assert_eq!(parameters.values_of("numbers", &["[1, 2]"]).get(), "[1, 2]");
    /// assert_eq!(parameters.values_of("names", &["a", "2"]).get(), r#"["a","2"]"#);
    /// ```
    pub fn values_of(&self, name: &str, texts: &[&str]) -> Box<RawValue> {
        let is_list = self.takes_lists(name);
        if let [text] = texts {
            let value = self.value_of(name, text);
            if !is_list || self.accepts(name, &value) {
                return value;
            }
        }
        let is_json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
        let of_json = raw_list(texts.iter().map(|text| match is_json(text) {
            true => (*text).to_owned(),
            false => raw_text(text).get().to_owned(),
        }));
        if self.accepts(name, &of_json) {
            return of_json;
        }
        let of_texts = raw_list(texts.iter().map(|text| raw_text(text).get().to_owned()));
        match self.accepts(name, &of_texts) {
            true => of_texts,
            false => of_json,
        }
    }

    /// Returns whether an argument can be a list.
    pub(crate) fn takes_lists(&self, name: &str) -> bool {
        takes_lists(&self.schema["properties"][name], &self.schema)
    }

    /// Returns whether the schema accepts a value of an argument.
    pub(crate) fn accepts(&self, name: &str, value: &RawValue) -> bool {
        let value: Option<Value> = serde_json::from_str(value.get()).ok();
        let accepted = self.each().zip(value);
        accepted.is_some_and(|(each, value)| each.accepts(&json!({name: value})))
    }

    fn validator(&self) -> Option<&Validator> {
        let compile = || Validator::of_peer(&self.schema, self.dialect);
        self.validator.get_or_init(compile).as_ref()
    }

    fn each(&self) -> Option<&Validator> {
        let compile = || {
            let mut schema = self.schema.clone();
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("required");
            }
            Validator::of_peer(&schema, self.dialect)
        };
        self.each.get_or_init(compile).as_ref()
    }
}

/// Returns whether all arguments in a schema are numbers, texts, booleans, null, or lists of them; see
/// [`Parameters::fit_a_query`].
pub fn fit_a_query(schema: &Value) -> bool {
    let names = ArgumentNames::of(schema).all();
    let properties = &schema["properties"];
    names
        .iter()
        .map(|name| &properties[name])
        .filter(|argument| argument["is_reporter"] != true)
        .all(|argument| takes_scalars_and_lists_only(argument, schema))
}

/// Returns a list of values that are JSON.
fn raw_list(values: impl Iterator<Item = String>) -> Box<RawValue> {
    let values: Vec<String> = values.collect();
    #[allow(clippy::expect_used)] // the message proves that it cannot happen
    RawValue::from_string(format!("[{}]", values.join(","))).expect("a list of JSON is JSON")
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters").finish_non_exhaustive()
    }
}
