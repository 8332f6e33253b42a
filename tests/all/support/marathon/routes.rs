//! The API: who comes in, and what answers where.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::{Value as Json, json};
use wiremock::{Request, ResponseTemplate};

use super::{
    Call, Guard, State,
    definition::{self, complete},
    deployments::Deployment,
    groups::absolute,
    ok, refused,
    rules::{self, Wrong, wrong},
    selector,
};

/// A refusal of what is asked, with what is wrong where.
pub(super) fn invalid(found: &Wrong) -> ResponseTemplate {
    let details: Vec<Json> = found.iter().map(|(path, words)| json!({"path": path, "errors": [words]})).collect();
    ResponseTemplate::new(422).set_body_json(json!({"message": "Object is not valid", "details": details}))
}

/// A deployment began.
pub(super) fn deployed(code: u16, deployment: &Deployment) -> ResponseTemplate {
    ResponseTemplate::new(code)
        .insert_header("Marathon-Deployment-Id", deployment.id.as_str())
        .set_body_json(json!({"deploymentId": deployment.id, "version": deployment.version}))
}

impl State {
    pub(super) fn answer(&mut self, call: &Call, request: &Request) -> ResponseTemplate {
        let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
        if let ["acs", "api", "v1", "auth", "login"] = segments.as_slice() {
            return self.login(call);
        }
        if let Some(path) = call.path.strip_prefix("/files/") {
            return self.stored(call, path, &request.body);
        }
        if call.path == "/ping" {
            return ResponseTemplate::new(200).set_body_string("pong");
        }
        if !self.may_come(request) {
            return ResponseTemplate::new(401)
                .insert_header("WWW-Authenticate", "acsjwt")
                .set_body_json(json!({"title": "Unauthorized", "description": "Authentication required."}));
        }
        if matches!(call.method.as_str(), "PUT" | "POST" | "PATCH") && call.body.is_null() && !request.body.is_empty() {
            return refused(400, "Invalid JSON");
        }
        let rest = |prefix: &str| call.path.strip_prefix(prefix).unwrap_or_default().to_owned();
        match segments.as_slice() {
            ["v2", "info"] => ok(json!({
                "name": "marathon", "version": "1.11.24", "elected": self.leader.is_none(), "leader": "10.0.0.2:8080",
                "frameworkId": "f7a9d4d2-2b9c-4f63-8f0e-6a6c3b0d9f11-0000", "buildref": "unknown",
                "marathon_config": {"features": self.features, "mesos_role": "*"},
            })),
            ["v2", "leader"] => ok(json!({"leader": "10.0.0.2:8080"})),
            ["v2", "queue"] => ok(self.queue()),
            ["v2", "events"] => self.stream(call),
            ["v2", "deployments"] => {
                if self.on_poll {
                    self.tick();
                }
                ok(self.deployments.iter().map(|one| one.json(true)).collect())
            }
            ["v2", "deployments", id] if call.method == "DELETE" => self.end(id, call.flag("force").unwrap_or(false)),
            ["v2", "groups", ..] => self.groups(call, &rest("/v2/groups")),
            ["v2", "apps"] => self.apps(call),
            ["v2", "apps", ..] => self.app(call, &rest("/v2/apps")),
            ["secrets", "v1", "secret", store, ..] => self.secret(call, &rest(&format!("/secrets/v1/secret/{store}/"))),
            _ => refused(404, "HTTP 404 Not Found"),
        }
    }

    fn may_come(&self, request: &Request) -> bool {
        let given = request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match &self.guard {
            Guard::Open => true,
            Guard::Basic(user, password) => {
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                given == format!("Basic {pair}")
            }
            Guard::Token(token, ..) => given == format!("token={token}"),
        }
    }

    fn login(&self, call: &Call) -> ResponseTemplate {
        match &self.guard {
            Guard::Token(token, uid, password) if call.body["uid"] == *uid && call.body["password"] == *password => {
                ok(json!({"token": token}))
            }
            _ => refused(401, "Invalid username or password."),
        }
    }

