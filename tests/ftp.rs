//! FTP and both kinds of FTPS through every node with the clients that people have: curl, lftp, ncftp, Python's ftplib,
//! rclone; bytes compared.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::tree::{make_plain_tree, same_tree};
use crate::rig::{Account, Cluster, Service, eventually, process, repository, shared, target};

/// Without TLS, with TLS after AUTH, with TLS from the first byte.
const KINDS: [&str; 3] = ["ftp", "ftps", "ftps-implicit"];

/// A service of a kind on every node, on a port of its own.
fn service<'a>(cluster: &'a Cluster, kind: &str) -> Service<'a> {
    Service::create_with_tls(cluster, kind, &json!({"ftp": {"passive_ports": "43000-43999"}}))
}

fn plain(cluster: &Cluster) -> Service<'_> {
    service(cluster, "ftp")
}

fn url(cluster: &Cluster, service: &Service<'_>, at: usize, path: &str) -> String {
    format!("ftp://{}:{}/{path}", cluster.nodes[at].address, service.port)
}

fn curl(account: &Account, arguments: &[&str]) -> Command {
    let mut command = process::command("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "60", "--user"])
        .arg(format!("{}:{}", account.name, account.password))
        .args(arguments);
    command
}

#[test]
fn curl_moves_files_resumes_lists_and_goes_active_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let (account, service) = (Account::create(cluster), plain(cluster));
    let local = crate::rig::folder();
    let path = |name: &str| local.path().join(name).display().to_string();
    let whole = noise(31, 3_000_001);
    std::fs::write(path("whole"), &whole).unwrap();
    std::fs::write(path("half"), &whole[..1_000_000]).unwrap();
    for at in 0..cluster.nodes.len() {
        let there = |name: &str| url(cluster, &service, at, name);
        let run = |arguments: &[&str]| process::run(curl(&account, arguments), b"").ok();
        run(&["--ftp-create-dirs", "-T", &path("whole"), &there(&format!("at-{at}/f"))]);
        assert!(
            std::fs::read(account.home.join(format!("at-{at}/f"))).unwrap() == whole,
            "an upload"
        );
        let other = url(cluster, &service, (at + 1) % cluster.nodes.len(), &format!("at-{at}/f"));
        run(&["-o", &path("back"), &other]);
        assert!(
            std::fs::read(path("back")).unwrap() == whole,
            "a download through another node"
        );
        std::fs::copy(path("half"), path("part")).unwrap();
        run(&["-C", "-", "-o", &path("part"), &other]);
        assert!(std::fs::read(path("part")).unwrap() == whole, "a resumed download");
        run(&["-T", &path("half"), &there(&format!("at-{at}/r"))]);
        run(&["-C", "-", "-T", &path("whole"), &there(&format!("at-{at}/r"))]);
        assert!(
            std::fs::read(account.home.join(format!("at-{at}/r"))).unwrap() == whole,
            "a resumed upload"
        );
        run(&["--ftp-port", "-", "-o", &path("active"), &other]);
        assert!(std::fs::read(path("active")).unwrap() == whole, "active mode");
        run(&["--disable-epsv", "-o", &path("pasv"), &other]);
        assert!(std::fs::read(path("pasv")).unwrap() == whole, "PASV");
        let listed = run(&[&there(&format!("at-{at}/"))]);
        assert!(listed.out.contains("3000001"), "{}", listed.out);
        process::run(curl(&account, &[&there("missing")]), b"").refused();
        let mut foreign = account.clone();
        foreign.password = "wrong".to_owned();
        process::run(curl(&foreign, &[&there("")]), b"").refused();
    }
}

#[test]
fn curl_moves_files_and_resumes_by_explicit_and_implicit_tls_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let account = Account::create(cluster);
    let local = crate::rig::folder();
    let file = |name: &str| local.path().join(name).display().to_string();
    let whole = noise(41, 3_000_001);
    std::fs::write(file("whole"), &whole).unwrap();
    std::fs::write(file("half"), &whole[..1_000_000]).unwrap();
    for (kind, scheme) in [("ftps", "ftp"), ("ftps-implicit", "ftps")] {
        let service = service(cluster, kind);
        for (at, node) in cluster.nodes.iter().enumerate() {
            let run = |name: &str, arguments: &[&str]| {
                let mut command = curl(&account, &["--insecure"]);
                if kind == "ftps" {
                    command.arg("--ssl-reqd");
                }
                let there = format!("{scheme}://{}:{}/{kind}-{at}-{name}", node.address, service.port);
                process::run(command_with(command, arguments, &there), b"").ok()
            };
            let arrived = |name: &str| std::fs::read(account.home.join(format!("{kind}-{at}-{name}"))).unwrap();
            run("f", &["-T", &file("whole")]);
            assert!(arrived("f") == whole, "an upload");
            run("f", &["-o", &file("back")]);
            assert!(std::fs::read(file("back")).unwrap() == whole, "a download");
            std::fs::copy(file("half"), file("part")).unwrap();
            run("f", &["-C", "-", "-o", &file("part")]);
            assert!(std::fs::read(file("part")).unwrap() == whole, "a resumed download");
            run("r", &["-T", &file("half")]);
            run("r", &["-C", "-", "-T", &file("whole")]);
            assert!(arrived("r") == whole, "a resumed upload");
        }
    }
}

