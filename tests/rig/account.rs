//! Accounts for tests: each with a password, a key and a home of its own.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::Cluster;
use super::process;

/// An account and all that proves it.
#[derive(Clone)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// The file of its private key, in OpenSSH's form.
    pub key: PathBuf,
    /// What the cluster was told.
    pub spec: Value,
    /// Its home on the storage.
    pub home: PathBuf,
}

/// Two key pairs for all tests of this process: making one takes a while.
static KEYS: LazyLock<(tempfile::TempDir, [PathBuf; 2])> = LazyLock::new(|| {
    let folder = super::folder();
    let keys = ["first", "second"].map(|name| {
        let key = folder.path().join(name);
        let mut command = process::command("ssh-keygen");
        command
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&key);
        process::run(command, b"").ok();
        key
    });
    (folder, keys)
});

/// The private key's file of one of two key pairs (0 or 1).
pub fn key(number: usize) -> &'static Path {
    &KEYS.1[number]
}

/// The line of its public half.
pub fn public(key: &Path) -> String {
    let file = key.with_extension("pub");
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Account {
    /// A new name with what would let it in; the cluster does not know it yet.
    pub fn new(cluster: &Cluster) -> Self {
        let name = format!("acct-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let password = format!("pw of {name} \u{e9}");
        let spec = json!({
            "enabled": true,
            "password": password,
            "keys": [{"key": public(key(0))}],
            "home": {"storage": "files", "folder": format!("/{name}")},
        });
        Self {
            home: cluster.path("files").join(&name),
            key: key(0).to_owned(),
            name,
            password,
            spec,
        }
    }

    /// A new account, known and enforced on every node.
    pub fn create(cluster: &Cluster) -> Self {
        let account = Self::new(cluster);
        account.tell(cluster, 0);
        account
    }

    /// Where the API has it.
    pub fn path(&self) -> String {
        format!("/api/v1/account/{}", self.name)
    }

    /// Tells node `at` what the account is to be, and waits until every node enforces it.
    #[track_caller]
    pub fn tell(&self, cluster: &Cluster, at: usize) -> super::Answer {
        let path = format!("{}?wait=enforced&timeout=10s", self.path());
        cluster.api(at).put(&path, &self.spec).enforced()
    }

    /// Changes fields of the account through node `at`, and waits until every node enforces it. The password stays
    /// unless it is among them.
    #[track_caller]
    pub fn change(&mut self, cluster: &Cluster, at: usize, fields: Value) -> super::Answer {
        self.merge(fields);
        self.tell(cluster, at)
    }

    /// Changes fields of the account through node `at`, without waiting for anything but the commit.
    #[track_caller]
    pub fn commit(&mut self, cluster: &Cluster, at: usize, fields: Value) -> super::Answer {
        self.merge(fields);
        cluster.api(at).put(&self.path(), &self.spec).ok()
    }

    fn merge(&mut self, fields: Value) {
        let spec = self.spec.as_object_mut().unwrap();
        spec.remove("password");
        for (name, value) in fields.as_object().unwrap() {
            spec.insert(name.clone(), value.clone());
        }
    }

    /// Writes a file into its home, past the product, and gives its path there.
    pub fn plant(&self, name: &str, content: &[u8]) -> PathBuf {
        std::fs::create_dir_all(&self.home).unwrap();
        let path = self.home.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a file next to the storages, as a client's own, and gives its path.
    pub fn plant_outside(&self, cluster: &Cluster, name: &str, content: &[u8]) -> PathBuf {
        let path = cluster.path(&format!("{}-{name}", self.name));
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Sessions of this account that node `at` knows of, on all nodes.
    pub fn sessions(&self, cluster: &Cluster, at: usize) -> Vec<Value> {
        let list = cluster.api(at).get("/api/v1/session").ok().json();
        let mut accounts = Vec::new();
        sessions_in(&list, &mut accounts);
        accounts
            .into_iter()
            .filter(|session| session["account"] == self.name.as_str())
            .collect()
    }
}

fn sessions_in(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) if fields.contains_key("account") && fields.contains_key("id") => {
            found.push(value.clone());
        }
        Value::Object(fields) => fields.values().for_each(|field| sessions_in(field, found)),
        Value::Array(items) => items.iter().for_each(|item| sessions_in(item, found)),
        _ => {}
    }
}

/// Bytes that do not compress and do not repeat, the same for the same `seed`.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
