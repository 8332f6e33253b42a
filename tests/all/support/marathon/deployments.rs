//! Deployments: their plan, their steps, what they lock, and how they are ended before their end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use wiremock::ResponseTemplate;

use super::{
    State,
    definition::{Definitions, is_upgrade},
    ok, refused, rules,
    tasks::App,
};

/// One that goes on.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) version: String,
    /// Actions, side by side, of each step.
    pub(super) steps: Vec<Vec<Action>>,
    pub(super) at: usize,
    /// Definitions from before, of everything that it changes.
    pub(super) before: BTreeMap<String, Option<Json>>,
    /// Apps that are in the definitions no more, and whose tasks may still run.
    pub(super) removed: BTreeMap<String, App>,
}

/// What is done to one app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Stop,
    Start,
    Scale,
    Restart,
}

/// An action of a step.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) what: What,
    pub(super) app: String,
}

impl Action {
    pub(super) fn json(&self) -> Json {
        let word = match self.what {
            What::Stop => "StopApplication",
            What::Start => "StartApplication",
            What::Scale => "ScaleApplication",
            What::Restart => "RestartApplication",
        };
        json!({"action": word, "app": self.app})
    }
}

impl Deployment {
    pub(super) fn touches(&self, app: &str) -> bool {
        self.before.contains_key(app)
    }

    pub(super) fn json(&self, all: bool) -> Json {
        let actions = |step: &Vec<Action>| step.iter().map(Action::json).collect::<Vec<_>>();
        let mut out = json!({
            "id": self.id, "version": self.version,
            "affectedApps": self.before.keys().collect::<Vec<_>>(), "affectedPods": [],
            "currentStep": self.at + 1, "totalSteps": self.steps.len(),
        });
        if all {
            out["steps"] = self.steps.iter().map(|step| json!({"actions": actions(step)})).collect();
            let current = self.steps.get(self.at).into_iter().flatten();
            out["currentActions"] = current
                .map(|action| {
                    let mut json = action.json();
                    json["readinessCheckResults"] = json!([]);
                    json
                })
                .collect();
        }
        out
    }
}

/// Steps from some definitions to others: what is no more is stopped, what is new begins with nothing, and then one layer
/// of dependencies after the other is brought to its size.
pub(super) fn plan(before: &Definitions, after: &Definitions) -> Vec<Vec<Action>> {
    let action = |what: What, app: &String| Action { what, app: app.clone() };
    let removed = before.keys().filter(|id| !after.contains_key(*id)).map(|id| action(What::Stop, id)).collect();
    let new = after.keys().filter(|id| !before.contains_key(*id)).map(|id| action(What::Start, id)).collect();
    let mut steps: Vec<Vec<Action>> = vec![removed, new];
    let layers = rules::layers(after).unwrap_or_default();
    for layer in 0..=layers.values().copied().max().unwrap_or_default() {
        let step = after.iter().filter(|(id, _)| layers.get(*id) == Some(&layer)).filter_map(|(id, app)| {
            let what = match before.get(id) {
                None => What::Scale,
                Some(old) if is_upgrade(old, app) => What::Restart,
                Some(old) if old["instances"] != app["instances"] => What::Scale,
                Some(_) => return None,
            };
            Some(action(what, id))
        });
        steps.push(step.collect());
    }
    steps.retain(|step| !step.is_empty());
    steps
}

impl State {
    /// Definitions of everything that is wanted now.
    pub(super) fn definitions(&self) -> Definitions {
        self.apps.iter().map(|(id, app)| (id.clone(), app.definition.clone())).collect()
    }

    /// Everything goes on by one step.
    pub fn tick(&mut self) {
        self.advance_tasks();
        let ids: Vec<String> = self.deployments.iter().map(|one| one.id.clone()).collect();
        for id in ids {
            let Some(deployment) = self.deployments.iter().find(|one| one.id == id).cloned() else { continue };
            let done = deployment.steps.get(deployment.at).is_none_or(|step| {
                // Every action of the step, also where one before it is not done.
                step.iter().map(|action| self.act(&deployment, action)).fold(true, |all, one| all && one)
            });
            let Some(known) = self.deployments.iter_mut().find(|one| one.id == id) else { continue };
            if done {
                known.at += 1;
                let ended = known.at >= known.steps.len();
                let told = known.json(true);
                self.event("deployment_step_success", json!({"plan": told.clone()}));
                if ended {
                    self.deployments.retain(|one| one.id != id);
                    self.event("deployment_success", json!({"id": id, "plan": told}));
                }
            }
        }
        self.keep_up();
    }

