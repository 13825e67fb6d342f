//! A field of a kind's content as JSON Schema (2020-12): what is taken, what is answered, what is read only; and the
//! schemas of whole contents made of such fields.
//!
//! Which fields a kind has is left to `properties`.

use serde_json::{Map, Value, json};

use crate::ids::NAME_BYTES_MAX;

/// The words of an administrator's role.
pub const ROLES: &[&str] = &["viewer", "operator", "owner"];

/// One field of a kind's content.
#[derive(Debug, Clone)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What is taken; `None`: it is read only.
    pub taken: Option<Value>,
    /// What is answered; `None`: it is write only.
    pub shown: Option<Value>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it is always answered, if at all.
    pub always: bool,
}

impl Property {
    pub(super) fn new(name: &'static str, taken: Value, shown: Value) -> Self {
        Self {
            name,
            taken: Some(taken),
            shown: Some(shown),
            required: false,
            always: true,
        }
    }

    pub(super) fn both(name: &'static str, schema: Value) -> Self {
        Self::new(name, schema.clone(), schema)
    }

    /// Absent or null stands for a default; a value is always answered.
    pub(super) fn defaulted(name: &'static str, schema: Value) -> Self {
        Self::new(name, nullable(schema.clone()), schema)
    }

    pub(super) fn flag(name: &'static str) -> Self {
        Self::defaulted(name, json!({ "type": "boolean" }))
    }

    pub(super) fn number(name: &'static str, min: u32, max: u32) -> Self {
        Self::defaulted(name, json!({ "type": "integer", "minimum": min, "maximum": max }))
    }

    pub(super) fn read_only(name: &'static str, shown: Value) -> Self {
        Self {
            name,
            taken: None,
            shown: Some(shown),
            required: false,
            always: true,
        }
    }

    pub(super) fn write_only(name: &'static str, taken: Value) -> Self {
        Self {
            name,
            taken: Some(taken),
            shown: None,
            required: false,
            always: true,
        }
    }

    /// Given and answered only where the object has it.
    pub(super) fn either(name: &'static str, schema: Value) -> Self {
        Self {
            always: false,
            ..Self::defaulted(name, schema)
        }
    }

    pub(super) fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// The schema of a content as it is put. Read-only fields are taken and ignored, so that what was read can be put.
pub fn taken(properties: &[Property]) -> Value {
    let fields = properties.iter().map(|property| {
        (
            property.name.to_owned(),
            property.taken.clone().unwrap_or_else(|| json!({})),
        )
    });
    let required: Vec<_> = properties
        .iter()
        .filter(|property| property.required)
        .map(|property| property.name)
        .collect();
    let mut schema = object(fields.collect());
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// The schema of a merge patch of a content: every field may be left out or null, and none is read only.
pub fn patched(properties: &[Property]) -> Value {
    let fields = properties
        .iter()
        .filter_map(|property| Some((property.name.to_owned(), nullable(loose(property.taken.clone()?)))));
    object(fields.collect())
}

/// The schema of a content as it is answered.
pub fn shown(properties: &[Property]) -> Value {
    let shown = properties
        .iter()
        .filter_map(|property| Some((property.name.to_owned(), property.shown.clone()?)));
    let always = properties
        .iter()
        .filter(|property| property.always && property.shown.is_some());
    let required: Vec<_> = always.map(|property| property.name).collect();
    let mut schema = object(shown.collect());
    schema["required"] = required.into();
    schema
}

/// An object with these fields and no others.
pub fn object(fields: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": fields, "additionalProperties": false })
}

/// The schema, or null.
pub fn nullable(mut schema: Value) -> Value {
    match &mut schema["type"] {
        Value::String(word) => {
            let word = word.clone();
            schema["type"] = json!([word, "null"]);
            if let Some(Value::Array(words)) = schema.get_mut("enum") {
                words.push(Value::Null);
            }
            schema
        }
        Value::Array(words) if words.contains(&"null".into()) => schema,
        _ => {
            if let Value::Object(map) = &mut schema {
                map.remove("type");
                if map.is_empty() {
                    return schema;
                }
            }
            json!({ "anyOf": [schema, { "type": "null" }] })
        }
    }
}

/// In a merge patch an object of an object is itself a patch: its fields may be left out or null.
fn loose(mut schema: Value) -> Value {
    if let Value::Object(map) = &mut schema {
        if map.contains_key("properties") || map.contains_key("additionalProperties") {
            map.remove("required");
        }
        if let Some(Value::Object(fields)) = map.get_mut("properties") {
            for field in fields.values_mut() {
                *field = nullable(loose(field.take()));
            }
        }
        if let Some(inner @ Value::Object(_)) = map.get_mut("additionalProperties") {
            *inner = nullable(loose(inner.take()));
        }
    }
    schema
}

/// An object's name.
pub fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX })
}
