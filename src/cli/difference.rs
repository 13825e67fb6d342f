//! What a change does to objects, field by field, for people. What differs, a node says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::output;

/// The change of one object as a node tells it (`kind`, `name`, `action`, `fields`, `secrets_changed`, and where it is
/// known `after`): a sentence, then a line for each field.
pub fn told(change: &Value) -> String {
    let word = |field: &str| change[field].as_str().unwrap_or("?");
    let mut rows: Vec<(String, String)> = Vec::new();
    for field in change["fields"].as_array().into_iter().flatten() {
        let path = field["field"].as_str().unwrap_or("?");
        let path = path.strip_prefix("spec.").unwrap_or(path);
        gather(path, &field["before"], &field["after"], &mut rows);
    }
    if word("action") == "create" {
        gather("", &Value::Null, &change["after"]["spec"], &mut rows);
    }
    for secret in change["secrets_changed"].as_array().into_iter().flatten() {
        rows.push((secret.as_str().unwrap_or("?").to_owned(), "(another)".to_owned()));
    }
    let width = rows.iter().map(|(field, _)| field.chars().count()).max().unwrap_or(0);
    let done = done(word("action"));
    let mut text = format!("{} `{}` is {done}\n", word("kind"), word("name"));
    let mut last = "";
    for (field, said) in &rows {
        let shown = if field == last { "" } else { field.as_str() };
        text += &format!("    {shown:<width$}  {said}\n");
        last = field;
    }
    output::clean(&text)
}

/// The changes of a plan, and how many objects stay as they are.
pub fn all_told(plan: &Value) -> String {
    let changes = plan["changes"].as_array().map_or(&[][..], Vec::as_slice);
    let (same, differ): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change["action"] == "unchanged");
    let mut text: String = differ.into_iter().map(told).collect();
    match (text.is_empty(), same.len()) {
        (true, _) => text.push_str("Nothing differs.\n"),
        (false, 0) => {}
        (false, same) => text.push_str(&format!("{same} more stay as they are.\n")),
    }
    text
}

/// An action as a participle.
pub fn done(action: &str) -> &str {
    match action {
        "create" => "made",
        "update" => "changed",
        "delete" => "deleted",
        other => other,
    }
}

fn gather(field: &str, before: &Value, after: &Value, rows: &mut Vec<(String, String)>) {
    if before == after || (is_nothing(before) && is_nothing(after)) {
        return;
    }
    let nothing = serde_json::Map::new();
    let said = match (before, after) {
        (Value::Object(old), Value::Object(new)) => return within(field, old, new, rows),
        // An object that is new is told by its fields.
        (Value::Null, Value::Object(new)) => return within(field, &nothing, new, rows),
        (Value::Array(old), Value::Array(new)) => listed(old, new),
        (Value::Null, Value::Array(new)) => listed(&[], new),
        (old, new) if is_nothing(old) => vec![shown(new)],
        (old, new) => vec![format!("{} -> {}", shown(old), shown(new))],
    };
    rows.extend(said.into_iter().map(|said| (field.to_owned(), said)));
}

type Object = serde_json::Map<String, Value>;

fn within(field: &str, old: &Object, new: &Object, rows: &mut Vec<(String, String)>) {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        let path = match field {
            "" => name.clone(),
            field => format!("{field}.{name}"),
        };
        let of = |object: &Object| object.get(name).cloned().unwrap_or_default();
        gather(&path, &of(old), &of(new), rows);
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
    fn a_change_is_told_field_by_field_and_a_secret_only_as_another() {
        let change = json!({
            "kind": "account", "name": "alice", "action": "update",
            "fields": [
                { "field": "spec.enabled", "before": true, "after": false },
                { "field": "spec.groups", "before": ["a", "b"], "after": ["b", "c"] },
                { "field": "spec.home", "before": null, "after": { "storage": "s", "folder": "/y" } },
                { "field": "spec.keys", "before": [{ "key": 1 }], "after": [] },
                { "field": "spec.expires_at", "before": null, "after": "2027-01-31T12:00:00.000Z" },
                { "field": "spec.sources", "before": [1, 2], "after": [2, 1] },
            ],
            "secrets_changed": ["password"],
        });
        assert_eq!(
            told(&change),
            "account `alice` is changed\n    \
             enabled       yes -> no\n    \
             groups        - a\n                  \
             + c\n    \
             home.folder   /y\n    \
             home.storage  s\n    \
             keys          - {\"key\":1}\n    \
             expires_at    2027-01-31 12:00:00 UTC\n    \
             sources       1, 2 -> 2, 1\n    \
             password      (another)\n"
        );
    }

    #[test]
    fn a_plan_tells_what_is_made_and_deleted_and_counts_the_rest() {
        let made = json!({ "kind": "group", "name": "g", "action": "create", "after": { "spec": { "mounts": [], "roles": ["r"] } } });
        let gone = json!({ "kind": "group", "name": "x\u{1b}", "action": "delete" });
        let same = json!({ "kind": "group", "name": "s", "action": "unchanged" });
        assert_eq!(
            all_told(&json!({ "changes": [made, gone, same.clone()] })),
            "group `g` is made\n    roles  + r\ngroup `x\u{FFFD}` is deleted\n1 more stay as they are.\n"
        );
        assert_eq!(all_told(&json!({ "changes": [same] })), "Nothing differs.\n");
    }
}
