//! Apps with their tasks, and how those come up, get healthy, fail and go.

use serde_json::{Value as Json, json};

use super::{State, agents::Seen};

/// How the tasks of an app behave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// They come up, and are healthy.
    #[default]
    Well,
    /// No offer fits; why, as the queue tells it.
    NoOffers(&'static str),
    /// Every one of them ends, with these words.
    Fails(&'static str),
    /// They run, and are not healthy.
    Unhealthy,
    /// They are staged, and stay so.
    Staged,
}

/// An app, or what is left of one that is being removed.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) definition: Json,
    pub(super) version: String,
    pub(super) last_scaling: String,
    pub(super) last_config: String,
    pub(super) tasks: Vec<Task>,
    pub(super) last_failure: Option<Json>,
    /// How many tasks wait for an offer.
    pub(super) waiting: u64,
    /// Since when.
    pub(super) waiting_since: String,
}

/// One task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) running: bool,
    pub(super) healthy: Option<bool>,
    pub(super) started: String,
}

impl App {
    pub(super) fn wanted(&self) -> usize {
        self.definition["instances"].as_u64().unwrap_or_default() as usize
    }

    pub(super) fn checked(&self) -> bool {
        self.definition["healthChecks"].as_array().is_some_and(|all| !all.is_empty())
    }

    /// Whether a task answers as far as anybody asks.
    pub(super) fn is_up(&self, task: &Task) -> bool {
        task.running && (!self.checked() || task.healthy == Some(true))
    }

    /// Tasks of the version that is wanted which are up.
    pub(super) fn new_up(&self) -> usize {
        self.tasks.iter().filter(|task| task.version == self.last_config && self.is_up(task)).count()
    }

    pub(super) fn new_tasks(&self) -> usize {
        self.tasks.iter().filter(|task| task.version == self.last_config).count()
    }

    pub(super) fn counts(&self) -> Json {
        let count = |test: &dyn Fn(&Task) -> bool| self.tasks.iter().filter(|task| test(task)).count();
        json!({
            "tasksStaged": count(&|task| !task.running),
            "tasksRunning": count(&|task| task.running),
            "tasksHealthy": count(&|task| task.healthy == Some(true)),
            "tasksUnhealthy": count(&|task| task.healthy == Some(false)),
        })
    }
}

impl State {
    /// Starts one task, where there is an offer for it.
    pub(super) fn launch(&mut self, id: &str) {
        let (name, now) = (id.trim_start_matches('/').replace('/', "_"), self.now());
        if let Behaviour::NoOffers(_) = self.behaviour(id) {
            let app = self.apps.get_mut(id).unwrap();
            app.waiting = 1;
            if app.waiting_since.is_empty() {
                app.waiting_since = now;
            }
            return;
        }
        let fresh = self.fresh();
        let task_id = format!("{name}.instance-{fresh}._app.1");
        let app = self.apps.get_mut(id).unwrap();
        app.waiting = 0;
        let version = app.last_config.clone();
        app.tasks.push(Task { id: task_id.clone(), version, running: false, healthy: None, started: now });
        self.status(id, &task_id, "TASK_STAGING", "");
    }

    fn status(&mut self, app: &str, task: &str, word: &str, message: &str) {
        self.event(
            "status_update_event",
            json!({"appId": app, "taskId": task, "taskStatus": word, "message": message}),
        );
    }

    /// A task that ends by itself.
    pub(super) fn fail(&mut self, id: &str, task: &str, message: &str) {
        let now = self.now();
        if let Some(agents) = &mut self.agents {
            agents.end(task);
        }
        let Some(app) = self.apps.get_mut(id) else { return };
        app.tasks.retain(|known| known.id != task);
        app.last_failure = Some(json!({
            "appId": id, "host": "10.0.0.1", "message": message, "state": "TASK_FAILED", "taskId": task,
            "timestamp": now, "version": app.last_config, "slaveId": "agent-0",
        }));
        self.status(id, task, "TASK_FAILED", message);
    }

