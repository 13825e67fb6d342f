//! Names as text: subjects as RFC 4514 writes them, alternative names with their kind before them.

use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

use super::der;

/// Attribute types that have a word (RFC 4514, section 3, and what certificates have besides).
const WORDS: [(&str, &str); 12] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "serialNumber"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("2.5.4.4", "SN"),
];

/// The kinds of alternative names that are read.
pub const KINDS: [&str; 5] = ["dns", "email", "uri", "ip", "upn"];

/// A user principal name, as directories of Microsoft put it into certificates.
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";

/// A distinguished name, the most special part first: `CN=alice,OU=Sales,O=Example,C=DE`.
pub fn show(name: &X509Name<'_>) -> String {
    let relative = name.iter_rdn().map(|relative| {
        let attributes = relative.iter().map(|attribute| {
            let id = attribute.attr_type().to_id_string();
            let word = WORDS.iter().find(|(known, _)| *known == id).map(|(_, word)| *word);
            let value = match attribute.as_str() {
                Ok(text) => escape(text),
                Err(_) => format!("#{}", super::hex(attribute.as_slice())),
            };
            format!("{}={value}", word.unwrap_or(&id))
        });
        attributes.collect::<Vec<_>>().join("+")
    });
    let mut relative: Vec<_> = relative.collect();
    relative.reverse();
    relative.join(",")
}

fn escape(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (at, character) in text.chars().enumerate() {
        let edge = (at == 0 && matches!(character, ' ' | '#')) || (at == last && character == ' ');
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', character]),
            _ if edge => escaped.extend(['\\', character]),
            character if character.is_control() => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    escaped.push_str(&format!("\\{byte:02x}"));
                }
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// A subject as somebody wrote it, in the one spelling of [`show`]: no blanks round `,` and `=`, types in their own
/// case. The order is kept: the most special part must come first.
///
/// # Errors
/// A clause that says what is wrong.
pub fn canonical(text: &str) -> Result<String, String> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if character == ',' && !escaped {
            parts.push(&text[begin..at]);
            begin = at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push(&text[begin..]);
    let part = |part: &&str| {
        let (kind, value) = part
            .split_once('=')
            .ok_or_else(|| "is not a subject such as `CN=alice,O=Example,C=DE`".to_owned())?;
        let (kind, value) = (kind.trim(), value.trim_start());
        // A blank at the end that is escaped belongs to the value.
        let trimmed = value.trim_end();
        let value = if trimmed.ends_with('\\') && value.len() > trimmed.len() {
            &value[..=trimmed.len()]
        } else {
            trimmed
        };
        if kind.is_empty() || value.is_empty() {
            return Err("has a part without a type or without a value".to_owned());
        }
        let word = WORDS.iter().find(|(_, word)| word.eq_ignore_ascii_case(kind));
        Ok(format!("{}={value}", word.map_or(kind, |(_, word)| word)))
    };
    Ok(parts.iter().map(part).collect::<Result<Vec<_>, _>>()?.join(","))
}

/// An alternative name as `KIND:VALUE`; `None`: of a kind that is not read.
pub fn alternative(name: &GeneralName<'_>) -> Option<String> {
    Some(match name {
        GeneralName::DNSName(name) => format!("dns:{}", name.to_ascii_lowercase()),
        GeneralName::RFC822Name(name) => format!("email:{}", mail(name)),
        GeneralName::URI(uri) => format!("uri:{uri}"),
        GeneralName::IPAddress(bytes) => {
            let address: std::net::IpAddr = match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok()?.into(),
                16 => <[u8; 16]>::try_from(*bytes).ok()?.into(),
                _ => return None,
            };
            format!("ip:{address}")
        }
        GeneralName::OtherName(id, value) if id.to_id_string() == UPN => {
            // [0] EXPLICIT UTF8String, with or without the outer tag, as the parser left it.
            let first = der::element(value)?;
            let inner = if first.tag == 0xa0 {
                der::element(first.contents)?
            } else {
                first
            };
            format!("upn:{}", std::str::from_utf8(inner.contents).ok()?)
        }
        _ => return None,
    })
}

/// An address's domain has no case; its local part does.
fn mail(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => address.to_owned(),
    }
}

/// An alternative name as somebody wrote it, in the one spelling of [`alternative`].
///
/// # Errors
/// A clause that says what is wrong.
pub fn canonical_alternative(text: &str) -> Result<String, String> {
    let form = || format!("must be `KIND:VALUE`, where KIND is one of {}", KINDS.join(", "));
    let (kind, value) = text.trim().split_once(':').ok_or_else(form)?;
    let (kind, value) = (kind.trim().to_ascii_lowercase(), value.trim());
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err("has no value, or one with a control character".to_owned());
    }
    let value = match kind.as_str() {
        "dns" => value.to_ascii_lowercase(),
        "email" => mail(value),
        "uri" | "upn" => value.to_owned(),
        "ip" => {
            let address: std::net::IpAddr = value.parse().map_err(|_| "holds no IP address".to_owned())?;
            address.to_string()
        }
        _ => return Err(form()),
    };
    Ok(format!("{kind}:{value}"))
}
