//! The JSON schemas that a module publishes, in the form that existing peers read.
//!
//! Existing modules publish schemas from pydantic, and the web component reads them with tools for
//! draft 7. Therefore there is no `$schema`, and properties have titles. An optional value is
//! `anyOf [T, null]`, and a tuple is an array with a list in `items`. The root of a function's
//! schema is an object, never a `$ref`.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use dasf_protocol::api_info::{ALLOW_GROUPS, ClassInfo, FunctionInfo, RESULT_TYPE};
use dasf_protocol::{progress, reference};
use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::{ReplacePrefixItems, Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Number, Value, json};

use super::descriptor::{
    ArgumentDescriptor, ArgumentKind, ClassDescriptor, FunctionDescriptor, Keyword, Literal,
    Member, SchemaOf,
};
use super::unknown_variants::UnknownVariants;
use super::{ModuleError, floats};

pub(super) const DEFINITIONS: &str = "$defs";
const REFERENCE_PREFIX: &str = "#/$defs/";
/// The keyword that forbids arguments without a name in the schema, if it is false.
const OTHER_ARGUMENTS: &str = "additionalProperties";

/// Returns the schema of a type. The function pointers of descriptors point here.
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Returns the document with all definitions, and the schema by which values of a type are read.
pub(crate) fn of_reader(schema: SchemaOf) -> (Value, Value) {
    let settings = SchemaSettings::draft2019_09().for_deserialize();
    let mut generator = settings.into_generator();
    let schema = schema(&mut generator).to_value();
    let definitions = Value::Object(generator.take_definitions(true));
    (json!({ DEFINITIONS: definitions }), schema)
}

/// Collects the schemas of a module's members.
pub(super) struct SchemaBuilder {
    requests: SchemaGenerator,
    results: SchemaGenerator,
    /// The `anyOf` of the module, in the order of the source.
    members: Vec<(String, Value)>,
    methods: Vec<(String, Value)>,
    functions: HashMap<String, (Map<String, Value>, Schema)>,
    constructors: HashMap<&'static str, Map<String, Value>>,
}

/// The finished documents.
pub(super) struct Documents {
    definitions: Map<String, Value>,
    result_definitions: Map<String, Value>,
    builder: SchemaBuilder,
}

