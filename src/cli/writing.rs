//! From a plan that was shown to one that was carried out: consent, guards, the deployment, and what is said of it.

use std::{sync::atomic::Ordering, time::Duration};

use clap::Args;

use super::{
    Context, Exit, Found, Stop,
    diff::Shown,
    journey::{Aim, Journey, Looked, has_work},
};
use crate::{
    deploy::{self, Approved, Deployment, Outcome, Verdict},
    plan::{Gate, Goal},
    report::{ApplyDocument, Summary, outcome_text, plan_text},
    session::Session,
    value::Keyring,
};

/// Who agreed, and to what.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Consented {
    /// Nobody needs to be asked.
    #[arg(short = 'y', long)]
    yes: bool,
    /// The name of the environment, where it is protected.
    #[arg(long, value_name = "ENVIRONMENT")]
    confirm: Option<String>,
}

/// How it goes on once it was agreed to.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Going {
    /// End when everything was accepted, without waiting until it is ready.
    #[arg(long)]
    no_wait: bool,
    /// How long each part may take to become ready, in seconds.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// How long to wait for somebody else's deployment to end, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_timeout: u64,
}

impl Going {
    pub(super) fn gate(&self, journey: &mut Journey<'_>) {
        if self.no_wait {
            journey.gate = Gate::Accepted;
        }
    }

    /// A deadline of one's own.
    fn hurry(&self, goals: &mut [Goal]) {
        if let Some(seconds) = self.timeout {
            for resource in goals.iter_mut().flat_map(|goal| goal.release.resources.values_mut()) {
                resource.settles.within = Duration::from_secs(seconds);
            }
        }
    }
}

impl Journey<'_> {
    /// Shows the plan, asks, and carries it out.
    pub(super) async fn write(
        &self,
        looked: Looked,
        approved: Approved,
        consented: &Consented,
        going: &Going,
    ) -> anyhow::Result<Exit> {
        let context = self.context;
        let plan = &looked.outlook.plan;
        let json = context.output.json();
        if !json {
            let shown = Shown { all: self.aim() == Aim::Destroy, ..Shown::default() };
            context.output.result(&plan_text(plan, &context.origins, shown.style(context)))?;
        }
        context.unseen(&looked);
        if plan.is_blocked() {
            return Err(Stop::new(Exit::Refused, "this cannot be applied: see the lines that begin with `!`")
                .help("nothing was changed; `--adopt` and `--allow-replace` say what may be done")
                .into());
        }
        let begun = looked.outlook.seen.history.is_open();
        let kept = matches!(approved, Approved::Kept(_));
        if !has_work(&looked) && !begun && !kept {
            let outcome = Outcome::unchanged(looked.outlook.plan.clone());
            return self.told(&outcome, &looked);
        }
        self.guarded(consented, &Summary::of(plan).text())?;
        let site = self.site(looked.options.clone());
        let goals = |keyring: &Keyring| {
            let mut goals = self.goals(keyring)?;
            going.hurry(&mut goals);
            Ok(goals)
        };
        let watch = context.doing("deploying");
        let deployment = Deployment {
            site,
            expected: self.expected.clone(),
            goals: &goals,
            keyring: self.own_key.clone(),
            approved,
            by: context.session.user(),
            now: Session::now,
            random: Session::random()?,
            patience: Duration::from_secs(going.lock_timeout),
            interrupted: context.stop.subscribe(),
            progress: &watch,
        };
        context.writing.store(true, Ordering::Relaxed);
        let outcome = deploy::apply(&deployment).await;
        context.writing.store(false, Ordering::Relaxed);
        drop(deployment);
        drop(watch);
        self.told(&outcome, &looked)
    }

    /// Asks whoever is there, or finds that nobody is and nothing was agreed to.
    fn guarded(&self, consented: &Consented, summary: &str) -> anyhow::Result<()> {
        let context = self.context;
        let name = &*self.selected.name;
        if self.selected.guards().protected.unwrap_or_default() && consented.confirm.as_deref() != Some(name) {
            let help = format!("say `--confirm {name}`");
            if consented.confirm.is_some() || !context.somebody_answers() || consented.yes {
                let message = format!("the environment `{name}` is protected");
                return Err(Stop::new(Exit::Refused, message).help(help).into());
            }
            context.output.ask(&format!("{summary}. `{name}` is protected; type its name to go on: "));
            if Session::answer()? == name {
                return Ok(());
            }
            return Err(Stop::new(Exit::Refused, "nothing was changed").into());
        }
        context.agreed(consented.yes, &format!("{summary}. "))
    }

    /// Says how it ended.
    fn told(&self, outcome: &Outcome, looked: &Looked) -> anyhow::Result<Exit> {
        let context = self.context;
        if let Some(findings) = &outcome.findings {
            return Err(Found(findings.clone()).into());
        }
        let exit = exit_of(outcome.verdict);
        let failed = !matches!(outcome.verdict, Verdict::Unchanged | Verdict::Applied);
        if failed && outcome.verdict == Verdict::Refused && outcome.message.is_none() {
            let style = Shown::default().style(context);
            let text = outcome.plan.as_ref().map(|plan| plan_text(plan, &context.origins, style));
            context.output.say(&text.unwrap_or_default());
        }
        if context.output.json() {
            let plan = outcome.plan.as_ref().unwrap_or(&looked.outlook.plan);
            let document = ApplyDocument::new(plan, outcome, exit.code(), &context.origins, looked.findings.clone());
            context.output.document(&document)?;
        } else {
            context.output.result(&outcome_text(outcome, self.aim().goal(), context.paint()))?;
        }
        if let Some(message) = outcome.message.as_ref().filter(|_| failed) {
            context.output.error(message.as_str(), None);
        } else if let Some(message) = &outcome.message {
            context.output.note(&format!("warning: {message}"));
        }
        Ok(exit)
    }
}

impl Context {
    /// Goes on when `--yes` was said or whoever is there says so; `question` stands before "go on?".
    pub(super) fn agreed(&self, yes: bool, question: &str) -> anyhow::Result<()> {
        if yes {
            return Ok(());
        }
        if !self.somebody_answers() {
            let stop = Stop::new(Exit::Refused, "nobody is there to agree to this");
            return Err(stop.help("say `--yes`, or run it on a terminal").into());
        }
        self.output.ask(&format!("{question}Go on? [y/N] "));
        match Session::answer()?.to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Stop::new(Exit::Refused, "nothing was changed").into()),
        }
    }

    fn somebody_answers(&self) -> bool {
        self.output.terminal.input && self.output.terminal.error && !self.output.json()
    }
}

const fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Unchanged | Verdict::Applied => Exit::Done,
        Verdict::Failed => Exit::Failed,
        Verdict::Stale => Exit::Stale,
        Verdict::Locked => Exit::Locked,
        Verdict::Refused => Exit::Refused,
        Verdict::NotReady => Exit::NotReady,
        Verdict::Interrupted => Exit::Interrupted,
        Verdict::Mixed => Exit::PartWay,
    }
}
