//! A folder as a page: where it is, what is in it, what may be done with it.
//!
//! Which entries are shown is left to `gather`; what the buttons do, to the scripts in `assets`.

use std::fmt::Write;

use http::StatusCode;
use http::request::Parts;

use super::gather::{Gathered, Sort, Wish, gather};
use super::html::{Page, escape, named, plain};
use super::{said, signed_in, to};
use crate::catalog::Operation;
use crate::path::VirtualPath;
use crate::protocols::http::answer::Answer;
use crate::protocols::http::connection::Connection;
use crate::protocols::http::files;
use crate::protocols::http::limits::{PAGE_ROWS, SORTED_ENTRIES_MAX};
use crate::protocols::http::status;
use crate::protocols::http::target::{Query, Target, encode};
use crate::session::Session;
use crate::vfs::{Entry, FileType, Permissions, VfsError};

/// GET of `/files` with `rest` after it.
pub(super) async fn page(connection: &Connection, head: &Parts, rest: &str) -> Answer {
    let (_, live) = match signed_in(connection, head) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let (target, query) = match (Target::parse(rest), Query::parse(head.uri.query())) {
        (Ok(target), Ok(query)) => (target, query),
        (Err(bad), _) | (_, Err(bad)) => return said(StatusCode::BAD_REQUEST, "Not here", &format!("Nothing: {bad}.")),
    };
    let vfs = &connection.service.node.vfs;
    let session = live.session();
    let _working = connection.work();
    let shown = async {
        let attributes = vfs.attributes(session, &target.path, true).await?;
        if attributes.file_type != FileType::Folder {
            return Ok(to(&format!("{}/tree{}", files::PREFIX, encode(target.path.as_bytes()))));
        }
        if !target.as_folder {
            // Links in the page begin at its folder.
            return Ok(to(&place(&target.path)));
        }
        let permissions = vfs.permissions(session)?;
        let wish = Wish::of(&query);
        let (gathered, unseen) = match vfs.list(session, &target.path).await {
            Ok(listing) => (gather(listing, &wish).await?, false),
            // A place to put files into, for who must not see what others have put there.
            Err(VfsError::Denied(Operation::List)) if permissions.allow(Operation::Write, &target.path) => {
                (Gathered::default(), true)
            }
            Err(error) => return Err(error),
        };
        let folder = Folder {
            unseen,
            path: &target.path,
            permissions,
            wish,
            gathered,
        };
        Ok(folder.answer(session))
    };
    shown.await.unwrap_or_else(|error| refused(&error, session))
}

fn refused(error: &VfsError, session: &Session) -> Answer {
    let status = status::refusal(error, session).status();
    let text = match error {
        VfsError::NotFound | VfsError::NotFolder => "Nothing has this name. It may have been moved or deleted.",
        VfsError::Denied(_) | VfsError::OutOfMount => "You may not see this folder.",
        VfsError::Stale(_) => "This server has lost its cluster for too long and shows nothing until it is back.",
        VfsError::Revoked(_) => "You are signed in no more.",
        _ => "The folder cannot be shown now. Try again in a moment.",
    };
    let title = if status == StatusCode::NOT_FOUND {
        "Not here"
    } else {
        "Not shown"
    };
    said(status, title, text)
}

/// Where a folder's page is.
fn place(path: &VirtualPath) -> String {
    let end = if path.is_root() { "" } else { "/" };
    format!("/files{}{end}", encode(path.as_bytes()))
}

struct Folder<'a> {
    path: &'a VirtualPath,
    permissions: Permissions,
    wish: Wish,
    gathered: Gathered,
    /// What is in it may not be seen.
    unseen: bool,
}

