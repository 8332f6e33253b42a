//! `transship environments`.

use clap::Args;

use super::{Context, Exit};
use crate::{
    environment::{Destination, select},
    report::{EnvironmentView, EnvironmentsDocument},
};

/// What it understands.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  transship environments --format json")]
pub struct Arguments {}

pub(super) fn run(context: &Context, _: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let mut environments = Vec::new();
    for name in known.names() {
        let (variables, here) = (&context.session.variables, &context.session.directory);
        let selected =
            select(&known, Some(&name), &context.flags(), variables, here, &context.origins).map_err(super::Found)?;
        let destination = selected.destination.as_ref();
        let place = destination.and_then(|destination| destination.place(&|path| context.shown(path)));
        environments.push(EnvironmentView {
            declared: known.declared().contains_key(&name),
            overlays: selected.request.overlays.iter().map(|path| context.shown(path)).collect(),
            protected: selected.guards().protected.unwrap_or_default(),
            name,
            destination: destination.map(Destination::name),
            place,
        });
    }
    let document = EnvironmentsDocument::new(known.path, environments);
    if context.output.json() {
        context.output.document(&document)?;
    } else if document.environments.is_empty() {
        context.output.note("no environments: add an overlay compose.NAME.yaml, or declare them in transship.yaml");
    } else {
        context.output.result(&document.text())?;
    }
    Ok(Exit::Done)
}

impl Context {
    /// A path as people would type it here.
    pub(super) fn shown(&self, path: &str) -> String {
        let here = &self.session.directory;
        if path == here {
            return ".".to_owned();
        }
        path.strip_prefix(here.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path).to_owned()
    }
}
