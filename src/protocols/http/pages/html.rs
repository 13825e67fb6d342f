//! HTML: the one function that escapes, names as people may see them, and the frame round every page.
//!
//! What stands in a page is left to its own file.

use http::{StatusCode, header};

use super::assets;
use crate::ids::Name;
use crate::protocols::http::answer::{self, Answer};

/// What a page of ours may do: nothing but what its own scripts and styles do with this server.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                          connect-src 'self'; form-action 'self'; frame-src 'self' blob:; base-uri 'none'; \
                          frame-ancestors 'none'";

/// Text as it stands in an element or in an attribute between double quotes. Nothing comes into a page but through
/// this, or as a number or a word of ours.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Characters that are not seen, or that turn round what stands after them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A name as text: what is not UTF-8 is replaced, what is not seen is named.
pub fn plain(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for character in String::from_utf8_lossy(name).chars() {
        if is_hidden(character) {
            shown.push_str(&format!("\u{27e8}U+{:04X}\u{27e9}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A name as an element: whatever is written from right to left in it turns round nothing beside it.
pub fn named(name: &[u8]) -> String {
    format!("<bdi>{}</bdi>", escape(&plain(name)))
}

/// A page: `head` and `body` are HTML.
pub struct Page<'a> {
    /// Before ` - Argosy`.
    pub title: &'a str,
    /// Whose page it is; `None`: nobody has signed in.
    pub account: Option<&'a Name>,
    /// Instead of this page.
    pub goes_to: Option<&'a str>,
    /// HTML.
    pub body: &'a str,
}

impl Page<'_> {
    /// As an answer.
    pub fn answer(&self, status: StatusCode) -> Answer {
        let mut answer = answer::with(status, answer::whole(self.html()));
        answer::set(&mut answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
        answer::set(&mut answer, header::CACHE_CONTROL, "no-store");
        answer::set(&mut answer, header::CONTENT_SECURITY_POLICY, POLICY);
        // Not `no-referrer`: then forms would not say where they come from.
        answer::set(&mut answer, header::REFERRER_POLICY, "same-origin");
        let resource = http::HeaderName::from_static("cross-origin-resource-policy");
        answer::set(&mut answer, resource, "same-origin");
        answer
    }

    fn html(&self) -> String {
        let title = escape(self.title);
        let goes_to = match self.goes_to {
            Some(place) => format!("<meta http-equiv=\"refresh\" content=\"0;url={}\">", escape(place)),
            None => String::new(),
        };
        let (style, script, icon) = (
            assets::href("style.css"),
            assets::href("app.js"),
            assets::href("icon.svg"),
        );
        let bar = match self.account {
            Some(account) => bar(account),
            None => String::new(),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} - Argosy</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">{goes_to}\
             <link rel=\"icon\" href=\"{icon}\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"{style}\">\
             <script type=\"module\" src=\"{script}\"></script></head>\n\
             <body>{bar}{}</body></html>\n",
            self.body
        )
    }
}

fn bar(account: &Name) -> String {
    let icon = assets::href("icon.svg");
    let account = named(account.as_str().as_bytes());
    format!(
        "<a class=\"skip\" href=\"#main\">Skip to the content</a>\
         <header class=\"bar\"><a class=\"mark\" href=\"/files/\"><img src=\"{icon}\" alt=\"\" width=\"22\" \
         height=\"22\">Argosy</a><nav aria-label=\"You\"><a class=\"who\" href=\"/account\">{account}</a>\
         <form method=\"post\" action=\"/sign-out\"><button class=\"quiet\">Sign out</button></form></nav></header>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_becomes_markup() {
        for (text, expected) in [
            ("plain", "plain"),
            (
                "\"><script>alert(1)</script>",
                "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("it's & that", "it&#39;s &amp; that"),
            ("&lt;", "&amp;lt;"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn what_hides_in_a_name_is_shown_and_turns_nothing_round() {
        for (name, expected) in [
            (
                "harmless\u{202e}gpj.exe".as_bytes(),
                "<bdi>harmless⟨U+202E⟩gpj.exe</bdi>",
            ),
            ("a\u{2066}b\u{200b}".as_bytes(), "<bdi>a⟨U+2066⟩b⟨U+200B⟩</bdi>"),
            (b"line\nbreak\x7f", "<bdi>line⟨U+000A⟩break⟨U+007F⟩</bdi>"),
            (b"\xff<b>", "<bdi>\u{fffd}&lt;b&gt;</bdi>"),
            ("שלום".as_bytes(), "<bdi>שלום</bdi>"),
        ] {
            assert_eq!(named(name), expected);
        }
    }
}
