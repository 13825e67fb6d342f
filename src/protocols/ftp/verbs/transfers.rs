//! RETR, STOR, APPE, STOU, LIST, NLST, MLSD: what is to be transferred, and whether it may be now.

use crate::protocols::ftp::listing::Form;
use crate::protocols::ftp::state::{Door, State, Step, Transfer, TransferKind};
use crate::protocols::ftp::wire::{Command, Reply};

impl State {
    /// REST, ALLO and the data connection count for one transfer, whatever comes of it.
    pub(in crate::protocols::ftp) fn transfer(&mut self, command: Command) -> Step {
        let offset = std::mem::take(&mut self.offset);
        let announced = self.announced.take();
        if self.policy.require_tls_data && !self.private {
            return Step::Reply(Reply::new(
                521,
                "TLS is required on data connections: PROT P comes first.",
            ));
        }
        if self.door == Door::None {
            return Step::Reply(Reply::new(425, "PASV, EPSV, PORT or EPRT comes first."));
        }
        let kind = match self.kind(command) {
            Ok(kind) => kind,
            Err(reply) => return Step::Reply(reply),
        };
        let of_file = !matches!(kind, TransferKind::List { .. });
        if offset > 0 && self.ascii && of_file {
            return Step::Reply(Reply::new(550, "A transfer in TYPE A begins at byte 0."));
        }
        let from_end = matches!(
            kind,
            TransferKind::Store { append: true, .. } | TransferKind::StoreUnique { .. }
        );
        Step::Transfer(Transfer {
            offset: if from_end || !of_file { 0 } else { offset },
            kind,
            door: std::mem::replace(&mut self.door, Door::None),
            private: self.private,
            ascii: self.ascii,
            announced: announced.filter(|_| !self.ascii),
        })
    }

    fn kind(&self, command: Command) -> Result<TransferKind, Reply> {
        let store = |path: &[u8], append| {
            Ok(TransferKind::Store {
                path: self.path(path)?,
                append,
            })
        };
        let list = |path: &[u8], form| {
            Ok(TransferKind::List {
                path: self.path(path)?,
                form,
            })
        };
        match command {
            Command::Retr(path) => Ok(TransferKind::Retrieve(self.path(&path)?)),
            Command::Stor(path) => store(&path, false),
            Command::Appe(path) => store(&path, true),
            Command::Stou(path) if path.is_empty() => Ok(TransferKind::StoreUnique {
                path: self.path(b"upload")?,
            }),
            Command::Stou(path) => Ok(TransferKind::StoreUnique {
                path: self.path(&path)?,
            }),
            Command::List(path) => list(&path, Form::Long),
            Command::Nlst(path) => list(&path, Form::Names),
            Command::Mlsd(path) => list(&path, Form::Facts(self.facts)),
            _ => Err(Reply::new(500, "This moves nothing.")),
        }
    }
}
