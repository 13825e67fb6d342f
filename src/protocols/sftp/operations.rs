//! What each request does: a typed request becomes a call on `vfs`, its result a reply.
//!
//! When a request may run is left to `state`; bytes, to `wire`.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::flow::Reading;
use super::limits::{ENTRIES_PER_REPLY, HANDLES_MAX, TRANSFER_BYTES_MAX};
use super::wire::{self, Reply, Request, Status};
use super::{extensions, listing, status};
use crate::clock::Clock;
use crate::path::VirtualPath;
use crate::session::Session;
use crate::vfs::{Listing, OpenFile, OpenOptions, Space, Vfs, VfsError};

/// What is open under a handle.
#[derive(Clone)]
pub(super) enum Open {
    File {
        file: Arc<OpenFile>,
        path: VirtualPath,
        appends: bool,
    },
    Folder(Arc<Mutex<Listing>>),
}

/// What the handles of a request name.
#[derive(Default)]
pub(super) struct Opens {
    /// Its handle; of a copy the one that is read.
    pub(super) open: Option<Open>,
    /// Of a copy the one that is written.
    pub(super) to: Option<Open>,
}

/// What came of a request.
pub(super) enum Done {
    /// This is the answer.
    Reply(Reply),
    /// This was opened and needs a handle.
    Opened(u32, Open),
}

/// Who asks whom.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) vfs: Vfs,
    pub(super) session: Arc<Session>,
    pub(super) clock: Clock,
    pub(super) link_first: bool,
}

pub(super) type Answer = Result<Done, VfsError>;

/// Does one request. `opens` is what its handles name, taken out of the table for CLOSE.
pub(super) async fn perform(
    context: Context,
    id: u32,
    request: Request,
    opens: Opens,
    reading: Option<Reading>,
) -> Done {
    let answer = if let Err(reason) = context.session.check() {
        Err(VfsError::Revoked(reason))
    } else {
        match request {
            Request::Read { .. }
            | Request::Write { .. }
            | Request::Fstat { .. }
            | Request::Fsetstat { .. }
            | Request::Fsync { .. }
            | Request::Fstatvfs { .. }
            | Request::Readdir { .. }
            | Request::Close { .. } => on_handle(&context, id, request, opens.open).await,
            Request::Extended(extended) => extensions::perform(&context, id, extended, opens).await,
            other => on_path(&context, id, other).await,
        }
    };
    drop(reading);
    answer.unwrap_or_else(|error| Done::Reply(refusal(id, &error, &context)))
}

/// The reply to a request that was refused.
fn refusal(id: u32, error: &VfsError, context: &Context) -> Reply {
    if let VfsError::Io(what) = error {
        tracing::warn!(session = %context.session.id, account = %context.session.account(), what, "a storage failed");
    }
    let (code, text) = status::of(error);
    wire::status(id, code, &text)
}

/// The reply to a handle that names nothing.
pub(super) fn no_such_handle(id: u32) -> Reply {
    wire::status(id, Status::Failure, "there is no such handle")
}

/// The reply to an open over the limit.
pub(super) fn too_many_handles(id: u32) -> Reply {
    let text = format!("too many open files and folders: the limit is {HANDLES_MAX} in one channel");
    wire::status(id, Status::Failure, &text)
}

pub(super) fn ok(id: u32) -> Done {
    Done::Reply(wire::status(id, Status::Ok, "done"))
}

async fn on_handle(context: &Context, id: u32, request: Request, open: Option<Open>) -> Answer {
    match (request, open) {
        (Request::Readdir { .. }, Some(Open::Folder(listing))) => readdir(context, id, &listing).await,
        (Request::Close { .. }, Some(Open::Folder(_))) => Ok(ok(id)),
        (Request::Close { .. }, Some(Open::File { file, .. })) => close(id, file).await,
        (request, Some(Open::File { file, path, .. })) => on_file(context, id, request, &file, &path).await,
        (_, Some(Open::Folder(_))) => Err(VfsError::IsFolder),
        (_, None) => Ok(Done::Reply(no_such_handle(id))),
    }
}

