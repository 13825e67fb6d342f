//! Names and numbers as types of their own, validated once, at the border.
//!
//! What they name is left to `catalog` and `session`.

use std::fmt;
use std::sync::Arc;

/// The longest name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 128;

/// The name of a replicated object: UTF-8, safe as a file name, in a log line and on a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    /// The reason, as a clause that follows the name: `is empty`.
    pub reason: String,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name {}", self.reason)
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Accepts 1 to [`NAME_BYTES_MAX`] bytes of text without `/`, `\`, control, bidi or invisible characters, not
    /// `.` or `..`, no blank at either end, no leading `-` (it would read as a flag).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = |reason: &str| {
            Err(NameError {
                reason: reason.to_owned(),
            })
        };
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError {
                reason: format!("has {} bytes, over the limit of {NAME_BYTES_MAX}", text.len()),
            });
        }
        if text == "." || text == ".." {
            return refuse("is `.` or `..`, which name folders");
        }
        if text.starts_with('-') {
            return refuse("starts with `-` and would read as a flag");
        }
        if text.trim() != text {
            return refuse("starts or ends with a blank");
        }
        for character in text.chars() {
            if matches!(character, '/' | '\\') {
                return Err(NameError {
                    reason: format!("holds `{character}`, which separates folders"),
                });
            }
            if character.is_control() {
                return Err(NameError {
                    reason: format!("holds the control character U+{:04X}", u32::from(character)),
                });
            }
            if is_invisible(character) {
                return Err(NameError {
                    reason: format!(
                        "holds the invisible or direction-changing character U+{:04X}",
                        u32::from(character)
                    ),
                });
            }
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that change direction, join, or show nothing, and so make two names look the same.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// One session on one node: 128 random bits, 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl std::str::FromStr for SessionId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| "a session id has 32 hexadecimal digits".to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_deceive_is_refused_with_the_reason() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for (text, word) in [
            ("", "empty"),
            (".", "folders"),
            ("..", "folders"),
            ("a/b", "separates"),
            ("a\\b", "separates"),
            ("a\0b", "U+0000"),
            ("a\nb", "U+000A"),
            ("a\u{202E}b", "U+202E"),
            ("a\u{200B}b", "U+200B"),
            (" a", "blank"),
            ("-rf", "flag"),
            (&long, "limit"),
        ] {
            let error = Name::parse(text).unwrap_err();
            assert!(error.reason.contains(word), "{text:?}: {}", error.reason);
        }
    }

    #[test]
    fn names_that_people_have_are_accepted() {
        for text in [
            "alice",
            "ACME Ltd.",
            "ÅSA",
            "' OR 1=1 --",
            "a@example.org",
            "...",
            "株式会社",
        ] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
    }
}
