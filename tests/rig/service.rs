//! Services and host keys for tests, next to the cluster's own.

use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use super::process::{self, Done};
use super::{Account, Answer, Cluster, Login, cluster};

static NEXT_PORT: AtomicU16 = AtomicU16::new(cluster::SFTP_PORT + 300);

/// The certificate of FTP services that tests share.
const CERTIFICATE: &str = "ftp-test";

/// A service that one test made; it goes with the value.
pub struct Service<'a> {
    cluster: &'a Cluster,
    /// Its name.
    pub name: String,
    /// Its port on every node.
    pub port: u16,
    spec: Value,
}

impl<'a> Service<'a> {
    /// A copy of the cluster's service on a port of its own, with these fields; enforced on every node.
    #[track_caller]
    pub fn create(cluster: &'a Cluster, fields: &Value) -> Self {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let mut spec = cluster.api(0).get("/api/v1/service/sftp").ok().json()["spec"].clone();
        spec["port"] = json!(port);
        let mut service = Self {
            cluster,
            name: format!("service-{port}"),
            port,
            spec,
        };
        service.change(fields);
        service
    }

    /// A service of another kind on a port of its own, with these fields; enforced on every node.
    #[track_caller]
    pub fn create_as(cluster: &'a Cluster, kind: &str, fields: &Value) -> Self {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let mut service = Self {
            cluster,
            name: format!("service-{port}"),
            port,
            spec: json!({"kind": kind, "port": port}),
        };
        service.change(fields);
        service
    }

    /// A service of any kind with these fields; where there is TLS, with a certificate of the catalog that tests share.
    #[track_caller]
    pub fn create_with_tls(cluster: &'a Cluster, kind: &str, fields: &Value) -> Self {
        let mut fields = fields.clone();
        if !matches!(kind, "sftp" | "ftp" | "http") {
            let path = format!("/api/v1/certificate/{CERTIFICATE}");
            if cluster.api(0).get(&path).status != 200 {
                let spec = json!({"self_signed": {"names": ["ftp.example.org"], "days": 30}});
                let path = format!("{path}?wait=enforced&timeout=10s");
                cluster.api(0).put(&path, &spec).enforced();
            }
            fields["tls"] = json!({"certificates": [CERTIFICATE]});
        }
        Self::create_as(cluster, kind, &fields)
    }

    fn path(&self) -> String {
        format!("/api/v1/service/{}?wait=enforced&timeout=10s", self.name)
    }

    /// Changes fields; enforced on every node when this returns.
    #[track_caller]
    pub fn change(&mut self, fields: &Value) -> Answer {
        self.merge(fields);
        self.cluster.api(0).put(&self.path(), &self.spec).enforced()
    }

    /// Tries to change fields, which must be refused; gives the answer's text.
    #[track_caller]
    pub fn refused(&self, fields: &Value) -> String {
        let mut spec = self.spec.clone();
        merge(&mut spec, fields);
        let answer = self.cluster.api(1).put(&self.path(), &spec).problem(&[400, 422]);
        answer.json().to_string()
    }

    fn merge(&mut self, fields: &Value) {
        merge(&mut self.spec, fields);
    }

    /// A login to it on node `at`.
    pub fn login(&self, account: &Account, at: usize) -> Login {
        let mut login = Login::new(self.cluster, account, at);
        login.server.set_port(self.port);
        login
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.cluster.api(0).delete(&self.path());
        }
    }
}

fn merge(spec: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
}

/// Makes a host key in the cluster and gives its line.
#[track_caller]
pub fn host_key(cluster: &Cluster, name: &str, algorithm: &str) -> String {
    let path = format!("/api/v1/host-key/{name}?wait=enforced&timeout=10s");
    cluster.api(0).put(&path, &json!({"algorithm": algorithm})).enforced();
    let shown = cluster.api(0).get(&format!("/api/v1/host-key/{name}")).ok().json();
    shown["spec"]["public"].as_str().unwrap().to_owned()
}

/// Runs `ssh-keygen` with these arguments.
#[track_caller]
pub fn keygen(arguments: &[&str]) -> Done {
    let mut command: Command = process::command("ssh-keygen");
    command.arg("-q").args(arguments);
    process::run(command, b"").ok()
}
