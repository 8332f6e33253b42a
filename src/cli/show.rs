//! `transship show`.

use clap::Args;

use super::{Context, Exit, Stop};
use crate::{
    compose::{Files as _, join},
    plan::SavedPlan,
    report::saved_text,
    session::Disk,
};

/// What it understands.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  transship show production.plan
  transship show production.plan --format json")]
pub struct Arguments {
    /// The file of `plan -o`.
    #[arg(value_name = "FILE")]
    file: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let plan = context.kept(&arguments.file)?;
    if context.output.json() {
        context.output.document(&plan)?;
    } else {
        context.output.result(&saved_text(&plan, context.paint()))?;
    }
    Ok(Exit::Done)
}

impl Context {
    /// Reads a plan that was kept.
    pub(super) fn kept(&self, file: &str) -> anyhow::Result<SavedPlan> {
        let bytes = Disk
            .read(&join(&self.session.directory, file))
            .map_err(|error| anyhow::Error::new(error).context(format!("{file} cannot be read")))?;
        let plan = SavedPlan::parse(&bytes).map_err(|why| {
            Stop::new(Exit::Failed, format!("{file} is no plan of transship: {why}"))
                .help("make one with `transship plan ENVIRONMENT -o FILE`")
        })?;
        Ok(plan)
    }
}