impl Folder<'_> {
    fn answer(&self, session: &Session) -> Answer {
        let name = self.path.file_name().map_or_else(|| "Files".to_owned(), plain);
        let mut body = String::with_capacity(1024 + self.gathered.rows.len() * 512);
        let path = if self.path.is_root() {
            String::new()
        } else {
            encode(self.path.as_bytes())
        };
        let _ = write!(
            body,
            "<main id=\"main\" tabindex=\"-1\" data-folder=\"{path}\" data-may=\"{}\"><h1 class=\"hid\">{}</h1>",
            self.may_here(),
            escape(&name)
        );
        self.crumbs(&mut body);
        self.tools(&mut body);
        self.table(&mut body);
        self.pages(&mut body);
        body.push_str("</main>");
        Page {
            title: &name,
            account: Some(session.account()),
            goes_to: None,
            body: &body,
        }
        .answer(StatusCode::OK)
    }

    /// `w`: files may be made here; `m`: folders. Where grants name patterns it depends on the name, which nobody knows
    /// yet.
    fn may_here(&self) -> String {
        let some = self.path.join(b"new").ok();
        let may = |operation| {
            self.permissions.allow(operation, self.path)
                || some
                    .as_ref()
                    .is_some_and(|path| self.permissions.allow(operation, path))
        };
        let letters = [(Operation::Write, 'w'), (Operation::MakeFolder, 'm')];
        letters
            .iter()
            .filter(|(operation, _)| may(*operation))
            .map(|(_, letter)| *letter)
            .collect()
    }

    fn crumbs(&self, body: &mut String) {
        body.push_str("<nav class=\"crumbs\" aria-label=\"Where you are\"><ol>");
        let parts: Vec<&[u8]> = self.path.components().collect();
        let mut href = "/files/".to_owned();
        let all = std::iter::once(("Files".to_owned(), String::new()));
        let all = all.chain(parts.iter().map(|part| (named(part), encode(part) + "/")));
        for (at, (name, step)) in all.enumerate() {
            href.push_str(&step);
            let here = if at == parts.len() {
                " aria-current=\"page\""
            } else {
                ""
            };
            let _ = write!(body, "<li><a href=\"{href}\"{here}>{name}</a></li>");
        }
        body.push_str("</ol></nav>");
    }

    /// Buttons stay hidden until a script is there to serve them.
    fn tools(&self, body: &mut String) {
        let may = self.may_here();
        body.push_str("<div class=\"tools\"><div class=\"acts\" data-for=\"folder\" hidden>");
        if may.contains('w') {
            body.push_str("<button data-do=\"upload\" class=\"main\">Upload files</button>");
            body.push_str("<button data-do=\"upload-folder\">Upload a folder</button>");
        }
        if may.contains('m') {
            body.push_str("<button data-do=\"make-folder\">New folder</button>");
        }
        let filter = escape(&self.wish.filter);
        let _ = write!(
            body,
            "</div><form class=\"filter\" role=\"search\" method=\"get\">{}<label class=\"hid\" for=\"q\">Filter by name\
             </label><input type=\"search\" id=\"q\" name=\"q\" value=\"{filter}\" placeholder=\"Filter by name\" \
             autocomplete=\"off\" spellcheck=\"false\"><button>Filter</button></form></div>\
             <div class=\"acts picked\" data-for=\"picked\" role=\"toolbar\" aria-label=\"What to do with the selection\" \
             hidden><span class=\"count\" aria-live=\"polite\"></span>\
             <button data-do=\"download\">Download</button><button data-do=\"rename\">Rename</button>\
             <button data-do=\"move\">Move</button><button data-do=\"copy\">Copy</button>\
             <button data-do=\"delete\" class=\"grave\">Delete</button>\
             <button data-do=\"clear\" class=\"quiet\">Clear the selection</button></div>",
            self.order_fields()
        );
    }

    fn order_fields(&self) -> String {
        let word = word(self.wish.sort);
        let order = if self.wish.descending { "desc" } else { "asc" };
        format!(
            "<input type=\"hidden\" name=\"sort\" value=\"{word}\"><input type=\"hidden\" name=\"order\" value=\"{order}\">"
        )
    }

    fn table(&self, body: &mut String) {
        let gathered = &self.gathered;
        let _ = write!(body, "<p class=\"sum\">{}</p>", self.summary());
        if gathered.rows.is_empty() {
            return;
        }
        body.push_str("<table class=\"list\"><thead><tr><th class=\"pick\"><input type=\"checkbox\" id=\"all\" ");
        body.push_str("aria-label=\"Select all on this page\" hidden></th>");
        for (sort, word, shown) in Sort::ALL {
            if gathered.large {
                let _ = write!(body, "<th scope=\"col\" class=\"{word}\">{shown}</th>");
                continue;
            }
            let is = self.wish.sort == sort;
            let (state, turned) = match (is, self.wish.descending) {
                (false, _) => ("", false),
                (true, false) => (" aria-sort=\"ascending\"", true),
                (true, true) => (" aria-sort=\"descending\"", false),
            };
            let href = self.href(sort, turned, None);
            let _ = write!(
                body,
                "<th scope=\"col\" class=\"{word}\"{state}><a href=\"{href}\">{shown}</a></th>"
            );
        }
        body.push_str("</tr></thead><tbody>");
        for entry in &gathered.rows {
            self.row(entry, body);
        }
        body.push_str("</tbody></table>");
    }

    fn summary(&self) -> String {
        if self.unseen {
            return "You may put files here, but not see what is in this folder.".to_owned();
        }
        let (all, fitting) = (grouped(self.gathered.all as u64), grouped(self.gathered.fitting as u64));
        let entries = if self.gathered.all == 1 { "entry" } else { "entries" };
        let filter = named(self.wish.filter.as_bytes());
        let mut text = match (self.wish.filter.is_empty(), self.gathered.all) {
            (true, 0) => "This folder is empty.".to_owned(),
            (true, _) => format!("{all} {entries}"),
            (false, _) => format!("{fitting} of {all} {entries} with \u{201c}{filter}\u{201d} in the name"),
        };
        if self.gathered.large {
            let max = grouped(SORTED_ENTRIES_MAX as u64);
            let _ = write!(
                text,
                ". These are more than the {max} that are sorted: they are shown by name, {PAGE_ROWS} at a time. \
                 Filter to find one."
            );
        }
        text
    }

    /// The same folder in another order or at another page.
    fn href(&self, sort: Sort, descending: bool, page: Option<&str>) -> String {
        let order = if descending { "desc" } else { "asc" };
        let mut href = format!("?sort={}&order={order}", word(sort));
        if !self.wish.filter.is_empty() {
            let _ = write!(href, "&q={}", encode(self.wish.filter.as_bytes()));
        }
        if let Some(page) = page {
            let _ = write!(href, "&{page}");
        }
        escape(&href)
    }

    fn row(&self, entry: &Entry, body: &mut String) {
        let Ok(path) = self.path.join(&entry.name) else { return };
        let attributes = &entry.attributes;
        let encoded = encode(path.as_bytes());
        let (kind, href, size) = match attributes.file_type {
            FileType::Folder => ("folder", place(&path), String::new()),
            FileType::File => (
                "file",
                format!("{}/tree{encoded}", files::PREFIX),
                size(attributes.size),
            ),
            FileType::Link => ("link", format!("/files{encoded}"), String::new()),
            FileType::Other => ("other", String::new(), String::new()),
        };
        let remove = match attributes.file_type {
            FileType::Folder => Operation::RemoveFolder,
            _ => Operation::Delete,
        };
        let looked_into = match attributes.file_type {
            FileType::Folder => Operation::List,
            _ => Operation::Read,
        };
        let letters = [(looked_into, 'r'), (Operation::Rename, 'n'), (remove, 'd')];
        let may: String = letters
            .iter()
            .filter(|(operation, _)| self.permissions.allow(*operation, &path))
            .map(|(_, letter)| *letter)
            .collect();
        let shown = named(&entry.name);
        let name = if may.contains('r') && !href.is_empty() {
            format!("<a class=\"{kind}\" href=\"{href}\">{shown}</a>")
        } else {
            format!("<span class=\"{kind}\">{shown}</span>")
        };
        let time = attributes.modified.to_rfc3339();
        let (day, clock) = (time.get(..10).unwrap_or_default(), time.get(11..16).unwrap_or_default());
        let label = escape(&plain(&entry.name));
        let bytes = grouped(attributes.size);
        let _ = write!(
            body,
            "<tr data-path=\"{encoded}\" data-kind=\"{kind}\" data-may=\"{may}\" data-bytes=\"{}\">\
             <td class=\"pick\"><input type=\"checkbox\" aria-label=\"Select {label}\" hidden></td>\
             <td class=\"name\">{name}</td><td class=\"size\" title=\"{bytes} bytes\">{size}</td>\
             <td class=\"modified\"><time datetime=\"{time}\">{day} {clock}</time></td></tr>",
            attributes.size
        );
    }

    fn pages(&self, body: &mut String) {
        let gathered = &self.gathered;
        let page = gathered.page;
        let (sort, descending) = (self.wish.sort, self.wish.descending);
        let before = match (gathered.large, page) {
            (true, _) if self.wish.after.is_some() => Some((self.href(sort, descending, None), "First page")),
            (false, 1..) => Some((
                self.href(sort, descending, Some(&format!("page={page}"))),
                "Previous page",
            )),
            _ => None,
        };
        let after = gathered.more.then(|| {
            let last = gathered
                .rows
                .last()
                .map(|entry| encode(&entry.name))
                .unwrap_or_default();
            let follows = if gathered.large {
                format!("after={last}")
            } else {
                format!("page={}", page + 2)
            };
            (self.href(sort, descending, Some(&follows)), "Next page")
        });
        if before.is_none() && after.is_none() {
            return;
        }
        body.push_str("<nav class=\"pages\" aria-label=\"Pages\">");
        for (href, text) in before.into_iter().chain(after) {
            let _ = write!(body, "<a href=\"{href}\">{text}</a>");
        }
        if !gathered.large {
            let pages = gathered.fitting.div_ceil(PAGE_ROWS);
            let _ = write!(body, "<span>Page {} of {pages}</span>", page + 1);
        }
        body.push_str("</nav>");
    }
}

fn word(sort: Sort) -> &'static str {
    let found = Sort::ALL.iter().find(|(of, _, _)| *of == sort);
    found.map_or("name", |(_, word, _)| word)
}

/// A number with a comma after each thousand.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_numbers_legible() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_234_567, "1.2 MB"),
            (123_456_789, "123 MB"),
            (999_999, "999 kB"),
            (1 << 40, "1.0 TB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (number, expected) in [(0, "0"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
    }
}
