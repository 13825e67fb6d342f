//! The fields of each kind's content, for OpenAPI and for PATCH.
//!
//! Reading values is left to the file of each kind; a test compares the two.

use serde_json::{Map, Value, json};

use super::restrictions::DAYS;
use super::schema::{Property, ROLES, name, nullable, object};
use crate::admin::certificates::limits::{NAMES_MAX, SELF_SIGNED_DAYS_MAX};
use crate::admin::limits::{
    DAYS_MAX, ENTROPY_BITS_MAX, IDLE_SECONDS_MAX, LOGIN_ATTEMPTS_MAX, LOGIN_DELAY_MILLIS_MAX, LOGIN_FAILURES_MAX,
    LOGIN_GRACE_SECONDS_MAX, LOGIN_MEMORY_SECONDS_MAX, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PASSWORD_HASH_BYTES_MAX,
    PRINCIPAL_BYTES_MAX, PRIVATE_KEY_BYTES_MAX, RATE_MIN, REVOCATION_EVERY_SECONDS_MAX, REVOCATION_EVERY_SECONDS_MIN,
    ROOT_BYTES_MAX, SERVICE_HOST_KEYS_MAX, SESSIONS_LIMIT_MAX, STAGED_AGE_SECONDS_MAX, STAGED_AGE_SECONDS_MIN,
    STALENESS_SECONDS_MIN,
};
use crate::catalog::Operation;
use crate::catalog::limits::{
    AUTHORITY_KEYS_MAX, FILE_PATTERNS_MAX, FORMER_PASSWORDS_MAX, GRANTS_MAX, HOURS_MAX, KEYS_MAX, MEMBERSHIPS_MAX,
    MOUNTS_MAX, PATTERN_BYTES_MAX, PRINCIPALS_MAX, REVOKED_MAX, SERVICE_LIST_MAX, SOURCES_MAX, TEXT_BYTES_MAX,
};

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
    let pattern = wrap(json!({ "type": "string", "minLength": 1, "maxLength": PATTERN_BYTES_MAX }));
    let grant = object(Map::from_iter([
        ("path".to_owned(), wrap(virtual_path())),
        ("glob".to_owned(), pattern.clone()),
        ("regex".to_owned(), pattern),
        ("allow".to_owned(), operations.clone()),
        ("deny".to_owned(), operations),
    ]));
    list(grant, GRANTS_MAX)
}

fn own_grants() -> Property {
    Property::new("grants", nullable(grants(false)), grants(true))
}

