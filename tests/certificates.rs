//! OpenSSH user certificates: which let in, and what ends a session that one began.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rig::account::{key, public};
use crate::rig::service::keygen;
use crate::rig::{Account, Cluster, Login, Service, limits, process, shared};

/// An authority of its own, told to the cluster, and a service that trusts it.
struct House<'a> {
    cluster: &'a Cluster,
    name: String,
    authority: PathBuf,
    service: Service<'a>,
    account: Account,
}

impl<'a> House<'a> {
    fn new(cluster: &'a Cluster, name: &str) -> Self {
        let authority = cluster.path(&format!("{name}-ca"));
        keygen(&["-t", "ed25519", "-N", "", "-f", authority.to_str().unwrap()]);
        tell(cluster, name, &json!({"keys": [public(&authority)]}));
        let mut account = Account::create(cluster);
        account.change(cluster, 0, json!({"keys": []}));
        Self {
            cluster,
            name: name.to_owned(),
            service: Service::create(cluster, &json!({"user_authorities": [name]})),
            authority,
            account,
        }
    }

    /// A copy of `user`'s key with a certificate that these arguments of ssh-keygen describe.
    fn certified(&self, user: &Path, what: &str, arguments: &[&str]) -> PathBuf {
        let file = self.cluster.path(&format!("{}-{what}", self.name));
        std::fs::copy(user, &file).unwrap();
        let line = file.with_extension("pub");
        std::fs::copy(user.with_extension("pub"), &line).unwrap();
        let signer = ["-s", self.authority.to_str().unwrap()];
        keygen(&[&signer, arguments, &[line.to_str().unwrap()]].concat());
        file
    }

    fn login(&self, file: &Path, at: usize) -> Login {
        let mut account = self.account.clone();
        account.key = file.to_owned();
        self.service.login(&account, at)
    }

    fn lets_in(&self, file: &Path, at: usize) -> bool {
        self.login(file, at).sftp("pwd").status.success()
    }
}

#[track_caller]
fn tell(cluster: &Cluster, name: &str, spec: &Value) {
    let path = format!("/api/v1/authority/{name}?wait=enforced&timeout=10s");
    cluster.api(0).put(&path, spec).enforced();
}

#[test]
fn a_certificate_lets_in_whom_it_names_and_only_as_it_says() {
    let shared = shared();
    let house = House::new(&shared, "ca-table");
    let name = house.account.name.clone();
    let user = key(0);
    let valid = ["-V", "-1h:+1h"];
    for (what, arguments, expected) in [
        ("plain", &["-I", "a", "-n", &name][..], true),
        ("several", &["-I", "a", "-n", &format!("root,{name}")], true),
        ("another principal", &["-I", "a", "-n", "somebody-else"], false),
        ("no principal", &["-I", "a"], false),
        ("a host's", &["-I", "a", "-n", &name, "-h"], false),
        ("ended", &["-I", "a", "-n", &name, "-V", "-2h:-1h"], false),
        ("not begun", &["-I", "a", "-n", &name, "-V", "+1h:+2h"], false),
        (
            "from here",
            &["-I", "a", "-n", &name, "-O", "source-address=127.0.0.0/8"],
            true,
        ),
        (
            "from elsewhere",
            &["-I", "a", "-n", &name, "-O", "source-address=192.0.2.0/24"],
            false,
        ),
        (
            "a command",
            &["-I", "a", "-n", &name, "-O", "force-command=true"],
            false,
        ),
        (
            "unknown option",
            &["-I", "a", "-n", &name, "-O", "critical:x@example.org=1"],
            false,
        ),
        (
            "extension",
            &["-I", "a", "-n", &name, "-O", "extension:y@example.org=1"],
            true,
        ),
    ] {
        let arguments = if arguments.contains(&"-V") {
            arguments.to_vec()
        } else {
            [arguments, &valid].concat()
        };
        let file = house.certified(user, &what.replace(' ', "-"), &arguments);
        assert_eq!(house.lets_in(&file, 1), expected, "{what}");
    }
    assert!(!house.lets_in(user, 1), "the certified key alone");
    // The same certificate where its authority is not trusted.
    let file = house.cluster.path("ca-table-plain");
    let mut elsewhere = house.account.clone();
    elsewhere.key = file;
    assert!(!Login::new(&shared, &elsewhere, 0).sftp("pwd").status.success());
    // The account's list of principals takes the place of its name.
    let mut account = house.account.clone();
    account.change(&shared, 0, json!({"principals": ["somebody-else"]}));
    assert!(house.lets_in(&house.cluster.path("ca-table-another-principal"), 2));
    assert!(!house.lets_in(&house.cluster.path("ca-table-plain"), 2));
}

