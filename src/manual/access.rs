//! # Who may do what, and how much of it
//!
//! An account sees a tree of *mounts*, its own and those of its groups. What may be done in it, *grants* say: each
//! allows and denies operations below a path, or where a glob or a regular expression matches. Silence is no.
//!
//! ## Whose word counts
//!
//! For an operation at a path the tiers are asked in turn; the first in which any grant speaks of that operation at
//! that path decides, and within a tier one denial beats every allowance.
//!
//! | Tier | Whose grants |
//! |---|---|
//! | 1 | the account's: of its mount, its own `grants`, of its roles and the roles that they include |
//! | 2 | its groups', and the groups that those are in: of their mounts, their `grants`, of their roles |
//! | 3 | an account's home without grants of its own allows everything |
//!
//! | Example | Comes to |
//! |---|---|
//! | `readers` mount `/shared` with read and list, `writers` the same folder there with all; an account in both | all: the groups are one tier, and nobody denies |
//! | the same, and a third group denies `delete` below `/` | all but delete, for everybody in the third group |
//! | the same, and the account itself is granted `delete` below `/shared/mine` | there it may delete: its own tier speaks first |
//! | a group denies `delete` below `/`, an account in it has a home without grants | all but delete in its home |
//! | two groups mount different folders at `/shared` | the one that the account names first; the other is hidden with its grants |
//!
//! Of several mounts above a path the longest place wins; at the same place the account's own, then its groups' in
//! their order, then the groups of those. Whoever would inherit from over 200 groups or roles may do nothing, and is
//! told so when the account is changed.
//!
//! ## What follows from a grant
//!
//! * A change holds for what runs: each operation, each read and write of an open file and each publishing asks anew.
//! * The path behind a symbolic link needs the right too.
//! * A folder may be listed with all that is in it, whatever is granted on its entries. Folders that only lead to
//!   mounts can be listed by who has the mounts.
//! * Moving takes the right to rename at both ends. A folder stays where it is if something below either end is denied
//!   that would not be denied at the other end alike: a denial below a path, or a pattern that can match below one
//!   end and goes on differently after the other. `/**/*.exe` hinders no move, `/logs/*/*` hinders moves out of
//!   `/logs` and into it.
//!
//! ## Limits
//!
//! An account and a service can each set limits; both hold.
//!
//! | Limit | What happens beyond it |
//! |---|---|
//! | `upload_bytes_max` | the write is refused and the upload fails as a whole: nothing is published, nothing kept for resume; setting a larger size is refused |
//! | `files_allowed`, `files_denied` | a file whose last name is not taken is neither uploaded, downloaded, linked nor renamed, from or to; denied wins over allowed. Folders are no files |
//! | `hours` | nobody signs in outside of them, and who is in is put out when they end; an unknown time zone keeps out |
//! | `session_upload_rate`, `session_download_rate` | reads and writes of a session wait; a quarter of a second's bytes may pass at once |
//! | `upload_rate`, `download_rate` | the same for all sessions of the account, or of the service, on one node; sessions take turns |
//! | `sources`, `accounts`, `groups` of a service | others do not come in, and are put out when they are taken from the list; members through other groups count |
//!
//! ## Passwords
//!
//! The settings say how long a password is, how hard to guess, after how many days it must be changed and how many
//! former ones may not come again; they are asked whenever an administrator or the account itself sets one. A refusal
//! names every broken rule. A password that must be changed proves who somebody is and lets in nowhere; a protocol that
//! can ask for a new one does so. Keys are not concerned.
//!
//! The estimate of entropy counts the alphabet and takes what can be foretold (runs, repetitions, the account's name,
//! the commonest words) for nearly nothing. It knows no dictionary: the length protects better.
//!
//! ## Idle accounts and stale nodes
//!
//! With `inactive_days_max` an account that nobody used or changed for so many days lets nobody in; nodes report every
//! few minutes who was used, so a day counts once. With `staleness_max_seconds` a node that has had no confirmed leader
//! for so long refuses logins and operations.
