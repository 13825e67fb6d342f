//! Whole files (promise 6): an acknowledged upload is there, complete; no name ever shows half a file.

use super::Broken;

/// The promise.
pub const PROMISE: &str = "no acknowledged upload is lost, short or torn, and no name ever shows half a file";

/// A name in the end: what was last acknowledged (0: nothing), what was last tried, and what stands there.
pub struct Stands {
    /// The name.
    pub name: String,
    /// The number of the last acknowledged content.
    pub acknowledged: u64,
    /// The number of the last content that was tried.
    pub tried: u64,
    /// The number of the content that stands there, or why it is no whole file; `None`: nothing stands there.
    pub found: Option<Result<u64, String>>,
}

/// `torn` is what was seen of half files during the run.
pub fn check(torn: &[String], stands: &[Stands]) -> Vec<Broken> {
    let mut broken: Vec<Broken> = torn
        .iter()
        .map(|what| Broken::new("whole-files", what.clone()))
        .collect();
    for name in stands {
        let what = match &name.found {
            Some(Err(wrong)) => wrong.clone(),
            None if name.acknowledged > 0 => format!("content {} was acknowledged and is gone", name.acknowledged),
            Some(Ok(found)) if *found < name.acknowledged => {
                format!(
                    "content {found} stands there, {} was acknowledged later",
                    name.acknowledged
                )
            }
            Some(Ok(found)) if *found > name.tried => format!("content {found} was never sent there"),
            _ => continue,
        };
        broken.push(Broken::new("whole-files", format!("{}: {what}", name.name)));
    }
    broken
}