impl SchemaBuilder {
    /// Returns a builder for these members.
    ///
    /// # Errors
    /// Fails if two members get the same title, because the title names the schema.
    pub(super) fn new(members: &[&'static Member]) -> Result<Self, ModuleError> {
        let settings = SchemaSettings::draft2019_09();
        let mut requests = settings.clone().for_deserialize().into_generator();
        if functions(members).any(FunctionDescriptor::reports) {
            // Add these definitions before the module's own types, so that a type of the same name
            // gets another name. The order matters, because the definitions refer to each other by
            // these names.
            requests.subschema_for::<ReportDefinition<0>>();
            requests.subschema_for::<ReportDefinition<1>>();
            requests.subschema_for::<ReportDefinition<2>>();
            requests.subschema_for::<ReportDefinition<3>>();
        }
        let mut titles = HashMap::new();
        for (title, member) in titles_of(members) {
            if let Some(other) = titles.insert(title.clone(), member.clone()) {
                let reason = format!(
                    "its schema has the same title {title} as that of {other}; rename one of them"
                );
                return Err(ModuleError { member, reason });
            }
        }
        Ok(Self {
            requests,
            results: settings.for_serialize().into_generator(),
            members: Vec::new(),
            methods: Vec::new(),
            functions: HashMap::new(),
            constructors: HashMap::new(),
        })
    }

    pub(super) fn add_function(
        &mut self,
        function: &'static FunctionDescriptor,
    ) -> Result<(), ModuleError> {
        let title = camel_case("Func", function.name);
        let schema = self.add_callable(&title, function)?;
        self.members.push((title, Value::Object(schema)));
        Ok(())
    }

    pub(super) fn add_class(&mut self, class: &'static ClassDescriptor) -> Result<(), ModuleError> {
        let title = camel_case("Class", class.name);
        let mut properties = Map::new();
        let mut required = Vec::new();
        self.add_arguments(class.arguments, &mut properties, &mut required);
        properties.insert(
            "class_name".to_owned(),
            name_schema("class_name", class.name),
        );
        required.push(json!("class_name"));
        let mut constructor = object_schema(&title, class.description, properties, required);
        if class.is_deprecated {
            constructor.insert("deprecated".to_owned(), true.into());
        }
        if class.refuses_unknown {
            constructor.insert(OTHER_ARGUMENTS.to_owned(), false.into());
        }

        let mut methods = Vec::new();
        for method in class.methods {
            let method_title = method_title(class.name, method.name);
            let schema = self.add_callable(&method_title, method)?;
            methods.push(json!({"$ref": format!("{REFERENCE_PREFIX}{method_title}")}));
            self.methods.push((method_title, Value::Object(schema)));
        }
        let mut whole = constructor.clone();
        if let Some(Value::Object(properties)) = whole.get_mut("properties") {
            let function = json!({"anyOf": methods, "title": "Function", "description": "The method to call."});
            properties.insert("function".to_owned(), function);
        }
        if let Some(Value::Array(required)) = whole.get_mut("required") {
            required.push(json!("function"));
        }
        self.members.push((title, Value::Object(whole)));
        if class.refuses_unknown
            && let Some(Value::Object(properties)) = constructor.get_mut("properties")
        {
            // A request to the class holds the method beside the constructor's arguments.
            let function = json!({"type": "object", "title": "Function", "description": "The method to call."});
            properties.insert("function".to_owned(), function);
        }
        self.constructors.insert(class.name, constructor);
        Ok(())
    }

    fn add_callable(
        &mut self,
        title: &str,
        function: &'static FunctionDescriptor,
    ) -> Result<Map<String, Value>, ModuleError> {
        let mut properties = Map::new();
        properties.insert(
            "func_name".to_owned(),
            name_schema("func_name", function.name),
        );
        let mut required = vec![json!("func_name")];
        self.add_arguments(function.arguments, &mut properties, &mut required);
        let mut schema = object_schema(title, function.description, properties, required);
        if function.is_deprecated {
            schema.insert("deprecated".to_owned(), true.into());
        }
        if !function.allow_groups.is_empty() {
            schema.insert(ALLOW_GROUPS.to_owned(), json!(function.allow_groups));
        }
        if let Some(extra) = function.schema_extra {
            add_extra(&mut schema, extra()).map_err(|reason| ModuleError {
                member: function.name.to_owned(),
                reason,
            })?;
        }
        if function.refuses_unknown {
            // The function's own `schema_extra` comes before the setting of the module.
            schema
                .entry(OTHER_ARGUMENTS)
                .or_insert_with(|| false.into());
        }
        let result = self.result_schema(title, function);
        self.functions
            .insert(title.to_owned(), (schema.clone(), result));
        Ok(schema)
    }

    fn add_arguments(
        &mut self,
        arguments: &'static [ArgumentDescriptor],
        properties: &mut Map<String, Value>,
        required: &mut Vec<Value>,
    ) {
        for argument in arguments {
            let mut schema = match argument.kind {
                ArgumentKind::Data => (argument.ty.schema)(&mut self.requests),
                ArgumentKind::Reporter => self.reporter_schema(),
            };
            schema.ensure_object();
            add_keywords(&mut schema, argument.keywords);
            to_peer_form(&mut schema, &Contract::Deserialize);
            if let Some(title) = argument.title {
                schema.insert("title".to_owned(), title.into());
            } else {
                add_title(&mut schema, argument.name);
            }
            if let Some(description) = argument.description {
                schema.insert("description".to_owned(), description.into());
            }
            match argument.default {
                None => required.push(json!(argument.name)),
                // A default without a JSON form is left out of the schema. It still replaces a
                // missing argument.
                Some(default) => {
                    if let Some(default) = default() {
                        schema.insert("default".to_owned(), default);
                    }
                }
            }
            properties.insert(argument.name.to_owned(), schema.to_value());
        }
    }

    fn reporter_schema(&mut self) -> Schema {
        let mut schema = self.requests.subschema_for::<ReportDefinition<0>>();
        schema.insert("is_reporter".to_owned(), true.into());
        schema
    }

    fn result_schema(&mut self, title: &str, function: &'static FunctionDescriptor) -> Schema {
        let mut schema = (function.returns.ty.schema)(&mut self.results);
        schema.ensure_object();
        // A function without a result makes no promise, so its schema allows any value, as in
        // pydantic.
        if schema.get("type") == Some(&json!("null")) {
            schema = Schema::default();
            schema.insert(RESULT_TYPE.to_owned(), "null".into());
        }
        add_keywords(&mut schema, function.returns.keywords);
        to_peer_form(&mut schema, &Contract::Serialize);
        let own_title = schema.insert("title".to_owned(), title.into());
        // Only the title tells whether a NetCDF file has an array or a dataset.
        if let Some(own_title) = own_title
            && may_be_netcdf(schema.as_value())
        {
            schema.insert(RESULT_TYPE.to_owned(), own_title);
        }
        schema.insert("default".to_owned(), Value::Null);
        if let Some(description) = function.returns.description {
            schema.insert("description".to_owned(), description.into());
        }
        schema
    }

    /// Gives floats of 32 bits the digits that a person would write.
    fn shorten_floats(
        &mut self,
        definitions: &mut Map<String, Value>,
        result_definitions: &mut Map<String, Value>,
    ) {
        let shorten = |schemas: &mut dyn Iterator<Item = &mut Value>, all: &Map<String, Value>| {
            schemas.for_each(|schema| floats::shorten_in(schema, all));
        };
        let members = self.members.iter_mut().chain(&mut self.methods);
        shorten(&mut members.map(|(_, schema)| schema), definitions);
        for (request, result) in self.functions.values_mut() {
            floats::shorten_fields(request, definitions);
            floats::shorten_fields(result.ensure_object(), result_definitions);
        }
        for constructor in self.constructors.values_mut() {
            floats::shorten_fields(constructor, definitions);
        }
        for definitions in [definitions, result_definitions] {
            let all = definitions.clone();
            shorten(&mut definitions.values_mut(), &all);
        }
    }

    /// Returns the finished documents.
    ///
    /// # Errors
    /// Fails if a type has the name of a member's schema.
    pub(super) fn finish(mut self) -> Result<Documents, ModuleError> {
        let finished = |generator: &mut SchemaGenerator| -> Map<String, Value> {
            let contract = generator.contract().clone();
            let mut definitions = generator.take_definitions(true);
            for (name, definition) in &mut definitions {
                if let Ok(schema) = <&mut Schema>::try_from(definition) {
                    to_peer_form(schema, &contract);
                    let fields = schema.ensure_object();
                    fields
                        .entry("title")
                        .or_insert_with(|| name.as_str().into());
                }
            }
            definitions
        };
        let mut definitions = finished(&mut self.requests);
        let mut result_definitions = finished(&mut self.results);
        self.shorten_floats(&mut definitions, &mut result_definitions);
        for (title, _) in self.members.iter().chain(&self.methods) {
            if definitions.contains_key(title) {
                return Err(ModuleError {
                    member: title.clone(),
                    reason: format!(
                        "the type of an argument also has the name {title}; rename one of them"
                    ),
                });
            }
        }
        Ok(Documents {
            definitions,
            result_definitions,
            builder: self,
        })
    }
}

impl Documents {
    pub(super) fn function(&self, function: &FunctionDescriptor) -> FunctionInfo {
        self.callable(&camel_case("Func", function.name), function.name)
    }

