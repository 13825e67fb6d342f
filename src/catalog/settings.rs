//! The settings of the whole cluster: one object, named `cluster`.

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            login_delay_millis: 500,
            login_delay_max_millis: 10_000,
            login_memory_seconds: 900,
            staged_age_max_seconds: 7 * 24 * 3600,
        }
    }
}
