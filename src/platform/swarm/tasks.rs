//! How far a service has come, by its tasks. Tasks of an earlier spec count for nothing.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::live::text;
use crate::{
    platform::{Reason, State},
    target::Condition,
    value::{Masked, Secrets},
};

/// How far a service has come; what engines say in it is not yet searched for secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Where it should be.
    Settled,
    /// On its way, with what is wrong on it, if anything is.
    Moving { ready: u32, wanted: u32, text: String, trouble: Option<Trouble> },
    /// It will not get there by itself.
    Failed(Trouble),
}

/// What is wrong with the tasks of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trouble {
    /// As in [`Reason`].
    pub(super) code: &'static str,
    /// In the engine's words.
    pub(super) text: String,
    /// What to do.
    pub(super) remedy: &'static str,
    /// Whether it is believed when it lasts, before the deadline.
    pub(super) lasts: bool,
    /// The task whose last lines tell more.
    pub(super) task: Option<String>,
}

impl Progress {
    /// As it may be shown.
    pub(super) fn state(self, secrets: &Secrets) -> State {
        match self {
            Self::Settled => State::Settled,
            Self::Moving { ready, wanted, text, trouble } => {
                let text = trouble.map_or(text, |trouble| trouble.text);
                State::Progressing { ready, wanted, text: secrets.scrub(&text) }
            }
            Self::Failed(trouble) => State::Failed(trouble.reason(secrets, Vec::new())),
        }
    }
}

impl Trouble {
    /// As it may be shown.
    pub(super) fn reason(&self, secrets: &Secrets, logs: Vec<Masked>) -> Reason {
        Reason { code: self.code, text: secrets.scrub(&self.text), logs, remedy: self.remedy }
    }
}

/// A service that keeps failing tasks so often is believed to go on like that.
const FAILURES: usize = 3;

/// How far a service has come on its way to `when`. `tasks` are those of its spec as it is; `is_wanted`: that spec is
/// the one that is waited for.
pub(super) fn progress(service: &Json, tasks: &[Json], when: Condition, is_wanted: bool) -> Progress {
    let mode = service.pointer("/Spec/Mode").and_then(Json::as_object).and_then(|mode| mode.keys().next());
    if mode.is_some_and(|mode| mode.ends_with("Job")) {
        return job(service, tasks, when);
    }
    let update = text(service, "/UpdateStatus/State");
    let message = text(service, "/UpdateStatus/Message");
    let trouble = trouble(tasks);
    let told = |before: &str| match &trouble {
        Some(trouble) => format!("{before}: {}", trouble.text),
        None if message.is_empty() => before.to_owned(),
        None => format!("{before}: {message}"),
    };
    let failed = |code, before: &str, remedy| {
        let task = trouble.as_ref().and_then(|trouble| trouble.task.clone());
        Progress::Failed(Trouble { code, text: told(before), remedy, lasts: true, task })
    };
    let again = "see why its tasks fail, then apply again";
    match update {
        "paused" => return failed("update-paused", "the update stopped where it was", again),
        "rollback_paused" => return failed("rollback-paused", "the way back to what ran before stopped", again),
        _ => {}
    }
    let running = tasks.iter().filter(|task| is(task, "running", "running")).count();
    let replicas = service.pointer("/Spec/Mode/Replicated/Replicas").and_then(Json::as_u64);
    let wanted = if let Some(replicas) = replicas {
        usize::try_from(replicas).unwrap_or(usize::MAX)
    } else {
        // One on each node that may have it; which those are the manager knows.
        let meant = tasks.iter().filter(|task| text(task, "/DesiredState") == "running");
        meant.map(|task| text(task, "/NodeID")).collect::<BTreeSet<_>>().len().max(1)
    };
    let moving = |text: String| Progress::Moving {
        ready: small(running.min(wanted)),
        wanted: small(wanted),
        text,
        trouble: trouble.clone(),
    };
    match update {
        "updating" => moving(format!("{running} of {wanted} renewed")),
        "rollback_started" => moving(told("the Swarm goes back to what ran before")),
        _ if running < wanted => moving(format!("{running} of {wanted} run")),
        // A Swarm calls a rollback completed before the tasks run that it went back to: they were waited for.
        "rollback_completed" if !is_wanted => failed("rolled-back", "the Swarm went back to what ran before", again),
        _ => Progress::Settled,
    }
}

