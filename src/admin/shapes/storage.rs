//! The JSON of a storage: `{"root": "/srv/files", "durability": "strict", "keep_interrupted": true,
//! "reserve_bytes": 1073741824}`.

use serde_json::{Value, json};

use super::fields::Fields;
use crate::admin::limits::ROOT_BYTES_MAX;
use crate::admin::problem::Problem;
use crate::catalog::{Durability, Spec, Storage};

/// Free space that is kept by default: 1 GiB.
pub const RESERVE_BYTES_DEFAULT: u64 = 1 << 30;

/// The way in.
pub fn build(fields: &mut Fields) -> Result<Spec, Problem> {
    let root: String = fields.need("root")?;
    let path = fields.at("root");
    let refuse = |reason: &str| Err(Problem::invalid(&path, reason));
    if !root.starts_with('/') {
        return refuse("must be an absolute path, beginning with `/`");
    }
    if root.split('/').any(|part| part == "." || part == "..") {
        return refuse("holds `.` or `..`; write the path that is meant");
    }
    if root.chars().any(char::is_control) {
        return refuse("holds a control character");
    }
    if root.len() > ROOT_BYTES_MAX {
        return refuse(&format!("has {} bytes, over the limit of {ROOT_BYTES_MAX}", root.len()));
    }
    let trimmed = root.trim_end_matches('/');
    if trimmed.is_empty() {
        return refuse("is `/`, the whole machine; name a folder");
    }
    let storage = Storage {
        root: trimmed.as_bytes().to_vec(),
        durability: fields.take("durability")?.unwrap_or(Durability::Strict),
        keep_interrupted: fields.take("keep_interrupted")?.unwrap_or(true),
        reserve_bytes: fields.take("reserve_bytes")?.unwrap_or(RESERVE_BYTES_DEFAULT),
    };
    Ok(Spec::Storage(storage))
}

/// The way out.
pub fn show(storage: &Storage) -> Value {
    json!({
        "root": String::from_utf8_lossy(&storage.root),
        "durability": storage.durability,
        "keep_interrupted": storage.keep_interrupted,
        "reserve_bytes": storage.reserve_bytes,
    })
}
