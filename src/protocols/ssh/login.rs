//! What is remembered between the login messages of one connection: as little as can be, and nothing of it survives
//! a change of the user name.
//!
//! Proofs are verified by `auth`; tries are counted by russh, which also ends a connection that asks for another
//! service than `ssh-connection`.

use crate::auth::Missing;
use crate::session::Principal;

/// The login of one connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Login {
    user: String,
    prompted: bool,
    half: Option<Half>,
    done: bool,
}

/// The first of two proofs.
#[derive(Debug, PartialEq, Eq)]
struct Half {
    principal: Principal,
    missing: Missing,
    method: &'static str,
}

impl Login {
    /// A message names `user`. Another name than before forgets all. `false`: the login is over, nothing is taken.
    pub fn bind(&mut self, user: &str) -> bool {
        if self.user != user {
            *self = Self {
                user: user.to_owned(),
                done: self.done,
                ..Self::default()
            };
        }
        !self.done
    }

    /// The user was asked for a password by keyboard-interactive.
    pub fn prompt(&mut self) {
        self.prompted = true;
    }

    /// Whether an answer to that question is due; it is due once.
    pub fn take_answer(&mut self) -> bool {
        std::mem::take(&mut self.prompted)
    }

    /// The first of two proofs held, by `method`.
    pub fn prove(&mut self, principal: Principal, missing: Missing, method: &'static str) {
        self.half = Some(Half {
            principal,
            missing,
            method,
        });
    }

    /// Who was proven by half.
    pub fn proven(&self) -> Option<&Principal> {
        self.half.as_ref().map(|half| &half.principal)
    }

    /// What is missing after the first proof.
    pub fn missing(&self) -> Option<Missing> {
        self.half.as_ref().map(|half| half.missing)
    }

    /// How it was proven, with `method` as the last step; for events.
    pub fn methods_with(&self, method: &'static str) -> &'static str {
        match (self.half.as_ref().map(|half| half.method), method) {
            (None, method) => method,
            (Some("publickey"), "password") => "publickey+password",
            (Some("publickey"), _) => "publickey+keyboard-interactive",
            (Some("password"), _) => "password+publickey",
            (Some(_), _) => "keyboard-interactive+publickey",
        }
    }

    /// The login held; nothing more is taken.
    pub fn finish(&mut self) {
        self.half = None;
        self.done = true;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ids::Name;
    use crate::session::Credential;

    fn alice() -> Principal {
        Principal {
            account: Name::parse("alice").unwrap(),
            credential: Credential::Password { hash_digest: [0; 32] },
        }
    }

    #[test]
    fn a_changed_user_name_forgets_what_was_asked_and_what_was_proven() {
        let mut login = Login::default();
        assert!(login.bind("alice"));
        login.prompt();
        login.prove(alice(), Missing::Key, "password");
        assert!(login.bind("bob"));
        assert!(!login.take_answer());
        assert_eq!((login.proven(), login.missing()), (None, None));
        login.prompt();
        assert!(login.bind("alice") && login.bind("bob"));
        assert!(!login.take_answer(), "going back does not bring it back");
        assert!(login.bind("alice"));
        assert_eq!(login.proven(), None, "nor that");
    }

    #[test]
    fn an_answer_counts_once() {
        let mut login = Login::default();
        assert!(!login.take_answer(), "nobody asked");
        login.bind("alice");
        login.prompt();
        assert!(login.take_answer());
        assert!(!login.take_answer());
    }

    #[test]
    fn after_a_login_no_further_one_is_taken() {
        let mut login = Login::default();
        login.bind("alice");
        login.prove(alice(), Missing::Key, "password");
        assert_eq!(login.methods_with("publickey"), "password+publickey");
        login.finish();
        assert!(!login.bind("alice"));
        assert!(!login.bind("bob"));
        assert_eq!(login.proven(), None);
    }
}
