//! One deployment to one destination, from the lock to the verdict.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Site, Verdict,
    history::{Closed, entry},
    hold,
};
use crate::{
    diagnostic::Findings,
    plan::{self, Action, Call, Change, Gate, Goal, Kept, Plan, Record, SavedPlan, Stage, StepId},
    platform::{
        EntryName, Event, Expected, Failure, FailureKind, Hold, Ledger, LedgerWriter, Observation, Progress,
        RevisionHead, RevisionState, State, Verified, What,
    },
    target::{Condition, Release},
    value::{Application, Key, Keyring, Masked},
};

/// How many revisions are kept.
const REVISIONS: usize = 10;

/// What somebody agreed to.
#[derive(Clone, Debug)]
pub enum Approved {
    /// The plan that was just shown.
    Shown(SavedPlan),
    /// A plan that was kept.
    Kept(SavedPlan),
}

/// Everything one deployment needs.
pub struct Deployment<'a> {
    /// Where, and whose.
    pub site: Site<'a>,
    /// Which place it must be.
    pub expected: Expected,
    /// What is wanted, under the content key of the application: names that carry secrets depend on it.
    pub goals: &'a (dyn Fn(&Keyring) -> Result<Vec<Goal>, Findings> + Sync),
    /// `TRANSSHIP_KEY`, when it is set.
    pub keyring: Option<Keyring>,
    /// What was agreed to.
    pub approved: Approved,
    /// Who deploys.
    pub by: String,
    /// The clock, seconds since 1970.
    pub now: fn() -> u64,
    /// Random bytes, for the content key of an application that has none yet.
    pub random: [u8; 32],
    /// How long is waited for a deploy lock that somebody else holds.
    pub patience: Duration,
    /// Becomes true when somebody interrupts.
    pub interrupted: watch::Receiver<bool>,
    /// Who hears what happens.
    pub progress: &'a dyn Progress,
}

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// As one word.
    pub verdict: Verdict,
    /// The revision that was opened.
    pub revision: Option<u64>,
    /// What was carried out.
    pub plan: Option<Plan>,
    /// How far each resource came.
    pub states: Vec<(Key, State)>,
    /// What went wrong, and what to do.
    pub message: Option<Masked>,
    /// Findings of the translation under the real key, when they forbid it.
    pub findings: Option<Findings>,
}

impl Outcome {
    /// Nothing was to be done.
    pub fn unchanged(plan: Plan) -> Self {
        Self { plan: Some(plan), ..Self::of(Verdict::Unchanged) }
    }

    const fn of(verdict: Verdict) -> Self {
        Self { verdict, revision: None, plan: None, states: Vec::new(), message: None, findings: None }
    }

    fn failed(verdict: Verdict, failure: &Failure) -> Self {
        let verdict = match failure.kind {
            FailureKind::Locked if verdict == Verdict::Failed => Verdict::Locked,
            FailureKind::WrongPlace if verdict == Verdict::Failed => Verdict::Refused,
            FailureKind::Conflict if verdict == Verdict::Failed => Verdict::Stale,
            FailureKind::Interrupted => Verdict::Interrupted,
            _ => verdict,
        };
        Self { message: Some(failure.reason.clone()), ..Self::of(verdict) }
    }
}

/// The content key that the ledger holds, if there is one yet.
pub async fn content_key(ledger: &dyn Ledger, application: &Application) -> Result<Option<[u8; 32]>, Failure> {
    let body = ledger.read(application, &key_name()).await?;
    Ok(body.and_then(|body| std::str::from_utf8(&body).ok().and_then(from_hex)))
}

