//! The JSON of how a service speaks HTTP; every field may be left out.
//!
//! ```json
//! {"file_manager": true, "file_api": true, "webdav": true, "redirect_port": null, "hsts_seconds": 31536000,
//!  "header_seconds": 20, "body_idle_seconds": 120, "body_bytes_max": 0, "web_session_seconds": 43200}
//! ```

use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::admin::limits::{HSTS_SECONDS_MAX, IDLE_SECONDS_MAX, WEB_SESSION_SECONDS_MAX};
use crate::admin::problem::Problem;
use crate::catalog::{HttpSettings, ServiceKind};

/// The shortest time that a person stays signed in.
const WEB_SESSION_SECONDS_MIN: u32 = 60;

/// The way in of the field `http` of a service of the kind `kind`; `default` is what its kind has.
pub fn build(service: &mut Fields, kind: ServiceKind, default: HttpSettings) -> Result<HttpSettings, Problem> {
    let path = service.at("http");
    let given = service.raw("http").filter(|value| !value.is_null());
    let mut fields = Fields::of(given.unwrap_or_else(|| json!({})), &path)?;
    let web_session = default.web_session_seconds;
    let settings = HttpSettings {
        file_manager: fields.take("file_manager")?.unwrap_or(default.file_manager),
        file_api: fields.take("file_api")?.unwrap_or(default.file_api),
        webdav: fields.take("webdav")?.unwrap_or(default.webdav),
        redirect_port: redirect_port(&mut fields, kind)?,
        hsts_seconds: fields.number("hsts_seconds", default.hsts_seconds, 0, HSTS_SECONDS_MAX)?,
        header_seconds: fields.number("header_seconds", default.header_seconds, 1, IDLE_SECONDS_MAX)?,
        body_idle_seconds: fields.number("body_idle_seconds", default.body_idle_seconds, 1, IDLE_SECONDS_MAX)?,
        body_bytes_max: fields.take("body_bytes_max")?.unwrap_or(default.body_bytes_max),
        web_session_seconds: fields.number(
            "web_session_seconds",
            web_session,
            WEB_SESSION_SECONDS_MIN,
            WEB_SESSION_SECONDS_MAX,
        )?,
    };
    fields.done()?;
    Ok(settings)
}

fn redirect_port(fields: &mut Fields, kind: ServiceKind) -> Result<Option<u16>, Problem> {
    let Some(number) = fields.take::<i64>("redirect_port")? else {
        return Ok(None);
    };
    let path = fields.at("redirect_port");
    if kind != ServiceKind::Http {
        let reason = "is for services of the kind `http`, which send clients on to HTTPS";
        return Err(Problem::invalid(&path, reason));
    }
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    let reason = || format!("is {number}, but must be from 1 to 65535");
    port.map(Some).ok_or_else(|| Problem::invalid(&path, reason()))
}

/// The way out.
pub fn show(http: &HttpSettings) -> Value {
    json!({
        "file_manager": http.file_manager,
        "file_api": http.file_api,
        "webdav": http.webdav,
        "redirect_port": http.redirect_port,
        "hsts_seconds": http.hsts_seconds,
        "header_seconds": http.header_seconds,
        "body_idle_seconds": http.body_idle_seconds,
        "body_bytes_max": http.body_bytes_max,
        "web_session_seconds": http.web_session_seconds,
    })
}

/// The fields as JSON Schema.
pub fn schema() -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, schema: Value| fields.insert(name.to_owned(), schema);
    for name in ["file_manager", "file_api", "webdav"] {
        put(name, json!({ "type": "boolean" }));
    }
    put(
        "redirect_port",
        json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 65535 }),
    );
    for (name, minimum, maximum) in [
        ("hsts_seconds", 0, HSTS_SECONDS_MAX),
        ("header_seconds", 1, IDLE_SECONDS_MAX),
        ("body_idle_seconds", 1, IDLE_SECONDS_MAX),
        ("web_session_seconds", WEB_SESSION_SECONDS_MIN, WEB_SESSION_SECONDS_MAX),
    ] {
        put(
            name,
            json!({ "type": "integer", "minimum": minimum, "maximum": maximum }),
        );
    }
    put(
        "body_bytes_max",
        json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
    );
    super::schema::object(fields)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn built(kind: ServiceKind, http: Value) -> Result<HttpSettings, String> {
        let mut fields = Fields::of(json!({ "http": http }), "").unwrap();
        build(&mut fields, kind, HttpSettings::default()).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn what_is_shown_can_be_given_back() {
        for http in [
            json!({}),
            json!({"file_manager": false, "webdav": false, "body_bytes_max": 1u64 << 40}),
            json!({"redirect_port": 443, "web_session_seconds": 600}),
        ] {
            let settings = built(ServiceKind::Http, http).unwrap();
            assert_eq!(built(ServiceKind::Http, show(&settings)).unwrap(), settings);
        }
    }

    #[test]
    fn a_refusal_names_the_field_and_the_reason() {
        for (kind, http, words) in [
            (ServiceKind::Http, json!([]), &["http", "object"][..]),
            (
                ServiceKind::Https,
                json!({"redirect_port": 443}),
                &["http.redirect_port", "kind `http`"],
            ),
            (
                ServiceKind::Http,
                json!({"redirect_port": 0}),
                &["http.redirect_port", "65535"],
            ),
            (
                ServiceKind::Http,
                json!({"web_session_seconds": 5}),
                &["http.web_session_seconds", "60"],
            ),
            (ServiceKind::Http, json!({"dav": true}), &["http.dav", "webdav"]),
        ] {
            let error = built(kind, http.clone()).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{http}: {error}");
            }
        }
    }
}