fn command_with(mut command: Command, arguments: &[&str], last: &str) -> Command {
    command.args(arguments).arg(last);
    command
}

fn lftp(service: &Service<'_>, kind: &str, at: &str, account: &Account, commands: &str) -> Command {
    let mut command = process::command("lftp");
    let tls = match kind {
        "ftp" => "set ftp:ssl-allow no",
        _ => "set ssl:verify-certificate no; set ftp:ssl-force yes; set ftp:ssl-protect-data yes",
    };
    let settings = format!("set net:max-retries 1; set net:timeout 20; {tls}; set cmd:fail-exit yes");
    let scheme = if kind == "ftps-implicit" { "ftps" } else { "ftp" };
    let open = format!(
        "open -p {} -u '{}','{}' {scheme}://{at}",
        service.port, account.name, account.password
    );
    command.args(["--norc", "-c", &format!("{settings}; {open}; {commands}; bye")]);
    command
}

#[test]
fn lftp_mirrors_trees_both_ways_with_tls_and_without_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let account = Account::create(cluster);
    let local = crate::rig::folder();
    let from = local.path().join("tree");
    make_plain_tree(&from);
    for kind in KINDS {
        let service = service(cluster, kind);
        let run = |at: usize, commands: &str| {
            let at = cluster.nodes[at % cluster.nodes.len()].address.to_string();
            process::run(lftp(&service, kind, &at, &account, commands), b"").ok();
        };
        for at in 0..cluster.nodes.len() {
            let there = format!("{kind}-{at}");
            run(at, &format!("mirror -R --parallel=3 {} /{there}", from.display()));
            same_tree(&from, &account.home.join(&there), "what arrived");
            let back = local.path().join(&there);
            run(at + 1, &format!("mirror --parallel=3 /{there} {}", back.display()));
            same_tree(&from, &back, "what came back");
        }
    }
}

#[test]
fn ncftp_carries_trees_both_ways_resumes_lists_and_goes_active_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let (account, service) = (Account::create(cluster), plain(cluster));
    let local = crate::rig::folder();
    let path = |name: &str| local.path().join(name).display().to_string();
    make_plain_tree(Path::new(&path("tree")));
    // Deeper trees it does not walk through.
    let deep: Vec<_> = (0..=20).map(|depth| format!("depth-{depth}")).collect();
    std::fs::remove_dir_all(Path::new(&path("tree")).join(deep.join("/"))).unwrap();
    let whole = noise(43, 1_000_001);
    std::fs::write(path("f"), &whole).unwrap();
    for (at, node) in cluster.nodes.iter().enumerate() {
        let host = node.address.to_string();
        let ncftp = |program: &str, flags: &[&str], rest: &[&str]| {
            let mut command = process::command(program);
            command.env("HOME", local.path());
            command.args([
                "-u",
                &account.name,
                "-p",
                &account.password,
                "-P",
                &service.port.to_string(),
            ]);
            command.args(flags).args(rest);
            process::run(command, b"")
        };
        let put = |flags: &[&str], there: &str, file: &str| ncftp("ncftpput", flags, &["-V", &host, there, file]).ok();
        let get = |flags: &[&str], back: &str, there: &str| ncftp("ncftpget", flags, &["-V", &host, back, there]);
        let there = format!("/ncftp-{at}");
        let arrived = account.home.join(&there[1..]);
        let back = path(&format!("back-{at}"));
        std::fs::create_dir(&back).unwrap();
        put(&["-R", "-m"], &there, &path("tree"));
        same_tree(Path::new(&path("tree")), &arrived.join("tree"), "what ncftp put");
        get(&["-R"], &back, &format!("{there}/tree")).ok();
        same_tree(
            Path::new(&path("tree")),
            &Path::new(&back).join("tree"),
            "what ncftp got",
        );
        // Resume, both ways; then through connections that the node makes.
        std::fs::write(arrived.join("f"), &whole[..400_000]).unwrap();
        // Where it goes on with sendfile, it sends the file from its beginning.
        put(&["-z", "-s"], &there, &path("f"));
        assert!(std::fs::read(arrived.join("f")).unwrap() == whole, "a resumed upload");
        std::fs::write(format!("{back}/f"), &whole[..400_000]).unwrap();
        get(&["-z"], &back, &format!("{there}/f")).ok();
        assert!(
            std::fs::read(format!("{back}/f")).unwrap() == whole,
            "a resumed download"
        );
        put(&["-E"], &format!("{there}/tree/empty"), &path("f"));
        assert!(
            std::fs::read(arrived.join("tree/empty/f")).unwrap() == whole,
            "active mode, up"
        );
        std::fs::remove_file(format!("{back}/f")).unwrap();
        get(&["-E"], &back, &format!("{there}/f")).ok();
        assert!(
            std::fs::read(format!("{back}/f")).unwrap() == whole,
            "active mode, down"
        );
        for machine in [&["-1"][..], &["-l"], &["-m"]] {
            let listed = ncftp("ncftpls", machine, &[&format!("ftp://{host}{there}/tree/")])
                .ok()
                .out;
            assert!(listed.contains("size-1000003"), "{machine:?}: {listed}");
        }
        get(&[], &back, &format!("{there}/missing")).refused();
    }
}