    pub(super) fn class(&self, class: &ClassDescriptor) -> ClassInfo {
        let constructor = self
            .builder
            .constructors
            .get(class.name)
            .cloned()
            .unwrap_or_default();
        let methods = class.methods.iter();
        let mut info = ClassInfo::new(class.name, with_definitions(constructor, &self.definitions));
        info.methods = methods
            .map(|method| self.callable(&method_title(class.name, method.name), method.name))
            .collect();
        info
    }

    fn callable(&self, title: &str, name: &str) -> FunctionInfo {
        let (request, result) = self
            .builder
            .functions
            .get(title)
            .cloned()
            .unwrap_or_default();
        FunctionInfo::new(
            name,
            with_definitions(request, &self.definitions),
            self.standalone_result(&result),
        )
    }

    /// Returns a result's schema without a `$ref` at its root, because that would hide the title.
    fn standalone_result(&self, result: &Schema) -> Value {
        let mut root = result.as_object().cloned().unwrap_or_default();
        if let Some(Value::String(reference)) = root.get("$ref")
            && let Some((_, name)) = reference::definition(reference)
            && let Some(Value::Object(target)) = self.result_definitions.get(&*name)
        {
            let (name, mut whole) = (name.into_owned(), target.clone());
            root.remove("$ref");
            whole.extend(root);
            whole.insert(RESULT_TYPE.to_owned(), name.into());
            root = whole;
        }
        with_definitions(root, &self.result_definitions)
    }

