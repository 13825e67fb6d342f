//! The verbs: what each decides, and what it asks of the Vfs. A file per small family.

pub(super) mod about;
mod access;
mod doors;
pub(super) mod facts;
pub(super) mod names;
mod parameters;
mod security;
mod transfers;

use std::sync::Arc;

use super::state::{Change, Task};
use super::wire::Reply;
use crate::clock::Clock;
use crate::session::Session;
use crate::vfs::{Vfs, VfsError};

pub(super) use about::{about, before_login};
pub(super) use parameters::{mode, structure};

/// Who asks whom.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) vfs: Vfs,
    pub(super) session: Arc<Session>,
    pub(super) clock: Clock,
}

/// What came of a task.
pub(super) struct Done {
    pub(super) reply: Reply,
    pub(super) change: Option<Change>,
}

impl From<Reply> for Done {
    fn from(reply: Reply) -> Self {
        Self { reply, change: None }
    }
}

type Answer = Result<Done, VfsError>;

/// Does a task.
pub(super) async fn perform(context: Context, task: Task) -> Done {
    let answer = match task {
        Task::Facts(..) | Task::Hash(..) | Task::Xhash(..) | Task::Size(_) | Task::Modified(_) | Task::List(_) => {
            facts::perform(&context, task).await
        }
        other => names::perform(&context, other).await,
    };
    answer.unwrap_or_else(|error| super::status::refusal(&error, &context.session).into())
}
