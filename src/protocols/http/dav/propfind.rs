//! PROPFIND (RFC 4918, 9.1): properties of a file, or of a folder and what is right in it, sent as they are read:
//! memory does not grow with the folder.
//!
//! What the properties are is left to `properties`. All that is below a folder is not told in one answer.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};

use super::properties::{self, LIVE, QUOTA, Subject};
use super::xml::{self, DAV, Element, QName};
use super::{Asked, DECLARATION, Depth, Refusal, XML_TYPE, bad_request, condition, depth, guard, href, read_xml};
use crate::catalog::{Lock, Place};
use crate::clock::Clock;
use crate::path::VirtualPath;
use crate::protocols::http::answer::{self, Answer};
use crate::protocols::http::kept::Live;
use crate::protocols::http::limits::{ENTRIES_PER_STEP, PROPERTIES_MAX, XML_BYTES_MAX};
use crate::vfs::{Attributes, Entry, FileType, Listing, Space, Vfs, VfsError};

/// Which properties are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// All that are told to everybody, and these.
    All(Vec<QName>),
    /// The names of all, without values.
    Names,
    /// These.
    These(Vec<QName>),
}

impl Wanted {
    fn of(body: Option<&Element>) -> Result<Self, Refusal> {
        let Some(body) = body else {
            return Ok(Self::All(Vec::new()));
        };
        if !body.name.is_dav("propfind") {
            return Err(bad_request("the body must be `DAV:propfind`"));
        }
        let names = |element: &Element| {
            let names: Vec<QName> = element.elements().map(|one| one.name.clone()).collect();
            if names.len() > PROPERTIES_MAX {
                let detail = format!("a request names at most {PROPERTIES_MAX} properties");
                return Err(bad_request(&detail));
            }
            Ok(names)
        };
        match (body.dav("prop"), body.dav("allprop"), body.dav("propname")) {
            (Some(these), None, None) => names(these).map(Self::These),
            (None, Some(_), None) => {
                let included = body.dav("include").map(names).transpose()?;
                Ok(Self::All(included.unwrap_or_default()))
            }
            (None, None, Some(_)) => Ok(Self::Names),
            _ => Err(bad_request(
                "`DAV:propfind` must hold one of `prop`, `allprop` and `propname`",
            )),
        }
    }

    fn asks(&self, locals: &[&str]) -> bool {
        match self {
            Self::These(names) | Self::All(names) => names
                .iter()
                .any(|name| name.space == DAV && locals.contains(&&*name.local)),
            Self::Names => false,
        }
    }

    fn asks_for_locks(&self) -> bool {
        matches!(self, Self::All(_)) || self.asks(&["lockdiscovery"])
    }

    /// Whether what clients have set must be read.
    fn asks_for_set(&self) -> bool {
        let known = |name: &QName| name.space == DAV && (LIVE.contains(&&*name.local) || QUOTA.contains(&&*name.local));
        match self {
            Self::These(names) => !names.iter().all(known),
            Self::All(_) | Self::Names => true,
        }
    }
}

/// What is needed to tell of one entry after the other.
struct Teller {
    vfs: Vfs,
    live: Arc<Live>,
    clock: Clock,
    wanted: Wanted,
    folder: VirtualPath,
    locks: Option<Locks>,
    space: Option<Space>,
}

/// The locks on a folder and on what is right in it.
struct Locks {
    /// Where the folder lies.
    place: Place,
    /// Those on itself, or on a folder above with all in it.
    above: Vec<Arc<Lock>>,
    /// Those below, by what they are on.
    below: HashMap<VirtualPath, Vec<Arc<Lock>>>,
}

impl Locks {
    fn new(place: Place, held: Vec<Arc<Lock>>) -> Self {
        let mut locks = Self {
            place,
            above: Vec::new(),
            below: HashMap::new(),
        };
        for lock in held {
            if locks.place.path.is_within(&lock.place.path) {
                locks.above.push(lock);
            } else {
                locks.below.entry(lock.place.path.clone()).or_default().push(lock);
            }
        }
        locks
    }

    /// On what has this path below the folder; empty: on itself.
    fn on(&self, rest: &[u8]) -> Vec<(Arc<Lock>, Place)> {
        let at = match rest {
            [] => Ok(self.place.path.clone()),
            rest => self.place.path.join(rest),
        };
        let Ok(path) = at else { return Vec::new() };
        let below = self.below.get(&path).into_iter().flatten();
        let above = self.above.iter().filter(|lock| lock.infinite || rest.is_empty());
        let here = Place {
            storage: self.place.storage.clone(),
            path,
        };
        above.chain(below).map(|lock| (lock.clone(), here.clone())).collect()
    }
}

