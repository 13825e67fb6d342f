//! Which SSH algorithms there are, what the named policies choose, and whether a service's choice can work.
//!
//! Names only: what they do is russh's, how they are offered is left to `protocols`. Never to be had, whatever is asked
//! for: `none`, CBC, 3DES, RC4, anything with SHA-1, DSA host keys. DSA keys of users need `legacy_dsa`.
//!
//! | Policy | Key exchange | Ciphers | MACs | Host keys |
//! |---|---|---|---|---|
//! | `modern` | ML-KEM with X25519 | AEAD | encrypt-then-MAC | Ed25519, RSA |
//! | `standard` | then X25519 | then AES-CTR | encrypt-then-MAC | then ECDSA |
//! | `compatible` | then NIST curves and finite fields | the same | then MAC of plain text | the same |
//! | `fips-names` | NIST curves and finite fields | AES | HMAC with SHA-2 | ECDSA, RSA |
//!
//! Finite fields cost the server a multiple of what they cost the peer (CVE-2002-20001); only the two policies for
//! older partners offer them. A post-quantum exchange under a FIPS name (`mlkem768nistp256-sha256`) is not to be had.

use std::collections::BTreeSet;

use crate::catalog::{SshPolicy, SshSettings};

/// The name of a DSA signature.
pub const DSA: &str = "ssh-dss";

/// One of the lists of [`SshSettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Key exchange methods.
    KeyExchanges,
    /// Ciphers.
    Ciphers,
    /// Message authentication codes.
    Macs,
    /// Signatures of host keys.
    HostKeys,
    /// Signatures of users' keys.
    Signatures,
}

/// Why a choice cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The field of the service's `ssh` object.
    pub field: &'static str,
    /// The reason as a clause, with what to do.
    pub reason: String,
}

const KEY_EXCHANGES: &[&str] = &[
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
];

/// AES-128-GCM first: the fastest of the safe ones on every processor with AES instructions.
const CIPHERS: &[&str] = &[
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
];

const MACS: &[&str] = &[
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
];

const HOST_KEYS: &[&str] = &[
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
];

const SIGNATURES: &[&str] = &[
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
];

impl List {
    /// All lists.
    pub const ALL: [Self; 5] = [
        Self::KeyExchanges,
        Self::Ciphers,
        Self::Macs,
        Self::HostKeys,
        Self::Signatures,
    ];

    /// The field's name.
    pub fn field(self) -> &'static str {
        match self {
            Self::KeyExchanges => "key_exchanges",
            Self::Ciphers => "ciphers",
            Self::Macs => "macs",
            Self::HostKeys => "host_key_algorithms",
            Self::Signatures => "signature_algorithms",
        }
    }

    /// What can be chosen, the preferred one first.
    pub fn known(self) -> &'static [&'static str] {
        match self {
            Self::KeyExchanges => KEY_EXCHANGES,
            Self::Ciphers => CIPHERS,
            Self::Macs => MACS,
            Self::HostKeys => HOST_KEYS,
            Self::Signatures => SIGNATURES,
        }
    }

    /// What the service's own list says.
    fn own(self, settings: &SshSettings) -> &[String] {
        match self {
            Self::KeyExchanges => &settings.key_exchanges,
            Self::Ciphers => &settings.ciphers,
            Self::Macs => &settings.macs,
            Self::HostKeys => &settings.host_key_algorithms,
            Self::Signatures => &settings.signature_algorithms,
        }
    }

    /// Whether the policy offers `name`.
    fn in_policy(self, policy: SshPolicy, name: &str) -> bool {
        use SshPolicy::{Compatible, FipsNames, Modern, Standard};
        let rsa = name.starts_with("rsa-");
        let nist = name.contains("nistp");
        match (self, policy) {
            (Self::Signatures, Modern | Standard | Compatible) | (_, Compatible) => true,
            (Self::Signatures | Self::HostKeys, FipsNames) => rsa || nist && !name.starts_with("sk-"),
            (Self::HostKeys, Modern) => rsa || name == "ssh-ed25519",
            (Self::HostKeys, Standard) => true,
            (Self::KeyExchanges, Modern) => name == KEY_EXCHANGES[0],
            (Self::KeyExchanges, Standard) => name == KEY_EXCHANGES[0] || name.starts_with("curve25519"),
            (Self::KeyExchanges, FipsNames) => nist || name.starts_with("diffie-hellman"),
            (Self::Ciphers, Modern) => !name.ends_with("-ctr"),
            (Self::Ciphers, Standard) => true,
            (Self::Ciphers, FipsNames) => name.starts_with("aes"),
            (Self::Macs, Modern | Standard) => name.contains("-etm"),
            (Self::Macs, FipsNames) => true,
        }
    }
}

