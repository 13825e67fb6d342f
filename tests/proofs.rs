//! What an account must prove: one proof, a certain one, or two in either order on one connection.

use serde_json::{Value, json};

use crate::rig::account::{key, public};
use crate::rig::service::keygen;
use crate::rig::{Account, Cluster, Login, Service, limits, process, shared};

fn asking_for(cluster: &Cluster, proofs: &str) -> Account {
    let mut account = Account::create(cluster);
    account.change(cluster, 0, json!({"proofs": proofs}));
    account
}

/// Proves step by step; the password goes along even where the login is by key.
#[track_caller]
fn steps(login: &Login, steps: Value) {
    let extra = json!({"steps": steps, "password": login.account.password});
    login.python("proofs.py", extra).ok();
}

#[test]
fn an_account_that_asks_for_one_proof_takes_no_other() {
    let shared = shared();
    for (proofs, by_key, by_password) in [("any", true, true), ("password", false, true), ("key", true, false)] {
        let account = asking_for(&shared, proofs);
        for at in 0..shared.nodes.len() {
            let login = Login::new(&shared, &account, at);
            assert_eq!(login.works(), by_key, "{proofs}: a key");
            let says = |works: bool| if works { "in" } else { "refused" };
            steps(&login, json!([{"by": "password", "expect": says(by_password)}]));
            steps(&login, json!([{"by": "interactive", "expect": says(by_password)}]));
        }
    }
}

#[test]
fn a_password_and_a_key_are_taken_in_either_order_and_neither_is_enough_alone() {
    let shared = shared();
    let account = asking_for(&shared, "password+key");
    let passwords = json!(["password", "keyboard-interactive"]);
    for at in 0..shared.nodes.len() {
        let login = Login::new(&shared, &account, at);
        for (first, left, second) in [
            ("key", &passwords, "password"),
            ("key", &passwords, "interactive"),
            ("password", &json!(["publickey"]), "key"),
            ("interactive", &json!(["publickey"]), "key"),
        ] {
            steps(
                &login,
                json!([{"by": first, "expect": left}, {"by": second, "expect": "in"}]),
            );
        }
    }
    let login = Login::new(&shared, &account, 0);
    steps(
        &login,
        json!([
            {"by": "key", "expect": passwords},
            {"by": "key", "expect": "refused"},
            {"by": "password", "wrong": true, "expect": "refused"},
            {"by": "password", "expect": "in"},
        ]),
    );
    steps(
        &login,
        json!([
            {"by": "password", "expect": ["publickey"]},
            {"by": "interactive", "expect": "refused"},
            {"by": "key", "expect": "in"},
        ]),
    );
}

#[test]
fn half_a_proof_of_one_account_is_nothing_for_another() {
    let shared = shared();
    let (alice, bob) = (asking_for(&shared, "password+key"), asking_for(&shared, "password+key"));
    // Both have the same key: what counts is whose proof it was.
    let login = Login::new(&shared, &alice, 1);
    steps(
        &login,
        json!([
            {"by": "key", "user": bob.name, "expect": ["password", "keyboard-interactive"]},
            {"by": "password", "expect": ["publickey"]},
            {"by": "key", "user": bob.name, "expect": ["password", "keyboard-interactive"]},
            {"by": "key", "expect": ["password", "keyboard-interactive"]},
            {"by": "password", "expect": "in"},
        ]),
    );
}

#[test]
fn what_was_proven_first_is_judged_again_at_the_end_and_goes_on_being_judged() {
    let shared = shared();
    let mut account = asking_for(&shared, "password+key");
    let login = Login::new(&shared, &account, 2);
    let half = |login: &Login| {
        let extra = json!({"password": login.account.password, "key": login.account.key});
        let mut talk = login.talk("half_proof.py", extra);
        talk.expect("half");
        talk
    };
    let mut talk = half(&login);
    account.change(&shared, 0, json!({"keys": [public(key(1))]}));
    talk.say("go");
    assert_eq!(talk.expect("ended")["in_"], false, "the key was taken away in between");
    account.change(&shared, 0, json!({"keys": [public(key(0))]}));
    let mut talk = half(&login);
    talk.say("go");
    talk.expect("in");
    let sessions = account.sessions(&shared, 0);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let credential = sessions[0]["credential"].as_str().unwrap();
    assert!(
        credential.contains("password") && credential.contains("SHA256:"),
        "{credential}"
    );
    account.change(&shared, 1, json!({"keys": [public(key(1))]}));
    talk.within("ended", limits::ENFORCED);
}

#[test]
fn a_session_ends_when_more_must_be_proven_than_it_has() {
    let shared = shared();
    let mut account = Account::create(&shared);
    let mut idle = Login::new(&shared, &account, 0).talk("idle.py", json!({}));
    idle.expect("started");
    account.change(&shared, 1, json!({"proofs": "password+key"}));
    idle.within("ended", limits::ENFORCED);
}

