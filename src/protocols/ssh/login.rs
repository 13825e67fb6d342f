//! What is remembered between the login messages of one connection: as little as can be, and nothing of it survives
//! a change of the user name.
//!
//! Proofs are verified by `auth`; tries are counted by russh.

/// The login of one connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Login {
    user: String,
    prompted: bool,
    done: bool,
}

impl Login {
    /// A message names `user`. Another name than before forgets all. `false`: the login is over, nothing is taken.
    pub fn bind(&mut self, user: &str) -> bool {
        if self.user != user {
            *self = Self {
                user: user.to_owned(),
                prompted: false,
                done: self.done,
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

    /// The login held; nothing more is taken.
    pub fn finish(&mut self) {
        self.done = true;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_user_name_forgets_what_was_asked() {
        let mut login = Login::default();
        assert!(login.bind("alice"));
        login.prompt();
        assert!(login.bind("bob"));
        assert!(!login.take_answer());
        login.prompt();
        assert!(login.bind("alice") && login.bind("bob"));
        assert!(!login.take_answer(), "going back does not bring it back");
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
        login.finish();
        assert!(!login.bind("alice"));
        assert!(!login.bind("bob"));
    }
}
