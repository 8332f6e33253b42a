//! Groups: a tree of folders, read with what is asked for, and written as a whole.

use serde_json::{Value as Json, json};
use wiremock::ResponseTemplate;

use super::{
    Call, State,
    definition::Definitions,
    deployments, ok, refused,
    routes::{deployed, invalid},
    rules::{self, Wrong, wrong},
};

/// The folder of an id.
pub(super) fn parent(id: &str) -> &str {
    match id.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// An id below a group, where it does not say which it is.
pub(super) fn absolute(base: &str, id: &str) -> String {
    if id.starts_with('/') {
        return format!("/{}", id.trim_matches('/'));
    }
    let mut steps: Vec<&str> = base.split('/').filter(|step| !step.is_empty()).collect();
    for step in id.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                steps.pop();
            }
            other => steps.push(other),
        }
    }
    format!("/{}", steps.join("/"))
}

fn is_below(id: &str, group: &str) -> bool {
    group == "/" || id.strip_prefix(group).is_some_and(|rest| rest.starts_with('/'))
}

/// What a group comes to.
struct Update {
    after: Definitions,
    groups: Vec<String>,
    wrong: Wrong,
}

impl State {
    /// Every folder above an app or a group is there.
    pub(super) fn make_groups(&mut self, id: &str) {
        let mut at = parent(id).to_owned();
        while at != "/" && self.groups.insert(at.clone()) {
            at = parent(&at).to_owned();
        }
    }

    fn group(&self, id: &str, embed: &[&str]) -> Json {
        let all = embed.is_empty();
        let wants = |what: &str| all || embed.contains(&what);
        let mut out =
            json!({"id": id, "dependencies": [], "version": self.history.last().map_or("", |(version, _)| version)});
        if wants("group.apps") {
            let apps = self.apps.iter().filter(|(app, _)| parent(app) == id);
            out["apps"] = apps
                .map(|(id, app)| {
                    let mut json = app.definition.clone();
                    json["id"] = id.as_str().into();
                    json["version"] = app.version.as_str().into();
                    json
                })
                .collect();
        }
        if wants("group.pods") {
            out["pods"] = self.pods.iter().filter(|(pod, _)| parent(pod) == id).map(|(_, pod)| pod.clone()).collect();
        }
        if wants("group.groups") {
            out["groups"] =
                self.groups.iter().filter(|group| parent(group) == id).map(|group| self.group(group, embed)).collect();
        }
        out
    }

    fn is_group(&self, id: &str) -> bool {
        id == "/" || self.groups.contains(id)
    }

    pub(super) fn groups(&mut self, call: &Call, rest: &str) -> ResponseTemplate {
        let (id, versions) = match rest.split_once("/versions") {
            Some((id, version)) => (absolute("/", id), Some(version.trim_start_matches('/').to_owned())),
            None => (absolute("/", rest), None),
        };
        match (call.method.as_str(), versions) {
            ("GET", Some(version)) => self.group_versions(&id, &version),
            ("GET", None) if !self.is_group(&id) => refused(404, &format!("Group '{id}' does not exist")),
            ("GET", None) => ok(self.group(&id, &call.all("embed").collect::<Vec<_>>())),
            ("POST", None) => {
                let id = call.body["id"].as_str().map_or_else(|| id.clone(), |own| absolute(&id, own));
                if self.is_group(&id) && id != "/" {
                    return refused(409, &format!("Group {id} is already created. Use PUT to change this group."));
                }
                self.put_group(call, &id, 201)
            }
            ("PUT", None) => self.put_group(call, &id, 200),
            ("DELETE", None) => {
                if !self.is_group(&id) {
                    return refused(404, &format!("Group '{id}' does not exist"));
                }
                let mut after = self.definitions();
                after.retain(|app, _| !is_below(app, &id));
                match self.deploy(after, call.flag("force").unwrap_or(false)) {
                    Ok(deployment) => {
                        self.groups.retain(|group| *group != id && !is_below(group, &id));
                        self.pods.retain(|pod, _| !is_below(pod, &id));
                        deployed(200, &deployment)
                    }
                    Err(answer) => *answer,
                }
            }
            _ => refused(405, "HTTP 405 Method Not Allowed"),
        }
    }

