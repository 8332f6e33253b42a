//! `transship check`.

use clap::Args;

use super::{
    Context, Exit,
    arguments::{To, Where},
};
use crate::{
    diagnostic::view,
    image::PinMode,
    report::{CheckDocument, TargetView},
    target::{self, Dialect, Unit},
};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "List what of the Compose files will not carry to which target, each with its place and what to do \
                  instead. Nothing is applied, no place and no registry is asked; images that the lock lacks count as \
                  unknown.\n\nWithout --to all targets are listed, and the exit code is 0 whatever they make of it; \
                  a target that was named and refuses something ends it with 1.",
    after_help = "Examples:
  transship check
  transship check production --to swarm --to marathon
  transship check --to kubernetes --strict      1 for warnings as well"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let named: Vec<Dialect> = context.global.to.iter().filter_map(To::target).collect();
    let application = context.load(&selected).await?;
    let findings = context.judge(Some(&selected), application.findings)?;
    let file = context.lock_file(&known)?;
    let resolution = context.pin(&selected, &application.project, file.lock.as_ref(), &PinMode::Presumed).await?;
    let settings = selected.settings(&application.project.name.value, None);
    let keys = context.own_key().unwrap_or_default();
    let mut targets = Vec::new();
    for target in target::all().filter(|target| named.is_empty() || named.contains(&target.dialect())) {
        let translation = target.translate(&resolution.pinned, &settings, &Unit::default(), &keys);
        let mut found = translation.findings;
        context.weigh(Some(&selected), &mut found);
        targets.push(TargetView::new(target.dialect(), view(&found, &context.origins)));
    }
    let document = CheckDocument::new(selected.name.clone(), targets, view(&findings, &context.origins));
    if context.output.json() {
        context.output.document(&document)?;
    } else {
        context.output.result(&document.text(context.paint(), context.global.verbose > 0))?;
    }
    Ok(if !named.is_empty() && document.is_refused() { Exit::Failed } else { Exit::Done })
}
