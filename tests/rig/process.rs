//! Child processes that cannot outlive the tests: killed by their own id on drop, and by the kernel if the tests die.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::limits;

type Request = (Command, mpsc::Sender<io::Result<Child>>);

/// The kernel ends a child with the *thread* that started it, so one thread that never ends starts them all.
static SPAWNER: LazyLock<Mutex<mpsc::Sender<Request>>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<Request>();
    std::thread::spawn(move || {
        for (mut command, answer) in requests {
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(sender)
});

/// Starts `command` from the thread that never ends.
pub fn spawn(command: Command) -> io::Result<Child> {
    let (sender, answer) = mpsc::channel();
    SPAWNER.lock().unwrap().send((command, sender)).unwrap();
    answer.recv().unwrap()
}

/// `program`, to be killed by the kernel when the tests end in any way.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A process in the background.
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command`; what it says goes to the end of `log`.
    pub fn start(name: &str, command: Command, log: &Path) -> Self {
        Self::start_with_input(name, command, Path::new("/dev/null"), log)
    }

    /// The same, with a file as its standard input.
    pub fn start_with_input(name: &str, mut command: Command, input: &Path, log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).unwrap();
        command
            .stdin(File::open(input).unwrap())
            .stdout(out.try_clone().unwrap())
            .stderr(out);
        let child = spawn(command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            name: name.to_owned(),
            child,
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot send {signal:?} to {}: {error}", self.name));
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGSTOP: it stands still, its connections stay open.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(limits::STOP)
    }

    /// Waits for the end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        super::eventually(&format!("{} ends", self.name), limit, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command that has ended left behind.
#[derive(Debug)]
pub struct Done {
    /// What was run, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Done {
    /// Panics with all that the command said, unless it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(
            self.status.success(),
            "`{}` failed with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.status,
            self.out,
            self.err
        );
        self
    }

    /// Panics if the command succeeded.
    #[track_caller]
    pub fn refused(self) -> Self {
        assert!(
            !self.status.success(),
            "`{}` was to be refused\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.out,
            self.err
        );
        self
    }

    /// Both outputs.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs `command` to its end, with `input`, for at most [`limits::CLIENT`].
#[track_caller]
pub fn run(command: Command, input: &[u8]) -> Done {
    run_for(command, input, limits::CLIENT)
}

/// Runs `command` to its end, with `input`, for at most `limit`.
#[track_caller]
pub fn run_for(mut command: Command, input: &[u8], limit: Duration) -> Done {
    let line = format!("{command:?}").replace('"', "");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(command).unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let writer = std::thread::spawn(move || io::Write::write_all(&mut stdin, &input));
        let output = child.wait_with_output();
        let _ = writer.join();
        let _ = sender.send(output);
    });
    let begun = Instant::now();
    let output: Output = match ended.recv_timeout(limit) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            let _ = kill_process(pid, Signal::KILL);
            let output = ended.recv().unwrap().unwrap();
            panic!(
                "`{line}` ran for {:?}, over its limit\n--- stdout\n{}\n--- stderr\n{}",
                begun.elapsed(),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    };
    Done {
        line,
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
