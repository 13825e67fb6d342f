//! What an object is to be after a rollback. Credentials, bans and switches stay as they are unless they are asked for.
//!
//! Which objects are touched is left to `history`; the transaction, to `routes::rollback`.

use crate::catalog::{Kind, ObjectKey, PasswordState, Spec};

/// What a rollback makes of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// What it is to be; `None`: not there.
    pub spec: Option<Spec>,
    /// What was not taken from the past.
    pub left: Vec<&'static str>,
}

/// What `key` is to be, which was `was` then and is `now`.
///
/// Without `with_credentials` an API token, a host key, a certificate, an authority and a ban stay as they are; an account and an
/// administrator keep their passwords, keys, expiry and switch; a service keeps its switches. What does not exist any
/// more comes back without credentials and switched off.
pub fn target(key: &ObjectKey, was: Option<&Spec>, now: Option<&Spec>, with_credentials: bool) -> Target {
    let whole = |spec: Option<&Spec>| Target {
        spec: spec.cloned(),
        left: Vec::new(),
    };
    if with_credentials {
        return whole(was);
    }
    match key.kind {
        Kind::ApiToken | Kind::HostKey | Kind::Certificate | Kind::Authority | Kind::Ban => Target {
            spec: now.cloned(),
            left: vec!["everything"],
        },
        Kind::Account | Kind::Administrator | Kind::Service => match was {
            None => whole(None),
            Some(was) => kept(was, now),
        },
        Kind::Storage | Kind::Settings | Kind::Group | Kind::Role => whole(was),
    }
}

fn kept(was: &Spec, now: Option<&Spec>) -> Target {
    let mut spec = was.clone();
    let left = match (&mut spec, now) {
        (Spec::Account(account), now) => {
            let now = match now {
                Some(Spec::Account(now)) => Some(now),
                _ => None,
            };
            account.enabled = now.is_some_and(|now| now.enabled);
            account.expires_at = now.map_or(account.expires_at, |now| now.expires_at);
            account.password = now.and_then(|now| now.password.clone());
            account.password_state = now.map_or_else(PasswordState::default, |now| now.password_state.clone());
            account.keys = now.map(|now| now.keys.clone()).unwrap_or_default();
            account.certificates = now.map(|now| now.certificates.clone()).unwrap_or_default();
            account.principals = now.map(|now| now.principals.clone()).unwrap_or_default();
            vec![
                "enabled",
                "expires_at",
                "password",
                "keys",
                "certificates",
                "principals",
            ]
        }
        (Spec::Administrator(administrator), now) => {
            let now = match now {
                Some(Spec::Administrator(now)) => Some(now),
                _ => None,
            };
            administrator.enabled = now.is_some_and(|now| now.enabled);
            administrator.password = now.and_then(|now| now.password.clone());
            vec!["enabled", "password"]
        }
        (Spec::Service(service), now) => {
            let now = match now {
                Some(Spec::Service(now)) => Some(now),
                _ => None,
            };
            service.enabled = now.is_some_and(|now| now.enabled);
            for (node, differs) in &mut service.nodes {
                differs.enabled = now.and_then(|now| now.nodes.get(node)).and_then(|now| now.enabled);
            }
            vec!["enabled"]
        }
        _ => Vec::new(),
    };
    let left = if spec == *was { Vec::new() } else { left };
    Target { spec: Some(spec), left }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::{Administrator, PasswordHash, Role, Settings};
    use crate::ids::Name;

    fn key(kind: Kind) -> ObjectKey {
        ObjectKey {
            kind,
            name: Name::parse("x").unwrap(),
        }
    }

    fn administrator(enabled: bool, role: Role, password: Option<&str>) -> Spec {
        Spec::Administrator(Administrator {
            enabled,
            role,
            password: password.map(|hash| PasswordHash(hash.to_owned())),
        })
    }

    #[test]
    fn a_rollback_takes_back_no_credential_and_no_switch_unless_told() {
        let was = administrator(true, Role::Viewer, Some("old"));
        let now = administrator(false, Role::Owner, Some("new"));
        let key = key(Kind::Administrator);
        let plain = target(&key, Some(&was), Some(&now), false);
        assert_eq!(plain.spec, Some(administrator(false, Role::Viewer, Some("new"))));
        assert_eq!(plain.left, ["enabled", "password"]);
        assert_eq!(target(&key, Some(&was), Some(&now), true).spec, Some(was.clone()));
        // What was deleted since comes back, but lets nobody in.
        let back = target(&key, Some(&was), None, false);
        assert_eq!(back.spec, Some(administrator(false, Role::Viewer, None)));
        assert_eq!(target(&key, None, Some(&now), false).spec, None);
    }

    #[test]
    fn what_is_a_credential_as_a_whole_stays_as_it_is() {
        let some = Spec::Settings(Settings::default());
        for kind in [
            Kind::ApiToken,
            Kind::HostKey,
            Kind::Certificate,
            Kind::Authority,
            Kind::Ban,
        ] {
            assert_eq!(target(&key(kind), None, Some(&some), false).spec, Some(some.clone()));
            assert_eq!(target(&key(kind), Some(&some), None, false).spec, None);
            assert_eq!(target(&key(kind), Some(&some), None, true).spec, Some(some.clone()));
        }
    }
}
