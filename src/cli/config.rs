//! `transship config`: what `docker compose config` takes, and what it prints.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use clap::Args;
use serde_json::{Value as Json, json};

use super::{Context, Exit, Found, arguments::Format};
use crate::{
    compose::{self, Configuration, Files, Form, Placeholder, ProvenanceDocument, join},
    environment::{Images, Known, Selected, SettingsFile},
    image::{self, PinMode},
    session::Disk,
    yaml,
};

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
  transship config web --format json
  transship config --provenance          which file and line set each value, and what it overrides"
)]
pub struct Arguments {
    /// Only these services and what they depend on.
    services: Vec<String>,
    /// Conceal secrets.
    #[arg(long)]
    masked: bool,
    /// Print for every value the file, line and column that set it, and what it takes the place of.
    #[arg(long, group = "list")]
    provenance: bool,
    /// Print the names of the services.
    #[arg(long = "services", id = "list_services", group = "list")]
    list_services: bool,
    /// Print the names of the volumes.
    #[arg(long = "volumes", id = "list_volumes", group = "list")]
    list_volumes: bool,
    /// Print the names of the networks.
    #[arg(long = "networks", id = "list_networks", group = "list")]
    list_networks: bool,
    /// Print the models.
    #[arg(long = "models", id = "list_models", group = "list")]
    list_models: bool,
    /// Print the hash of services: their names with commas between them, or `*`.
    #[arg(long, value_name = "SERVICES", group = "list")]
    hash: Option<String>,
    /// Print the profiles.
    #[arg(long = "profiles", id = "list_profiles", group = "list")]
    list_profiles: bool,
    /// Print the images.
    #[arg(long = "images", id = "list_images", group = "list")]
    list_images: bool,
    /// Print the variables that the files name, with their defaults.
    #[arg(long = "variables", id = "list_variables", group = "list")]
    list_variables: bool,
    /// Print the variables that the files can use, with their values.
    #[arg(long = "environment", id = "list_environment", group = "list")]
    list_environment: bool,
    /// Print every image with its digest, from the lock or its registry.
    #[arg(long)]
    resolve_image_digests: bool,
    /// Print only the images, with their digests: an overlay that pins them.
    #[arg(long)]
    lock_image_digests: bool,
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
    /// Keep networks, volumes and the like that no service uses.
    #[arg(long)]
    all_resources: bool,
    /// Names of images as older versions made them, with `_`; and the model as merged.
    #[arg(long)]
    compatibility: bool,
    /// Write to a file instead.
    #[arg(short = 'o', id = "written", value_name = "FILE")]
    written: Option<String>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = if context.global.environment.is_some() { context.known()? } else { as_docker_compose(context) };
    let mut selected = context.selected(&known, None)?;
    ask(&mut selected.request, arguments);
    let load =
        |files: &dyn Files| compose::configuration(&selected.request, files, &context.origins, &context.concealed);
    let mut configuration = context.loading(&selected, load).await?;
    let findings = std::mem::take(&mut configuration.findings);
    context.judge(Some(&selected), findings)?;
    if !arguments.services.is_empty() && (arguments.no_interpolate || arguments.list_variables) {
        context.output.note("note: everything is printed: services cannot be chosen while variables stay as written");
    }
    if let Some(list) = list(context, arguments, &configuration)? {
        // The reference prints its lists although it is told to be quiet.
        let quiet = context.output.quiet && (arguments.list_environment || arguments.provenance);
        return if quiet {
            Ok(Exit::Done)
        } else {
            context.output.result(&list).map(|()| Exit::Done).map_err(Into::into)
        };
    }
    let mut digests = BTreeMap::new();
    if arguments.resolve_image_digests || arguments.lock_image_digests {
        digests = resolved(context, &known, &selected).await?;
        configuration.pin(&|path| digests.get(path).cloned());
    }
    if !arguments.no_consistency && !arguments.no_interpolate {
        configuration.check_container_names().map_err(Found)?;
    }
    if arguments.lock_image_digests {
        let hooks = digests.keys().filter_map(|path| path.split_once(".pre_start["));
        for owner in hooks.map(|(owner, _)| owner).collect::<BTreeSet<_>>() {
            let words =
                format!("warning: {owner}.pre_start cannot be pinned by an overlay; --resolve-image-digests does it");
            context.output.note(&words);
        }
        configuration.images_only();
    }
    if context.output.quiet {
        std::mem::forget(configuration);
        return Ok(Exit::Done);
    }
    let text = written(&configuration, arguments.masked, context.output.json());
    std::mem::forget(configuration);
    match arguments.written.as_ref().or(context.global.output.as_ref()) {
        Some(path) => Disk.replace(&join(&context.session.directory, path), text.as_bytes())?,
        None => context.output.result(&text)?,
    }
    Ok(Exit::Done)
}

/// Without an environment: what Docker Compose would load. Of the settings only how registries are reached counts.
fn as_docker_compose(context: &Context) -> Known {
    let directory = context.session.directory.clone();
    let found = context.known().unwrap_or_else(|_| Known { directory, ..Known::default() });
    let sources = found.settings.images.and_then(|images| images.sources);
    let images = Some(Images { sources, ..Images::default() });
    Known { directory: found.directory, settings: SettingsFile { images, ..Default::default() }, ..Default::default() }
}

