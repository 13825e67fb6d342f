//! SIZE, MDTM, MLST, HASH, XSHA256 and the like, STAT with a path: what is asked about files.

use super::about::hash_name;
use super::{Answer, Context};
use crate::path::VirtualPath;
use crate::protocols::ftp::limits::STATUS_BYTES_MAX;
use crate::protocols::ftp::listing::{self, Form, Lines};
use crate::protocols::ftp::state::Task;
use crate::protocols::ftp::wire::{Reply, time};
use crate::vfs::{FileType, Hash, Hashing, VfsError};

/// Answers one of these verbs.
pub(super) async fn perform(context: &Context, task: Task) -> Answer {
    let (vfs, session) = (&context.vfs, &context.session);
    match task {
        Task::Size(path) => {
            let attributes = vfs.attributes(session, &path, true).await?;
            match attributes.file_type {
                FileType::File => Ok(Reply::new(213, attributes.size.to_string()).into()),
                FileType::Folder => Err(VfsError::IsFolder),
                FileType::Link | FileType::Other => Err(VfsError::NotFound),
            }
        }
        Task::Modified(path) => {
            let attributes = vfs.attributes(session, &path, true).await?;
            Ok(Reply::new(213, time::show(attributes.modified)).into())
        }
        Task::Facts(path, facts) => {
            let attributes = vfs.attributes(session, &path, true).await?;
            let line = listing::facts_line(&attributes, facts, path.as_bytes());
            Ok(Reply::many(250, "Facts:", [line], "End").into())
        }
        Task::Hash(path, hash) => {
            let size = vfs.attributes(session, &path, true).await?.size;
            let found = hashed(context, &path, hash, None).await?;
            let last = size.saturating_sub(1);
            let head = format!("{} 0-{last} {found} ", hash_name(hash)).into_bytes();
            Ok(Reply::new(213, [&head[..], path.as_bytes()].concat()).into())
        }
        Task::Xhash(path, hash, range) => {
            let found = hashed(context, &path, hash, range).await?;
            Ok(Reply::new(250, found.to_ascii_uppercase()).into())
        }
        Task::List(path) => list(context, &path).await,
        _ => Ok(Reply::new(500, "This command asks nothing.").into()),
    }
}

async fn hashed(
    context: &Context,
    path: &VirtualPath,
    hash: Hash,
    range: Option<(u64, Option<u64>)>,
) -> Result<String, VfsError> {
    let (start, end) = range.unwrap_or((0, None));
    let hashing = Hashing {
        hash,
        start,
        length: end.map(|end| end.saturating_sub(start)),
        piece: None,
        answer_bytes_max: 128,
    };
    let found = context.vfs.hashes(&context.session, path, hashing).await?;
    Ok(found.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A listing in the answer itself, cut at [`STATUS_BYTES_MAX`].
async fn list(context: &Context, path: &VirtualPath) -> Answer {
    let mut lines = Lines::open(context, path, Form::Long).await?;
    let mut shown = Vec::new();
    let mut bytes = 0;
    let mut last = "End of the listing.";
    'all: loop {
        let batch = lines.next().await?;
        if batch.is_empty() {
            break;
        }
        for line in batch.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            bytes += line.len();
            if bytes > STATUS_BYTES_MAX {
                last = "There is more; use LIST.";
                break 'all;
            }
            shown.push(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        }
    }
    Ok(Reply::many(213, "Listing:", shown, last).into())
}