    /// The store of files beside it: what is put there is there.
    fn stored(&mut self, call: &Call, path: &str, body: &[u8]) -> ResponseTemplate {
        match call.method.as_str() {
            "PUT" => {
                self.files.insert(path.to_owned(), body.to_vec());
                ResponseTemplate::new(201)
            }
            "DELETE" => ResponseTemplate::new(if self.files.remove(path).is_some() { 204 } else { 404 }),
            _ => match self.files.get(path) {
                Some(content) => ResponseTemplate::new(200).set_body_raw(content.clone(), "application/octet-stream"),
                None => ResponseTemplate::new(404),
            },
        }
    }

    fn secret(&mut self, call: &Call, path: &str) -> ResponseTemplate {
        match call.method.as_str() {
            "GET" => match self.secrets.get(path) {
                Some(value) => ok(json!({"value": value})),
                None => refused(404, "Secret not found"),
            },
            _ => refused(405, "HTTP 405 Method Not Allowed"),
        }
    }

    /// Events so far; the real one never ends its answer.
    fn stream(&self, call: &Call) -> ResponseTemplate {
        if let Some(leader) = &self.leader {
            return ResponseTemplate::new(302).insert_header("Location", format!("{leader}/v2/events").as_str());
        }
        let wanted: Vec<&str> = call.all("event_type").collect();
        let text: String = self
            .events
            .iter()
            .filter(|(kind, _)| wanted.is_empty() || wanted.contains(&kind.as_str()))
            .map(|(kind, event)| format!("event: {kind}\r\ndata: {event}\r\n\r\n"))
            .collect();
        ResponseTemplate::new(200).set_body_raw(text, "text/event-stream")
    }

    /// What is made of a definition that was sent for an id.
    pub(super) fn definition_of(&mut self, sent: &Json, id: &str) -> Result<Json, Wrong> {
        let mut sent = sent.clone();
        sent["id"] = id.into();
        let form = definition::form(&sent);
        // The real one leaves out what it does not know, and says nothing: nobody would notice a mistake.
        self.unknown.extend(form.unknown.iter().cloned());
        let mut found: Wrong = form.unknown.iter().map(|path| wrong(path, "unknown key")).collect();
        found.extend(form.wrong);
        if found.is_empty() {
            found.extend(rules::app(&sent, &self.features));
        }
        if !found.is_empty() {
            return Err(found);
        }
        if let Some(dependencies) = sent["dependencies"].as_array_mut() {
            for dependency in dependencies {
                *dependency = absolute(super::groups::parent(id), dependency.as_str().unwrap_or_default()).into();
            }
        }
        let before = self.apps.get(id).map(|app| app.definition.clone());
        let taken: BTreeSet<u64> = self
            .apps
            .values()
            .flat_map(|app| {
                ["/container/portMappings", "/portDefinitions"].map(|at| app.definition.pointer(at).cloned())
            })
            .flatten()
            .flat_map(|ports| ports.as_array().cloned().unwrap_or_default())
            .filter_map(|port| port.get("servicePort").or_else(|| port.get("port"))?.as_u64())
            .collect();
        let mut next = 10_000 + self.numbers % 100;
        let mut port = || {
            while taken.contains(&next) {
                next += 1;
            }
            next += 1;
            next - 1
        };
        Ok(complete(&sent, before.as_ref(), &mut port))
    }

