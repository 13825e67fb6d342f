//! The JSON of the cluster's settings; what is absent has its default.

use serde_json::{Value, json};

use super::fields::Fields;
use crate::admin::limits::{
    LOGIN_DELAY_MILLIS_MAX, LOGIN_MEMORY_SECONDS_MAX, STAGED_AGE_SECONDS_MAX, STAGED_AGE_SECONDS_MIN,
};
use crate::admin::problem::Problem;
use crate::catalog::settings::SETTINGS_NAME;
use crate::catalog::{Settings, Spec};
use crate::ids::Name;

/// The way in.
pub fn build(name: &Name, fields: &mut Fields) -> Result<Spec, Problem> {
    if name.as_str() != SETTINGS_NAME {
        let reason = format!("must be `{SETTINGS_NAME}`, the only settings object");
        return Err(Problem::invalid("name", reason));
    }
    let default = Settings::default();
    let login_delay_millis = fields.number(
        "login_delay_millis",
        default.login_delay_millis,
        0,
        LOGIN_DELAY_MILLIS_MAX,
    )?;
    let longest = default.login_delay_max_millis.max(login_delay_millis);
    let settings = Settings {
        login_delay_millis,
        login_delay_max_millis: fields.number(
            "login_delay_max_millis",
            longest,
            login_delay_millis,
            LOGIN_DELAY_MILLIS_MAX,
        )?,
        login_memory_seconds: fields.number(
            "login_memory_seconds",
            default.login_memory_seconds,
            1,
            LOGIN_MEMORY_SECONDS_MAX,
        )?,
        staged_age_max_seconds: fields.number(
            "staged_age_max_seconds",
            default.staged_age_max_seconds,
            STAGED_AGE_SECONDS_MIN,
            STAGED_AGE_SECONDS_MAX,
        )?,
    };
    Ok(Spec::Settings(settings))
}

/// The way out.
pub fn show(settings: &Settings) -> Value {
    json!({
        "login_delay_millis": settings.login_delay_millis,
        "login_delay_max_millis": settings.login_delay_max_millis,
        "login_memory_seconds": settings.login_memory_seconds,
        "staged_age_max_seconds": settings.staged_age_max_seconds,
    })
}
