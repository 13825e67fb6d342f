//! What differs between two contents of an object, field by field; of secrets only that they differ.
//!
//! Where the contents come from is left to `history` and the routes.

use serde_json::{Value, json};

use super::limits;
use super::shapes::kinds;
use crate::catalog::{ObjectKey, Spec};

/// What a change does to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which object.
    pub key: ObjectKey,
    /// `create`, `update`, `delete` or `unchanged`.
    pub action: &'static str,
    /// The fields that differ, as `{"field", "before", "after"}`; only for updates.
    pub fields: Vec<Value>,
    /// The secrets that differ, by the name under which they are written.
    pub secrets: Vec<&'static str>,
}

impl Difference {
    /// Between two contents; `None`: the object is not there.
    pub fn of(key: ObjectKey, before: Option<&Spec>, after: Option<&Spec>) -> Self {
        let mut fields = Vec::new();
        if let (Some(before), Some(after)) = (before, after) {
            compare("spec", &shown(before), &shown(after), &mut fields);
        }
        let secrets = secrets_changed(before, after);
        let action = match (before, after) {
            (None, Some(_)) => "create",
            (Some(_), None) => "delete",
            (Some(before), Some(after)) if before != after => "update",
            _ => "unchanged",
        };
        Self {
            key,
            action,
            fields,
            secrets,
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let mut shown = json!({ "kind": self.key.kind.word(), "name": self.key.name, "action": self.action });
        if !self.fields.is_empty() {
            shown["fields"] = self.fields.clone().into();
        }
        if !self.secrets.is_empty() {
            shown["secrets_changed"] = json!(self.secrets);
        }
        shown
    }
}

fn shown(spec: &Spec) -> Value {
    (kinds::row(spec.kind()).show_spec)(spec)
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<Value>) {
    if before == after || found.len() >= limits::DIFFERENCES_MAX {
        return;
    }
    let (Value::Object(one), Value::Object(other)) = (before, after) else {
        found.push(json!({ "field": path, "before": before, "after": after }));
        return;
    };
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for name in names {
        let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
        compare(&format!("{path}.{name}"), &of(one), &of(other), found);
    }
}

/// The secrets of a content, each with something that differs when it does; none of it is ever answered.
fn secrets(spec: &Spec) -> Vec<(&'static str, Option<&[u8]>)> {
    match spec {
        Spec::Account(account) => vec![("password", account.password.as_ref().map(|hash| hash.0.as_bytes()))],
        Spec::Administrator(administrator) => {
            vec![(
                "password",
                administrator.password.as_ref().map(|hash| hash.0.as_bytes()),
            )]
        }
        Spec::ApiToken(token) => vec![("secret", Some(&token.secret_hash))],
        // What is sealed anew is the same secret: its public half tells.
        Spec::HostKey(key) => vec![("private", Some(key.public.as_bytes()))],
        Spec::Certificate(certificate) => vec![
            (
                "private",
                certificate.issued.as_ref().map(|issued| issued.key.public.as_slice()),
            ),
            (
                "private of the request",
                certificate.requested.as_ref().map(|it| it.key.public.as_slice()),
            ),
        ],
        Spec::Service(_)
        | Spec::Storage(_)
        | Spec::Settings(_)
        | Spec::Group(_)
        | Spec::Role(_)
        | Spec::Authority(_)
        | Spec::Ban(_) => Vec::new(),
    }
}

fn secrets_changed(before: Option<&Spec>, after: Option<&Spec>) -> Vec<&'static str> {
    let of = |spec: Option<&Spec>, name: &str| {
        let found = spec
            .map(secrets)
            .unwrap_or_default()
            .into_iter()
            .find(|(known, _)| *known == name);
        found.and_then(|(_, secret)| secret.map(<[u8]>::to_vec))
    };
    let names = after.or(before).map(secrets).unwrap_or_default();
    names
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| of(before, name) != of(after, name))
        .collect()
}