fn job(service: &Json, tasks: &[Json], when: Condition) -> Progress {
    let iteration = |object: &Json, pointer: &str| object.pointer(pointer).and_then(Json::as_u64).unwrap_or_default();
    let current = iteration(service, "/JobStatus/JobIteration/Index");
    let of_it: Vec<&Json> = tasks.iter().filter(|task| iteration(task, "/JobIteration/Index") == current).collect();
    let state = |task: &Json| text(task, "/Status/State").to_owned();
    let completed = of_it.iter().filter(|task| state(task) == "complete").count();
    let over = ["complete", "failed", "rejected", "shutdown", "remove", "orphaned"];
    let open = of_it.iter().filter(|task| !over.contains(&state(task).as_str())).count();
    let failed = of_it.len() - open - completed;
    let wanted = match service.pointer("/Spec/Mode/ReplicatedJob/TotalCompletions").and_then(Json::as_u64) {
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        None => of_it.iter().map(|task| text(task, "/NodeID")).collect::<BTreeSet<_>>().len().max(1),
    };
    let runs = of_it.iter().any(|task| state(task) == "running");
    if completed >= wanted || (when == Condition::Started && runs) {
        return Progress::Settled;
    }
    let owned: Vec<Json> = of_it.into_iter().cloned().collect();
    let trouble = trouble(&owned);
    if open == 0 && failed > 0 {
        let (text, task) = trouble.map_or_else(Default::default, |trouble| (trouble.text, trouble.task));
        let remedy = "read its last lines; once the cause is gone, apply runs it again";
        return Progress::Failed(Trouble { code: "job-failed", text, remedy, lasts: true, task });
    }
    let text = match failed {
        0 if runs => "running".to_owned(),
        0 => "not yet started".to_owned(),
        failed => format!("failed {failed} times, and is tried again"),
    };
    Progress::Moving { ready: small(completed.min(wanted)), wanted: small(wanted), text, trouble }
}

/// What is wrong with these tasks, by the last of them that it is said of.
fn trouble(tasks: &[Json]) -> Option<Trouble> {
    let bad = |task: &&Json| {
        !text(task, "/Status/Err").is_empty() || matches!(text(task, "/Status/State"), "failed" | "rejected")
    };
    // Whatever runs again is over it.
    let mut told: Vec<&Json> = tasks.iter().filter(bad).collect();
    told.sort_by_key(|task| text(task, "/Status/Timestamp"));
    let last = told.last()?;
    let (error, message) = (text(last, "/Status/Err"), text(last, "/Status/Message"));
    let failures = told.iter().filter(|task| text(task, "/Status/State") == "failed").count();
    let rejected = told.iter().filter(|task| text(task, "/Status/State") == "rejected").count();
    let words = if error.is_empty() { message } else { error };
    let (code, remedy, lasts) = if error.contains("No such image") || error.contains("pull access denied") {
        let remedy = "check that the nodes reach the registry, and may pull from it";
        ("image-pull", remedy, true)
    } else if error.contains("no suitable node") || text(last, "/Status/State") == "pending" {
        ("unschedulable", "check placement and resources against `docker node ls`", true)
    } else if error.contains("unhealthy container") {
        ("probe-failing", "see what the health check asks, and what the container says", failures >= FAILURES)
    } else if rejected > 0 {
        ("rejected", "see what the engine of the node says", true)
    } else {
        ("crash-loop", "see what the container says", failures >= FAILURES)
    };
    let task = matches!(code, "probe-failing" | "crash-loop").then(|| text(last, "/ID").to_owned());
    Some(Trouble { code, text: words.to_owned(), remedy, lasts, task })
}

