//! Bounds of what is replicated; each keeps one object well below the largest command.

/// Authorized keys of an account.
pub const KEYS_MAX: usize = 100;
/// Further mounts of an account, mounts of a group.
pub const MOUNTS_MAX: usize = 100;
/// Grants of a mount, an account, a group or a role.
pub const GRANTS_MAX: usize = 200;
/// Networks in one list.
pub const SOURCES_MAX: usize = 200;
/// Bytes of a key's line.
pub const KEY_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a comment, a description or a banner.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Puts and deletes in one transaction.
pub const STEPS_MAX: usize = 10_000;
/// Per-node differences of an object.
pub const OVERRIDES_MAX: usize = 32;
/// Groups or roles that one object names.
pub const MEMBERSHIPS_MAX: usize = 50;
/// Groups that an account is in, directly and through other groups; the same for roles.
pub const INHERITED_MAX: usize = 200;
/// Bytes of a pattern as it is written.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Bytes of a compiled pattern.
pub const PATTERN_PROGRAM_BYTES_MAX: usize = 256 * 1024;
/// Brackets within brackets in a regular expression.
pub const PATTERN_NESTING_MAX: u32 = 50;
/// File patterns in one list of limits.
pub const FILE_PATTERNS_MAX: usize = 100;
/// Allowed hours in one list of limits.
pub const HOURS_MAX: usize = 50;
/// Names of principals that an account answers to in certificates.
pub const PRINCIPALS_MAX: usize = 50;
/// Former password hashes kept; the rules may ask for fewer.
pub const FORMER_PASSWORDS_MAX: usize = 24;
/// Keys of an authority.
pub const AUTHORITY_KEYS_MAX: usize = 20;
/// Revoked serials, ids or keys of an authority, each.
pub const REVOKED_MAX: usize = 5_000;
/// Accounts or groups that a service names.
pub const SERVICE_LIST_MAX: usize = 1_000;
/// Algorithms in one list of a service.
pub const ALGORITHMS_MAX: usize = 50;
/// Bans at one time; when they are as many, a new automatic one is refused.
pub const BANS_MAX: usize = 20_000;
/// Locks of all accounts at one time.
pub const LOCKS_MAX: usize = 20_000;
/// Locks of one account at one time.
pub const LOCKS_PER_ACCOUNT_MAX: usize = 2_000;
/// Bytes of what a client says of a lock's owner.
pub const LOCK_OWNER_BYTES_MAX: usize = 1024;
/// Web sessions that were ended by their people and whose cookies have not expired.
pub const SIGNED_OUT_MAX: usize = 100_000;
/// Changes of what is held in one transaction.
pub const HOLDINGS_MAX: usize = 100;
/// What has ended and is forgotten with one change of what is held.
pub const FORGOTTEN_AT_ONCE: usize = 100;
/// Accounts in one report of who was seen.
pub const SEEN_MAX: usize = 10_000;
/// Accounts that a node keeps unpacked, of those that were asked for last. It is to hold those of all sessions.
pub const ACCOUNTS_UNPACKED_MAX: usize = 8_192;
/// Places in which one of them may be.
pub const ACCOUNTS_UNPACKED_WAYS: usize = 4;
/// Revisions that the history keeps.
pub const HISTORY_REVISIONS_MAX: usize = 10_000;
