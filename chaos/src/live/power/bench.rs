//! The machines of a run with a cluster on them, made as an administrator makes it, and the load's way in.
//!
//! What is done to them is left to `run`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::guest::{self, Image};
use super::limits::{BOOT_MAX, FORGETS, LOOK_MAX};
use super::machine::{Machine, Make, Place};
use super::run::{Asked, Planted};
use crate::live::api::Api;
use crate::live::cluster::{ACCOUNT, make_key};
use crate::live::files::Files;
use crate::live::limits::ADMIN_PORT;
use crate::live::spaces::Spaces;

/// Some machines, each with a node and a storage of its own.
pub struct Bench {
    /// All machines.
    pub machines: Vec<Machine>,
    /// The admin API of each.
    pub apis: Vec<Api>,
    /// The files of each: no two share a storage.
    pub files: Vec<Files>,
    token: String,
    // Behind the machines: their links end first.
    spaces: Spaces,
}

impl Bench {
    /// Makes them, and waits until all are ready.
    ///
    /// # Errors
    /// The step that failed.
    pub fn start(asked: &Asked) -> Result<Self, String> {
        let image = guest::image(&asked.program, asked.kernel.as_deref(), &asked.folder)?;
        let mut bench = Self {
            machines: Vec::new(),
            apis: Vec::new(),
            files: Vec::new(),
            token: String::new(),
            spaces: Spaces::new()?,
        };
        let key = asked.folder.join("key");
        make_key(&key)?;
        for at in 0..asked.nodes {
            bench.add(at, asked, &image)?;
        }
        bench.wait_voters()?;
        let durability = match asked.planted {
            Some(Planted::RelaxedStorage) => "relaxed",
            _ => "strict",
        };
        let storage = json!({"root": "/disk/files", "reserve_bytes": 0, "durability": durability});
        bench.put("/api/v1/storage/files", &storage)?;
        let account = json!({
            "enabled": true,
            "keys": [{"key": public_key(&key)?}],
            "home": {"storage": "files", "folder": format!("/{ACCOUNT}")},
        });
        bench.put(&format!("/api/v1/account/{ACCOUNT}?wait=enforced"), &account)?;
        for machine in &bench.machines {
            let files = Files::new(vec![machine.address], asked.folder.clone(), key.clone());
            bench.files.push(files);
        }
        Ok(bench)
    }

    fn add(&mut self, at: usize, asked: &Asked, image: &Image) -> Result<(), String> {
        let make = match at {
            0 => Make::Init,
            _ => Make::Join(self.join_token()?),
        };
        let forgets = (asked.planted == Some(Planted::ForgetfulDisk)).then_some(FORGETS);
        let place = Place {
            name: &format!("n{}", at + 1),
            address: self.spaces.address(at),
            bridge: self.spaces.bridge(),
            folder: &asked.folder,
            accelerator: &asked.accelerator,
        };
        let mut machine = Machine::new(&place, image, forgets)?;
        machine.power_on(&make, false)?;
        self.machines.push(machine);
        self.eventually(at, "makes its node", |bench| {
            let said = bench.machines[at].said();
            said.contains("GUEST made")
                .then_some(())
                .ok_or_else(|| last_lines(&said))
        })?;
        let said = self.machines[at].said();
        if at == 0 {
            let token = said.lines().find_map(|line| line.trim().strip_prefix("token: "));
            self.token = token.ok_or("`argosy init` printed no token")?.trim().to_owned();
            let authority = authority(&said).ok_or("the first machine told no authority")?;
            let file = asked.folder.join("ca.crt");
            std::fs::write(&file, authority).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        let address = SocketAddr::from((self.machines[at].address, ADMIN_PORT));
        let api = Api::new(address, &asked.folder.join("ca.crt"), &self.token)?;
        self.apis.push(api);
        self.wait_ready(at).map(drop)
    }

    /// Waits until node `at` says that it is ready; answers how long that took.
    ///
    /// # Errors
    /// It does not, in time.
    pub fn wait_ready(&mut self, at: usize) -> Result<Duration, String> {
        self.eventually(at, "is ready", |bench| {
            bench.apis[at].get("/health/ready", LOOK_MAX).map(drop)
        })
    }

    fn wait_voters(&mut self) -> Result<(), String> {
        let count = self.machines.len();
        let waited = self.eventually(0, "has all voters", |bench| {
            let status = bench.apis[0].get("/api/v1/status", LOOK_MAX)?.to_string();
            let voters = status.matches("\"voter\":true").count();
            (voters == count).then_some(()).ok_or(status)
        });
        waited.map(drop)
    }

    fn eventually(
        &mut self,
        at: usize,
        what: &str,
        mut done: impl FnMut(&Self) -> Result<(), String>,
    ) -> Result<Duration, String> {
        let begun = Instant::now();
        loop {
            let error = match done(self) {
                Ok(()) => return Ok(begun.elapsed()),
                Err(error) => error,
            };
            let machine = &mut self.machines[at];
            let said = machine.said();
            let dead = machine.has_ended() || gave_up(&said);
            if dead || begun.elapsed() > BOOT_MAX {
                let tail = last_lines(&said);
                return Err(format!("{} {what}: not so: {error}; it said:\n{tail}", machine.name));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn join_token(&self) -> Result<String, String> {
        let asked = self.apis[0].ask("POST", "/api/v1/join-token", &[], None, LOOK_MAX);
        let answer = asked.map_err(|error| error.to_string())?;
        let token = answer.body["token"].as_str();
        token
            .map(str::to_owned)
            .ok_or(format!("no join token: {}", answer.body))
    }

    fn put(&self, path: &str, spec: &Value) -> Result<(), String> {
        let body = json!({ "spec": spec });
        let asked = self.apis[0].ask("PUT", path, &[], Some(&body), LOOK_MAX);
        let answer = asked.map_err(|error| error.to_string())?;
        match answer.status {
            200..300 => Ok(()),
            status => Err(format!("PUT {path}: {status} {}", answer.body)),
        }
    }
}

/// What was said since the power came on last.
pub fn since_power_on(said: &str) -> &str {
    said.rfind("GUEST up").map_or("", |at| &said[at..])
}

/// Whether nothing more is to be waited for.
fn gave_up(said: &str) -> bool {
    let now = since_power_on(said);
    now.contains("GUEST cannot mount") || now.contains("GUEST node ended")
}

fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// The certificate between the words of the guest's script.
fn authority(said: &str) -> Option<String> {
    let (_, behind) = said.split_once("GUEST authority")?;
    let (between, _) = behind.split_once("GUEST made")?;
    Some(between.replace('\r', "").trim().to_owned() + "\n")
}

fn public_key(key: &Path) -> Result<String, String> {
    let file: PathBuf = key.with_extension("pub");
    let read = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(read.trim().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_found_in_what_a_serial_line_makes_of_it() {
        let said = "token: x\r\nGUEST authority\r\n-----BEGIN\r\nabc\r\n-----END\r\nGUEST made\r\n";
        assert_eq!(authority(said).unwrap(), "-----BEGIN\nabc\n-----END\n");
        assert_eq!(authority("GUEST made"), None);
    }

    #[test]
    fn only_what_was_said_since_the_last_start_is_held_against_a_machine() {
        assert!(gave_up("GUEST up after 5 s\nGUEST node ended with 1"));
        assert!(!gave_up(
            "GUEST up after 5 s\nGUEST node ended with 1\nGUEST up after 5 s\n"
        ));
    }
}
