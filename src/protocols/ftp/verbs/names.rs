//! CWD, CDUP, PWD, MKD, RMD, DELE, RNFR, RNTO, MFMT, SITE CHMOD, SITE UTIME: what is done to names.

use super::{Answer, Context, Done};
use crate::clock::UnixMillis;
use crate::path::VirtualPath;
use crate::protocols::ftp::state::{Change, State, Step, Task};
use crate::protocols::ftp::wire::reply::quoted;
use crate::protocols::ftp::wire::{Command, Reply, time};
use crate::vfs::{AttributeChange, FileType, VfsError};

impl State {
    pub(in crate::protocols::ftp) fn pwd(&self) -> Reply {
        Reply::new(257, [&quoted(self.folder.as_bytes())[..], b" is the folder."].concat())
    }

    pub(in crate::protocols::ftp) fn rnto(&mut self, path: &[u8]) -> Step {
        let Some(from) = self.rename_from.take() else {
            return Step::Reply(Reply::new(503, "RNFR comes first."));
        };
        match self.path(path) {
            Ok(to) => Step::Task(Task::Rename { from, to }),
            Err(reply) => Step::Reply(reply),
        }
    }

    /// A command that asks the Vfs one thing.
    pub(in crate::protocols::ftp) fn task(&mut self, command: Command) -> Step {
        let facts = self.facts;
        let hash = self.hash;
        let (sent, make): (Vec<u8>, Box<dyn FnOnce(VirtualPath) -> Task>) = match command {
            Command::Cwd(path) => (path, Box::new(Task::ChangeFolder)),
            Command::Cdup => (b"..".to_vec(), Box::new(Task::ChangeFolder)),
            Command::Mkd(path) => (path, Box::new(Task::MakeFolder)),
            Command::Rmd(path) => (path, Box::new(Task::RemoveFolder)),
            Command::Dele(path) => (path, Box::new(Task::Delete)),
            Command::Rnfr(path) => (path, Box::new(Task::RenameFrom)),
            Command::Size(_) if self.ascii => {
                let text = "The size in TYPE A is not known before the transfer; ask in TYPE I.";
                return Step::Reply(Reply::new(550, text));
            }
            Command::Size(path) => (path, Box::new(Task::Size)),
            Command::Mdtm(path) => (path, Box::new(Task::Modified)),
            Command::Mfmt(at, path) => (path, Box::new(move |path| Task::SetModified(path, at))),
            Command::SiteUtime(accessed, modified, path) => {
                (path, Box::new(move |path| Task::SetTimes(path, accessed, modified)))
            }
            Command::SiteChmod(mode, path) => (path, Box::new(move |path| Task::SetMode(path, mode))),
            Command::Mlst(path) => (path, Box::new(move |path| Task::Facts(path, facts))),
            Command::Hash(path) => (path, Box::new(move |path| Task::Hash(path, hash))),
            Command::Xhash(hash, path, range) => (path, Box::new(move |path| Task::Xhash(path, hash, range))),
            Command::Stat(Some(path)) => (path, Box::new(Task::List)),
            _ => return Step::Reply(Reply::new(500, "This command is not known here.")),
        };
        match self.path(&sent) {
            Ok(path) => Step::Task(make(path)),
            Err(reply) => Step::Reply(reply),
        }
    }
}

fn said(code: u16, text: &str) -> Answer {
    Ok(Reply::new(code, text).into())
}

/// Does what one of these verbs asks for.
pub(super) async fn perform(context: &Context, task: Task) -> Answer {
    let (vfs, session) = (&context.vfs, &context.session);
    match task {
        Task::ChangeFolder(path) => {
            if vfs.attributes(session, &path, true).await?.file_type != FileType::Folder {
                return Err(VfsError::NotFolder);
            }
            let text = [&quoted(path.as_bytes())[..], b" is the folder."].concat();
            Ok(Done {
                reply: Reply::new(250, text),
                change: Some(Change::Folder(path)),
            })
        }
        Task::MakeFolder(path) => {
            vfs.make_folder(session, &path, None).await?;
            let text = [&quoted(path.as_bytes())[..], b" was made."].concat();
            Ok(Reply::new(257, text).into())
        }
        Task::RemoveFolder(path) => {
            vfs.remove_folder(session, &path).await?;
            said(250, "The folder is gone.")
        }
        Task::Delete(path) => {
            vfs.remove(session, &path).await?;
            said(250, "The file is gone.")
        }
        Task::RenameFrom(path) => {
            vfs.attributes(session, &path, false).await?;
            Ok(Done {
                reply: Reply::new(350, "RNTO comes next."),
                change: Some(Change::RenameFrom(path)),
            })
        }
        Task::Rename { from, to } => {
            // As servers do since ever: what has the name goes. The right to overwrite is asked for.
            vfs.rename(session, &from, &to, true).await?;
            said(250, "It was renamed.")
        }
        Task::SetMode(path, mode) => {
            let change = AttributeChange {
                mode: Some(mode),
                ..AttributeChange::default()
            };
            vfs.set_attributes(session, &path, &change).await?;
            said(200, "The mode is set.")
        }
        Task::SetModified(path, at) => {
            let accessed = vfs.attributes(session, &path, true).await?.accessed;
            set_times(context, &path, accessed, at).await?;
            let text = format!("Modify={}; ", time::show(at)).into_bytes();
            Ok(Reply::new(213, [&text[..], path.as_bytes()].concat()).into())
        }
        Task::SetTimes(path, accessed, modified) => {
            set_times(context, &path, accessed, modified).await?;
            said(200, "The times are set.")
        }
        _ => said(500, "This command changes nothing."),
    }
}

async fn set_times(
    context: &Context,
    path: &VirtualPath,
    accessed: UnixMillis,
    modified: UnixMillis,
) -> Result<(), VfsError> {
    let change = AttributeChange {
        times: Some((accessed, modified)),
        ..AttributeChange::default()
    };
    context.vfs.set_attributes(&context.session, path, &change).await
}
