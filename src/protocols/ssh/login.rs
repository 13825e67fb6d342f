//! What is remembered between the login messages of one connection: as little as can be, and nothing of it survives
//! a change of the user name.
//!
//! Proofs are verified by `auth`; tries are counted by russh, which also ends a connection that asks for another
//! service than `ssh-connection`.

use zeroize::Zeroizing;

use super::limits::CHANGE_ROUNDS_MAX;
use crate::auth::Missing;
use crate::session::Principal;

/// The login of one connection. It can hold a password for as long as a question is open, so nothing prints it.
#[derive(Default)]
pub struct Login {
    user: String,
    asked: Asked,
    /// How often a new password was asked for.
    rounds: u32,
    half: Option<Half>,
    done: bool,
}

/// What was asked by keyboard-interactive and is not answered yet.
#[derive(Default)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// The password.
    Password,
    /// A new password, twice; the present one held, but must be changed.
    NewPassword {
        /// The present one.
        old: Zeroizing<String>,
    },
}

/// The first of two proofs.
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
    pub fn ask_password(&mut self) {
        self.asked = Asked::Password;
    }

    /// The user is to be asked for a new password; `false`: that was done often enough.
    pub fn ask_new_password(&mut self, old: Zeroizing<String>) -> bool {
        self.rounds += 1;
        let goes_on = self.rounds <= CHANGE_ROUNDS_MAX;
        self.asked = if goes_on {
            Asked::NewPassword { old }
        } else {
            Asked::Nothing
        };
        goes_on
    }

    /// The question to which an answer is due; it is due once.
    pub fn take_asked(&mut self) -> Asked {
        std::mem::take(&mut self.asked)
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
        self.asked = Asked::Nothing;
        self.done = true;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ids::Name;
    use crate::session::Credential;

    fn nothing(login: &mut Login) -> bool {
        matches!(login.take_asked(), Asked::Nothing)
    }

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
        login.ask_password();
        login.prove(alice(), Missing::Key, "password");
        assert!(login.bind("bob"));
        assert!(nothing(&mut login));
        assert_eq!((login.proven(), login.missing()), (None, None));
        login.ask_password();
        assert!(login.bind("alice") && login.bind("bob"));
        assert!(nothing(&mut login), "going back does not bring it back");
        assert!(login.bind("alice"));
        assert_eq!(login.proven(), None, "nor that");
    }

    #[test]
    fn an_answer_counts_once() {
        let mut login = Login::default();
        assert!(nothing(&mut login), "nobody asked");
        login.bind("alice");
        login.ask_password();
        assert!(matches!(login.take_asked(), Asked::Password));
        assert!(nothing(&mut login));
    }

    #[test]
    fn a_new_password_is_asked_for_a_few_times_and_not_for_another_name() {
        let mut login = Login::default();
        login.bind("alice");
        for _ in 0..CHANGE_ROUNDS_MAX {
            assert!(login.ask_new_password(Zeroizing::new("old".to_owned())));
            assert!(matches!(login.take_asked(), Asked::NewPassword { old } if *old == "old"));
        }
        assert!(!login.ask_new_password(Zeroizing::new("old".to_owned())));
        assert!(nothing(&mut login));
        login.bind("bob");
        assert!(login.ask_new_password(Zeroizing::new("old".to_owned())));
        login.bind("alice");
        assert!(nothing(&mut login), "bob's password stays bob's");
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
