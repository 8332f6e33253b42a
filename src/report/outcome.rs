//! How a deployment ended.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Paint, VERSION, plan::DestinationView};
use crate::{
    deploy::{Outcome, Verdict},
    diagnostic::FindingView,
    plan::Plan,
    platform::{Reason, State},
    value::{Key, Masked, Origins},
};

/// What `apply` and `destroy` did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship apply")]
pub struct ApplyDocument {
    version: u32,
    /// The application.
    pub application: String,
    /// The environment; empty without one.
    pub environment: String,
    /// Over all destinations: the heaviest.
    pub verdict: Verdict,
    /// The exit code.
    pub exit_code: u8,
    /// Each place it went to, in order.
    pub destinations: Vec<AppliedView>,
    /// What is worth knowing about what was loaded and translated.
    pub findings: Vec<FindingView>,
}

/// What became of one place.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedView {
    /// How it ended there.
    pub verdict: Verdict,
    /// The revision that was made; absent where nothing was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// What was carried out.
    pub plan: DestinationView,
    /// How far each resource came that was waited for.
    pub resources: Vec<StateView>,
    /// What went wrong, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Masked>,
}

/// How far one resource has come.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateView {
    /// Which.
    pub resource: String,
    /// `absent`, `settled`, `progressing`, `failed`, `going`.
    pub state: &'static str,
    /// Instances ready, while it is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// Instances wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u32>,
    /// What it waits for, or why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Masked>,
    /// Why it failed, as a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The last lines it said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub logs: Vec<Masked>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

impl StateView {
    /// Of a resource.
    pub fn new(key: &Key, state: &State) -> Self {
        let empty = Self {
            resource: key.to_string(),
            state: "settled",
            ready: None,
            wanted: None,
            text: None,
            reason: None,
            logs: Vec::new(),
            remedy: None,
        };
        match state {
            State::Settled => empty,
            State::Absent => Self { state: "absent", ..empty },
            State::Going => Self { state: "going", ..empty },
            State::Progressing { ready, wanted, text } => Self {
                state: "progressing",
                ready: Some(*ready),
                wanted: Some(*wanted),
                text: Some(text.clone()),
                ..empty
            },
            State::Failed(Reason { code, text, logs, remedy }) => Self {
                state: "failed",
                text: Some(text.clone()),
                reason: Some(code),
                logs: logs.clone(),
                remedy: Some(remedy),
                ..empty
            },
        }
    }

    /// Whether it is there and needs nothing any more.
    pub fn is_settled(&self) -> bool {
        self.state == "settled"
    }

    /// What a table says of it.
    pub(super) fn words(&self) -> String {
        let text = self.text.as_ref().filter(|text| !text.is_empty());
        match (self.ready, self.wanted) {
            (Some(ready), Some(wanted)) => {
                let counted = format!("{ready} of {wanted} ready");
                text.map_or(counted.clone(), |text| format!("{counted}: {text}"))
            }
            _ => text.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

impl ApplyDocument {
    /// Of one place, with the plan that was carried out, or shown before it failed.
    pub fn new(plan: &Plan, outcome: &Outcome, exit_code: u8, origins: &Origins, findings: Vec<FindingView>) -> Self {
        let destinations = plan.stages.iter().map(|stage| AppliedView {
            verdict: outcome.verdict,
            revision: outcome.revision,
            plan: DestinationView::new(stage, origins),
            resources: outcome.states.iter().map(|(key, state)| StateView::new(key, state)).collect(),
            message: outcome.message.clone(),
        });
        Self {
            version: VERSION,
            application: plan.application.project.to_string(),
            environment: plan.application.environment.to_string(),
            verdict: outcome.verdict,
            exit_code,
            destinations: destinations.collect(),
            findings,
        }
    }
}

/// The last line of a deployment, for people; `goal` is what was to be done.
pub fn outcome_text(outcome: &Outcome, goal: &str, paint: Paint) -> String {
    let mut out = String::new();
    let revision = outcome.revision.map(|number| format!(" (revision {number})")).unwrap_or_default();
    let (done, removed) = (format!("applied{revision}"), "removed".to_owned());
    let line = match outcome.verdict {
        Verdict::Unchanged => "nothing to do".to_owned(),
        Verdict::Applied => paint.green(if goal == "destroy" { &removed } else { &done }),
        Verdict::NotReady => paint.red(&format!("applied{revision}, but not ready in time")),
        Verdict::Interrupted => paint.red(&format!("interrupted{revision}")),
        Verdict::Mixed => paint.red(&format!("stopped part-way{revision}")),
        Verdict::Stale => paint.red("the plan is stale; nothing was changed"),
        Verdict::Locked => paint.red("locked; nothing was changed"),
        Verdict::Refused => paint.red("refused; nothing was changed"),
        Verdict::Failed => paint.red("failed; nothing was changed"),
    };
    let _ = writeln!(out, "{line}");
    out
}
