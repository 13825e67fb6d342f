//! What let a session in is taken away: the session ends, or may no longer do what it could. On every node, at once.

use serde_json::{Value, json};

use crate::rig::account::{self, noise};
use crate::rig::stream::Talk;
use crate::rig::{Account, Cluster, Login, limits, shared};

/// An account with three sessions, one a node, by key or by password; all of them work.
fn three_sessions(cluster: &Cluster, by_key: bool) -> (Account, Vec<Talk>) {
    let account = Account::create(cluster);
    account.plant("file", &noise(3, 100_000));
    let clients = [0, 1, 2].map(|at| {
        let login = Login::new(cluster, &account, at);
        let login = if by_key { login } else { login.by_password() };
        let mut client = login.talk("idle.py", json!({}));
        client.expect("started");
        client
    });
    (account, clients.into())
}

#[track_caller]
fn all_end(clients: &mut [Talk], what: &str) {
    for (at, client) in clients.iter_mut().enumerate() {
        let ended = client.within("ended", limits::ENFORCED);
        assert!(ended["ended"].is_string(), "{what} at node {at}: {ended}");
    }
}

#[track_caller]
fn all_stay(clients: &mut [Talk], what: &str) {
    for (at, client) in clients.iter_mut().enumerate() {
        client.say("get /file");
        let did = client.expect("did");
        assert!(did["error"].is_null(), "{what} at node {at}: {did}");
    }
}

#[test]
fn a_revoked_key_ends_the_sessions_that_it_let_in_on_every_node() {
    let shared = shared();
    let (mut account, mut clients) = three_sessions(&shared, true);
    let second = json!({"key": account::public(account::key(1))});
    account.change(&shared, 1, json!({"keys": [second]}));
    all_end(&mut clients, "a revoked key");
    assert!(!Login::new(&shared, &account, 0).works(), "a revoked key signs in");
    account.key = account::key(1).to_owned();
    assert!(Login::new(&shared, &account, 2).works(), "the new key does not sign in");
}

#[test]
fn a_changed_password_ends_the_sessions_that_the_old_one_let_in_on_every_node() {
    let shared = shared();
    let (mut account, mut clients) = three_sessions(&shared, false);
    let mut by_key = Login::new(&shared, &account, 0).talk("idle.py", json!({}));
    by_key.expect("started");
    account.change(&shared, 2, json!({"password": "an entirely new one"}));
    all_end(&mut clients, "an old password");
    all_stay(&mut [by_key], "a session by key after a change of the password");
    assert!(
        !Login::new(&shared, &account, 1).by_password().works(),
        "the old password signs in"
    );
    account.password = "an entirely new one".to_owned();
    for at in [0, 1, 2] {
        assert!(
            Login::new(&shared, &account, at).by_password().works(),
            "the new password is refused at node {at}"
        );
    }
    account.change(&shared, 0, json!({"password": null}));
    assert!(
        !Login::new(&shared, &account, 1).by_password().works(),
        "a removed password signs in"
    );
}

#[test]
fn a_source_network_that_is_taken_away_ends_the_sessions_from_it() {
    let shared = shared();
    let (mut account, mut clients) = three_sessions(&shared, true);
    account.change(&shared, 0, json!({"sources": ["127.0.0.0/8"]}));
    all_stay(&mut clients, "a network that still holds");
    account.change(&shared, 0, json!({"sources": ["10.1.0.0/16", "2001:db8::/32"]}));
    all_end(&mut clients, "a network that was taken away");
    assert!(
        !Login::new(&shared, &account, 1).works(),
        "an address outside of the networks signs in"
    );
    let here = Login::new(&shared, &account, 1);
    account.change(&shared, 0, json!({"sources": [format!("{}/32", here.from)]}));
    assert!(here.works());
    assert!(
        !Login::new(&shared, &account, 1).works(),
        "the neighbour of an allowed address signs in"
    );
}

#[test]
fn an_expired_account_and_an_expired_key_let_nobody_in_and_nobody_stay() {
    let shared = shared();
    let soon = |seconds: u64| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        rfc3339(now.as_secs() + seconds)
    };
    let (mut account, mut clients) = three_sessions(&shared, true);
    let key = account.spec["keys"][0]["key"].clone();
    account.change(&shared, 0, json!({"keys": [{"key": key, "expires_at": soon(3)}]}));
    all_stay(&mut clients, "a key that expires later");
    for client in &mut clients {
        client.within("ended", std::time::Duration::from_secs(10));
    }
    assert!(!Login::new(&shared, &account, 0).works(), "an expired key signs in");
    assert!(Login::new(&shared, &account, 0).by_password().works());
    account.change(&shared, 0, json!({"expires_at": soon(0)}));
    assert!(
        !Login::new(&shared, &account, 0).by_password().works(),
        "an expired account signs in"
    );
}

/// Seconds since 1970 as a moment of RFC 3339, by `date`.
fn rfc3339(seconds: u64) -> String {
    let mut command = crate::rig::process::command("date");
    command.args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d", &format!("@{seconds}")]);
    crate::rig::process::run(command, b"").ok().out.trim().to_owned()
}

/// Grants on the home, as the API writes them.
fn home(account: &Account, grants: Value) -> Value {
    let mut home = account.spec["home"].clone();
    home["grants"] = grants;
    json!({"home": home})
}

