//! A folder with all that is in it: removed or copied step by step, within bounds.
//!
//! Each step is judged by the Vfs as if it were asked for alone.

use std::sync::Arc;

use crate::path::VirtualPath;
use crate::protocols::http::limits::{ENTRIES_PER_STEP, FAILURES_MAX, TREE_DEPTH_MAX, TREE_ENTRIES_MAX};
use crate::session::Session;
use crate::vfs::{FileType, OpenOptions, Vfs, VfsError};

/// The door and who goes through it.
#[derive(Clone, Copy)]
pub struct Walker<'a> {
    /// The files.
    pub vfs: &'a Vfs,
    /// Who asks.
    pub session: &'a Arc<Session>,
}

/// What was found below a folder, folders before what is in them.
struct Found {
    path: VirtualPath,
    file_type: FileType,
}

/// One of a tree with which something was not done, and why.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which.
    pub path: VirtualPath,
    /// Why not.
    pub error: VfsError,
}

fn too_many() -> VfsError {
    VfsError::Limit(format!(
        "the folder holds more than {TREE_ENTRIES_MAX} entries or is deeper than {TREE_DEPTH_MAX}; do it in parts"
    ))
}

impl Walker<'_> {
    /// All that is below `top`, itself left out. Nothing is changed before all is known.
    async fn below(self, top: &VirtualPath) -> Result<Vec<Found>, VfsError> {
        let mut found = Vec::new();
        let mut folders = vec![(top.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if depth >= TREE_DEPTH_MAX {
                return Err(too_many());
            }
            let mut listing = self.vfs.list(self.session, &folder).await?;
            loop {
                let entries = listing.next(ENTRIES_PER_STEP).await?;
                if entries.is_empty() {
                    break;
                }
                for entry in entries {
                    let named = folder.join(&entry.name);
                    let path = named.map_err(|error| VfsError::InvalidName(error.to_string()))?;
                    if found.len() >= TREE_ENTRIES_MAX {
                        return Err(too_many());
                    }
                    if entry.attributes.file_type == FileType::Folder {
                        folders.push((path.clone(), depth + 1));
                    }
                    found.push(Found {
                        path,
                        file_type: entry.attributes.file_type,
                    });
                }
            }
        }
        Ok(found)
    }

    /// Removes the folder and all in it. What was removed before a refusal stays removed.
    pub async fn remove(self, top: &VirtualPath) -> Result<(), VfsError> {
        for found in self.below(top).await?.into_iter().rev() {
            match found.file_type {
                FileType::Folder => self.vfs.remove_folder(self.session, &found.path).await?,
                _ => self.vfs.remove(self.session, &found.path).await?,
            }
        }
        self.vfs.remove_folder(self.session, top).await
    }

    /// Looks at all below `top`, and changes nothing.
    pub async fn look(self, top: &VirtualPath) -> Result<(), VfsError> {
        self.below(top).await.map(|_| ())
    }

    /// Removes the folder and all in it that can be; a folder of which something stays, stays. Gives what was refused,
    /// at most [`FAILURES_MAX`], then it stops.
    pub async fn remove_each(self, top: &VirtualPath) -> Result<Vec<Failure>, VfsError> {
        let mut failures: Vec<Failure> = Vec::new();
        let all = self.below(top).await?.into_iter().rev();
        let top = Found {
            path: top.clone(),
            file_type: FileType::Folder,
        };
        for Found { path, file_type } in all.chain([top]) {
            let folder = file_type == FileType::Folder;
            if folder && failures.iter().any(|failure| failure.path.is_within(&path)) {
                continue;
            }
            let done = match folder {
                true => self.vfs.remove_folder(self.session, &path).await,
                false => self.vfs.remove(self.session, &path).await,
            };
            match done {
                // Somebody else was faster.
                Ok(()) | Err(VfsError::NotFound) => {}
                Err(error @ VfsError::Revoked(_)) => return Err(error),
                Err(error) => failures.push(Failure { path, error }),
            }
            if failures.len() >= FAILURES_MAX {
                break;
            }
        }
        Ok(failures)
    }

    /// Copies a folder to a name that nothing has, with all in it that can be where `deep`, and with what clients have
    /// set of each; links are left out. Gives what was refused, at most [`FAILURES_MAX`], then it stops.
    pub async fn copy_each(self, from: &VirtualPath, to: &VirtualPath, deep: bool) -> Result<Vec<Failure>, VfsError> {
        let all = if deep { self.below(from).await? } else { Vec::new() };
        self.vfs.make_folder(self.session, to, None).await?;
        let _ = self.vfs.copy_note(self.session, from, to).await;
        let mut failures: Vec<Failure> = Vec::new();
        for found in all {
            let Some(rest) = found.path.below(from) else { continue };
            let target = to.join(rest);
            let target = target.map_err(|error| VfsError::InvalidName(error.to_string()))?;
            if failures.iter().any(|failure| target.is_within(&failure.path)) {
                continue;
            }
            let done = match found.file_type {
                FileType::Folder => self.vfs.make_folder(self.session, &target, None).await,
                FileType::File => self.copy_file(&found.path, &target, false).await,
                FileType::Link | FileType::Other => Ok(()),
            };
            match done {
                Ok(()) if found.file_type == FileType::Folder => {
                    let _ = self.vfs.copy_note(self.session, &found.path, &target).await;
                }
                Ok(()) => {}
                Err(error @ VfsError::Revoked(_)) => return Err(error),
                Err(error) => failures.push(Failure { path: target, error }),
            }
            if failures.len() >= FAILURES_MAX {
                break;
            }
        }
        Ok(failures)
    }

    /// Copies a file; without `overwrite` nothing may have the name.
    pub async fn copy_file(self, from: &VirtualPath, to: &VirtualPath, overwrite: bool) -> Result<(), VfsError> {
        let reading = OpenOptions {
            read: true,
            ..OpenOptions::default()
        };
        let source = self.vfs.open(self.session, from, &reading).await?;
        let attributes = source.attributes().await?;
        if attributes.file_type == FileType::Folder {
            return Err(VfsError::IsFolder);
        }
        let writing = OpenOptions {
            write: true,
            create: true,
            truncate: overwrite,
            exclusive: !overwrite,
            mode: Some(attributes.mode & 0o777),
            ..OpenOptions::default()
        };
        let target = self.vfs.open(self.session, to, &writing).await?;
        target.announce(attributes.size).await?;
        source.copy_to(0, None, &target, 0).await?;
        target.take_note(&source).await?;
        target.commit().await
    }

    /// Copies a folder with all in it to a name that nothing has; links are left out.
    pub async fn copy(self, from: &VirtualPath, to: &VirtualPath) -> Result<(), VfsError> {
        if to.is_within(from) {
            let reason = "a folder cannot be copied into itself";
            return Err(VfsError::Unsupported(reason.to_owned()));
        }
        let all = self.below(from).await?;
        self.vfs.make_folder(self.session, to, None).await?;
        for found in all {
            let Some(rest) = found.path.below(from) else { continue };
            let target = to.join(rest);
            let target = target.map_err(|error| VfsError::InvalidName(error.to_string()))?;
            match found.file_type {
                FileType::Folder => self.vfs.make_folder(self.session, &target, None).await?,
                FileType::File => self.copy_file(&found.path, &target, false).await?,
                FileType::Link | FileType::Other => {}
            }
        }
        Ok(())
    }
}