async fn on_file(context: &Context, id: u32, request: Request, file: &OpenFile, path: &VirtualPath) -> Answer {
    match request {
        Request::Read { offset, length, .. } => {
            let length = length.min(TRANSFER_BYTES_MAX) as usize;
            let chunk = file.read_chunk(offset, length).await?;
            Ok(Done::Reply(if chunk.is_empty() {
                wire::status(id, Status::Eof, "the end of the file")
            } else {
                let head = wire::data_head(id, chunk.len());
                Reply::Data(chunk.headed(&head))
            }))
        }
        Request::Write { offset, chunk, .. } => {
            file.write_at(offset, chunk).await?;
            Ok(ok(id))
        }
        Request::Fstat { .. } => {
            let attributes = file.attributes().await?;
            Ok(Done::Reply(wire::attributes(id, &listing::to_wire(&attributes))))
        }
        Request::Fsetstat { attributes, .. } => {
            file.set_attributes(&listing::to_change(&attributes)).await?;
            Ok(ok(id))
        }
        Request::Fsync { .. } => {
            file.sync().await?;
            Ok(ok(id))
        }
        Request::Fstatvfs { .. } => {
            let space = context.vfs.space(&context.session, path).await?;
            Ok(Done::Reply(statvfs(id, &space)))
        }
        _ => Err(VfsError::NotFolder),
    }
}

/// Commits. Once that has begun, a connection that breaks does not break it.
async fn close(id: u32, file: Arc<OpenFile>) -> Answer {
    let Some(file) = Arc::into_inner(file) else {
        return Err(VfsError::Io("a closed file is still in use".to_owned()));
    };
    file.commit().await?;
    Ok(ok(id))
}

async fn readdir(context: &Context, id: u32, listing: &Mutex<Listing>) -> Answer {
    let entries = listing.lock().await.next(ENTRIES_PER_REPLY).await?;
    if entries.is_empty() {
        return Ok(Done::Reply(wire::status(id, Status::Eof, "the end of the folder")));
    }
    let now = context.clock.now();
    let names: Vec<_> = entries.iter().map(|entry| listing::name_entry(entry, now)).collect();
    Ok(Done::Reply(wire::names(id, &names)))
}

pub(super) fn path_of(sent: &Bytes) -> Result<VirtualPath, VfsError> {
    VirtualPath::parse(sent).map_err(|error| VfsError::InvalidName(error.to_string()))
}

async fn on_path(context: &Context, id: u32, request: Request) -> Answer {
    let (vfs, session) = (&context.vfs, &context.session);
    match request {
        Request::Stat { path } => attributes(context, id, &path, true).await,
        Request::Lstat { path } => attributes(context, id, &path, false).await,
        Request::Realpath { path } => {
            let path = Bytes::copy_from_slice(path_of(&path)?.as_bytes());
            Ok(Done::Reply(wire::names(id, &[listing::bare_name(path)])))
        }
        Request::Readlink { path } => {
            let target = vfs.read_link(session, &path_of(&path)?).await?;
            Ok(Done::Reply(wire::names(id, &[listing::bare_name(target)])))
        }
        Request::Statvfs { path } => {
            let space = vfs.space(session, &path_of(&path)?).await?;
            Ok(Done::Reply(statvfs(id, &space)))
        }
        Request::Opendir { path } => {
            let listing = vfs.list(session, &path_of(&path)?).await?;
            Ok(Done::Opened(id, Open::Folder(Arc::new(Mutex::new(listing)))))
        }
        Request::Open {
            path,
            flags,
            attributes,
        } => {
            let path = path_of(&path)?;
            let options = open_options(flags, attributes.permissions);
            let file = Arc::new(vfs.open(session, &path, &options).await?);
            let appends = options.append;
            Ok(Done::Opened(id, Open::File { file, path, appends }))
        }
        Request::Unknown => Ok(Done::Reply(wire::status(
            id,
            Status::OpUnsupported,
            "this server does not have this request",
        ))),
        change => change_path(context, change).await.map(|()| ok(id)),
    }
}

