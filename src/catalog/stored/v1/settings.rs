//! Settings, authorities and bans in format version 1.

use serde::{Deserialize, Serialize};

use super::{name, networks, show_networks};
use crate::catalog::{Ban, BanTarget, PasswordRules, Settings, Throttle};
use crate::clock::UnixMillis;

#[derive(Serialize, Deserialize)]
pub(super) struct SettingsV1 {
    login_delay_millis: u32,
    login_delay_max_millis: u32,
    login_memory_seconds: u32,
    staged_age_max_seconds: u32,
    staleness_max_seconds: Option<u32>,
    inactive_days_max: Option<u32>,
    passwords: PasswordRulesV1,
    throttle: ThrottleV1,
}

#[derive(Serialize, Deserialize)]
struct PasswordRulesV1 {
    length_min: u32,
    entropy_bits_min: u32,
    age_days_max: Option<u32>,
    former_kept: u32,
}

#[derive(Serialize, Deserialize)]
struct ThrottleV1 {
    failures_per_address_max: u32,
    failures_per_account_max: u32,
    ban_seconds: u32,
    allow: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum BanTargetV1 {
    Network(String),
    Account(String),
}

#[derive(Serialize, Deserialize)]
pub(super) struct BanV1 {
    target: BanTargetV1,
    reason: String,
    until: Option<i64>,
    automatic: bool,
}

impl From<&Settings> for SettingsV1 {
    fn from(settings: &Settings) -> Self {
        let Settings {
            passwords, throttle, ..
        } = settings;
        Self {
            login_delay_millis: settings.login_delay_millis,
            login_delay_max_millis: settings.login_delay_max_millis,
            login_memory_seconds: settings.login_memory_seconds,
            staged_age_max_seconds: settings.staged_age_max_seconds,
            staleness_max_seconds: settings.staleness_max_seconds,
            inactive_days_max: settings.inactive_days_max,
            passwords: PasswordRulesV1 {
                length_min: passwords.length_min,
                entropy_bits_min: passwords.entropy_bits_min,
                age_days_max: passwords.age_days_max,
                former_kept: passwords.former_kept,
            },
            throttle: ThrottleV1 {
                failures_per_address_max: throttle.failures_per_address_max,
                failures_per_account_max: throttle.failures_per_account_max,
                ban_seconds: throttle.ban_seconds,
                allow: show_networks(&throttle.allow),
            },
        }
    }
}

impl TryFrom<SettingsV1> for Settings {
    type Error = String;
    fn try_from(stored: SettingsV1) -> Result<Self, String> {
        Ok(Self {
            login_delay_millis: stored.login_delay_millis,
            login_delay_max_millis: stored.login_delay_max_millis,
            login_memory_seconds: stored.login_memory_seconds,
            staged_age_max_seconds: stored.staged_age_max_seconds,
            staleness_max_seconds: stored.staleness_max_seconds,
            inactive_days_max: stored.inactive_days_max,
            passwords: PasswordRules {
                length_min: stored.passwords.length_min,
                entropy_bits_min: stored.passwords.entropy_bits_min,
                age_days_max: stored.passwords.age_days_max,
                former_kept: stored.passwords.former_kept,
            },
            throttle: Throttle {
                failures_per_address_max: stored.throttle.failures_per_address_max,
                failures_per_account_max: stored.throttle.failures_per_account_max,
                ban_seconds: stored.throttle.ban_seconds,
                allow: networks(stored.throttle.allow)?,
            },
        })
    }
}

impl From<&Ban> for BanV1 {
    fn from(ban: &Ban) -> Self {
        Self {
            target: match &ban.target {
                BanTarget::Network(network) => BanTargetV1::Network(network.to_string()),
                BanTarget::Account(account) => BanTargetV1::Account(account.to_string()),
            },
            reason: ban.reason.clone(),
            until: ban.until.map(|at| at.0),
            automatic: ban.automatic,
        }
    }
}

impl TryFrom<BanV1> for Ban {
    type Error = String;
    fn try_from(stored: BanV1) -> Result<Self, String> {
        Ok(Self {
            target: match stored.target {
                BanTargetV1::Network(text) => {
                    BanTarget::Network(text.parse().map_err(|error| format!("{text}: {error}"))?)
                }
                BanTargetV1::Account(text) => BanTarget::Account(name(text)?),
            },
            reason: stored.reason,
            until: stored.until.map(UnixMillis),
            automatic: stored.automatic,
        })
    }
}