    fn shown(&self, id: &str, embed: &[&str]) -> Json {
        let app = &self.apps[id];
        let mut out = app.definition.clone();
        out["version"] = app.version.as_str().into();
        out["versionInfo"] = json!({"lastScalingAt": app.last_scaling, "lastConfigChangeAt": app.last_config});
        let wants = |what: &str| {
            embed.iter().any(|one| one.strip_prefix("apps.").or_else(|| one.strip_prefix("app.")) == Some(what))
        };
        if wants("counts") || embed.is_empty() {
            for (key, value) in app.counts().as_object().into_iter().flatten() {
                out[key] = value.clone();
            }
        }
        if wants("deployments") || embed.is_empty() {
            let ids = self.deployments.iter().filter(|one| one.touches(id)).map(|one| json!({"id": one.id}));
            out["deployments"] = ids.collect();
        }
        if (wants("lastTaskFailure") || wants("failures"))
            && let Some(failure) = &app.last_failure
        {
            out["lastTaskFailure"] = failure.clone();
        }
        if wants("tasks") {
            out["tasks"] = self.tasks_of(id);
        }
        if wants("taskStats") {
            let counts = app.counts();
            let stats = json!({"counts": {"staged": counts["tasksStaged"], "running": counts["tasksRunning"],
                "healthy": counts["tasksHealthy"], "unhealthy": counts["tasksUnhealthy"]}});
            out["taskStats"] = json!({"totalSummary": {"stats": stats}});
        }
        out
    }

    fn tasks_of(&self, id: &str) -> Json {
        let app = &self.apps[id];
        let tasks = app.tasks.iter().map(|task| {
            json!({"appId": id, "id": task.id, "version": task.version, "host": "10.0.0.1", "startedAt": task.started,
                "state": if task.running { "TASK_RUNNING" } else { "TASK_STAGING" },
                "healthCheckResults": task.healthy.map(|alive| json!({"alive": alive})).into_iter().collect::<Vec<_>>()})
        });
        tasks.collect()
    }

    /// `/v2/apps`.
    fn apps(&mut self, call: &Call) -> ResponseTemplate {
        let force = call.flag("force").unwrap_or(false);
        match call.method.as_str() {
            "GET" => {
                let embed: Vec<&str> = call.all("embed").collect();
                let part = call.all("id").next().unwrap_or_default();
                let mut apps = Vec::new();
                for (id, app) in self.apps.iter().filter(|(id, _)| id.contains(part)) {
                    let selected = call.all("label").map(|one| selector::selects(one, &app.definition["labels"]));
                    let selected: Option<Vec<bool>> = selected.collect();
                    let Some(selected) = selected else { return refused(400, "Invalid label selector") };
                    if selected.iter().all(|one| *one) {
                        apps.push(self.shown(id, &embed));
                    }
                }
                ok(json!({"apps": apps}))
            }
            "POST" => {
                let id = absolute("/", call.body["id"].as_str().unwrap_or_default());
                if self.apps.contains_key(&id) {
                    return refused(409, &format!("An app with id [{id}] already exists."));
                }
                let definition = match self.definition_of(&call.body, &id) {
                    Ok(definition) => definition,
                    Err(found) => return invalid(&found),
                };
                let mut after = self.definitions();
                after.insert(id.clone(), definition);
                match self.deploy(after, force) {
                    Ok(deployment) => ResponseTemplate::new(201)
                        .insert_header("Marathon-Deployment-Id", deployment.id.as_str())
                        .set_body_json(self.shown(&id, &[])),
                    Err(answer) => *answer,
                }
            }
            "PUT" | "PATCH" => {
                let Some(sent) = call.body.as_array() else { return refused(400, "Invalid JSON") };
                let partial = call.flag("partialUpdate").unwrap_or(true) || call.method == "PATCH";
                let mut after = self.definitions();
                let mut found = Wrong::new();
                for (index, app) in sent.iter().enumerate() {
                    let id = absolute("/", app["id"].as_str().unwrap_or_default());
                    match self.replaced(app, &id, partial) {
                        Ok(definition) => {
                            after.insert(id, definition);
                        }
                        Err(wrongs) => {
                            found.extend(wrongs.into_iter().map(|(path, words)| (format!("({index}){path}"), words)));
                        }
                    }
                }
                if !found.is_empty() {
                    return invalid(&found);
                }
                self.changed(after, force)
            }
            _ => refused(405, "HTTP 405 Method Not Allowed"),
        }
    }

