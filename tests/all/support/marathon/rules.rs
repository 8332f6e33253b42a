//! What is refused with 422, and where in the definition it stands.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::definition::{Definitions, on_host};

/// Path and words of everything wrong.
pub(super) type Wrong = Vec<(String, String)>;

/// One path and its words.
pub(super) fn wrong(path: &str, words: impl Into<String>) -> (String, String) {
    (path.to_owned(), words.into())
}

fn list<'a>(json: &'a Json, pointer: &str) -> &'a [Json] {
    json.pointer(pointer).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn number(json: &Json, key: &str) -> Option<f64> {
    json.get(key).and_then(Json::as_f64)
}

/// Whether a text is a path of names that an app or group may have.
pub(super) fn is_id(id: &str) -> bool {
    let id = id.strip_prefix('/').unwrap_or(id);
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !word.starts_with('-')
            && !word.ends_with('-')
    };
    !id.is_empty() && id.split('/').all(|segment| matches!(segment, "." | "..") || segment.split('.').all(word))
}

/// What one app says wrong, as it was sent.
pub(super) fn app(app: &Json, features: &BTreeSet<&str>) -> Wrong {
    let mut found = Wrong::new();
    let id = app["id"].as_str().unwrap_or_default();
    let last = id.rsplit('/').next().unwrap_or_default();
    if !is_id(id) {
        found.push(wrong("/id", "must fully match regular expression '^(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])|(\\.|\\.\\.)$'"));
    }
    if ["restart", "tasks", "versions", ".", ".."].contains(&last) {
        found.push(wrong(
            "/id",
            "must not end with any of the following reserved keywords: restart, tasks, versions, ., ..",
        ));
    }
    let docker = app.pointer("/container/type").is_none_or(|kind| kind == "DOCKER") && app.get("container").is_some();
    let image = app.pointer("/container/docker/image");
    match (app.get("cmd").and_then(Json::as_str), app.get("args").is_some()) {
        (Some(_), true) => {
            found.push(wrong("/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."));
        }
        (Some(cmd), _) if cmd.chars().count() < 2 => found.push(wrong("/cmd", "error.minLength")),
        (None, false) if image.is_none() => {
            found.push(wrong("/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."));
        }
        _ => {}
    }
    if docker && image.is_none() {
        found.push(wrong("/container/docker", "not defined"));
    }
    if number(app, "cpus").is_some_and(|cpus| cpus < 0.001) {
        found.push(wrong("/cpus", "error.min"));
    }
    for key in ["mem", "disk", "gpus", "instances"] {
        if number(app, key).is_some_and(|value| value < 0.0) {
            found.push(wrong(&format!("/{key}"), "error.min"));
        }
    }
    if docker && number(app, "gpus").is_some_and(|gpus| gpus > 0.0) {
        found.push(wrong("/gpus", "GPU resources only work with the Mesos containerizer"));
    }
    for key in ["cpus", "mem"] {
        let limit = app.pointer(&format!("/resourceLimits/{key}")).and_then(Json::as_f64);
        let request = number(app, key).unwrap_or(if key == "cpus" { 1.0 } else { 128.0 });
        if limit.is_some_and(|limit| limit < request) {
            found.push(wrong(
                &format!("/resourceLimits/{key}"),
                "resource limit must be greater than or equal to requested resource",
            ));
        }
    }
    engine(app, docker, &mut found);
    networks(app, docker, &mut found);
    checks(app, &mut found);
    volumes(app, docker, features, &mut found);
    constraints(app, &mut found);
    secrets(app, features, &mut found);
    for key in ["minimumHealthCapacity", "maximumOverCapacity"] {
        let value = app.pointer(&format!("/upgradeStrategy/{key}")).and_then(Json::as_f64);
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            found.push(wrong(&format!("/upgradeStrategy/{key}"), "got a value, but expected a value between 0 and 1"));
        }
    }
    if app.get("killSelection").is_some_and(|word| word != "YOUNGEST_FIRST" && word != "OLDEST_FIRST") {
        found.push(wrong("/killSelection", "error.unknown.enum.literal"));
    }
    for (index, fetch) in list(app, "/fetch").iter().enumerate() {
        if !fetch["uri"].as_str().is_some_and(|uri| uri.contains(':')) {
            found.push(wrong(&format!("/fetch({index})/uri"), "URI has invalid syntax."));
        }
    }
    found
}

