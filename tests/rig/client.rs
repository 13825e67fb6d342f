//! Real clients: OpenSSH's `sftp`, `scp`, `ssh`, `sshfs`, and Python scripts over paramiko and asyncssh.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{self, Done};
use super::stream::Talk;
use super::{Account, Cluster, address, cluster, limits};

/// How one account reaches one node, from a client address of its own.
#[derive(Clone)]
pub struct Login {
    /// Who.
    pub account: Account,
    /// Where.
    pub server: SocketAddr,
    /// From where.
    pub from: Ipv4Addr,
    /// Prove it by the key, or else by the password.
    pub by_key: bool,
}

impl Login {
    /// By key, to node `at`.
    pub fn new(cluster: &Cluster, account: &Account, at: usize) -> Self {
        Self {
            account: account.clone(),
            server: cluster.nodes[at].at(cluster::SFTP_PORT),
            from: address::of_client(),
            by_key: true,
        }
    }

    /// The same, by password.
    pub fn by_password(self) -> Self {
        Self { by_key: false, ..self }
    }

    /// OpenSSH's `program` with all options that say how to come in; the caller adds the target.
    pub fn openssh(&self, program: &str) -> Command {
        let mut command = if self.by_key {
            process::command(program)
        } else {
            let mut command = process::command("sshpass");
            command.env("SSHPASS", &self.account.password).args(["-e", program]);
            command
        };
        command.args(self.arguments(program));
        command
    }

    /// OpenSSH's `sftp` with options that win over those of [`openssh`](Self::openssh), and the target; with a password
    /// to type, by `sshpass`.
    pub fn sftp_with(&self, options: &[&str], password: Option<&str>) -> Command {
        let mut command = match password {
            Some(password) => {
                let mut command = process::command("sshpass");
                command.env("SSHPASS", password).args(["-e", "sftp", "-q"]);
                command
            }
            None => process::command("sftp"),
        };
        for option in options {
            command.arg("-o").arg(option);
        }
        command.args(self.arguments("sftp"));
        if password.is_none() {
            command.args(["-b", "-"]);
        }
        command.arg(self.target());
        command
    }

    /// The arguments that say how to come in.
    pub fn arguments(&self, program: &str) -> Vec<String> {
        let port = if program == "ssh" || program == "sshfs" {
            "-p"
        } else {
            "-P"
        };
        let port = [port.to_owned(), self.server.port().to_string()];
        let options = self.options().into_iter().flat_map(|option| ["-o".to_owned(), option]);
        ["-F".to_owned(), "none".to_owned()]
            .into_iter()
            .chain(port)
            .chain(options)
            .collect()
    }

    /// The options of [`openssh`](Self::openssh), each for one `-o`.
    pub fn options(&self) -> Vec<String> {
        let mut options = vec![
            "StrictHostKeyChecking=no".to_owned(),
            "UserKnownHostsFile=/dev/null".to_owned(),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "LogLevel=ERROR".to_owned(),
            "ConnectTimeout=20".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "NumberOfPasswordPrompts=1".to_owned(),
            format!("BindAddress={}", self.from),
        ];
        if self.by_key {
            options.push(format!("IdentityFile={}", self.account.key.display()));
            options.push("PreferredAuthentications=publickey".to_owned());
            options.push("BatchMode=yes".to_owned());
        } else {
            options.push("PubkeyAuthentication=no".to_owned());
            options.push("PreferredAuthentications=password".to_owned());
        }
        options
    }

    /// `account@host`.
    pub fn target(&self) -> String {
        format!("{}@{}", self.account.name, self.server.ip())
    }

    /// Runs `sftp` with these commands; the first that fails ends it.
    #[track_caller]
    pub fn sftp(&self, commands: &str) -> Done {
        self.sftp_for(commands, limits::CLIENT)
    }

    /// The same, for at most `limit`.
    #[track_caller]
    pub fn sftp_for(&self, commands: &str, limit: Duration) -> Done {
        let mut command = self.openssh("sftp");
        if self.by_key {
            command.args(["-b", "-"]);
        } else {
            // `-b` switches password prompts off; without it, commands still come from the standard input.
            command.arg("-q");
        }
        command.arg(self.target());
        process::run_for(command, format!("{commands}\n").as_bytes(), limit)
    }

    /// Whether a login works at this moment.
    pub fn works(&self) -> bool {
        self.python("login.py", json!({})).status.success()
    }

    fn described(&self, mut extra: Value) -> String {
        extra["host"] = json!(self.server.ip());
        extra["port"] = json!(self.server.port());
        extra["from"] = json!(self.from);
        extra["account"] = json!(self.account.name);
        let password = (!self.by_key).then_some(&self.account.password);
        let key = self.by_key.then_some(&self.account.key);
        // A test that proves several things says so itself.
        for (proof, value) in [("password", json!(password)), ("key", json!(key))] {
            if extra[proof].is_null() {
                extra[proof] = value;
            }
        }
        extra.to_string()
    }

    /// Runs one of `tests/clients/` to its end.
    #[track_caller]
    pub fn python(&self, script: &str, extra: Value) -> Done {
        self.python_for(script, extra, limits::CLIENT)
    }

    /// Runs one of `tests/clients/` to its end, for at most `limit`.
    #[track_caller]
    pub fn python_for(&self, script: &str, extra: Value, limit: Duration) -> Done {
        process::run_for(python(script, &self.described(extra)), b"", limit)
    }

    /// Starts one of `tests/clients/` in the background.
    pub fn talk(&self, script: &str, extra: Value) -> Talk {
        Talk::start(python(script, &self.described(extra)))
    }
}

/// One of `tests/clients/`, with its arguments as JSON.
pub fn python(script: &str, arguments: &str) -> Command {
    let python = match std::env::var_os("ARGOSY_TEST_PYTHON") {
        Some(python) => python.into(),
        None => super::target().join("test-venv/bin/python"),
    };
    assert!(
        python.exists(),
        "{} is missing: run `tests/run` once, which makes it",
        python.display()
    );
    let mut command = process::command(python);
    command
        .arg("-B")
        .arg(super::repository().join("tests/clients").join(script))
        .arg(arguments);
    command
}
