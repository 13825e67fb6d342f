//! A real browser, driven over the DevTools protocol through two pipes.
//!
//! What a page must show is left to the tests.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use super::limits;
use super::process::{self, Process};

/// How long a page may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
pub struct Browser {
    messages: mpsc::Receiver<Value>,
    commands: File,
    number: u64,
    session: String,
    events: Vec<Value>,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts it with an empty page; `rules` say which names lead where, as Chromium's `host-resolver-rules` do.
    pub fn start(rules: &str) -> Self {
        let folder = super::folder();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (commands, answers) = (path("commands"), path("answers"));
        for fifo in [&commands, &answers] {
            let mut command = process::command("mkfifo");
            command.arg(fifo);
            process::run(command, b"").ok();
        }
        let mut command = process::command("sh");
        let line = "commands=$1 answers=$2; shift 2; exec chromium \"$@\" 3<\"$commands\" 4>\"$answers\"";
        command
            .env("HOME", folder.path())
            .args(["-c", line, "sh", &commands, &answers])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", path("profile")))
            .arg(format!("--host-resolver-rules={rules}"))
            .arg("about:blank");
        let process = Process::start("chromium", command, &folder.path().join("log"));
        // Each side waits for the other to open the pipe.
        let commands = File::options().write(true).open(commands).unwrap();
        let answers = BufReader::new(File::open(answers).unwrap());
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || read(answers, &sender));
        let mut browser = Self {
            messages,
            commands,
            number: 0,
            session: String::new(),
            events: Vec::new(),
            _process: process,
            _folder: folder,
        };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let target = self.command("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.command("Target.attachToTarget", attach);
        self.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "DOM"] {
            self.command(&format!("{domain}.enable"), json!({}));
        }
    }

    /// One command; its answer, or a panic with what the browser says of it.
    #[track_caller]
    pub fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": parameters});
        if !self.session.is_empty() && !method.starts_with("Target.") {
            message["sessionId"] = json!(self.session);
        }
        self.commands.write_all(message.to_string().as_bytes()).unwrap();
        self.commands.write_all(&[0]).unwrap();
        let end = Instant::now() + limits::CLIENT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(answer) = self.messages.recv_timeout(left) else {
                panic!("{method}: the browser does not answer");
            };
            if answer["id"] == json!(self.number) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// The value of an expression, awaited.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let answer = self.command("Runtime.evaluate", parameters);
        let failed = &answer["exceptionDetails"];
        assert!(failed.is_null(), "{expression}: {failed}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        let begun = Instant::now();
        loop {
            // While a page is left there is nothing to ask.
            let guarded =
                format!("(() => {{ try {{ return Boolean({expression}) }} catch (e) {{ return false }} }})()");
            let parameters = json!({"expression": guarded, "returnByValue": true});
            if self.command("Runtime.evaluate", parameters)["result"]["value"] == json!(true) {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let text = self.value("document.body.innerText");
                panic!("not within {PATIENCE:?}: {expression}; the page: {text}");
            }
            std::thread::sleep(limits::POLL);
        }
    }

    /// Goes to a page and waits for it.
    #[track_caller]
    pub fn go(&mut self, url: &str) {
        self.command("Page.navigate", json!({"url": url}));
        self.until(&format!(
            "location.href.startsWith({}) && document.readyState === 'complete'",
            json!(url)
        ));
    }

    /// Clicks on what a selector finds, with the mouse where it is.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        self.until(&format!("document.querySelector({selector})?.offsetParent !== null || document.querySelector({selector})?.checkVisibility()"));
        let place = self.value(&format!(
            "(() => {{ const e = document.querySelector({selector}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getBoundingClientRect(); return [r.x + Math.min(r.width / 2, 30), r.y + r.height / 2]; }})()"
        ));
        for what in ["mousePressed", "mouseReleased"] {
            let parameters = json!({
                "type": what, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
            });
            self.command("Input.dispatchMouseEvent", parameters);
        }
    }

    /// Types text where the focus is.
    pub fn write(&mut self, text: &str) {
        self.command("Input.insertText", json!({"text": text}));
    }

    /// Presses a key that has a name.
    pub fn press(&mut self, key: &str, code: u32) {
        for what in ["keyDown", "keyUp"] {
            let mut parameters = json!({"type": what, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if key == "Enter" && what == "keyDown" {
                parameters["text"] = json!("\r");
            }
            self.command("Input.dispatchKeyEvent", parameters);
        }
    }

    /// Drops files or folders in the middle of the page.
    pub fn drop_files(&mut self, paths: &[&Path]) {
        let files: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        for what in ["dragEnter", "dragOver", "drop"] {
            let data = json!({"items": [], "files": files, "dragOperationsMask": 1});
            self.command(
                "Input.dispatchDragEvent",
                json!({"type": what, "x": 400, "y": 400, "data": data}),
            );
        }
    }

    /// The window's size in pixels, and whether it is dark.
    pub fn look(&mut self, width: u32, height: u32, dark: bool) {
        let mobile = width < 600;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.command("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", features);
    }

    /// A picture of the window in `target/screenshots`.
    pub fn picture(&mut self, name: &str) {
        let folder = super::target().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let taken = self.command("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap());
        std::fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// What the page complained of so far: exceptions, errors, refusals by its policy.
    pub fn complaints(&mut self) -> Vec<String> {
        self.value("1");
        let said = self.events.iter().filter_map(|event| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(event["params"]["exceptionDetails"].to_string()),
            Some("Log.entryAdded") => {
                let entry = &event["params"]["entry"];
                // A status that a script expects is written down as an error all the same.
                let counts = entry["level"] == "error" && entry["source"] != "network";
                counts.then(|| entry.to_string())
            }
            _ => None,
        });
        said.collect()
    }

    /// What axe finds on the page that keeps somebody out: serious and critical findings.
    pub fn barriers(&mut self) -> Vec<String> {
        let source = super::target().join("axe/axe.min.js");
        let source = std::fs::read_to_string(source).expect("tests/run fetches axe");
        if self.value("typeof axe") == json!("undefined") {
            self.value(&format!("{source}; 1"));
        }
        let found = self.value(
            "axe.run().then((all) => all.violations.filter((one) => ['serious', 'critical'].includes(one.impact))\
             .map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html + ' ' + node.failureSummary).join('; ')}`))",
        );
        let found = found.as_array().unwrap();
        found
            .iter()
            .map(|one| one.as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Messages end with a zero.
fn read(mut answers: BufReader<File>, sender: &mpsc::Sender<Value>) {
    loop {
        let mut bytes = Vec::new();
        let read = answers.read_until(0, &mut bytes);
        if read.is_err() || bytes.pop() != Some(0) {
            return;
        }
        let Ok(message) = serde_json::from_slice(&bytes) else {
            return;
        };
        if sender.send(message).is_err() {
            return;
        }
    }
}