#[test]
fn pythons_ftplib_finds_what_it_asks_for_and_resumes_tls_sessions_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let account = Account::create(cluster);
    std::fs::create_dir_all(&account.home).unwrap();
    for kind in KINDS {
        let service = service(cluster, kind);
        for node in &cluster.nodes {
            let mut command = process::command(target().join("test-venv/bin/python"));
            command
                .arg("-B")
                .arg(repository().join("tests/clients/ftp.py"))
                .args([&node.address.to_string(), &service.port.to_string()])
                .args([&account.name, &account.password, kind, "/python"]);
            let done = process::run(command, b"").ok();
            assert!(done.out.contains("true"), "{}", done.out);
        }
    }
}

#[test]
fn rclone_copies_and_checks_a_tree_with_tls_and_without_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let account = Account::create(cluster);
    let local = crate::rig::folder();
    let from = local.path().join("tree");
    make_plain_tree(&from);
    let rclone = |arguments: &[&str]| {
        let mut command = process::command("rclone");
        command
            .args(["--config", "/dev/null", "--retries", "1"])
            .args(arguments);
        process::run(command, b"").ok()
    };
    let obscured = rclone(&["obscure", &account.password]).out;
    for kind in KINDS {
        let service = service(cluster, kind);
        let tls = match kind {
            "ftp" => "",
            "ftps" => "explicit_tls=true,no_check_certificate=true,",
            _ => "tls=true,no_check_certificate=true,",
        };
        for (at, node) in cluster.nodes.iter().enumerate() {
            let there = format!(
                ":ftp,{tls}host={},port={},user={},pass={}:/{kind}-{at}",
                node.address,
                service.port,
                account.name,
                obscured.trim()
            );
            rclone(&["copy", "--create-empty-src-dirs", &from.display().to_string(), &there]);
            same_tree(&from, &account.home.join(format!("{kind}-{at}")), "what rclone copied");
            rclone(&["check", "--download", &from.display().to_string(), &there]);
        }
    }
}

#[test]
fn an_account_disabled_in_an_upload_ends_it_at_once_and_nothing_is_published() {
    let shared = shared();
    let cluster = &*shared;
    let (account, service) = (Account::create(cluster), plain(cluster));
    let local = crate::rig::folder();
    let long = local.path().join("long");
    std::fs::write(&long, noise(3, 8_000_000)).unwrap();
    let slow = ["--limit-rate", "400K", "-T", &long.display().to_string()].map(str::to_owned);
    let there = url(cluster, &service, 1, "f");
    let mut arguments: Vec<&str> = slow.iter().map(String::as_str).collect();
    arguments.push(&there);
    let mut child = process::spawn({
        let mut command = curl(&account, &arguments);
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        command
    })
    .unwrap();
    let sessions = || cluster.api(1).get("/api/v1/session").ok().json().to_string();
    eventually("a session of the upload", Duration::from_secs(20), || {
        let all = sessions();
        if all.contains(&account.name) { Ok(()) } else { Err(all) }
    });
    let mut spec = account.spec.clone();
    spec["enabled"] = json!(false);
    let path = format!("/api/v1/account/{}?wait=enforced&timeout=10s", account.name);
    cluster.api(2).put(&path, &spec).enforced();
    eventually("the upload has ended", Duration::from_secs(5), || {
        match child.try_wait().unwrap() {
            Some(status) if !status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(!Path::new(&account.home.join("f")).exists(), "it was not published");
    assert!(!sessions().contains(&account.name));
}
