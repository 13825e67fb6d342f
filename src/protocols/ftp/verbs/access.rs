//! USER, PASS, REIN.

use zeroize::Zeroizing;

use crate::protocols::ftp::state::{Login, State, Step};
use crate::protocols::ftp::wire::Reply;

impl State {
    /// Another name than before forgets everything; who is signed in stays who it is (RFC 959 lets a server decide).
    pub(in crate::protocols::ftp) fn user(&mut self, name: String) -> Step {
        if self.login == Login::SignedIn {
            return Step::Reply(Reply::new(503, "A session runs already; end it by REIN or QUIT."));
        }
        if self.policy.require_tls_control && !self.secure {
            return Step::Reply(Reply::new(534, "TLS is required here: AUTH TLS comes first."));
        }
        self.login = Login::Named(name.clone());
        if self.certified {
            return Step::Certify(name);
        }
        Step::Reply(Reply::new(331, "The password, please."))
    }

    pub(in crate::protocols::ftp) fn pass(&mut self, password: Zeroizing<String>) -> Step {
        match std::mem::replace(&mut self.login, Login::Nobody) {
            Login::Named(name) => Step::Prove(name, password),
            Login::SignedIn => {
                self.login = Login::SignedIn;
                Step::Reply(Reply::new(503, "A session runs already."))
            }
            Login::Nobody => Step::Reply(Reply::new(503, "USER comes first.")),
        }
    }

    /// TLS stays; everything else is as after the greeting.
    pub(in crate::protocols::ftp) fn rein(&mut self) -> Step {
        let was = Self::new(self.policy.clone());
        let before = std::mem::replace(self, was);
        self.secure = before.secure;
        self.certified = before.certified;
        self.private = before.private;
        self.sized = before.sized;
        Step::Restart(Reply::new(220, "Ready for a new user."))
    }
}
