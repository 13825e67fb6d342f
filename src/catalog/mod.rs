//! WHAT is replicated: objects, the transactions that change them, and the view that everybody reads.
//!
//! Pure: no I/O, no clock, no randomness. How commands reach every node is left to the cluster crate; what a view
//! permits, to `access`; JSON, to `admin`.

pub mod account;
pub mod accounts;
pub mod administrator;
pub mod api_token;
pub mod apply;
pub mod authority;
pub mod ban;
pub mod certificate;
mod coherence;
pub mod command;
pub mod group;
pub mod held;
pub mod history;
pub mod host_key;
pub mod inherit;
pub mod limits;
pub mod pattern;
pub mod rare;
pub mod restrictions;
pub mod role;
pub mod service;
mod service_ftp;
mod service_http;
pub mod service_tls;
pub mod settings;
pub mod storage;
pub mod stored;
pub mod view;

pub use account::{
    Account, AuthorizedKey, CertificateRule, Grant, Mount, Operation, Operations, PasswordHash, PasswordState, Proofs,
    Reach,
};
pub use accounts::Accounts;
pub use administrator::{Administrator, Role};
pub use api_token::ApiToken;
pub use apply::Catalog;
pub use authority::{Authority, AuthorityKind, RevocationSource};
pub use ban::{Ban, BanTarget};
pub use certificate::{Certificate, CertificateKey, Issued, Requested};
pub use command::{Actor, Command, Expected, Outcome, Refusal, Transaction};
pub use group::Group;
pub use held::{Held, Holding, Lock, Place, SignedOut};
pub use host_key::HostKey;
pub use pattern::Pattern;
pub use restrictions::{Hours, Restrictions};
pub use role::AccessRole;
pub use service::{Service, ServiceKind, ServiceOverride, SshPolicy, SshSettings};
pub use service_ftp::{DataPeer, FtpSettings, PassiveAddress, PassiveNetwork};
pub use service_http::HttpSettings;
pub use service_tls::{ClientCertificates, TlsSettings, TlsVersion};
pub use settings::{PasswordRules, Settings, Throttle};
pub use storage::{Durability, Storage};
pub use view::{AgeSource, Kind, Object, ObjectKey, Spec, View, ViewSource};
