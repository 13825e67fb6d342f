//! What the kernel can tell from memory is asked on the caller's own thread: a look at a file that was looked at before
//! costs no change of threads. Whatever it cannot, and whatever is not plain, is left to the pool.
//!
//! Nothing is decided here: a spot that is found is the one that the pool would have found.

use super::FileType;
use super::file::Core;
use super::local::{Root, join};
use super::resolve::{Asker, Place, Spot};

/// A place that exists, goes through no link and is no upload of the session's own, if memory knows all of it.
pub(super) fn spot(asker: &Asker, place: &Place) -> Option<Spot> {
    let rel = join(place.folder_rel(), place.below());
    let held = &asker.inner.held;
    if held.get(asker.session.id, &place.storage.name, &rel).is_some() {
        return None;
    }
    let root = Root::open_cached(&place.storage.spec.root)?;
    let seen = root.look_cached(&rel)?;
    if seen.state.attributes.file_type == FileType::Link {
        return None;
    }
    Some(Spot {
        root,
        path: place.path.clone(),
        place: place.clone(),
        rel,
        seen: Some(seen),
    })
}

/// Whether the end of a file needs no waiting: nothing was written, and closing it frees nothing.
pub(super) fn ends_at_once(core: &Core) -> bool {
    core.writes.is_none()
        && core.staged.is_none()
        && core.answers_from_memory()
        && core.attributes().is_ok_and(|attributes| attributes.links > 0)
}
