//! HELP, FEAT, SYST, NOOP, OPTS, CLNT, LANG, SITE HELP: what is asked about the server.

use crate::protocols::ftp::listing::Facts;
use crate::protocols::ftp::state::{State, Tls};
use crate::protocols::ftp::wire::command::HASHES;
use crate::protocols::ftp::wire::{Command, Reply};
use crate::vfs::Hash;

/// What may be asked before the sign-in.
pub(in crate::protocols::ftp) fn before_login(command: &Command) -> bool {
    matches!(
        command,
        Command::User(_)
            | Command::Pass(_)
            | Command::Quit
            | Command::Rein
            | Command::Auth(_)
            | Command::Pbsz(_)
            | Command::Prot(_)
            | Command::Ccc
            | Command::Protected
            | Command::Noop
            | Command::Help(_)
            | Command::Syst
            | Command::Feat
            | Command::OptsUtf8
            | Command::OptsMlst(_)
            | Command::OptsHash(_)
            | Command::Clnt
            | Command::Lang(_)
            | Command::SiteHelp
    )
}

const VERBS: [&str; 7] = [
    "USER PASS ACCT QUIT REIN AUTH PBSZ PROT CCC",
    "PASV EPSV PORT EPRT TYPE STRU MODE REST ALLO",
    "RETR STOR APPE STOU LIST NLST MLSD MLST ABOR",
    "SIZE MDTM MFMT HASH XSHA256 XSHA512 XSHA1 XMD5",
    "CWD CDUP PWD MKD RMD DELE RNFR RNTO",
    "STAT NOOP HELP SYST FEAT OPTS CLNT LANG",
    "SITE CHMOD, SITE UTIME, SITE HELP",
];

/// The answer to what only asks about the server.
pub(in crate::protocols::ftp) fn about(command: &Command) -> Option<Reply> {
    Some(match command {
        Command::Noop => Reply::new(200, "Here."),
        Command::Help(None) => {
            let verbs = VERBS.iter().map(|line| line.as_bytes().to_vec());
            Reply::many(214, "These commands are known:", verbs, "End of the commands.")
        }
        Command::Help(Some(verb)) => help(&verb.to_ascii_uppercase()),
        Command::Syst => Reply::new(215, "UNIX Type: L8"),
        Command::OptsUtf8 => Reply::new(200, "Names are bytes; UTF-8 is what they should be."),
        Command::Clnt => Reply::new(200, "Noted."),
        Command::Lang(None) => Reply::new(200, "English."),
        Command::Lang(Some(tag)) if tag.to_ascii_lowercase().starts_with("en") => Reply::new(200, "English."),
        Command::Lang(Some(_)) => Reply::new(504, "Only English is spoken."),
        Command::SiteHelp => {
            let verbs = ["CHMOD mode path", "UTIME YYYYMMDDHHMMSS path", "HELP"];
            let verbs = verbs.iter().map(|line| line.as_bytes().to_vec());
            Reply::many(214, "SITE knows:", verbs, "End of SITE.")
        }
        _ => return None,
    })
}

fn help(verb: &str) -> Reply {
    let known = VERBS.iter().any(|line| line.split([' ', ',']).any(|word| word == verb));
    if known {
        Reply::new(
            214,
            format!("{verb} is known; the RFCs 959, 2228, 2389, 2428, 3659 and 4217 say what it does."),
        )
    } else {
        Reply::new(502, "This command is not known.")
    }
}

/// The name of a hash function in the HASH draft.
pub(in crate::protocols::ftp) fn hash_name(hash: Hash) -> &'static str {
    let known = HASHES.iter().find(|(_, known)| *known == hash);
    known.map_or("SHA-256", |(name, _)| name)
}

impl State {
    pub(in crate::protocols::ftp) fn feat(&self) -> Reply {
        let mut features = Vec::new();
        if self.policy.tls != Tls::Absent {
            features.extend(["AUTH TLS", "PBSZ", "PROT"].map(str::to_owned));
        }
        features.push("CLNT".to_owned());
        if self.policy.active {
            features.push("EPRT".to_owned());
        }
        features.push("EPSV".to_owned());
        let marked = |(name, hash): &(&str, Hash)| format!("{name}{}", if *hash == self.hash { "*" } else { "" });
        let hashes: Vec<String> = HASHES.iter().map(marked).collect();
        features.push(format!("HASH {}", hashes.join(";")));
        features.extend(["LANG EN*", "MDTM", "MFMT"].map(str::to_owned));
        features.push(format!("MLST {}", self.facts.marked()));
        let rest = ["REST STREAM", "SITE CHMOD;UTIME", "SIZE", "TVFS", "UTF8"];
        features.extend(rest.map(str::to_owned));
        features.extend(["XMD5", "XSHA1", "XSHA256", "XSHA512"].map(str::to_owned));
        Reply::many(211, "Features:", features.into_iter().map(String::into_bytes), "End")
    }

    pub(in crate::protocols::ftp) fn opts_mlst(&mut self, facts: &[String]) -> Reply {
        self.facts = Facts::of(facts);
        Reply::new(200, format!("MLST OPTS {}", self.facts.shown()))
    }

    pub(in crate::protocols::ftp) fn opts_hash(&mut self, hash: Option<Hash>) -> Reply {
        if let Some(hash) = hash {
            self.hash = hash;
        }
        Reply::new(200, hash_name(self.hash))
    }
}
