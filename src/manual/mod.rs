//! The manual: what the product promises and why its defaults are as they are, beside the code that keeps them.

pub mod access;
pub mod connections;
pub mod consistency;
pub mod defaults;
pub mod ftp;
pub mod glossary;
pub mod http;
pub mod ssh;
pub mod threats;
pub mod tls;
pub mod upgrades;
pub mod webdav;