    /// Ends a task.
    pub(super) fn kill(&mut self, id: &str, task: &str) {
        if let Some(agents) = &mut self.agents {
            agents.end(task);
        }
        for app in self
            .apps
            .get_mut(id)
            .into_iter()
            .chain(self.deployments.iter_mut().filter_map(|one| one.removed.get_mut(id)))
        {
            app.tasks.retain(|known| known.id != task);
        }
        self.status(id, task, "TASK_KILLED", "");
    }

    /// Every task goes on by one: staged ones run, running ones are looked at, and those that are bound to fail do.
    pub(super) fn advance_tasks(&mut self) {
        let ids: Vec<String> = self.apps.keys().cloned().collect();
        for id in ids {
            let behaviour = self.behaviour(&id);
            let (tasks, checked) = (self.apps[&id].tasks.clone(), self.apps[&id].checked());
            for task in tasks {
                if let Some(agents) = &self.agents {
                    match agents.seen(&task.id).cloned() {
                        Some(Seen::Ended(words)) => {
                            self.fail(&id, &task.id, &words);
                            continue;
                        }
                        Some(Seen::Runs { healthy, .. }) if task.running && checked => {
                            self.change(&id, &task.id, |task| task.healthy = Some(healthy));
                            continue;
                        }
                        Some(Seen::Runs { .. }) => {}
                        None => continue,
                    }
                }
                match &behaviour {
                    Behaviour::Fails(words) => self.fail(&id, &task.id, words),
                    Behaviour::Staged => {}
                    Behaviour::Unhealthy if task.running && checked => {
                        self.change(&id, &task.id, |task| task.healthy = Some(false));
                    }
                    _ if !task.running => {
                        self.change(&id, &task.id, |task| task.running = true);
                        self.status(&id, &task.id, "TASK_RUNNING", "");
                    }
                    _ if checked && self.agents.is_none() && task.healthy != Some(true) => {
                        self.change(&id, &task.id, |task| task.healthy = Some(true));
                        self.event(
                            "instance_health_changed_event",
                            json!({"instanceId": task.id, "runSpecId": id, "healthy": true}),
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    fn change(&mut self, id: &str, task: &str, change: impl Fn(&mut Task)) {
        if let Some(app) = self.apps.get_mut(id) {
            app.tasks.iter_mut().filter(|known| known.id == task).for_each(change);
        }
    }

    /// What no deployment is about is kept as it should be: tasks that ended are started again.
    pub(super) fn keep_up(&mut self) {
        let ids: Vec<String> = self.apps.keys().cloned().collect();
        for id in ids {
            if self.deployments.iter().any(|one| one.touches(&id)) {
                continue;
            }
            let app = &self.apps[&id];
            for _ in app.tasks.len()..app.wanted() {
                self.launch(&id);
            }
        }
    }

    /// What waits for offers.
    pub(super) fn queue(&self) -> Json {
        let waiting = self.apps.iter().filter_map(|(id, app)| {
            let reason = match self.behaviour(id) {
                Behaviour::NoOffers(reason) if app.waiting > 0 => reason,
                Behaviour::Fails(_) if app.wanted() > 0 => "",
                _ => return None,
            };
            let declined = u64::from(!reason.is_empty());
            let mut definition = app.definition.clone();
            definition["version"] = app.version.clone().into();
            Some(json!({
                "app": definition,
                "count": (app.wanted() - app.tasks.len().min(app.wanted())).max(1),
                "delay": {"timeLeftSeconds": if declined > 0 { 0 } else { 60 }, "overdue": declined > 0},
                "since": app.waiting_since,
                "processedOffersSummary": {
                    "processedOffersCount": declined, "unusedOffersCount": declined,
                    "rejectSummaryLastOffers": [{"reason": reason, "declined": declined, "processed": declined}],
                    "rejectSummaryLaunchAttempt": [{"reason": reason, "declined": declined, "processed": declined}],
                },
            }))
        });
        json!({"queue": waiting.collect::<Vec<_>>()})
    }
}
