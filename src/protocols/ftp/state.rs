//! What a session is between two commands, and what each command means there: no sockets, no files, no clock.
//!
//! The decisions stand by verb in `verbs`; carrying them out is left to `connection`.

use std::net::{IpAddr, SocketAddr};

use zeroize::Zeroizing;

use super::listing::{Facts, Form};
use super::wire::{Command, Line, Reply, Unread, address::Family, command};
use crate::clock::UnixMillis;
use crate::path::VirtualPath;
use crate::vfs::Hash;

/// Whether and how a service has TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Absent,
    /// By AUTH.
    Explicit,
    /// From the first byte.
    Implicit,
}

/// What a session may do, fixed when its connection began.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether and how there is TLS.
    pub tls: Tls,
    /// Nobody signs in without.
    pub require_tls_control: bool,
    /// Nothing is transferred without.
    pub require_tls_data: bool,
    /// PORT and EPRT are taken.
    pub active: bool,
    /// The client.
    pub peer: IpAddr,
}

/// How far the sign-in is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody was named.
    Nobody,
    /// This account was named; its password is awaited.
    Named(String),
    /// A session runs.
    SignedIn,
}

/// How the next data connection comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Nothing was said.
    None,
    /// The client connects to the port that it was told.
    Passive,
    /// The server connects to this address.
    Active(SocketAddr),
}

/// What moves over a data connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// What.
    pub kind: TransferKind,
    /// How the connection comes about.
    pub door: Door,
    /// TLS goes round it.
    pub private: bool,
    /// Ends of lines are converted.
    pub ascii: bool,
    /// The first byte of the file.
    pub offset: u64,
    /// Bytes that the client said it will send.
    pub announced: Option<u64>,
}

/// Which way and what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say it")]
pub enum TransferKind {
    Retrieve(VirtualPath),
    Store { path: VirtualPath, append: bool },
    StoreUnique { path: VirtualPath },
    List { path: VirtualPath, form: Form },
}

/// What is asked of the Vfs without a data connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say it")]
pub enum Task {
    ChangeFolder(VirtualPath),
    MakeFolder(VirtualPath),
    RemoveFolder(VirtualPath),
    Delete(VirtualPath),
    RenameFrom(VirtualPath),
    Rename {
        from: VirtualPath,
        to: VirtualPath,
    },
    Size(VirtualPath),
    Modified(VirtualPath),
    SetModified(VirtualPath, UnixMillis),
    SetTimes(VirtualPath, UnixMillis, UnixMillis),
    SetMode(VirtualPath, u32),
    Facts(VirtualPath, Facts),
    /// The draft's HASH.
    Hash(VirtualPath, Hash),
    /// XSHA256 and the like.
    Xhash(VirtualPath, Hash, Option<(u64, Option<u64>)>),
    List(VirtualPath),
}

/// What a task that was done changes here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The folder.
    Folder(VirtualPath),
    /// What RNTO will rename.
    RenameFrom(VirtualPath),
}

/// How the answer to PASV or EPSV is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassiveForm {
    /// 227 with address and port.
    Plain,
    /// 229 with the port.
    Extended,
}

/// What has to be done for a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing but this answer.
    Reply(Reply),
    /// This answer, and the end.
    Quit(Reply),
    /// TLS begins, if it can; `true`: data connections are private from then on.
    Secure(bool),
    /// The client's certificate is judged: whether it lets this user in.
    Certify(String),
    /// A password is judged.
    Prove(String, Zeroizing<String>),
    /// The session ends, the connection stays.
    Restart(Reply),
    /// A passive port.
    OpenPassive(PassiveForm),
    /// A question to the Vfs.
    Task(Task),
    /// A transfer.
    Transfer(Transfer),
    /// The state of the session.
    Status,
}

/// A session between two commands.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) policy: Policy,
    pub(super) secure: bool,
    pub(super) certified: bool,
    pub(super) login: Login,
    pub(super) folder: VirtualPath,
    pub(super) ascii: bool,
    pub(super) offset: u64,
    pub(super) announced: Option<u64>,
    pub(super) rename_from: Option<VirtualPath>,
    pub(super) sized: bool,
    pub(super) private: bool,
    pub(super) door: Door,
    pub(super) only_epsv: bool,
    pub(super) facts: Facts,
    pub(super) hash: Hash,
}

impl State {
    /// Of a connection that has said nothing.
    pub fn new(policy: Policy) -> Self {
        let implicit = policy.tls == Tls::Implicit;
        Self {
            policy,
            certified: false,
            secure: implicit,
            login: Login::Nobody,
            folder: VirtualPath::root(),
            // RFC 959 begins with ASCII; clients that want bytes say so.
            ascii: true,
            offset: 0,
            announced: None,
            rename_from: None,
            sized: false,
            // Without PBSZ and PROT an implicit connection is private all over, as its clients expect.
            private: implicit,
            door: Door::None,
            only_epsv: false,
            facts: Facts::default(),
            hash: Hash::Sha256,
        }
    }

    /// What a line has to be answered by.
    pub fn line(&mut self, line: Line) -> Step {
        match line {
            Line::TooLong => Step::Reply(Reply::new(500, "The line is too long.")),
            Line::Nul => Step::Reply(Reply::new(501, "The line holds a NUL.")),
            Line::Whole(line) => match command::parse(&line) {
                Ok(command) => self.command(command),
                Err(unread) => Step::Reply(self.unread(unread)),
            },
        }
    }

