//! WebDAV over HTTP with the clients that people have: litmus on one node and with each request on another, cadaver,
//! rclone, davfs2, curl; bytes compared.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::other_clients::written;
use crate::rig::account::noise;
use crate::rig::tree::{make_plain_tree, same_tree};
use crate::rig::{Account, Cluster, Service, process, shared};

/// Runs litmus, all of its suites, and demands that every test passes.
#[track_caller]
fn litmus(account: &Account, url: &str) {
    let folder = crate::rig::folder();
    for (suite, tests) in [
        ("basic", 16),
        ("copymove", 13),
        ("props", 30),
        ("locks", 41),
        ("http", 4),
    ] {
        let mut command = process::command("litmus");
        command
            .current_dir(folder.path())
            .env("TESTS", suite)
            .args([url, &account.name, &account.password]);
        let done = process::run(command, b"");
        let all = format!("of {tests} tests run: {tests} passed, 0 failed");
        assert!(
            done.out.contains(&all),
            "{suite}: {}\n{}",
            done.out,
            std::fs::read_to_string(folder.path().join("debug.log")).unwrap_or_default()
        );
    }
}

fn url(cluster: &Cluster, service: &Service<'_>, at: usize) -> String {
    format!("http://{}:{}/dav/", cluster.nodes[at].address, service.port)
}

/// A proxy that sends each request to another node: it takes one request from each connection.
struct Scatter {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
}

impl Scatter {
    fn new(cluster: &Cluster, service: &Service<'_>) -> Self {
        let nodes: Vec<SocketAddr> = cluster.nodes.iter().map(|node| node.at(service.port)).collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let (stop, turn) = (ends.clone(), AtomicUsize::new(0));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // Not one after the other: every pair of nodes follows on each other.
                let number = turn.fetch_add(1, Ordering::SeqCst);
                let node = nodes[usize::from(noise(number as u64 + 1, 8)[3]) % nodes.len()];
                if let Ok(client) = client {
                    std::thread::spawn(move || pass(client, node));
                }
            }
        });
        Self { address, ends }
    }
}

impl Drop for Scatter {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// Passes on one request, of which the node hears that it is the only one, and all that follows in both directions.
fn pass(mut client: TcpStream, node: SocketAddr) -> Option<()> {
    let mut head = Vec::new();
    let cut = loop {
        let mut part = [0; 4096];
        let read = client.read(&mut part).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&part[..read]);
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
    };
    let text = String::from_utf8_lossy(&head[..cut]).into_owned();
    let kept = text
        .split("\r\n")
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut sent = kept.collect::<Vec<_>>().join("\r\n").into_bytes();
    sent.extend_from_slice(b"\r\nConnection: close");
    sent.extend_from_slice(&head[cut..]);
    let mut server = TcpStream::connect(node).ok()?;
    server.write_all(&sent).ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    drop(std::io::copy(&mut server, &mut client));
    client.shutdown(Shutdown::Both).ok()
}

#[test]
fn litmus_passes_on_one_node() {
    let shared = shared();
    let account = Account::create(&shared);
    let service = Service::create_as(&shared, "http", &json!({}));
    litmus(&account, &url(&shared, &service, 0));
    shared.no_panics();
}

#[test]
fn litmus_passes_with_each_request_on_a_node_of_its_own() {
    let shared = shared();
    let account = Account::create(&shared);
    let service = Service::create_as(&shared, "http", &json!({}));
    let scatter = Scatter::new(&shared, &service);
    litmus(&account, &format!("http://{}/dav/", scatter.address));
    shared.no_panics();
}

#[test]
fn rclone_copies_checks_and_syncs_a_tree_by_webdav_on_every_node() {
    let shared = shared();
    let account = Account::create(&shared);
    let service = Service::create_as(&shared, "http", &json!({}));
    let local = crate::rig::folder();
    let tree = local.path().join("plain");
    make_plain_tree(&tree);
    std::fs::write(tree.join("é & % + # ? 'x'"), noise(81, 100_000)).unwrap();
    let mut command = process::command("rclone");
    command.args(["obscure", &account.password]);
    let hidden = process::run(command, b"").ok().out;
    for at in 0..shared.nodes.len() {
        let text = format!(
            "[there]\ntype = webdav\nurl = {}\nvendor = owncloud\nuser = {}\npass = {}\n",
            url(&shared, &service, at),
            account.name,
            hidden.trim()
        );
        let configuration = written(local.path(), "rclone.conf", text.as_bytes());
        let rclone = |words: &[&str]| {
            let mut command = process::command("rclone");
            command.args(["--config", &configuration, "--retries", "1"]).args(words);
            process::run(command, b"").ok()
        };
        let (from, there) = (tree.display().to_string(), format!("there:at-{at}"));
        rclone(&["copy", "--create-empty-src-dirs", &from, &there]);
        same_tree(&tree, &account.home.join(format!("at-{at}")), "what rclone copied");
        rclone(&["check", "--download", &from, &there]);
        let again = rclone(&["sync", "-v", &from, &there]);
        assert!(
            again.err.contains("There was nothing to transfer"),
            "times are kept: {}",
            again.err
        );
        rclone(&["moveto", &format!("{there}/size-0"), &format!("{there}/moved")]);
        rclone(&["about", "there:"]);
        rclone(&["purge", &there]);
        assert!(!account.home.join(format!("at-{at}")).exists());
    }
}

