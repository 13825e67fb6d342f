//! The report of a live run that a person can read: one HTML file without scripts.
//!
//! What is judged is left to the invariants.

use std::time::Duration;

use super::run::{Asked, Verdict};
use crate::invariants::back_at_level::Used;
use crate::oracle::{Action, Operation, Outcome};

const WIDTH: f64 = 1_100.0;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The class of an outcome, and its colour.
fn kind(outcome: &Outcome) -> (usize, &'static str, &'static str) {
    match outcome {
        Outcome::Written { .. } | Outcome::Read(_) => (0, "done", "#2a7"),
        Outcome::Stale { .. } => (1, "another revision stood there", "#88a"),
        Outcome::Failed(_) => (2, "refused", "#d80"),
        Outcome::Unknown(_) => (3, "unknown", "#c22"),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// A percentile of durations that are in order.
fn percentile(sorted: &[Duration], of_hundred: usize) -> Duration {
    let at = sorted.len().saturating_sub(1) * of_hundred / 100;
    sorted.get(at).copied().unwrap_or_default()
}

/// Writes `report.html` into the run's folder.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(asked: &Asked, verdict: &Verdict) -> Result<(), String> {
    let file = asked.folder.join("report.html");
    std::fs::write(&file, page(asked, verdict)).map_err(|error| format!("{}: {error}", file.display()))
}

fn page(asked: &Asked, verdict: &Verdict) -> String {
    let title = format!("{}, seed {}", asked.nemesis.name(), asked.seed);
    let word = if verdict.broken.is_empty() { "kept" } else { "broken" };
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}: {word}</title><style>body{{font:15px/1.5 \
         sans-serif;margin:2em;max-width:{WIDTH}px}}table{{border-collapse:collapse}}td,th{{padding:.2em \
         1em;text-align:left;border-bottom:1px solid #ddd}}.broken{{color:#c22}}.kept{{color:#2a7}}</style>\n<h1>{title}: \
         <span class={word}>promises {word}</span></h1>\n<p>{} nodes, {}, {} operations of administrators; uploads: {} \
         acknowledged, {} failed, {} read back whole; logins: {} came in, {} did not.</p>\n{}{}{}{}{}</html>\n",
        asked.nodes,
        seconds(verdict.lasted),
        verdict.operations.len(),
        verdict.files.0,
        verdict.files.1,
        verdict.files.2,
        verdict.logins.0,
        verdict.logins.1,
        broken(verdict),
        time_line(asked, verdict),
        faults(verdict),
        outcomes(verdict),
        back(verdict),
    )
}

fn broken(verdict: &Verdict) -> String {
    let mut text = String::new();
    for broken in &verdict.broken {
        text += &format!("<h2 class=broken>{}</h2>\n", escape(&broken.to_string()));
        let shown = verdict
            .operations
            .iter()
            .filter(|one| broken.operations.contains(&one.number));
        let rows: String = shown.map(operation_row).collect();
        if !rows.is_empty() {
            text += &format!(
                "<table><tr><th>operation<th>node<th>register<th>asked<th>answered<th>what<th>outcome{rows}</table>\n"
            );
        }
    }
    text
}

fn operation_row(one: &Operation) -> String {
    let action = match one.action {
        Action::Read => "read".to_owned(),
        Action::Write { expected: None } => "write".to_owned(),
        Action::Write { expected: Some(over) } => format!("write over {over}"),
    };
    format!(
        "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{action}<td>{}",
        one.number,
        one.node,
        escape(&one.key),
        seconds(one.invoked),
        seconds(one.completed),
        escape(&format!("{:?}", one.outcome)),
    )
}

/// Faults, leaders and operations over time; higher is slower.
fn time_line(asked: &Asked, verdict: &Verdict) -> String {
    let whole = verdict.lasted.as_secs_f64().max(1.0);
    let x = |time: Duration| time.as_secs_f64() / whole * WIDTH;
    let mut drawn = String::new();
    for struck in &verdict.struck {
        let (from, to) = (x(struck.from), x(struck.to));
        drawn += &format!(
            "<rect x={from:.1} y=0 width={:.1} height=230 fill='#fdd'><title>{} {:?}</title></rect>\n",
            (to - from).max(1.0),
            asked.nemesis.name(),
            struck.nodes.iter().map(|at| at + 1).collect::<Vec<_>>(),
        );
    }
    for (at, node) in &verdict.leaders {
        let from = x(*at);
        drawn += &format!("<line x1={from:.1} x2={from:.1} y1=0 y2=230 stroke='#36c'/>");
        drawn += &format!(
            "<text x={:.1} y=12 fill='#36c' font-size=11>n{} leads</text>\n",
            from + 2.0,
            node + 1
        );
    }
    for one in &verdict.operations {
        let took = one.completed.saturating_sub(one.invoked).as_secs_f64().max(0.001);
        let y = 220.0 - (took / 0.001).log10() / 4.0 * 190.0;
        let (_, what, colour) = kind(&one.outcome);
        drawn += &format!(
            "<circle cx={:.1} cy={y:.1} r=1.6 fill='{colour}'><title>{} {what}, {:.0} ms</title></circle>\n",
            x(one.invoked),
            one.number,
            took * 1_000.0,
        );
    }
    format!(
        "<h2>Time line</h2><p>Red: a fault lasts. Blue: a new leader. Dots: operations, the slower the higher (1 ms \
         below, 10 s above).</p><svg width={WIDTH} height=230 style='border:1px solid #ccc'>{drawn}</svg>\n"
    )
}

fn faults(verdict: &Verdict) -> String {
    let rows: String = verdict
        .struck
        .iter()
        .map(|struck| {
            let nodes: Vec<String> = struck.nodes.iter().map(|at| format!("n{}", at + 1)).collect();
            let (from, to) = (seconds(struck.from), seconds(struck.to));
            format!(
                "<tr><td>{from}<td>{to}<td>{}<td>{}\n",
                nodes.join(" "),
                seconds(struck.gap)
            )
        })
        .collect();
    format!(
        "<h2>Faults</h2><table><tr><th>from<th>to<th>nodes<th>longest time without an acknowledged write{rows}</table>\n"
    )
}

fn outcomes(verdict: &Verdict) -> String {
    let mut rows = String::new();
    for at in 0..4 {
        let of_kind = verdict.operations.iter().filter(|one| kind(&one.outcome).0 == at);
        let mut took: Vec<Duration> = of_kind
            .clone()
            .map(|one| one.completed.saturating_sub(one.invoked))
            .collect();
        took.sort_unstable();
        let Some(what) = of_kind.map(|one| kind(&one.outcome).1).next() else {
            continue;
        };
        let [half, most, worst] = [50, 99, 100].map(|part| seconds(percentile(&took, part)));
        rows += &format!("<tr><td>{what}<td>{}<td>{half}<td>{most}<td>{worst}\n", took.len());
    }
    format!("<h2>Operations</h2><table><tr><th>outcome<th>how many<th>median<th>99th of 100<th>worst{rows}</table>\n")
}

fn back(verdict: &Verdict) -> String {
    let rows: String = verdict
        .back
        .iter()
        .map(|(what, took)| format!("<tr><td>{what}<td>{}\n", took.map_or("not at all".to_owned(), seconds)))
        .collect();
    let sessions: String = verdict
        .sessions
        .iter()
        .map(|session| {
            let until = session.moved_until.map_or("none".to_owned(), seconds);
            format!("<tr><td>a disabled account's session at {}<td>{until}\n", session.node)
        })
        .collect();
    let levels: String = verdict.levels.iter().map(level).collect();
    format!(
        "<h2>After the last fault</h2><table>{rows}{sessions}</table>\n<h2>What nodes use</h2><table><tr><th>node<th>memory, \
         MiB<th>open files<th>log, MiB<th>all else in the data folder, MiB\n{levels}</table>\n"
    )
}

/// What a node used before the load, and after it.
fn level((node, before, after): &(String, Used, Used)) -> String {
    let mebibytes = |one: u64, other: u64| format!("{} → {}", one >> 20, other >> 20);
    format!(
        "<tr><td>{node}<td>{}<td>{} → {}<td>{}<td>{}\n",
        mebibytes(before.memory_bytes, after.memory_bytes),
        before.handles,
        after.handles,
        mebibytes(before.log_bytes, after.log_bytes),
        mebibytes(before.other_bytes, after.other_bytes),
    )
}