/// The names that `settings` come to in one list: the service's own, or else the policy's. Unknown ones, which the
/// border refuses, are left out.
pub fn chosen(settings: &SshSettings, list: List) -> Vec<&'static str> {
    let own = list.own(settings);
    let known = list.known().iter().copied();
    let mut names: Vec<&'static str> = if own.is_empty() {
        known.filter(|name| list.in_policy(settings.policy, name)).collect()
    } else {
        let find = |own: &String| list.known().iter().copied().find(|name| name == own);
        own.iter().filter_map(find).collect()
    };
    if list == List::Signatures && settings.legacy_dsa {
        names.push(DSA);
    }
    names
}

/// Whether a host key of `algorithm` (as in [`crate::catalog::HostKey::algorithm`]) can sign as `name`.
pub fn signs_as(algorithm: &str, name: &str) -> bool {
    let is_rsa = |text: &str| text.starts_with("rsa-") || text == "ssh-rsa";
    algorithm == name || is_rsa(algorithm) && is_rsa(name)
}

/// Refuses settings that name what is not known or should not be offered, that name something twice, or that leave
/// nothing for the service's host keys, whose algorithms are `host_keys`.
pub fn check(settings: &SshSettings, host_keys: &[&str]) -> Result<(), Unfit> {
    for list in List::ALL {
        let unfit = |reason| Unfit {
            field: list.field(),
            reason,
        };
        let mut seen = BTreeSet::new();
        for name in list.own(settings) {
            admissible(list, name, settings.legacy_dsa).map_err(unfit)?;
            if !seen.insert(name) {
                return Err(unfit(format!(
                    "names `{name}` twice; each counts once, the first the most preferred"
                )));
            }
        }
    }
    let offered = chosen(settings, List::HostKeys);
    let fits = |host_key: &&str| offered.iter().any(|name| signs_as(host_key, name));
    if !host_keys.is_empty() && !host_keys.iter().any(fits) {
        let by = if settings.host_key_algorithms.is_empty() {
            format!("the policy `{}` shows", policy_word(settings.policy))
        } else {
            "it names".to_owned()
        };
        return Err(Unfit {
            field: List::HostKeys.field(),
            reason: format!(
                "leaves nothing to show: {by} {}, and the service's host keys are {}; make a fitting one with `argosy \
                 host-key create NAME --algorithm ecdsa-nistp256` (or `ed25519`, `rsa-3072`) and name it in \
                 `host_keys`",
                offered.join(", "),
                host_keys.join(", ")
            ),
        });
    }
    rsa_agrees(settings, host_keys)
}

/// Clients learn the RSA signatures that count from one list for host and user keys, so the two must share one.
fn rsa_agrees(settings: &SshSettings, host_keys: &[&str]) -> Result<(), Unfit> {
    let rsa = |list| {
        let mut names = chosen(settings, list);
        names.retain(|name| name.starts_with("rsa-"));
        names
    };
    let (hosts, users) = (rsa(List::HostKeys), rsa(List::Signatures));
    let shown = host_keys.iter().any(|host_key| signs_as(host_key, "rsa-sha2-512")) && !hosts.is_empty();
    if shown && !users.is_empty() && !users.iter().any(|name| hosts.contains(name)) {
        return Err(Unfit {
            field: List::Signatures.field(),
            reason: format!(
                "names {} for RSA, but host keys sign with {}; let both lists share one",
                users.join(", "),
                hosts.join(", ")
            ),
        });
    }
    Ok(())
}

