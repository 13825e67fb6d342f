//! Limits of accounts and services: sizes, names, hours, rates, who may use a service, who is banned; over SFTP.

use serde_json::{Value, json};

use crate::rig::cluster::SFTP_PORT;
use crate::rig::stream::Talk;
use crate::rig::{Account, Cluster, Login, limits, shared};

fn talk(cluster: &Cluster, account: &Account, at: usize) -> Talk {
    let mut client = Login::new(cluster, account, at).talk("carry.py", json!({}));
    client.expect("started");
    client
}

/// Says `line`; `word`: it is refused with that word, or done where there is none. Gives the seconds.
#[track_caller]
fn check(client: &mut Talk, line: &str, word: Option<&str>) -> f64 {
    client.say(line);
    let did = client.within("did", limits::CLIENT);
    match (did["error"].as_str(), word) {
        (None, None) => {}
        (Some(error), Some(word)) if error.contains(word) => {}
        _ => panic!("{word:?} was expected: {did}"),
    }
    did["seconds"].as_f64().unwrap()
}

#[test]
fn an_upload_over_the_limit_is_refused_while_it_is_written_and_nothing_is_published() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.plant("old", &[7; 50_000]);
    account.change(&shared, 0, json!({"restrictions": {"upload_bytes_max": 100_000}}));
    for at in [0, 1, 2] {
        let mut client = talk(&shared, &account, at);
        check(&mut client, "put /fits 100000", None);
        check(&mut client, "size /fits 100000", None);
        check(&mut client, "put /over 100001", Some("at most 100000 bytes"));
        check(&mut client, "size /over 1", Some("Errno 2"));
        check(&mut client, "append /fits 1", Some("at most 100000 bytes"));
        check(&mut client, "into /old 100001", Some("at most 100000 bytes"));
        check(&mut client, "truncate /fits 100001", Some("at most 100000 bytes"));
        check(&mut client, "truncate /fits 5", None);
    }
    assert!(!account.home.join("over").exists());
    // The limit holds for what runs already.
    let mut client = talk(&shared, &account, 0);
    account.change(&shared, 1, json!({"restrictions": {"upload_bytes_max": 10}}));
    check(&mut client, "put /small 11", Some("at most 10 bytes"));
    account.change(&shared, 1, json!({"restrictions": null}));
    check(&mut client, "put /small 200000", None);
}

#[test]
fn files_of_names_that_are_not_taken_are_neither_carried_nor_renamed_to() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.plant("setup.exe", b"program");
    account.plant("notes.txt", b"text");
    std::fs::create_dir_all(account.home.join("folder.d")).unwrap();
    let restrictions = json!({"files_denied": ["*.exe"], "files_allowed": ["*.txt", "*.exe", {"regex": "[0-9]+"}]});
    account.change(&shared, 0, json!({"restrictions": restrictions}));
    let mut client = talk(&shared, &account, 1);
    let denied = Some("ermission");
    check(&mut client, "put /a.txt 10", None);
    check(&mut client, "put /123 10", None);
    check(&mut client, "put /a.EXE 10", denied);
    check(&mut client, "put /a.csv 10", denied);
    check(&mut client, "get /notes.txt", None);
    check(&mut client, "get /setup.exe", denied);
    check(&mut client, "rename /notes.txt /notes.exe", denied);
    check(&mut client, "rename /setup.exe /setup.txt", denied);
    check(&mut client, "rename /notes.txt /other.txt", None);
    check(&mut client, "rename /folder.d /folder.e", None);
    check(&mut client, "link setup.exe /looks.txt", None);
    check(&mut client, "get /looks.txt", denied);
    assert!(account.home.join("setup.exe").exists());
}

/// Now, as the hour of the day in UTC.
fn hour() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 3600 % 24
}

fn hours(begin: u64, length: u64) -> Value {
    // The end of a day is written 24:00.
    let (from, to) = (begin % 24, (begin + length - 1) % 24 + 1);
    json!({"hours": [{"from": format!("{from:02}:00"), "to": format!("{to:02}:00"), "zone": "UTC"}]})
}

#[test]
fn outside_of_the_allowed_hours_nobody_comes_in_and_nobody_stays() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.change(&shared, 0, json!({"restrictions": hours(hour() + 23, 4)}));
    let mut client = talk(&shared, &account, 2);
    account.change(&shared, 0, json!({"restrictions": hours(hour() + 3, 2)}));
    client.within("ended", limits::ENFORCED);
    assert!(
        !Login::new(&shared, &account, 1).works(),
        "it signs in at the wrong hour"
    );
    account.change(&shared, 0, json!({"restrictions": null}));
    assert!(Login::new(&shared, &account, 1).works());
}

#[test]
fn a_banned_account_is_put_out_on_every_node_until_the_ban_is_lifted() {
    let shared = shared();
    let account = Account::create(&shared);
    let mut clients = [0, 1, 2].map(|at| talk(&shared, &account, at));
    let path = format!("/api/v1/ban/of-{}", account.name);
    let ban = json!({"account": account.name, "reason": "a test"});
    shared
        .api(0)
        .put(&format!("{path}?wait=enforced&timeout=10s"), &ban)
        .enforced();
    for client in &mut clients {
        client.within("ended", limits::ENFORCED);
    }
    assert!(!Login::new(&shared, &account, 1).works(), "a banned account signs in");
    shared.api(1).delete(&path).ok();
    crate::rig::eventually("the account comes in again", limits::CLIENT, || {
        Login::new(&shared, &account, 2)
            .works()
            .then_some(())
            .ok_or("it does not".to_owned())
    });
}