fn engine(app: &Json, docker: bool, found: &mut Wrong) {
    let inner = |key: &str| app.pointer(&format!("/container/docker/{key}")).filter(|value| !value.is_null());
    if inner("credential").is_some() {
        found.push(wrong("/container/docker/credential", "must be empty"));
    }
    if docker && inner("pullConfig").is_some() {
        found.push(wrong("/container/docker/pullConfig", "pullConfig is not supported with Docker containerizer"));
    }
    if !docker {
        if inner("parameters").and_then(Json::as_array).is_some_and(|all| !all.is_empty()) {
            found.push(wrong("/container/docker/parameters", "must be empty"));
        }
        if inner("privileged") == Some(&Json::Bool(true)) {
            found.push(wrong("/container/docker/privileged", "must be empty"));
        }
    }
    let legacy = ["network", "portMappings"].iter().any(|key| inner(key).is_some());
    if legacy && (app.get("networks").is_some() || app.pointer("/container/portMappings").is_some()) {
        found.push(wrong("/container/docker", "must not mix deprecated and new networking fields"));
    }
}

fn networks(app: &Json, docker: bool, found: &mut Wrong) {
    let networks = list(app, "/networks");
    let modes: BTreeSet<&str> = networks.iter().map(|one| one["mode"].as_str().unwrap_or("container")).collect();
    if modes.len() > 1 {
        found.push(wrong("/networks", "may not mix container and host networking"));
    }
    if networks.len() > 1 && (docker || modes.contains("host") || modes.contains("container/bridge")) {
        found.push(wrong("/networks", "Docker engine only supports a single container network"));
    }
    for (index, network) in networks.iter().enumerate() {
        let named = network.get("name").is_some_and(|name| !name.is_null());
        let wants = network.get("mode").is_none_or(|mode| mode == "container");
        if named && !wants {
            found.push(wrong(&format!("/networks({index})/name"), "must be empty"));
        }
        if !named && wants {
            found.push(wrong(&format!("/networks({index})/name"), "not defined"));
        }
    }
    let mappings = list(app, "/container/portMappings");
    let legacy = app.pointer("/container/docker/network").is_some();
    if on_host(app) && !legacy && !mappings.is_empty() {
        found.push(wrong("/container/portMappings", "must not be specified with host networking"));
    }
    if !on_host(app) && app.get("portDefinitions").is_some_and(|all| !all.is_null()) {
        found.push(wrong("/portDefinitions", "must not be specified with container networking"));
    }
    let mut names = BTreeMap::new();
    for (index, mapping) in mappings.iter().enumerate() {
        let at = format!("/container/portMappings({index})");
        if let Some(name) = mapping.get("name").and_then(Json::as_str) {
            if !is_id(name) || name.contains(['.', '/']) {
                found.push(wrong(
                    &format!("{at}/name"),
                    "must fully match regular expression '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'",
                ));
            }
            if names.insert(name.to_owned(), index).is_some() {
                found.push(wrong("/container/portMappings", "Port names must be unique."));
            }
        }
        if mapping.get("protocol").is_some_and(|word| !["tcp", "udp", "udp,tcp"].iter().any(|known| word == known)) {
            found.push(wrong(&format!("{at}/protocol"), "error.pattern"));
        }
        let host = mapping.get("hostPort").and_then(Json::as_u64).is_some();
        if networks.len() > 1 && host && list(mapping, "/networkNames").len() != 1 {
            found.push(wrong(
                &at,
                "must specify exactly one network name when hostPort is given and there are several networks",
            ));
        }
    }
}