fn admissible(list: List, name: &str, legacy_dsa: bool) -> Result<(), String> {
    if list.known().contains(&name) || name == DSA && list == List::Signatures && legacy_dsa {
        return Ok(());
    }
    let shown = super::shown_claim(name);
    if ["ext-info-", "kex-strict-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
    {
        return Err(format!("names `{shown}`, which is always on; leave it out"));
    }
    if name == DSA && list == List::Signatures {
        return Err(format!(
            "names `{shown}`, which is too weak; for a partner that has nothing else set `legacy_dsa`"
        ));
    }
    let weak = ["none", "clear", DSA, "ssh-rsa"].contains(&name)
        || [
            "3des",
            "arcfour",
            "-cbc",
            "sha1",
            "md5",
            "group1-",
            "blowfish",
            "cast128",
            "ssh-rsa-cert",
        ]
        .iter()
        .any(|part| name.contains(part));
    let why = if weak {
        "is too weak to be offered"
    } else {
        "is not known here"
    };
    Err(format!(
        "names `{shown}`, which {why}; known are {}",
        list.known().join(", ")
    ))
}

fn policy_word(policy: SshPolicy) -> &'static str {
    match policy {
        SshPolicy::Modern => "modern",
        SshPolicy::Standard => "standard",
        SshPolicy::Compatible => "compatible",
        SshPolicy::FipsNames => "fips-names",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn policy(policy: SshPolicy) -> SshSettings {
        SshSettings {
            policy,
            ..SshSettings::default()
        }
    }

    fn with(list: List, names: &[&str]) -> SshSettings {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let mut settings = SshSettings::default();
        match list {
            List::KeyExchanges => settings.key_exchanges = names,
            List::Ciphers => settings.ciphers = names,
            List::Macs => settings.macs = names,
            List::HostKeys => settings.host_key_algorithms = names,
            List::Signatures => settings.signature_algorithms = names,
        }
        settings
    }

    #[test]
    fn every_policy_offers_something_in_every_list_and_modern_nothing_that_a_quantum_computer_breaks() {
        for name in [
            SshPolicy::Modern,
            SshPolicy::Standard,
            SshPolicy::Compatible,
            SshPolicy::FipsNames,
        ] {
            for list in List::ALL {
                assert!(!chosen(&policy(name), list).is_empty(), "{name:?} {list:?}");
            }
        }
        let modern = policy(SshPolicy::Modern);
        assert_eq!(chosen(&modern, List::KeyExchanges), ["mlkem768x25519-sha256"]);
        assert!(chosen(&modern, List::Ciphers).iter().all(|name| !name.ends_with("ctr")));
        let fips = policy(SshPolicy::FipsNames);
        assert!(
            !chosen(&fips, List::KeyExchanges)
                .iter()
                .any(|name| name.contains("25519"))
        );
        assert!(!chosen(&fips, List::HostKeys).contains(&"ssh-ed25519"));
        let standard = policy(SshPolicy::Standard);
        assert_eq!(chosen(&standard, List::KeyExchanges).len(), 3);
        assert!(!chosen(&standard, List::Signatures).contains(&DSA));
    }

    #[test]
    fn what_should_not_be_offered_is_refused_with_the_reason_and_what_is_known() {
        for (list, names, word) in [
            (List::KeyExchanges, &["diffie-hellman-group1-sha1"][..], "too weak"),
            (List::KeyExchanges, &["diffie-hellman-group14-sha1"], "too weak"),
            (List::KeyExchanges, &["none"], "too weak"),
            (
                List::KeyExchanges,
                &["sntrup761x25519-sha512"],
                "not known here; known are mlkem",
            ),
            (List::KeyExchanges, &["kex-strict-s-v00@openssh.com"], "always on"),
            (List::KeyExchanges, &[""], "not known"),
            (List::Ciphers, &["3des-cbc"], "too weak"),
            (List::Ciphers, &["arcfour"], "too weak"),
            (
                List::Ciphers,
                &["aes256-gcm@openssh.com", "aes256-gcm@openssh.com"],
                "twice",
            ),
            (List::Macs, &["hmac-sha1"], "too weak"),
            (List::HostKeys, &["ssh-rsa"], "too weak"),
            (List::HostKeys, &["ssh-dss"], "too weak"),
            (List::Signatures, &["ssh-rsa"], "too weak"),
            (List::Signatures, &["ssh-dss"], "legacy_dsa"),
        ] {
            let unfit = check(&with(list, names), &["ssh-ed25519"]).unwrap_err();
            assert_eq!(unfit.field, list.field());
            assert!(unfit.reason.contains(word), "{names:?}: {}", unfit.reason);
        }
        let mut legacy = with(List::Signatures, &["ssh-dss", "rsa-sha2-512"]);
        legacy.legacy_dsa = true;
        assert_eq!(check(&legacy, &["ssh-ed25519"]), Ok(()));
    }

    #[test]
    fn a_choice_that_fits_no_host_key_is_refused() {
        let unfit = check(&policy(SshPolicy::FipsNames), &["ssh-ed25519"]).unwrap_err();
        assert!(
            unfit.reason.contains("`fips-names` shows rsa-sha2-512"),
            "{}",
            unfit.reason
        );
        assert!(unfit.reason.contains("ecdsa-nistp256"));
        for fitting in ["ecdsa-sha2-nistp256", "rsa-sha2-512"] {
            assert_eq!(check(&policy(SshPolicy::FipsNames), &["ssh-ed25519", fitting]), Ok(()));
        }
        let only = with(List::HostKeys, &["rsa-sha2-256"]);
        assert!(check(&only, &["ssh-ed25519"]).is_err());
        assert_eq!(check(&only, &["rsa-sha2-512"]), Ok(()));
    }

    #[test]
    fn rsa_signatures_that_clients_could_not_learn_of_are_refused() {
        let mut settings = with(List::HostKeys, &["rsa-sha2-512"]);
        settings.signature_algorithms = vec!["rsa-sha2-256".to_owned()];
        assert!(
            check(&settings, &["rsa-sha2-512"])
                .unwrap_err()
                .reason
                .contains("share one")
        );
        settings.signature_algorithms.push("rsa-sha2-512".to_owned());
        assert_eq!(check(&settings, &["rsa-sha2-512"]), Ok(()));
    }
}
