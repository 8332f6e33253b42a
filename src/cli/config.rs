//! `transship config`.

use clap::Args;

use super::{Context, Exit, Found};
use crate::{compose, session::Disk, yaml};

/// What it understands.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
#[command(
    long_about = "Print the application as Docker Compose understands it: all files merged, variables replaced, short \
                  forms written out.\n\nValues are printed as `docker compose config` prints them, secrets included: \
                  this is the one command that does. With --masked they are concealed.",
    after_help = "Examples:
  transship config
  transship config -e production --masked
  transship config web --format json"
)]
pub struct Arguments {
    /// Only these services and what they depend on.
    services: Vec<String>,
    /// Conceal secrets.
    #[arg(long)]
    masked: bool,
    /// Print the names of the services.
    #[arg(long = "services", id = "list_services", group = "list")]
    list_services: bool,
    /// Print the images.
    #[arg(long = "images", id = "list_images", group = "list")]
    list_images: bool,
    /// Print the names of the volumes.
    #[arg(long = "volumes", id = "list_volumes", group = "list")]
    list_volumes: bool,
    /// Print the names of the networks.
    #[arg(long = "networks", id = "list_networks", group = "list")]
    list_networks: bool,
    /// Leave variables as they are written.
    #[arg(long)]
    no_interpolate: bool,
    /// Leave the model as merged.
    #[arg(long)]
    no_normalize: bool,
    /// Leave paths as they are written.
    #[arg(long)]
    no_path_resolution: bool,
    /// Leave references unchecked.
    #[arg(long)]
    no_consistency: bool,
    /// Leave env_file unread.
    #[arg(long)]
    no_env_resolution: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut selected = if context.global.environment.is_some() {
        context.selected(&context.known()?, None)?
    } else {
        // Without an environment: what Docker Compose would load.
        let known = crate::environment::Known { directory: context.session.directory.clone(), ..Default::default() };
        context.selected(&known, None)?
    };
    let request = &mut selected.request;
    request.services.clone_from(&arguments.services);
    request.skip = compose::Skip {
        interpolation: arguments.no_interpolate,
        normalization: arguments.no_normalize,
        path_resolution: arguments.no_path_resolution,
        consistency: arguments.no_consistency,
        environment_resolution: arguments.no_env_resolution,
    };
    let configuration = compose::configuration(request, &Disk, &context.origins, &context.concealed).map_err(Found)?;
    context.judge(Some(&selected), configuration.findings.clone())?;
    let json = match (arguments.masked, context.output.json()) {
        (true, _) => configuration.masked(),
        (false, true) => configuration.clear(),
        (false, false) => configuration.clear_with_extensions(),
    };
    let names = |section: &str| -> Vec<String> {
        json.get(section)
            .and_then(|part| part.as_object())
            .map(|part| part.keys().cloned().collect())
            .unwrap_or_default()
    };
    let list = if arguments.list_services {
        Some(names("services"))
    } else if arguments.list_volumes {
        Some(names("volumes"))
    } else if arguments.list_networks {
        Some(names("networks"))
    } else if arguments.list_images {
        let services = json.get("services").and_then(|part| part.as_object()).into_iter().flatten();
        let project = json.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        let image = |name: &String, service: &serde_json::Value| {
            service
                .get("image")
                .and_then(|image| image.as_str())
                .map_or_else(|| format!("{project}-{name}"), str::to_owned)
        };
        Some(services.map(|(name, service)| image(name, service)).collect())
    } else {
        None
    };
    if let Some(mut list) = list {
        list.sort_unstable();
        list.dedup();
        context.output.result(&(list.join("\n") + "\n"))?;
    } else if context.output.json() {
        context.output.document(&json)?;
    } else {
        context.output.result(&yaml::write(&json))?;
    }
    Ok(Exit::Done)
}
