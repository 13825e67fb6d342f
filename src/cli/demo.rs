//! `argosy demo`: three nodes as three processes on this machine, with an account, to try things on.
//!
//! It uses the same commands as a person would: what is shown here is how a cluster is made.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::{border, init};

/// Nodes of the demo; node N listens on 127.0.0.N.
const NODES: u8 = 3;
/// How long a node may take until it answers.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long a node may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Options of `argosy demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Keep the cluster in this folder; a second start finds it [default: a folder that is removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Port of SFTP on each address
    #[arg(long, value_name = "PORT", default_value_t = 2022, value_parser = clap::value_parser!(u16).range(1..))]
    sftp_port: u16,
    /// Port of the admin API on each address
    #[arg(long, value_name = "PORT", default_value_t = 8443, value_parser = clap::value_parser!(u16).range(1..))]
    admin_port: u16,
    /// Port between nodes on each address
    #[arg(long, value_name = "PORT", default_value_t = 7400, value_parser = clap::value_parser!(u16).range(1..))]
    peer_port: u16,
}

/// Runs the command.
pub fn run(args: &DemoArgs) -> Result<(), String> {
    let (folder, temporary) = match &args.dir {
        Some(dir) => (
            std::path::absolute(dir).map_err(|error| format!("--dir {}: {error}", dir.display()))?,
            false,
        ),
        None => (
            std::env::temp_dir().join(format!("argosy-demo-{}", std::process::id())),
            true,
        ),
    };
    border::make_private_folder(&folder)?;
    let program = std::env::current_exe().map_err(|error| format!("this program's path is not known: {error}"))?;
    let mut demo = Demo {
        args,
        folder: folder.clone(),
        program,
        nodes: Vec::new(),
    };
    let result = demo.ports_are_free().and_then(|()| demo.run());
    let stopped = demo.stop();
    if temporary {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result.and(stopped)
}

struct Demo<'a> {
    args: &'a DemoArgs,
    folder: PathBuf,
    program: PathBuf,
    nodes: Vec<Running>,
}

struct Running {
    number: u8,
    child: Child,
    ended: bool,
}