    fn group_versions(&self, id: &str, version: &str) -> ResponseTemplate {
        if version.is_empty() {
            return ok(self.history.iter().map(|(version, _)| json!(version)).collect());
        }
        let Some((_, definitions)) = self.history.iter().find(|(known, _)| known == version) else {
            return refused(404, &format!("Group '{id}' with version {version} does not exist"));
        };
        let apps: Vec<&Json> = definitions.iter().filter(|(app, _)| is_below(app, id)).map(|(_, app)| app).collect();
        ok(json!({"id": id, "version": version, "apps": apps}))
    }

    fn put_group(&mut self, call: &Call, id: &str, code: u16) -> ResponseTemplate {
        if !call.body.is_object() {
            return refused(400, "Invalid JSON");
        }
        let update = match self.group_update(call, id) {
            Ok(update) => update,
            Err(answer) => return *answer,
        };
        if !update.wrong.is_empty() {
            return invalid(&update.wrong);
        }
        if call.flag("dryRun") == Some(true) {
            let steps = deployments::plan(&self.definitions(), &update.after);
            let steps = steps
                .iter()
                .map(|step| json!({"actions": step.iter().map(deployments::Action::json).collect::<Vec<_>>()}));
            return ok(json!({"steps": steps.collect::<Vec<_>>()}));
        }
        match self.deploy(update.after, call.flag("force").unwrap_or(false)) {
            Ok(deployment) => {
                for group in update.groups {
                    self.make_groups(&group);
                    self.groups.insert(group);
                }
                deployed(code, &deployment)
            }
            Err(answer) => *answer,
        }
    }

    fn group_update(&mut self, call: &Call, id: &str) -> Result<Update, Box<ResponseTemplate>> {
        let mut update = Update { after: self.definitions(), groups: Vec::new(), wrong: Wrong::new() };
        if let Some(version) = call.body["version"].as_str() {
            let Some((_, then)) = self.history.iter().find(|(known, _)| known == version) else {
                return Err(Box::new(refused(422, &format!("Group '{id}' not available in version {version}"))));
            };
            update.after.retain(|app, _| !is_below(app, id));
            update.after.extend(
                then.iter().filter(|(app, _)| is_below(app, id)).map(|(app, json)| (app.clone(), json.clone())),
            );
            return Ok(update);
        }
        if let Some(by) = call.body["scaleBy"].as_f64() {
            for (_, app) in update.after.iter_mut().filter(|(app, _)| is_below(app, id)) {
                let instances = app["instances"].as_f64().unwrap_or_default();
                #[allow(clippy::cast_possible_truncation, reason = "few instances")]
                let scaled = (instances * by).ceil() as i64;
                app["instances"] = scaled.into();
            }
            return Ok(update);
        }
        self.update(&call.body, id, "", &mut update);
        Ok(update)
    }

    fn update(&mut self, body: &Json, id: &str, at: &str, update: &mut Update) {
        for key in body.as_object().into_iter().flatten().map(|(key, _)| key) {
            if !["id", "apps", "groups", "dependencies", "version", "scaleBy", "pods", "enforceRole"]
                .contains(&key.as_str())
            {
                self.unknown.push(format!("{at}/{key}"));
                update.wrong.push(wrong(&format!("{at}/{key}"), "unknown key"));
            }
        }
        if !rules::is_id(id) && id != "/" {
            update.wrong.push(wrong(&format!("{at}/id"), "must fully match regular expression"));
        }
        update.groups.push(id.to_owned());
        if let Some(apps) = body["apps"].as_array() {
            update.after.retain(|app, _| parent(app) != id);
            for (index, app) in apps.iter().enumerate() {
                let at = format!("{at}/apps({index})");
                let own = absolute(id, app["id"].as_str().unwrap_or_default());
                if parent(&own) != id {
                    update.wrong.push(wrong(
                        &format!("{at}/id"),
                        format!("identifier {own} is not child of {id}. Hint: use relative paths."),
                    ));
                    continue;
                }
                match self.definition_of(app, &own) {
                    Ok(definition) => {
                        update.after.insert(own, definition);
                    }
                    Err(found) => {
                        update.wrong.extend(found.into_iter().map(|(path, words)| (format!("{at}{path}"), words)));
                    }
                }
            }
        }
        if let Some(groups) = body["groups"].as_array() {
            let named: Vec<String> =
                groups.iter().map(|group| absolute(id, group["id"].as_str().unwrap_or_default())).collect();
            let unlisted =
                |app: &str| is_below(app, id) && parent(app) != id && !named.iter().any(|group| is_below(app, group));
            update.after.retain(|app, _| !unlisted(app));
            for (index, group) in groups.iter().enumerate() {
                self.update(group, &named[index], &format!("{at}/groups({index})"), update);
            }
        }
    }
}