    /// Goes on with one action; whether it is done.
    fn act(&mut self, deployment: &Deployment, action: &Action) -> bool {
        let id = &action.app;
        match action.what {
            What::Stop => {
                let tasks: Vec<String> = deployment
                    .removed
                    .get(id)
                    .into_iter()
                    .flat_map(|app| &app.tasks)
                    .map(|task| task.id.clone())
                    .collect();
                tasks.iter().for_each(|task| self.kill(id, task));
                if let Some(agents) = &mut self.agents {
                    agents.forget(id);
                }
                self.event("app_terminated_event", json!({"appId": id}));
                true
            }
            What::Start => true,
            What::Scale => self.scale(id),
            What::Restart => self.restart(id),
        }
    }

    fn scale(&mut self, id: &str) -> bool {
        let Some(app) = self.apps.get(id) else { return true };
        let wanted = app.wanted();
        let oldest_first = app.definition["killSelection"] == "OLDEST_FIRST";
        let mut tasks: Vec<String> = app.tasks.iter().map(|task| task.id.clone()).collect();
        if !oldest_first {
            tasks.reverse();
        }
        let (surplus, missing) = (tasks.len().saturating_sub(wanted), wanted.saturating_sub(tasks.len()));
        tasks.iter().take(surplus).for_each(|task| self.kill(id, task));
        (0..missing).for_each(|_| self.launch(id));
        let app = &self.apps[id];
        app.tasks.len() == wanted && app.tasks.iter().all(|task| app.is_up(task))
    }