fn key_name() -> EntryName {
    EntryName("key".into())
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Carries out what was approved: plans again under the lock, compares, and only then writes.
pub async fn apply(deployment: &Deployment<'_>) -> Outcome {
    let Site { platform, application, destination, .. } = &deployment.site;
    let identity = match platform.identify().await {
        Ok(identity) => identity,
        Err(failure) => return Outcome::failed(Verdict::Failed, &failure),
    };
    let place = match Verified::check(identity, &deployment.expected) {
        Ok(place) => place,
        Err(failure) => return Outcome::failed(Verdict::Failed, &failure),
    };
    let ledger = match platform.ledger_writer(place.clone()) {
        Ok(ledger) => ledger,
        Err(failure) => return Outcome::failed(Verdict::Failed, &failure),
    };
    let lock = hold::Lock { ledger: &*ledger, application, by: &deployment.by, now: deployment.now };
    let told = |what| {
        deployment.progress.event(Event { destination: Some(destination.clone()), key: None, what });
    };
    let taken = tokio::select! {
        taken = lock.take(deployment.patience, &told) => taken,
        failure = interruption(deployment.interrupted.clone()) => Err(failure),
    };
    let held = match taken {
        Ok(held) => Arc::new(held),
        Err(failure) => return Outcome::failed(Verdict::Failed, &failure),
    };
    let outcome = tokio::select! {
        outcome = under_lock(deployment, &place, &*ledger, Arc::clone(&held) as Arc<dyn Hold>) => outcome,
        never = lock.keep(&held) => match never {},
    };
    // A lock that cannot be given back runs out by itself.
    if let Err(failure) = lock.give_back(&held).await {
        told(What::Skipped(Masked::words(format!("the deploy lock could not be given back: {failure}"))));
    }
    if matches!(outcome.verdict, Verdict::Applied | Verdict::Unchanged)
        && outcome.plan.as_ref().is_some_and(|plan| plan.stages.iter().all(|stage| stage.goal == "destroy"))
    {
        // Nothing runs any more that a revision could be returned to. Names and content that stay count on the key.
        let is_held = |change: &Change| change.action == Action::Keep { why: Kept::Referred };
        let keyed = outcome.plan.as_ref().is_some_and(|plan| plan.changes().any(is_held));
        if let Err(failure) = forget(&*ledger, application, keyed).await {
            let words = format!("everything is removed, but the history could not be: {failure}");
            return Outcome { message: Some(Masked::words(words)), ..outcome };
        }
    }
    outcome
}

/// Ends, with what to say, once somebody interrupts.
async fn interruption(mut interrupted: watch::Receiver<bool>) -> Failure {
    if interrupted.wait_for(|set| *set).await.is_err() {
        // Nobody is left who could.
        std::future::pending::<()>().await;
    }
    let words = "interrupted; what was begun stays, and the next run goes on from there";
    Failure::new(FailureKind::Interrupted, words.into())
}

/// Removes the history; `keyed`: but for the content key.
async fn forget(ledger: &dyn LedgerWriter, application: &Application, keyed: bool) -> Result<(), Failure> {
    let all = ledger.reader().list(application).await?;
    for name in all.into_iter().filter(|name| !(keyed && *name == key_name())) {
        ledger.remove(application, &name).await?;
    }
    Ok(())
}

async fn under_lock(
    deployment: &Deployment<'_>,
    place: &Verified,
    ledger: &dyn LedgerWriter,
    hold: Arc<dyn Hold>,
) -> Outcome {
    let keyring = match keyring(deployment, ledger).await {
        Ok(keyring) => keyring,
        Err(failure) => return Outcome::failed(Verdict::Failed, &failure),
    };
    let goals = match (deployment.goals)(&keyring) {
        Ok(goals) => goals,
        Err(findings) => return Outcome { findings: Some(findings), ..Outcome::of(Verdict::Failed) },
    };
    let Some(goal) = goals.first() else { return Outcome::of(Verdict::Unchanged) };
    let looked = tokio::select! {
        looked = deployment.site.look(&goals, &keyring) => looked,
        failure = interruption(deployment.interrupted.clone()) => Err(failure),
    };
    let (seen, plan) = match looked {
        Ok(outlook) => (outlook.seen, outlook.plan),
        Err(failure) => return Outcome::failed(Verdict::Failed, &failure),
    };
    let (Approved::Shown(approved) | Approved::Kept(approved)) = &deployment.approved;
    let compared = if approved.keyed || keyring.content.is_none() {
        plan.clone()
    } else {
        // The key was made after the plan: compared is under none, as it was then.
        deployment.site.plan(&goals, &seen, &Keyring::default())
    };
    if let Err(stale) = approved.verify(&compared) {
        let all: Vec<String> = stale.iter().map(|stale| format!("{}: {}", stale.what, stale.why)).collect();
        let message = Masked::words(format!("the plan does not hold any more: {}; plan again", all.join("; ")));
        return Outcome { message: Some(message), plan: Some(plan), ..Outcome::of(Verdict::Stale) };
    }
    let Some(stage) = plan.stages.first().cloned() else { return Outcome::of(Verdict::Unchanged) };
    if !stage.blocked.is_empty() {
        return Outcome { plan: Some(plan), ..Outcome::of(Verdict::Refused) };
    }
    if !goal.release.is_named() {
        let words = "names that carry secrets need a key, and none can be kept here; set TRANSSHIP_KEY, or leave the \
                     secrets out with `secrets: reference`";
        return Outcome { message: Some(words.into()), plan: Some(plan), ..Outcome::of(Verdict::Refused) };
    }
    let interrupted_before = seen.history.is_open();
    if stage.steps.is_empty() && !interrupted_before {
        return Outcome { plan: Some(plan), ..Outcome::of(Verdict::Unchanged) };
    }
    let revision = match open(deployment, ledger, &seen, &goal.release, &keyring, approved).await {
        Ok(revision) => revision,
        Err(failure) => return Outcome { plan: Some(plan), ..Outcome::failed(Verdict::Failed, &failure) },
    };
    let mut run = Run {
        deployment,
        release: &goal.release,
        seen: &seen,
        reached: HashMap::new(),
        states: Vec::new(),
        written: false,
    };
    let ended = run.steps(&stage, place, hold).await;
    let (verdict, message) = match ended {
        Ok(true) => (Verdict::Applied, None),
        Ok(false) => (
            Verdict::NotReady,
            Some(Masked::from("not everything is ready in time; `transship status` shows what is missing")),
        ),
        Err(failure) => {
            let interrupted = failure.kind == FailureKind::Interrupted;
            let verdict = if run.written && !interrupted {
                Verdict::Mixed
            } else {
                Outcome::failed(Verdict::Failed, &failure).verdict
            };
            (verdict, Some(failure.reason))
        }
    };
    let state = match verdict {
        Verdict::Applied => RevisionState::Applied,
        Verdict::NotReady => RevisionState::NotReady,
        Verdict::Interrupted => RevisionState::Interrupted,
        _ => RevisionState::Failed,
    };
    let states = run.states;
    let closed = close(deployment, ledger, revision, state).await;
    let message = match (message, closed) {
        (None, Err(failure)) => {
            Some(Masked::words(format!("everything is applied, but the revision could not be closed: {failure}")))
        }
        (message, _) => message,
    };
    Outcome { verdict, revision: Some(revision), plan: Some(plan), states, message, findings: None }
}

async fn keyring(deployment: &Deployment<'_>, ledger: &dyn LedgerWriter) -> Result<Keyring, Failure> {
    if let Some(keyring) = &deployment.keyring {
        return Ok(keyring.clone());
    }
    if !ledger.reader().is_private() {
        return Ok(Keyring::default());
    }
    if let Some(content) = content_key(ledger.reader(), &deployment.site.application).await? {
        return Ok(Keyring { content: Some(content), seal: None });
    }
    let made = deployment.random;
    if ledger.create(&deployment.site.application, &key_name(), hex(&made).as_bytes()).await? {
        return Ok(Keyring { content: Some(made), seal: None });
    }
    // Somebody else made it at this moment.
    Ok(Keyring { content: content_key(ledger.reader(), &deployment.site.application).await?, seal: None })
}

async fn open(
    deployment: &Deployment<'_>,
    ledger: &dyn LedgerWriter,
    seen: &Observation,
    release: &Release,
    keyring: &Keyring,
    approved: &SavedPlan,
) -> Result<u64, Failure> {
    let application = &deployment.site.application;
    for head in seen.history.heads.iter().filter(|head| head.state == RevisionState::Opened) {
        close(deployment, ledger, head.number, RevisionState::Interrupted).await?;
    }
    let number = seen.history.base().unwrap_or(0) + 1;
    let head = RevisionHead {
        number,
        state: RevisionState::Opened,
        by: deployment.by.as_str().into(),
        tool: env!("CARGO_PKG_VERSION").into(),
        at: (deployment.now)(),
        plan: matches!(deployment.approved, Approved::Kept(_)).then(|| approved.id.as_str().into()),
    };
    let body = serde_json::to_vec(&head).unwrap_or_default();
    if !ledger.create(application, &entry(number, "opened"), &body).await? {
        let words = format!("revision {number} of {application} was opened by somebody else; plan again");
        return Err(Failure::new(FailureKind::Conflict, Masked::words(words)));
    }
    let record = Record::write(release, number, env!("CARGO_PKG_VERSION"), keyring);
    ledger.create(application, &entry(number, "record"), &serde_json::to_vec(&record).unwrap_or_default()).await?;
    // Old revisions go; the ledger is a history, not an archive.
    let mut numbers: Vec<u64> = seen.history.heads.iter().map(|head| head.number).collect();
    numbers.push(number);
    if numbers.len() > REVISIONS {
        for old in numbers.iter().take(numbers.len() - REVISIONS) {
            for part in ["record", "closed", "opened"] {
                ledger.remove(application, &entry(*old, part)).await?;
            }
        }
    }
    Ok(number)
}

async fn close(
    deployment: &Deployment<'_>,
    ledger: &dyn LedgerWriter,
    number: u64,
    state: RevisionState,
) -> Result<(), Failure> {
    let body = serde_json::to_vec(&Closed { state, at: (deployment.now)() }).unwrap_or_default();
    ledger.create(&deployment.site.application, &entry(number, "closed"), &body).await.map(|_| ())
}

/// The steps of one stage, while they go on.
struct Run<'a> {
    deployment: &'a Deployment<'a>,
    release: &'a Release,
    seen: &'a Observation,
    /// What each step's resources are known to have reached.
    reached: HashMap<StepId, Condition>,
    states: Vec<(Key, State)>,
    written: bool,
}

