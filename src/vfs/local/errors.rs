//! What the kernel answers, in the words of the Vfs.
//!
//! Which failures mark a storage as unhealthy is said here; marking it is left to `health`.

use rustix::io::Errno;

use crate::vfs::VfsError;

/// Turns an error number into the Vfs's own error; `what` was being done.
pub(in crate::vfs) fn told(what: &str, errno: Errno) -> VfsError {
    match errno {
        Errno::NOENT => VfsError::NotFound,
        Errno::EXIST => VfsError::Exists,
        Errno::ISDIR => VfsError::IsFolder,
        Errno::NOTDIR => VfsError::NotFolder,
        Errno::NOTEMPTY => VfsError::NotEmpty,
        Errno::NOSPC | Errno::DQUOT => VfsError::Full,
        Errno::LOOP => VfsError::OutOfMount,
        Errno::XDEV => VfsError::CrossesStorages,
        Errno::NAMETOOLONG => VfsError::InvalidName(format!("{what}: the name is too long for this storage")),
        Errno::FBIG => VfsError::Limit(format!("{what}: the storage holds no file of this size")),
        Errno::MLINK => VfsError::Limit(format!("{what}: the file has as many names as the storage allows")),
        Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::TXTBSY => {
            VfsError::Unsupported(format!("{what}: the storage does not support this ({errno})"))
        }
        errno => VfsError::Io(format!("{what}: {errno}")),
    }
}

/// Whether an error says that the storage, and not the request, is at fault.
pub(in crate::vfs) fn is_storage_failure(error: &VfsError) -> bool {
    matches!(error, VfsError::Io(_) | VfsError::Full)
}
