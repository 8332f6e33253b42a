//! `transship destroy`.

use clap::Args;

use super::{
    Context, Exit,
    arguments::Where,
    journey::{Agreed, Aim, Journey},
    writing::{Consented, Going},
};
use crate::{deploy::Approved, plan::SavedPlan};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Remove everything that bears the mark of the application in an environment, and its history. \
                  Volumes and the namespace stay, and so does everything that is somebody else's.",
    after_help = "Examples:
  transship destroy staging
  transship destroy staging --yes
  transship destroy staging --dry-run"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Show what would be removed, and end.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consented: Consented,
    #[command(flatten)]
    going: Going,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let mut journey = Journey::begin(context, &known, selected, Aim::Destroy).await?;
    arguments.going.gate(&mut journey);
    let looked = journey.look(&Agreed::default()).await?;
    if arguments.dry_run {
        return context.show(&looked, super::diff::Shown { all: true, ..Default::default() });
    }
    let approved = Approved::Shown(SavedPlan::of(&looked.outlook.plan, &looked.keyring, &context.origins));
    journey.write(looked, approved, &arguments.consented, &arguments.going).await
}
