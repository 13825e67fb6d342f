//! XML, bounded: what a client sends becomes a small tree, or is refused. Pure.
//!
//! What the elements mean is left to the methods.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};
use quick_xml::reader::NsReader;

use crate::protocols::http::limits::XML_DEPTH_MAX;

/// WebDAV's own namespace.
pub const DAV: &str = "DAV:";
/// The namespace of the prefix `xml`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A name in a namespace; the namespace is empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QName {
    /// The namespace.
    pub space: String,
    /// The name in it.
    pub local: String,
}

impl QName {
    /// A name of WebDAV's own.
    pub fn is_dav(&self, local: &str) -> bool {
        self.space == DAV && self.local == local
    }
}

/// An element with all that is in it. Comments and processing instructions are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: QName,
    /// Its attributes, declarations of namespaces left out.
    pub attributes: Vec<(QName, String)>,
    /// What is in it, in its order.
    pub children: Vec<Node>,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text.
    Text(String),
}

/// Why bytes are no XML that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Element {
    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element of this name of WebDAV's own.
    pub fn dav(&self, local: &str) -> Option<&Self> {
        self.elements().find(|element| element.name.is_dav(local))
    }

    /// The text right in it.
    pub fn text(&self) -> String {
        let texts = self.children.iter().filter_map(|child| match child {
            Node::Text(text) => Some(&**text),
            Node::Element(_) => None,
        });
        texts.collect()
    }

    /// `xml:lang`, where it is said here.
    pub fn language(&self) -> Option<&str> {
        let mut all = self.attributes.iter();
        let found = all.find(|(name, _)| name.space == XML && name.local == "lang");
        found.map(|(_, value)| &**value)
    }

    /// The same with a language, unless it says one itself.
    pub fn in_language(mut self, language: Option<&str>) -> Self {
        if let (None, Some(language)) = (self.language(), language) {
            let name = QName {
                space: XML.to_owned(),
                local: "lang".to_owned(),
            };
            self.attributes.push((name, language.to_owned()));
        }
        self
    }

    /// Writes it so that it means the same wherever it stands.
    pub fn write(&self, out: &mut String) {
        write_start(&self.name, out);
        let mut prefixes = 0;
        for (name, value) in &self.attributes {
            match &*name.space {
                "" => out.push_str(&format!(" {}", name.local)),
                XML => out.push_str(&format!(" xml:{}", name.local)),
                space => {
                    prefixes += 1;
                    out.push_str(&format!(" xmlns:a{prefixes}=\""));
                    escape(space, out);
                    out.push_str(&format!("\" a{prefixes}:{}", name.local));
                }
            }
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if self.children.is_empty() {
            return out.push_str("/>");
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => escape(text, out),
            }
        }
        out.push_str(&format!("</{}>", self.name.local));
    }
}

fn write_start(name: &QName, out: &mut String) {
    out.push_str(&format!("<{} xmlns=\"", name.local));
    escape(&name.space, out);
    out.push('"');
}

/// An element without content.
pub fn write_empty(name: &QName, out: &mut String) {
    write_start(name, out);
    out.push_str("/>");
}

/// Text in XML, within quotes too. What XML 1.0 cannot hold becomes U+FFFD.
pub fn escape(text: &str, out: &mut String) {
    for one in text.chars() {
        match one {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            one if is_allowed(one) => out.push(one),
            _ => out.push('\u{fffd}'),
        }
    }
}