#[test]
fn keys_of_every_kind_can_be_certified_and_asyncssh_presents_them_too() {
    let shared = shared();
    let house = House::new(&shared, "ca-kinds");
    for (at, kind) in ["rsa", "ecdsa", "ed25519"].iter().enumerate() {
        let user = shared.path(&format!("ca-kinds-user-{kind}"));
        keygen(&["-t", kind, "-N", "", "-f", user.to_str().unwrap()]);
        let arguments = ["-I", "a", "-n", &house.account.name, "-V", "-1h:+1h"];
        let file = house.certified(&user, kind, &arguments);
        let login = house.login(&file, at);
        login.sftp("pwd").ok();
        login.python("idle_asyncssh.py", json!({"once": true})).ok();
    }
}

#[test]
fn what_takes_a_certificate_away_ends_its_sessions_on_every_node() {
    let shared = shared();
    let house = House::new(&shared, "ca-live");
    let spec = json!({"keys": [public(&house.authority)]});
    let name = &house.account.name;
    let print = process::run(
        {
            let mut command = process::command("ssh-keygen");
            command.arg("-l").arg("-f").arg(key(0).with_extension("pub"));
            command
        },
        b"",
    );
    let fingerprint = print.ok().out.split(' ').nth(1).unwrap().to_owned();
    for (what, fields) in [
        ("serial", json!({"revoked_serials": [41]})),
        ("id", json!({"revoked_ids": ["laptop"]})),
        ("key", json!({"revoked_keys": [fingerprint]})),
        ("authority", json!({"keys": [public(key(1))]})),
    ] {
        tell(&shared, &house.name, &spec);
        let arguments = ["-I", "laptop", "-z", "41", "-n", name, "-V", "-1h:+1h"];
        let file = house.certified(key(0), &format!("live-{what}"), &arguments);
        let mut talks: Vec<_> = (0..shared.nodes.len())
            .map(|at| {
                let mut talk = house.login(&file, at).talk("idle_asyncssh.py", json!({}));
                talk.expect("started");
                talk
            })
            .collect();
        let shown = house.account.sessions(&shared, 0);
        assert!(shown[0]["credential"].as_str().unwrap().contains("laptop"), "{shown:?}");
        let mut changed = spec.clone();
        for (field, value) in fields.as_object().unwrap() {
            changed[field] = value.clone();
        }
        tell(&shared, &house.name, &changed);
        for talk in &mut talks {
            talk.within("ended", limits::ENFORCED);
        }
        assert!(!house.lets_in(&file, 0), "{what}");
    }
    // Its end comes by itself.
    tell(&shared, &house.name, &spec);
    let arguments = ["-I", "short", "-n", name, "-V", "-1h:+8s"];
    let file = house.certified(key(0), "live-short", &arguments);
    let mut talk = house.login(&file, 1).talk("idle_asyncssh.py", json!({}));
    talk.expect("started");
    talk.within("ended", std::time::Duration::from_secs(12));
}

#[test]
fn a_certificate_counts_as_a_key_where_a_password_is_asked_for_besides() {
    let shared = shared();
    let mut house = House::new(&shared, "ca-both");
    house.account.change(&shared, 0, json!({"proofs": "password+key"}));
    let arguments = ["-I", "a", "-n", &house.account.name, "-V", "-1h:+1h"];
    let file = house.certified(key(0), "both", &arguments);
    assert!(!house.lets_in(&file, 0), "the certificate alone");
    let login = house.login(&file, 0);
    let both = ["BatchMode=no", "PreferredAuthentications=publickey,password"];
    process::run(login.sftp_with(&both, Some(&house.account.password)), b"pwd\n").ok();
}
