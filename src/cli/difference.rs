//! What differs between two states of an object, field by field, for people.

use std::collections::BTreeSet;

use serde_json::Value;

use super::output;

/// A field that differs.
#[derive(Debug, PartialEq)]
struct Difference {
    field: String,
    said: Vec<String>,
}

/// One object's change: a sentence, then a line for each field. `before` and `after` are whole objects; null where
/// there is none.
pub fn told(kind: &str, name: &str, before: &Value, after: &Value) -> String {
    let done = verb(before, after);
    let differences = match done {
        "deleted" => Vec::new(),
        _ => between(&before["spec"], &after["spec"]),
    };
    let width = differences.iter().map(|found| found.field.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut text = format!("{kind} `{name}` is {done}\n");
    for difference in differences {
        let mut field = difference.field.as_str();
        for said in difference.said {
            text += &format!("    {field:<width$}  {said}\n");
            field = "";
        }
    }
    output::clean(&text)
}

/// What was done: `made`, `changed`, `deleted`, or `unchanged`.
pub fn verb(before: &Value, after: &Value) -> &'static str {
    match (before.is_null(), after.is_null()) {
        (true, _) => "made",
        (false, true) => "deleted",
        (false, false) if before["spec"] == after["spec"] => "unchanged",
        (false, false) => "changed",
    }
}

/// The names of the fields that differ.
pub fn fields(before: &Value, after: &Value) -> Vec<String> {
    let differences = between(&before["spec"], &after["spec"]);
    differences.into_iter().map(|found| found.field).collect()
}

fn between(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    gather("", before, after, &mut found);
    found
}

fn gather(field: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after || (is_nothing(before) && is_nothing(after)) {
        return;
    }
    let said = match (before, after) {
        (Value::Object(old), Value::Object(new)) => return within(field, old, new, found),
        // An object that is new is told by its fields.
        (old, Value::Object(new)) if is_nothing(old) && !new.is_empty() => {
            return within(field, &serde_json::Map::new(), new, found);
        }
        (Value::Array(old), Value::Array(new)) => listed(old, new),
        (Value::Null, Value::Array(new)) => listed(&[], new),
        (Value::Array(old), Value::Null) => listed(old, &[]),
        (old, new) if is_nothing(old) => vec![shown(new)],
        (old, new) => vec![format!("{} -> {}", shown(old), shown(new))],
    };
    let field = field.to_owned();
    found.push(Difference { field, said });
}

type Object = serde_json::Map<String, Value>;

fn within(field: &str, old: &Object, new: &Object, found: &mut Vec<Difference>) {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        let path = if field.is_empty() {
            name.clone()
        } else {
            format!("{field}.{name}")
        };
        let null = Value::Null;
        gather(
            &path,
            old.get(name).unwrap_or(&null),
            new.get(name).unwrap_or(&null),
            found,
        );
    }
}

/// What left a list and what came into it; the same things in another order are said whole.
fn listed(old: &[Value], new: &[Value]) -> Vec<String> {
    let gone = old.iter().filter(|value| !new.contains(value));
    let come = new.iter().filter(|value| !old.contains(value));
    let gone = gone.map(|value| format!("- {}", shown(value)));
    let come = come.map(|value| format!("+ {}", shown(value)));
    let said: Vec<_> = gone.chain(come).collect();
    if !said.is_empty() {
        return said;
    }
    let whole = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
    vec![format!("{} -> {}", whole(old), whole(new))]
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => value.to_string(),
        plain => output::word(plain),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_field_by_field() {
        let before = json!({ "spec": {
            "enabled": true, "groups": ["a", "b"], "home": { "storage": "s", "folder": "/x" }, "banner": "", "mounts": [],
            "keys": [{ "key": 1 }], "expires_at": null,
        } });
        let after = json!({ "spec": {
            "enabled": false, "groups": ["b", "c"], "home": { "storage": "s", "folder": "/y" }, "banner": "hi", "mounts": [],
            "keys": [], "expires_at": "2027-01-31T12:00:00.000Z", "restrictions": { "hours": [] },
        } });
        assert_eq!(
            told("account", "alice", &before, &after),
            "account `alice` is changed\n    \
             banner       hi\n    \
             enabled      yes -> no\n    \
             expires_at   2027-01-31 12:00:00 UTC\n    \
             groups       - a\n                 \
             + c\n    \
             home.folder  /x -> /y\n    \
             keys         - {\"key\":1}\n"
        );
    }

    #[test]
    fn what_was_made_or_deleted_is_said_so() {
        let object = json!({ "spec": { "home": { "storage": "s" }, "enabled": true } });
        assert_eq!(
            told("account", "a", &Value::Null, &object),
            "account `a` is made\n    enabled       yes\n    home.storage  s\n"
        );
        assert_eq!(
            told("account", "a\u{1b}", &object, &Value::Null),
            "account `a\u{FFFD}` is deleted\n"
        );
        assert_eq!(told("account", "a", &object, &object), "account `a` is unchanged\n");
        let (first, second) = (json!({ "spec": { "l": [1, 2] } }), json!({ "spec": { "l": [2, 1] } }));
        assert!(told("k", "a", &first, &second).contains("1, 2 -> 2, 1"));
        assert_eq!(fields(&first, &second), ["l"]);
    }
}