    /// Returns the schema of a request to the module, without title and description.
    pub(super) fn into_module_schema(self) -> Map<String, Value> {
        let mut definitions = Map::new();
        let any_of: Vec<Value> = self
            .builder
            .members
            .iter()
            .map(|(name, _)| json!({"$ref": format!("{REFERENCE_PREFIX}{name}")}))
            .collect();
        definitions.extend(self.builder.members);
        definitions.extend(self.builder.methods);
        definitions.extend(self.definitions);
        let mut schema = Map::new();
        schema.insert(DEFINITIONS.to_owned(), Value::Object(definitions));
        schema.insert("anyOf".to_owned(), Value::Array(any_of));
        schema
    }
}

/// Returns all functions and methods.
pub(super) fn functions(
    members: &[&'static Member],
) -> impl Iterator<Item = &'static FunctionDescriptor> {
    members.iter().flat_map(|member| match member {
        Member::Function(function) => std::slice::from_ref(function),
        Member::Class(class) => class.methods,
    })
}

/// Returns the titles of all schemas, with their members.
fn titles_of(members: &[&'static Member]) -> Vec<(String, String)> {
    let mut titles = Vec::new();
    for member in members {
        match member {
            Member::Function(function) => {
                titles.push((camel_case("Func", function.name), function.name.to_owned()));
            }
            Member::Class(class) => {
                titles.push((camel_case("Class", class.name), class.name.to_owned()));
                for method in class.methods {
                    let name = format!("{}.{}", class.name, method.name);
                    titles.push((method_title(class.name, method.name), name));
                }
            }
        }
    }
    titles
}

/// The definitions of a progress report, one for each `N` of [`ReportDefinition::NAMES`].
struct ReportDefinition<const N: usize>;

impl<const N: usize> ReportDefinition<N> {
    const NAMES: [&'static str; 4] = [
        "ProgressReport",
        "ReportSettings",
        "ShowReportMethod",
        "Status",
    ];
}

impl<const N: usize> JsonSchema for ReportDefinition<N> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Self::NAMES[N].into()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        format!("dasf::{}", Self::NAMES[N]).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let definition = progress::schema_definitions().remove(Self::NAMES[N]);
        definition
            .and_then(|definition| definition.try_into().ok())
            .unwrap_or_default()
    }
}

fn name_schema(key: &str, name: &str) -> Value {
    json!({
        "const": name,
        "title": title_case(key),
        "type": "string",
        "description": format!("The name of the function. Must be '{name}'"),
    })
}

fn object_schema(
    title: &str,
    description: Option<&str>,
    properties: Map<String, Value>,
    required: Vec<Value>,
) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("title".to_owned(), title.into());
    if let Some(description) = description {
        schema.insert("description".to_owned(), description.into());
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), Value::Array(required));
    schema
}

/// Adds keys to a function's schema. They must not replace existing ones.
fn add_extra(schema: &mut Map<String, Value>, extra: Value) -> Result<(), String> {
    let Value::Object(extra) = extra else {
        return Err(format!("schema_extra must be an object, not {extra}"));
    };
    for (key, value) in extra {
        if schema.contains_key(&key) {
            return Err(format!(
                "schema_extra contains {key:?}, which the schema already has; remove it"
            ));
        }
        schema.insert(key, value);
    }
    Ok(())
}