    fn restart(&mut self, id: &str) -> bool {
        let Some(app) = self.apps.get(id) else { return true };
        let wanted = app.wanted();
        let share = |key: &str| app.definition["upgradeStrategy"][key].as_f64().unwrap_or(1.0);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "few instances"
        )]
        let part = |share: f64| (share * wanted as f64).ceil() as usize;
        let mut most = wanted + part(share("maximumOverCapacity"));
        let mut least = part(share("minimumHealthCapacity"));
        // Nothing could ever move; the real one lets one go as well.
        if most == wanted && least == wanted && wanted > 0 {
            if app.definition["unreachableStrategy"] == "disabled" {
                least -= 1;
            } else {
                most += 1;
            }
        }
        let old: Vec<String> =
            app.tasks.iter().filter(|task| task.version != app.last_config).map(|task| task.id.clone()).collect();
        let up = app.tasks.iter().filter(|task| app.is_up(task)).count();
        let spare = if app.new_up() >= wanted { old.len() } else { up.saturating_sub(least).min(old.len()) };
        let down =
            old.len() - app.tasks.iter().filter(|task| task.version != app.last_config && app.is_up(task)).count();
        old.iter().take(spare.max(down.min(old.len()))).for_each(|task| self.kill(id, task));
        let app = &self.apps[id];
        let missing = wanted.saturating_sub(app.new_tasks());
        let room = most.saturating_sub(app.tasks.len());
        (0..missing.min(room)).for_each(|_| self.launch(id));
        let app = &self.apps[id];
        app.new_up() >= wanted && app.tasks.len() == wanted
    }

    /// Begins to make these the definitions, or says why not.
    pub(super) fn deploy(&mut self, after: Definitions, force: bool) -> Result<Deployment, Box<ResponseTemplate>> {
        self.deploy_with(after, force, &BTreeSet::new())
    }

    /// The same; `restarted` are started anew though nothing of them changes.
    pub(super) fn deploy_with(
        &mut self,
        after: Definitions,
        force: bool,
        restarted: &BTreeSet<String>,
    ) -> Result<Deployment, Box<ResponseTemplate>> {
        let wrong = rules::root(&after);
        if !wrong.is_empty() {
            return Err(Box::new(super::routes::invalid(&wrong)));
        }
        let before = self.definitions();
        let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let differs = |id: &&&String| restarted.contains(**id) || before.get(**id) != after.get(**id);
        let affected: Vec<String> = ids.iter().filter(differs).map(|id| (*id).clone()).collect();
        let locking: Vec<String> = self
            .deployments
            .iter()
            .filter(|one| affected.iter().any(|id| one.touches(id)))
            .map(|one| one.id.clone())
            .collect();
        if !locking.is_empty() && !force {
            return Err(Box::new(locked(&locking)));
        }
        if self.deployments.len() >= self.most_deployments {
            let words = format!(
                "Max number ({}) of running deployments is achieved. Wait for existing deployments to complete or cancel one using force=true parameter.",
                self.most_deployments
            );
            return Err(Box::new(refused(403, &words)));
        }
        let mut steps = plan(&before, &after);
        let again: Vec<Action> = restarted.iter().map(|id| Action { what: What::Restart, app: id.clone() }).collect();
        if !again.is_empty() {
            steps.push(again);
        }
        for id in locking {
            self.cancel(&id);
        }
        let version = self.now();
        let mut removed = BTreeMap::new();
        for id in &affected {
            match after.get(id) {
                None => removed.extend(self.apps.remove(id).map(|app| (id.clone(), app))),
                Some(definition) => {
                    let upgrade =
                        restarted.contains(id) || before.get(id).is_none_or(|old| is_upgrade(old, definition));
                    let old = self.apps.remove(id);
                    let last_config = match &old {
                        Some(old) if !upgrade => old.last_config.clone(),
                        _ => version.clone(),
                    };
                    let app = App {
                        definition: definition.clone(),
                        version: version.clone(),
                        last_scaling: version.clone(),
                        last_config,
                        tasks: old.as_ref().map(|old| old.tasks.clone()).unwrap_or_default(),
                        last_failure: old.and_then(|old| old.last_failure),
                        waiting: 0,
                        waiting_since: String::new(),
                    };
                    self.apps.insert(id.clone(), app);
                }
            }
        }
        for id in after.keys() {
            self.make_groups(id);
        }
        let deployment = Deployment {
            id: self.fresh(),
            version: version.clone(),
            steps,
            at: 0,
            before: affected.iter().map(|id| (id.clone(), before.get(id).cloned())).collect(),
            removed,
        };
        self.history.push((version, after));
        let surplus = self.history.len().saturating_sub(self.kept_versions);
        self.history.drain(..surplus);
        if !deployment.steps.is_empty() {
            self.deployments.push(deployment.clone());
            self.event("deployment_info", json!({"plan": deployment.json(true)}));
        }
        Ok(deployment)
    }

    /// Ends a deployment where it is.
    fn cancel(&mut self, id: &str) {
        if let Some(index) = self.deployments.iter().position(|one| one.id == id) {
            let deployment = self.deployments.remove(index);
            // What was to go goes; nobody is left to do it later.
            for (app, removed) in &deployment.removed {
                removed.tasks.iter().for_each(|task| self.kill(app, &task.id));
            }
            self.event("deployment_failed", json!({"id": id, "plan": deployment.json(true)}));
        }
    }

    /// `DELETE /v2/deployments/{id}`: goes back, or only stops.
    pub(super) fn end(&mut self, id: &str, force: bool) -> ResponseTemplate {
        let Some(deployment) = self.deployments.iter().find(|one| one.id == id).cloned() else {
            return refused(404, &format!("DeploymentPlan {id} does not exist"));
        };
        if force {
            self.cancel(id);
            return ResponseTemplate::new(202);
        }
        let mut back = self.definitions();
        for (app, before) in deployment.before {
            match before {
                Some(before) => back.insert(app, before),
                None => back.remove(&app),
            };
        }
        match self.deploy(back, true) {
            Ok(deployment) => ok(json!({"deploymentId": deployment.id, "version": deployment.version})),
            Err(answer) => *answer,
        }
    }
}

/// Something else is at work on it.
pub(super) fn locked(deployments: &[String]) -> ResponseTemplate {
    let ids: Vec<Json> = deployments.iter().map(|id| json!({"id": id})).collect();
    let message = "App is locked by one or more deployments. Override with the option '?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'.";
    ResponseTemplate::new(409).set_body_json(json!({"message": message, "deployments": ids}))
}
