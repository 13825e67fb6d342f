//! Finds the real path behind a named one: symbolic links are walked one at a time and never leave the mount.
//!
//! Whether the real path may be touched is decided again in `resolve`.

use std::collections::VecDeque;

use rustix::io::Errno;

use super::{Root, Seen, is_staging, join, link_text, told};
use crate::vfs::limits::LINKS_MAX;
use crate::vfs::{FileType, VfsError};

/// A path below a mount's folder that goes through no link.
pub(in crate::vfs) struct Real {
    /// Below the mount's folder, no leading `/`.
    pub(in crate::vfs) below: Vec<u8>,
    /// What is there; `None`: nothing has the name (or a folder that leads to it is missing).
    pub(in crate::vfs) seen: Option<Seen>,
}

/// The real path of `below` in the mount's folder `folder`, both relative. With `follow` a link at the end is
/// followed too; one that points at nothing leads to the name that it gives.
pub(in crate::vfs) fn real_path(root: &Root, folder: &[u8], below: &[u8], follow: bool) -> Result<Real, VfsError> {
    match root.look(&join(folder, below)) {
        Ok(Some(seen)) if follow && seen.state.attributes.file_type == FileType::Link => {}
        Ok(seen) => {
            let below = below.to_vec();
            return Ok(Real { below, seen });
        }
        Err(Errno::LOOP) => {}
        Err(errno) => return Err(told("looking at the path", errno)),
    }
    walk(root, folder, below, follow)
}

fn walk(root: &Root, folder: &[u8], below: &[u8], follow: bool) -> Result<Real, VfsError> {
    let mut real: Vec<Vec<u8>> = Vec::new();
    let mut rest: VecDeque<Vec<u8>> = parts(below).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        match part.as_slice() {
            b"." => continue,
            b".." => {
                if real.pop().is_none() {
                    return Err(VfsError::OutOfMount);
                }
                continue;
            }
            hidden if is_staging(hidden) => return Err(VfsError::NotFound),
            _ => real.push(part),
        }
        let seen = root
            .look(&join(folder, &real.join(&b'/')))
            .map_err(|errno| told("looking at the path", errno))?;
        let Some(seen) = seen else {
            if rest.is_empty() {
                break;
            }
            return Err(VfsError::NotFound);
        };
        if seen.state.attributes.file_type != FileType::Link || (rest.is_empty() && !follow) {
            continue;
        }
        links += 1;
        let text = link_text(&seen.fd).map_err(|errno| told("reading the link", errno))?;
        if links > LINKS_MAX || text.first() == Some(&b'/') {
            return Err(VfsError::OutOfMount);
        }
        real.pop();
        for part in parts(&text).rev() {
            rest.push_front(part);
        }
    }
    let below = real.join(&b'/');
    let seen = root
        .look(&join(folder, &below))
        .map_err(|errno| told("looking at the path", errno))?;
    Ok(Real { below, seen })
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
}