fn add_keywords(schema: &mut Schema, keywords: &'static [Keyword]) {
    for Keyword { name, value } in keywords {
        match (*name, value) {
            // `example` may be repeated, but JSON Schema has one list.
            ("examples", Literal::Json(value)) => {
                let examples = schema
                    .ensure_object()
                    .entry("examples")
                    .or_insert_with(|| json!([]));
                if let Value::Array(examples) = examples {
                    examples.push(value().unwrap_or_default());
                }
            }
            (name, value) => narrow(schema.ensure_object(), name, value.to_json()),
        }
    }
}

/// Adds a keyword to a schema. If it already exists, both values count, so a constraint on an
/// argument cannot widen the bounds of the type.
fn narrow(schema: &mut Map<String, Value>, keyword: &str, value: Value) {
    let Some(present) = schema.get(keyword) else {
        schema.insert(keyword.to_owned(), value);
        return;
    };
    let order = match (present, &value) {
        (Value::Number(present), Value::Number(value)) => compare(present, value),
        _ => None,
    };
    let is_narrower = match keyword {
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" => order == Some(Ordering::Less),
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" => {
            order == Some(Ordering::Greater)
        }
        "pattern" | "multipleOf" if *present != value => {
            let all = schema.entry("allOf").or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.push(json!({keyword: value}));
            }
            return;
        }
        _ => true,
    };
    if is_narrower {
        schema.insert(keyword.to_owned(), value);
    }
}

/// Compares two JSON numbers exactly.
fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        (Some(one), None) => compare_with_float(one, other.as_f64()?),
        (None, Some(other)) => compare_with_float(other, one.as_f64()?).map(Ordering::reverse),
        (None, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// Compares an integer of 64 bits with a float. The cast keeps all digits before the point, and
/// saturates for a float out of range.
fn compare_with_float(integer: i128, float: f64) -> Option<Ordering> {
    let order = integer.cmp(&(float as i128));
    Some(order.then(0.0.partial_cmp(&float.fract())?))
}

/// Adds the definitions to which a schema refers, directly or through others.
fn with_definitions(mut schema: Map<String, Value>, definitions: &Map<String, Value>) -> Value {
    let mut needed = BTreeSet::new();
    let mut open: Vec<&Value> = schema.values().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                let target = fields.get("$ref").and_then(Value::as_str);
                if let Some((_, name)) = target.and_then(reference::definition)
                    && let Some((name, definition)) = definitions.get_key_value(&*name)
                    && needed.insert(name)
                {
                    open.push(definition);
                }
                open.extend(fields.values());
            }
            _ => {}
        }
    }
    if !needed.is_empty() {
        let needed = definitions.iter().filter(|(name, _)| needed.contains(name));
        let needed = needed.map(|(name, definition)| (name.clone(), definition.clone()));
        let needed = Value::Object(needed.collect());
        schema.insert(DEFINITIONS.to_owned(), needed);
    }
    Value::Object(schema)
}

/// Converts a schema of `schemars` to the form that peers read.
fn to_peer_form(schema: &mut Schema, contract: &Contract) {
    UnknownVariants.transform(schema);
    ReplacePrefixItems::default().transform(schema);
    let is_result = matches!(contract, Contract::Serialize);
    StructTags { is_result }.transform(schema);
    PeerForm.transform(schema);
}

/// Marks the tag of a struct until it is known whether the schema describes a result.
const STRUCT_TAG: &str = "x_dasf_struct_tag";

/// Adds the tag of a struct, `#[serde(tag = "…")]`, to its schema, because `schemars` leaves it
/// out. `#[dasf::module]` adds this transform to the types in the module.
#[derive(Debug, Clone, Copy)]
pub struct StructTag {
    /// The name of the field.
    pub tag: &'static str,
    /// The value of the field: the name of the struct.
    pub name: &'static str,
}