fn is(task: &Json, desired: &str, state: &str) -> bool {
    text(task, "/DesiredState") == desired && text(task, "/Status/State") == state
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "literals of JSON are handed over")]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(progress: Progress) -> String {
        match progress {
            Progress::Settled => "settled".to_owned(),
            Progress::Moving { ready, wanted, text, trouble } => {
                let trouble =
                    trouble.map(|trouble| format!("; {}: {}", trouble.code, trouble.text)).unwrap_or_default();
                format!("{ready}/{wanted} {text}{trouble}")
            }
            Progress::Failed(trouble) => format!("failed {}: {}", trouble.code, trouble.text),
        }
    }

    fn task(desired: &str, state: &str, error: &str) -> Json {
        json!({"ID": "t", "DesiredState": desired, "NodeID": "n", "JobIteration": {"Index": 1},
            "Status": {"State": state, "Err": error, "Timestamp": "2026-01-01"}})
    }

    fn service(update: Json, tasks: &[Json]) -> String {
        let service = json!({"Spec": {"Mode": {"Replicated": {"Replicas": 2}}}, "UpdateStatus": update});
        told(progress(&service, tasks, Condition::Started, false))
    }

    #[test]
    fn services() {
        let up = || task("running", "running", "");
        assert_eq!(service(json!(null), &[up(), up()]), "settled");
        assert_eq!(service(json!(null), &[]), "0/2 0 of 2 run");
        assert_eq!(service(json!({"State": "completed"}), &[up()]), "1/2 1 of 2 run");
        assert_eq!(service(json!({"State": "updating"}), &[up(), up()]), "2/2 2 of 2 renewed");
        let missing = task("shutdown", "rejected", "No such image: registry.example.com/x@sha256:1");
        assert_eq!(
            service(json!({"State": "updating"}), &[missing, task("running", "preparing", "")]),
            "0/2 0 of 2 renewed; image-pull: No such image: registry.example.com/x@sha256:1"
        );
        let nowhere = task("running", "pending", "no suitable node (scheduling constraints not satisfied on 1 node)");
        assert_eq!(
            service(json!(null), &[nowhere]),
            "0/2 0 of 2 run; unschedulable: no suitable node (scheduling constraints not satisfied on 1 node)"
        );
    }

    /// An update that went back is a failure, and one that stopped as well, with what the last task said.
    #[test]
    fn updates_that_did_not_come_through() {
        let failed = || task("shutdown", "failed", "task: non-zero exit (1)");
        let (up, back) = (
            || task("running", "running", ""),
            json!({"State": "rollback_completed", "Message": "rollback completed"}),
        );
        assert_eq!(service(back.clone(), &[up(), task("running", "pending", "")]), "1/2 1 of 2 run");
        assert_eq!(
            service(back, &[up(), up()]),
            "failed rolled-back: the Swarm went back to what ran before: rollback completed"
        );
        assert_eq!(
            service(json!({"State": "paused", "Message": "update paused due to failure"}), &[failed()]),
            "failed update-paused: the update stopped where it was: task: non-zero exit (1)"
        );
        assert_eq!(
            service(json!({"State": "rollback_paused"}), &[failed()]),
            "failed rollback-paused: the way back to what ran before stopped: task: non-zero exit (1)"
        );
        let service = json!({"Spec": {"Mode": {"Replicated": {"Replicas": 0}}},
            "UpdateStatus": {"State": "rollback_completed"}});
        // Somebody wants what it went back to.
        assert_eq!(told(progress(&service, &[], Condition::Started, true)), "settled");
    }

    #[test]
    fn jobs() {
        let service = json!({"Spec": {"Mode": {"ReplicatedJob": {"TotalCompletions": 1}}},
            "JobStatus": {"JobIteration": {"Index": 1}}});
        let of = |tasks: &[Json], when| told(progress(&service, tasks, when, true));
        assert_eq!(of(&[], Condition::Completed), "0/1 not yet started");
        assert_eq!(of(&[task("complete", "running", "")], Condition::Completed), "0/1 running");
        assert_eq!(of(&[task("complete", "running", "")], Condition::Started), "settled");
        assert_eq!(of(&[task("complete", "complete", "")], Condition::Completed), "settled");
        let failed = || task("shutdown", "failed", "task: non-zero exit (3)");
        assert_eq!(of(&[failed()], Condition::Completed), "failed job-failed: task: non-zero exit (3)");
        assert!(of(&[failed(), task("complete", "ready", "")], Condition::Completed).contains("tried again"));
        // Of the run before.
        let mut before = task("complete", "complete", "");
        before["JobIteration"]["Index"] = 0.into();
        assert_eq!(of(&[before], Condition::Completed), "0/1 not yet started");
    }
}
