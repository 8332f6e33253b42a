//! Why something does not become ready, read from its pods.

use serde_json::Value as Json;

/// What is wrong with one pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trouble {
    /// As in [`Reason`](crate::platform::Reason).
    pub(super) code: &'static str,
    /// In the server's words.
    pub(super) text: String,
    /// What to do.
    pub(super) remedy: &'static str,
    /// When it is believed.
    pub(super) patience: Patience,
    /// Whose last lines tell more: pod, container, and whether those of the run before.
    pub(super) logs: Option<(String, String, bool)>,
}

/// How long trouble may last before it counts as failure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Patience {
    /// It cannot get better.
    None,
    /// It may have been a passing state.
    Short,
    /// Only the deadline tells.
    Deadline,
}

/// A container that started so often and ended each time is believed to go on like that.
const RESTARTS: u64 = 4;

/// What is wrong with these pods; the worst first.
pub(super) fn troubles(pods: &[Json]) -> Vec<Trouble> {
    let mut all: Vec<Trouble> = pods.iter().flat_map(pod).collect();
    all.sort_by_key(|trouble| trouble.patience);
    all
}

/// How many of these pods run all their containers.
pub(super) fn running(pods: &[Json]) -> usize {
    let runs = |pod: &&Json| {
        let statuses = list(pod, "/status/containerStatuses");
        string(pod, "/status/phase") == "Running"
            && !statuses.is_empty()
            && statuses.iter().all(|status| status.pointer("/state/running").is_some())
    };
    pods.iter().filter(runs).count()
}

fn pod(pod: &Json) -> Vec<Trouble> {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return Vec::new();
    }
    let name = string(pod, "/metadata/name");
    let mut found = Vec::new();
    let condition = |kind: &str| list(pod, "/status/conditions").iter().find(|one| string(one, "/type") == kind);
    if let Some(scheduled) = condition("PodScheduled")
        && string(scheduled, "/status") == "False"
    {
        found.push(Trouble {
            code: "unschedulable",
            text: format!("{name}: {}", string(scheduled, "/message")),
            remedy: "give the cluster room, or ask for less (resources, placement, volumes)",
            patience: Patience::Deadline,
            logs: None,
        });
    }
    if string(pod, "/status/phase") == "Failed" && !string(pod, "/status/reason").is_empty() {
        found.push(Trouble {
            code: "evicted",
            text: format!("{name}: {} {}", string(pod, "/status/reason"), string(pod, "/status/message")),
            remedy: "look at the node it ran on",
            patience: Patience::Deadline,
            logs: None,
        });
    }
    let before = list(pod, "/status/initContainerStatuses");
    let statuses = before.iter().chain(list(pod, "/status/containerStatuses"));
    found.extend(statuses.filter_map(|status| container(name, status)));
    found
}

fn container(pod: &str, status: &Json) -> Option<Trouble> {
    let name = string(status, "/name");
    let message = string(status, "/state/waiting/message");
    let said = |reason: &str| {
        if message.is_empty() { format!("{name}: {reason}") } else { format!("{name}: {reason}: {message}") }
    };
    let waiting = string(status, "/state/waiting/reason");
    let restarts = status.pointer("/restartCount").and_then(Json::as_u64).unwrap_or_default();
    let trouble = |code, text, remedy, patience, logs| Some(Trouble { code, text, remedy, patience, logs });
    match waiting {
        "InvalidImageName" | "ErrImageNeverPull" => {
            trouble("image-pull", said(waiting), "check the image's name and pull policy", Patience::None, None)
        }
        "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" => trouble(
            "image-pull",
            said(waiting),
            "check that the registry has the digest, and that the cluster may pull it (imagePullSecret)",
            Patience::Short,
            None,
        ),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => trouble(
            "container-config",
            said(waiting),
            "check the command, user, secrets and configs of the service",
            Patience::Short,
            None,
        ),
        // It never ran: what the runtime says of it stands where the end of the run before stands.
        "CrashLoopBackOff"
            if matches!(string(status, "/lastState/terminated/reason"), "StartError" | "ContainerCannotRun") =>
        {
            trouble(
                "container-config",
                format!("{name}: {}", string(status, "/lastState/terminated/message")),
                "check the command, user, secrets and configs of the service",
                Patience::Short,
                None,
            )
        }
        "CrashLoopBackOff" => {
            let ended = ended(status, "/lastState/terminated");
            let code = if ended.contains("OOMKilled") { "out-of-memory" } else { "crash-loop" };
            let remedy = if code == "out-of-memory" {
                "give it more memory (deploy.resources.limits.memory)"
            } else {
                "read its last lines"
            };
            trouble(
                code,
                format!("{name}: started {} times, and ended each time{ended}", restarts + 1),
                remedy,
                if restarts >= RESTARTS { Patience::None } else { Patience::Deadline },
                Some((pod.to_owned(), name.to_owned(), true)),
            )
        }
        _ if status.pointer("/state/terminated/exitCode").and_then(Json::as_u64).is_some_and(|code| code != 0) => {
            trouble(
                "ended",
                format!("{name}: ended{}", ended(status, "/state/terminated")),
                "read its last lines",
                Patience::Deadline,
                Some((pod.to_owned(), name.to_owned(), false)),
            )
        }
        _ if status.pointer("/state/running").is_some() && status.pointer("/ready") == Some(&Json::Bool(false)) => {
            trouble(
                "probe-failing",
                format!("{name}: runs, and is not ready"),
                "check the health check of the service, and read its last lines",
                Patience::Deadline,
                Some((pod.to_owned(), name.to_owned(), false)),
            )
        }
        _ => None,
    }
}

