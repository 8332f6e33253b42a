//! A plan as people approve it and as programs read it.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Paint, VERSION};
use crate::{
    diagnostic::FindingView,
    plan::{
        Action, Because, Blocked, Cause, Certainty, Change, Consent, Consequence, Difference, Plan, Stage, action_word,
        cause_words, effect_words, trace,
    },
    platform::{Owner, Refusal},
    value::{Masked, Origins},
};

/// A plan, or what is different.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship plan")]
pub struct PlanDocument {
    version: u32,
    /// The application.
    pub application: String,
    /// The environment; empty without one.
    pub environment: String,
    /// Each place it goes to, in order.
    pub destinations: Vec<DestinationView>,
    /// Over all places.
    pub summary: Summary,
    /// What is worth knowing about what was loaded and translated.
    pub findings: Vec<FindingView>,
}

/// What changes at one place.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationView {
    /// Its name in the environment.
    pub destination: String,
    /// Which place it is.
    pub server: Masked,
    /// The revision this is based on; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
    /// `deploy`, `destroy`.
    pub goal: &'static str,
    /// What is different, one entry per resource.
    pub changes: Vec<ChangeView>,
    /// What forbids the plan.
    pub blocked: Vec<BlockedView>,
}

/// How many of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Made.
    pub create: usize,
    /// Changed where they stand, or succeeded by one of another name.
    pub update: usize,
    /// Removed and made anew.
    pub replace: usize,
    /// Removed.
    pub delete: usize,
    /// Run again.
    pub rerun: usize,
    /// Equal, and waited for.
    pub settle: usize,
    /// Different, and let be.
    pub keep: usize,
}

/// What becomes of one resource.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    /// Who it is: the same in every environment and revision.
    pub resource: String,
    /// What it is called there.
    pub address: String,
    /// `create`, `update`, `succeed`, `retire`, `replace`, `rerun`, `delete`, `settle`, `keep`.
    pub action: &'static str,
    /// What that does to what runs.
    pub consequence: &'static str,
    /// The same in words.
    pub effect: String,
    /// Why.
    pub causes: Vec<String>,
    /// Field by field.
    pub differences: Vec<DifferenceView>,
    /// Whether the server said so, or it was worked out here.
    pub certain: bool,
    /// Why the server was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What somebody must agree to.
    pub needs: Vec<String>,
}

/// One field.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DifferenceView {
    /// Where in the body.
    pub path: String,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Masked>,
    /// What is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Masked>,
    /// Where the wanted value was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
}

/// What forbids a plan.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BlockedView {
    /// Which resource, or what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
}

impl PlanDocument {
    /// A plan with the findings it was made with.
    pub fn new(plan: &Plan, origins: &Origins, findings: Vec<FindingView>) -> Self {
        Self {
            version: VERSION,
            application: plan.application.project.to_string(),
            environment: plan.application.environment.to_string(),
            destinations: plan.stages.iter().map(|stage| DestinationView::new(stage, origins)).collect(),
            summary: Summary::of(plan),
            findings,
        }
    }
}

impl Summary {
    /// Counts.
    pub fn of(plan: &Plan) -> Self {
        let mut counts = Self::default();
        for change in plan.changes() {
            match change.action {
                Action::Create => counts.create += 1,
                Action::Update | Action::Succeed { .. } => counts.update += 1,
                Action::Replace { .. } => counts.replace += 1,
                Action::Delete | Action::Retire => counts.delete += 1,
                Action::Rerun => counts.rerun += 1,
                Action::Settle => counts.settle += 1,
                Action::Keep { .. } => counts.keep += 1,
            }
        }
        counts
    }

    /// One line.
    pub fn text(&self) -> String {
        let parts = [
            (self.create, "to create"),
            (self.update, "to update"),
            (self.replace, "to replace"),
            (self.rerun, "to run again"),
            (self.delete, "to delete"),
            (self.settle, "to wait for"),
            (self.keep, "let be"),
        ];
        let told: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
        if told.is_empty() { "no changes".to_owned() } else { told.join(", ") }
    }
}

impl DestinationView {
    /// Of one stage.
    pub fn new(stage: &Stage, origins: &Origins) -> Self {
        Self {
            destination: stage.destination.to_string(),
            server: stage.identity.server.clone(),
            base: stage.base,
            goal: stage.goal,
            changes: stage.changes.iter().map(|change| view(change, origins)).collect(),
            blocked: stage.blocked.iter().map(|blocked| blocked_view(blocked, origins)).collect(),
        }
    }
}

fn view(change: &Change, origins: &Origins) -> ChangeView {
    let because = match &change.certain {
        Certainty::Server => None,
        Certainty::Local(because) => Some(because_words(because)),
    };
    ChangeView {
        resource: change.key.to_string(),
        address: change.address.to_string(),
        action: action_word(&change.action),
        consequence: consequence_word(change.consequence),
        effect: effect_words(change.consequence),
        causes: change.causes.iter().filter_map(|cause| cause_words(cause, origins)).collect(),
        differences: change.differences.iter().map(|difference| difference_view(difference, origins)).collect(),
        certain: because.is_none(),
        because,
        needs: change.needs.iter().map(consent_words).collect(),
    }
}

