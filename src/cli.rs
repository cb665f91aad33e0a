//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::settings::Settings;
use crate::simulate::SimulateArgs;
use crate::validate::ValidateArgs;

/// A Kubernetes-native gateway for large language models.
#[derive(Debug, Parser)]
#[command(name = "pilothouse", version, propagate_version = true, after_long_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pilothouse demo                              try it: no cluster, no keys
  pilothouse serve --manifests ./routes        serve YAML files, and follow their changes
  pilothouse serve                             serve the cluster that this process runs in
  pilothouse validate ./routes                 check files the way the controller would
  pilothouse crds | kubectl apply --server-side -f -
  source <(pilothouse completion bash)";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    #[command(after_long_help = SERVE_EXAMPLES)]
    Serve(Box<Settings>),
    /// Run the gateway with simulated providers on loopback: no cluster, no keys
    Demo(DemoArgs),
    /// Run only the simulated providers, with chosen faults
    Simulate(SimulateArgs),
    /// Check manifests the way the controller would
    Validate(ValidateArgs),
    /// Print the CustomResourceDefinitions
    Crds,
    /// Print a completion script for a shell
    Completion {
        /// Which shell.
        shell: Shell,
    },
}

const SERVE_EXAMPLES: &str = "\
Examples:
  pilothouse serve
      In a cluster: watches ModelRoutes, CredentialStores and Consumers (by the pod's service
      account, else by KUBECONFIG).
  pilothouse serve --manifests ./routes --listen 127.0.0.1:8080 --log-format text
      Serves the same YAML from a folder; Secrets may be among the files, or keys come from
      environment variables by `valueFrom.env`.
  pilothouse serve --watch-namespace team-a --watch-namespace team-b
      Needs Roles in two namespaces instead of a ClusterRole.

SIGTERM drains: readiness says no at once, connections are accepted for --drain-delay, then running
requests may take --drain-timeout. SIGINT (Ctrl-C) skips the delay. A second signal ends at once.";

/// What `pilothouse demo` takes.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Where clients connect
    #[arg(long, env = "PILOTHOUSE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where health and metrics are served
    #[arg(long, env = "PILOTHOUSE_ADMIN_LISTEN", default_value = "127.0.0.1:9090")]
    pub admin_listen: SocketAddr,

    /// Level of the log, or a filter such as `info,pilothouse::control=debug`
    #[arg(long, env = "PILOTHOUSE_LOG_LEVEL", default_value = "warn")]
    pub log_level: String,
}