fn checks(app: &Json, found: &mut Wrong) {
    let ports = if on_host(app) {
        app.get("portDefinitions").and_then(Json::as_array).map_or(1, Vec::len)
    } else {
        app.pointer("/container/portMappings").and_then(Json::as_array).map_or(1, Vec::len)
    };
    let mut of_mesos = 0;
    for (index, check) in list(app, "/healthChecks").iter().enumerate() {
        let at = format!("/healthChecks({index})");
        let protocol = check.get("protocol").and_then(Json::as_str).unwrap_or("HTTP");
        match protocol {
            "COMMAND" => {
                if check.pointer("/command/value").is_none() {
                    found.push(wrong(&format!("{at}/command"), "not defined"));
                }
            }
            "HTTP" | "HTTPS" | "TCP" | "MESOS_HTTP" | "MESOS_HTTPS" | "MESOS_TCP" => {
                of_mesos += usize::from(protocol.starts_with("MESOS"));
                let port = check.get("portIndex").and_then(Json::as_u64).unwrap_or(0);
                if check.get("port").is_none() && port as usize >= ports {
                    found.push(wrong(&at, "Health check port indices must address an element of the ports array or container port mappings."));
                }
            }
            _ => found.push(wrong(&format!("{at}/protocol"), "error.unknown.enum.literal")),
        }
    }
    if of_mesos > 1 {
        found.push(wrong("/healthChecks", "AppDefinition can contain at most one Mesos health check"));
    }
    let readiness = list(app, "/readinessChecks");
    if readiness.len() > 1 {
        found.push(wrong("/readinessChecks", "must have at most one readiness check"));
    }
    for check in readiness {
        let name = check.get("portName").and_then(Json::as_str).unwrap_or("http-api");
        let named = |pointer: &str| list(app, pointer).iter().any(|port| port["name"] == name);
        if !named("/container/portMappings") && !named("/portDefinitions") {
            found.push(wrong("/readinessChecks(0)", "portName must be one of the port names"));
        }
        let every = check.get("intervalSeconds").and_then(Json::as_u64).unwrap_or(30);
        if check.get("timeoutSeconds").and_then(Json::as_u64).unwrap_or(10) >= every {
            found.push(wrong("/readinessChecks(0)/timeoutSeconds", "timeout must be less than interval"));
        }
    }
}

fn volumes(app: &Json, docker: bool, features: &BTreeSet<&str>, found: &mut Wrong) {
    let over = app.pointer("/upgradeStrategy/maximumOverCapacity").and_then(Json::as_f64);
    for (index, volume) in list(app, "/container/volumes").iter().enumerate() {
        let at = format!("/container/volumes({index})");
        let path = volume["containerPath"].as_str().unwrap_or_default();
        if path.is_empty() {
            found.push(wrong(&format!("{at}/containerPath"), "must not be empty"));
        }
        if let Some(persistent) = volume.get("persistent") {
            if path.contains('/') || path == "." || path == ".." {
                found.push(wrong(&format!("{at}/containerPath"), "must not contain \"/\""));
            }
            if volume.get("mode").is_some_and(|mode| mode != "RW") {
                found.push(wrong(&format!("{at}/mode"), "must be RW"));
            }
            if persistent.get("size").and_then(Json::as_u64).is_none_or(|size| size == 0) {
                found.push(wrong(&format!("{at}/persistent/size"), "error.min"));
            }
            if over.is_some_and(|over| over != 0.0) {
                found.push(wrong(
                    "/upgradeStrategy/maximumOverCapacity",
                    "maximumOverCapacity must be 0 for resident tasks",
                ));
            }
            if app.get("unreachableStrategy").is_some_and(|strategy| strategy != "disabled") {
                found.push(wrong("/unreachableStrategy", "unreachableStrategy must be disabled for resident tasks"));
            }
        }
        if let Some(external) = volume.get("external") {
            if !features.contains("external_volumes") {
                found.push(wrong(
                    &at,
                    "Feature external_volumes is not enabled. Enable with --enable_features external_volumes)",
                ));
            }
            let shared = external.get("shared") == Some(&Json::Bool(true)) || external["provider"] == "csi";
            if !shared && app.get("instances").and_then(Json::as_u64).unwrap_or(1) > 1 {
                found.push(wrong("/instances", "must be <= 1 with external volumes"));
            }
            if over != Some(0.0) {
                found.push(wrong("/upgradeStrategy", "maximumOverCapacity must be 0 with external volumes"));
            }
            if external["provider"] == "dvdi" && external.pointer("/options/dvdi~1driver").is_none() {
                found.push(wrong(&format!("{at}/external/options"), "dvdi/driver is not defined"));
            }
        }
        if volume.get("secret").is_some() && docker {
            found.push(wrong(&at, "File-based secrets are only supported with the Mesos containerizer"));
        }
    }
}

