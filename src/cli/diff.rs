//! `transship diff`.

use clap::Args;

use super::{
    Context, Exit, Stop,
    arguments::Where,
    journey::{Agreed, Aim, Journey, Looked},
};
use crate::report::{PlanDocument, PlanStyle, plan_text};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Show what would change in an environment: every object and field, where the value was written, and \
                  what the change does to what runs. Nothing is changed; the client that looks cannot write.",
    after_help = "Examples:
  transship diff production
  transship diff production --exit-code     2 when there are changes
  transship diff production --format json"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    agreed: Agreed,
    #[command(flatten)]
    shown: Shown,
}

/// How changes are shown.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Shown {
    /// End with 2 when there are changes.
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Also show what is let be.
    #[arg(long)]
    pub(super) all: bool,
    /// Lines shown around what differs in a text of many lines.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(super) lines: usize,
}

impl Default for Shown {
    fn default() -> Self {
        Self { exit_code: false, all: false, lines: 2 }
    }
}

impl Shown {
    pub(super) const fn style(self, context: &Context) -> PlanStyle {
        PlanStyle { paint: context.paint(), all: self.all, lines: self.lines }
    }
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let journey = Journey::begin(context, &known, selected, Aim::Deploy).await?;
    let looked = journey.look(&arguments.agreed).await?;
    context.show(&looked, arguments.shown)
}

impl Context {
    /// A plan as the result of a command, and the code that says whether there is something in it.
    pub(super) fn show(&self, looked: &Looked, shown: Shown) -> anyhow::Result<Exit> {
        let plan = &looked.outlook.plan;
        if self.output.json() {
            self.output.document(&PlanDocument::new(plan, &self.origins, looked.findings.clone()))?;
        } else {
            self.output.result(&plan_text(plan, &self.origins, shown.style(self)))?;
        }
        self.unseen(looked);
        if plan.is_blocked() {
            if self.output.json() {
                return Ok(Exit::Refused);
            }
            return Err(Stop::new(Exit::Refused, "this cannot be applied: see the lines that begin with `!`").into());
        }
        Ok(if shown.exit_code && !plan.is_empty() { Exit::Changes } else { Exit::Done })
    }

    /// What could not be looked at, so that nobody takes silence for agreement.
    pub(super) fn unseen(&self, looked: &Looked) {
        for reason in &looked.outlook.seen.unreadable {
            self.output.note(&format!("warning: not everything could be seen: {reason}"));
        }
    }
}
