//! How far an app has come, and what keeps it.

use serde_json::Value as Json;

use crate::{
    platform::State,
    value::{Masked, Secrets},
};

/// A deployment that goes on.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) apps: Vec<String>,
    step: u64,
    steps: u64,
}

/// All that go on.
pub(super) fn deployments(json: &Json) -> Vec<Deployment> {
    let read = |one: &Json| {
        let number = |name: &str| one.get(name).and_then(Json::as_u64).unwrap_or_default();
        let apps = one.get("affectedApps").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        Some(Deployment {
            id: one.get("id")?.as_str()?.to_owned(),
            apps: apps.map(str::to_owned).collect(),
            step: number("currentStep"),
            steps: number("totalSteps"),
        })
    };
    json.as_array().into_iter().flatten().filter_map(read).collect()
}

/// How an app stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Settled,
    Moving { ready: u32, wanted: u32, text: String },
}

impl Standing {
    /// Of an app as the API tells it with its counts.
    pub(super) fn of(app: &Json, deployments: &[Deployment]) -> Self {
        let number =
            |name: &str| u32::try_from(app.get(name).and_then(Json::as_u64).unwrap_or_default()).unwrap_or(u32::MAX);
        let id = app.get("id").and_then(Json::as_str).unwrap_or_default();
        let checked = app.get("healthChecks").and_then(Json::as_array).is_some_and(|all| !all.is_empty());
        let wanted = number("instances");
        let (ready, word) =
            if checked { (number("tasksHealthy"), "healthy") } else { (number("tasksRunning"), "running") };
        if let Some(deployment) = deployments.iter().find(|one| one.apps.iter().any(|app| app == id)) {
            let text = format!(
                "{ready} of {wanted} {word}, step {} of {} of deployment {}",
                deployment.step, deployment.steps, deployment.id
            );
            return Self::Moving { ready, wanted, text };
        }
        if ready >= wanted && number("tasksStaged") == 0 {
            return Self::Settled;
        }
        Self::Moving { ready, wanted, text: format!("{ready} of {wanted} {word}") }
    }

    pub(super) fn state(&self, secrets: &Secrets) -> State {
        match self {
            Self::Settled => State::Settled,
            Self::Moving { ready, wanted, text } => {
                State::Progressing { ready: *ready, wanted: *wanted, text: secrets.scrub(text) }
            }
        }
    }
}

/// What keeps an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) code: &'static str,
    pub(super) text: String,
    pub(super) remedy: &'static str,
    /// The task that failed, where it is one; so many of them are believed.
    pub(super) task: Option<String>,
}

impl Trouble {
    /// Of an app: that its last task failed, or that no offer fits it.
    pub(super) fn of(app: &Json, queue: &Json) -> Option<Self> {
        Self::failed(app).or_else(|| Self::waiting(app, queue)).or_else(|| Self::unhealthy(app))
    }

    fn failed(app: &Json) -> Option<Self> {
        let failure = app.get("lastTaskFailure").filter(|failure| failure.is_object())?;
        let text = |name: &str| failure.get(name).and_then(Json::as_str).unwrap_or_default();
        let now = app.pointer("/versionInfo/lastConfigChangeAt").and_then(Json::as_str);
        // What an earlier form of the app did says nothing of this one.
        if now.is_some_and(|now| text("version") < now) {
            return None;
        }
        let message = text("message");
        let lower = message.to_ascii_lowercase();
        let (code, remedy) = if lower.contains("pull") || lower.contains("manifest") {
            (
                "image-pull",
                "check that the registry has the digest, and that the agents may pull it (`pull` under `marathon`)",
            )
        } else if lower.contains("fetch") {
            ("fetch", "check that the agents reach the store of files")
        } else if lower.contains("secret") {
            ("secret", "check that the cluster's store has the secret, and that the app may read it")
        } else if lower.contains("memory limit") || lower.contains("137") {
            ("out-of-memory", "give it more memory (deploy.resources.limits.memory)")
        } else {
            ("crash-loop", "read what it said in its sandbox: `dcos task log`")
        };
        let host = text("host");
        let at = if host.is_empty() { String::new() } else { format!(" on {host}") };
        Some(Self {
            code,
            text: format!("its last task ended as {}{at}: {message}", text("state")),
            remedy,
            task: Some(text("taskId").to_owned()),
        })
    }

