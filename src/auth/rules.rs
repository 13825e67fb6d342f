//! What a password must be: length, estimated entropy, no former one again; and when it must be changed.
//!
//! The rules stand in the settings. Whoever sets a password asks here; saying no, and hashing, is left to them.
//!
//! # The estimate
//!
//! Each character counts log2 of the alphabet that the whole password is drawn from: 26 for small letters, 26 for
//! capital ones, 10 for digits, [`PUNCTUATION`] for what else ASCII has, [`BEYOND_ASCII`] for the rest. One bit only
//! counts a character that can be foretold: the same as the one before, its neighbour in the alphabet (`abc`, `321`),
//! the end of three that stood there before, part of the account's name, part of a word of [`COMMON_WORDS`]. It is an
//! estimate from above: it knows no dictionary.

use crate::catalog::{Account, Object, PasswordHash, PasswordRules, View};
use crate::clock::UnixMillis;

/// Characters of ASCII that are neither letters nor digits.
const PUNCTUATION: u32 = 33;
/// What a character outside of ASCII counts for.
const BEYOND_ASCII: u32 = 100;
/// Bytes of the shortest account name that is looked for.
const NAME_BYTES_MIN: usize = 3;
/// Words that guessers try first.
const COMMON_WORDS: [&str; 20] = [
    "password", "passwort", "passw0rd", "qwerty", "qwertz", "azerty", "asdfgh", "welcome", "letmein", "admin", "login",
    "secret", "dragon", "monkey", "iloveyou", "spring", "summer", "autumn", "winter", "changeme",
];
const MILLIS_OF_DAY: i64 = 24 * 3600 * 1000;

/// Every rule that `password` breaks for the account `account`, each as a clause: `has 5 characters, ...`. Former
/// passwords are not looked at: that costs hashes.
pub fn complaints(rules: &PasswordRules, password: &str, account: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let length = password.chars().count();
    if length < rules.length_min as usize {
        complaints.push(format!(
            "has {length} characters, at least {} are needed",
            rules.length_min
        ));
    }
    let bits = entropy_bits(password, account);
    if bits < rules.entropy_bits_min {
        complaints.push(format!(
            "is guessed too easily: some {bits} bits of entropy, at least {} are needed; use more and different words",
            rules.entropy_bits_min
        ));
    }
    complaints
}

/// The complaint about one that was used before.
pub fn used_before(rules: &PasswordRules) -> String {
    match rules.former_kept {
        0 => "is the present one".to_owned(),
        kept => format!("is the present one or one of the last {kept} before it"),
    }
}

/// The hashes that a new password may not match: the present one and as many former ones as the rules keep.
pub fn earlier<'a>(rules: &PasswordRules, account: &'a Account) -> impl Iterator<Item = &'a PasswordHash> {
    let former = account.password_state.former.iter().take(rules.former_kept as usize);
    account.password.iter().chain(former)
}

/// Whether `password` is the one behind a stored hash. Takes as long as a login: call it off the async threads.
pub fn is_hashed_as(password: &str, hash: &PasswordHash) -> bool {
    super::password::matches(password.as_bytes(), &hash.0)
}

/// Why the password of `account` must be changed before it lets in again; `None`: it need not be.
pub fn must_change(view: &View, account: &Object<Account>, now: UnixMillis) -> Option<String> {
    let state = &account.spec.password_state;
    if state.must_change {
        return Some("the password must be changed".to_owned());
    }
    let settings = view.settings.get(crate::catalog::settings::SETTINGS_NAME)?;
    let days_max = i64::from(settings.spec.passwords.age_days_max?);
    let changed_at = state.changed_at?;
    (now.0.saturating_sub(changed_at.0) >= days_max * MILLIS_OF_DAY)
        .then(|| format!("the password is older than {days_max} days and must be changed"))
}

/// The estimate, in whole bits.
fn entropy_bits(password: &str, account: &str) -> u32 {
    let lower: Vec<char> = password
        .chars()
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let mut foretold = vec![false; lower.len()];
    for (at, pair) in lower.windows(2).enumerate() {
        let step = i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0]));
        foretold[at + 1] |= step.abs() <= 1;
    }
    for end in 3..lower.len() {
        let last = &lower[end - 2..=end];
        foretold[end] |= lower[..end].windows(3).any(|earlier| earlier == last);
    }
    let account = account.to_ascii_lowercase();
    let name = (account.len() >= NAME_BYTES_MIN).then_some(account.as_str());
    for word in COMMON_WORDS.into_iter().chain(name) {
        let word: Vec<char> = word.chars().collect();
        for (at, found) in lower.windows(word.len()).enumerate() {
            if found == word {
                foretold[at..at + word.len()].fill(true);
            }
        }
    }
    let bits: f64 = f64::from(alphabet(password)).log2();
    let sum: f64 = foretold.iter().map(|foretold| if *foretold { 1.0 } else { bits }).sum();
    sum as u32
}

/// How many characters the password is drawn from; at least 2.
fn alphabet(password: &str) -> u32 {
    let holds = |is: fn(&char) -> bool, size: u32| {
        if password.chars().any(|character| is(&character)) {
            size
        } else {
            0
        }
    };
    let size = holds(char::is_ascii_lowercase, 26)
        + holds(char::is_ascii_uppercase, 26)
        + holds(char::is_ascii_digit, 10)
        + holds(
            |character| character.is_ascii() && !character.is_ascii_alphanumeric(),
            PUNCTUATION,
        )
        + holds(|character| !character.is_ascii(), BEYOND_ASCII);
    size.max(2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_the_alphabet_and_not_with_what_can_be_foretold() {
        for (password, bits) in [
            ("", 0),
            ("aaaaaaaaaaaaaaaaaaaa", 23),
            ("abcdefghijklmnopqrst", 23),
            ("password", 8),
            ("Password1!", 21),
            ("alice-alice-alice", 21),
            ("tkvxwpzb", 33),
            ("correct horse battery", 104),
            ("pwvxpwvxpwvx", 30),
            ("\u{e9}\u{e8}\u{fc}\u{f6}", 20),
        ] {
            assert_eq!(entropy_bits(password, "alice"), bits, "{password}");
        }
    }

    #[test]
    fn every_broken_rule_is_told() {
        let rules = PasswordRules {
            length_min: 10,
            entropy_bits_min: 40,
            age_days_max: None,
            former_kept: 0,
        };
        assert_eq!(complaints(&rules, "tkvx wpzb Qj5", "alice"), Vec::<String>::new());
        let both = complaints(&rules, "password", "alice");
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(both[0].contains("8 characters") && both[1].contains("bits"), "{both:?}");
        // Characters, not bytes.
        assert_eq!(
            complaints(&rules, "\u{e9}\u{fc}\u{f6}\u{e0}\u{ea}\u{f9}\u{e7}", "alice").len(),
            1
        );
    }
}
