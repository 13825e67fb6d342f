//! Trees of files to be carried by clients, and how two of them differ.

use std::collections::BTreeMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::account::noise;
use super::{Account, Cluster, Login};

/// Names that are bytes and nothing else.
const ODD_NAMES: &[&[u8]] = &[
    b"a blank",
    b" at both ends ",
    b"new\nline",
    b"tab\tand\x01control",
    b"quote\"s'and`more",
    b"back\\slash",
    b"\xff\xfe\x80 not UTF-8",
    "ü中🚢".as_bytes(),
    b"-dash",
    b"*?[glob]",
    b"' OR 1=1 --",
    b"...",
    b".hidden",
    &[b'n'; 255],
];

/// A tree with odd names, depth, sizes around the packet's, an empty folder.
pub fn make_tree(root: &Path) {
    make_plain_tree(root);
    let odd = root.join("odd");
    std::fs::create_dir_all(&odd).unwrap();
    for (number, name) in ODD_NAMES.iter().enumerate() {
        std::fs::write(
            odd.join(std::ffi::OsStr::from_bytes(name)),
            noise(number as u64, number * 1000),
        )
        .unwrap();
    }
}

/// The same without the odd names, for clients that have names of their own for those.
pub fn make_plain_tree(root: &Path) {
    std::fs::create_dir_all(root.join("empty")).unwrap();
    for size in [0, 1, 32_767, 32_768, 32_769, 261_120, 1_000_003] {
        std::fs::write(root.join(format!("size-{size}")), noise(size as u64, size)).unwrap();
    }
    let mut deep = root.to_owned();
    for depth in 0..40 {
        deep.push(format!("depth-{depth}"));
    }
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("leaf"), b"leaf").unwrap();
}

/// All files below `root` with their bytes, folders with none.
fn read_tree(root: &Path) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().unwrap().is_dir();
            let content = (!is_folder).then(|| std::fs::read(entry.path()).unwrap());
            found.insert(path.clone().into_os_string().into_vec(), content);
            if is_folder {
                folders.push(path);
            }
        }
    }
    found
}

/// How two trees differ; nothing if they do not.
pub fn difference(one: &Path, other: &Path) -> Option<String> {
    let (one, other) = (read_tree(one), read_tree(other));
    let shown = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
    let missing: Vec<_> = one.keys().filter(|key| !other.contains_key(*key)).map(shown).collect();
    let extra: Vec<_> = other.keys().filter(|key| !one.contains_key(*key)).map(shown).collect();
    let differ = one
        .iter()
        .filter(|(key, bytes)| other.get(*key).is_some_and(|found| found != *bytes));
    let differ: Vec<_> = differ.map(|(key, _)| shown(key)).collect();
    let same = missing.is_empty() && extra.is_empty() && differ.is_empty();
    (!same).then(|| format!("missing {missing:?}, extra {extra:?}, different {differ:?}"))
}

/// Panics unless both trees are the same, names and bytes.
#[track_caller]
pub fn same_tree(one: &Path, other: &Path, what: &str) {
    if let Some(difference) = difference(one, other) {
        panic!("{what}: {difference}");
    }
}

/// An account, a local tree, and a login for each node.
pub fn prepared(cluster: &Cluster, what: &str) -> (Account, PathBuf, Vec<Login>) {
    let account = Account::create(cluster);
    let local = cluster.path(&format!("local-{what}"));
    make_tree(&local.join("tree"));
    let logins = (0..cluster.nodes.len())
        .map(|at| Login::new(cluster, &account, at))
        .collect();
    (account, local, logins)
}
