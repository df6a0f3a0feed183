//! The command line: `serve`, `migrate`, `config`, `token`, `audit`, `orphans`, `adopt`, `backup-key`, `healthcheck`.

mod adopt;
mod audit;
mod healthcheck;
mod orphans;
mod token;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::app::{self, Server, Signals};
use crate::backups::keys::new_operator_key;
use crate::config::{Config, Overrides};
use crate::postgres::{self, SchemaSettings};
use crate::telemetry::Telemetry;

/// The storeplane control plane: online stores on Kubernetes as an API.
#[derive(Debug, Parser)]
#[command(name = "storeplane-server", version)]
struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves gRPC, grpc-web and HTTP, and executes operations.
    Serve,
    /// Applies missing database migrations.
    Migrate {
        /// Postgres role of the server: gets the rights that `serve` and the other commands need, and no others. It may add to the audit
        /// log and read it, but not change it [default: nothing is granted].
        #[arg(long, env = "STOREPLANE_SERVING_ROLE", value_name = "ROLE")]
        serving_role: Option<String>,
        /// The database was restored from a physical backup (base backup, snapshot, point in time), or in place: cursors of watches expire.
        /// A dump that was restored into a new database is recognized without it.
        #[arg(long)]
        restored: bool,
    },
    /// Prints the effective configuration, without secrets.
    Config,
    /// Creates, lists and revokes API tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Verifies and exports the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Lists objects in the cluster with our labels that belong to no store. Changes nothing.
    Orphans,
    /// Takes releases whose stores are missing in the database back into it, after a restore of an older backup. Without `--apply` it
    /// only prints what it would write.
    Adopt(adopt::Arguments),
    /// Prints a new key that encrypts backups, for `backups.key_file`. Put it before the keys that are there: the first one encrypts, all decrypt.
    BackupKey,
    /// Exits with 0 if the server on `health_listen` answers. For a container's health check.
    Healthcheck,
}

/// An error that ends a command; its text is printed.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed, the error cannot be reported.
            let _ = writeln!(std::io::stderr(), "storeplane-server: {}", text(&*failure));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    if matches!(cli.command, Command::BackupKey) {
        // A configuration that needs the key is not complete yet.
        return print(new_operator_key().expose());
    }
    let config = Config::load(&cli.overrides)?;
    if matches!(cli.command, Command::Config) {
        let warnings = app::warnings(&config).into_iter().map(|warning| format!("# warning: {warning}\n"));
        return print(&format!("{}{}", warnings.collect::<String>(), config.print()?));
    }
    if matches!(cli.command, Command::Healthcheck) {
        return healthcheck::run(config.health_listen);
    }
    // sqlx, kube and tonic share one crypto provider. This fails only if one is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        match cli.command {
            Command::Config | Command::Healthcheck | Command::BackupKey => Ok(()),
            Command::Serve => serve(&config).await,
            Command::Migrate { serving_role, restored } => {
                let serving_role = serving_role.filter(|role| !role.is_empty());
                let audit_kept = config.retention.audit.map(Into::into);
                migrate(&config, &SchemaSettings { serving_role, audit_kept, restored }).await
            }
            Command::Token(command) => token::run(command, &config).await,
            Command::Audit(command) => audit::run(command, &config).await,
            Command::Orphans => orphans::run(&config).await,
            Command::Adopt(arguments) => adopt::run(arguments, &config).await,
        }
    })
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let telemetry = Telemetry::init(config)?;
    for warning in app::warnings(config) {
        tracing::warn!("{warning}");
    }
    let shutdown = CancellationToken::new();
    let stop = signals.stop(shutdown.clone());
    tokio::pin!(stop);
    let server = tokio::select! {
        server = Server::bind(config, shutdown) => server?,
        never = &mut stop => match never {},
    };
    tracing::info!(address = %server.address(), version = env!("CARGO_PKG_VERSION"), "listening");
    if let Some(address) = server.metrics_address() {
        tracing::info!(%address, "serving metrics");
    }
    tokio::select! {
        () = server.run() => {}
        never = &mut stop => match never {},
    }
    tracing::info!("stopped");
    telemetry.shutdown().await;
    Ok(())
}

async fn migrate(config: &Config, settings: &SchemaSettings) -> Result<(), Failure> {
    if postgres::migrate_with(config.session_url()?.expose(), settings).await? {
        print("the database was restored: cursors of watches from before have expired\n")?;
    }
    print("the schema is up to date\n")
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// An error with its causes, without repetitions.
fn text(failure: &dyn std::error::Error) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_accepted_before_and_after_the_command() {
        for line in [["s", "--domain", "x.test", "serve"], ["s", "serve", "--domain", "x.test"]] {
            let cli = Cli::try_parse_from(line).expect("good");
            assert_eq!(cli.overrides.domain.as_deref(), Some("x.test"));
        }
    }
}
