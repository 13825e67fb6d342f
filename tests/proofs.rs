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
            let preferred = format!("PreferredAuthentications={preferred}");
            let command = login.sftp_with(&["BatchMode=no", &preferred], Some(&account.password));
            process::run(command, b"pwd\n").ok();
        }
        let extra = json!({"once": true, "password": account.password, "both": true});
        login.python("idle_asyncssh.py", extra).ok();
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
        let command = service.login(account, 1).sftp_with(options, None);
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
fn a_security_key_lets_in_and_a_signature_for_something_else_does_not() {
    let shared = shared();
    for kind in ["ed25519", "ecdsa"] {
        let mut account = Account::create(&shared);
        let login = Login::new(&shared, &account, 0);
        let shown = login
            .python("security_key.py", json!({"kind": kind, "show": true}))
            .ok();
        account.change(&shared, 0, json!({"keys": [shown.out.trim()]}));
        for (flags, application, expected) in [(1, "ssh:", "in"), (5, "ssh:", "in"), (1, "ssh:other", "refused")] {
            let extra = json!({"kind": kind, "flags": flags, "application": application, "expect": expected});
            login.python("security_key.py", extra).ok();
        }
    }
}

/// OpenSSH's sftp on a terminal that answers its questions.
#[track_caller]
fn on_a_terminal(login: &Login, options: &[&str], steps: Value, secrets: &[&str]) -> process::Done {
    let words = ["sftp", "-o", "NumberOfPasswordPrompts=2", "-o", "LogLevel=INFO"];
    let mut command: Vec<String> = words.map(str::to_owned).to_vec();
    for option in options {
        command.extend(["-o".to_owned(), (*option).to_owned()]);
    }
    command.extend(login.clone().by_password().arguments("sftp"));
    command.push(login.target());
    login.python(
        "terminal.py",
        json!({"command": command, "steps": steps, "secrets": secrets}),
    )
}

#[test]
fn a_password_that_must_be_changed_is_changed_on_the_users_terminal_before_anything_else() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.change(&shared, 0, json!({"password_must_change": true}));
    let login = Login::new(&shared, &account, 1);
    let (old, new) = (account.password.clone(), "a Sea-worthy 7 ships phrase".to_owned());
    login.clone().by_password().sftp("pwd").refused();
    login
        .clone()
        .by_password()
        .python("interactive.py", json!({"wrong": true}))
        .ok();
    let steps = json!([
        ["Password: ", old],
        ["A new password is needed", null],
        ["New password: ", "aa"],
        ["The same again: ", "aa"],
        ["Nothing was changed", null],
        ["New password: ", new],
        ["The same again: ", "something else"],
        ["The two differ", null],
        ["New password: ", new],
        ["The same again: ", new],
        ["sftp> ", "pwd"],
        ["Remote working directory: /", "bye"],
    ]);
    let methods = "PreferredAuthentications=keyboard-interactive";
    on_a_terminal(&login, &[methods], steps, &[&old, &new]).ok();
    for at in 0..shared.nodes.len() {
        let login = Login::new(&shared, &account, at).by_password();
        login.sftp("pwd").refused();
        let mut account = account.clone();
        account.password = new.clone();
        Login::new(&shared, &account, at).by_password().sftp("pwd").ok();
    }
}

#[test]
fn a_password_alone_that_must_be_changed_is_not_changed_where_a_key_must_be_proven_too() {
    let shared = shared();
    let fields = json!({"password_must_change": true, "proofs": "password+key"});
    let [mut alice, mut bob] = [(), ()].map(|()| Account::create(&shared));
    alice.change(&shared, 0, fields.clone());
    bob.change(&shared, 0, fields);
    let login = Login::new(&shared, &alice, 0);
    // Whichever way the password comes, nothing is asked but the key.
    let alone = json!({"by": "interactive", "expect": "refused", "left": ["publickey"], "asked": ["Password: "]});
    let by_key = json!({"by": "key", "expect": ["password", "keyboard-interactive"]});
    let by_bobs_key = json!({"by": "key", "user": bob.name, "expect": ["password", "keyboard-interactive"]});
    steps(
        &login,
        json!([{"by": "password", "expect": "refused", "left": ["publickey"]}, alone]),
    );
    steps(&login, json!([by_bobs_key, alone]));
    // Going to another name and back forgets the key.
    steps(&login, json!([by_key, by_bobs_key, alone]));
    let old_thrice = [&["Password: "][..], &["New password: ", "The same again: "].repeat(3)].concat();
    steps(
        &login,
        json!([
            by_key,
            {"by": "password", "expect": "refused", "left": ["keyboard-interactive"]},
            // Asked for a new one, as it ought to be; the old one again breaks the rules.
            {"by": "interactive", "expect": "refused", "asked": old_thrice},
        ]),
    );
    let spec = shared.api(1).get(&alice.path()).ok().json();
    assert_eq!(spec["spec"]["password_must_change"], true, "{spec}");
}

#[test]
fn a_password_that_must_be_changed_is_changed_after_the_key_and_lets_in() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.change(
        &shared,
        0,
        json!({"password_must_change": true, "proofs": "password+key"}),
    );
    let login = Login::new(&shared, &account, 2);
    let (old, new) = (account.password.clone(), "another Sea-worthy 7 ships phrase".to_owned());
    // Asked first, the password leads to the key alone; after the key it is asked for again.
    let questions = json!([
        ["Password: ", old],
        ["Password: ", old],
        ["A new password is needed", null],
        ["New password: ", new],
        ["The same again: ", new],
        ["sftp> ", "pwd"],
        ["Remote working directory: /", "bye"],
    ]);
    let identity = format!("IdentityFile={}", account.key.display());
    let methods = "PreferredAuthentications=keyboard-interactive,password,publickey";
    let first = ["PubkeyAuthentication=yes", &identity, methods];
    on_a_terminal(&login, &first, questions, &[&old, &new]).ok();
    account.password = new;
    let login = Login::new(&shared, &account, 0);
    steps(
        &login,
        json!([{"by": "password", "expect": ["publickey"]}, {"by": "key", "expect": "in"}]),
    );
}
