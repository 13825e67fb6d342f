//! The integration tests: real processes, real clients, over the command line, the admin API and the ports.
//!
//! What a room does inside is tested in that room. `tests/run` installs what these tests need.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access_matrix;
mod admin_api;
mod admin_changes;
mod admin_events;
mod admin_history;
mod admin_openapi;
mod admin_roles;
mod bad_packets;
mod bans;
mod bootstrap;
mod browser;
mod certificates;
mod clients;
mod command_line;
mod conformance;
mod crowds;
mod demo;
mod disk;
mod extensions;
mod faults;
mod file_api;
mod folders;
mod ftp;
mod handshake;
mod history;
mod live;
mod logins;
mod other_clients;
mod profiles;
mod proofs;
mod quorum;
mod restrictions;
mod revoke;
mod rig;
mod scp;
mod scp_records;
mod secrets;
mod services;
mod ssh_settings;
mod tidy;
mod tls_ahead;
mod tls_live;
mod tus;
mod uploads;
mod webdav;
