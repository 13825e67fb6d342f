//! OpenAPI 3.1 of the admin API, made from the same table that routes: every route brings its [`Doc`].
//!
//! Fields of objects come from `shapes::schema`, roles from `roles`.

use serde_json::{Map, Value, json};

use super::etag;
use super::limits::{PAGE_DEFAULT, PAGE_MAX, WAIT_SECONDS_DEFAULT, WAIT_SECONDS_MAX};
use super::problem::ProblemKind;
use super::roles::{self, Needs};
use super::routes::Route;
use super::select::Takes;
use super::shapes::kinds;
use super::shapes::schema;
use crate::catalog::Kind;

const JSON: &str = "application/json";

/// What a route does, for people and for tools.
pub struct Doc {
    summary: String,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
}

impl Doc {
    /// A route that answers JSON of this schema.
    pub fn new(summary: impl Into<String>, answer: Value) -> Self {
        Self::of(summary, JSON, answer)
    }

    /// A route that answers another media type.
    pub fn of(summary: impl Into<String>, media_type: &str, answer: Value) -> Self {
        let content = json!({ media_type: { "schema": answer } });
        let good = json!({ "description": "Done", "content": content });
        Self {
            summary: summary.into(),
            parameters: Vec::new(),
            body: None,
            answers: Map::from_iter([("200".to_owned(), good)]),
        }
    }

    /// The same answer with another status.
    #[must_use]
    pub fn also(mut self, status: &str, description: &str, schema: Option<Value>) -> Self {
        let mut answer = json!({ "description": description });
        if let Some(schema) = schema {
            answer["content"] = json!({ JSON: { "schema": schema } });
        }
        self.answers.insert(status.to_owned(), answer);
        self
    }

    /// An option in the query.
    #[must_use]
    pub fn option(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters.push(parameter("query", name, schema, description));
        self
    }

    /// An option in the query that must be given.
    #[must_use]
    pub fn needs(mut self, name: &str, schema: Value, description: &str) -> Self {
        let mut needed = parameter("query", name, schema, description);
        needed["required"] = true.into();
        self.parameters.push(needed);
        self
    }

    /// A header.
    #[must_use]
    pub fn header(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters.push(parameter("header", name, schema, description));
        self
    }

    /// How fresh a read must be.
    #[must_use]
    pub fn reads(self) -> Self {
        let fresh = json!({ "type": "string", "enum": ["linearizable", "local"], "default": "linearizable" });
        let revision = json!({ "type": "integer", "minimum": 0 });
        self.option(
            "consistency",
            fresh,
            "Local: whatever this node has applied, quorum or not.",
        )
        .option("min_revision", revision, "Never older than this revision.")
    }

    /// Pages.
    #[must_use]
    pub fn pages(self, after: Value) -> Self {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT });
        self.option("limit", limit, "Entries a page.").option(
            "after",
            after,
            "Begin behind this entry: `next` of the page before.",
        )
    }

    /// A change: its repetition and its wait.
    #[must_use]
    pub fn writes(self) -> Self {
        let id = json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{32}$" });
        let seconds = format!("From 1s to {WAIT_SECONDS_MAX}s, {WAIT_SECONDS_DEFAULT}s by default; only with `wait`.");
        self.option(
            "wait",
            json!({ "type": "string", "enum": ["enforced"] }),
            "Answer once every member enforces it.",
        )
        .option(
            "timeout",
            json!({ "type": "string", "pattern": "^[1-9][0-9]?s?$" }),
            &seconds,
        )
        .header("Idempotency-Key", id, "The same request with the same id is made once.")
    }

    /// A change that can be planned.
    #[must_use]
    pub fn plans(self) -> Self {
        let described = "Answer what would be done, and do nothing.";
        self.writes().option("dry_run", of_type("boolean"), described)
    }

    /// Preconditions of a change of one object.
    #[must_use]
    pub fn conditional(self) -> Self {
        let tag =
            json!({ "type": "string", "pattern": "^([*]|\"(0|[1-9][0-9]{0,18})\")$", "examples": [etag::of(12)] });
        self.header(
            "If-Match",
            tag,
            "Only if this is the object's revision; `*`: only if it exists.",
        )
        .header(
            "If-None-Match",
            json!({ "type": "string", "enum": ["*"] }),
            "Only if it does not exist.",
        )
    }

    /// What is sent.
    #[must_use]
    pub fn body(self, schema: Value) -> Self {
        self.body_as(&[JSON], schema, true)
    }

    /// What may be sent.
    #[must_use]
    pub fn optional_body(self, schema: Value) -> Self {
        self.body_as(&[JSON], schema, false)
    }

    /// What is sent, as one of some media types.
    #[must_use]
    pub fn body_as(mut self, media_types: &[&str], schema: Value, required: bool) -> Self {
        let content: Map<_, _> = media_types
            .iter()
            .map(|media_type| ((*media_type).to_owned(), json!({ "schema": schema })))
            .collect();
        self.body = Some(json!({ "required": required, "content": content }));
        self
    }
}

fn parameter(place: &str, name: &str, schema: Value, description: &str) -> Value {
    json!({ "in": place, "name": name, "required": place == "path", "schema": schema, "description": description })
}

/// A schema of this document by its name.
pub fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The name of a kind's schema.
pub fn kind_name(kind: Kind) -> String {
    kind.word()
        .split('-')
        .map(|part| {
            let (first, rest) = part.split_at(1);
            first.to_uppercase() + rest
        })
        .collect()
}

