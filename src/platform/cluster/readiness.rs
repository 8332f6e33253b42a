//! How far an object has come, by what it says of itself. Conditions and counts of an object whose
//! controller has not yet seen its last change are those of the change before, and count for nothing.

use serde_json::Value as Json;

use super::kind::Kind;
use crate::{
    platform::{Reason, State},
    target::Condition,
    value::{Masked, Secrets},
};

/// How far an object has come; what servers say in it is not yet searched for secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Where it should be.
    Settled,
    /// On its way.
    Moving { ready: u32, wanted: u32, text: String },
    /// It will not get there by itself.
    Failed { code: &'static str, text: String, remedy: &'static str },
    /// Being removed.
    Going,
}

impl Progress {
    fn moving(ready: u32, wanted: u32, text: impl Into<String>) -> Self {
        Self::Moving { ready, wanted, text: text.into() }
    }

    /// As it may be shown.
    pub(super) fn state(self, secrets: &Secrets) -> State {
        match self {
            Self::Settled => State::Settled,
            Self::Moving { ready, wanted, text } => State::Progressing { ready, wanted, text: secrets.scrub(&text) },
            Self::Failed { code, text, remedy } => {
                State::Failed(Reason { code, text: secrets.scrub(&text), logs: Vec::<Masked>::new(), remedy })
            }
            Self::Going => State::Going,
        }
    }
}

/// How far an object has come on its way to `when`.
pub(super) fn progress(object: &Json, kind: &Kind, when: Condition) -> Progress {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Progress::Going;
    }
    if when == Condition::Exists {
        return Progress::Settled;
    }
    let behind = number(object, "/status/observedGeneration") < number(object, "/metadata/generation");
    let unseen = || Progress::moving(0, wanted(object), "accepted, and not yet seen by its controller");
    match &*kind.name {
        "Deployment" | "StatefulSet" | "DaemonSet" if behind => unseen(),
        "Deployment" => deployment(object, when),
        "StatefulSet" => stateful_set(object, when),
        "DaemonSet" => daemon_set(object, when),
        "Job" => job(object, when),
        "PersistentVolumeClaim" => claim(object),
        "Service" => service(object, when),
        "Namespace" => match string(object, "/status/phase") {
            "Terminating" => Progress::Going,
            _ => Progress::Settled,
        },
        _ if !kind.is(&kind.name) => custom(object, behind),
        _ => Progress::Settled,
    }
}

fn deployment(object: &Json, when: Condition) -> Progress {
    if let Some(condition) = condition(object, "Progressing", "False") {
        return Progress::Failed {
            code: "deadline",
            text: string(condition, "/message").to_owned(),
            remedy: "look at its pods, then apply again",
        };
    }
    let wanted = wanted(object);
    let updated = count(object, "/status/updatedReplicas");
    let all = count(object, "/status/replicas");
    let available = count(object, "/status/availableReplicas");
    if let Some(condition) = condition(object, "ReplicaFailure", "True")
        && updated < wanted
    {
        return Progress::moving(available.min(wanted), wanted, string(condition, "/message"));
    }
    if updated < wanted {
        return Progress::moving(available.min(updated), wanted, format!("{updated} of {wanted} started"));
    }
    if when == Condition::Started {
        return Progress::Settled;
    }
    if all > updated {
        return Progress::moving(available.min(wanted), wanted, format!("{} old ones are still to end", all - updated));
    }
    if available < wanted {
        return Progress::moving(available, wanted, format!("{available} of {wanted} ready"));
    }
    Progress::Settled
}

fn stateful_set(object: &Json, when: Condition) -> Progress {
    let wanted = wanted(object);
    let ready = count(object, "/status/readyReplicas").min(wanted);
    let started = count(object, "/status/replicas");
    if string(object, "/spec/updateStrategy/type") != "OnDelete" {
        let updated = count(object, "/status/updatedReplicas");
        let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition").min(wanted);
        if updated < wanted - partition {
            return Progress::moving(
                ready.min(updated),
                wanted,
                format!("{updated} of {} renewed", wanted - partition),
            );
        }
    }
    if started < wanted {
        return Progress::moving(ready, wanted, format!("{started} of {wanted} started"));
    }
    if when == Condition::Started {
        return Progress::Settled;
    }
    if started > wanted {
        return Progress::moving(ready, wanted, format!("{} superfluous ones are still to end", started - wanted));
    }
    // Older servers do not count available ones apart.
    let available = match object.pointer("/status/availableReplicas") {
        Some(_) => count(object, "/status/availableReplicas").min(ready),
        None => ready,
    };
    if available < wanted {
        return Progress::moving(available, wanted, format!("{available} of {wanted} ready"));
    }
    Progress::Settled
}

