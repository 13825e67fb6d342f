//! The report of a seed's power cuts that a person can read: one HTML file without scripts.

use super::run::{Asked, Verdict};

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
    let word = if verdict.broken.is_empty() { "kept" } else { "broken" };
    let title = format!("power cuts, seed {}", asked.seed);
    let mut text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}: {word}</title><style>body{{font:15px/1.5 \
         sans-serif;margin:2em;max-width:1100px}}table{{border-collapse:collapse}}td,th{{padding:.2em \
         1em;text-align:left;border-bottom:1px solid #ddd}}.broken{{color:#c22}}.kept{{color:#2a7}}</style>\n<h1>{title}: \
         <span class={word}>promises {word}</span></h1>\n<p>{} virtual machines; {}.</p>\n",
        asked.nodes,
        verdict.summary()
    );
    for broken in &verdict.broken {
        text += &format!("<h2 class=broken>{}</h2>\n", escape(&broken.to_string()));
        for one in verdict
            .operations
            .iter()
            .filter(|one| broken.operations.contains(&one.number))
        {
            text += &format!("<p>{}</p>\n", escape(&format!("{one:?}")));
        }
    }
    text += "<h2>Cuts</h2><table><tr><th>cut<th>at<th>not flushed<th>kernel<th>not flushed, in KiB<th>sectors \
             kept<th>sectors lost<th>uploads<th>changes<th>ready after\n";
    for cut in &verdict.cuts {
        let pending: u64 = cut.lost.iter().map(|lost| lost.pending_bytes).sum();
        let kept: usize = cut.lost.iter().map(|lost| lost.kept).sum();
        let lost: usize = cut.lost.iter().map(|lost| lost.lost).sum();
        text += &format!(
            "<tr><td>{}{}<td>{:.1} s<td>{}<td>{}<td>{}<td>{kept}<td>{lost}<td>{}<td>{}<td>{:.1} s\n",
            cut.number,
            if cut.again { ", and again" } else { "" },
            cut.at.as_secs_f64(),
            cut.loss.name(),
            if cut.eager { "eager" } else { "lazy" },
            pending / 1024,
            cut.uploads,
            cut.changes,
            cut.ready.as_secs_f64(),
        );
    }
    text + "</table></html>\n"
}