#[test]
fn openssh_and_asyncssh_prove_both_by_themselves() {
    let shared = shared();
    let account = asking_for(&shared, "password+key");
    for at in 0..shared.nodes.len() {
        let login = Login::new(&shared, &account, at);
        for preferred in ["publickey,password", "publickey,keyboard-interactive"] {
            let mut command = process::command("sshpass");
            command.env("SSHPASS", &account.password).args(["-e", "sftp", "-q"]);
            command.args(["-o", "BatchMode=no", "-o"]);
            command.arg(format!("PreferredAuthentications={preferred}"));
            command.args(login.openssh("sftp").get_args()).arg(login.target());
            process::run(command, b"pwd\n").ok();
        }
        let extra = json!({"folder": format!("both-{at}"), "password": account.password, "both": true});
        login.python("conform_asyncssh.py", extra).ok();
    }
}

#[test]
fn users_keys_of_every_kind_let_in_and_weak_ones_do_not() {
    let shared = shared();
    let mut service = Service::create(&shared, &json!({}));
    let made = |kind: &[&str], name: &str| {
        let file = shared.path(&format!("user-key-{name}"));
        keygen(&[kind, &["-N", "", "-f", file.to_str().unwrap()]].concat());
        file
    };
    let with = |file: &std::path::Path| {
        let mut account = Account::new(&shared);
        account.key = file.to_owned();
        account.spec["keys"] = json!([public(file)]);
        account
    };
    let comes_in = |service: &Service<'_>, account: &Account, options: &[&str]| {
        let mut command = service.login(account, 1).openssh("sftp");
        for option in options {
            command.arg("-o").arg(option);
        }
        command.args(["-b", "-"]).arg(service.login(account, 1).target());
        process::run(command, b"pwd\n").status.success()
    };
    for (kind, name) in [
        (&["-t", "rsa", "-b", "2048"][..], "rsa-2048"),
        (&["-t", "rsa", "-b", "4096"], "rsa-4096"),
        (&["-t", "ecdsa", "-b", "256"], "p256"),
        (&["-t", "ecdsa", "-b", "384"], "p384"),
        (&["-t", "ecdsa", "-b", "521"], "p521"),
        (&["-t", "ed25519"], "ed25519"),
    ] {
        let account = with(&made(kind, name));
        account.tell(&shared, 0);
        assert!(comes_in(&service, &account, &[]), "{name}");
        if name == "rsa-2048" {
            assert!(comes_in(&service, &account, &["PubkeyAcceptedAlgorithms=rsa-sha2-256"]));
            assert!(
                !comes_in(&service, &account, &["PubkeyAcceptedAlgorithms=ssh-rsa"]),
                "SHA-1"
            );
        }
    }
    let short = with(&made(&["-t", "rsa", "-b", "1024"], "rsa-1024"));
    let said = shared
        .api(0)
        .put(&short.path(), &short.spec)
        .problem(&[400, 422])
        .json();
    assert!(said.to_string().contains("1024 bits"), "{said}");
    // DSA: only where a service has the setting of that name, and only there.
    let dsa = with(&made(&["-t", "dsa"], "dsa"));
    let old = &["PubkeyAcceptedAlgorithms=ssh-dss"];
    let said = shared.api(0).put(&dsa.path(), &dsa.spec).problem(&[400, 422]).json();
    assert!(said.to_string().contains("legacy_dsa"), "{said}");
    service.change(&json!({"ssh": {"legacy_dsa": true}}));
    dsa.tell(&shared, 0);
    assert!(comes_in(&service, &dsa, old), "DSA by the legacy setting");
    let other = Service::create(&shared, &json!({}));
    assert!(!comes_in(&other, &dsa, old), "DSA on a service without the setting");
    service.change(&json!({"ssh": {}}));
    assert!(!comes_in(&service, &dsa, old), "DSA after the setting has gone");
}

#[test]
fn a_security_key_counts_only_when_it_was_touched() {
    let shared = shared();
    for kind in ["ed25519", "ecdsa"] {
        let mut account = Account::create(&shared);
        let login = Login::new(&shared, &account, 0);
        let shown = login
            .python("security_key.py", json!({"kind": kind, "show": true}))
            .ok();
        account.change(&shared, 0, json!({"keys": [shown.out.trim()]}));
        for (flags, expected) in [(1, "in"), (5, "in"), (0, "refused"), (4, "refused")] {
            let extra = json!({"kind": kind, "flags": flags, "expect": expected});
            login.python("security_key.py", extra).ok();
        }
    }
}
