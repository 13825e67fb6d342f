//! A virtual machine: QEMU, a disk that may forget, an address on the run's network.
//!
//! When it is cut is left to `run`.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;

use super::disk::{Disk, Loss, Lost};
use super::guest::Image;
use super::limits::{DISK_BYTES, DISK_OPENED_MAX, MEMORY_MIB};
use super::nbd;
use crate::live::net::{apart, run};

/// What a machine does with a disk on which no node lives.
#[derive(Debug, Clone)]
pub enum Make {
    /// Begins a cluster.
    Init,
    /// Joins one, with this token.
    Join(String),
}

/// A machine, running or without power.
pub struct Machine {
    /// `n1` and so on.
    pub name: String,
    /// Its address.
    pub address: std::net::Ipv4Addr,
    /// What it and its node said.
    pub log: PathBuf,
    image: Image,
    tap: String,
    link: PathBuf,
    accelerator: String,
    folder: PathBuf,
    disk: Arc<Mutex<Disk>>,
    running: Option<Running>,
}

struct Running {
    qemu: Child,
    over: Arc<AtomicBool>,
    served: JoinHandle<()>,
}

/// Where a machine lives and what it starts from.
pub struct Place<'a> {
    /// `n1` and so on.
    pub name: &'a str,
    /// Its address.
    pub address: std::net::Ipv4Addr,
    /// The bridge that it is on.
    pub bridge: &'a str,
    /// For its log, its disk's socket.
    pub folder: &'a Path,
    /// QEMU's accelerator: `tcg`, or `kvm` where the machine has it.
    pub accelerator: &'a str,
}

impl Machine {
    /// A machine without power, with an empty file system on its disk.
    ///
    /// # Errors
    /// The step that failed.
    pub fn new(place: &Place<'_>, image: &Image, forgets: Option<Duration>) -> Result<Self, String> {
        let fresh = place.folder.join(format!("{}.fresh", place.name));
        let path = fresh.display().to_string();
        let file = std::fs::File::create(&fresh).map_err(|error| format!("{path}: {error}"))?;
        file.set_len(DISK_BYTES).map_err(|error| format!("{path}: {error}"))?;
        run(&["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1", &path])?;
        let disk = Disk::load(&fresh, forgets)?;
        std::fs::remove_file(&fresh).map_err(|error| format!("{path}: {error}"))?;
        // QEMU makes its link itself, so that nothing is left of it: this puts it on the bridge.
        let link = place.folder.join("link-up");
        let script = format!("#!/bin/sh\nexec ip link set \"$1\" master {} up\n", place.bridge);
        std::fs::write(&link, script)
            .and_then(|()| std::fs::set_permissions(&link, std::fs::Permissions::from_mode(0o755)))
            .map_err(|error| format!("{}: {error}", link.display()))?;
        Ok(Self {
            name: place.name.to_owned(),
            address: place.address,
            log: place.folder.join(format!("{}.log", place.name)),
            image: image.clone(),
            tap: format!("{}{}", place.bridge, place.name),
            link,
            accelerator: place.accelerator.to_owned(),
            folder: place.folder.to_owned(),
            disk: Arc::new(Mutex::new(disk)),
            running: None,
        })
    }

    /// Its disk.
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Turns the power on. With `eager` its kernel writes soon what nobody synced.
    ///
    /// # Errors
    /// The step that failed.
    pub fn power_on(&mut self, make: &Make, eager: bool) -> Result<(), String> {
        let socket = self.folder.join(format!("{}.disk", self.name));
        drop(std::fs::remove_file(&socket));
        let listener = UnixListener::bind(&socket).map_err(|error| format!("{}: {error}", socket.display()))?;
        let told = |error: std::io::Error| format!("{}: {error}", self.name);
        listener.set_nonblocking(true).map_err(told)?;
        let qemu = self.qemu(&socket, make, eager).spawn().map_err(told)?;
        let over = Arc::new(AtomicBool::new(false));
        let (disk, ended) = (self.disk.clone(), over.clone());
        let served = std::thread::spawn(move || serve(&listener, &disk, &ended));
        self.running = Some(Running { qemu, over, served });
        Ok(())
    }

    fn qemu(&self, socket: &Path, make: &Make, eager: bool) -> Command {
        let (verb, token) = match make {
            Make::Init => ("init", ""),
            Make::Join(token) => ("join", token.as_str()),
        };
        let words = format!(
            "console=ttyS0 quiet panic=-1 rdinit=/init NODE={} ADDRESS={} VERB={verb} TOKEN={token} EAGER={}",
            self.name,
            self.address,
            u8::from(eager),
        );
        let last = self.address.octets()[3];
        let mut qemu = apart(&["qemu-system-x86_64", "-nodefaults", "-no-user-config"]);
        qemu.args([
            "-display",
            "none",
            "-no-reboot",
            "-machine",
            "q35",
            "-cpu",
            "max",
            "-smp",
            "1",
        ]);
        qemu.args(["-accel", &self.accelerator, "-m", &format!("{MEMORY_MIB}M")]);
        qemu.arg("-kernel")
            .arg(&self.image.kernel)
            .arg("-initrd")
            .arg(&self.image.first);
        qemu.args(["-append", &words]);
        let log = format!("file,id=said,append=on,path={}", self.log.display());
        qemu.args(["-chardev", &log, "-serial", "chardev:said"]);
        let disk = format!(
            "driver=nbd,node-name=disk,server.type=unix,server.path={},cache.direct=on,cache.no-flush=off",
            socket.display()
        );
        qemu.args(["-blockdev", &disk]);
        qemu.args(["-device", "virtio-blk-pci,drive=disk,write-cache=on"]);
        let net = format!(
            "tap,id=net,ifname={},script={},downscript=no",
            self.tap,
            self.link.display()
        );
        qemu.args(["-netdev", &net]);
        let card = format!("virtio-net-pci,netdev=net,romfile=,mac=52:54:00:87:00:{last:02x}");
        qemu.args(["-device", &card, "-device", "virtio-rng-pci"]);
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        qemu
    }

    /// Whether QEMU ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let running = self.running.as_mut();
        running.is_none_or(|running| !matches!(running.qemu.try_wait(), Ok(None)))
    }

    /// Takes the power away, and nothing more: SIGKILL. All requests that QEMU sent before are served.
    pub fn power_off(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.qemu.kill());
            drop(running.qemu.wait());
            running.over.store(true, Ordering::Relaxed);
            drop(running.served.join());
        }
    }

    /// Decides what is on the disk after the power is gone.
    pub fn lose(&self, loss: Loss, dice: &mut Dice) -> Lost {
        self.disk().cut(loss, dice)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.power_off();
    }
}

/// Serves the disk to the one client that comes, until that ends.
fn serve(listener: &UnixListener, disk: &Mutex<Disk>, over: &AtomicBool) {
    let until = Instant::now() + DISK_OPENED_MAX;
    while Instant::now() < until && !over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((mut stream, _)) => {
                if stream.set_nonblocking(false).is_ok() {
                    // A killed client breaks off: that is the point.
                    drop(nbd::serve(&mut stream, disk));
                }
                return;
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
