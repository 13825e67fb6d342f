//! The fields of each kind's content as JSON Schema (2020-12), for OpenAPI and for PATCH: what is taken, what is
//! answered, what is read only.
//!
//! Reading values is left to the file of each kind; a test compares the two.

use serde_json::{Map, Value, json};

use crate::admin::limits::{
    IDLE_SECONDS_MAX, LOGIN_ATTEMPTS_MAX, LOGIN_DELAY_MILLIS_MAX, LOGIN_GRACE_SECONDS_MAX, LOGIN_MEMORY_SECONDS_MAX,
    PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PRIVATE_KEY_BYTES_MAX, ROOT_BYTES_MAX, SERVICE_HOST_KEYS_MAX,
    SESSIONS_LIMIT_MAX, STAGED_AGE_SECONDS_MAX, STAGED_AGE_SECONDS_MIN,
};
use crate::catalog::Operation;
use crate::catalog::limits::{GRANTS_MAX, KEYS_MAX, MOUNTS_MAX, SOURCES_MAX, TEXT_BYTES_MAX};
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
}

impl Property {
    fn new(name: &'static str, taken: Value, shown: Value) -> Self {
        Self {
            name,
            taken: Some(taken),
            shown: Some(shown),
            required: false,
        }
    }

    fn both(name: &'static str, schema: Value) -> Self {
        Self::new(name, schema.clone(), schema)
    }

    /// Absent or null stands for a default; a value is always answered.
    fn defaulted(name: &'static str, schema: Value) -> Self {
        Self::new(name, nullable(schema.clone()), schema)
    }

    fn flag(name: &'static str) -> Self {
        Self::defaulted(name, json!({ "type": "boolean" }))
    }

    fn number(name: &'static str, min: u32, max: u32) -> Self {
        Self::defaulted(name, json!({ "type": "integer", "minimum": min, "maximum": max }))
    }

    fn read_only(name: &'static str, shown: Value) -> Self {
        Self {
            name,
            taken: None,
            shown: Some(shown),
            required: false,
        }
    }

    fn write_only(name: &'static str, taken: Value) -> Self {
        Self {
            name,
            taken: Some(taken),
            shown: None,
            required: false,
        }
    }