fn difference_view(difference: &Difference, origins: &Origins) -> DifferenceView {
    DifferenceView {
        path: difference.path.to_string(),
        before: difference.before.clone(),
        after: difference.after.clone(),
        written: trace(difference.from, origins),
    }
}

fn blocked_view(blocked: &Blocked, origins: &Origins) -> BlockedView {
    BlockedView {
        address: blocked.address.as_ref().map(ToString::to_string),
        reason: refusal_words(&blocked.by),
        written: trace(blocked.from, origins),
    }
}

const fn consequence_word(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::Nothing => "nothing",
        Consequence::Scale { .. } => "scale",
        Consequence::Restart { .. } => "restart",
        Consequence::Start => "start",
        Consequence::Run => "run",
        Consequence::Replace { .. } => "replace",
        Consequence::Stop => "stop",
        Consequence::LosesData => "loses-data",
        Consequence::Unknown => "unknown",
    }
}

fn because_words(because: &Because) -> String {
    match because {
        Because::ParentAbsent(address) => format!("{address} is not there yet"),
        Because::Forbidden => "we may not ask the server".to_owned(),
        Because::NoDryRun => "the place cannot be asked".to_owned(),
        Because::Offline => "nothing was asked".to_owned(),
    }
}

fn consent_words(consent: &Consent) -> String {
    match consent {
        Consent::Replace => "it is removed and made anew".to_owned(),
        Consent::LoseData => "data is lost".to_owned(),
        Consent::TakeOver(field) => format!("{field} was set by somebody else"),
        Consent::Adopt(who) => format!("it bears no mark of ours: {who}"),
        Consent::Protected => "the environment is protected".to_owned(),
    }
}

fn refusal_words(refusal: &Refusal) -> String {
    let list = |paths: Vec<String>| paths.join(", ");
    match refusal {
        Refusal::Immutable(paths) => {
            format!("cannot change: {}", list(paths.iter().map(ToString::to_string).collect()))
        }
        Refusal::Conflict(paths) => {
            let each = paths.iter().map(|(path, by)| format!("{path} is set by {by}")).collect();
            format!("belongs to somebody else: {}", list(each))
        }
        Refusal::Invalid(words) => format!("the server refuses it: {words}"),
        Refusal::Quota(words) => format!("too much for the place: {words}"),
        Refusal::Foreign(Owner::Application(application)) => {
            format!("something of that name belongs to {application}")
        }
        Refusal::Foreign(Owner::Tool(tool)) => format!("something of that name belongs to {tool}"),
        Refusal::Foreign(_) => "something of that name is there and bears no mark of ours".to_owned(),
        Refusal::Missing => "it must be there already, and is not".to_owned(),
        Refusal::Consent(words) => format!("somebody must agree to it first: {words}"),
    }
}

/// How a plan is shown.
#[derive(Clone, Copy, Debug)]
pub struct PlanStyle {
    /// With colours or without.
    pub paint: Paint,
    /// Also what is let be.
    pub all: bool,
    /// Lines around what differs in a text of many lines.
    pub lines: usize,
}

/// A plan for people: each change with its fields, where each was written, and what it does to what runs.
pub fn plan_text(plan: &Plan, origins: &Origins, style: PlanStyle) -> String {
    let PlanStyle { paint, all, .. } = style;
    let mut out = String::new();
    for stage in &plan.stages {
        let application = &plan.application;
        let server = stage.identity.server.as_str();
        out.push_str(&heading(&application.project, &application.environment, server, stage.base, paint));
        let before = out.len();
        for change in &stage.changes {
            if all || !matches!(change.action, Action::Keep { .. }) {
                change_text(&mut out, &view(change, origins), change, style);
            }
        }
        for blocked in stage.blocked.iter().map(|blocked| blocked_view(blocked, origins)) {
            let address = blocked.address.unwrap_or_default();
            let _ = writeln!(out, "{} {address}: {}", paint.red("!"), blocked.reason);
            if let Some(written) = blocked.written {
                out.push_str(&paint.dim(&format!("    asked for at {written}")));
                out.push('\n');
            }
        }
        if out.len() > before {
            out.push('\n');
        }
        worked_out_here(&mut out, stage, paint);
    }
    out.push_str(&Summary::of(plan).text());
    out.push('\n');
    out
}

/// Whose plan it is, for which place, and after what.
pub(super) fn heading(application: &str, environment: &str, server: &str, base: Option<u64>, paint: Paint) -> String {
    let base = base.map_or_else(|| "first revision".to_owned(), |base| format!("after revision {base}"));
    format!("{} in {server} ({base})\n\n", paint.bold(&titled(application, environment)))
}

