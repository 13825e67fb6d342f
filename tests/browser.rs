//! The file manager in a real browser: what a person does there, and how it looks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::rig::account::noise;
use crate::rig::browser::Browser;
use crate::rig::{Account, Cluster, Service, shared};

/// A name that a browser does not take for its own machine: so pages are what they are in the wild.
const HOST: &str = "files.test";

/// A page with a word on it; readers find its parts without a table of them.
const PDF: &str = "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n\
    3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>\nendobj\n\
    4 0 obj\n<</Length 43>>\nstream\nBT /F1 32 Tf 60 90 Td (A page of PDF) Tj ET\nendstream\nendobj\n\
    5 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n";

/// One address that leads to one node or another, as a balancer does.
struct Balancer {
    port: u16,
    to: Arc<Mutex<SocketAddr>>,
    /// How often it fell over; what was open before is broken.
    falls: Arc<AtomicU64>,
}

impl Balancer {
    fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let balancer = Self {
            port: listener.local_addr().unwrap().port(),
            to: Arc::new(Mutex::new(to)),
            falls: Arc::default(),
        };
        let (to, falls) = (balancer.to.clone(), balancer.falls.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let at = falls.load(Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(*to.lock().unwrap()) else {
                    continue;
                };
                let pairs = [(&client, &server), (&server, &client)];
                for (from, into) in pairs.map(|(from, into)| (from.try_clone().unwrap(), into.try_clone().unwrap())) {
                    let falls = falls.clone();
                    std::thread::spawn(move || carry(from, into, || falls.load(Ordering::SeqCst) != at));
                }
            }
        });
        balancer
    }

    /// From now on another node; what is open breaks.
    fn fall_over_to(&self, to: SocketAddr) {
        *self.to.lock().unwrap() = to;
        self.falls.fetch_add(1, Ordering::SeqCst);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{HOST}:{}{path}", self.port)
    }
}

/// Carries bytes until an end, or until `broken`. It never waits for long, so that all that is open is let go then.
fn carry(mut from: TcpStream, mut into: TcpStream, broken: impl Fn() -> bool) {
    let wait = Some(Duration::from_millis(50));
    from.set_read_timeout(wait).unwrap();
    into.set_write_timeout(wait).unwrap();
    let late = |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    let mut bytes = vec![0; 64 * 1024];
    while !broken() {
        let read = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if late(&error) => continue,
            Err(_) => break,
        };
        let mut left = &bytes[..read];
        while !left.is_empty() {
            match into.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if late(&error) && !broken() => {}
                Err(_) => return,
            }
        }
    }
    let _ = into.shutdown(std::net::Shutdown::Write);
}

struct Scene<'a> {
    account: Account,
    service: Service<'a>,
    balancer: Balancer,
    browser: Browser,
}

impl<'a> Scene<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let account = Account::create(cluster);
        let service = Service::create_as(cluster, "http", &json!({}));
        let balancer = Balancer::start(cluster.nodes[0].at(service.port));
        let mut browser = Browser::start(&format!("MAP {HOST} 127.0.0.1"));
        browser.look(1280, 800, false);
        Self {
            account,
            service,
            balancer,
            browser,
        }
    }

    fn sign_in(&mut self) {
        self.browser.go(&self.balancer.url("/files/"));
        self.browser.value("document.querySelector('#name').focus()");
        self.browser.write(&self.account.name);
        self.browser.value("document.querySelector('#password').focus()");
        self.browser.write(&self.account.password);
        self.browser.press("Enter", 13);
        self.browser
            .until("document.querySelector('main[data-folder] .acts:not([hidden])')");
    }

    fn refresh(&mut self) {
        let url = self.browser.value("location.href");
        self.browser.go(url.as_str().unwrap());
        self.browser
            .until("document.querySelector('main[data-folder] .acts:not([hidden])')");
    }
}

/// Takes a picture, and looks for what would keep somebody out.
fn look_at(browser: &mut Browser, name: &str) {
    browser.picture(name);
    let found = browser.barriers();
    assert!(found.is_empty(), "{name}: {found:#?}");
}

/// A row by its path as it stands in links.
fn row(path: &str) -> String {
    format!("tr[data-path=\"{path}\"]")
}

fn shows(path: &str) -> String {
    format!("document.querySelector('{}')", row(path))
}

