//! Uploads in steps over HTTP through real nodes: what one node took before it was killed, another goes on with.

use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::rig::account::noise;
use crate::rig::{Account, Cluster, Service, among_others, eventually, process};

const BYTES: &str = "Content-Type: application/offset+octet-stream";

/// A client of one account.
struct Client<'a> {
    cluster: &'a Cluster,
    account: &'a Account,
    port: u16,
}

impl Client<'_> {
    fn curl(&self, at: usize, place: &str, arguments: &[&str]) -> Command {
        let mut command = process::command("curl");
        command
            .args(["--silent", "--max-time", "120", "-o", "/dev/null", "-D", "-", "--user"])
            .arg(format!("{}:{}", self.account.name, self.account.password))
            .args(["-H", "Tus-Resumable: 1.0.0"])
            .args(arguments)
            .arg(format!(
                "http://{}:{}{place}",
                self.cluster.nodes[at].address, self.port
            ));
        command
    }

    /// Status and head of the answer.
    fn ask(&self, at: usize, place: &str, arguments: &[&str]) -> (u16, String) {
        let head = process::run(self.curl(at, place, arguments), b"")
            .ok()
            .out
            .to_lowercase();
        let last = head
            .split("\r\n\r\n")
            .filter(|head| !head.is_empty())
            .last()
            .unwrap_or_default();
        let status = last.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no answer: {head}")), last.to_owned())
    }

    fn offset(&self, at: usize, place: &str) -> Option<u64> {
        header(&self.ask(at, place, &["--head"]).1, "upload-offset")?
            .parse()
            .ok()
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let value = head
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.map(|value| value.trim().to_owned())
}

#[test]
fn an_upload_goes_on_through_another_node_after_the_first_was_killed_in_the_middle_of_it() {
    let _among = among_others();
    let cluster = Cluster::start(3);
    let (account, other) = (Account::create(&cluster), Account::create(&cluster));
    let service = Service::create_as(&cluster, "http", &json!({}));
    let client = |account| Client {
        cluster: &cluster,
        account,
        port: service.port,
    };
    let (ours, theirs) = (client(&account), client(&other));
    let whole = noise(73, 64 << 20);
    let local = crate::rig::folder();
    let file = |name: &str| local.path().join(name).display().to_string();
    std::fs::write(file("whole"), &whole).unwrap();
    let metadata = format!("Upload-Metadata: path {}", STANDARD.encode("/big"));
    let length = format!("Upload-Length: {}", whole.len());
    let (status, head) = ours.ask(
        0,
        "/api/files/v1/uploads",
        &["-X", "POST", "-H", &metadata, "-H", &length],
    );
    assert_eq!(status, 201, "{head}");
    let place = header(&head, "location").unwrap();
    assert_eq!(theirs.ask(1, &place, &["--head"]).0, 404, "another account finds it");
    let mut arguments = vec![
        "-X",
        "PATCH",
        "-H",
        BYTES,
        "-H",
        "Upload-Offset: 0",
        "--limit-rate",
        "8M",
    ];
    let source = format!("@{}", file("whole"));
    arguments.extend(["--data-binary", &source]);
    let mut running = process::spawn(ours.curl(2, &place, &arguments)).unwrap();
    let soon = Duration::from_secs(60);
    let staged = cluster.path("files").join(".argosy-staging");
    eventually("bytes come", soon, || {
        let accounts = std::fs::read_dir(&staged).map_err(|error| error.to_string())?;
        let files = accounts
            .flatten()
            .filter_map(|account| std::fs::read_dir(account.path()).ok())
            .flatten();
        let bytes: u64 = files
            .flatten()
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum();
        (bytes > 8 << 20).then_some(()).ok_or_else(|| format!("{bytes} bytes"))
    });
    assert_eq!(
        ours.ask(1, &place, &["--head"]).0,
        423,
        "another node goes on beside the first"
    );
    cluster.nodes[2].kill();
    drop(running.wait());
    let came = eventually("the upload goes on", soon, || {
        ours.offset(1, &place).ok_or_else(|| "no offset".to_owned())
    });
    assert!(came > 0 && came < whole.len() as u64, "{came} bytes");
    std::fs::write(file("rest"), &whole[usize::try_from(came).unwrap()..]).unwrap();
    let (source, offset) = (format!("@{}", file("rest")), format!("Upload-Offset: {came}"));
    let arguments = ["-X", "PATCH", "-H", BYTES, "-H", &offset, "--data-binary", &source];
    let (status, head) = ours.ask(0, &place, &arguments);
    assert_eq!(status, 204, "{head}");
    assert!(std::fs::read(account.home.join("big")).unwrap() == whole, "other bytes");
    assert_eq!(ours.ask(1, &place, &["--head"]).0, 404);
}
