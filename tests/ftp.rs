//! FTP through every node with the clients that people have: curl, lftp, Python's ftplib, rclone; bytes compared.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::tree::{make_plain_tree, same_tree};
use crate::rig::{Account, Cluster, Service, eventually, process, repository, shared, target};

/// Plain FTP on every node, on a port of its own.
fn plain(cluster: &Cluster) -> Service<'_> {
    Service::create_as(cluster, "ftp", &json!({"ftp": {"passive_ports": "43000-43999"}}))
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
fn ftps_explicit_and_implicit_serve_on_every_node_with_a_certificate_of_the_catalog() {
    let shared = shared();
    let cluster = &*shared;
    let account = Account::create(cluster);
    let certificate = json!({"self_signed": {"names": ["ftp.example.org"], "days": 30}});
    let path = "/api/v1/certificate/ftp-test?wait=enforced&timeout=10s";
    cluster.api(0).put(path, &certificate).enforced();
    let local = crate::rig::folder();
    let file = |name: &str| local.path().join(name).display().to_string();
    let whole = noise(41, 3_000_001);
    std::fs::write(file("whole"), &whole).unwrap();
    for (kind, scheme) in [("ftps", "ftp"), ("ftps-implicit", "ftps")] {
        let fields = json!({"tls": {"certificates": ["ftp-test"]}, "ftp": {"passive_ports": "43000-43999"}});
        let service = Service::create_as(cluster, kind, &fields);
        for (at, node) in cluster.nodes.iter().enumerate() {
            let there = format!("{scheme}://{}:{}/{kind}-{at}", node.address, service.port);
            let run = |arguments: &[&str]| {
                let mut command = curl(&account, &["--insecure"]);
                if kind == "ftps" {
                    command.arg("--ssl-reqd");
                }
                command.args(arguments).arg(&there);
                process::run(command, b"").ok()
            };
            run(&["-T", &file("whole")]);
            assert!(
                std::fs::read(account.home.join(format!("{kind}-{at}"))).unwrap() == whole,
                "an upload"
            );
            run(&["-o", &file("back")]);
            assert!(std::fs::read(file("back")).unwrap() == whole, "a download");
        }
    }
}

fn lftp(cluster: &Cluster, service: &Service<'_>, at: usize, account: &Account, commands: &str) -> Command {
    let mut command = process::command("lftp");
    let settings = "set net:max-retries 1; set net:timeout 20; set ftp:ssl-allow no; set cmd:fail-exit yes";
    let open = format!(
        "open -p {} -u '{}','{}' {}",
        service.port, account.name, account.password, cluster.nodes[at].address
    );
    command.args(["--norc", "-c", &format!("{settings}; {open}; {commands}; bye")]);
    command
}

#[test]
fn lftp_mirrors_trees_both_ways_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let (account, service) = (Account::create(cluster), plain(cluster));
    let local = crate::rig::folder();
    let from = local.path().join("tree");
    make_plain_tree(&from);
    for at in 0..cluster.nodes.len() {
        let up = format!("mirror -R --parallel=3 {} /up-{at}", from.display());
        process::run(lftp(cluster, &service, at, &account, &up), b"").ok();
        same_tree(&from, &account.home.join(format!("up-{at}")), "what arrived");
        let back = local.path().join(format!("back-{at}"));
        let other = (at + 1) % cluster.nodes.len();
        let down = format!("mirror --parallel=3 /up-{at} {}", back.display());
        process::run(lftp(cluster, &service, other, &account, &down), b"").ok();
        same_tree(&from, &back, "what came back");
    }
}

#[test]
fn pythons_ftplib_finds_what_it_asks_for_on_every_node() {
    let shared = shared();
    let cluster = &*shared;
    let (account, service) = (Account::create(cluster), plain(cluster));
    std::fs::create_dir_all(&account.home).unwrap();
    for (at, node) in cluster.nodes.iter().enumerate() {
        let mut command = process::command(target().join("test-venv/bin/python"));
        command
            .arg(repository().join("tests/clients/ftp.py"))
            .args([&node.address.to_string(), &service.port.to_string()])
            .args([&account.name, &account.password, "ftp", &format!("/python-{at}")]);
        let done = process::run(command, b"").ok();
        assert!(done.out.contains("true"), "{}", done.out);
    }
}

#[test]
fn rclone_copies_and_checks_a_tree() {
    let shared = shared();
    let cluster = &*shared;
    let (account, service) = (Account::create(cluster), plain(cluster));
    let local = crate::rig::folder();
    let from = local.path().join("tree");
    make_plain_tree(&from);
    let obscured = process::run(
        {
            let mut command = process::command("rclone");
            command.args(["obscure", &account.password]);
            command
        },
        b"",
    )
    .ok();
    let remote = format!(
        ":ftp,host={},port={},user={},pass={}:/up",
        cluster.nodes[1].address,
        service.port,
        account.name,
        obscured.out.trim()
    );
    let rclone = |arguments: &[&str]| {
        let mut command = process::command("rclone");
        command
            .args(["--config", "/dev/null", "--retries", "1"])
            .args(arguments);
        process::run(command, b"").ok()
    };
    rclone(&["copy", &from.display().to_string(), &remote]);
    rclone(&["check", "--download", &from.display().to_string(), &remote]);
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