impl Demo<'_> {
    fn run(&mut self) -> Result<(), String> {
        let found = init::is_node(&self.data(1));
        if found {
            println!("Found the cluster in {}; starting its nodes.", self.folder.display());
            for number in 1..=NODES {
                if init::is_node(&self.data(number)) {
                    self.start(number)?;
                }
            }
            for number in self.nodes.iter().map(|node| node.number).collect::<Vec<_>>() {
                self.wait_until_ready(number)?;
            }
        } else {
            println!("Making a cluster of {NODES} nodes in {} ...", self.folder.display());
        }
        if !found {
            self.make_first()?;
        }
        for number in 2..=NODES {
            if !init::is_node(&self.data(number)) {
                self.make_next(number)?;
            }
        }
        self.make_account()?;
        self.explain()?;
        self.watch()
    }

    fn data(&self, number: u8) -> PathBuf {
        self.folder.join(format!("node-{number}"))
    }

    fn ports_are_free(&self) -> Result<(), String> {
        let ports = [
            ("sftp", self.args.sftp_port),
            ("admin", self.args.admin_port),
            ("peer", self.args.peer_port),
        ];
        for number in 1..=NODES {
            for (what, port) in ports {
                let address: SocketAddr = ([127, 0, 0, number], port).into();
                if let Err(error) = TcpListener::bind(address) {
                    return Err(format!(
                        "the demo needs port {port} on 127.0.0.{number}, but it cannot be opened: {error}.\n\
                         See who has it: ss -ltnp 'sport = :{port}'. Or choose another: --{what}-port PORT"
                    ));
                }
            }
        }
        Ok(())
    }

    fn place(&self, number: u8) -> Vec<String> {
        let address = format!("127.0.0.{number}");
        vec![
            "--data".to_owned(),
            self.data(number).display().to_string(),
            "--name".to_owned(),
            format!("node-{number}"),
            "--peer".to_owned(),
            format!("{address}:{}", self.args.peer_port),
            "--service-address".to_owned(),
            address.clone(),
            "--admin".to_owned(),
            format!("{address}:{}", self.args.admin_port),
        ]
    }

    fn make_first(&mut self) -> Result<(), String> {
        let port = self.args.sftp_port.to_string();
        let mut command = self.command(&["init", "--sftp-port", &port]);
        command.args(self.place(1));
        let printed = finish(command, None)?;
        let token = printed
            .lines()
            .find_map(|line| line.strip_prefix("token: "))
            .unwrap_or_default();
        border::write_file(&self.folder.join("admin-token"), format!("{token}\n").as_bytes(), 0o600)?;
        self.start(1)?;
        self.wait_until_ready(1)
    }

    fn make_next(&mut self, number: u8) -> Result<(), String> {
        let printed = finish(self.client(1, &["token", "create"]), None)?;
        let token = printed
            .split_whitespace()
            .find(|word| word.starts_with("argosy-join-"))
            .unwrap_or_default();
        let mut command = self.command(&["join", "--token-stdin"]);
        command.args(self.place(number));
        finish(command, Some(token))?;
        self.start(number)?;
        self.wait_until_ready(number)?;
        println!("  node-{number} has joined");
        Ok(())
    }

    /// The storage, the account and its key; made once.
    fn make_account(&mut self) -> Result<(), String> {
        let password = self.folder.join("demo-password");
        if password.exists() {
            return Ok(());
        }
        let files = self.folder.join("files");
        border::make_private_folder(&files)?;
        let root = files.display().to_string();
        finish(self.client(1, &["storage", "create", "files", "--root", &root]), None)?;
        let (public, private) = crate::auth::generate_host_key("ssh-ed25519")?;
        border::write_file(&self.folder.join("demo-key"), private.as_bytes(), 0o600)?;
        let public_file = self.folder.join("demo-key.pub");
        border::write_file(&public_file, format!("{public} demo\n").as_bytes(), 0o644)?;
        let secret = border::new_password()?;
        let key_file = public_file.display().to_string();
        let create = [
            "account",
            "create",
            "demo",
            "--home-storage",
            "files",
            "--home-folder",
            "/demo",
        ];
        let mut command = self.client(1, &create);
        command.args(["--password-stdin", "--key-file", &key_file, "--wait"]);
        finish(command, Some(&secret))?;
        border::write_file(&password, format!("{}\n", *secret).as_bytes(), 0o600)
    }

    fn explain(&self) -> Result<(), String> {
        let (folder, sftp, admin) = (self.folder.display(), self.args.sftp_port, self.args.admin_port);
        let password = std::fs::read_to_string(self.folder.join("demo-password")).unwrap_or_default();
        let program = self.program.display();
        let victim = self
            .nodes
            .iter()
            .find(|node| node.number == 3)
            .map_or(0, |node| node.child.id());
        println!();
        println!("Three nodes serve SFTP on 127.0.0.1, 127.0.0.2 and 127.0.0.3, port {sftp}.");
        println!(
            "Account `demo`, password {}, key {folder}/demo-key; files in {folder}/files.",
            password.trim()
        );
        println!();
        println!("Try, in another terminal:");
        println!("  1. Move files through any node:");
        println!("       sftp -P {sftp} -i {folder}/demo-key demo@127.0.0.1");
        println!("  2. Make an account on node 2, and use it on node 3 a moment later:");
        println!("       echo 'a good password' | {program} account create alice --data {folder}/node-2 \\");
        println!("           --home-storage files --home-folder /alice --password-stdin --wait");
        println!("       sftp -P {sftp} alice@127.0.0.3");
        println!("  3. Disable it on node 1 while that session is open: the session ends.");
        println!("       {program} account disable alice --data {folder}/node-1 --wait");
        println!("  4. Kill a node; the others go on. Then start it again; it catches up.");
        println!("       kill -9 {victim}        # node-3");
        println!("       {program} status --data {folder}/node-1");
        println!("       {program} serve --data {folder}/node-3");
        println!();
        println!("Admin API: https://127.0.0.1:{admin}/api/v1/status, bearer token in {folder}/admin-token,");
        println!("authority in {folder}/node-1/cluster/ca.crt. Logs: {folder}/node-N/log.txt.");
        println!("Ctrl-C stops the demo.");
        std::io::stdout()
            .flush()
            .map_err(|error| format!("standard output: {error}"))
    }

    /// Runs until Ctrl-C; says when a node has ended.
    fn watch(&mut self) -> Result<(), String> {
        let runtime = border::runtime()?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("SIGINT: {error}"))?;
            let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("SIGTERM: {error}"))?;
            let mut timer = tokio::time::interval(LOOK_EVERY);
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    _ = timer.tick() => self.notice_ended(),
                }
            }
        })
    }

    fn notice_ended(&mut self) {
        let program = self.program.display().to_string();
        let folder = self.folder.display().to_string();
        for node in self.nodes.iter_mut().filter(|node| !node.ended) {
            if let Ok(Some(status)) = node.child.try_wait() {
                node.ended = true;
                println!("node-{} has ended ({status}); start it again with:", node.number);
                println!("  {program} serve --data {folder}/node-{}", node.number);
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_remove("ARGOSY_DATA");
        command
    }

    /// A client of the node's local socket.
    fn client(&self, number: u8, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.arg("--data").arg(self.data(number));
        command
    }

    fn start(&mut self, number: u8) -> Result<(), String> {
        let path = self.data(number).join("log.txt");
        let fail = |error: std::io::Error| format!("{}: {error}", path.display());
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(fail)?;
        let mut command = self.command(&["serve"]);
        command
            .arg("--data")
            .arg(self.data(number))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        // A group of its own: Ctrl-C reaches the demo, which then stops its nodes in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command
            .spawn()
            .map_err(|error| format!("node-{number} could not be started: {error}"))?;
        self.nodes.push(Running {
            number,
            child,
            ended: false,
        });
        Ok(())
    }

    fn wait_until_ready(&mut self, number: u8) -> Result<(), String> {
        let deadline = Instant::now() + READY_MAX;
        let address: SocketAddr = ([127, 0, 0, number], self.args.sftp_port).into();
        loop {
            let node = self.nodes.iter_mut().find(|node| node.number == number);
            if let Some(status) = node.and_then(|node| node.child.try_wait().ok().flatten()) {
                return Err(format!(
                    "node-{number} ended while starting ({status}); its log:\n{}",
                    self.log_tail(number)
                ));
            }
            let greets = std::net::TcpStream::connect_timeout(&address, LOOK_EVERY).is_ok_and(greets_as_ssh);
            if greets && finish(self.client(number, &["status"]), None).is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "node-{number} did not answer within {READY_MAX:?}; its log:\n{}",
                    self.log_tail(number)
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn log_tail(&self, number: u8) -> String {
        let text = std::fs::read_to_string(self.data(number).join("log.txt")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    fn stop(&mut self) -> Result<(), String> {
        for node in self.nodes.iter().filter(|node| !node.ended) {
            if let Some(pid) = rustix::process::Pid::from_raw(node.child.id() as i32) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        let deadline = Instant::now() + STOP_MAX;
        for node in &mut self.nodes {
            loop {
                match node.child.try_wait() {
                    Ok(Some(_)) | Err(_) => break,
                    Ok(None) if Instant::now() > deadline => {
                        let _ = node.child.kill();
                        let _: Result<ExitStatus, _> = node.child.wait();
                        break;
                    }
                    Ok(None) => std::thread::sleep(LOOK_EVERY),
                }
            }
        }
        Ok(())
    }
}

fn greets_as_ssh(stream: std::net::TcpStream) -> bool {
    let mut line = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && std::io::Read::take(BufReader::new(stream), 256)
            .read_line(&mut line)
            .is_ok()
        && line.starts_with("SSH-2.0-")
}

/// Runs a command to its end; gives what it printed, or what it complained about.
fn finish(mut command: Command, input: Option<&str>) -> Result<String, String> {
    let shown = format!("{:?}", command.get_args().take(3).collect::<Vec<_>>());
    let fail = |error: std::io::Error| format!("{shown}: {error}");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(fail)?;
    if let Some(mut stdin) = child.stdin.take()
        && let Some(input) = input
    {
        writeln!(stdin, "{input}").map_err(fail)?;
    }
    let output = child.wait_with_output().map_err(fail)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{shown} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    ))
}
