//! JSON merge patch (RFC 7396) of an object's content: what was shown, with what the patch changes, as it is put.
//!
//! Building an object from the result is left to `shapes`; making it in one transaction, to `routes::patch`.

use serde_json::{Map, Value};

use super::problem::Problem;
use super::shapes::fields::type_of;
use super::shapes::schema::Property;

/// What an answered object has besides its content.
const ENVELOPE: [&str; 5] = ["kind", "name", "revision", "changed_by", "changed_at"];

/// The patch of the content in the body of a PATCH: `{"spec": {...}}`. What is read only is refused.
pub fn of_spec(body: Value, properties: &[Property]) -> Result<Map<String, Value>, Problem> {
    let Value::Object(mut body) = body else {
        return Err(Problem::invalid(
            "",
            format!("must be an object, not {}", type_of(&body)),
        ));
    };
    let patch = match body.remove("spec") {
        None => Map::new(),
        Some(Value::Object(patch)) => patch,
        Some(other) => {
            let reason = format!("must be an object of what is to change, not {}", type_of(&other));
            return Err(Problem::invalid("spec", reason));
        }
    };
    if let Some(name) = body.keys().next() {
        let shown: String = name.chars().take(64).collect();
        let reason = if ENVELOPE.contains(&name.as_str()) {
            "is read only: the cluster sets it; leave it out, a patch names what is to change in `spec`"
        } else {
            "is not a known field; a patch has only `spec`"
        };
        return Err(Problem::invalid(&shown, reason));
    }
    let read_only = properties.iter().filter(|property| property.taken.is_none());
    for property in read_only {
        if patch.contains_key(property.name) {
            let reason = "is read only: it follows from other fields; leave it out";
            return Err(Problem::invalid(&format!("spec.{}", property.name), reason));
        }
    }
    Ok(patch)
}

/// The content to put: `shown` without what is read only, changed by `patch`. A write-only field that the patch
/// names as null stays null, since being absent it would be kept.
pub fn apply(shown: &Value, patch: &Map<String, Value>, properties: &[Property]) -> Value {
    let mut target = shown.clone();
    if let Value::Object(map) = &mut target {
        for property in properties.iter().filter(|property| property.taken.is_none()) {
            map.remove(property.name);
        }
    }
    let mut merged = merge(target, &Value::Object(patch.clone()));
    for property in properties.iter().filter(|property| property.shown.is_none()) {
        if patch.get(property.name).is_some_and(Value::is_null) {
            merged[property.name] = Value::Null;
        }
    }
    merged
}

/// `MergePatch` of RFC 7396, section 2. As deep as the parser lets JSON be.
fn merge(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let before = target.remove(name).unwrap_or(Value::Null);
            target.insert(name.clone(), merge(before, value));
        }
    }
    Value::Object(target)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        // RFC 7396, appendix A.
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merge(target.clone(), &patch), expected, "{target} {patch}");
        }
    }
}
