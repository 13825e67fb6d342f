//! `argosy openapi`: the description of the admin API, for tools.

use super::Context;
use super::error::CliError;
use super::output::{self, Format};

/// Runs it.
pub async fn run(context: &Context) -> Result<(), CliError> {
    let document = context.client.get("/api/v1/openapi.json").await?.body;
    let format = match context.format {
        Format::Table => Format::Json,
        format => format,
    };
    output::value(format, &document)
}
