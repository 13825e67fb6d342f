//! The settings of the whole cluster: one object, named `cluster`.

use ipnet::IpNet;

/// The name of the only settings object.
pub const SETTINGS_NAME: &str = "cluster";

/// What concerns no single service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The delay after the first failed login, in milliseconds; doubles with each further one.
    pub login_delay_millis: u32,
    /// The longest such delay, in milliseconds.
    pub login_delay_max_millis: u32,
    /// Failed logins are forgotten after this many seconds without another.
    pub login_memory_seconds: u32,
    /// Staged uploads of a node that has left are removed after this many seconds.
    pub staged_age_max_seconds: u32,
    /// Logins and operations are refused after this many seconds without a leader confirmed by a quorum; `None`:
    /// never.
    pub staleness_max_seconds: Option<u32>,
    /// An account that nobody used for this many days cannot sign in; `None`: however long.
    pub inactive_days_max: Option<u32>,
    /// What a password must be.
    pub passwords: PasswordRules,
    /// When failed logins lead to a ban.
    pub throttle: Throttle,
}

/// What a password must be. They hold for accounts; an administrator's own hash is taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordRules {
    /// Characters at least.
    pub length_min: u32,
    /// Bits of estimated entropy at least; 0: no matter.
    pub entropy_bits_min: u32,
    /// Days until it must be changed; `None`: never.
    pub age_days_max: Option<u32>,
    /// How many former passwords may not come again; at most [`super::limits::FORMER_PASSWORDS_MAX`].
    pub former_kept: u32,
}

/// When failed logins, counted over all nodes, lead to a ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// Failed logins of one address within the login memory; 0: no ban.
    pub failures_per_address_max: u32,
    /// Failed logins to one account within the login memory; 0: no ban.
    pub failures_per_account_max: u32,
    /// How long such a ban lasts, in seconds.
    pub ban_seconds: u32,
    /// Networks that are never delayed or banned.
    pub allow: Vec<IpNet>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            login_delay_millis: 500,
            login_delay_max_millis: 10_000,
            login_memory_seconds: 900,
            staged_age_max_seconds: 7 * 24 * 3600,
            staleness_max_seconds: None,
            inactive_days_max: None,
            passwords: PasswordRules::default(),
            throttle: Throttle::default(),
        }
    }
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            length_min: 8,
            entropy_bits_min: 0,
            age_days_max: None,
            former_kept: 0,
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            failures_per_address_max: 20,
            failures_per_account_max: 0,
            ban_seconds: 900,
            allow: Vec::new(),
        }
    }
}
