//! DER, as far as the outer form of certificates needs it: one element after the other, nothing copied (X.690, 8.1).
//!
//! What stands inside is left to x509-parser.

/// SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// INTEGER.
pub const INTEGER: u8 = 0x02;

/// One element.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Its tag, of one byte.
    pub tag: u8,
    /// With tag and length.
    pub whole: &'a [u8],
    /// Without.
    pub contents: &'a [u8],
    /// What follows it.
    pub rest: &'a [u8],
}

/// The first element of `bytes`; `None`: there is none, it is cut, or its length is not written as DER demands.
pub fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            let shortest = length > 0x7f && digits.first() != Some(&0);
            shortest.then_some((length, rest))?
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some(Element {
        tag,
        whole: &bytes[..bytes.len() - rest.len()],
        contents,
        rest,
    })
}

/// The first element, which must have this tag.
pub fn expect(bytes: &[u8], tag: u8) -> Option<Element<'_>> {
    element(bytes).filter(|element| element.tag == tag)
}

/// The bytes of a BIT STRING that has whole bytes.
pub fn bit_string(bytes: &[u8]) -> Option<&[u8]> {
    let (unused, bits) = expect(bytes, BIT_STRING)?.contents.split_first()?;
    (*unused == 0).then_some(bits)
}
