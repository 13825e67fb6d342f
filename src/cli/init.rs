//! `argosy init`: makes the first node of a new cluster.
//!
//! What the folder of a cluster holds is left to the cluster crate; the first objects are made here.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use argosy_cluster::{Cluster, InitOptions, StartOptions};

use super::{border, trust};
use crate::auth;
use crate::catalog::{
    Actor, Administrator, ApiToken, Catalog, Command, HostKey, Outcome, Role, Service, Settings, Spec, Transaction,
    settings::SETTINGS_NAME,
};
use crate::clock::Clock;
use crate::config::{self, LogFormat, NodeConfig};
use crate::ids::Name;
use crate::reconcile::host_keys;

/// How long the first change of a cluster of one may take.
const FIRST_CHANGE_MAX: Duration = Duration::from_secs(20);

/// Options of `argosy init`.
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Port of the SFTP service that is made, on every node
    #[arg(long, value_name = "PORT", default_value_t = 2022, value_parser = clap::value_parser!(u16).range(1..))]
    sftp_port: u16,
}

/// What a new node is called and where it listens.
#[derive(Debug, Clone, clap::Args)]
pub struct PlaceArgs {
    /// The node's name, unique in the cluster and fixed
    #[arg(long, value_name = "NAME", value_parser = super::edit::name)]
    name: String,
    /// Where the other nodes reach this one (mutual TLS)
    #[arg(long, value_name = "IP:PORT")]
    peer: SocketAddr,
    /// Where services such as SFTP listen on this node; 0.0.0.0 is every address
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    service_address: IpAddr,
    /// Where the admin API listens on this node (HTTPS)
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8443")]
    admin: SocketAddr,
}

impl PlaceArgs {
    /// The configuration of the node that these arguments describe; refuses a folder that holds one.
    pub fn prepare(&self, data: &Path) -> Result<NodeConfig, String> {
        let config = NodeConfig {
            data: data.to_owned(),
            name: self.name.clone(),
            peer_address: self.peer,
            peer_listen: self.peer,
            service_address: self.service_address,
            admin_address: self.admin,
            log_format: LogFormat::Text,
            log_filter: config::LOG_FILTER.to_owned(),
        };
        if config.cluster_folder().exists() {
            let data = data.display();
            return Err(format!(
                "{data} holds a node already; start it with `argosy serve --data {data}`, or name another folder"
            ));
        }
        border::make_private_folder(data)?;
        Ok(config)
    }
}

/// Writes the node's configuration file; last, so that a folder without one is no node.
pub fn write_config(config: &NodeConfig) -> Result<(), String> {
    border::write_file(&config.data.join(config::FILE_NAME), config.render().as_bytes(), 0o640)
}

/// Runs the command.
pub fn run(data: &Path, args: &InitArgs) -> Result<(), String> {
    let config = args.place.prepare(data)?;
    let made = make(&config, args.sftp_port);
    if made.is_err() {
        // Nothing was acknowledged: a half-made node must not stand in the way of the next try.
        let _ = std::fs::remove_dir_all(config.cluster_folder());
    }
    let token = made?;
    println!(
        "Node `{}` is the first of a new cluster, in {}.",
        config.name,
        config.data.display()
    );
    println!("administrator: admin");
    println!("token: {token}");
    if let Ok(fingerprint) = trust::fingerprint_of_file(&config.cluster_folder().join("ca.crt")) {
        println!("authority: {fingerprint}");
    }
    println!("The token is shown only now; --ca takes the authority, for commands from elsewhere. Next:");
    println!("  argosy serve --data {}", config.data.display());
    Ok(())
}

fn make(config: &NodeConfig, sftp_port: u16) -> Result<String, String> {
    let folder = config.cluster_folder();
    let options = InitOptions {
        folder,
        name: config.name.clone(),
        peer_address: config.peer_address,
    };
    Cluster::<Catalog>::init(&options).map_err(|error| error.to_string())?;
    let runtime = border::runtime()?;
    let token = runtime.block_on(first_objects(config, sftp_port))?;
    write_config(config)?;
    Ok(token)
}

/// Starts the cluster of one for as long as its first change takes.
async fn first_objects(config: &NodeConfig, sftp_port: u16) -> Result<String, String> {
    let options = StartOptions::new(config.cluster_folder(), config.peer_listen);
    let cluster = Cluster::<Catalog>::start(options, Arc::new(border::NoPeers))
        .await
        .map_err(|error| error.to_string())?;
    let result = propose_first(&cluster, config, sftp_port).await;
    cluster.stop().await;
    result
}

async fn propose_first(cluster: &Cluster<Catalog>, config: &NodeConfig, sftp_port: u16) -> Result<String, String> {
    let name = |text: &str| Name::parse(text).map_err(|error| error.to_string());
    let (admin, token_name, key_name) = (name("admin")?, name("first")?, name("ed25519")?);
    let now = Clock::system().now();
    let (public, private) = auth::generate_host_key("ssh-ed25519")?;
    let sealed = cluster
        .seal(&host_keys::context(&key_name), private.as_bytes())
        .map_err(|error| error.to_string())?;
    let secret = crate::admin::border::new_token()?;
    let host_key = HostKey {
        certificate: None,
        algorithm: "ssh-ed25519".to_owned(),
        public,
        sealed_private: sealed,
        created_at: now,
    };
    let administrator = Administrator {
        enabled: true,
        role: Role::Owner,
        password: None,
    };
    let token = ApiToken {
        administrator: admin.clone(),
        secret_hash: crate::admin::border::sha256(secret.as_bytes()),
        expires_at: None,
    };
    let puts = vec![
        (name(SETTINGS_NAME)?, Spec::Settings(Settings::default())),
        (key_name.clone(), Spec::HostKey(host_key)),
        (name("sftp")?, Spec::Service(Service::sftp(sftp_port, vec![key_name]))),
        (admin, Spec::Administrator(administrator)),
        (token_name, Spec::ApiToken(token)),
    ];
    let command = Command {
        actor: Actor::Root {
            node: config.name.clone(),
        },
        from: None,
        at: now,
        transaction: Transaction {
            puts,
            ..Transaction::default()
        },
    };
    let request = border::new_request_id()?;
    match cluster.propose(request, command, FIRST_CHANGE_MAX).await {
        Ok(committed) => match committed.outcome {
            Outcome::Applied => Ok(secret.to_string()),
            Outcome::Refused(refusal) => Err(format!("the first objects were refused: {refusal}")),
        },
        Err(error) => Err(format!("the first objects could not be written: {error}")),
    }
}

/// Whether `data` holds a whole node.
pub fn is_node(data: &Path) -> bool {
    data.join(config::FILE_NAME).exists()
}