async fn change_path(context: &Context, request: Request) -> Result<(), VfsError> {
    let (vfs, session) = (&context.vfs, &context.session);
    match request {
        Request::Setstat { path, attributes } => {
            let change = listing::to_change(&attributes);
            vfs.set_attributes(session, &path_of(&path)?, &change).await
        }
        Request::Remove { path } => vfs.remove(session, &path_of(&path)?).await,
        Request::Mkdir { path, attributes } => {
            let mode = attributes.permissions.map(|bits| bits & 0o7777);
            vfs.make_folder(session, &path_of(&path)?, mode).await
        }
        Request::Rmdir { path } => vfs.remove_folder(session, &path_of(&path)?).await,
        Request::Rename { from, to } => vfs.rename(session, &path_of(&from)?, &path_of(&to)?, false).await,
        Request::PosixRename { from, to } => vfs.rename(session, &path_of(&from)?, &path_of(&to)?, true).await,
        Request::Symlink { target, link } if context.link_first => {
            vfs.make_link(session, &link, &path_of(&target)?).await
        }
        Request::Symlink { target, link } => vfs.make_link(session, &target, &path_of(&link)?).await,
        Request::Hardlink { existing, link } => {
            vfs.make_hard_link(session, &path_of(&existing)?, &path_of(&link)?)
                .await
        }
        _ => Err(VfsError::Unsupported("this request changes no path".to_owned())),
    }
}

async fn attributes(context: &Context, id: u32, path: &Bytes, follow: bool) -> Answer {
    let path = path_of(path)?;
    let attributes = context.vfs.attributes(&context.session, &path, follow).await?;
    Ok(Done::Reply(wire::attributes(id, &listing::to_wire(&attributes))))
}

fn open_options(flags: u32, permissions: Option<u32>) -> OpenOptions {
    let has = |flag| flags & flag != 0;
    let append = has(wire::open::APPEND);
    let write = has(wire::open::WRITE) || append;
    OpenOptions {
        read: has(wire::open::READ) || !write,
        write,
        append,
        create: write && has(wire::open::CREAT),
        truncate: write && has(wire::open::TRUNC),
        exclusive: write && has(wire::open::CREAT) && has(wire::open::EXCL),
        mode: permissions.map(|bits| bits & 0o7777),
    }
}

fn statvfs(id: u32, space: &Space) -> Reply {
    wire::numbers(
        id,
        &[
            space.bsize,
            space.frsize,
            space.blocks,
            space.bfree,
            space.bavail,
            space.files,
            space.ffree,
            space.favail,
            space.fsid,
            // Only ST_RDONLY and ST_NOSUID have a meaning in the protocol.
            space.flag & 3,
            space.namemax,
        ],
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_open_are_mapped_as_openssh_maps_them() {
        use wire::open::*;
        let base = OpenOptions::default();
        let write = OpenOptions {
            write: true,
            ..base.clone()
        };
        for (flags, expected) in [
            (
                READ,
                OpenOptions {
                    read: true,
                    ..base.clone()
                },
            ),
            (
                0,
                OpenOptions {
                    read: true,
                    ..base.clone()
                },
            ),
            (
                READ | CREAT | TRUNC,
                OpenOptions {
                    read: true,
                    ..base.clone()
                },
            ),
            (WRITE, write.clone()),
            (
                READ | WRITE,
                OpenOptions {
                    read: true,
                    ..write.clone()
                },
            ),
            (
                WRITE | CREAT | TRUNC,
                OpenOptions {
                    create: true,
                    truncate: true,
                    ..write.clone()
                },
            ),
            (
                WRITE | CREAT | EXCL,
                OpenOptions {
                    create: true,
                    exclusive: true,
                    ..write.clone()
                },
            ),
            (WRITE | EXCL, write.clone()),
            (
                WRITE | APPEND,
                OpenOptions {
                    append: true,
                    ..write.clone()
                },
            ),
            (
                APPEND | CREAT,
                OpenOptions {
                    append: true,
                    create: true,
                    ..write.clone()
                },
            ),
        ] {
            assert_eq!(open_options(flags, None), expected, "{flags:#x}");
        }
        assert_eq!(open_options(WRITE, Some(0o100_640)).mode, Some(0o640));
    }
}