#[test]
fn cadaver_locks_on_one_node_and_curl_is_kept_out_on_another() {
    let shared = shared();
    let account = Account::create(&shared);
    let service = Service::create_as(&shared, "http", &json!({}));
    let local = crate::rig::folder();
    let content = noise(82, 1_500_001);
    written(local.path(), "big", &content);
    let login = format!(
        "machine {} login {} password \"{}\"\n",
        shared.nodes[0].address, account.name, account.password
    );
    written(local.path(), ".netrc", login.as_bytes());
    let cadaver = |lines: &str| {
        let mut command = process::command("cadaver");
        command
            .current_dir(local.path())
            .env("HOME", local.path())
            .arg(url(&shared, &service, 0));
        let said = process::run(command, lines.as_bytes()).said();
        assert!(!said.contains("failed"), "{said}");
        said
    };
    let curl = |at: usize, words: &[&str]| {
        let mut command = process::command("curl");
        command
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "60",
                "-w",
                "%{http_code}",
                "--user",
            ])
            .arg(format!("{}:{}", account.name, account.password))
            .args(words)
            .arg(format!("{}c/big", url(&shared, &service, at)));
        process::run(command, b"").ok().out
    };
    let whole = local.path().join("big").display().to_string();
    let said = cadaver(
        "mkcol c\nput big c/big\nlock c/big\nput big c/big\npropset c/big color red\npropget c/big color\ncopy c d\n\
         move d e\nget e/big back\nquit\n",
    );
    assert!(said.contains("Value of color is: red"), "{said}");
    assert!(std::fs::read(local.path().join("back")).unwrap() == content);
    assert!(std::fs::read(account.home.join("c/big")).unwrap() == content);
    for at in 0..shared.nodes.len() {
        assert_eq!(curl(at, &["-o", "/dev/null", "-T", &whole]), "423", "node {at}");
        assert_eq!(curl(at, &["-o", "/dev/null", "-X", "DELETE"]), "423", "node {at}");
        let part = local.path().join("part").display().to_string();
        assert_eq!(curl(at, &["-o", &part, "-r", "1000000-1000999"]), "206");
        assert!(std::fs::read(&part).unwrap() == content[1_000_000..1_001_000]);
        std::fs::write(&part, &content[..700_000]).unwrap();
        assert_eq!(curl(at, &["-o", &part, "-C", "-"]), "206");
        assert!(std::fs::read(&part).unwrap() == content);
    }
}

/// A folder mounted by davfs2, unmounted on drop.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let mut command = process::command("umount");
        command.arg(self.0);
        drop(process::run(command, b""));
    }
}

#[test]
fn davfs2_mounts_the_folders_of_an_account() {
    let shared = shared();
    let account = Account::create(&shared);
    let service = Service::create_as(&shared, "http", &json!({}));
    let local = crate::rig::folder();
    let at = local.path().join("mounted");
    std::fs::create_dir_all(&at).unwrap();
    // davfs2 gives up root's rights before it makes its cache.
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::create_dir_all(local.path().join("cache")).unwrap();
    std::fs::set_permissions(local.path(), open.clone()).unwrap();
    std::fs::set_permissions(local.path().join("cache"), open).unwrap();
    assert!(
        Path::new("/dev/fuse").exists(),
        "/dev/fuse is missing: davfs2 can't be tried here, and a test does not skip itself"
    );
    // Linux 6.16 and later list nothing through smaller buffers of davfs2; what is written goes out at once.
    let settings = format!(
        "buf_size 64\ndelay_upload 0\nask_auth 1\ncache_dir {}\n",
        local.path().join("cache").display()
    );
    let conf = written(local.path(), "davfs2.conf", settings.as_bytes());
    let mut command = process::command("mount");
    command.args(["-t", "davfs", "-o", &format!("conf={conf}")]);
    command.arg(url(&shared, &service, 1)).arg(&at);
    process::run(command, format!("{}\n{}\n", account.name, account.password).as_bytes()).ok();
    let content = noise(83, 400_000);
    {
        let _mounted = Mounted(&at);
        std::fs::write(at.join("sent"), &content).unwrap();
        std::fs::create_dir(at.join("folder")).unwrap();
        std::fs::rename(at.join("sent"), at.join("folder/moved é")).unwrap();
        let names: Vec<_> = std::fs::read_dir(at.join("folder")).unwrap().collect();
        assert_eq!(names.len(), 1);
        assert!(std::fs::read(at.join("folder/moved é")).unwrap() == content);
    }
    assert!(std::fs::read(account.home.join("folder/moved é")).unwrap() == content);
}
