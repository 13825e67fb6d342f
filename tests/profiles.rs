//! Profiles, pinned authorities and completion, as somebody on another machine uses them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::rig::cluster::{ADMIN_PORT, argosy};
use crate::rig::process::{self, Done};
use crate::rig::{Account, Cluster, shared};

/// A home folder of its own, with what argosy keeps there.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = argosy();
        command.args(words).env("HOME", self.folder.path());
        for name in ["ARGOSY_TOKEN", "ARGOSY_DATA", "ARGOSY_PROFILE", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command
    }

    #[track_caller]
    fn run(&self, words: &[&str], input: &str) -> Done {
        process::run(self.command(words), input.as_bytes())
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.folder.path().join(".config/argosy").join(name)
    }
}

fn url(cluster: &Cluster, at: usize) -> String {
    format!("https://{}", cluster.nodes[at].at(ADMIN_PORT))
}

fn ca(cluster: &Cluster) -> String {
    cluster.nodes[0].data.join("cluster/ca.crt").display().to_string()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[track_caller]
fn code(done: &Done, expected: i32) {
    assert_eq!(
        done.status.code(),
        Some(expected),
        "`{}` said {}",
        done.line,
        done.said()
    );
}

#[test]
fn a_profile_asks_the_next_server_when_one_is_down_and_keeps_its_token_for_its_user_alone() {
    let (shared, home) = (shared(), Home::new());
    let account = Account::new(&shared);
    let (first, second, ca) = (url(&shared, 0), url(&shared, 1), ca(&shared));
    // Nobody listens on port 1.
    let down = format!("https://{}:1", shared.nodes[2].address);
    let add = [
        "profile", "add", "prod", "--server", &down, "--server", &first, "--server", &second, "--ca", &ca,
    ];
    let done = home
        .run(
            &[&add[..], &["--token-stdin", "--use"]].concat(),
            &format!("{}\n", shared.token),
        )
        .ok();
    assert!(done.err.contains("warning"), "{}", done.err);
    for name in ["profiles.toml", "prod.token", "prod.ca.crt"] {
        assert_eq!(mode(&home.kept(name)), 0o600, "{name}");
    }
    let kept = std::fs::read_to_string(home.kept("profiles.toml")).unwrap();
    assert!(!kept.contains(&shared.token), "{kept}");
    let name = account.name.as_str();
    home.run(&["account", "create", name, "--wait"], "").ok();
    home.run(&["account", "show", name, "--profile", "prod"], "").ok();
    let listed = home.run(&["profile", "list", "--output", "json"], "").ok().out;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["in_use"], true);
    assert_eq!(listed[0]["servers"].as_array().unwrap().len(), 3);
    code(&home.run(&add, ""), 3);
    code(&home.run(&["account", "show", name, "--profile", "nobody"], ""), 2);
    std::fs::set_permissions(home.kept("prod.token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = home.run(&["account", "list"], "").refused();
    assert!(refused.err.contains("chmod 600"), "{}", refused.err);
    home.run(&["profile", "remove", "prod"], "").ok();
    assert!(!home.kept("prod.token").exists());
    home.run(&["account", "list"], "").refused();
}

#[test]
fn an_authority_is_pinned_by_its_fingerprint_and_on_first_use_only_when_asked() {
    let (shared, home) = (shared(), Home::new());
    let (server, token) = (url(&shared, 0), format!("{}\n", shared.token));
    let openssl = |file: &Path| {
        let mut command = process::command("openssl");
        command
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(file);
        let out = process::run(command, b"").ok().out;
        format!("sha256:{}", out.trim().rsplit('=').next().unwrap())
    };
    let pin = openssl(&shared.nodes[0].data.join("cluster/ca.crt"));
    let (server, pin) = (server.as_str(), pin.as_str());
    let add = |name: &'static str| ["profile", "add", name, "--server", server, "--token-stdin"];
    code(&home.run(&add("unpinned"), &token), 2);
    home.run(&[&add("by-print")[..], &["--ca", pin]].concat(), &token).ok();
    let other = format!("sha256:{}", "ab".repeat(32));
    let stranger = home
        .run(&[&add("stranger")[..], &["--ca", other.as_str()]].concat(), &token)
        .refused();
    code(&stranger, 5);
    assert!(stranger.err.contains("certificate"), "{}", stranger.err);
    let first = home
        .run(&[&add("first")[..], &["--trust-first-use"]].concat(), &token)
        .ok();
    assert!(first.err.contains("sha256:"), "{}", first.err);
    for profile in ["by-print", "first"] {
        home.run(&["status", "--profile", profile], "").ok();
    }
    // The same pin serves for every node of the cluster: it is the authority's.
    let mut elsewhere = home.command(&["status", "--server", &url(&shared, 1), "--ca", pin]);
    elsewhere.env("ARGOSY_TOKEN", &shared.token);
    process::run(elsewhere, b"").ok();
    // A wrong token is noticed before anything is kept.
    let wrong = home.run(&[&add("wrong")[..], &["--ca", pin]].concat(), "argosy_wrong\n");
    code(&wrong, 1);
    assert!(!home.kept("wrong.token").exists());
    let by_command = [
        "profile",
        "add",
        "x",
        "--server",
        server,
        "--ca",
        pin,
        "--token-command",
        "cat secret",
    ];
    let mut by_command = home.command(&by_command);
    std::fs::write(home.folder.path().join("secret"), &token).unwrap();
    by_command.current_dir(home.folder.path());
    process::run(by_command, b"").ok();
    assert!(!home.kept("x.token").exists());
}

#[test]
fn exit_codes_tell_what_a_script_must_know() {
    let (shared, home) = (shared(), Home::new());
    let account = Account::new(&shared);
    let name = account.name.as_str();
    let run = |words: &[&str]| shared.cli(0, words, b"");
    code(&run(&["account", "create", name]), 0);
    code(&run(&["account", "create", name]), 3);
    code(&run(&["account", "disable", name, "--if-revision", "1"]), 3);
    code(&run(&["storage", "delete", "files"]), 3);
    code(&run(&["account", "show", "nobody-of-this-name"]), 1);
    code(&run(&["account", "create", "a/b"]), 2);
    code(&home.run(&["status", "--data", "/nonexistent"], ""), 5);
    // A repetition by the same id is the same change: made once, answered twice.
    let id = format!("{:032x}", std::process::id());
    let again = ["account", "delete", name, "--request-id", &id, "--output", "json"];
    let answers = [run(&again).ok(), run(&again).ok()];
    let revisions = answers.map(|done| serde_json::from_str::<Value>(&done.out).unwrap()["revision"].clone());
    assert_eq!(revisions[0], revisions[1]);
    code(&run(&["account", "delete", name]), 1);
}

#[test]
fn shells_complete_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completion", shell], "").ok().out;
        assert!(script.contains("host-key"), "{shell}");
    }
    let file = home.folder.path().join("argosy.bash");
    std::fs::write(&file, home.run(&["completion", "bash"], "").ok().out).unwrap();
    let mut bash = process::command("bash");
    let ask = "COMP_WORDS=(argosy acc); COMP_CWORD=1; _argosy argosy acc argosy; echo ${COMPREPLY[@]}";
    bash.args(["--norc", "-c"])
        .arg(format!("source {}; {ask}", file.display()));
    assert_eq!(process::run(bash, b"").ok().out.trim(), "account");
    code(&home.run(&["completion", "tcsh"], ""), 2);
}
