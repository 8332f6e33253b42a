//! `transship status`.

use clap::Args;

use super::{
    Context, Exit,
    arguments::Where,
    journey::{Aim, Journey},
};
use crate::{deploy, platform::Scope, report::StatusDocument, session::Session};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Tell what runs in an environment and how far it has come, which revision it is, and who deploys \
                  now. Nothing is changed.",
    after_help = "Examples:
  transship status production
  transship status production --exit-code   6 when not everything is ready
  transship status production --format json"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// End with 6 when not everything is ready.
    #[arg(long)]
    exit_code: bool,
    /// Show every object, not only what runs and what is not ready.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let journey = Journey::begin(context, &known, selected, Aim::Deploy).await?;
    journey.verified().await?;
    let keyring = journey.keyring().await?;
    let (release, _) = journey.wanted(&keyring)?;
    let progress = context.doing("looking at what is there");
    let scope = Scope {
        application: &journey.application,
        release: Some(&release),
        preview: false,
        origins: &context.origins,
        concealed: &context.concealed,
    };
    let mut seen = journey.platform.observe(scope).await?;
    let ledger = journey.platform.ledger();
    seen.history = deploy::history(ledger, &journey.application, &context.origins).await?;
    let lock = deploy::lock_state(ledger, &journey.application).await?;
    drop(progress);
    let destination = journey.destination.to_string();
    let document = StatusDocument::new(&journey.application, &destination, &release, &seen, &lock, Session::now());
    if context.output.json() {
        context.output.document(&document)?;
    } else {
        context.output.result(&document.text(context.paint(), arguments.all))?;
    }
    Ok(if arguments.exit_code && !document.ready { Exit::NotReady } else { Exit::Done })
}
