//! The file API over HTTP and HTTPS through every node, with curl; bytes compared.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::{Account, Cluster, Service, eventually, process, shared};

const TREE: &str = "/api/files/v1/tree";

fn curl(account: &Account, arguments: &[&str]) -> Command {
    let mut command = process::command("curl");
    command
        .args(["--silent", "--show-error", "--insecure", "--max-time", "60", "--user"])
        .arg(format!("{}:{}", account.name, account.password))
        .args(arguments);
    command
}

fn url(cluster: &Cluster, service: &Service<'_>, scheme: &str, at: usize, path: &str) -> String {
    format!("{scheme}://{}:{}{TREE}{path}", cluster.nodes[at].address, service.port)
}

#[test]
fn curl_puts_and_gets_and_resumes_on_every_node_by_http_1_and_2() {
    let shared = shared();
    let cluster = &*shared;
    let account = Account::create(cluster);
    let certificate = json!({"self_signed": {"names": ["files.example.org"], "days": 30}});
    let path = "/api/v1/certificate/http-test?wait=enforced&timeout=10s";
    cluster.api(0).put(path, &certificate).enforced();
    let plain = Service::create_as(cluster, "http", &json!({}));
    let secure = Service::create_as(cluster, "https", &json!({"tls": {"certificates": ["http-test"]}}));
    let local = crate::rig::folder();
    let file = |name: &str| local.path().join(name).display().to_string();
    let whole = noise(71, 3_000_001);
    std::fs::write(file("whole"), &whole).unwrap();
    std::fs::write(file("half"), &whole[..1_000_000]).unwrap();
    for (service, scheme, version) in [
        (&plain, "http", "--http1.1"),
        (&secure, "https", "--http1.1"),
        (&secure, "https", "--http2"),
    ] {
        for at in 0..cluster.nodes.len() {
            let name = format!("/{scheme}{version}-{at}");
            let here = url(cluster, service, scheme, at, &name);
            let other = url(cluster, service, scheme, (at + 1) % cluster.nodes.len(), &name);
            let run = |arguments: &[&str]| process::run(curl(&account, &[&[version], arguments].concat()), b"").ok();
            run(&["--fail", "-T", &file("whole"), &here]);
            assert!(
                std::fs::read(account.home.join(&name[1..])).unwrap() == whole,
                "{name}: an upload"
            );
            run(&["--fail", "-o", &file("back"), &other]);
            assert!(std::fs::read(file("back")).unwrap() == whole, "{name}: a download");
            std::fs::copy(file("half"), file("part")).unwrap();
            run(&["--fail", "-C", "-", "-o", &file("part"), &other]);
            assert!(
                std::fs::read(file("part")).unwrap() == whole,
                "{name}: a resumed download"
            );
            let chunked = ["--fail", "-T", "-", &*here];
            process::run(
                curl(&account, &[&[version][..], &chunked].concat()),
                &whole[..2_000_000],
            )
            .ok();
            assert!(
                std::fs::read(account.home.join(&name[1..])).unwrap() == whole[..2_000_000],
                "{name}: an upload of a length that was not said"
            );
            let said = run(&["-o", "/dev/null", "-w", "%{http_version} %{http_code}", &here]);
            let expected = if version == "--http2" { "2 200" } else { "1.1 200" };
            assert_eq!(said.out, expected);
        }
    }
}

#[test]
fn a_download_by_http_ends_on_every_node_when_its_account_is_disabled_anywhere() {
    let shared = shared();
    let cluster = &*shared;
    let mut account = Account::create(cluster);
    let service = Service::create_as(cluster, "http", &json!({}));
    account.plant("big", &noise(72, 64 << 20));
    let local = crate::rig::folder();
    let back = local.path().join("back");
    let there = url(cluster, &service, "http", 0, "/big");
    let mut command = curl(&account, &["--limit-rate", "1M", "-o"]);
    command.arg(&back).arg(&there);
    let mut running = process::spawn(command).unwrap();
    let soon = Duration::from_secs(10);
    eventually("bytes come", soon, || {
        let length = std::fs::metadata(&back).map_or(0, |file| file.len());
        (length > 100_000)
            .then_some(())
            .ok_or_else(|| format!("{length} bytes"))
    });
    account.change(cluster, 2, json!({"enabled": false}));
    let ended = eventually("the download has ended", soon, || {
        running.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
    });
    assert!(!ended.success());
    let refused = process::run(curl(&account, &["-o", "/dev/null", "-w", "%{http_code}", &there]), b"").ok();
    assert_eq!(refused.out, "401");
}
