//! The command line as a whole: what parses, what does not, and commands against a node, by socket and by TLS.

mod tls;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use argosy_cluster::NodeId;
use clap::CommandFactory;
use tokio::sync::watch;

use super::*;
use crate::admin::border::{HostKeyAlgorithm, generate_host_key};
use crate::admin::port::ClusterPort;
use crate::admin::serve;
use crate::admin::testing::Node;

#[test]
fn the_arguments_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn arguments_are_parsed_or_refused_before_anything_is_sent() {
    let check = |line: &str, expected: Result<(), &str>| {
        let parsed = Cli::try_parse_from(line.split(' '));
        match (parsed, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{line}: {error}"),
            (Ok(_), Err(_)) => panic!("{line} was taken"),
            (Err(error), Ok(())) => panic!("{line}: {error}"),
        }
    };
    check("argosy account list", Ok(()));
    check(
        "argosy account create alice --home-storage s --home-folder /a --password-stdin --wait",
        Ok(()),
    );
    check(
        "argosy account create alice --source 10.0.0.0/8 --source ::1 --expires 30d --sessions-max none",
        Ok(()),
    );
    check("argosy account create a/b", Err("separates folders"));
    check("argosy account create --password-stdin", Err("required"));
    check(
        "argosy account create a --password --password-stdin",
        Err("cannot be used with"),
    );
    check("argosy account create a --password secret", Err("unexpected argument"));
    check("argosy account create a --expires soon", Err("neither a time"));
    check("argosy account create a --sessions-max many", Err("neither a number"));
    check("argosy account password a --stdin", Ok(()));
    check(
        "argosy account key add alice --file k.pub --expires 30d --wait --wait-timeout 60",
        Ok(()),
    );
    check("argosy account key add alice --wait-timeout 5", Err("--wait"));
    check("argosy account key add alice --wait --wait-timeout 61", Err("1..=60"));
    check("argosy account key remove alice SHA256:x", Ok(()));
    check(
        "argosy account grant add a --path /x --allow read,list --deny delete",
        Ok(()),
    );
    check(
        "argosy account grant add a --path /x --allow fly",
        Err("known operations"),
    );
    check("argosy account grant add a --glob /**/*.exe --deny write", Ok(()));
    check("argosy account grant add a --allow read", Err("required"));
    check(
        "argosy account grant add a --path x --allow read",
        Err("begin with `/`"),
    );
    check(
        "argosy account grant add a --path /x --glob /y --allow read",
        Err("cannot be used with"),
    );
    check("argosy account mount add a --at /s --storage files", Ok(()));
    check("argosy account mount add a --storage files", Err("--at"));
    check(
        "argosy account set a --proofs password+key --upload-bytes-max 2G --hours none",
        Ok(()),
    );
    check("argosy account set a --proofs luck", Err("password+key"));
    check("argosy account set a --upload-rate fast", Err("number of bytes"));
    check("argosy group member add g a b c", Ok(()));
    check("argosy group member add g", Err("required"));
    check("argosy role grant add r --regex .* --allow all", Ok(()));
    check("argosy ban create b --network 192.0.2.7 --until 1d", Ok(()));
    check("argosy ban add b --account a", Ok(()));
    check("argosy ban remove b", Ok(()));
    check("argosy ban create b", Err("required"));
    check(
        "argosy ban create b --network 10.0.0.1 --account a",
        Err("cannot be used with"),
    );
    check("argosy authority create ca", Err("--key-file"));
    check("argosy authority revoke ca", Err("required"));
    check("argosy authority revoke ca --serial 7 --id laptop", Ok(()));
    check("argosy watch --kind account,group --from 7", Ok(()));
    check("argosy watch --kind robots", Err("known kinds"));
    check("argosy administrator create anna --role owner", Ok(()));
    check(
        "argosy administrator create anna --role god",
        Err("viewer, operator, owner"),
    );
    check(
        "argosy api-token create t --administrator anna --expires 2027-01-31T12:00:00Z",
        Ok(()),
    );
    check("argosy service create sftp --port 22 --host-key main", Ok(()));
    check("argosy service create sftp --port 0", Err("0 is not in"));
    check(
        "argosy service set sftp --address 10.0.0.1 --any-node-address",
        Err("cannot be used with"),
    );
    check("argosy host-key create main --algorithm rsa-3072", Ok(()));
    check("argosy host-key create main --algorithm dsa", Err("ed25519"));
    check("argosy storage create files --root /srv --durability relaxed", Ok(()));
    check("argosy settings set --login-delay 100", Ok(()));
    check("argosy apply -f objects.yaml --wait", Ok(()));
    check("argosy get account alice --output json", Ok(()));
    check("argosy get robot", Err("known kinds"));
    check("argosy session close 1", Err("32 hexadecimal"));
    check("argosy session close 00112233445566778899aabbccddeeff", Ok(()));
    check("argosy token create --valid 15m", Ok(()));
    check("argosy token create --valid 15", Err("length of time"));
    check("argosy node remove 3", Ok(()));
    let new = "--name n1 --peer 10.0.0.1:7400 --service-address 10.0.0.1 --admin 10.0.0.1:8443";
    check(&format!("argosy init --data /d {new} --sftp-port 2022"), Ok(()));
    check(&format!("argosy join {new} --token-stdin"), Ok(()));
    check(&format!("argosy join {new} --token-file /t"), Ok(()));
    check(
        &format!("argosy join {new} --token-stdin --token-file /t"),
        Err("cannot be used with"),
    );
    check("argosy init --name n1", Err("--peer"));
    check("argosy serve --data /d", Ok(()));
    let id = "00112233445566778899aabbccddeeff";
    check(
        &format!("argosy account delete a --request-id {id} --if-revision 4"),
        Ok(()),
    );
    check("argosy account delete a --request-id 12", Err("32 hexadecimal"));
    check(
        "argosy --server https://a:1 --server https://b:1 --ca ca.crt status",
        Ok(()),
    );
    check("argosy status --ca sha256:12", Err("64 hexadecimal"));
    check("argosy completion bash", Ok(()));
    check("argosy completion tcsh", Err("possible values"));
    check(
        "argosy profile add p --server https://a:1 --ca x --token-stdin --use",
        Ok(()),
    );
    check(
        "argosy profile add p --ca x --trust-first-use",
        Err("cannot be used with"),
    );
    check(
        "argosy profile add p --token-stdin --token-env X",
        Err("cannot be used with"),
    );
    check("argosy profile use", Err("required"));
    check("argosy profile use --none", Ok(()));
    check("argosy demo --dir /d", Ok(()));
    check("argosy", Err("Usage"));
}