    /// A definition with changes, or another in its place.
    fn replaced(&mut self, sent: &Json, id: &str, partial: bool) -> Result<Json, Wrong> {
        let before = self.apps.get(id).filter(|_| partial).map(|app| app.definition.clone());
        let Some(mut merged) = before else { return self.definition_of(sent, id) };
        for (key, value) in sent.as_object().into_iter().flatten() {
            merged[key] = value.clone();
        }
        if let Some(entries) = merged.as_object_mut() {
            // Written out for this form of it alone.
            if !definition::on_host(&Json::Object(entries.clone())) {
                entries.remove("portDefinitions");
            }
        }
        self.definition_of(&merged, id)
    }

    fn changed(&mut self, after: definition::Definitions, force: bool) -> ResponseTemplate {
        match self.deploy(after, force) {
            Ok(deployment) => deployed(200, &deployment),
            Err(answer) => *answer,
        }
    }

    /// `/v2/apps/{id}` and what is below it.
    fn app(&mut self, call: &Call, rest: &str) -> ResponseTemplate {
        let force = call.flag("force").unwrap_or(false);
        let (id, part) = match rest.rsplit_once('/') {
            Some((id, "restart" | "tasks" | "versions")) => (id, rest.rsplit('/').next()),
            _ => match rest.split_once("/versions/") {
                Some((id, version)) => return self.app_version(&absolute("/", id), version),
                None => (rest, None),
            },
        };
        let id = absolute("/", id);
        let is_there = self.apps.contains_key(&id);
        let absent = || refused(404, &format!("App '{id}' does not exist"));
        match (call.method.as_str(), part) {
            ("PUT", None) => match self.replaced(&call.body, &id, call.flag("partialUpdate").unwrap_or(true)) {
                Ok(definition) => {
                    let mut after = self.definitions();
                    after.insert(id.clone(), definition);
                    match self.deploy(after, force) {
                        Ok(deployment) => deployed(if is_there { 200 } else { 201 }, &deployment),
                        Err(answer) => *answer,
                    }
                }
                Err(found) => invalid(&found),
            },
            _ if !is_there => absent(),
            ("GET", None) => ok(
                json!({"app": self.shown(&id, &[&["app.counts", "app.deployments", "app.tasks", "app.lastTaskFailure"][..], &call.all("embed").collect::<Vec<_>>()].concat())}),
            ),
            ("GET", Some("tasks")) => ok(json!({"tasks": self.tasks_of(&id)})),
            ("GET", Some("versions")) => ok(json!({"versions": self.versions(&id)})),
            ("PATCH", None) => match self.replaced(&call.body, &id, true) {
                Ok(definition) => {
                    let mut after = self.definitions();
                    after.insert(id.clone(), definition);
                    self.changed(after, force)
                }
                Err(found) => invalid(&found),
            },
            ("POST", Some("restart")) => {
                let after = self.definitions();
                match self.deploy_with(after, force, &BTreeSet::from([id.clone()])) {
                    Ok(deployment) => deployed(200, &deployment),
                    Err(answer) => *answer,
                }
            }
            ("DELETE", None) => {
                let mut after = self.definitions();
                after.remove(&id);
                // Unlike everywhere else.
                self.changed(after, call.flag("force").unwrap_or(true))
            }
            _ => refused(405, "HTTP 405 Method Not Allowed"),
        }
    }

    /// Versions of an app, newest first; of one that was dropped there are none.
    fn versions(&self, id: &str) -> Vec<&str> {
        let mut versions: Vec<&str> = Vec::new();
        let mut last = None;
        for (version, definitions) in &self.history {
            let now = definitions.get(id);
            if now.is_none() {
                versions.clear();
            } else if now != last {
                versions.push(version);
            }
            last = now;
        }
        versions.reverse();
        versions
    }

    fn app_version(&self, id: &str, version: &str) -> ResponseTemplate {
        let then = self.history.iter().find(|(known, _)| known == version).and_then(|(_, then)| then.get(id));
        match then.filter(|_| self.versions(id).contains(&version)) {
            Some(definition) => {
                let mut out = definition.clone();
                out["version"] = version.into();
                ok(out)
            }
            None => refused(404, &format!("App '{id}' with version {version} does not exist")),
        }
    }
}
