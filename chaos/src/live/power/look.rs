//! What is looked at after each cut: every register and the history at every node, every name that is new, the log.
//!
//! Whether that is right is left to the invariants.

use std::collections::{BTreeMap, BTreeSet};

use argosy_cluster::sim::Dice;

use super::bench::{Bench, since_power_on};
use super::limits::{LOOKS_MAX, NAMES_PER_LOGIN, READS_MAX};
use crate::invariants::{Broken, linearizable, whole_files};
use crate::live::cluster::ACCOUNT;
use crate::live::files::{Files, whole};
use crate::live::load::Desk;
use crate::live::records;
use crate::oracle::{Action, Outcome};

/// How often each name was looked at, by node.
pub type Looked = BTreeMap<(usize, String), u32>;

/// All that was acknowledged is there. With `all`, names that were looked at before are looked at once more.
///
/// # Errors
/// What could not be seen, often as it was tried.
pub fn after_cut(bench: &Bench, desk: &Desk, looked: &mut Looked, all: bool) -> Result<Vec<Broken>, String> {
    let mut broken = Vec::new();
    registers(bench, desk)?;
    broken.extend(linearizable::check(&desk.history.operations()));
    broken.extend(histories(desk)?);
    for (at, files) in bench.files.iter().enumerate() {
        let names = names(files, at, looked, all);
        broken.extend(names_at(files, &bench.machines[at].name, &names)?);
    }
    for machine in &bench.machines {
        let said = machine.said();
        if let Some(line) = since_power_on(&said).lines().find(|line| line.contains("panicked at")) {
            broken.push(Broken::new("goes-on", format!("{} panicked: {line}", machine.name)));
        }
    }
    Ok(broken)
}

/// Reads every register at every node.
fn registers(bench: &Bench, desk: &Desk) -> Result<(), String> {
    let mut dice = Dice::new(1);
    for key in desk.keys() {
        for (at, machine) in bench.machines.iter().enumerate() {
            let mut looks = (0..READS_MAX).map(|_| desk.once(9_000 + at as u64, at, &key, Action::Read, &mut dice));
            if !looks.any(|seen| matches!(seen, Outcome::Read(_))) {
                return Err(format!("{} does not answer what {key} is", machine.name));
            }
        }
    }
    Ok(())
}

/// What the nodes' own histories say.
fn histories(desk: &Desk) -> Result<Vec<Broken>, String> {
    let mut last = String::new();
    for _ in 0..LOOKS_MAX {
        match records::judge(desk) {
            Ok(broken) => return Ok(broken),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The names to look at: each twice, after the cut that it was near and after the next; in the end all.
fn names(files: &Files, at: usize, looked: &mut Looked, all: bool) -> Vec<String> {
    let tried: Vec<String> = files.shown().names.keys().cloned().collect();
    let mut wanted = |name: &String| {
        let looks = looked.entry((at, name.clone())).or_default();
        *looks += 1;
        all || *looks <= 2
    };
    tried.into_iter().filter(|name| wanted(name)).collect()
}

/// Reads names back from a node and judges them.
fn names_at(files: &Files, node: &str, names: &[String]) -> Result<Vec<Broken>, String> {
    let folder = files.folder().join(format!("back-{node}"));
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut stands = Vec::new();
    for names in names.chunks(NAMES_PER_LOGIN) {
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).map_err(told)?;
        // What is refused does not end the batch; a broken connection does.
        let gets = names
            .iter()
            .map(|name| format!("-get {name} {}/{name}\n", folder.display()));
        let batch: String = gets.collect();
        let mut last = String::new();
        let came = (0..LOOKS_MAX).any(|_| {
            let done = files.clients().sftp(0, ACCOUNT, &batch);
            done.map_err(|error| last = error).is_ok()
        });
        if !came {
            return Err(format!("files cannot be read back at {node}: {last}"));
        }
        let shown = files.shown();
        let unique: BTreeSet<&String> = names.iter().collect();
        for name in unique {
            let Some(tried) = shown.names.get(name) else { continue };
            let found = std::fs::read(folder.join(name)).ok().map(|bytes| whole(&bytes));
            stands.push(whole_files::Stands {
                name: format!("{name} at {node}"),
                acknowledged: tried.acknowledged,
                tried: tried.tried,
                found,
            });
        }
    }
    drop(std::fs::remove_dir_all(&folder));
    Ok(whole_files::check(&[], &stands))
}
