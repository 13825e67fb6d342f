//! openraft's configuration, from ours.

use openraft::{Config, ConfigError, SnapshotPolicy};

use super::CoreConfig;
use crate::limits::{APPEND_ENTRIES_MAX, SNAPSHOT_SEND_MAX};

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(super) fn raft_config(config: &CoreConfig) -> Result<Config, ConfigError> {
    Config {
        cluster_name: "argosy".to_owned(),
        heartbeat_interval: millis(config.heartbeat),
        election_timeout_min: millis(config.election_min()),
        election_timeout_max: millis(config.election_max()),
        install_snapshot_timeout: millis(SNAPSHOT_SEND_MAX),
        max_payload_entries: APPEND_ENTRIES_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_every.max(1)),
        max_in_snapshot_log_to_keep: config.keep_behind_snapshot,
        replication_lag_threshold: config.snapshot_every.max(1).saturating_add(config.keep_behind_snapshot),
        // A node that was cut off must not end a healthy leader's term when it comes back.
        enable_pre_vote: Some(true),
        // A leader that restarts is elected again: its state machine may be behind what it had answered.
        enable_leader_restore: Some(false),
        backoff: format!(
            "{}ms {}ms ...1s",
            millis(config.heartbeat),
            millis(config.heartbeat * 2)
        ),
        ..Config::default()
    }
    .validate()
}
