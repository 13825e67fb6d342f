//! A small file system of its own for a folder, to be filled and emptied: a sparse image with ext4, mounted by root.
//!
//! Which one is filled when is left to `nemesis`.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::net::run;

/// Where the harness takes all room.
const FILLER: &str = "filler";

/// A mounted file system; taken down when dropped.
pub struct Disk {
    mount: PathBuf,
    image: PathBuf,
}

impl Disk {
    /// A file system of so many bytes at `mount`, which is made.
    ///
    /// # Errors
    /// Without root, or without loop devices.
    pub fn new(mount: &Path, bytes: u64) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", mount.display());
        std::fs::create_dir_all(mount).map_err(told)?;
        let image = mount.with_extension("image");
        File::create(&image)
            .and_then(|file| file.set_len(bytes))
            .map_err(told)?;
        let (from, to) = (image.display().to_string(), mount.display().to_string());
        run(&["mkfs.ext4", "-q", "-F", "-m", "0", &from])?;
        run(&["mount", "-o", "loop", &from, &to])?;
        Ok(Self {
            mount: mount.to_owned(),
            image,
        })
    }

    /// Takes every block that is left.
    ///
    /// # Errors
    /// What the system said.
    pub fn fill(&self) -> Result<(), String> {
        let told = |error: std::io::Error| format!("cannot fill {}: {error}", self.mount.display());
        let filler = File::create(self.mount.join(FILLER)).map_err(told)?;
        let mut size = rustix::fs::statvfs(&self.mount)
            .map_err(|error| told(error.into()))?
            .f_bsize
            << 20;
        let mut end = 0;
        while size >= 4096 {
            match rustix::fs::fallocate(&filler, FallocateFlags::empty(), end, size) {
                Ok(()) => end += size,
                Err(_) => size /= 2,
            }
        }
        Ok(())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// What the system said.
    pub fn free(&self) -> Result<(), String> {
        match std::fs::remove_file(self.mount.join(FILLER)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("cannot make room in {}: {error}", self.mount.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what ends just now may still hold a file.
        drop(run(&["umount", "-l", &self.mount.display().to_string()]));
        drop(std::fs::remove_file(&self.image));
    }
}

/// Takes down what a killed harness left below `folder`.
pub fn sweep(folder: &Path) {
    let Ok(folder) = std::fs::canonicalize(folder) else {
        return;
    };
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split_whitespace().nth(1));
    for place in places.filter(|place| Path::new(place).starts_with(&folder)) {
        drop(run(&["umount", "-l", place]));
    }
}
