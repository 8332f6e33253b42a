//! `transship lock`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::{Context, Exit, Found, Stop, arguments::Where};
use crate::{
    compose::{self, join},
    diagnostic::Findings,
    environment::Selected,
    image::{self, Lock, LockChange, LockChangeKind, PinMode, Pinned, Registries, Resolution, Upstream, compose_files},
    remote::Parts,
    report::{LockDocument, LockEntryView, UpstreamView},
    session::Disk,
    yaml,
};

/// The commits and digests of remote parts.
type Revisions = BTreeMap<Box<str>, Box<str>>;

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Resolve every image to the digest it stands for, and every remote part of the Compose files to its \
                  commit or digest, and write transship.lock.\n\nWithout an environment \
                  the images of all environments are locked, and what none of them uses is removed. With one, entries \
                  are only added. What is locked stays, unless --update asks for what the names stand for now.",
    after_help = "Examples:
  transship lock
  transship lock --update --service web
  transship lock --check               in a pipeline: fails when the lock is not up to date
  transship lock --upstream            which names stand for something else by now
  transship lock production --images-file docker-compose.images.yml"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Write nothing; fail when something would be written.
    #[arg(long)]
    check: bool,
    /// Ask again what the names stand for.
    #[arg(long, conflicts_with = "check")]
    update: bool,
    /// With --update: only the images of this service; may be given several times.
    #[arg(long = "service", value_name = "NAME", requires = "update")]
    services: Vec<String>,
    /// Use no network: what the lock lacks comes out of layouts and archives, or is an error, and so is a remote part
    /// that was not fetched before.
    #[arg(long, conflicts_with_all = ["update", "upstream"])]
    offline: bool,
    /// Tell which names stand for something else upstream by now. The lock keeps what it has.
    #[arg(long)]
    upstream: bool,
    #[command(flatten)]
    files: Files,
}

