//! Faults planted by tests where the disk could fail; in the product there are none.

use std::sync::Arc;

use rustix::io::Errno;

use super::told;
use crate::vfs::VfsError;

/// A step on the disk that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vfs) enum FaultPoint {
    /// pwrite of a chunk.
    Write,
    /// fsync of a file.
    SyncFile,
    /// The rename that publishes.
    Rename,
    /// A rename that must not replace.
    RenameNoReplace,
    /// copy_file_range of a partial that is taken over.
    CopyRange,
    /// The cut of an interrupted upload, after it was looked whether it still is its holder's.
    Cut,
    /// fsync of a folder.
    SyncFolder,
}

/// Asked before each step; `Some`: the step fails with this.
#[derive(Clone, Default)]
pub(in crate::vfs) struct Faults(Option<Arc<dyn Fn(FaultPoint) -> Option<Errno> + Send + Sync>>);

impl Faults {
    /// Faults as `plan` says.
    #[cfg(test)]
    pub(in crate::vfs) fn planned(plan: impl Fn(FaultPoint) -> Option<Errno> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(plan)))
    }

    /// What the step shall fail with.
    pub(in crate::vfs) fn errno(&self, point: FaultPoint) -> Option<Errno> {
        self.0.as_ref().and_then(|plan| plan(point))
    }

    /// The same as an error of the Vfs.
    pub(in crate::vfs) fn check(&self, point: FaultPoint) -> Result<(), VfsError> {
        match self.errno(point) {
            None => Ok(()),
            Some(errno) => Err(told("a planted fault", errno)),
        }
    }
}