    fn waiting(app: &Json, queue: &Json) -> Option<Self> {
        let id = app.get("id")?.as_str()?;
        let all = queue.get("queue")?.as_array()?;
        let entry = all.iter().find(|entry| entry.pointer("/app/id").and_then(Json::as_str) == Some(id))?;
        let count = entry.get("count").and_then(Json::as_u64).unwrap_or_default();
        let rejected = entry.pointer("/processedOffersSummary/rejectSummaryLastOffers").and_then(Json::as_array);
        let reasons: Vec<String> = rejected
            .into_iter()
            .flatten()
            .filter_map(|one| {
                let declined = one.get("declined").and_then(Json::as_u64).filter(|declined| *declined > 0)?;
                let processed = one.get("processed").and_then(Json::as_u64).unwrap_or(declined);
                Some(format!("{} ({declined} of {processed} offers)", one.get("reason")?.as_str()?))
            })
            .collect();
        if reasons.is_empty() {
            return None;
        }
        Some(Self {
            code: "unschedulable",
            text: format!("{count} waiting for an offer that fits: {}", reasons.join(", ")),
            remedy: "give the cluster room, or ask for less (resources, placement, ports, volumes)",
            task: None,
        })
    }

    fn unhealthy(app: &Json) -> Option<Self> {
        let unhealthy = app.get("tasksUnhealthy").and_then(Json::as_u64).filter(|count| *count > 0)?;
        Some(Self {
            code: "probe-failing",
            text: format!("{unhealthy} running, and not healthy"),
            remedy: "check the health check of the service, and read what it said: `dcos task log`",
            task: None,
        })
    }

    pub(super) fn masked(&self, secrets: &Secrets) -> Masked {
        secrets.scrub(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_app_is_there_when_its_deployment_is_over_and_its_tasks_are() {
        let app = |healthy: u64| json!({"id": "/web", "instances": 2, "tasksRunning": 2, "tasksHealthy": healthy, "healthChecks": [{}]});
        let going = deployments(&json!([{"id": "d", "affectedApps": ["/web"], "currentStep": 1, "totalSteps": 2}]));
        assert_eq!(Standing::of(&app(2), &[]), Standing::Settled);
        assert_eq!(
            Standing::of(&app(2), &going),
            Standing::Moving { ready: 2, wanted: 2, text: "2 of 2 healthy, step 1 of 2 of deployment d".into() }
        );
        assert!(matches!(Standing::of(&app(1), &[]), Standing::Moving { ready: 1, wanted: 2, .. }));
    }

    #[test]
    fn each_kind_of_trouble_has_its_code() {
        let failed = |message: &str| {
            json!({"id": "/web", "versionInfo": {"lastConfigChangeAt": "2"}, "lastTaskFailure": {"message": message,
                "state": "TASK_FAILED", "taskId": "t", "host": "a", "version": "2"}})
        };
        let none = json!({"queue": []});
        let code = |app: &Json, queue: &Json| Trouble::of(app, queue).map(|trouble| trouble.code);
        assert_eq!(code(&failed("Failed to launch container: pull access denied"), &none), Some("image-pull"));
        assert_eq!(code(&failed("Failed to fetch all URIs"), &none), Some("fetch"));
        assert_eq!(code(&failed("Container exited with status 3"), &none), Some("crash-loop"));
        let mut old = failed("x");
        old["lastTaskFailure"]["version"] = "1".into();
        assert_eq!(code(&old, &none), None, "an earlier form");
        let queue = json!({"queue": [{"app": {"id": "/web"}, "count": 1, "processedOffersSummary": {
            "rejectSummaryLastOffers": [{"reason": "InsufficientMemory", "declined": 3, "processed": 4}]}}]});
        assert_eq!(
            Trouble::of(&json!({"id": "/web"}), &queue).map(|trouble| trouble.text).as_deref(),
            Some("1 waiting for an offer that fits: InsufficientMemory (3 of 4 offers)")
        );
        assert_eq!(code(&json!({"id": "/web", "tasksUnhealthy": 1}), &none), Some("probe-failing"));
    }
}