/// Compose files that can be written beside the lock, for one environment.
#[derive(Args, Debug)]
struct Files {
    /// Also write a Compose file of the digests alone, to be used as the last `-f` of Docker Compose.
    #[arg(long, value_name = "FILE")]
    images_file: Option<String>,
    /// Also write the whole application as one Compose file: digests instead of tags, paths from where the
    /// file stands, no build options, and secrets as the variables they come from.
    #[arg(long, value_name = "FILE")]
    merged_file: Option<String>,
    /// Write secrets into --merged-file as they are.
    #[arg(long, requires = "merged_file")]
    with_secrets: bool,
    /// Keep build options in --merged-file.
    #[arg(long, requires = "merged_file")]
    with_build: bool,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let wanted = arguments.place.environment.as_deref().or(context.global.environment.as_deref());
    let names = known.names();
    let environments: Vec<Selected> = if wanted.is_some() || names.is_empty() {
        vec![context.selected(&known, arguments.place.environment.as_deref())?]
    } else {
        names.iter().map(|name| context.selected(&known, Some(name))).collect::<Result<_, _>>()?
    };
    let whole = wanted.is_none() && context.global.images.is_empty();
    let file = context.lock_file(&known)?;
    let mode = match (arguments.update, arguments.services.is_empty()) {
        (false, _) if arguments.offline => PinMode::Offline,
        (false, _) => PinMode::Missing,
        (true, true) => PinMode::Update(None),
        (true, false) => PinMode::Update(Some(arguments.services.iter().map(|name| name.as_str().into()).collect())),
    };
    let before = file.lock.clone().unwrap_or_default();
    let mut lock = before.clone();
    let mut used = BTreeSet::new();
    let mut changes: Vec<LockChange> = Vec::new();
    let mut pinned = Vec::new();
    // One for all: what two environments share is asked for once.
    let registries = environments.first().map(|first| context.registries(first)).unwrap_or_default();
    let files = &arguments.files;
    if (files.images_file.is_some() || files.merged_file.is_some()) && environments.len() != 1 {
        let stop = Stop::new(Exit::Usage, "a Compose file can be written for one environment alone");
        return Err(stop.help("name the environment").into());
    }
    if let Some(first) = environments.first() {
        context.parts(first, &mode);
    }
    let mut wrong = Findings::new();
    for selected in &environments {
        // What is wrong in one environment hides nothing of the others.
        let resolution = match resolve(context, selected, &lock, &mode, &registries).await {
            Ok(resolution) => resolution,
            Err(error) => {
                wrong.extend(error.downcast::<Found>()?.0);
                continue;
            }
        };
        used.extend(resolution.pinned.references());
        for change in resolution.changes {
            changes.retain(|earlier| earlier.reference != change.reference);
            changes.push(change);
        }
        lock = resolution.lock;
        pinned.push(resolution.pinned);
    }
    if wrong.has_errors() {
        let mut said = BTreeSet::new();
        wrong.retain_mut(|finding| {
            said.insert((finding.message.as_str().to_owned(), context.origins.describe(finding.spot())))
        });
        return Err(Found(wrong).into());
    }
    let parts = context.parts.get().map(Parts::used).unwrap_or_default();
    if whole {
        lock.includes.clear();
    }
    lock.includes.extend(parts);
    if whole {
        for (reference, image) in lock.retain(&used) {
            changes.push(LockChange { reference, kind: LockChangeKind::Removed(image.digest.value) });
        }
    }
    changes.sort_by(|a, b| a.reference.cmp(&b.reference));
    let text = lock.to_yaml();
    let same = file.text.as_deref() == Some(text.as_bytes());
    if !same && !arguments.check {
        Disk.replace(&file.path, text.as_bytes()).map_err(|error| {
            anyhow::Error::new(error).context(format!("{} cannot be written", context.shown(&file.path)))
        })?;
    }
    if let (Some(selected), Some(pinned), false) = (environments.first(), pinned.first(), arguments.check) {
        files.write(context, selected, pinned).await?;
    }
    let mut unasked = Vec::new();
    let mut upstream = Vec::new();
    let (mut moved, mut unreached) = (Vec::new(), Vec::new());
    if arguments.upstream
        && let Some(first) = environments.first()
    {
        let progress = context.doing("asking upstream");
        let settings = context.image_settings(first);
        (upstream, unasked) = image::upstream(&lock, &used, &settings, &registries).await;
        if let Some(parts) = context.parts.get() {
            for reference in parts.references() {
                let locked = lock.includes.get(reference.name()).cloned().unwrap_or_default();
                match parts.upstream(&reference).await {
                    Ok(now) if now == locked => {}
                    Ok(now) => moved.push(UpstreamView {
                        reference: reference.name().to_owned(),
                        locked: locked.into(),
                        now: Some(now.into()),
                        kept: true,
                    }),
                    Err(failure) => unreached.push((reference, failure)),
                }
            }
        }
        drop(progress);
    }
    let shown = context.shown(&file.path);
    let mut entries = part_entries(&before.includes, &lock.includes);
    entries.extend(lock_entries(&changes));
    let document =
        LockDocument::new(shown.clone(), !same && !arguments.check, entries, lock.images.len(), lock.includes.len())
            .upstream(moved.into_iter().chain(upstream.into_iter().map(upstream_entry)).collect());
    if context.output.json() {
        context.output.document(&document)?;
    } else {
        context.output.result(&document.text(context.paint()))?;
    }
    if arguments.check && !same {
        let stop = Stop::new(Exit::Failed, format!("{shown} is not up to date"));
        if context.output.json() {
            return Ok(Exit::Failed);
        }
        return Err(stop.help("run `transship lock` and keep the result under version control").into());
    }
    if unasked.is_empty() && unreached.is_empty() {
        return Ok(Exit::Done);
    }
    for (reference, failure) in &unreached {
        context.output.error(&format!("{}: {}", reference.name(), failure.message), Some(&failure.help));
    }
    for (reference, failure) in &unasked {
        context.output.error(&format!("image `{reference}`: {failure}"), failure.help.as_deref());
    }
    Ok(Exit::Failed)
}