impl Transform for StructTag {
    fn transform(&mut self, schema: &mut Schema) {
        let fields = schema.ensure_object();
        let properties = fields.entry("properties").or_insert_with(|| json!({}));
        let tag = json!({"type": "string", "const": self.name, STRUCT_TAG: true});
        if let Value::Object(properties) = properties
            && !properties.contains_key(self.tag)
        {
            properties.shift_insert(0, self.tag.to_owned(), tag);
        }
    }
}

/// Makes the tags of structs required in results and optional in requests. Serde always writes a
/// tag, but reads the struct without it.
struct StructTags {
    is_result: bool,
}

impl Transform for StructTags {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        let mut tags = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            let property = property.as_object_mut();
            if property.is_some_and(|it| it.shift_remove(STRUCT_TAG).is_some()) {
                tags.push(json!(name));
            }
        }
        if tags.is_empty() || !self.is_result {
            return;
        }
        let fields = schema.ensure_object();
        if let Value::Array(required) = fields.entry("required").or_insert_with(|| json!([])) {
            required.splice(0..0, tags);
        }
    }
}

struct PeerForm;

impl Transform for PeerForm {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        split_nullable(schema);
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            if let Ok(property) = <&mut Schema>::try_from(property) {
                add_title(property, name);
            }
        }
    }
}

/// Returns whether a value is a NetCDF file, or one or null.
fn may_be_netcdf(schema: &Value) -> bool {
    let members = schema.get("anyOf").and_then(Value::as_array);
    schema.get("contentMediaType") == Some(&json!("application/x-netcdf"))
        || members.is_some_and(|members| members.iter().any(may_be_netcdf))
}

/// Gives a property a title made from its name. A `$ref` has the title of its definition.
fn add_title(schema: &mut Schema, name: &str) {
    let fields = schema.ensure_object();
    if !fields.contains_key("$ref") {
        fields
            .entry("title")
            .or_insert_with(|| title_case(name).into());
    }
}

/// Returns whether a value of the right type could violate this schema. This is the case if a
/// keyword constrains values beyond their type.
pub(super) fn constrains(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().any(constrains),
        Value::Object(fields) => fields
            .iter()
            .any(|(keyword, value)| match keyword.as_str() {
                // The keys here are the user's names, and the values are schemas.
                "properties" | "patternProperties" | DEFINITIONS => {
                    let mut schemas = value.as_object().into_iter().flat_map(Map::values);
                    schemas.any(constrains)
                }
                "default" | "const" | "enum" | "examples" => false,
                keyword => is_constraint(keyword, value, fields) || constrains(value),
            }),
        _ => false,
    }
}

/// Returns whether a keyword of a schema constrains values beyond their type. For example, a
/// character is a string of length one, an array has its length, and an integer has the bounds of
/// its width.
fn is_constraint(keyword: &str, value: &Value, schema: &Map<String, Value>) -> bool {
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("int8") => (Some(-128), Some(127)),
        Some("int16") => (Some(-32_768), Some(32_767)),
        Some("uint8") => (Some(0), Some(255)),
        Some("uint16") => (Some(0), Some(65_535)),
        Some("uint32" | "uint64" | "uint128" | "uint") => (Some(0), None),
        _ => (None, None),
    };
    let is_own = |bound: Option<i64>| {
        let bound = bound.map(Number::from);
        let order = bound
            .zip(value.as_number())
            .map(|(own, it)| compare(&own, it));
        order.flatten() == Some(Ordering::Equal)
    };
    let is_fixed = |least: &str, most: &str| schema.get(least) == schema.get(most);
    match keyword {
        "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" | "pattern" | "uniqueItems"
        | "minProperties" | "maxProperties" => true,
        "minimum" => !is_own(least),
        "maximum" => !is_own(most),
        "minLength" | "maxLength" => value != 1 || !is_fixed("minLength", "maxLength"),
        "minItems" | "maxItems" => !is_fixed("minItems", "maxItems"),
        _ => false,
    }
}

