//! `argosy join`: makes a node of an existing cluster. The private key is made here and stays here.

use std::path::Path;

use argosy_cluster::{Cluster, JoinOptions};

use super::border;
use super::init::{PlaceArgs, write_config};
use crate::catalog::Catalog;

/// Options of `argosy join`.
#[derive(Debug, Clone, clap::Args)]
pub struct JoinArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Read the token of `argosy token create` from standard input (first line); or give --token-file
    #[arg(long, conflicts_with = "token_file")]
    pub token_stdin: bool,
}

/// Makes a node of an existing cluster in `data`, by the join token `token`.
pub fn run(data: &Path, args: &JoinArgs, token: &str) -> Result<(), String> {
    let config = args.place.prepare(data)?;
    let options = JoinOptions {
        folder: config.cluster_folder(),
        name: config.name.clone(),
        peer_address: config.peer_address,
        token: token.to_owned(),
    };
    let runtime = border::runtime()?;
    let joined = runtime.block_on(Cluster::<Catalog>::join(&options));
    let id = match joined {
        Ok(id) => id,
        Err(error) => {
            let _ = std::fs::remove_dir_all(config.cluster_folder());
            return Err(error.to_string());
        }
    };
    write_config(&config)?;
    println!(
        "Node `{}` has id {id}, in {}. Next:",
        config.name,
        config.data.display()
    );
    println!("  argosy serve --data {}", config.data.display());
    println!("It becomes a voter once it has caught up; `argosy status` shows it.");
    Ok(())
}