impl Run<'_> {
    /// True when everything has settled, false when not in time.
    async fn steps(&mut self, stage: &Stage, place: &Verified, hold: Arc<dyn Hold>) -> Result<bool, Failure> {
        let writer = self.deployment.site.platform.writer(place.clone(), hold)?;
        let by_id: HashMap<StepId, &plan::Step> = stage.steps.iter().map(|step| (step.id, step)).collect();
        for step in &stage.steps {
            if *self.deployment.interrupted.borrow() {
                return Err(interruption(self.deployment.interrupted.clone()).await);
            }
            if stage.gate == Gate::Settled && !self.wait_for(&step.after, &by_id).await? {
                return Ok(false);
            }
            if let Some(address) = &step.address {
                self.event(step.carries.first(), What::Called(address.clone()));
            }
            let done = writer.execute(step, self.release, self.seen, self.deployment.progress).await;
            // Who was kept out wrote nothing; else nobody knows.
            let kept_out = matches!(&done, Err(failure) if failure.kind == FailureKind::Locked);
            self.written |= step.call != Call::Wait && !kept_out;
            done?;
            self.reached.insert(step.id, Condition::Exists);
            // Whoever renews the lock has to come to its turn, also where nothing is ever waited for.
            tokio::task::yield_now().await;
        }
        if stage.gate != Gate::Settled {
            return Ok(true);
        }
        let last: HashSet<&Key> = stage
            .changes
            .iter()
            .filter(|change| !matches!(change.action, Action::Delete | Action::Retire | Action::Keep { .. }))
            .map(|change| &change.key)
            .collect();
        let keys: Vec<Key> = self.release.resources.keys().filter(|key| last.contains(key)).cloned().collect();
        self.follow(&keys).await
    }

    async fn wait_for(
        &mut self,
        after: &[(StepId, Condition)],
        steps: &HashMap<StepId, &plan::Step>,
    ) -> Result<bool, Failure> {
        let mut keys: Vec<Key> = Vec::new();
        let mut waited: Vec<StepId> = Vec::new();
        for (id, condition) in after {
            if *condition == Condition::Exists
                || self.reached.get(id).is_some_and(|reached| *reached >= Condition::Healthy)
            {
                continue;
            }
            if let Some(step) = steps.get(id) {
                waited.push(*id);
                keys.extend(step.carries.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
            }
        }
        if keys.is_empty() {
            return Ok(true);
        }
        let settled = self.follow(&keys).await?;
        if settled {
            for id in waited {
                self.reached.insert(id, Condition::Completed);
            }
        }
        Ok(settled)
    }

    async fn follow(&mut self, keys: &[Key]) -> Result<bool, Failure> {
        let platform = self.deployment.site.platform;
        let states = tokio::select! {
            states = platform.follow(self.release, keys, self.deployment.progress) => states?,
            failure = interruption(self.deployment.interrupted.clone()) => return Err(failure),
        };
        let settled = states.iter().all(|(_, state)| *state == State::Settled);
        for (key, state) in states {
            if let State::Failed(reason) = &state {
                self.event(Some(&key), What::Failed(reason.clone()));
            }
            self.states.retain(|(known, _)| *known != key);
            self.states.push((key, state));
        }
        Ok(settled)
    }

    fn event(&self, key: Option<&Key>, what: What) {
        self.deployment.progress.event(Event {
            destination: Some(self.deployment.site.destination.clone()),
            key: key.cloned(),
            what,
        });
    }
}
