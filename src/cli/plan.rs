//! `transship plan`.

use clap::Args;

use super::{
    Context, Exit,
    arguments::Where,
    diff::Shown,
    journey::{Agreed, Aim, Journey},
};
use crate::{compose::join, plan::SavedPlan, session::Disk};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Show what would change in an environment, and keep it as a plan.\n\nA plan holds what was approved, \
                  not how to do it, and no secret. `apply --plan FILE` looks again and carries it out only when it \
                  still holds: when an object was changed since, or something else is wanted, it ends with 3.",
    after_help = "Examples:
  transship plan production -o production.plan
  transship show production.plan
  transship apply --plan production.plan --yes"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// File that takes the plan.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    file: Option<String>,
    /// Plan to remove the application instead.
    #[arg(long)]
    destroy: bool,
    #[command(flatten)]
    agreed: Agreed,
    #[command(flatten)]
    shown: Shown,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let aim = if arguments.destroy { Aim::Destroy } else { Aim::Deploy };
    let journey = Journey::begin(context, &known, selected, aim).await?;
    let looked = journey.look(&arguments.agreed).await?;
    let exit = context.show(&looked, arguments.shown)?;
    if let Some(file) = &arguments.file
        && exit != Exit::Refused
    {
        let saved = SavedPlan::of(&looked.outlook.plan, &looked.keyring, &context.origins);
        let path = join(&context.session.directory, file);
        let mut text = serde_json::to_string_pretty(&saved)?;
        text.push('\n');
        Disk.replace(&path, text.as_bytes())
            .map_err(|error| anyhow::Error::new(error).context(format!("{file} cannot be written")))?;
        context.output.note(&format!("plan {} is in {file}; `transship apply --plan {file}` carries it out", saved.id));
    }
    Ok(exit)
}