    fn required(mut self) -> Self {
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
        .filter_map(|property| Some((property.name, property.shown.clone()?)));
    let required: Vec<_> = shown.clone().map(|(name, _)| name).collect();
    let mut schema = object(shown.map(|(name, schema)| (name.to_owned(), schema)).collect());
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

fn text(max: usize) -> Value {
    json!({ "type": "string", "maxLength": max })
}

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn moment() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

fn virtual_path() -> Value {
    json!({ "type": "string", "pattern": "^/" })
}

fn list(items: Value, max: usize) -> Value {
    json!({ "type": "array", "items": items, "maxItems": max })
}

fn grants(shown: bool) -> Value {
    let mut known: Vec<_> = Operation::ALL.into_iter().map(Operation::word).collect();
    if !shown {
        known.push("all");
    }
    let wrap = |schema: Value| if shown { schema } else { nullable(schema) };
    let operations = wrap(list(words(&known), Operation::ALL.len() + 1));
    let grant = object(Map::from_iter([
        ("path".to_owned(), wrap(virtual_path())),
        ("allow".to_owned(), operations.clone()),
        ("deny".to_owned(), operations),
    ]));
    wrap(list(grant, GRANTS_MAX))
}

fn mount(shown: bool, home: bool) -> Value {
    let path = || {
        if shown {
            virtual_path()
        } else {
            nullable(virtual_path())
        }
    };
    let mut fields = Map::from_iter([
        ("storage".to_owned(), name()),
        ("folder".to_owned(), path()),
        ("grants".to_owned(), grants(shown)),
    ]);
    let mut required = vec!["storage"];
    if !home {
        fields.insert("at".to_owned(), virtual_path());
        required.push("at");
    }
    let mut schema = object(fields);
    schema["required"] = required.into();
    schema
}

fn password() -> [Property; 2] {
    let taken = json!({ "type": ["string", "null"], "minLength": PASSWORD_BYTES_MIN.div_ceil(4), "maxLength": PASSWORD_BYTES_MAX,
        "description": "Write only. Absent keeps the present one, null removes it." });
    [
        Property::write_only("password", taken),
        Property::read_only("password_set", json!({ "type": "boolean" })),
    ]
}

pub(super) fn account() -> Vec<Property> {
    let key = |shown: bool| {
        let wrap = |schema: Value| if shown { schema } else { nullable(schema) };
        let mut schema = object(Map::from_iter([
            ("key".to_owned(), json!({ "type": "string" })),
            ("comment".to_owned(), wrap(text(TEXT_BYTES_MAX))),
            ("expires_at".to_owned(), moment()),
            (
                "fingerprint".to_owned(),
                if shown { json!({ "type": "string" }) } else { json!({}) },
            ),
        ]));
        schema["required"] = json!(["key"]);
        schema
    };
    let keys = json!({ "anyOf": [key(false), { "type": "string" }] });
    let sources = list(json!({ "type": "string" }), SOURCES_MAX);
    let sessions = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": SESSIONS_LIMIT_MAX });
    let mut properties = vec![
        Property::flag("enabled"),
        Property::both("expires_at", moment()),
        Property::new("keys", nullable(list(keys, KEYS_MAX)), list(key(true), KEYS_MAX)),
        Property::new("home", nullable(mount(false, true)), nullable(mount(true, true))),
        Property::new(
            "mounts",
            nullable(list(mount(false, false), MOUNTS_MAX)),
            list(mount(true, false), MOUNTS_MAX),
        ),
        Property::defaulted("sources", sources),
        Property::both("sessions_max", sessions),
    ];
    properties.extend(password());
    properties
}

pub(super) fn administrator() -> Vec<Property> {
    let mut properties = vec![
        Property::both("role", words(ROLES)).required(),
        Property::flag("enabled"),
    ];
    properties.extend(password());
    properties
}

pub(super) fn api_token() -> Vec<Property> {
    let rotate = json!({ "type": ["boolean", "null"], "description": "Write only. True makes a new secret." });
    vec![
        Property::both("administrator", name()).required(),
        Property::both("expires_at", moment()),
        Property::write_only("rotate", rotate),
    ]
}

pub(super) fn service() -> Vec<Property> {
    let port = json!({ "type": "integer", "minimum": 1, "maximum": 65_535 });
    let address = json!({ "type": ["string", "null"] });
    let differs = object(Map::from_iter([
        ("address".to_owned(), address.clone()),
        ("port".to_owned(), nullable(port.clone())),
        ("enabled".to_owned(), json!({ "type": ["boolean", "null"] })),
    ]));
    let nodes = json!({ "type": "object", "additionalProperties": differs });
    let host_keys = json!({ "type": "array", "items": name(), "minItems": 1, "maxItems": SERVICE_HOST_KEYS_MAX });
    vec![
        Property::defaulted("kind", words(&["sftp"])),
        Property::both("port", port).required(),
        Property::both("host_keys", host_keys).required(),
        Property::flag("enabled"),
        Property::both("address", address),
        Property::defaulted("banner", text(TEXT_BYTES_MAX)),
        Property::number("sessions_max", 1, SESSIONS_LIMIT_MAX),
        Property::number("unauthenticated_max", 1, SESSIONS_LIMIT_MAX),
        Property::number("unauthenticated_per_address_max", 1, SESSIONS_LIMIT_MAX),
        Property::number("login_grace_seconds", 1, LOGIN_GRACE_SECONDS_MAX),
        Property::number("login_attempts_max", 1, LOGIN_ATTEMPTS_MAX),
        Property::number("idle_seconds", 0, IDLE_SECONDS_MAX),
        Property::number("keepalive_seconds", 0, IDLE_SECONDS_MAX),
        Property::defaulted("nodes", nodes),
    ]
}

pub(super) fn host_key() -> Vec<Property> {
    let private = json!({ "type": ["string", "null"], "maxLength": PRIVATE_KEY_BYTES_MAX,
        "description": "Write only. A private key in PEM form, to be taken over." });
    let text = || json!({ "type": "string" });
    vec![
        Property::defaulted("algorithm", text()),
        Property::write_only("private", private),
        Property::read_only("public", text()),
        Property::read_only("fingerprint", text()),
        Property::read_only("created_at", json!({ "type": "string", "format": "date-time" })),
    ]
}

pub(super) fn storage() -> Vec<Property> {
    let root = json!({ "type": "string", "pattern": "^/", "minLength": 2, "maxLength": ROOT_BYTES_MAX });
    vec![
        Property::both("root", root).required(),
        Property::defaulted("durability", words(&["strict", "relaxed"])),
        Property::flag("keep_interrupted"),
        Property::defaulted("reserve_bytes", json!({ "type": "integer", "minimum": 0 })),
    ]
}

pub(super) fn settings() -> Vec<Property> {
    vec![
        Property::number("login_delay_millis", 0, LOGIN_DELAY_MILLIS_MAX),
        Property::number("login_delay_max_millis", 0, LOGIN_DELAY_MILLIS_MAX),
        Property::number("login_memory_seconds", 1, LOGIN_MEMORY_SECONDS_MAX),
        Property::number("staged_age_max_seconds", STAGED_AGE_SECONDS_MIN, STAGED_AGE_SECONDS_MAX),
    ]
}