    /// What a command has to be answered by.
    pub fn command(&mut self, command: Command) -> Step {
        if let Err(reply) = self.admit(&command) {
            return Step::Reply(reply);
        }
        if !matches!(command, Command::Rnto(_)) {
            self.rename_from = None;
        }
        match command {
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(password),
            Command::Acct => Step::Reply(Reply::new(202, "No account beside the user name is needed.")),
            Command::Quit => Step::Quit(Reply::new(221, "Goodbye.")),
            Command::Rein => self.rein(),
            Command::Auth(mechanism) => self.auth(mechanism),
            Command::Pbsz(size) => Step::Reply(self.pbsz(size)),
            Command::Prot(level) => Step::Reply(self.prot(level)),
            Command::Ccc => Step::Reply(self.ccc()),
            Command::Protected => Step::Reply(Reply::new(503, "TLS has no use for this command.")),
            Command::Pasv => self.pasv(),
            Command::Epsv(wanted) => self.epsv(wanted),
            Command::Port(address) => Step::Reply(self.port(address.into())),
            Command::Eprt(address) => Step::Reply(self.port(address)),
            Command::Type(representation) => Step::Reply(self.representation(representation)),
            Command::Stru(known) => Step::Reply(super::verbs::structure(known)),
            Command::Mode(known) => Step::Reply(super::verbs::mode(known)),
            Command::Rest(offset) => Step::Reply(self.rest(offset)),
            Command::Allo(size) => Step::Reply(self.allo(size)),
            Command::Abor => Step::Reply(self.abor()),
            Command::Stat(None) => Step::Status,
            Command::OptsMlst(facts) => Step::Reply(self.opts_mlst(&facts)),
            Command::OptsHash(hash) => Step::Reply(self.opts_hash(hash)),
            Command::Feat => Step::Reply(self.feat()),
            Command::Pwd => Step::Reply(self.pwd()),
            Command::Rnto(path) => self.rnto(&path),
            Command::Retr(_) | Command::Stor(_) | Command::Appe(_) | Command::Stou(_) => self.transfer(command),
            Command::List(_) | Command::Nlst(_) | Command::Mlsd(_) => self.transfer(command),
            other => match super::verbs::about(&other) {
                Some(reply) => Step::Reply(reply),
                None => self.task(other),
            },
        }
    }

    /// Whether the command may be asked at all now.
    fn admit(&self, command: &Command) -> Result<(), Reply> {
        let connects = matches!(command, Command::Pasv | Command::Port(_) | Command::Eprt(_));
        if self.login != Login::SignedIn && !super::verbs::before_login(command) {
            return Err(Reply::new(530, "Sign in first."));
        }
        if self.only_epsv && connects {
            return Err(Reply::new(503, "After EPSV ALL only EPSV is taken."));
        }
        Ok(())
    }

    fn unread(&self, unread: Unread) -> Reply {
        match unread {
            Unread::Unknown => Reply::new(500, "There is no such command."),
            Unread::Absent => Reply::new(502, "This server does not have this command."),
            Unread::Argument(usage) => Reply::new(501, format!("The argument cannot be understood: {usage}.")),
            Unread::Family => self.other_family(),
            Unread::Option => Reply::new(501, "This option is not known."),
        }
    }

    pub(super) fn other_family(&self) -> Reply {
        let known = Family::of(self.policy.peer).number();
        Reply::new(522, format!("Network protocol not supported, use ({known})."))
    }

    /// A path that a command names; the folder itself where it names none.
    pub(super) fn path(&self, sent: &[u8]) -> Result<VirtualPath, Reply> {
        VirtualPath::resolve(&self.folder, sent).map_err(|error| Reply::new(553, format!("{error}.")))
    }

    /// Who was named and not proven yet.
    pub fn claimed(&self) -> Option<&str> {
        match &self.login {
            Login::Named(name) => Some(name),
            _ => None,
        }
    }

    /// TLS goes round the control connection from now on.
    pub fn secured(&mut self, private: bool) {
        self.secure = true;
        self.login = Login::Nobody;
        self.private = private;
        self.sized = private;
    }

    /// The client has shown a certificate that the service trusts.
    pub fn certified(&mut self) {
        self.certified = true;
    }

    /// Whether TLS goes round the control connection.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether TLS goes round data connections.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// The password held.
    pub fn signed_in(&mut self) {
        self.login = Login::SignedIn;
    }

    /// The password did not hold; who tries again names itself again.
    pub fn refused(&mut self) {
        self.login = Login::Nobody;
    }

    /// A passive port was opened.
    pub fn opened_passive(&mut self) {
        self.door = Door::Passive;
    }

    /// A task was done.
    pub fn done(&mut self, change: Change) {
        match change {
            Change::Folder(folder) => self.folder = folder,
            Change::RenameFrom(path) => self.rename_from = Some(path),
        }
    }

    /// How data connections are made, for people.
    pub fn shown(&self) -> Vec<Vec<u8>> {
        let yes = |yes: bool, one: &str, other: &str| if yes { one } else { other }.as_bytes().to_vec();
        vec![
            [b"Folder: ", self.folder.as_bytes()].concat(),
            yes(self.secure, "Control connection: TLS", "Control connection: clear"),
            yes(self.private, "Data connections: TLS", "Data connections: clear"),
            yes(self.ascii, "TYPE: ASCII", "TYPE: Image"),
        ]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