fn tree(folder: &Path) {
    for inner in ["photos/summer", "photos/empty", "papers"] {
        std::fs::create_dir_all(folder.join(inner)).unwrap();
    }
    std::fs::write(folder.join("photos/summer/a b.jpg"), noise(1, 20_000)).unwrap();
    std::fs::write(
        folder.join("photos/\u{5e9}\u{5dc}\u{5d5}\u{5dd} \"x\" 'y'.txt"),
        b"peace",
    )
    .unwrap();
    std::fs::write(folder.join("papers/large.bin"), noise(2, 24_000_000)).unwrap();
    std::fs::write(folder.join("papers/none.txt"), b"").unwrap();
}

#[test]
fn a_person_uploads_a_folder_mends_a_name_and_deletes() {
    let shared = shared();
    let mut scene = Scene::new(&shared);
    scene.sign_in();
    let local = crate::rig::folder();
    let folder = local.path().join("send me");
    tree(&folder);
    scene.browser.drop_files(&[&folder]);
    scene
        .browser
        .until("document.querySelector('.loads h2')?.textContent.startsWith('Uploaded: 5 of 5')");
    scene.browser.until(&shows("/send%20me"));
    let home = scene.account.home.clone();
    for name in [
        "photos/summer/a b.jpg",
        "photos/\u{5e9}\u{5dc}\u{5d5}\u{5dd} \"x\" 'y'.txt",
        "papers/large.bin",
        "papers/none.txt",
    ] {
        let (sent, came) = (
            std::fs::read(folder.join(name)),
            std::fs::read(home.join("send me").join(name)),
        );
        assert!(sent.unwrap() == came.unwrap(), "{name}");
    }
    assert!(home.join("send me/photos/empty").is_dir());

    let browser = &mut scene.browser;
    browser.click(&format!("{} .name a", row("/send%20me")));
    browser.until("location.pathname === '/files/send%20me/'");
    browser.click(&format!("{} .name a", row("/send%20me/photos")));
    browser.until("location.pathname === '/files/send%20me/photos/'");
    let old = "/send%20me/photos/%D7%A9%D7%9C%D7%95%D7%9D%20%22x%22%20%27y%27.txt";
    browser.click(&format!("{} input", row(old)));
    browser.click(".picked [data-do=rename]");
    browser.until("document.querySelector('dialog[open] input')");
    browser.value("document.querySelector('dialog input').select()");
    browser.write("<b>\"bold\"</b> & so.txt".replace('/', "").as_str());
    browser.press("Enter", 13);
    let new = "/send%20me/photos/%3Cb%3E%22bold%22%3Cb%3E%20%26%20so.txt";
    browser.until(&shows(new));
    assert!(home.join("send me/photos/<b>\"bold\"<b> & so.txt").exists());
    assert_eq!(browser.value("document.querySelectorAll('main b').length"), json!(0));

    // By the keyboard alone: the row has the focus after the change.
    browser.until(&format!("document.activeElement.closest('{}')", row(new)));
    browser.press("Delete", 46);
    browser.until("document.querySelector('dialog[open]')?.textContent.includes('bold')");
    browser.click("dialog button.grave");
    browser.until(&format!("!{}", shows(new)));
    assert!(!home.join("send me/photos/<b>\"bold\"<b> & so.txt").exists());
    browser.value("history.back()");
    browser.until("location.pathname === '/files/send%20me/'");
    browser.until(&shows("/send%20me/papers"));

    browser.click("[data-do=make-folder]");
    browser.until("document.querySelector('dialog[open] input')");
    browser.write("new \u{202e}one");
    browser.press("Enter", 13);
    browser.until(&shows("/send%20me/new%20%E2%80%AEone"));
    assert!(
        browser
            .value("document.querySelector('main').innerText")
            .as_str()
            .unwrap()
            .contains("new ⟨U+202E⟩one")
    );
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");

    browser.click(".bar button");
    browser.until("location.pathname === '/sign-in'");
    browser.go(&scene.balancer.url("/files/"));
    browser.until("document.querySelector('#password')");
}

#[test]
fn an_upload_goes_on_through_another_node_when_its_own_is_lost() {
    let shared = shared();
    let mut scene = Scene::new(&shared);
    scene.sign_in();
    let local = crate::rig::folder();
    let content = noise(3, 30_000_000);
    std::fs::write(local.path().join("large.bin"), &content).unwrap();
    // As slow as a line out of an office.
    let slow = json!({"restrictions": {"session_upload_rate": 4_000_000}});
    scene.account.change(&shared, 0, slow);
    scene.browser.drop_files(&[&local.path().join("large.bin")]);
    scene
        .browser
        .until("document.querySelector('.loads .whole progress')?.value > 0.15");
    let other = shared.nodes[1].at(scene.service.port);
    scene.balancer.fall_over_to(other);
    look_at(&mut scene.browser, "upload");
    scene
        .browser
        .until("document.querySelector('.loads h2')?.textContent.startsWith('Uploaded: 1 of 1')");
    assert!(std::fs::read(scene.account.home.join("large.bin")).unwrap() == content);
}