fn constraints(app: &Json, found: &mut Wrong) {
    for (index, constraint) in list(app, "/constraints").iter().enumerate() {
        let words: Vec<&str> = constraint.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let why = match words.as_slice() {
            [_, "UNIQUE" | "GROUP_BY" | "CLUSTER"] | [_, "LIKE" | "UNLIKE" | "IS" | "CLUSTER", _] => continue,
            [_, "GROUP_BY" | "MAX_PER", number] if number.parse::<u32>().is_ok() => continue,
            [_, "UNIQUE", _] => "Value specified for UNIQUE operator",
            [_, "MAX_PER" | "LIKE" | "UNLIKE" | "IS"] => "Missing value",
            _ => {
                "Constraint operator must be one of the following: UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS"
            }
        };
        found.push(wrong(&format!("/constraints({index})"), why));
    }
}

fn secrets(app: &Json, features: &BTreeSet<&str>, found: &mut Wrong) {
    let declared = app.get("secrets").and_then(Json::as_object);
    let env = app.get("env").and_then(Json::as_object).into_iter().flatten();
    let in_env = env.filter_map(|(key, value)| Some((format!("/env/{key}"), value.get("secret")?.as_str()?)));
    let mounted = list(app, "/container/volumes").iter().enumerate();
    let mounted = mounted
        .filter_map(|(index, volume)| Some((format!("/container/volumes({index})"), volume.get("secret")?.as_str()?)));
    let pull = app.pointer("/container/docker/pullConfig/secret").and_then(Json::as_str);
    let pull = pull.map(|name| ("/container/docker/pullConfig".to_owned(), name));
    let used: Vec<_> = in_env.chain(mounted).chain(pull).collect();
    if (!used.is_empty() || declared.is_some_and(|all| !all.is_empty())) && !features.contains("secrets") {
        found.push(wrong("/secrets", "Feature secrets is not enabled. Enable with --enable_features secrets)"));
    }
    for (at, name) in used {
        if declared.is_none_or(|declared| !declared.contains_key(name)) {
            found.push(wrong(&at, format!("references an undefined secret named '{name}'")));
        }
    }
}

/// What is wrong with all apps together: only a real change looks at it.
pub(super) fn root(all: &Definitions) -> Wrong {
    let mut found = Wrong::new();
    if layers(all).is_none() {
        found.push(wrong("/", "Dependency graph has cycles."));
    }
    let mut names = BTreeMap::new();
    for (id, app) in all {
        for volume in list(app, "/container/volumes") {
            let Some(external) = volume.get("external") else { continue };
            let shared = external.get("shared") == Some(&Json::Bool(true)) || external["provider"] == "csi";
            let name = external["name"].as_str().unwrap_or_default();
            if !shared
                && let Some(other) = names.insert(name.to_owned(), id)
                && other != id
            {
                found.push(wrong(
                    "/",
                    format!("Volume name '{name}' in {id} conflicts with volume(s) of same name in app(s): {other}"),
                ));
            }
        }
    }
    found
}

/// How long the longest way of dependencies below each app is; `None` where they go round.
pub(super) fn layers(all: &Definitions) -> Option<BTreeMap<String, usize>> {
    fn visit(
        id: &str,
        all: &Definitions,
        known: &mut BTreeMap<String, usize>,
        open: &mut Vec<String>,
    ) -> Option<usize> {
        if let Some(depth) = known.get(id) {
            return Some(*depth);
        }
        if open.iter().any(|other| other == id) {
            return None;
        }
        open.push(id.to_owned());
        let mut depth = 0;
        for other in list(&all[id], "/dependencies").iter().filter_map(Json::as_str) {
            let inside = format!("{other}/");
            let below: Vec<&String> = all.keys().filter(|key| *key == other || key.starts_with(&inside)).collect();
            for other in below {
                depth = depth.max(visit(other, all, known, open)? + 1);
            }
        }
        open.pop();
        known.insert(id.to_owned(), depth);
        Some(depth)
    }
    let mut known = BTreeMap::new();
    for id in all.keys() {
        visit(id, all, &mut known, &mut Vec::new())?;
    }
    Some(known)
}