fn is_allowed(one: char) -> bool {
    matches!(one, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Reads one element with all that is in it.
///
/// # Errors
/// It is not well-formed, not UTF-8, has a document type or an entity of its own, or is deeper than
/// [`XML_DEPTH_MAX`].
pub fn parse(bytes: &[u8]) -> Result<Element, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| bad("the XML is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.enable_all_checks(true);
    let mut open: Vec<Element> = Vec::new();
    let mut whole = None;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| Malformed(format!("the XML is not well-formed: {error}")))?;
        match event {
            Event::Start(start) => {
                if open.len() >= XML_DEPTH_MAX {
                    return Err(Malformed(format!("the XML is deeper than {XML_DEPTH_MAX} elements")));
                }
                if open.is_empty() && whole.is_some() {
                    return Err(bad("the XML has more than one root element"));
                }
                open.push(element(&reader, &start)?);
            }
            Event::End(_) => {
                let done = open
                    .pop()
                    .ok_or_else(|| bad("the XML ends an element that has not begun"))?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(Node::Element(done)),
                    None => whole = Some(done),
                }
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
            Event::CData(text) => add_text(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let one = match &*reference.xml10_content() {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => match reference.resolve_char_ref() {
                        Ok(Some(one)) => one,
                        _ => return Err(bad("the XML uses an entity; only the five of XML itself are known")),
                    },
                };
                add_text(&mut open, one.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(bad("the XML has a document type; none is taken")),
            // Empty ones are given as a beginning and an end.
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(bad("the XML breaks off"));
    }
    whole.ok_or_else(|| bad("the XML has no element"))
}

fn bad(text: &str) -> Malformed {
    Malformed(text.to_owned())
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), Malformed> {
    if !text.chars().all(is_allowed) {
        return Err(bad("the XML holds a character that XML cannot hold"));
    }
    let Some(element) = open.last_mut() else {
        return match text.trim().is_empty() {
            true => Ok(()),
            false => Err(bad("the XML has text outside of its element")),
        };
    };
    match element.children.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ => element.children.push(Node::Text(text.to_owned())),
    }
    Ok(())
}

fn resolved(found: (ResolveResult<'_>, &str), default: bool) -> Result<QName, Malformed> {
    let space = match found.0 {
        ResolveResult::Bound(space) => space.0.to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(prefix) => {
            return Err(Malformed(format!(
                "the XML does not say what the prefix `{prefix:?}` stands for"
            )));
        }
    };
    let local = found.1;
    let fine = |one: char| one.is_alphanumeric() || "-_.".contains(one) || one > '\u{7f}';
    let begins = local
        .chars()
        .next()
        .is_some_and(|one| !one.is_ascii_digit() && !"-.".contains(one));
    if !begins || !local.chars().all(|one| fine(one) && is_allowed(one)) {
        let what = if default { "an element" } else { "an attribute" };
        return Err(Malformed(format!("the XML has a name of {what} that cannot be")));
    }
    Ok(QName {
        space,
        local: local.to_owned(),
    })
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, Malformed> {
    let resolver = reader.resolver();
    let (space, local) = resolver.resolve_element(start.name());
    let name = resolved((space, local.into_inner()), true)?;
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| Malformed(format!("an attribute in the XML: {error}")))?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| Malformed(format!("an attribute in the XML: {error}")))?;
        match attribute.key.as_namespace_binding() {
            Some(PrefixDeclaration::Named(_)) if value.is_empty() => {
                return Err(bad("the XML gives a prefix an empty namespace"));
            }
            Some(_) => continue,
            None => {}
        }
        if !value.chars().all(is_allowed) {
            return Err(bad("the XML holds a character that XML cannot hold"));
        }
        let (space, local) = resolver.resolve_attribute(attribute.key);
        attributes.push((resolved((space, local.into_inner()), false)?, value.into_owned()));
    }
    Ok(Element {
        name,
        attributes,
        children: Vec::new(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_again_means_the_same() {
        for (text, expected) in [
            (
                "<D:a xmlns:D='DAV:'><D:b/> x &amp; &#65;<![CDATA[<]]></D:a>",
                "<a xmlns=\"DAV:\"><b xmlns=\"DAV:\"/> x &amp; A&lt;</a>",
            ),
            ("<?xml version='1.0'?>\n<!-- - --><a/>\n", "<a xmlns=\"\"/>"),
            (
                "<a xmlns='u' xmlns:p='v' p:q='1' xml:lang='en' r='&quot;'><b xmlns=''>c</b></a>",
                "<a xmlns=\"u\" xmlns:a1=\"v\" a1:q=\"1\" xml:lang=\"en\" r=\"&quot;\"><b xmlns=\"\">c</b></a>",
            ),
        ] {
            let parsed = parse(text.as_bytes()).unwrap();
            let mut out = String::new();
            parsed.write(&mut out);
            assert_eq!(out, expected);
            assert_eq!(parse(out.as_bytes()).unwrap(), parsed);
        }
    }

    #[test]
    fn what_is_no_xml_or_could_grow_is_refused() {
        let deep = "<a>".repeat(100_000);
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<a b='1' b='2'/>",
            "<p:a/>",
            "<a xmlns:p=''/>",
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a>&e;</a>",
            "<a b='&e;'/>",
            "<a>&#0;</a>",
            "<a>\u{1}</a>",
            "<1/>",
            "</a>",
            &deep,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{:.60}", text);
        }
        assert!(parse(b"<a>\xff</a>").is_err());
        let fine = "<a>".repeat(XML_DEPTH_MAX) + &"</a>".repeat(XML_DEPTH_MAX);
        assert!(parse(fine.as_bytes()).is_ok());
    }
}