fn ended(status: &Json, pointer: &str) -> String {
    let Some(terminated) = status.pointer(pointer) else { return String::new() };
    let code = terminated.get("exitCode").and_then(Json::as_i64);
    let reason = terminated.get("reason").and_then(Json::as_str).unwrap_or_default();
    match code {
        Some(code) if reason.is_empty() || reason == "Error" => format!(" with code {code}"),
        Some(code) => format!(" with code {code} ({reason})"),
        None => String::new(),
    }
}

fn list<'a>(object: &'a Json, pointer: &str) -> &'a [Json] {
    object.pointer(pointer).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn string<'a>(object: &'a Json, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "literals of JSON are handed over")]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: Json) -> Vec<(&'static str, String, Patience)> {
        let pods = [json!({"metadata": {"name": "web-1"}, "status": status})];
        troubles(&pods).into_iter().map(|trouble| (trouble.code, trouble.text, trouble.patience)).collect()
    }

    #[test]
    fn each_kind_of_trouble_has_its_code() {
        let waiting = |reason: &str, message: &str| {
            json!({"containerStatuses": [{"name": "web", "restartCount": 4, "state": {"waiting": {"reason": reason, "message": message}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]})
        };
        assert_eq!(
            of(waiting("ImagePullBackOff", "not found")),
            [("image-pull", "web: ImagePullBackOff: not found".to_owned(), Patience::Short)]
        );
        assert_eq!(
            of(waiting("CrashLoopBackOff", "")),
            [(
                "out-of-memory",
                "web: started 5 times, and ended each time with code 137 (OOMKilled)".to_owned(),
                Patience::None
            )]
        );
        assert_eq!(of(waiting("CreateContainerConfigError", "secret \"x\" not found"))[0].0, "container-config");
        assert_eq!(
            of(json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]})),
            [("unschedulable", "web-1: 0/1 nodes".to_owned(), Patience::Deadline)]
        );
        assert_eq!(
            of(json!({"containerStatuses": [{"name": "web", "ready": false, "state": {"running": {}}}]})),
            [("probe-failing", "web: runs, and is not ready".to_owned(), Patience::Deadline)]
        );
        assert_eq!(
            of(
                json!({"containerStatuses": [{"name": "web", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]})
            ),
            [("ended", "web: ended with code 3".to_owned(), Patience::Deadline)]
        );
        assert_eq!(of(waiting("ContainerCreating", "")), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let pods = [
            json!({"metadata": {"name": "a"}, "status": {"containerStatuses": [{"name": "c", "ready": false, "state": {"running": {}}}]}}),
            json!({"metadata": {"name": "b"}, "status": {"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "InvalidImageName"}}}]}}),
        ];
        assert_eq!(
            troubles(&pods).iter().map(|trouble| trouble.code).collect::<Vec<_>>(),
            ["image-pull", "probe-failing"]
        );
        assert_eq!(running(&pods), 0);
    }
}