#[test]
fn every_page_is_legible_in_light_and_dark_and_on_a_phone() {
    let shared = shared();
    let mut scene = Scene::new(&shared);
    let sizes = [
        ("light", 1280, 800, false),
        ("dark", 1280, 800, true),
        ("narrow", 390, 780, false),
    ];
    scene.browser.go(&scene.balancer.url("/sign-in"));
    for (name, width, height, dark) in sizes {
        scene.browser.look(width, height, dark);
        look_at(&mut scene.browser, &format!("sign-in-{name}"));
    }
    scene.browser.look(1280, 800, false);
    scene.sign_in();
    for folder in [
        "Contracts 2026",
        "Deliveries",
        "\u{5ea}\u{5de}\u{5d5}\u{5e0}\u{5d5}\u{5ea}",
    ] {
        std::fs::create_dir_all(scene.account.home.join(folder)).unwrap();
    }
    for (name, bytes) in [
        ("annual report 2026.pdf", 2_400_000),
        (
            "a name that is rather long and goes on for a while, so that it does not fit beside the others.txt",
            12,
        ),
        ("invoice \u{202e}fdp.exe", 90_112),
        ("\"quoted\" & <odd>.csv", 1_234_567),
        ("readme.txt", 640),
    ] {
        scene.account.plant(name, &noise(9, bytes));
    }
    scene
        .account
        .plant("readme.txt", "Deliveries go into “Deliveries”.\n".repeat(20).as_bytes());
    let icon = include_bytes!("../src/protocols/http/pages/assets/icon.svg");
    scene.account.plant("sail.svg", icon);
    scene.account.plant("small.pdf", PDF.as_bytes());
    scene
        .account
        .plant("no-picture.png", b"<script>document.title = 'taken over'</script>");
    scene.refresh();
    for (name, width, height, dark) in sizes {
        scene.browser.look(width, height, dark);
        look_at(&mut scene.browser, &format!("folder-{name}"));
        let wide = scene
            .browser
            .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wide, json!(0), "{name}: nothing stands out to the side");
        scene.browser.click(&format!("{} .pick input", row("/readme.txt")));
        look_at(&mut scene.browser, &format!("picked-{name}"));
        scene.browser.click(".picked [data-do=move]");
        scene
            .browser
            .until("document.querySelector('dialog[open] .places button')");
        look_at(&mut scene.browser, &format!("move-{name}"));
        scene.browser.press("Escape", 27);
        scene.browser.until("!document.querySelector('dialog[open]')");
        scene.browser.click(&format!("{} .name a", row("/readme.txt")));
        scene
            .browser
            .until("document.querySelector('dialog[open] pre')?.textContent.startsWith('Deliveries')");
        look_at(&mut scene.browser, &format!("text-{name}"));
        scene.browser.press("Escape", 27);
        scene.browser.until("!document.querySelector('dialog[open]')");
        scene.browser.click(&format!("{} .pick input", row("/readme.txt")));
        scene.browser.until("document.querySelector('.picked').hidden");
    }
    scene.browser.look(1280, 800, false);
    for (path, shown) in [("/sail.svg", "img"), ("/small.pdf", "iframe")] {
        scene.browser.click(&format!("{} .name a", row(path)));
        scene
            .browser
            .until(&format!("document.querySelector('dialog[open] {shown}')"));
        // A viewer draws in its own time and says nothing about it; the picture is for people.
        std::thread::sleep(Duration::from_millis(if shown == "iframe" { 1500 } else { 0 }));
        scene.browser.picture(&format!("preview-{shown}"));
        scene.browser.value("document.querySelector('dialog[open]').close()");
        scene.browser.until("!document.querySelector('dialog[open]')");
    }
    scene.browser.click(&format!("{} .name a", row("/no-picture.png")));
    scene
        .browser
        .until("document.querySelector('dialog[open] .said')?.textContent.includes('no picture')");
    scene.browser.go(&scene.balancer.url("/account"));
    for (name, width, height, dark) in sizes {
        scene.browser.look(width, height, dark);
        look_at(&mut scene.browser, &format!("account-{name}"));
    }
    let complaints = scene.browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