/// The process ends: giving back a large application piece by piece would only take time.
fn written(configuration: &Configuration, masked: bool, json: bool) -> String {
    let form = match (masked, json) {
        (true, _) => Form::Masked,
        (false, true) => Form::Json,
        (false, false) => Form::Yaml,
    };
    if json {
        return configuration.json(form);
    }
    let document = configuration.plain(form);
    let text = yaml::write_plain(&document);
    std::mem::forget(document);
    text
}

/// Which stages run, for what is to be printed.
fn ask(request: &mut compose::Request, arguments: &Arguments) {
    // The reference loads the whole application to list these.
    let whole = arguments.list_services
        || arguments.list_volumes
        || arguments.list_networks
        || arguments.list_models
        || arguments.hash.is_some();
    if !whole {
        request.services.clone_from(&arguments.services);
    }
    let listed = whole || arguments.list_profiles || arguments.list_images || arguments.list_environment;
    request.typed = listed && !arguments.list_services;
    request.all_resources = arguments.all_resources;
    request.skip = compose::Skip {
        interpolation: arguments.no_interpolate || arguments.list_variables,
        normalization: arguments.no_normalize || arguments.compatibility,
        path_resolution: arguments.no_path_resolution,
        consistency: arguments.no_consistency,
        environment_resolution: arguments.no_env_resolution || (whole && arguments.hash.is_none()),
        validation: arguments.list_variables,
    };
    if let Some(services) = arguments.hash.as_deref().filter(|services| *services != "*") {
        request.only = services.split(',').map(str::to_owned).collect();
    }
}

/// The list that was asked for, if one was.
fn list(context: &Context, arguments: &Arguments, configuration: &Configuration) -> anyhow::Result<Option<String>> {
    let lines = |lines: Vec<String>| Some(lines.into_iter().map(|line| line + "\n").collect());
    Ok(if arguments.list_services {
        lines(configuration.names("services"))
    } else if arguments.list_volumes {
        lines(configuration.names("volumes"))
    } else if arguments.list_networks {
        lines(configuration.names("networks"))
    } else if arguments.list_models {
        lines(configuration.models())
    } else if arguments.hash.is_some() {
        let hashes = configuration.hashes().map_err(|finding| Found(finding.into()))?;
        lines(hashes.into_iter().map(|(name, hash)| format!("{name} {hash}")).collect())
    } else if arguments.list_profiles {
        lines(configuration.profiles())
    } else if arguments.list_images {
        let old = arguments.compatibility || configuration.is_compatible();
        lines(configuration.images(if old { '_' } else { '-' }))
    } else if arguments.list_variables {
        Some(placeholders(&configuration.placeholders(), context.output.format))
    } else if arguments.list_environment {
        lines(if arguments.masked { configuration.masked_environment() } else { configuration.environment() })
    } else if arguments.provenance {
        let document = ProvenanceDocument::new(configuration.provenance(&context.origins));
        Some(if context.output.json() { serde_json::to_string_pretty(&document)? + "\n" } else { document.to_text() })
    } else {
        None
    })
}

/// A table, or the documents that the reference prints.
fn placeholders(all: &[Placeholder], format: Format) -> String {
    match format {
        Format::Json => {
            let one = |p: &Placeholder| {
                let document = json!({
                    "Name": p.name,
                    "DefaultValue": p.default,
                    "PresenceValue": p.alternate,
                    "Required": p.required,
                });
                (p.name.clone(), document)
            };
            format!("{}\n", Json::Object(all.iter().map(one).collect()))
        }
        Format::Yaml => {
            let one = |p: &Placeholder| {
                let document = json!({
                    "name": p.name,
                    "defaultvalue": p.default,
                    "presencevalue": p.alternate,
                    "required": p.required,
                });
                (p.name.clone(), document)
            };
            yaml::write(&Json::Object(all.iter().map(one).collect()))
        }
        Format::Text => table(all),
    }
}

fn table(all: &[Placeholder]) -> String {
    let mut rows = vec![["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"].map(str::to_owned)];
    rows.extend(all.iter().map(|p| [p.name.clone(), p.required.to_string(), p.default.clone(), p.alternate.clone()]));
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (longest.unwrap_or_default() + 3).max(20)
    };
    let widths = [width(0), width(1), width(2)];
    let mut out = String::new();
    for [name, required, default, alternate] in &rows {
        let [a, b, c] = widths;
        // A text takes all that is written.
        let _ = writeln!(out, "{name:a$}{required:b$}{default:c$}{alternate}");
    }
    out
}

/// `name:tag@sha256:…` by the path that names the image.
async fn resolved(context: &Context, known: &Known, selected: &Selected) -> anyhow::Result<BTreeMap<String, String>> {
    let mut typed = selected.clone();
    typed.request.skip = compose::Skip::default();
    // What is built has no digest, whatever it is called where it is deployed.
    typed.images.qualify = None;
    let application = context.load(&typed).await?;
    let file = context.lock_file(known)?;
    let mode = if context.global.locked { PinMode::Locked } else { PinMode::Missing };
    let progress = context.doing("asking for digests");
    let request = image::Request {
        project: &application.project,
        additional: &[],
        lock: file.lock.as_ref(),
        mode: &mode,
        settings: &context.image_settings(selected),
        platforms: &[],
        registries: &context.registries(selected),
    };
    let digests = image::digests(request).await.map_err(Found)?;
    drop(progress);
    Ok(digests)
}