fn daemon_set(object: &Json, when: Condition) -> Progress {
    let wanted = count(object, "/status/desiredNumberScheduled");
    let available = count(object, "/status/numberAvailable").min(wanted);
    if string(object, "/spec/updateStrategy/type") != "OnDelete" {
        let updated = count(object, "/status/updatedNumberScheduled");
        if updated < wanted {
            return Progress::moving(available.min(updated), wanted, format!("{updated} of {wanted} renewed"));
        }
    }
    if when == Condition::Started && count(object, "/status/currentNumberScheduled") >= wanted {
        return Progress::Settled;
    }
    if available < wanted {
        return Progress::moving(available, wanted, format!("{available} of {wanted} ready"));
    }
    Progress::Settled
}

fn job(object: &Json, when: Condition) -> Progress {
    if condition(object, "Complete", "True").is_some() {
        return Progress::Settled;
    }
    if let Some(condition) = condition(object, "Failed", "True") {
        return Progress::Failed {
            code: "job-failed",
            text: string(condition, "/message").to_owned(),
            remedy: "read its last lines; once the cause is gone, apply runs it again",
        };
    }
    let wanted = object.pointer("/spec/completions").and_then(Json::as_u64).map_or(1, small);
    let succeeded = count(object, "/status/succeeded");
    let active = count(object, "/status/active");
    if when == Condition::Started && active + succeeded > 0 {
        return Progress::Settled;
    }
    let text = match (string(object, "/spec/suspend"), count(object, "/status/failed")) {
        _ if object.pointer("/spec/suspend") == Some(&Json::Bool(true)) => "suspended".to_owned(),
        (_, 0) if active > 0 => "running".to_owned(),
        (_, 0) => "not yet started".to_owned(),
        (_, failed) => format!("failed {failed} times, and is tried again"),
    };
    Progress::moving(succeeded.min(wanted), wanted, text)
}

/// A claim whose class waits for its first consumer is pending until then: waiting here would wait for ever.
fn claim(object: &Json) -> Progress {
    match string(object, "/status/phase") {
        "Lost" => Progress::Failed {
            code: "volume-lost",
            text: "the volume behind the claim is gone".to_owned(),
            remedy: "restore the volume, or remove the claim and its data",
        },
        _ => Progress::Settled,
    }
}

fn service(object: &Json, when: Condition) -> Progress {
    let waits = when >= Condition::Healthy && string(object, "/spec/type") == "LoadBalancer";
    let ingress = object.pointer("/status/loadBalancer/ingress").and_then(Json::as_array);
    if waits && ingress.is_none_or(Vec::is_empty) {
        return Progress::moving(0, 1, "waits for an address of a load balancer");
    }
    Progress::Settled
}

/// Kinds that we do not know, by the conditions most of them agree on.
fn custom(object: &Json, behind: bool) -> Progress {
    if behind && object.pointer("/status/observedGeneration").is_some() {
        return Progress::moving(0, 1, "accepted, and not yet seen by its controller");
    }
    if let Some(condition) = condition(object, "Stalled", "True") {
        return Progress::Failed {
            code: "stalled",
            text: string(condition, "/message").to_owned(),
            remedy: "look at the object and at what looks after its kind",
        };
    }
    let moving = condition(object, "Reconciling", "True").or_else(|| condition(object, "Ready", "False"));
    match moving {
        Some(condition) => Progress::moving(0, 1, string(condition, "/message")),
        None => Progress::Settled,
    }
}

fn condition<'a>(object: &'a Json, name: &str, status: &str) -> Option<&'a Json> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|one| string(one, "/type") == name && string(one, "/status") == status)
}

/// The replicas wanted; what is not said is one.
fn wanted(object: &Json) -> u32 {
    object.pointer("/spec/replicas").and_then(Json::as_u64).map_or(1, small)
}

