//! The JSON of the cluster's settings; what is absent has its default.

use serde_json::{Value, json};

use super::fields::Fields;
use super::restrictions::networks;
use crate::admin::limits::{
    DAYS_MAX, ENTROPY_BITS_MAX, LOGIN_DELAY_MILLIS_MAX, LOGIN_FAILURES_MAX, LOGIN_MEMORY_SECONDS_MAX,
    PASSWORD_BYTES_MAX, STAGED_AGE_SECONDS_MAX, STAGED_AGE_SECONDS_MIN, STALENESS_SECONDS_MIN,
};
use crate::admin::problem::Problem;
use crate::catalog::limits::FORMER_PASSWORDS_MAX;
use crate::catalog::settings::SETTINGS_NAME;
use crate::catalog::{PasswordRules, Settings, Spec, Throttle};
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
        staleness_max_seconds: optional(
            fields,
            "staleness_max_seconds",
            STALENESS_SECONDS_MIN,
            STAGED_AGE_SECONDS_MAX,
        )?,
        inactive_days_max: optional(fields, "inactive_days_max", 1, DAYS_MAX)?,
        passwords: passwords(fields)?,
        throttle: throttle(fields)?,
    };
    Ok(Spec::Settings(settings))
}

fn optional(fields: &mut Fields, name: &'static str, min: u32, max: u32) -> Result<Option<u32>, Problem> {
    if fields.has(name) {
        fields.number(name, min, min, max).map(Some)
    } else {
        fields.read_only(name);
        Ok(None)
    }
}

/// The object at `name`, or an empty one.
fn part(fields: &mut Fields, name: &'static str) -> Result<Fields, Problem> {
    let path = fields.at(name);
    match fields.raw(name) {
        None | Some(Value::Null) => Fields::of(json!({}), &path),
        Some(value) => Fields::of(value, &path),
    }
}

fn passwords(fields: &mut Fields) -> Result<PasswordRules, Problem> {
    let mut fields = part(fields, "passwords")?;
    let default = PasswordRules::default();
    let rules = PasswordRules {
        length_min: fields.number("length_min", default.length_min, 1, PASSWORD_BYTES_MAX as u32)?,
        entropy_bits_min: fields.number("entropy_bits_min", default.entropy_bits_min, 0, ENTROPY_BITS_MAX)?,
        age_days_max: optional(&mut fields, "age_days_max", 1, DAYS_MAX)?,
        former_kept: fields.number("former_kept", default.former_kept, 0, FORMER_PASSWORDS_MAX as u32)?,
    };
    fields.done()?;
    Ok(rules)
}

fn throttle(fields: &mut Fields) -> Result<Throttle, Problem> {
    let mut fields = part(fields, "throttle")?;
    let default = Throttle::default();
    let mut failures = |name, default| fields.number(name, default, 0, LOGIN_FAILURES_MAX);
    let throttle = Throttle {
        failures_per_address_max: failures("failures_per_address_max", default.failures_per_address_max)?,
        failures_per_account_max: failures("failures_per_account_max", default.failures_per_account_max)?,
        ban_seconds: fields.number("ban_seconds", default.ban_seconds, 1, STAGED_AGE_SECONDS_MAX)?,
        allow: networks(&mut fields, "allow")?,
    };
    fields.done()?;
    Ok(throttle)
}

/// The way out.
pub fn show(settings: &Settings) -> Value {
    json!({
        "login_delay_millis": settings.login_delay_millis,
        "login_delay_max_millis": settings.login_delay_max_millis,
        "login_memory_seconds": settings.login_memory_seconds,
        "staged_age_max_seconds": settings.staged_age_max_seconds,
        "staleness_max_seconds": settings.staleness_max_seconds,
        "inactive_days_max": settings.inactive_days_max,
        "passwords": {
            "length_min": settings.passwords.length_min,
            "entropy_bits_min": settings.passwords.entropy_bits_min,
            "age_days_max": settings.passwords.age_days_max,
            "former_kept": settings.passwords.former_kept,
        },
        "throttle": {
            "failures_per_address_max": settings.throttle.failures_per_address_max,
            "failures_per_account_max": settings.throttle.failures_per_account_max,
            "ban_seconds": settings.throttle.ban_seconds,
            "allow": settings.throttle.allow,
        },
    })
}
