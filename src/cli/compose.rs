//! `transship compose`.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use clap::Args;
use serde_json::Value as Json;

use super::{Context, Exit, Found, Stop, arguments::Where, stages::Application};
use crate::{
    compose,
    environment::{Destination, EngineName, Known, Selected},
    image::compose_files,
    platform::{DockerCompose, Fed, Invocation, reads_input, reveal, subcommand},
    session::Disk,
    yaml,
};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Run Docker Compose on the application of an environment: all its files merged into one, every image \
                  with its digest, under the project name that `apply` uses. Signals, the terminal and the exit code \
                  are Docker Compose's own.\n\nSecret parts of values reach it as variables of its process, and stand \
                  in no file.\n\n`build` and `push` work with the names that `images.qualify` gives; `transship lock` \
                  then picks up what was pushed.",
    after_help = "Examples:
  transship compose -- ps
  transship compose production -- logs -f api
  transship compose staging -- exec api sh
  transship compose -- build --push && transship lock"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// What Docker Compose is told: its command and everything after it.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    arguments: Vec<OsString>,
}

/// What Docker Compose says with names instead of digests: there is nothing in a registry yet.
const BUILDS: &[&str] = &["build", "push", "publish"];
/// What makes containers.
const MAKES: &[&str] = &["up", "create", "scale", "watch"];
/// What stands before `--`, as the file and the project are ours to say.
const OURS: &[&str] = &["-f", "--file", "-p", "--project-name", "--project-directory", "--env-file"];

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let told = &arguments.arguments;
    let Some(command) = subcommand(told) else {
        let stop = Stop::new(Exit::Usage, "a command of Docker Compose is wanted after `--`");
        return Err(stop.help("as in `transship compose -- ps`").into());
    };
    let before = told.iter().take_while(|argument| *argument != command);
    if let Some(ours) = before.filter_map(|argument| argument.to_str()).find(|argument| OURS.contains(argument)) {
        let stop = Stop::new(Exit::Usage, format!("`{ours}` is for transship: write it before `--`"));
        return Err(stop.into());
    }
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let application = context.load(&selected).await?;
    let project = selected.compose_project(&application.project.name.value).value;
    let (mut document, mut variables) = document(context, &selected, &project)?;
    if BUILDS.contains(&command) {
        name_images(&mut document, &application.project);
    } else {
        pin(context, &known, &selected, &application, &mut document).await?;
    }
    variables.extend(reveal(&mut document, &context.concealed));
    let Some(program) = DockerCompose::find() else {
        let stop = Stop::new(
            Exit::Failed,
            "Docker Compose is not installed: neither `docker compose` nor `docker-compose` runs",
        );
        return Err(stop.help("install the Compose plugin of Docker, or put docker-compose on PATH").into());
    };
    let engine = match &selected.destination {
        Some(Destination::Host(engine)) => engine.clone(),
        _ => EngineName { host: None, context: context.global.context.as_deref().map(Into::into) },
    };
    let document = yaml::write(&document);
    let invocation = Invocation {
        document: &document,
        variables: &variables,
        project: &project,
        directory: &application.project.directory,
        engine: &engine,
        arguments: told,
    };
    if MAKES.contains(&command) && matches!(selected.destination, Some(Destination::Host(_))) {
        context.output.note("note: what is made here bears no mark of transship; `apply` would not know it as its own");
    }
    let between = context.session.variable("TMPDIR").unwrap_or("/tmp");
    // Who types, or pipes something in, needs standard input.
    let kept = kept(context, &project, between);
    let fed = if context.output.terminal.input || reads_input(told) {
        Fed::File(&kept)
    } else {
        Fed::Input(Path::new(between))
    };
    context.tell_of_registries();
    let command = program
        .command(&invocation, fed)
        .map_err(|error| anyhow::Error::new(error).context("the file for Docker Compose cannot be written"))?;
    let failed = |error| anyhow::Error::new(error).context(format!("`{}` cannot be started", program.name()));
    DockerCompose::become_it(command).map(Exit::Theirs).map_err(failed)
}

/// The merged application, and the variables that its configs and secrets read.
fn document(context: &Context, selected: &Selected, project: &str) -> anyhow::Result<(Json, BTreeMap<String, String>)> {
    let mut request = selected.request.clone();
    request.project_name = Some(project.to_owned());
    let mut configuration =
        compose::configuration(&request, &Disk, &context.origins, &context.concealed).map_err(Found)?;
    let findings = std::mem::take(&mut configuration.findings);
    context.judge(Some(selected), findings)?;
    let mut document = Json::from(&configuration.plain(compose::Form::Masked));
    compose_files::activate(&mut document);
    let wanted = compose_files::variables(&document);
    let variables = configuration
        .environment()
        .iter()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| wanted.contains(&(*name).to_owned()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok((document, variables))
}

/// Names that say where what is built goes.
fn name_images(document: &mut Json, project: &compose::model::Project) {
    for (name, service) in &project.services {
        let image = service.value.image.as_ref().and_then(|image| image.value.plain());
        let entry = document.pointer_mut("/services").and_then(|services| services.get_mut(&**name));
        if let (Some(image), Some(Json::Object(entry)), true) = (image, entry, service.value.build.is_some()) {
            entry.insert("image".to_owned(), Json::from(image));
        }
    }
}

async fn pin(
    context: &Context,
    known: &Known,
    selected: &Selected,
    application: &Application,
    document: &mut Json,
) -> anyhow::Result<()> {
    let resolution = context.resolve(known, selected, &application.project).await?;
    compose_files::lock(document, &resolution.pinned, &application.project.directory, false);
    Ok(())
}

/// Where the file stands while somebody else reads standard input: it holds no secret.
fn kept(context: &Context, project: &str, between: &str) -> String {
    let state = context.session.variable("XDG_STATE_HOME").map(str::to_owned);
    let home = || context.session.variable("HOME").map(|home| format!("{home}/.local/state"));
    let directory = state.or_else(home).unwrap_or_else(|| between.to_owned());
    format!("{directory}/transship/compose/{project}.yaml")
}