#[test]
fn a_banned_network_is_put_out() {
    let shared = shared();
    let account = Account::create(&shared);
    let banned = Login::new(&shared, &account, 0);
    let mut client = banned.talk("carry.py", json!({}));
    client.expect("started");
    let mut other = talk(&shared, &account, 0);
    let path = format!("/api/v1/ban/net-{}", account.name);
    let ban = json!({"network": format!("{}/32", banned.from), "reason": "a test"});
    shared
        .api(0)
        .put(&format!("{path}?wait=enforced&timeout=10s"), &ban)
        .enforced();
    client.within("ended", limits::ENFORCED);
    assert!(!banned.works(), "a banned address signs in");
    check(&mut other, "put /file 1", None);
    shared.api(0).delete(&path).ok();
}

#[test]
fn a_service_of_its_own_takes_its_accounts_and_members_only_and_limits_all() {
    let shared = shared();
    let (named, stranger) = (Account::create(&shared), Account::create(&shared));
    let mut member = Account::create(&shared);
    for (group, spec) in [("sv-inner", json!({})), ("sv-outer", json!({"groups": ["sv-inner"]}))] {
        let path = format!("/api/v1/group/{group}?wait=enforced&timeout=10s");
        shared.api(0).put(&path, &spec).enforced();
    }
    member.change(&shared, 0, json!({"groups": ["sv-outer"]}));
    let present = shared.api(0).get("/api/v1/service/sftp").ok().json();
    let port = SFTP_PORT + 7;
    let spec = json!({
        "port": port, "host_keys": present["spec"]["host_keys"], "accounts": [named.name], "groups": ["sv-inner"],
        "restrictions": {"upload_bytes_max": 1_000, "files_denied": ["*.exe"]},
    });
    let path = "/api/v1/service/few?wait=enforced&timeout=10s";
    shared.api(0).put(path, &spec).enforced();
    let login = |account: &Account| {
        let mut login = Login::new(&shared, account, 1);
        login.server.set_port(port);
        login
    };
    assert!(!login(&stranger).works(), "a stranger comes in");
    for account in [&named, &member] {
        let mut client = login(account).talk("carry.py", json!({}));
        client.expect("started");
        check(&mut client, "put /a 1000", None);
        check(&mut client, "put /a 1001", Some("at most 1000 bytes"));
        check(&mut client, "put /a.exe 1", Some("ermission"));
    }
    // Out of the group, out of the service; the sessions of others stay.
    let (mut of_member, mut of_named) = (
        login(&member).talk("carry.py", json!({})),
        login(&named).talk("carry.py", json!({})),
    );
    of_member.expect("started");
    of_named.expect("started");
    member.change(&shared, 0, json!({"groups": []}));
    of_member.within("ended", limits::ENFORCED);
    check(&mut of_named, "put /b 1", None);
    shared.api(0).delete("/api/v1/service/few").ok();
}

#[test]
fn a_rate_holds_for_a_session_and_is_shared_by_the_sessions_of_an_account() {
    let shared = shared();
    let mut account = Account::create(&shared);
    const RATE: u64 = 512 * 1024;
    let rates = |name: &str| json!({"restrictions": {name: RATE}});
    // A quarter of a second may pass at once; a slow machine may take longer, never less long.
    let takes = |seconds: f64, bytes: u64, what: &str| {
        let least = (bytes as f64 - 0.25 * RATE as f64) / RATE as f64;
        assert!(
            (0.9 * least..least + 10.0).contains(&seconds),
            "{what}: {bytes} bytes took {seconds} s, {least} s were expected"
        );
    };
    let bytes = 3 * RATE;
    account.change(&shared, 0, rates("session_upload_rate"));
    let mut client = talk(&shared, &account, 0);
    takes(check(&mut client, &format!("put /up {bytes}"), None), bytes, "upload");
    account.change(&shared, 0, rates("session_download_rate"));
    takes(check(&mut client, "get /up", None), bytes, "download");

    account.change(&shared, 0, rates("upload_rate"));
    let mut clients = [talk(&shared, &account, 1), talk(&shared, &account, 1)];
    for (number, client) in clients.iter_mut().enumerate() {
        client.say(&format!("put /up-{number} {bytes}"));
    }
    let seconds = clients.each_mut().map(|client| {
        let did = client.within("did", limits::CLIENT);
        assert!(did["error"].is_null(), "{did}");
        did["seconds"].as_f64().unwrap()
    });
    let [first, second] = seconds;
    takes(first.max(second), 2 * bytes, "two uploads together");
    assert!(
        first.min(second) > 0.6 * first.max(second),
        "they did not share alike: {first}, {second}"
    );

    // Lifting it frees what waits.
    client.say(&format!("put /long {}", 40 * RATE));
    std::thread::sleep(std::time::Duration::from_millis(500));
    account.change(&shared, 0, json!({"restrictions": null}));
    let did = client.within("did", limits::CLIENT);
    assert!(did["seconds"].as_f64().unwrap() < 35.0, "{did}");
}

#[test]
fn a_password_that_must_be_changed_lets_nobody_in_by_itself() {
    let shared = shared();
    let mut account = Account::create(&shared);
    account.change(&shared, 0, json!({"password_must_change": true}));
    let login = Login::new(&shared, &account, 1);
    assert!(login.works(), "a key is not concerned");
    assert!(!login.clone().by_password().works(), "the old password signs in");
    account.change(
        &shared,
        0,
        json!({"password": account.password, "password_must_change": false}),
    );
    assert!(login.by_password().works());
}