/// `shop/production`, or `shop` without an environment.
pub(super) fn titled(application: &str, environment: &str) -> String {
    if environment.is_empty() { application.to_owned() } else { format!("{application}/{environment}") }
}

/// What no server was asked about, once for each reason.
fn worked_out_here(out: &mut String, stage: &Stage, paint: Paint) {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for change in &stage.changes {
        let Certainty::Local(because) = &change.certain else { continue };
        if *because == Because::NoDryRun {
            continue;
        }
        let words = because_words(because);
        match reasons.iter_mut().find(|(known, _)| *known == words) {
            Some((_, addresses)) => addresses.push(change.address.to_string()),
            None => reasons.push((words, vec![change.address.to_string()])),
        }
    }
    for (words, addresses) in reasons {
        let which = match addresses.as_slice() {
            [one] => one.clone(),
            more => format!("{} changes", more.len()),
        };
        out.push_str(&paint.dim(&format!("{which} worked out here, not by the server: {words}")));
        out.push('\n');
    }
}

fn change_text(out: &mut String, shown: &ChangeView, change: &Change, style: PlanStyle) {
    let paint = style.paint;
    let (sign, after) = match &change.action {
        Action::Create => (paint.green("+"), String::new()),
        Action::Update => (paint.yellow("~"), String::new()),
        Action::Succeed { predecessor } => (paint.yellow("~"), format!(" instead of {}", predecessor.name)),
        Action::Replace { .. } => (paint.red("±"), String::new()),
        Action::Rerun => (paint.yellow("↻"), String::new()),
        Action::Delete | Action::Retire => (paint.red("-"), String::new()),
        Action::Settle => (paint.dim("…"), String::new()),
        Action::Keep { why } => (paint.dim("="), format!(" let be: {}", why.words())),
    };
    // That nothing restarts is worth saying of what runs.
    let effect = if matches!(change.action, Action::Keep { .. })
        || change.consequence == Consequence::Nothing && change.key.role.as_str() != "workload"
    {
        String::new()
    } else {
        format!("  {}", paint.dim(&shown.effect))
    };
    let _ = writeln!(out, "{sign} {}{after}{effect}", paint.bold(&shown.address));
    let whole = matches!(change.action, Action::Create | Action::Delete | Action::Retire);
    if !whole {
        for difference in &shown.differences {
            difference_text(out, difference, style);
        }
    }
    // What the whole was asked for needs no line at each part.
    let asked = change.causes.iter().all(|cause| matches!(cause, Cause::Asked { .. }));
    for cause in shown.causes.iter().filter(|_| !asked) {
        let told = shown.differences.iter().any(|difference| difference.written.as_deref() == Some(cause.as_str()));
        if whole || !told {
            out.push_str(&paint.dim(&format!("    {cause}")));
            out.push('\n');
        }
    }
    for needs in &shown.needs {
        let _ = writeln!(out, "    {} {needs}", paint.red("needs consent:"));
    }
}

fn difference_text(out: &mut String, difference: &DifferenceView, style: PlanStyle) {
    let paint = style.paint;
    let one_line = |text: &Masked| text.as_str().lines().count() <= 1 && text.as_str().chars().count() <= 60;
    let short = difference.before.iter().chain(&difference.after).all(one_line);
    match (&difference.before, &difference.after) {
        (Some(before), Some(after)) if short => {
            let _ = writeln!(
                out,
                "    {}: {} → {}",
                difference.path,
                paint.red(before.as_str()),
                paint.green(after.as_str())
            );
        }
        (None, Some(after)) if short => {
            let _ = writeln!(out, "    {}: {}", difference.path, paint.green(&format!("+ {after}")));
        }
        (Some(before), None) if short => {
            let _ = writeln!(out, "    {}: {}", difference.path, paint.red(&format!("- {before}")));
        }
        (before, after) => {
            let _ = writeln!(out, "    {}:", difference.path);
            let (before, after) = (before.clone().unwrap_or_default(), after.clone().unwrap_or_default());
            for hunk in similar::TextDiff::from_lines(before.as_str(), after.as_str())
                .unified_diff()
                .context_radius(style.lines)
                .iter_hunks()
            {
                for line in hunk.iter_changes() {
                    let text = line.value().trim_end_matches('\n');
                    let line = match line.tag() {
                        similar::ChangeTag::Delete => paint.red(&format!("- {text}")),
                        similar::ChangeTag::Insert => paint.green(&format!("+ {text}")),
                        similar::ChangeTag::Equal => format!("  {text}"),
                    };
                    let _ = writeln!(out, "      {line}");
                }
            }
        }
    }
    if let Some(written) = &difference.written {
        out.push_str(&paint.dim(&format!("        {written}")));
        out.push('\n');
    }
}