/// PROPFIND.
pub async fn answer(asked: &Asked<'_>, body: &mut Incoming) -> Result<Answer, Refusal> {
    let depth = depth(&asked.head.headers)?.unwrap_or(Depth::Infinity);
    let body = read_xml(body, XML_BYTES_MAX).await?;
    let wanted = Wanted::of(body.as_ref())?;
    let refused = |error| asked.refusal(&error);
    let attributes = asked.attributes(asked.path()).await.map_err(refused)?;
    let folder = attributes.file_type == FileType::Folder;
    if asked.target.as_folder && !folder {
        return Err(asked.refusal(&VfsError::NotFound));
    }
    if depth == Depth::Infinity && folder {
        return Err(condition(StatusCode::FORBIDDEN, "<D:propfind-finite-depth/>"));
    }
    let listing = match depth {
        Depth::One if folder => Some(asked.vfs.list(asked.session(), asked.path()).await.map_err(refused)?),
        _ => None,
    };
    let mut locks = None;
    if wanted.asks_for_locks()
        && let Some(place) = guard::located(asked, asked.path()).await?
    {
        if wanted.asks(&["lockdiscovery"]) {
            asked.node().locks.catch_up().await;
        }
        let held = asked.node().locks.held(&place, listing.is_some());
        locks = Some(Locks::new(place, held));
    }
    let mut space = None;
    if folder && wanted.asks(&QUOTA) {
        space = asked.vfs.space(asked.session(), asked.path()).await.ok();
    }
    let teller = Teller {
        vfs: asked.vfs.clone(),
        live: asked.live.clone(),
        clock: asked.node().clock.clone(),
        wanted,
        folder: asked.path().clone(),
        locks,
        space,
    };
    let mut text = format!("{DECLARATION}<D:multistatus xmlns:D=\"DAV:\">\n");
    teller.own(&attributes, &mut text).await.map_err(refused)?;
    let mut answer = answer::with(StatusCode::MULTI_STATUS, streamed(text, listing, teller));
    answer::set(&mut answer, header::CONTENT_TYPE, XML_TYPE);
    answer::set(&mut answer, header::CACHE_CONTROL, "no-store");
    Ok(answer)
}

const END: &str = "</D:multistatus>\n";

/// A failure in the middle breaks the answer.
fn streamed(mut first: String, listing: Option<Listing>, teller: Teller) -> answer::Body {
    let Some(listing) = listing else {
        first.push_str(END);
        return answer::whole(first);
    };
    let rest = stream::unfold(Some((listing, teller)), async |state| {
        let (mut listing, teller) = state?;
        match teller.step(&mut listing).await {
            Err(error) => Some((Err(io::Error::other(error.to_string())), None)),
            Ok(None) => Some((Ok(Bytes::from_static(END.as_bytes())), None)),
            Ok(Some(text)) => Some((Ok(Bytes::from(text)), Some((listing, teller)))),
        }
    });
    let all = stream::iter([Ok(Bytes::from(first))]).chain(rest);
    StreamBody::new(all.map(|step| step.map(Frame::data))).boxed_unsync()
}

impl Teller {
    /// Of the place that was asked for.
    async fn own(&self, attributes: &Attributes, out: &mut String) -> Result<(), VfsError> {
        let note = match self.wanted.asks_for_set() {
            true => self.vfs.note(self.live.session(), &self.folder).await?,
            false => Bytes::new(),
        };
        self.tell(&self.folder, attributes, &note, out);
        Ok(())
    }

    /// Of the next entries; `None`: there are no more.
    async fn step(&self, listing: &mut Listing) -> Result<Option<String>, VfsError> {
        let entries = listing.next(ENTRIES_PER_STEP).await?;
        if entries.is_empty() {
            return Ok(None);
        }
        let session = self.live.session();
        let mut notes = vec![Bytes::new(); entries.len()];
        if self.wanted.asks_for_set() {
            let names = entries.iter().map(|entry| entry.name.clone()).collect();
            notes = self.vfs.notes_in(session, &self.folder, names).await?;
        }
        let mut text = String::new();
        for (Entry { name, mut attributes }, mut note) in entries.into_iter().zip(notes) {
            let Ok(path) = self.folder.join(&name) else { continue };
            if attributes.file_type == FileType::Link {
                // What is behind it is told, and nothing where that is nothing of this account's.
                let Ok(behind) = self.vfs.attributes(session, &path, true).await else {
                    continue;
                };
                attributes = behind;
                if self.wanted.asks_for_set() {
                    note = self.vfs.note(session, &path).await.unwrap_or_default();
                }
            }
            if matches!(attributes.file_type, FileType::File | FileType::Folder) {
                self.tell(&path, &attributes, &note, &mut text);
            }
        }
        Ok(Some(text))
    }

    /// The locks on an entry, with the address of what each is on.
    fn locks_on(&self, path: &VirtualPath) -> Vec<(Arc<Lock>, String)> {
        let Some(locks) = &self.locks else {
            return Vec::new();
        };
        let all = locks.on(path.below(&self.folder).unwrap_or_default()).into_iter();
        all.map(|(lock, here)| {
            let root = guard::root_of(&lock, &here, path);
            (lock, root)
        })
        .collect()
    }

    fn tell(&self, path: &VirtualPath, attributes: &Attributes, note: &[u8], out: &mut String) {
        let set = properties::from_note(note);
        let locks = self.locks_on(path);
        let subject = Subject {
            name: path.file_name().unwrap_or_default(),
            attributes,
            locks: &locks,
            space: self.space,
            set: &set,
            now: self.clock.now(),
        };
        let address = href(path, attributes.file_type == FileType::Folder);
        let address = if path.is_root() {
            format!("{}/", super::PREFIX)
        } else {
            address
        };
        out.push_str(&format!("<D:response><D:href>{address}</D:href><D:propstat><D:prop>"));
        let mut missing = Vec::new();
        match &self.wanted {
            Wanted::Names => {
                for name in subject.names() {
                    xml::write_empty(&name, out);
                }
            }
            Wanted::All(included) => {
                for name in subject.names() {
                    subject.write(&name, out);
                }
                let more = included.iter().filter(|name| !subject.names().contains(name));
                missing.extend(more.filter(|name| !subject.write(name, out)));
            }
            Wanted::These(names) => missing.extend(names.iter().filter(|name| !subject.write(name, out))),
        }
        out.push_str("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
        if !missing.is_empty() {
            out.push_str("<D:propstat><D:prop>");
            for name in missing {
                xml::write_empty(name, out);
            }
            out.push_str("</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>");
        }
        out.push_str("</D:response>\n");
    }
}
