//! Scripts, styles and the icon of the pages: under a path that changes with their content, so that a browser keeps
//! them for good.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use http::{StatusCode, header};

use super::html::POLICY;
use crate::protocols::http::answer::{self, Answer};
use crate::x509::hex;

const PREFIX: &str = "/assets/";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Name, type, content.
const ALL: &[(&str, &str, &str)] = &[
    ("app.js", JAVASCRIPT, include_str!("assets/app.js")),
    ("ask.js", JAVASCRIPT, include_str!("assets/ask.js")),
    ("files.js", JAVASCRIPT, include_str!("assets/files.js")),
    ("preview.js", JAVASCRIPT, include_str!("assets/preview.js")),
    ("queue.js", JAVASCRIPT, include_str!("assets/queue.js")),
    ("rows.js", JAVASCRIPT, include_str!("assets/rows.js")),
    ("server.js", JAVASCRIPT, include_str!("assets/server.js")),
    ("uploads.js", JAVASCRIPT, include_str!("assets/uploads.js")),
    ("style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    ("icon.svg", SVG, include_str!("assets/icon.svg")),
    ("folder.svg", SVG, include_str!("assets/folder.svg")),
    ("file.svg", SVG, include_str!("assets/file.svg")),
    ("link.svg", SVG, include_str!("assets/link.svg")),
];

/// The mark of all contents together.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let mut context = digest::Context::new(&digest::SHA256);
    for (name, _, content) in ALL {
        context.update(name.as_bytes());
        context.update(&(content.len() as u64).to_be_bytes());
        context.update(content.as_bytes());
    }
    let hash = context.finish();
    hex(&hash.as_ref()[..8])
});

/// Where one of them is.
pub fn href(name: &str) -> String {
    format!("{PREFIX}{}/{name}", &**MARK)
}

/// Answers for what is under [`PREFIX`]; `None`: the path is not.
pub fn answer(path: &str) -> Option<Answer> {
    let (mark, name) = path.strip_prefix(PREFIX)?.split_once('/')?;
    let Some((_, content_type, content)) = ALL.iter().find(|(of, _, _)| *of == name) else {
        let detail = "there is no such script or style";
        return Some(answer::problem(StatusCode::NOT_FOUND, "not-found", detail));
    };
    let mut answer = answer::with(StatusCode::OK, answer::whole(*content));
    answer::set(&mut answer, header::CONTENT_TYPE, content_type);
    answer::set(&mut answer, header::CONTENT_SECURITY_POLICY, POLICY);
    // Another mark is that of a node with another version: what is here does for the moment.
    let kept = if *mark == **MARK {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    answer::set(&mut answer, header::CACHE_CONTROL, kept);
    Some(answer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_styles_together_are_small() {
        let bytes: usize = ALL.iter().map(|(_, _, content)| content.len()).sum();
        assert!(bytes < 100 * 1024, "{bytes} bytes");
    }

    #[test]
    fn what_is_named_by_its_content_is_kept_for_good_and_nothing_else() {
        for (path, status, kept) in [
            (href("app.js"), 200, Some("public, max-age=31536000, immutable")),
            ("/assets/0000/app.js".to_owned(), 200, Some("no-store")),
            (href("other.js"), 404, Some("no-store")),
        ] {
            let answer = super::answer(&path).unwrap();
            let found = answer
                .headers()
                .get("cache-control")
                .map(|value| value.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), found), (status, kept), "{path}");
        }
        assert!(super::answer("/files/").is_none());
    }
}