fn mount(shown: bool, home: bool) -> Value {
    let wrap = |schema: Value| if shown { schema } else { nullable(schema) };
    let mut fields = Map::from_iter([
        ("storage".to_owned(), name()),
        ("folder".to_owned(), wrap(virtual_path())),
        ("grants".to_owned(), wrap(grants(shown))),
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

fn mounts() -> Property {
    let list = |shown| list(mount(shown, false), MOUNTS_MAX);
    Property::new("mounts", nullable(list(false)), list(true))
}

fn names(name: &'static str, max: usize) -> Property {
    Property::defaulted(name, list(self::name(), max))
}

fn networks(name: &'static str) -> Property {
    Property::defaulted(name, list(json!({ "type": "string" }), SOURCES_MAX))
}

fn description() -> Property {
    Property::defaulted("description", text(TEXT_BYTES_MAX))
}

fn optional_number(min: u64) -> Value {
    json!({ "type": ["integer", "null"], "minimum": min })
}

fn restrictions() -> Property {
    let restrictions = |shown: bool| {
        let wrap = |schema: Value| if shown { schema } else { nullable(schema) };
        let pattern = |name: &str| object(Map::from_iter([(name.to_owned(), json!({ "type": "string" }))]));
        let mut forms = vec![json!({ "type": "string" }), pattern("regex")];
        if !shown {
            forms.push(pattern("glob"));
        }
        for form in forms.iter_mut().skip(1) {
            form["minProperties"] = 1.into();
        }
        let files = wrap(list(json!({ "anyOf": forms }), FILE_PATTERNS_MAX));
        let time = || wrap(json!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$" }));
        let hours = object(Map::from_iter([
            ("days".to_owned(), wrap(list(words(&DAYS), DAYS.len()))),
            ("from".to_owned(), time()),
            ("to".to_owned(), time()),
            ("zone".to_owned(), wrap(json!({ "type": "string" }))),
        ]));
        let rate = || optional_number(RATE_MIN);
        object(Map::from_iter([
            ("upload_bytes_max".to_owned(), optional_number(0)),
            ("files_allowed".to_owned(), files.clone()),
            ("files_denied".to_owned(), files),
            ("hours".to_owned(), wrap(list(hours, HOURS_MAX))),
            ("session_upload_rate".to_owned(), rate()),
            ("session_download_rate".to_owned(), rate()),
            ("upload_rate".to_owned(), rate()),
            ("download_rate".to_owned(), rate()),
        ]))
    };
    Property::new("restrictions", nullable(restrictions(false)), restrictions(true))
}

fn password() -> [Property; 3] {
    let taken = json!({ "type": ["string", "null"], "minLength": PASSWORD_BYTES_MIN.div_ceil(4), "maxLength": PASSWORD_BYTES_MAX,
        "description": "Write only. Absent keeps the present one, null removes it." });
    let hash = json!({ "type": ["string", "null"], "maxLength": PASSWORD_HASH_BYTES_MAX,
        "description": "Write only, for owners: a hash as an export has it." });
    [
        Property::write_only("password", taken),
        Property::write_only("password_hash", hash),
        Property::read_only("password_set", json!({ "type": "boolean" })),
    ]
}

pub(super) fn account() -> Vec<Property> {
    let key = |shown: bool| {
        let wrap = |schema: Value| if shown { schema } else { nullable(schema) };
        let fingerprint = if shown { json!({ "type": "string" }) } else { json!({}) };
        let mut schema = object(Map::from_iter([
            ("key".to_owned(), json!({ "type": "string" })),
            ("comment".to_owned(), wrap(text(TEXT_BYTES_MAX))),
            ("expires_at".to_owned(), moment()),
            ("fingerprint".to_owned(), fingerprint),
        ]));
        schema["required"] = json!(["key"]);
        schema
    };
    let keys = json!({ "anyOf": [key(false), { "type": "string" }] });
    let sessions = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": SESSIONS_LIMIT_MAX });
    let rule = |shown: bool| {
        let text = || {
            if shown {
                json!({ "type": "string" })
            } else {
                nullable(json!({ "type": "string" }))
            }
        };
        object(Map::from_iter(
            ["subject", "san", "fingerprint"].map(|field| (field.to_owned(), text())),
        ))
    };
    let principal = json!({ "type": "string", "minLength": 1, "maxLength": PRINCIPAL_BYTES_MAX });
    let mut properties = vec![
        Property::flag("enabled"),
        Property::both("expires_at", moment()),
        Property::new("keys", nullable(list(keys, KEYS_MAX)), list(key(true), KEYS_MAX)),
        Property::new(
            "certificates",
            nullable(list(rule(false), KEYS_MAX)),
            list(rule(true), KEYS_MAX),
        ),
        Property::defaulted("proofs", words(&["any", "password", "key", "password+key"])),
        Property::flag("password_must_change"),
        Property::read_only("password_changed_at", moment()),
        Property::defaulted("principals", list(principal, PRINCIPALS_MAX)),
        names("groups", MEMBERSHIPS_MAX),
        names("roles", MEMBERSHIPS_MAX),
        Property::new("home", nullable(mount(false, true)), nullable(mount(true, true))),
        mounts(),
        own_grants(),
        networks("sources"),
        Property::both("sessions_max", sessions),
        restrictions(),
    ];
    properties.extend(password());
    properties
}

pub(super) fn group() -> Vec<Property> {
    vec![
        description(),
        names("groups", MEMBERSHIPS_MAX),
        names("roles", MEMBERSHIPS_MAX),
        mounts(),
        own_grants(),
    ]
}

pub(super) fn role() -> Vec<Property> {
    vec![description(), names("roles", MEMBERSHIPS_MAX), own_grants()]
}

pub(super) fn authority() -> Vec<Property> {
    let line = || json!({ "type": "string", "minLength": 1 });
    let serial = json!({ "type": "integer", "minimum": 0 });
    vec![
        Property::defaulted("kind", words(&["ssh-user", "tls-client"])),
        Property::defaulted("keys", list(line(), AUTHORITY_KEYS_MAX)),
        Property::defaulted("revoked_serials", list(serial, REVOKED_MAX)),
        Property::defaulted("revoked_ids", list(line(), REVOKED_MAX)),
        Property::defaulted(
            "revoked_keys",
            list(json!({ "type": "string", "pattern": "^SHA256:" }), REVOKED_MAX),
        ),
        Property::defaulted("certificates", list(line(), AUTHORITY_KEYS_MAX)),
        Property::defaulted("revocation_lists", list(line(), AUTHORITY_KEYS_MAX)),
        Property::flag("takes_stale_lists"),
        Property::both("revocation_source", revocation_source()),
        Property::read_only(
            "certificate_facts",
            list(json!({ "type": "object" }), AUTHORITY_KEYS_MAX),
        ),
        Property::read_only(
            "revocation_facts",
            list(json!({ "type": "object" }), AUTHORITY_KEYS_MAX),
        ),
    ]
}

fn revocation_source() -> Value {
    let every =
        json!({ "type": "integer", "minimum": REVOCATION_EVERY_SECONDS_MIN, "maximum": REVOCATION_EVERY_SECONDS_MAX });
    let mut schema = object(Map::from_iter([
        ("url".to_owned(), json!({ "type": "string", "pattern": "^http://" })),
        ("every_seconds".to_owned(), nullable(every)),
    ]));
    schema["required"] = json!(["url"]);
    nullable(schema)
}

pub(super) fn ban() -> Vec<Property> {
    vec![
        Property::either("network", json!({ "type": "string" })),
        Property::either("account", name()),
        Property::defaulted("reason", text(TEXT_BYTES_MAX)),
        Property::both("until", moment()),
        Property::read_only("automatic", json!({ "type": "boolean" })),
    ]
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
        Property::write_only(
            "secret_hash",
            json!({ "type": ["string", "null"], "pattern": "^[0-9A-Fa-f]{64}$",
                "description": "Write only: the hash of a secret, as an export has it." }),
        ),
    ]
}

pub(super) fn service() -> Vec<Property> {
    let port = json!({ "type": "integer", "minimum": 1, "maximum": 65_535 });
    let address = json!({ "type": ["string", "null"] });
    let differs = object(Map::from_iter([
        ("address".to_owned(), address.clone()),
        ("port".to_owned(), nullable(port.clone())),
        ("enabled".to_owned(), json!({ "type": ["boolean", "null"] })),
        (
            "proxy_networks".to_owned(),
            nullable(list(json!({ "type": "string" }), SOURCES_MAX)),
        ),
        ("passive_address".to_owned(), address.clone()),
    ]));
    let nodes = json!({ "type": "object", "additionalProperties": differs });
    let host_keys = json!({ "type": "array", "items": name(), "maxItems": SERVICE_HOST_KEYS_MAX,
        "description": "SSH needs at least one." });
    vec![
        Property::defaulted(
            "kind",
            words(&["sftp", "ftp", "ftps", "ftps-implicit", "http", "https"]),
        ),
        Property::both("port", port).required(),
        Property::defaulted("host_keys", host_keys),
        Property::flag("enabled"),
        Property::both("address", address),
        Property::defaulted("banner", text(TEXT_BYTES_MAX)),
        Property::number("sessions_max", 1, SESSIONS_LIMIT_MAX),
        Property::number("unauthenticated_max", 1, SESSIONS_LIMIT_MAX),
        Property::number("unauthenticated_per_address_max", 1, SESSIONS_LIMIT_MAX),
        Property::number("connections_per_address_max", 1, SESSIONS_LIMIT_MAX),
        Property::number("login_grace_seconds", 1, LOGIN_GRACE_SECONDS_MAX),
        Property::number("login_attempts_max", 1, LOGIN_ATTEMPTS_MAX),
        Property::number("idle_seconds", 0, IDLE_SECONDS_MAX),
        Property::number("keepalive_seconds", 0, IDLE_SECONDS_MAX),
        Property::number("drain_seconds", 0, IDLE_SECONDS_MAX),
        networks("sources"),
        networks("proxy_networks"),
        names("accounts", SERVICE_LIST_MAX),
        names("groups", SERVICE_LIST_MAX),
        restrictions(),
        names("user_authorities", MEMBERSHIPS_MAX),
        Property::defaulted("ssh", super::ssh::schema()),
        Property::defaulted("ftp", super::ftp::schema()),
        Property::defaulted("http", super::http::schema()),
        Property::defaulted("tls", super::tls::schema()),
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
        Property::both("certificate", nullable(text())),
        Property::read_only("public", text()),
        Property::read_only("fingerprint", text()),
        Property::read_only("created_at", json!({ "type": "string", "format": "date-time" })),
    ]
}

pub(super) fn certificate() -> Vec<Property> {
    let text = || json!({ "type": "string" });
    let wanted = |more: Option<(&str, Value)>| {
        let mut fields = Map::new();
        fields.insert(
            "names".to_owned(),
            json!({ "type": "array", "items": text(), "minItems": 1, "maxItems": NAMES_MAX }),
        );
        for part in [
            "common_name",
            "organization",
            "organizational_unit",
            "locality",
            "state",
            "country",
        ] {
            fields.insert(part.to_owned(), nullable(text()));
        }
        fields.extend(more.map(|(name, schema)| (name.to_owned(), schema)));
        let mut schema = object(fields);
        schema["required"] = json!(["names"]);
        schema
    };
    let days = nullable(json!({ "type": "integer", "minimum": 1, "maximum": SELF_SIGNED_DAYS_MAX }));
    let private = json!({ "type": ["string", "null"], "maxLength": PRIVATE_KEY_BYTES_MAX,
        "description": "Write only. The private key in PEM form." });
    vec![
        Property::both("chain", nullable(text())),
        Property::write_only("private", private),
        Property::write_only("pkcs12", nullable(text())),
        Property::write_only("pkcs12_password", nullable(text())),
        Property::new("algorithm", nullable(text()), text()),
        Property::write_only("self_signed", nullable(wanted(Some(("days", days))))),
        Property::write_only("request", nullable(wanted(None))),
        Property::read_only("issued", json!({ "type": "boolean" })),
        Property::read_only("csr", nullable(text())),
        Property::read_only("subject", nullable(text())),
        Property::read_only("issuer", nullable(text())),
        Property::read_only("serial", nullable(text())),
        Property::read_only("names", list(text(), crate::x509::limits::NAMES_MAX)),
        Property::read_only("not_before", moment()),
        Property::read_only("not_after", moment()),
        Property::read_only("fingerprint", nullable(text())),
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
    let number = |min: u32, max: u32| json!({ "type": "integer", "minimum": min, "maximum": max });
    let optional = |min: u32, max: u32| json!({ "type": ["integer", "null"], "minimum": min, "maximum": max });
    let part = |name: &'static str, fields: Vec<(&str, Value)>| {
        let fields = fields.into_iter().map(|(name, schema)| (name.to_owned(), schema));
        let shown: Map<_, _> = fields.collect();
        let taken = shown.clone().into_iter().map(|(name, schema)| (name, nullable(schema)));
        Property::new(name, nullable(object(taken.collect())), object(shown))
    };
    let networks = list(json!({ "type": "string" }), SOURCES_MAX);
    vec![
        Property::number("login_delay_millis", 0, LOGIN_DELAY_MILLIS_MAX),
        Property::number("login_delay_max_millis", 0, LOGIN_DELAY_MILLIS_MAX),
        Property::number("login_memory_seconds", 1, LOGIN_MEMORY_SECONDS_MAX),
        Property::number("staged_age_max_seconds", STAGED_AGE_SECONDS_MIN, STAGED_AGE_SECONDS_MAX),
        Property::both(
            "staleness_max_seconds",
            optional(STALENESS_SECONDS_MIN, STAGED_AGE_SECONDS_MAX),
        ),
        Property::both("inactive_days_max", optional(1, DAYS_MAX)),
        part(
            "passwords",
            vec![
                ("length_min", number(1, PASSWORD_BYTES_MAX as u32)),
                ("entropy_bits_min", number(0, ENTROPY_BITS_MAX)),
                ("age_days_max", optional(1, DAYS_MAX)),
                ("former_kept", number(0, FORMER_PASSWORDS_MAX as u32)),
            ],
        ),
        part(
            "throttle",
            vec![
                ("failures_per_address_max", number(0, LOGIN_FAILURES_MAX)),
                ("failures_per_account_max", number(0, LOGIN_FAILURES_MAX)),
                ("ban_seconds", number(1, STAGED_AGE_SECONDS_MAX)),
                ("allow", networks),
            ],
        ),
    ]
}
