//! `transship render`.

use clap::Args;

use super::{Context, Exit, arguments::Where};
use crate::{compose::join, diagnostic::view, report::RenderDocument, session::Disk, yaml};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Print the manifests of an environment, without asking the place they go to.\n\nSecrets are concealed. \
                  With --output DIR each object is written to a file there; `apply` to a directory does the same with \
                  a history, and removes what is no longer wanted.",
    after_help = "Examples:
  transship render production
  transship render production --output /tmp/manifests
  transship render --to kubernetes --format json"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let translated = context.translate(&known, &selected, &context.own_key().unwrap_or_default()).await?;
    let document = RenderDocument::new(&translated.release, view(&translated.findings, &context.origins));
    if let Some(directory) = &context.global.output {
        let directory = join(&context.session.directory, directory);
        for resource in &document.resources {
            let path = join(&directory, &format!("{}.yaml", resource.resource.replace('/', "-")));
            Disk.replace(&path, yaml::write(&resource.body).as_bytes()).map_err(|error| {
                anyhow::Error::new(error).context(format!("{} cannot be written", context.shown(&path)))
            })?;
        }
        context.output.note(&format!("{} manifests in {}", document.resources.len(), context.shown(&directory)));
    }
    if context.output.json() {
        context.output.document(&document)?;
    } else if context.global.output.is_none() {
        context.output.result(&document.text())?;
    }
    Ok(Exit::Done)
}