/// The images of one environment, as far as `lock` does not have them already.
async fn resolve(
    context: &Context,
    selected: &Selected,
    lock: &Lock,
    mode: &PinMode,
    registries: &Registries,
) -> anyhow::Result<Resolution> {
    let application = context.load(selected).await?;
    context.judge(Some(selected), application.findings.clone())?;
    let _progress = context.doing("resolving images");
    context.pin_with(selected, &application.project, Some(lock), mode, registries).await
}

fn upstream_entry(moved: Upstream) -> UpstreamView {
    UpstreamView {
        reference: moved.reference.into(),
        locked: moved.locked.to_string(),
        now: moved.now.map(|now| now.to_string()),
        kept: moved.kept,
    }
}

impl Files {
    async fn write(&self, context: &Context, selected: &Selected, pinned: &Pinned) -> anyhow::Result<()> {
        if let Some(name) = &self.images_file {
            let images = compose_files::images(pinned);
            for path in &images.left_out {
                context.output.note(&format!(
                    "warning: {path} cannot be replaced by a further file; --merged-file has its digest"
                ));
            }
            save(context, name, &images.document)?;
        }
        if let Some(name) = &self.merged_file {
            let load = |files: &dyn compose::Files| {
                compose::configuration(&selected.request, files, &context.origins, &context.concealed)
            };
            let configuration = context.loading(selected, load).await?;
            let form = if self.with_secrets { compose::Form::Yaml } else { compose::Form::Masked };
            let mut document = serde_json::Value::from(&configuration.plain(form));
            let path = join(&context.session.directory, name);
            compose_files::lock(&mut document, pinned, &compose::directory(&path), self.with_build);
            if !self.with_secrets {
                let variables = compose_files::name_secrets(&mut document, &context.concealed.names());
                if !variables.is_empty() {
                    context.output.note(&format!("note: {name} wants these variables: {}", variables.join(", ")));
                }
            }
            save(context, name, &document)?;
        }
        Ok(())
    }
}

fn save(context: &Context, name: &str, document: &serde_json::Value) -> anyhow::Result<()> {
    let path = join(&context.session.directory, name);
    Disk.replace(&path, yaml::write(document).as_bytes())
        .map_err(|error| anyhow::Error::new(error).context(format!("{name} cannot be written")))
}

/// What is different among the remote parts.
fn part_entries(before: &Revisions, after: &Revisions) -> Vec<LockEntryView> {
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).map(|name| &**name).collect();
    let entry = |name: &str| {
        let (from, to) = (before.get(name), after.get(name));
        let change = match (from, to) {
            _ if from == to => return None,
            (None, _) => "added",
            (_, None) => "removed",
            _ => "moved",
        };
        let text = |revision: Option<&Box<str>>| revision.map(ToString::to_string);
        Some(LockEntryView { reference: name.to_owned(), change, from: text(from), to: text(to) })
    };
    names.into_iter().filter_map(entry).collect()
}

fn lock_entries(changes: &[LockChange]) -> Vec<LockEntryView> {
    let entry = |change: &LockChange| {
        let (kind, from, to) = match &change.kind {
            LockChangeKind::Added(to) => ("added", None, Some(to)),
            LockChangeKind::Moved { from, to } => ("moved", Some(from), Some(to)),
            LockChangeKind::Completed(to) => ("completed", None, Some(to)),
            LockChangeKind::Removed(from) => ("removed", Some(from), None),
        };
        LockEntryView {
            reference: change.reference.to_string(),
            change: kind,
            from: from.map(|digest| digest.as_str().to_owned()),
            to: to.map(|digest| digest.as_str().to_owned()),
        }
    };
    changes.iter().map(entry).collect()
}
