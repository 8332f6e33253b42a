//! `transship lock`.

use std::collections::BTreeSet;

use clap::Args;

use super::{Context, Exit, Stop, arguments::Where};
use crate::{
    environment::Selected,
    image::{LockChange, LockChangeKind, PinMode},
    report::{LockDocument, LockEntryView},
    session::Disk,
};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Resolve every image to the digest it stands for, and write transship.lock.\n\nWithout an environment \
                  the images of all environments are locked, and what none of them uses is removed. With one, entries \
                  are only added. What is locked stays, unless --update asks for what the names stand for now.",
    after_help = "Examples:
  transship lock
  transship lock --update --service web
  transship lock --check               in a pipeline: fails when the lock is not up to date"
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
        (false, _) => PinMode::Missing,
        (true, true) => PinMode::Update(None),
        (true, false) => PinMode::Update(Some(arguments.services.iter().map(|name| name.as_str().into()).collect())),
    };
    let before = file.lock.clone().unwrap_or_default();
    let mut lock = before.clone();
    let mut used = BTreeSet::new();
    let mut changes: Vec<LockChange> = Vec::new();
    for selected in &environments {
        let application = context.load(selected)?;
        context.judge(Some(selected), application.findings.clone())?;
        let progress = context.doing("resolving images");
        let resolution = context.pin(selected, &application.project, Some(&lock), &mode).await?;
        drop(progress);
        used.extend(resolution.pinned.references());
        for change in resolution.changes {
            changes.retain(|earlier| earlier.reference != change.reference);
            changes.push(change);
        }
        lock = resolution.lock;
    }
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
    let shown = context.shown(&file.path);
    let document =
        LockDocument::new(shown.clone(), !same && !arguments.check, lock_entries(&changes), lock.images.len());
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
    Ok(Exit::Done)
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
