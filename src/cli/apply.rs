//! `transship apply`.

use clap::Args;

use super::{
    Context, Exit, Stop,
    arguments::Where,
    journey::{Agreed, Aim, Journey},
    writing::{Consented, Going},
};
use crate::{deploy::Approved, environment::Known, plan::SavedPlan};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Show what would change in an environment, ask, carry it out in the order that dependencies want, and \
                  wait until everything is ready. What is no longer in the application is removed last; volumes \
                  stay.\n\nOn a terminal it asks; elsewhere --yes says that nobody needs to be asked.",
    after_help = "Examples:
  transship apply staging
  transship apply staging --yes                              in a pipeline
  transship apply --plan production.plan --yes               what was approved, or nothing
  transship apply production --yes --confirm production      where the environment is protected
  transship apply staging --dry-run"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Carry out a plan that was kept, if it still holds.
    #[arg(long, value_name = "FILE")]
    plan: Option<String>,
    /// Show what would change, and end.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    agreed: Agreed,
    #[command(flatten)]
    consented: Consented,
    #[command(flatten)]
    going: Going,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let kept = arguments.plan.as_ref().map(|file| context.kept(file)).transpose()?;
    let named = environment(arguments, &known, kept.as_ref())?;
    let selected = context.selected(&known, named.as_deref())?;
    let aim = match &kept {
        Some(plan) if plan.stages.iter().any(|stage| stage.goal == Aim::Destroy.goal()) => Aim::Destroy,
        _ => Aim::Deploy,
    };
    let mut journey = Journey::begin(context, &known, selected, aim).await?;
    if let Some(plan) = &kept {
        let owner = plan.owner();
        if owner != journey.application {
            let message = format!("the plan is for {owner}, and this is {}", journey.application);
            return Err(Stop::new(Exit::Refused, message).help("run it where that application is").into());
        }
    }
    arguments.going.gate(&mut journey);
    let looked = journey.look(&arguments.agreed).await?;
    if arguments.dry_run {
        return context.show(&looked, super::diff::Shown::default());
    }
    let approved = match kept {
        Some(plan) => Approved::Kept(plan),
        None => Approved::Shown(SavedPlan::of(&looked.outlook.plan, &looked.keyring, &context.origins)),
    };
    journey.write(looked, approved, &arguments.consented, &arguments.going).await
}

/// A plan carries its environment; naming another one beside it is a mistake.
fn environment(arguments: &Arguments, known: &Known, kept: Option<&SavedPlan>) -> anyhow::Result<Option<String>> {
    let named = arguments.place.environment.clone();
    let Some(plan) = kept else { return Ok(named) };
    if let Some(named) = &named
        && *named != plan.environment
    {
        let message = format!("the plan is for the environment `{}`, not `{named}`", plan.environment);
        return Err(Stop::new(Exit::Usage, message).help("leave the environment out: the plan names it").into());
    }
    if plan.environment.is_empty() {
        return Ok(None);
    }
    if known.names().iter().all(|name| **name != *plan.environment) {
        let message = format!("the plan is for the environment `{}`, which is not here", plan.environment);
        return Err(Stop::new(Exit::Refused, message).help("run it where that application is").into());
    }
    Ok(Some(plan.environment.clone()))
}
