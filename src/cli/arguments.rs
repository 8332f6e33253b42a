//! What was typed.

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    apply, check, completions, compose, config, destroy, diff, environments, explain, lock, plan, promote, render,
    show, status,
};
use crate::{environment::Flags, target::Dialect};

/// Carries a Docker Compose application, pinned to digests, to where it runs: shown first, then applied.
#[derive(Parser, Debug)]
#[command(
    name = "transship",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:
  transship environments               which environments there are
  transship diff production            what would change there, and why
  transship apply production           show it, ask, apply, wait until it is ready
  transship explain unknown-key        what a finding means
  transship explain services.*.ports   what becomes of an attribute

Exit codes: 0 done or nothing to do, 1 failed and nothing was changed, 2 there are changes (with
--exit-code), 3 plan stale, 4 deploy lock held, 5 refused by a guard or for lack of consent, 6 applied but
not ready in time, 7 failed and rolled back, 8 stopped part-way, 64 usage, 130 and 143 interrupted."
)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the application as Docker Compose understands it, secrets included.
    Config(config::Arguments),
    /// Resolve every image to its digest, and write transship.lock.
    Lock(lock::Arguments),
    /// Copy the locked images to another registry, or give them tags, digests unchanged.
    Promote(promote::Arguments),
    /// List what will not carry to which target.
    Check(check::Arguments),
    /// Print the manifests of an environment.
    Render(render::Arguments),
    /// Show what would change in an environment, and why.
    Diff(diff::Arguments),
    /// Show what would change, and keep it as a plan to apply later.
    Plan(plan::Arguments),
    /// Print a plan that was kept.
    Show(show::Arguments),
    /// Show what would change, ask, carry it out, and wait until it is ready.
    Apply(apply::Arguments),
    /// Tell what runs, and how far it has come.
    Status(status::Arguments),
    /// Remove an application from an environment; volumes stay.
    Destroy(destroy::Arguments),
    /// Run Docker Compose on the application, pinned and merged.
    Compose(compose::Arguments),
    /// List the environments and where each goes.
    Environments(environments::Arguments),
    /// Tell what a finding means, or what becomes of an attribute.
    Explain(explain::Arguments),
    /// Print the completions of a shell.
    Completions(completions::Arguments),
}

/// What every command understands.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
pub struct Global {
    /// Compose file; may be given several times.
    #[arg(short = 'f', long = "file", value_name = "FILE", global = true, help_heading = "Compose")]
    pub(super) files: Vec<String>,
    /// Project name.
    #[arg(short = 'p', long, value_name = "NAME", global = true, help_heading = "Compose")]
    pub(super) project_name: Option<String>,
    /// Active profile; may be given several times.
    #[arg(long = "profile", value_name = "NAME", global = true, help_heading = "Compose")]
    pub(super) profiles: Vec<String>,
    /// File of variables, instead of .env; may be given several times.
    #[arg(long = "env-file", value_name = "FILE", global = true, help_heading = "Compose")]
    pub(super) env_files: Vec<String>,
    /// Directory that relative paths of the Compose files start from.
    #[arg(long, value_name = "DIR", global = true, help_heading = "Compose")]
    pub(super) project_directory: Option<String>,
    /// Variable that counts before all others; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair, global = true, help_heading = "Compose")]
    pub(super) variables: Vec<(String, String)>,
    /// Image of a service instead of the one in the file; may be given several times.
    #[arg(long = "image", value_name = "SERVICE=REF", value_parser = pair, global = true, help_heading = "Compose")]
    pub(super) images: Vec<(String, String)>,

    /// Environment.
    #[arg(
        short = 'e',
        long = "env",
        id = "which",
        value_name = "ENVIRONMENT",
        global = true,
        help_heading = "Environment"
    )]
    pub(super) environment: Option<String>,
    /// Target, where no environment says one: kubernetes, swarm, marathon, compose or directory. Of check: one or
    /// several of them. Of promote: registry and path.
    #[arg(long = "to", value_name = "TARGET", value_parser = to, global = true, help_heading = "Environment")]
    pub(super) to: Vec<To>,
    /// Directory that takes the manifests, instead of a live place.
    #[arg(long, value_name = "DIR", global = true, help_heading = "Environment")]
    pub(super) output: Option<String>,
    /// Context: of the kubeconfig, or of Docker where the target is Swarm or a host.
    #[arg(long, value_name = "NAME", global = true, help_heading = "Environment")]
    pub(super) context: Option<String>,
    /// Kubeconfig file.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Environment")]
    pub(super) kubeconfig: Option<String>,
    /// Kubernetes namespace.
    #[arg(long, value_name = "NAME", global = true, help_heading = "Environment")]
    pub(super) namespace: Option<String>,
    /// Lock file. Default: transship.lock beside transship.yaml or the first Compose file.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Environment")]
    pub(super) lock_file: Option<String>,

    /// Form of the result.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT", global = true, help_heading = "Output")]
    pub(super) format: Format,
    /// Use the lock as it is: an image it lacks is an error, and no registry is asked.
    #[arg(long, global = true, help_heading = "Environment")]
    pub(super) locked: bool,

    /// Treat warnings as errors.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) strict: bool,
    /// No colours.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) no_color: bool,
    /// Neither progress nor warnings.
    #[arg(short = 'q', long, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
    /// More of what happens; twice for everything.
    #[arg(short = 'v', long, action = clap::ArgAction::Count, global = true, help_heading = "Output")]
    pub(super) verbose: u8,
}

impl Global {
    /// What concerns the choice of an environment.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            files: self.files.clone(),
            project_name: self.project_name.clone(),
            profiles: self.profiles.clone(),
            env_files: self.env_files.clone(),
            project_directory: self.project_directory.clone(),
            variables: self.variables.clone(),
            to: match self.to.as_slice() {
                [one] => one.target(),
                _ => None,
            },
            context: self.context.clone(),
            kubeconfig: self.kubeconfig.clone(),
            namespace: self.namespace.clone(),
            output: self.output.clone(),
        }
    }
}

/// Where to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// A target.
    Target(Dialect),
    /// A directory, in whatever dialect.
    Directory,
    /// Registry and path, where images are promoted to.
    Registry(Box<str>),
}

impl To {
    pub(super) const fn target(&self) -> Option<Dialect> {
        match self {
            Self::Target(dialect) => Some(*dialect),
            Self::Directory | Self::Registry(_) => None,
        }
    }

    pub(super) fn registry(&self) -> Option<&str> {
        match self {
            Self::Registry(name) => Some(name),
            Self::Target(_) | Self::Directory => None,
        }
    }
}

fn to(text: &str) -> Result<To, String> {
    if let Some(dialect) = Dialect::LIVE.into_iter().find(|dialect| dialect.name() == text) {
        return Ok(To::Target(dialect));
    }
    match text {
        "directory" => Ok(To::Directory),
        registry if registry.contains(['.', ':', '/']) => Ok(To::Registry(registry.into())),
        _ => {
            let names = Dialect::LIVE.map(Dialect::name).join(", ");
            Err(format!("{names} or directory is wanted, or, to promote, a registry"))
        }
    }
}

/// Forms of a result.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; every document says its version.
    Json,
    /// YAML, where a command has it; otherwise for people.
    Yaml,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE is wanted".to_owned()),
    }
}

/// The environment of the commands that work on one.
#[derive(Args, Clone, Debug, Default)]
pub struct Where {
    /// Environment; the only one when there is just one.
    #[arg(value_name = "ENVIRONMENT")]
    pub(super) environment: Option<String>,
}
