//! What a virtual machine starts from: a kernel of this machine, and a first file system in memory with busybox, the
//! program under test, its libraries and the kernel's modules.
//!
//! How it is run is left to `machine`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::live::net::run;

const SCRIPT: &str = include_str!("guest.sh");
const MODULES: [&str; 5] = ["virtio_pci", "virtio_blk", "virtio_net", "virtio-rng", "ext4"];
const FOLDERS: [&str; 10] = [
    "bin", "dev", "disk", "etc", "lib", "lib64", "modules", "proc", "sys", "tmp",
];

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// A kernel and what it starts.
#[derive(Debug, Clone)]
pub struct Image {
    /// The kernel.
    pub kernel: PathBuf,
    /// The first file system.
    pub first: PathBuf,
}

/// An archive of the kind that the kernel unpacks (cpio, `newc`).
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (size, name_size) = (length(content.len()), length(name.len() + 1));
        let mut head = "070701".to_owned();
        for field in [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0] {
            // Writing into a String cannot fail.
            let _ = write!(head, "{field:08x}");
        }
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

/// The files that `ldd` tells.
fn libraries(told: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let path = match words.as_slice() {
            [_, "=>", path, ..] | [path, ..] => *path,
            [] => return None,
        };
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    told.lines().filter_map(path).collect()
}

/// The files that `modprobe --show-depends` tells, in the order in which they go in; none twice.
fn modules(told: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in told.lines().filter_map(|line| line.strip_prefix("insmod ")) {
        let path = PathBuf::from(path.split_whitespace().next().unwrap_or_default());
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{}: not text", path.display()))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The newest kernel in `/boot` that has modules.
///
/// # Errors
/// There is none.
fn newest_kernel() -> Result<PathBuf, String> {
    let boot = std::fs::read_dir("/boot").map_err(|error| format!("/boot: {error}"))?;
    let mut found: Vec<PathBuf> = boot
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| name_of(path).starts_with("vmlinuz-"))
        .collect();
    found.sort();
    found
        .pop()
        .ok_or_else(|| "no kernel in /boot: `apt-get install linux-image-cloud-amd64`, or say --kernel".to_owned())
}

/// Gathers all that a virtual machine starts from, in `folder`.
///
/// # Errors
/// What is missing.
pub fn image(program: &Path, kernel: Option<&Path>, folder: &Path) -> Result<Image, String> {
    let kernel = kernel.map_or_else(newest_kernel, |kernel| Ok(kernel.to_owned()))?;
    let version = name_of(&kernel);
    let version = version.strip_prefix("vmlinuz-").unwrap_or_default();
    let mut archive = Archive::default();
    for name in FOLDERS {
        archive.add(name, FOLDER, &[]);
    }
    archive.add("init", PROGRAM, SCRIPT.as_bytes());
    let busybox = run(&["sh", "-c", "command -v busybox"])?;
    archive.add("bin/busybox", PROGRAM, &read(Path::new(busybox.trim()))?);
    archive.add("bin/argosy", PROGRAM, &stripped(program, folder)?);
    let (mut made, told) = (Vec::new(), run(&["ldd", text(program)?])?);
    for library in libraries(&told) {
        let ancestors: Vec<&Path> = library.ancestors().skip(1).collect();
        for above in ancestors.into_iter().rev() {
            let above = above.to_string_lossy().trim_start_matches('/').to_owned();
            if !above.is_empty() && !FOLDERS.contains(&above.as_str()) && !made.contains(&above) {
                archive.add(&above, FOLDER, &[]);
                made.push(above);
            }
        }
        let name = library.to_string_lossy();
        archive.add(name.trim_start_matches('/'), PROGRAM, &read(&library)?);
    }
    let mut told = String::new();
    for module in MODULES {
        told += &run(&["modprobe", "-S", version, "--show-depends", module])?;
    }
    let mut order = String::new();
    for module in modules(&told) {
        let name = name_of(&module);
        archive.add(&format!("modules/{name}"), PROGRAM, &read(&module)?);
        order += &format!("{name}\n");
    }
    archive.add("modules/order", PROGRAM, order.as_bytes());
    let first = folder.join("first.cpio");
    std::fs::write(&first, archive.finish()).map_err(|error| format!("{}: {error}", first.display()))?;
    Ok(Image { kernel, first })
}

/// The program without what only a debugger reads, where `strip` is there: it lies in the machine's memory.
fn stripped(program: &Path, folder: &Path) -> Result<Vec<u8>, String> {
    let slim = folder.join("argosy-stripped");
    match run(&["strip", "--strip-debug", "-o", text(&slim)?, text(program)?]) {
        Ok(_) => read(&slim),
        Err(_) => read(program),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_the_kernel_unpacks() {
        let mut archive = Archive::default();
        archive.add("bin", FOLDER, &[]);
        archive.add("init", PROGRAM, b"hello");
        let text = String::from_utf8(archive.finish()).unwrap();
        let expected = "07070100000001000041ed000000000000000000000001000000000000000000000000000000000000000000000000\
                        0000000400000000bin\0\0\0\
                        07070100000002000081ed000000000000000000000001000000000000000500000000000000000000000000000000\
                        0000000500000000init\0\0hello\0\0\0\
                        070701000000030000000000000000000000000000000100000000000000000000000000000000000000000000000000\
                        00000b00000000TRAILER!!!\0\0\0\0";
        assert_eq!(text, expected);
    }

    #[test]
    fn libraries_are_found_and_what_the_kernel_gives_is_not_one() {
        let told = "\tlinux-vdso.so.1 (0x00007)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007)\n\tlibgone.so => not found\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries(told), expected.map(PathBuf::from));
    }

    #[test]
    fn modules_keep_their_order_and_come_once() {
        let told = "insmod /m/virtio_ring.ko \ninsmod /m/virtio.ko \nbuiltin ext4\ninsmod /m/virtio_ring.ko \n\
                    insmod /m/net.ko some=option\n";
        let expected = ["/m/virtio_ring.ko", "/m/virtio.ko", "/m/net.ko"];
        assert_eq!(modules(told), expected.map(PathBuf::from));
    }
}
