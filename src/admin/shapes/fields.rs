//! Takes a JSON object apart field by field, so that every refusal names the field and unknown fields are refused.
//!
//! What the fields mean is left to the shape of each kind.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::admin::problem::Problem;
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::path::VirtualPath;

/// A JSON object that is being read. Every field must be taken before [`done`](Self::done).
pub struct Fields {
    path: String,
    map: Map<String, Value>,
    asked: Vec<&'static str>,
}

impl Fields {
    /// Begins to read `value`, which stands at `path`.
    pub fn of(value: Value, path: &str) -> Result<Self, Problem> {
        match value {
            Value::Object(map) => Ok(Self {
                path: path.to_owned(),
                map,
                asked: Vec::new(),
            }),
            other => Err(Problem::invalid(
                path,
                format!("must be an object, not {}", type_of(&other)),
            )),
        }
    }

    /// The path of the field `name`.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// The raw field: `None` where it is absent.
    pub fn raw(&mut self, name: &'static str) -> Option<Value> {
        self.asked.push(name);
        self.map.remove(name)
    }

    /// The field, or `None` where it is absent or null.
    pub fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, Problem> {
        match self.raw(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|error| Problem::invalid(&self.at(name), format!("is not acceptable: {error}"))),
        }
    }

    /// The field, which must be there.
    pub fn need<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, Problem> {
        self.take(name)?.ok_or_else(|| self.missing(name))
    }

    /// Whether the field stands there and is not null.
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether the field stands there as null.
    pub fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// A text that is never repeated in a refusal; `None` where it is absent or null.
    pub fn secret(&mut self, name: &'static str) -> Result<Option<Zeroizing<String>>, Problem> {
        match self.raw(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Zeroizing::new(text))),
            Some(other) => Err(Problem::invalid(
                &self.at(name),
                format!("must be a text, not {}", type_of(&other)),
            )),
        }
    }

    /// A number from `min` to `max`, or `default` where it is absent.
    pub fn number(&mut self, name: &'static str, default: u32, min: u32, max: u32) -> Result<u32, Problem> {
        let number = self.take::<i64>(name)?.unwrap_or(i64::from(default));
        u32::try_from(number)
            .ok()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| Problem::invalid(&self.at(name), format!("is {number}, but must be from {min} to {max}")))
    }

    /// A moment in RFC 3339; `None` where it is absent or null.
    pub fn moment(&mut self, name: &'static str) -> Result<Option<UnixMillis>, Problem> {
        let text: Option<String> = self.take(name)?;
        text.map(|text| UnixMillis::from_rfc3339(&text))
            .transpose()
            .map_err(|reason| Problem::invalid(&self.at(name), format!("is not acceptable: {reason}")))
    }

    /// The name of another object, which must be there.
    pub fn name(&mut self, name: &'static str) -> Result<Name, Problem> {
        let text: String = self.need(name)?;
        Name::parse(&text).map_err(|error| Problem::invalid(&self.at(name), error.reason))
    }

    /// A virtual path; `None` where it is absent or null. It must be written as it is meant: absolute, no `..`.
    pub fn virtual_path(&mut self, name: &'static str) -> Result<Option<VirtualPath>, Problem> {
        let Some(text) = self.take::<String>(name)? else {
            return Ok(None);
        };
        let refuse = |reason: &str| Err(Problem::invalid(&self.at(name), reason));
        if !text.starts_with('/') {
            return refuse("must begin with `/`");
        }
        if text.split('/').any(|part| part == "." || part == "..") {
            return refuse("holds `.` or `..`; write the path that is meant");
        }
        if text.chars().any(char::is_control) {
            return refuse("holds a control character");
        }
        match VirtualPath::parse(text.as_bytes()) {
            Ok(path) => Ok(Some(path)),
            Err(error) => refuse(&format!("is not acceptable: {error}")),
        }
    }

    /// A list of at most `max` entries, each read by `read` with its path; empty where it is absent or null.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        mut read: impl FnMut(Value, &str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let values = match self.raw(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(other) => {
                let reason = format!("must be a list, not {}", type_of(&other));
                return Err(Problem::invalid(&self.at(name), reason));
            }
        };
        let path = self.at(name);
        if values.len() > max {
            let reason = format!("has {} entries, over the limit of {max}", values.len());
            return Err(Problem::invalid(&path, reason));
        }
        values
            .into_iter()
            .enumerate()
            .map(|(at, value)| read(value, &format!("{path}[{at}]")))
            .collect()
    }

    /// Accepts a field that is only ever answered, so that what was read can be sent back.
    pub fn read_only(&mut self, name: &'static str) {
        let _ = self.raw(name);
    }

    /// Ends the reading; a field that nobody asked for is refused.
    pub fn done(self) -> Result<(), Problem> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(unknown) => {
                let shown: String = unknown.chars().take(64).collect();
                let known = self.asked.join("`, `");
                Err(Problem::invalid(
                    &self.at(&shown),
                    format!("is not a known field; known are `{known}`"),
                ))
            }
        }
    }

    fn missing(&self, name: &str) -> Problem {
        Problem::invalid(&self.at(name), "is missing")
    }
}

/// What a JSON value is, in words; never what it holds.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A text, as an entry of a list.
pub fn text(value: Value, path: &str) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(Problem::invalid(
            path,
            format!("must be a text, not {}", type_of(&other)),
        )),
    }
}
