//! Changes that an administrator makes under load: a member leaves and another joins, host keys and certificates are
//! exchanged.
//!
//! The certificates of nodes and of the admin API come from the cluster's own authority and have no command that
//! exchanges them.

use std::path::{Path, PathBuf};

use argosy_cluster::sim::Dice;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::limits::{CHANGE_MAX, REMOVAL_TRIES_MAX};
use super::net::run;

const SERVICE: &str = "/api/v1/service/sftp";

/// Removes node `at` for good, by a command at node `through`.
///
/// # Errors
/// It is still a member.
pub fn remove(cluster: &Cluster, at: usize, through: usize) -> Result<(), String> {
    let data = cluster.nodes[through].data.display().to_string();
    let name = cluster.nodes[at].name.clone();
    let mut last = String::new();
    for _ in 0..REMOVAL_TRIES_MAX {
        match cluster.plain(through, &["node", "remove", &name, "--data", &data], "") {
            Ok(_) => return Ok(()),
            // The first one was made after all.
            Err(error) if !last.is_empty() && error.contains("no node is") => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Puts a new node into the place of node `at`, which was removed: under its name, with nothing of it.
///
/// # Errors
/// It does not become a voter.
pub fn join_anew(cluster: &Cluster, at: usize, through: usize) -> Result<(), String> {
    let node = &cluster.nodes[at];
    node.kill();
    std::fs::remove_dir_all(&node.data).map_err(|error| format!("{}: {error}", node.data.display()))?;
    cluster.join(at, through)?;
    cluster.wait_voters(through, cluster.nodes.len())
}

/// Two host keys, both shown.
pub struct HostKeys {
    new: String,
    old: Vec<Value>,
    at: usize,
}

impl HostKeys {
    /// Makes a key with a host certificate at node `at`, and shows it before those that are there; the certificate of
    /// FTPS is another one too.
    ///
    /// # Errors
    /// A change that was not made, or `ssh-keygen` failed.
    pub fn show_new(cluster: &Cluster, at: usize, dice: &mut Dice) -> Result<Self, String> {
        let new = format!("key-{:08x}", dice.roll() >> 32);
        let path = format!("/api/v1/host-key/{new}");
        let algorithm = *dice.pick(&["ed25519", "ecdsa-nistp256"]).unwrap_or(&"ed25519");
        cluster.change(at, "PUT", &path, Some(&json!({"spec": {"algorithm": algorithm}})))?;
        let made = cluster.api(at)?.get(&path, CHANGE_MAX)?;
        let public = made["spec"]["public"].as_str().ok_or("a host key has no public half")?;
        let certificate = certificate(&cluster.folder, &new, public)?;
        let certified = json!({"spec": {"algorithm": algorithm, "certificate": certificate}});
        cluster.change(at, "PUT", &path, Some(&certified))?;
        cluster.new_certificate(at)?;
        let service = cluster.api(at)?.get(SERVICE, CHANGE_MAX)?;
        let old = service["spec"]["host_keys"].as_array().cloned().unwrap_or_default();
        let keys = Self { new, old, at };
        let both: Vec<Value> = [&[json!(keys.new)][..], &keys.old].concat();
        keys.show(cluster, service["spec"].clone(), both)?;
        Ok(keys)
    }

    /// Shows the new one alone, and deletes the others.
    ///
    /// # Errors
    /// A change that was not made.
    pub fn forget_old(&self, cluster: &Cluster) -> Result<(), String> {
        let service = cluster.api(self.at)?.get(SERVICE, CHANGE_MAX)?;
        self.show(cluster, service["spec"].clone(), vec![json!(self.new)])?;
        for old in self.old.iter().filter_map(Value::as_str) {
            cluster.change(self.at, "DELETE", &format!("/api/v1/host-key/{old}"), None)?;
        }
        Ok(())
    }

    fn show(&self, cluster: &Cluster, mut service: Value, keys: Vec<Value>) -> Result<(), String> {
        service["host_keys"] = keys.into();
        let path = format!("{SERVICE}?wait=enforced");
        let body = json!({ "spec": service });
        cluster.change(self.at, "PUT", &path, Some(&body)).map(drop)
    }
}

/// A host certificate for a public key, from an authority of the run's own.
fn certificate(folder: &Path, name: &str, public: &str) -> Result<String, String> {
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let shown = |path: &Path| path.display().to_string();
    let authority = folder.join("host-authority");
    if !authority.exists() {
        run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &shown(&authority)])?;
    }
    let file: PathBuf = folder.join(format!("{name}.pub"));
    std::fs::write(&file, format!("{public}\n")).map_err(|error| told(&file, error))?;
    let (authority, file) = (shown(&authority), shown(&file));
    run(&[
        "ssh-keygen",
        "-q",
        "-s",
        &authority,
        "-I",
        name,
        "-h",
        "-n",
        "argosy",
        &file,
    ])?;
    let made = folder.join(format!("{name}-cert.pub"));
    let line = std::fs::read_to_string(&made).map_err(|error| told(&made, error))?;
    Ok(line.trim().to_owned())
}