/// An object with these fields, all of them always there; it may get more in later versions.
pub fn fields(fields: &[(&str, Value)]) -> Value {
    let properties: Map<_, _> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// A list.
pub fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A schema of one type.
pub fn of_type(word: &str) -> Value {
    json!({ "type": word })
}

/// The value of a filter.
pub fn filter(takes: Takes) -> Value {
    match takes {
        Takes::Flag => json!({ "type": "string", "enum": ["true", "false"] }),
        Takes::Text => json!({ "type": "string", "maxLength": super::limits::FILTER_BYTES_MAX }),
        Takes::Word(words) => json!({ "type": "string", "enum": words }),
    }
}

/// The document of these routes.
pub fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Argosy admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every node answers everything. Refusals are problem details (RFC 9457).",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": { "Problem": {
                "description": "Refused, with the reason",
                "content": { "application/problem+json": { "schema": named("Problem") } },
            } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let doc = &route.doc;
    let mut parameters = Vec::new();
    for part in route.path.split('/') {
        if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            let schema = match name {
                "name" => schema::name(),
                "revision" => json!({ "type": "integer", "minimum": 0 }),
                _ => json!({ "type": "string", "minLength": 1 }),
            };
            parameters.push(parameter("path", name, schema, ""));
        }
    }
    parameters.extend(doc.parameters.iter().cloned());
    let mut responses = doc.answers.clone();
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    for status in ["4XX", "5XX"] {
        responses.entry(status).or_insert_with(|| problem.clone());
    }
    let words: Vec<_> = route
        .path
        .split('/')
        .skip(1)
        .map(|part| part.trim_matches(['{', '}']))
        .collect();
    let mut operation = json!({
        "operationId": format!("{}-{}", route.method.to_ascii_lowercase(), words.join("-")),
        "summary": doc.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = &doc.body {
        operation["requestBody"] = body.clone();
    }
    match roles::needs(route.method, &route.path) {
        Some(Needs::Role(role)) => operation["x-role"] = role.word().into(),
        Some(Needs::Nothing) => operation["security"] = json!([]),
        None => {}
    }
    operation
}

fn schemas() -> Map<String, Value> {
    let text = || of_type("string");
    let revision = || json!({ "type": "integer", "minimum": 0 });
    let mut schemas = Map::new();
    for kind in Kind::ALL {
        let name = kind_name(kind);
        let properties = (kinds::row(kind).properties)();
        let spec = schema::shown(&properties);
        let mut object = fields(&[
            ("kind", json!({ "const": kind.word() })),
            ("name", schema::name()),
            ("revision", revision()),
            ("spec", spec),
        ]);
        object["properties"]["changed_by"] = text();
        object["properties"]["changed_at"] = json!({ "type": "string", "format": "date-time" });
        schemas.insert(name.clone(), object);
        let mut put = schema::object(Map::from_iter([("spec".to_owned(), schema::taken(&properties))]));
        put["required"] = json!(["spec"]);
        for read_only in ["kind", "name"] {
            put["properties"][read_only] = json!({ "type": ["string", "null"],
                "description": "As in the path, or left out" });
        }
        for read_only in ["revision", "changed_by", "changed_at"] {
            put["properties"][read_only] = json!({ "description": "Not looked at" });
        }
        schemas.insert(format!("{name}Put"), put);
        let patch = schema::object(Map::from_iter([("spec".to_owned(), schema::patched(&properties))]));
        schemas.insert(format!("{name}Patch"), patch);
        let page = fields(&[
            ("revision", revision()),
            ("objects", list(named(&name))),
            ("next", json!({ "type": ["string", "null"] })),
        ]);
        schemas.insert(format!("{name}List"), page);
    }
    let any: Vec<_> = Kind::ALL.into_iter().map(|kind| named(&kind_name(kind))).collect();
    schemas.insert("Object".to_owned(), json!({ "oneOf": any }));
    let kinds: Vec<_> = Kind::ALL.into_iter().map(Kind::word).collect();
    schemas.insert("Kind".to_owned(), json!({ "type": "string", "enum": kinds }));
    schemas.insert("Changed".to_owned(), changed());
    schemas.insert("Problem".to_owned(), problem());
    schemas
}

fn changed() -> Value {
    let secret = fields(&[
        ("kind", named("Kind")),
        ("name", schema::name()),
        ("secret", json!({ "type": ["string", "null"] })),
    ]);
    let mut changed = fields(&[("revision", of_type("integer")), ("request", of_type("string"))]);
    changed["properties"]["secrets"] = list(secret);
    changed["properties"]["enforced"] = json!({ "type": "object", "additionalProperties": fields(&[
        ("state", json!({ "type": "string", "enum": ["enforced", "pending", "failed", "unreachable"] })),
    ]) });
    changed
}

fn problem() -> Value {
    let types: Vec<_> = ProblemKind::ALL
        .into_iter()
        .map(|kind| format!("urn:argosy:problem:{}", kind.row().0))
        .collect();
    fields(&[
        ("type", json!({ "type": "string", "enum": types })),
        ("title", of_type("string")),
        ("status", json!({ "type": "integer", "minimum": 400, "maximum": 599 })),
        ("detail", of_type("string")),
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::admin::routes;

    #[test]
    fn every_route_stands_in_the_document_and_nothing_else() {
        let document = document(&routes::all());
        let paths = document["paths"].as_object().unwrap();
        let told: BTreeSet<_> = paths
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(|method| (method.to_ascii_uppercase(), path.clone()))
            })
            .collect();
        let rows: BTreeSet<_> = roles::TABLE
            .iter()
            .map(|row| (row.0.to_owned(), row.1.to_owned()))
            .collect();
        assert_eq!(told, rows);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_its_own_id() {
        let document = document(&routes::all());
        let mut ids = BTreeSet::new();
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    }
                    if let Some(Value::String(id)) = map.get("operationId") {
                        assert!(ids.insert(id), "{id} stands twice");
                    }
                    open.extend(map.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        assert_eq!(ids.len(), roles::TABLE.len());
    }
}
