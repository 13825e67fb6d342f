//! What is held for a while in format version 1.

use serde::{Deserialize, Serialize};

use super::{name, path};
use crate::catalog::held::{Holding, Lock, Place, SignedOut};
use crate::clock::UnixMillis;

#[derive(Serialize, Deserialize)]
pub(in crate::catalog::stored) struct LockV1 {
    token: u128,
    storage: String,
    path: Vec<u8>,
    infinite: bool,
    exclusive: bool,
    account: String,
    owner: String,
    until: i64,
}

#[derive(Serialize, Deserialize)]
pub(in crate::catalog::stored) struct SignedOutV1 {
    account: String,
    until: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) enum HoldingV1 {
    Take(LockV1),
    Renew { token: u128, account: String, until: i64 },
    Release { token: u128, account: String },
    SignOut { session: u128, ended: SignedOutV1 },
}

impl From<&Lock> for LockV1 {
    fn from(lock: &Lock) -> Self {
        Self {
            token: lock.token,
            storage: lock.place.storage.to_string(),
            path: lock.place.path.as_bytes().to_vec(),
            infinite: lock.infinite,
            exclusive: lock.exclusive,
            account: lock.account.to_string(),
            owner: lock.owner.clone(),
            until: lock.until.0,
        }
    }
}

impl TryFrom<LockV1> for Lock {
    type Error = String;
    fn try_from(stored: LockV1) -> Result<Self, String> {
        Ok(Self {
            token: stored.token,
            place: Place {
                storage: name(stored.storage)?,
                path: path(&stored.path)?,
            },
            infinite: stored.infinite,
            exclusive: stored.exclusive,
            account: name(stored.account)?,
            owner: stored.owner,
            until: UnixMillis(stored.until),
        })
    }
}

impl From<&SignedOut> for SignedOutV1 {
    fn from(ended: &SignedOut) -> Self {
        Self {
            account: ended.account.to_string(),
            until: ended.until.0,
        }
    }
}

impl TryFrom<SignedOutV1> for SignedOut {
    type Error = String;
    fn try_from(stored: SignedOutV1) -> Result<Self, String> {
        Ok(Self {
            account: name(stored.account)?,
            until: UnixMillis(stored.until),
        })
    }
}

impl From<&Holding> for HoldingV1 {
    fn from(holding: &Holding) -> Self {
        match holding {
            Holding::Take(lock) => Self::Take(lock.into()),
            Holding::Renew { token, account, until } => Self::Renew {
                token: *token,
                account: account.to_string(),
                until: until.0,
            },
            Holding::Release { token, account } => Self::Release {
                token: *token,
                account: account.to_string(),
            },
            Holding::SignOut { session, ended } => Self::SignOut {
                session: *session,
                ended: ended.into(),
            },
        }
    }
}

impl TryFrom<HoldingV1> for Holding {
    type Error = String;
    fn try_from(stored: HoldingV1) -> Result<Self, String> {
        Ok(match stored {
            HoldingV1::Take(lock) => Self::Take(lock.try_into()?),
            HoldingV1::Renew { token, account, until } => Self::Renew {
                token,
                account: name(account)?,
                until: UnixMillis(until),
            },
            HoldingV1::Release { token, account } => Self::Release {
                token,
                account: name(account)?,
            },
            HoldingV1::SignOut { session, ended } => Self::SignOut {
                session,
                ended: ended.try_into()?,
            },
        })
    }
}
