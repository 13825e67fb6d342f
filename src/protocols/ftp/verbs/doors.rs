//! PASV, EPSV, PORT, EPRT: how the next data connection comes about (RFC 959, RFC 2428). Nothing is opened here.

use std::net::SocketAddr;

use crate::protocols::ftp::state::{Door, PassiveForm, State, Step};
use crate::protocols::ftp::wire::Reply;
use crate::protocols::ftp::wire::address::Family;
use crate::protocols::ftp::wire::command::Epsv;

/// The lowest port that PORT may name: below lie the services of others.
const PORT_MIN: u16 = 1024;

impl State {
    pub(in crate::protocols::ftp) fn pasv(&mut self) -> Step {
        if Family::of(self.policy.peer) == Family::V6 {
            return Step::Reply(Reply::new(425, "PASV has no room for an IPv6 address; use EPSV."));
        }
        self.door = Door::None;
        Step::OpenPassive(PassiveForm::Plain)
    }

    pub(in crate::protocols::ftp) fn epsv(&mut self, wanted: Epsv) -> Step {
        let own = Family::of(self.policy.peer);
        match wanted {
            Epsv::All => {
                self.only_epsv = true;
                Step::Reply(Reply::new(200, "Nothing but EPSV is taken from now on."))
            }
            Epsv::OtherFamily => Step::Reply(self.other_family()),
            Epsv::Family(family) if family != own => Step::Reply(self.other_family()),
            Epsv::Any | Epsv::Family(_) => {
                self.door = Door::None;
                Step::OpenPassive(PassiveForm::Extended)
            }
        }
    }

    /// Only the client's own address, and no port of the system's: the server connects nowhere else (RFC 2577).
    pub(in crate::protocols::ftp) fn port(&mut self, address: SocketAddr) -> Reply {
        if !self.policy.active {
            return Reply::new(502, "Active mode is off here; use PASV or EPSV.");
        }
        if address.ip().to_canonical() != self.policy.peer.to_canonical() {
            return Reply::new(501, "Data connections go to the address of this connection only.");
        }
        if address.port() < PORT_MIN {
            return Reply::new(501, format!("Data connections go to ports from {PORT_MIN} on."));
        }
        self.door = Door::Active(address);
        Reply::new(200, "The address is taken.")
    }
}
