//! `argosy export`: the whole catalog as a file for `argosy apply`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::error::CliError;
use super::noun::Run;
use super::output::{self, Format};
use super::{Context, border, limits, read};

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Write it to this file, for you alone, instead of to standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// With password hashes and private host keys, in the open; for owners. Keep the file as you keep a private key
    #[arg(long)]
    with_credentials: bool,
}

impl Run for ExportArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        if self.with_credentials && self.file.is_none() && std::io::stdout().is_terminal() {
            return Err(CliError::usage(
                "credentials are not written to a terminal; name a --file, or send the output elsewhere",
            ));
        }
        let query = match self.with_credentials {
            true => vec!["with_credentials=true".to_owned()],
            false => Vec::new(),
        };
        let mut left_out = Vec::new();
        let mut objects = Vec::new();
        let mut revision = None;
        read::each_page(context, "/api/v1/export", query, limits::PAGE, |page| {
            objects.extend(page["objects"].as_array().cloned().unwrap_or_default());
            left_out.extend(page["left_out"].as_array().cloned().unwrap_or_default());
            // Pages are read one after the other: what is applied must be no older than the first.
            revision = revision.take().or_else(|| page["revision"].as_u64());
            true
        })
        .await?;
        let count = objects.len();
        let whole = json!({ "revision": revision, "objects": objects });
        let format = match context.format {
            Format::Table => Format::Yaml,
            format => format,
        };
        let text = output::written(format, &whole)?;
        match &self.file {
            Some(path) => border::write_file(path, text.as_bytes(), 0o600).map_err(CliError::failed)?,
            None => output::emit(&text)?,
        }
        for object in &left_out {
            let word = |field: &str| output::word(&object[field]);
            eprintln!("left out: {} `{}`: {}", word("kind"), word("name"), word("what"));
        }
        eprintln!("{count} objects at revision {}", revision.unwrap_or_default());
        Ok(())
    }
}
