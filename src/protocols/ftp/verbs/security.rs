//! AUTH, PBSZ, PROT, CCC (RFC 2228, RFC 4217).

use crate::protocols::ftp::state::{Login, State, Step, Tls};
use crate::protocols::ftp::wire::Reply;
use crate::protocols::ftp::wire::command::{Level, Mechanism};

impl State {
    pub(in crate::protocols::ftp) fn auth(&mut self, mechanism: Mechanism) -> Step {
        let refused = |code, text| Step::Reply(Reply::new(code, text));
        if mechanism == Mechanism::Other {
            return refused(504, "Only AUTH TLS is known.");
        }
        if self.policy.tls == Tls::Absent {
            return refused(502, "This service has no TLS.");
        }
        if self.secure {
            return refused(503, "TLS goes round this connection already.");
        }
        if self.login == Login::SignedIn {
            return refused(503, "AUTH comes before the sign-in.");
        }
        Step::Secure(mechanism == Mechanism::TlsP)
    }

    pub(in crate::protocols::ftp) fn pbsz(&mut self, size: u32) -> Reply {
        if !self.secure {
            return Reply::new(503, "AUTH TLS comes first.");
        }
        self.sized = true;
        match size {
            0 => Reply::new(200, "PBSZ=0"),
            _ => Reply::new(200, "PBSZ=0, as TLS is a stream."),
        }
    }

    pub(in crate::protocols::ftp) fn prot(&mut self, level: Level) -> Reply {
        if !self.secure {
            return Reply::new(503, "AUTH TLS comes first.");
        }
        if !self.sized && self.policy.tls == Tls::Explicit {
            return Reply::new(503, "PBSZ comes first.");
        }
        match level {
            Level::Private => {
                self.private = true;
                Reply::new(200, "Data connections are private.")
            }
            Level::Clear if self.policy.require_tls_data => {
                Reply::new(534, "TLS is required on data connections here.")
            }
            Level::Clear => {
                self.private = false;
                Reply::new(200, "Data connections are clear.")
            }
            Level::Other => Reply::new(536, "TLS has the levels C and P only."),
        }
    }

    /// Never taken: what follows would be for everybody to read and to change.
    pub(in crate::protocols::ftp) fn ccc(&self) -> Reply {
        if self.secure {
            Reply::new(534, "The control connection stays private.")
        } else {
            Reply::new(533, "The control connection is clear already.")
        }
    }
}