/// Converts `type: [T, "null"]` to `anyOf [T, null]`.
fn split_nullable(schema: &mut Schema) {
    /// The keywords that describe the value as a whole, and stay outside.
    const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", "deprecated"];
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    let Some(Value::Array(types)) = fields.get("type") else {
        return;
    };
    let others: Vec<Value> = types.iter().filter(|it| *it != "null").cloned().collect();
    if others.len() == types.len() {
        return;
    }
    let mut value = std::mem::take(fields);
    for annotation in ANNOTATIONS {
        if let Some(text) = value.shift_remove(annotation) {
            fields.insert(annotation.to_owned(), text);
        }
    }
    if let Some(Value::Array(variants)) = value.get_mut("enum") {
        variants.retain(|variant| !variant.is_null());
    }
    let one = match <[Value; 1]>::try_from(others) {
        Ok([one]) => one,
        Err(several) => Value::Array(several),
    };
    value.insert("type".to_owned(), one);
    fields.insert("anyOf".to_owned(), json!([value, {"type": "null"}]));
}

/// Returns `FuncMyFunction` for `Func` and `my_function`.
fn camel_case(prefix: &str, name: &str) -> String {
    let mut title = prefix.to_owned();
    for word in name.split('_') {
        let mut letters = word.chars();
        title.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        title.push_str(letters.as_str());
    }
    title
}

fn method_title(class: &str, method: &str) -> String {
    camel_case(&camel_case("MethClass", class), method)
}