fn count(object: &Json, pointer: &str) -> u32 {
    small(number(object, pointer))
}

fn number(object: &Json, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Json::as_u64).unwrap_or_default()
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn string<'a>(object: &'a Json, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "literals of JSON are handed over")]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: &str, object: Json, when: Condition) -> String {
        let kind = Kind::known(kind).unwrap_or_else(|| Kind {
            api_version: "example.com/v1".into(),
            name: "Widget".into(),
            plural: "widgets".into(),
            namespaced: true,
        });
        match progress(&object, &kind, when) {
            Progress::Settled => "settled".to_owned(),
            Progress::Moving { ready, wanted, text } => format!("{ready}/{wanted} {text}"),
            Progress::Failed { code, text, .. } => format!("failed {code}: {text}"),
            Progress::Going => "going".to_owned(),
        }
    }

    #[test]
    fn deployments() {
        let deployment =
            |status: Json| json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status});
        let of = |status: Json| of("apps/v1/Deployment", deployment(status), Condition::Healthy);
        // What `Progressing` says is of the generation before.
        assert_eq!(
            of(json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
                "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]})),
            "0/2 accepted, and not yet seen by its controller"
        );
        assert_eq!(
            of(json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2})),
            "1/2 1 of 2 started"
        );
        assert_eq!(
            of(json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3})),
            "2/2 1 old ones are still to end"
        );
        assert_eq!(
            of(json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1})),
            "1/2 1 of 2 ready"
        );
        assert_eq!(
            of(json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2})),
            "settled"
        );
        assert_eq!(
            of(json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]})),
            "failed deadline: timed out"
        );
        assert_eq!(
            of(
                json!({"observedGeneration": 2, "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]})
            ),
            "0/2 exceeded quota"
        );
    }

    #[test]
    fn other_workloads() {
        let set = json!({"metadata": {"generation": 1}, "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 0}});
        assert_eq!(of("apps/v1/StatefulSet", set, Condition::Healthy), "0/1 0 of 1 renewed");
        let set = json!({"metadata": {"generation": 1}, "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1}});
        assert_eq!(of("apps/v1/StatefulSet", set, Condition::Healthy), "settled");
        let daemons = json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "desiredNumberScheduled": 3,
            "updatedNumberScheduled": 3, "numberAvailable": 2}});
        assert_eq!(of("apps/v1/DaemonSet", daemons, Condition::Healthy), "2/3 2 of 3 ready");
        let job = |status: Json| json!({"spec": {}, "status": status});
        assert_eq!(of("batch/v1/Job", job(json!({"active": 1})), Condition::Completed), "0/1 running");
        assert_eq!(of("batch/v1/Job", job(json!({"active": 1})), Condition::Started), "settled");
        assert_eq!(
            of("batch/v1/Job", job(json!({"active": 1, "failed": 2})), Condition::Completed),
            "0/1 failed 2 times, and is tried again"
        );
        assert_eq!(
            of(
                "batch/v1/Job",
                job(json!({"conditions": [{"type": "Complete", "status": "True"}]})),
                Condition::Completed
            ),
            "settled"
        );
        assert_eq!(
            of(
                "batch/v1/Job",
                job(json!({"conditions": [{"type": "Failed", "status": "True", "message": "backoff limit"}]})),
                Condition::Completed
            ),
            "failed job-failed: backoff limit"
        );
    }

    #[test]
    fn the_rest() {
        assert_eq!(
            of("v1/PersistentVolumeClaim", json!({"status": {"phase": "Pending"}}), Condition::Healthy),
            "settled"
        );
        let service = json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}});
        assert_eq!(
            of("v1/Service", service.clone(), Condition::Healthy),
            "0/1 waits for an address of a load balancer"
        );
        assert_eq!(of("v1/Service", service, Condition::Exists), "settled");
        assert_eq!(of("v1/ConfigMap", json!({}), Condition::Healthy), "settled");
        assert_eq!(of("v1/ConfigMap", json!({"metadata": {"deletionTimestamp": "x"}}), Condition::Exists), "going");
        let widget = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "message": "busy"}]}});
        assert_eq!(of("example.com/v1/Widget", widget, Condition::Healthy), "0/1 busy");
    }
}