/// A node whose API is served on a local socket in a folder, and on a TLS port.
struct Served {
    node: Node,
    folder: tempfile::TempDir,
    url: String,
    _stop: watch::Sender<bool>,
}

impl Served {
    async fn new() -> Self {
        let node = Node::new();
        let here = node.cluster.peers.lock().unwrap()[&NodeId(1)].clone();
        node.cluster.peers.lock().unwrap().insert(NodeId(2), here);
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let socket = serve::bind_socket(&folder.path().join(SOCKET_NAME)).unwrap();
        tokio::spawn(serve::serve_socket(socket, node.api.router(), stopped.clone()));

        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("ca.crt"), made.cert.pem()).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let tls = Arc::new(arc_swap::ArcSwap::from_pointee(tls));
        tokio::spawn(serve::serve_tls(listener, tls, node.api.router(), stopped));
        Self {
            node,
            folder,
            url,
            _stop: stop,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self.path(name)
    }

    /// Runs a command on the local socket.
    #[track_caller]
    fn run(&self, line: &str, expected: u8) {
        execute_line(
            &format!("argosy --data {} {line}", self.folder.path().display()),
            expected,
        );
    }
}

#[track_caller]
fn execute_line(line: &str, expected: u8) {
    let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    // The command has a runtime of its own.
    let code = std::thread::spawn(move || execute(arguments)).join().unwrap();
    assert_eq!(code, expected, "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_hour_of_commands_does_what_it_says() {
    let served = Served::new().await;
    let key = generate_host_key(HostKeyAlgorithm::Ed25519).unwrap().public;
    let key_file = served.write("alice.pub", &format!("# a comment\n{key} alice@laptop\n"));
    served.run("storage create files --root /srv/files --durability relaxed", 0);
    served.run(
        "account create alice --home-storage files --home-folder /alice --sessions-max 4 --wait",
        0,
    );
    served.run("account create alice", 3);
    served.run("account disable alice --if-revision 99", 3);
    served.run("account delete alice --if-revision 99", 3);
    served.run(&format!("account key add alice --file {key_file} --expires 30d"), 0);
    served.run(&format!("account key add alice --file {key_file}"), 1);
    served.run("account set alice --source 10.0.0.0/8 --sessions-max none", 0);
    served.run("account set alice", 2);
    served.run("account grant add alice --path / --allow all", 0);
    served.run("account grant add alice --path /in --deny delete,rename", 0);
    served.run("account grant remove alice --path /out", 1);
    served.run("account grant list alice", 0);
    served.run("account disable alice --wait", 0);
    let view = served.node.cluster.view();
    let alice = view.accounts.get("alice").unwrap().spec.clone();
    assert!(!alice.enabled);
    assert_eq!(alice.keys[0].key, key);
    assert_eq!(alice.keys[0].comment, "alice@laptop");
    assert!(alice.keys[0].expires_at.is_some());
    assert_eq!(alice.sources.len(), 1);
    assert_eq!(alice.sessions_max, None);
    assert_eq!(alice.home.as_ref().unwrap().grants.as_ref().unwrap().len(), 2);
    let fingerprint = crate::admin::border::fingerprint(&key);
    served.run(&format!("account key remove alice {fingerprint}"), 0);
    served.run(&format!("account key remove alice {fingerprint}"), 1);
    served.run("host-key create main", 0);
    served.run("service create sftp --port 2022", 0);
    served.run("service set sftp --port 22 --banner hello", 0);
    served.run("service disable sftp", 0);
    served.run("settings set --login-delay 100 --login-memory 60", 0);
    served.run("settings set --login-delay 200", 0);
    let view = served.node.cluster.view();
    let service = &view.services.get("sftp").unwrap().spec;
    assert_eq!(
        (service.port, service.enabled, service.banner.as_str()),
        (22, false, "hello")
    );
    assert_eq!(service.host_keys[0].as_str(), "main");
    assert_eq!(view.settings().login_delay_millis, 200);
    assert_eq!(view.settings().login_memory_seconds, 60);
    for list in [
        "account list",
        "service list",
        "host-key list",
        "storage show files",
        "settings show",
        "status",
    ] {
        for output in ["table", "json", "yaml"] {
            served.run(&format!("{list} --output {output}"), 0);
        }
    }
    served.run("session list", 0);
    served.run("session close 00112233445566778899aabbccddeeff", 1);
    served.run("node list", 0);
    served.run("node lead 2", 5);
    served.run("token create --valid 15m", 0);
    let yaml = "kind: account\nname: bob\nspec:\n  home: {storage: files}\n---\nkind: account\nname: eve\nspec: {}\n";
    let file = served.write("objects.yaml", yaml);
    served.run(&format!("apply -f {file} --wait"), 0);
    served.run("get account bob", 0);
    served.run("account delete eve", 0);
    served.run("account delete eve", 1);
    served.run("storage delete files", 3);
    served
        .node
        .cluster
        .quorum
        .store(false, std::sync::atomic::Ordering::SeqCst);
    served.run("account enable alice", 5);
    served.run("status", 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_roles_bans_and_authorities_are_made_and_changed() {
    let served = Served::new().await;
    let key = generate_host_key(HostKeyAlgorithm::Ed25519).unwrap().public;
    let key_file = served.write("ca.pub", &key);
    for line in [
        "storage create files --root /srv/files",
        "role create reader --description looks",
        "role grant add reader --path / --allow read,list",
        "group create partners --role reader",
        "group mount add partners --at /shared --storage files --folder /shared --allow all",
        "group grant add partners --glob /shared/*.exe --deny write",
        "account create alice --home-storage files --group partners --proofs key --hours none",
        "account create bob --upload-bytes-max 1G --files-denied *.exe --files-denied *.bat",
        "account mount add bob --at /in --storage files --allow write",
        "account grant add bob --path /in/done --allow read",
        "account grant add bob --path / --allow list",
        "group member add partners bob",
        "ban create scanner --network 192.0.2.7 --until 1d --reason scans",
        "ban create gone --account bob",
        "settings set --password-length-min 12 --ban-seconds 60 --never-ban 10.0.0.0/8",
    ] {
        served.run(line, 0);
    }
    served.run(&format!("authority create staff --key-file {key_file}"), 0);
    served.run("authority revoke staff --serial 7 --serial 8 --id laptop", 0);
    served.run("authority unrevoke staff --serial 8", 0);
    let view = served.node.cluster.view();
    let bob = view.accounts.get("bob").unwrap().spec.clone();
    assert_eq!(bob.groups[0].as_str(), "partners");
    assert_eq!(bob.mounts[0].grants.as_ref().unwrap().len(), 2);
    assert_eq!(bob.grants.len(), 1);
    assert_eq!(bob.restrictions.upload_bytes_max, Some(1 << 30));
    assert_eq!(bob.restrictions.files_denied.len(), 2);
    let partners = &view.groups.get("partners").unwrap().spec;
    assert_eq!((partners.mounts.len(), partners.grants.len()), (1, 1));
    assert_eq!(view.roles.get("reader").unwrap().spec.grants.len(), 1);
    let staff = &view.authorities.get("staff").unwrap().spec;
    assert_eq!(
        (staff.revoked_serials.as_slice(), staff.revoked_ids.len()),
        (&[7][..], 1)
    );
    assert_eq!(view.settings().passwords.length_min, 12);
    assert_eq!(view.settings().throttle.ban_seconds, 60);
    assert_eq!(view.bans.len(), 2);
    for (line, code) in [
        ("group member add partners bob", 1),
        ("group member remove partners bob", 0),
        ("group member remove partners bob", 1),
        ("group delete partners", 3),
        ("group mount add partners --at /shared --storage files", 3),
        ("group mount remove partners --at /shared", 0),
        ("group mount remove partners --at /shared", 1),
        ("account grant remove bob --path /in/done", 0),
        ("account grant remove bob --path /in/done", 1),
        ("group set partners --role none", 0),
        ("role delete reader", 0),
        ("ban remove scanner", 0),
        (
            "account set bob --upload-bytes-max none --files-denied none --group nobody",
            1,
        ),
    ] {
        served.run(line, code);
    }
    for list in [
        "account grant list bob",
        "account mount list bob",
        "group member list partners",
        "ban list",
    ] {
        served.run(list, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_works_from_elsewhere_with_a_token_and_the_authority() {
    let served = Served::new().await;
    served.run("administrator create anna --role owner", 0);
    let spec = serde_json::json!({ "administrator": "anna" });
    let made = served.node.put("api-token/anna", spec).await;
    let token = made.body["secrets"][0]["secret"].as_str().unwrap();
    let token = served.write("token", &format!("{token}\n"));
    let wrong = served.write("wrong", "argosy_wrong\n");
    let ca = served.path("ca.crt");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = served.write("other.crt", &other.cert.pem());
    let url = &served.url;
    execute_line(
        &format!("argosy --server {url} --ca {ca} --token-file {token} account create bob"),
        0,
    );
    let bob = served.node.cluster.view().accounts.get("bob").unwrap();
    assert_eq!(bob.changed_by, "anna");
    execute_line(
        &format!("argosy --server {url} --ca {ca} --token-file {wrong} account list"),
        1,
    );
    execute_line(
        &format!("argosy --server {url} --ca {other} --token-file {token} account list"),
        5,
    );
    execute_line(
        &format!("argosy --server {url} --ca {ca} --token-file /missing account list"),
        1,
    );
    execute_line(&format!("argosy --server {url} --token-file {token} account list"), 2);
    let pem = std::fs::read_to_string(&ca).unwrap();
    let pem = <rustls_pki_types::CertificateDer as rustls_pki_types::pem::PemObject>::from_pem_slice(pem.as_bytes());
    let pin = trust::Fingerprint::of(&pem.unwrap());
    execute_line(
        &format!("argosy --server {url} --ca {pin} --token-file {token} account list"),
        0,
    );
    let nobody = format!("sha256:{}", "00".repeat(32));
    execute_line(
        &format!("argosy --server {url} --ca {nobody} --token-file {token} account list"),
        5,
    );
    // The next server is asked when one is down.
    let down = "https://localhost:1";
    execute_line(
        &format!("argosy --server {down} --server {url} --ca {ca} --token-file {token} account create eve"),
        0,
    );
    execute_line(
        &format!("argosy --server {down} --ca {ca} --token-file {token} account list"),
        5,
    );
    execute_line(
        &format!("argosy --data /x --server {url} --ca {ca} --token-file {token} status"),
        2,
    );
    execute_line(&format!("argosy --ca {ca} account list"), 2);
}

#[test]
fn a_node_that_does_not_run_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    execute_line(&format!("argosy --data {} status", folder.path().display()), 5);
    // Left behind by a killed node: replaced by the next one.
    let path = folder.path().join(SOCKET_NAME);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    execute_line(&format!("argosy --data {} status", folder.path().display()), 5);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    serve::bind_socket(&path).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(mode(&path), 0o600);
    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }
}