/// Returns the name with spaces for underscores and every word capitalized, like Python's
/// `str.title`: `func_name` becomes `Func Name`.
fn title_case(name: &str) -> String {
    let mut title = String::with_capacity(name.len());
    let mut in_word = false;
    for letter in name.chars() {
        match (letter == '_', in_word) {
            (true, _) => title.push(' '),
            (false, true) => title.extend(letter.to_lowercase()),
            (false, false) => title.extend(letter.to_uppercase()),
        }
        in_word = letter.is_alphabetic();
    }
    title.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer_form(value: Value) -> Value {
        let mut schema: Schema = value.try_into().unwrap();
        to_peer_form(&mut schema, &Contract::Deserialize);
        schema.to_value()
    }

    #[test]
    fn names_become_titles_as_pydantic_makes_them() {
        assert_eq!(camel_case("Func", "add"), "FuncAdd");
        assert_eq!(camel_case("Func", "moving_mean"), "FuncMovingMean");
        assert_eq!(method_title("Greeter", "greet"), "MethClassGreeterGreet");
        assert_eq!(title_case("func_name"), "Func Name");
        assert_eq!(title_case("maxN2x"), "Maxn2X");
        assert_eq!(title_case("_private"), "Private");
    }

    #[test]
    fn an_optional_value_is_any_of_it_and_null() {
        let schema = json!({"type": ["number", "null"], "format": "double", "exclusiveMinimum": 0, "title": "A"});
        assert_eq!(
            peer_form(schema),
            json!({
                "title": "A",
                "anyOf": [{"type": "number", "format": "double", "exclusiveMinimum": 0}, {"type": "null"}],
            })
        );
        let letters = json!({"type": ["string", "null"], "enum": ["a", "b", null]});
        assert_eq!(
            peer_form(letters),
            json!({"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]})
        );
    }

    #[test]
    fn a_constraint_is_what_the_type_does_not_say() {
        fn of<T: JsonSchema>() -> bool {
            constrains(
                &SchemaGenerator::default()
                    .into_root_schema_for::<T>()
                    .to_value(),
            )
        }
        #[derive(JsonSchema)]
        struct Plain {
            #[allow(dead_code)] // only its schema matters
            pattern: (u8, i16, u64, i128, char, [f32; 3], Option<String>),
        }
        #[derive(JsonSchema)]
        struct Bound {
            #[allow(dead_code)] // only its schema matters
            #[schemars(range(min = 1))]
            size: u8,
        }
        assert!(!of::<Vec<Plain>>());
        assert!(of::<Vec<Bound>>());
        assert!(constrains(&json!({"type": "string", "minLength": 1})));
        assert!(constrains(&json!({"type": "array", "minItems": 1})));
    }

    #[test]
    fn every_limit_that_is_no_type_s_own_is_a_constraint() {
        for schema in [
            json!({"type": "number", "format": "double", "maximum": 0.5}),
            json!({"type": "number", "format": "float", "minimum": 1e300}),
            json!({"type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX}),
            json!({"type": "integer", "format": "int64", "maximum": u64::MAX}),
            json!({"type": "integer", "format": "int128", "minimum": -1e38}),
            json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 254.5}),
        ] {
            assert!(constrains(&schema), "{schema}");
        }
        assert!(!constrains(
            &json!({"format": "uint8", "minimum": 0.0, "maximum": 255.0})
        ));
    }

    #[test]
    fn of_two_limits_the_narrower_counts() {
        for (keyword, one, other, expected) in [
            ("maximum", json!(255), json!(300), json!(255)),
            ("maximum", json!(255), json!(9), json!(9)),
            ("minimum", json!(0), json!(-0.5), json!(0)),
            ("minimum", json!(0), json!(1e-300), json!(1e-300)),
            ("maximum", json!(u64::MAX), json!(1e30), json!(u64::MAX)),
            ("minimum", json!(i64::MIN), json!(-1e30), json!(i64::MIN)),
            (
                "maximum",
                json!(9_007_199_254_740_993_i64),
                json!(9_007_199_254_740_992.0),
                json!(9_007_199_254_740_992.0),
            ),
            ("exclusiveMaximum", json!(2.5), json!(2), json!(2)),
            ("minLength", json!(1), json!(0), json!(1)),
            ("maxItems", json!(3), json!(u64::MAX), json!(3)),
        ] {
            let mut schema = Map::new();
            narrow(&mut schema, keyword, one.clone());
            narrow(&mut schema, keyword, other.clone());
            assert_eq!(schema[keyword], expected, "{keyword}: {one} and {other}");
        }
        let mut schema = Map::new();
        narrow(&mut schema, "pattern", json!("a"));
        narrow(&mut schema, "pattern", json!("a"));
        narrow(&mut schema, "pattern", json!("b"));
        assert_eq!(
            Value::Object(schema),
            json!({"pattern": "a", "allOf": [{"pattern": "b"}]})
        );
    }

    #[test]
    fn properties_get_titles_unless_they_refer() {
        let schema = json!({"properties": {"a_b": {"type": "string"}, "c": {"$ref": "#/$defs/C"}, "d": true}});
        assert_eq!(
            peer_form(schema),
            json!({"properties": {
                "a_b": {"type": "string", "title": "A B"},
                "c": {"$ref": "#/$defs/C"},
                "d": {"title": "D"},
            }})
        );
    }

    #[test]
    fn the_tag_of_a_struct_is_always_in_a_result() {
        let of = |contract: Contract| {
            let mut schema = json!({"properties": {"x": {}}, "required": ["x"]})
                .try_into()
                .unwrap();
            StructTag {
                tag: "type",
                name: "Point",
            }
            .transform(&mut schema);
            let mut whole: Schema = json!({"items": schema}).try_into().unwrap();
            to_peer_form(&mut whole, &contract);
            whole.to_value()["items"].clone()
        };
        let tag = json!({"type": "string", "const": "Point", "title": "Type"});
        let properties = json!({"type": tag, "x": {"title": "X"}});
        assert_eq!(
            of(Contract::Serialize),
            json!({"properties": properties, "required": ["type", "x"]})
        );
        assert_eq!(
            of(Contract::Deserialize),
            json!({"properties": properties, "required": ["x"]})
        );
    }

    #[test]
    fn a_tuple_lists_its_items() {
        let schema = json!({"type": "array", "prefixItems": [{"type": "string"}], "minItems": 1, "maxItems": 1});
        let items = &peer_form(schema)["items"];
        assert_eq!(*items, json!([{"type": "string"}]));
    }

    #[test]
    fn only_the_definitions_needed_are_added() {
        let definitions = json!({
            "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
            "B": {"items": {"$ref": "#/$defs/A"}},
            "C": {},
        });
        let schema = json!({"items": {"$ref": "#/$defs/A"}});
        let (Value::Object(schema), Value::Object(definitions)) = (schema, definitions) else {
            panic!("both literals are objects");
        };
        let document = with_definitions(schema, &definitions);
        let names: Vec<_> = document["$defs"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["A", "B"]);
    }
}