#[test]
fn a_grant_that_is_taken_away_binds_a_running_session_and_its_open_transfers() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.plant("long", &noise(4, 64 << 20));
    let mut clients: Vec<_> = [0, 1, 2]
        .map(|at| Login::new(&shared, &account, at).talk("idle.py", json!({})))
        .into();
    let mut reader = Login::new(&shared, &account, 1).talk("slow_get.py", json!({"path": "/long"}));
    let holding = json!({"path": "/held", "count": 3, "hold": true});
    let mut writer = Login::new(&shared, &account, 2).talk("slow_put.py", holding);
    for client in &mut clients {
        client.expect("started");
        client.say("put /before");
        assert!(client.expect("did")["error"].is_null());
    }
    reader.expect("bytes");
    writer.expect("holding");
    let only_list = home(&account, json!([{"path": "/", "allow": ["list"]}]));
    account.change(&shared, 0, only_list);
    reader.within("ended", limits::ENFORCED);
    writer.say("close it");
    writer.expect("ended");
    assert!(
        !account.home.join("held").exists(),
        "an upload was published after its grant was taken away"
    );
    for client in &mut clients {
        for (line, allowed) in [
            ("list /", true),
            ("get /long", false),
            ("put /after", false),
            ("mkdir /folder", false),
            ("remove /before", false),
        ] {
            client.say(line);
            let did = client.expect("did");
            assert_eq!(did["error"].is_null(), allowed, "{did}");
        }
    }
    let reads_again = home(&account, json!([{"path": "/", "allow": ["list", "read"]}]));
    account.change(&shared, 1, reads_again);
    for client in &mut clients {
        client.say("get /before");
        assert!(client.expect("did")["error"].is_null());
    }
}

#[test]
fn grants_hold_below_their_path_deny_wins_and_silence_denies() {
    let shared = shared();
    let mut account = Account::create(&shared);
    for folder in ["open/inner", "closed", "drop"] {
        std::fs::create_dir_all(account.home.join(folder)).unwrap();
    }
    for file in ["open/a", "open/inner/secret", "closed/b", "drop/c"] {
        account.plant(file, b"content");
    }
    let grants = home(
        &account,
        json!([
            {"path": "/", "allow": ["list"]},
            {"path": "/open", "allow": ["all"]},
            {"path": "/open/inner", "deny": ["read", "delete"]},
            {"path": "/drop", "allow": ["write"]},
        ]),
    );
    account.change(&shared, 0, grants);
    for at in [0, 1, 2] {
        let login = Login::new(&shared, &account, at);
        for (commands, allowed) in [
            ("get /open/a /dev/null", true),
            ("get /open/inner/secret /dev/null", false),
            ("rm /open/inner/secret", false),
            ("put /etc/hostname /open/inner/new", true),
            ("get /closed/b /dev/null", false),
            ("put /etc/hostname /closed/new", false),
            ("put /etc/hostname /open/../closed/new", false),
            ("get /drop/c /dev/null", false),
            ("rename /closed/b /open/stolen", false),
            ("rename /open/a /closed/given", false),
            ("ln /closed/b /open/linked", false),
            ("ls /closed", true),
        ] {
            let done = login.sftp(commands);
            assert_eq!(
                done.status.success(),
                allowed,
                "`{commands}` at node {at}: {}",
                done.said()
            );
        }
    }
}

#[test]
fn a_login_under_way_is_judged_by_what_holds_when_it_ends() {
    let shared = shared();
    for stop in ["before-proof", "before-channel"] {
        let mut account = Account::create(&shared);
        let mut clients: Vec<_> = [0, 1, 2]
            .map(|at| Login::new(&shared, &account, at).talk("half_login.py", json!({"stop": stop})))
            .into();
        for client in &mut clients {
            client.expect("at");
        }
        account.change(&shared, 1, json!({"enabled": false}));
        for (at, client) in clients.iter_mut().enumerate() {
            client.say("go on");
            let ended = client.expect("ended");
            assert_eq!(ended["in_"], false, "{stop}, node {at}: a disabled account came in");
        }
        assert_eq!(account.sessions(&shared, 0), Vec::<Value>::new(), "{stop}");
    }
}

#[test]
fn logins_that_race_with_a_change_leave_no_session_behind() {
    let shared = shared();
    let mut account = Account::create(&shared);
    std::thread::scope(|scope| {
        for at in [0, 1, 2] {
            let login = Login::new(&shared, &account, at);
            scope.spawn(move || {
                let mut sessions: Vec<_> = (0..4).map(|_| login.talk("idle.py", json!({}))).collect();
                for session in &mut sessions {
                    // Either it came in and was then ended, or it was refused and the client ended with an error.
                    std::thread::sleep(std::time::Duration::from_millis(30));
                    session.drain();
                }
                std::thread::sleep(std::time::Duration::from_secs(2));
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(400));
        account.change(&shared, 0, json!({"enabled": false}));
        for at in [0, 1, 2] {
            assert_eq!(
                account.sessions(&shared, at),
                Vec::<Value>::new(),
                "as node {at} sees it"
            );
        }
    });
    assert_eq!(account.sessions(&shared, 0), Vec::<Value>::new());
}
