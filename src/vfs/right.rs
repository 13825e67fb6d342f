//! The rights of an open file: asked for at each read, write and end, judged anew where the view has changed.
//!
//! What is decided is left to `access`; what a rate costs in time, to `pace`.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use super::VfsError;
use super::file::Core;
use super::pace::{Direction, Paid, rates};
use crate::catalog::Operation;
use crate::session::CloseReason;

/// A right that an open file needs, with the view's revision on which it was judged last, and what that view said
/// besides.
pub(super) struct Right {
    operation: Operation,
    /// Revision plus one; 0: not judged yet.
    judged: AtomicU64,
    /// When the account expires, in Unix milliseconds.
    expires: AtomicI64,
    /// The most bytes of an uploaded file; `u64::MAX`: no limit.
    upload_bytes_max: AtomicU64,
    /// A rate is set for this direction.
    paced: AtomicBool,
    /// Calls that wait for their turn. As long as there are any, later ones go behind them, so that the order stays.
    waiting: AtomicUsize,
}

impl Right {
    pub(super) fn new(operation: Operation) -> Self {
        Self {
            operation,
            judged: AtomicU64::new(0),
            expires: AtomicI64::new(i64::MAX),
            upload_bytes_max: AtomicU64::new(u64::MAX),
            paced: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The most bytes that the file may have as an upload, by the view on which the right was judged last.
    pub(super) fn upload_bytes_max(&self) -> Option<u64> {
        let max = self.upload_bytes_max.load(Ordering::Relaxed);
        (max != u64::MAX).then_some(max)
    }
}

/// One that waits; counted as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Core {
    /// The session, the account and the right are still good. Judged anew only on a new view.
    pub(super) fn judge(&self, right: Option<&Right>) -> Result<(), VfsError> {
        let asker = &self.asker;
        asker.session.check().map_err(VfsError::Revoked)?;
        let Some(right) = right else {
            return Err(VfsError::Unsupported("the file was not opened for this".to_owned()));
        };
        let view = (asker.inner.view)();
        let known = right.judged.load(Ordering::Acquire) == view.revision.wrapping_add(1);
        if known && asker.inner.clock.now().0 < right.expires.load(Ordering::Relaxed) {
            return asker.inner.fresh(&view);
        }
        let access = asker.access()?;
        let (place, path) = match &self.staged {
            // While the upload is being published by another handle, where it began is judged: nobody waits here.
            Some(staged) => staged.target_now().unwrap_or((self.place.clone(), self.path.clone())),
            None => (self.place.clone(), self.path.clone()),
        };
        let same = access.mount_of(&place.path).is_some_and(|mount| {
            mount.at == place.at && mount.folder == place.folder && mount.storage == place.storage.name
        });
        if !same {
            let what = "the folder of this file was moved or taken away".to_owned();
            return Err(VfsError::Revoked(CloseReason::Revoked(what)));
        }
        for path in [&place.path, &path] {
            super::resolve::may(&access, right.operation, path)?;
            asker.may_carry(&access, path)?;
        }
        let service = &asker.session.service;
        let max = access.upload_bytes_max(service).unwrap_or(u64::MAX);
        right.upload_bytes_max.store(max, Ordering::Relaxed);
        let direction = match right.operation {
            Operation::Read => Direction::Down,
            _ => Direction::Up,
        };
        let paced = rates(access.view(), &asker.session, direction)
            .iter()
            .any(Option::is_some);
        right.paced.store(paced, Ordering::Relaxed);
        let expires = access.account().expires_at.map_or(i64::MAX, |at| at.0);
        right.expires.store(expires, Ordering::Relaxed);
        let judged = access.view().revision.wrapping_add(1);
        right.judged.store(judged, Ordering::Release);
        Ok(())
    }

    /// Waits until `bytes` may pass, where a rate is set; then judges again. Costs nothing where none is.
    pub(super) async fn pace(&self, direction: Direction, bytes: u64) -> Result<Paid, VfsError> {
        let right = match direction {
            Direction::Up => self.writes.as_ref(),
            Direction::Down => self.reads.as_ref(),
        };
        let Some(right) = right else {
            return Ok(Paid::default());
        };
        if !right.paced.load(Ordering::Relaxed) && right.waiting.load(Ordering::Relaxed) == 0 {
            return Ok(Paid::default());
        }
        let _waiting = Waiting::new(&right.waiting);
        let inner = &self.asker.inner;
        let session = &self.asker.session;
        let paid = tokio::select! {
            paid = inner.pace.pass(&inner.view, session, direction, bytes) => paid,
            reason = session.closed() => return Err(VfsError::Revoked(reason)),
        };
        self.judge(Some(right))?;
        Ok(paid)
    }
}
