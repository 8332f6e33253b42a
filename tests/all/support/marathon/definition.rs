//! What a definition of an app may hold, and what the server makes of one: every default written out.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// Definitions by id.
pub type Definitions = BTreeMap<String, Json>;

/// What is known of an app: `s`, `i`, `n`, `b` are a string, a whole number, a number, true or false; a list has the kind
/// of its items, `*` stands for any name, and several kinds are alternatives of a `|`.
fn known() -> Json {
    let health = json!({
        "command": {"value": "s"}, "delaySeconds": "i", "gracePeriodSeconds": "i", "ignoreHttp1xx": "b",
        "intervalSeconds": "i", "ipProtocol": "s", "maxConsecutiveFailures": "i", "path": "s", "port": "i",
        "portIndex": "i", "protocol": "s", "timeoutSeconds": "i"
    });
    let readiness = json!({
        "name": "s", "protocol": "s", "path": "s", "portName": "s", "intervalSeconds": "i", "timeoutSeconds": "i",
        "httpStatusCodesForReady": ["i"], "preserveLastResponse": "b"
    });
    let container = json!({
        "type": "s",
        "docker": {
            "credential": "any", "forcePullImage": "b", "image": "s", "network": "s", "parameters": [{"key": "s", "value": "s"}],
            "portMappings": "any", "privileged": "b", "pullConfig": {"secret": "s"}
        },
        "linuxInfo": "any",
        "portMappings": [{
            "containerPort": "i", "hostPort": "i", "labels": {"*": "s"}, "name": "s", "networkNames": ["s"],
            "protocol": "s", "servicePort": "i"
        }],
        "volumes": [{
            "containerPath": "s", "hostPath": "s", "mode": "s", "secret": "s",
            "persistent": {"size": "i", "type": "s", "maxSize": "i", "profileName": "s", "constraints": [["s"]]},
            "external": {"name": "s", "provider": "s", "size": "i", "shared": "b", "options": {"*": "any"}}
        }]
    });
    json!({
        "acceptedResourceRoles": ["s"], "args": ["s"], "backoffFactor": "n", "backoffSeconds": "i", "check": "any",
        "cmd": "s", "constraints": [["s"]], "container": container, "cpus": "n", "dependencies": ["s"],
        "disk": "n", "env": {"*": "s|secret"}, "executor": "s", "executorResources": {"cpus": "n", "mem": "n", "disk": "n"},
        "fetch": [{"uri": "s", "destPath": "s", "extract": "b", "executable": "b", "cache": "b"}],
        "gpus": "i", "healthChecks": [health], "id": "s", "instances": "i", "killSelection": "s",
        "labels": {"*": "s"}, "maxLaunchDelaySeconds": "i", "mem": "n",
        "networks": [{"mode": "s", "name": "s", "labels": {"*": "s"}}],
        "portDefinitions": [{"port": "i", "protocol": "s", "name": "s", "labels": {"*": "s"}}],
        "readinessChecks": [readiness], "requirePorts": "b", "residency": "any",
        "resourceLimits": {"cpus": "n|unlimited", "mem": "n|unlimited"}, "role": "s", "secrets": {"*": {"source": "s"}},
        "taskKillGracePeriodSeconds": "i", "tty": "b",
        "unreachableStrategy": "disabled|unreachable", "upgradeStrategy": {"maximumOverCapacity": "n", "minimumHealthCapacity": "n"},
        "user": "s", "version": "s", "ports": "any", "uris": "any", "ipAddress": "any"
    })
}

/// What is wrong with the form of a definition: keys nobody knows first, then kinds.
pub(super) struct Form {
    pub(super) unknown: Vec<String>,
    pub(super) wrong: Vec<(String, String)>,
}

/// Looks at every key of a definition.
pub(super) fn form(definition: &Json) -> Form {
    let mut form = Form { unknown: Vec::new(), wrong: Vec::new() };
    look(&known(), definition, "", &mut form);
    form
}

fn look(known: &Json, value: &Json, at: &str, form: &mut Form) {
    match (known, value) {
        (_, Json::Null) => {}
        (Json::String(kinds), value) => {
            let fits = kinds.split('|').any(|kind| match kind {
                "s" => value.is_string(),
                "i" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
                "n" => value.is_number(),
                "b" => value.is_boolean(),
                "any" => true,
                "secret" => value
                    .as_object()
                    .is_some_and(|map| map.len() == 1 && map.get("secret").is_some_and(Json::is_string)),
                "unreachable" => value.as_object().is_some_and(|map| {
                    map.keys().all(|key| matches!(key.as_str(), "inactiveAfterSeconds" | "expungeAfterSeconds"))
                }),
                word => value == word,
            });
            if !fits {
                form.wrong.push((at.to_owned(), format!("error.expected.{kinds}")));
            }
        }
        (Json::Array(item), Json::Array(values)) => {
            for (index, value) in values.iter().enumerate() {
                look(&item[0], value, &format!("{at}({index})"), form);
            }
        }
        (Json::Object(entries), Json::Object(values)) => {
            for (key, value) in values {
                let at = format!("{at}/{key}");
                match entries.get(key).or_else(|| entries.get("*")) {
                    Some(known) => look(known, value, &at, form),
                    None => form.unknown.push(at),
                }
            }
        }
        (Json::Array(_), _) => form.wrong.push((at.to_owned(), "error.expected.jsarray".to_owned())),
        _ => form.wrong.push((at.to_owned(), "error.expected.jsobject".to_owned())),
    }
}

/// Puts a value where there is none.
fn default(map: &mut Json, key: &str, value: Json) {
    if map.get(key).is_none_or(Json::is_null) {
        map[key] = value;
    }
}

/// The definition with every default; `port` gives numbers for services, `before` is what was there.
pub(super) fn complete(definition: &Json, before: Option<&Json>, port: &mut dyn FnMut() -> u64) -> Json {
    let mut app = definition.clone();
    let entries = app.as_object_mut().unwrap();
    entries.retain(|_, value| !value.is_null());
    for transient in ["version", "uris", "ports"] {
        entries.remove(transient);
    }
    modern(&mut app);
    for (key, value) in [
        ("acceptedResourceRoles", json!(["*"])),
        ("backoffFactor", json!(1.15)),
        ("backoffSeconds", json!(1)),
        ("constraints", json!([])),
        ("cpus", json!(1)),
        ("dependencies", json!([])),
        ("disk", json!(0)),
        ("env", json!({})),
        ("executor", json!("")),
        ("fetch", json!([])),
        ("gpus", json!(0)),
        ("healthChecks", json!([])),
        ("instances", json!(1)),
        ("killSelection", json!("YOUNGEST_FIRST")),
        ("labels", json!({})),
        ("maxLaunchDelaySeconds", json!(300)),
        ("mem", json!(128)),
        ("requirePorts", json!(false)),
        ("role", json!("*")),
    ] {
        default(&mut app, key, value);
    }
    let resident = app
        .pointer("/container/volumes")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .any(|volume| volume.get("persistent").is_some());
    default(
        &mut app,
        "unreachableStrategy",
        if resident { json!("disabled") } else { json!({"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0}) },
    );
    default(&mut app, "upgradeStrategy", json!({}));
    let single = app["labels"]["MARATHON_SINGLE_INSTANCE_APP"] == "true";
    let (healthy, over) = if single {
        (0, 0)
    } else if resident {
        (1, 0)
    } else {
        (1, 1)
    };
    default(&mut app["upgradeStrategy"], "minimumHealthCapacity", json!(healthy));
    default(&mut app["upgradeStrategy"], "maximumOverCapacity", json!(over));
    for check in app["healthChecks"].as_array_mut().unwrap() {
        for (key, value) in [
            ("protocol", json!("HTTP")),
            ("delaySeconds", json!(15)),
            ("gracePeriodSeconds", json!(300)),
            ("intervalSeconds", json!(60)),
            ("ipProtocol", json!("IPv4")),
            ("maxConsecutiveFailures", json!(3)),
            ("timeoutSeconds", json!(20)),
        ] {
            default(check, key, value);
        }
        if check["protocol"] == "COMMAND" {
            check.as_object_mut().unwrap().remove("ipProtocol");
        } else if check.get("port").is_none() {
            default(check, "portIndex", json!(0));
        }
        if check["protocol"].as_str().is_some_and(|word| word.contains("HTTP")) {
            default(check, "ignoreHttp1xx", json!(false));
            default(check, "path", json!("/"));
        }
    }
    for fetch in app["fetch"].as_array_mut().unwrap() {
        for (key, value) in [("extract", true), ("executable", false), ("cache", false)] {
            default(fetch, key, json!(value));
        }
    }
    networks(&mut app);
    container(&mut app, before, port);
    app
}

/// The form of 1.4 and before, as 1.5 and later write it.
fn modern(app: &mut Json) {
    let Some(docker) = app.pointer_mut("/container/docker").and_then(Json::as_object_mut) else { return };
    let (network, mappings) = (docker.remove("network"), docker.remove("portMappings"));
    if let Some(mappings) = mappings {
        app["container"]["portMappings"] = mappings;
    }
    match network.as_ref().and_then(Json::as_str) {
        Some("BRIDGE") => app["networks"] = json!([{"mode": "container/bridge"}]),
        Some("HOST") => app["networks"] = json!([{"mode": "host"}]),
        _ => {}
    }
}

fn networks(app: &mut Json) {
    default(app, "networks", json!([{"mode": "host"}]));
    if app["networks"].as_array().is_some_and(Vec::is_empty) {
        app["networks"] = json!([{"mode": "host"}]);
    }
    for network in app["networks"].as_array_mut().unwrap() {
        default(network, "mode", json!("container"));
    }
}

/// Whether it shares the network of its agent.
pub(super) fn on_host(app: &Json) -> bool {
    app.get("networks").and_then(Json::as_array).is_none_or(|all| all.iter().any(|one| one["mode"] == "host"))
}

fn container(app: &mut Json, before: Option<&Json>, port: &mut dyn FnMut() -> u64) {
    let on_host = on_host(app);
    if on_host {
        default(app, "portDefinitions", json!([{"port": 0}]));
        let old = before.and_then(|app| app.get("portDefinitions"));
        for (index, definition) in app["portDefinitions"].as_array_mut().unwrap().iter_mut().enumerate() {
            default(definition, "port", json!(0));
            if definition["port"] == 0 {
                let reused = old.and_then(|old| old[index].get("port")).cloned();
                definition["port"] = reused.unwrap_or_else(|| json!(port()));
            }
            default(definition, "protocol", json!("tcp"));
            default(definition, "labels", json!({}));
        }
    }
    if app.get("container").is_none() && !on_host {
        app["container"] = json!({"type": "MESOS"});
    }
    let Some(container) = app.get_mut("container") else { return };
    default(container, "type", json!("DOCKER"));
    default(container, "volumes", json!([]));
    for volume in container["volumes"].as_array_mut().unwrap() {
        if volume.get("secret").is_none() {
            default(volume, "mode", json!("RW"));
        }
        if let Some(persistent) = volume.get_mut("persistent") {
            default(persistent, "type", json!("root"));
            default(persistent, "constraints", json!([]));
        }
    }
    let docker = container["type"] == "DOCKER";
    if let Some(inner) = container.get_mut("docker") {
        default(inner, "forcePullImage", json!(false));
        if docker {
            default(inner, "parameters", json!([]));
            default(inner, "privileged", json!(false));
        }
    }
    if on_host {
        return;
    }
    // Nothing said about ports is one port; an empty list is none.
    default(container, "portMappings", json!([{"containerPort": 0}]));
    let old = before.and_then(|app| app.pointer("/container/portMappings"));
    for (index, mapping) in container["portMappings"].as_array_mut().unwrap().iter_mut().enumerate() {
        default(mapping, "containerPort", json!(0));
        default(mapping, "hostPort", json!(0));
        default(mapping, "protocol", json!("tcp"));
        default(mapping, "labels", json!({}));
        default(mapping, "servicePort", json!(0));
        if mapping["servicePort"] == 0 {
            let reused = old.and_then(|old| old[index].get("servicePort")).cloned();
            mapping["servicePort"] = reused.unwrap_or_else(|| json!(port()));
        }
    }
}

/// Whether tasks have to be started anew to come from one definition to the other.
pub(super) fn is_upgrade(before: &Json, after: &Json) -> bool {
    let without = |app: &Json| {
        let mut entries: Map<String, Json> = app.as_object().cloned().unwrap_or_default();
        for key in ["instances", "version", "versionInfo"] {
            entries.remove(key);
        }
        entries.into_iter().collect::<BTreeMap<_, _>>()
    };
    without(before) != without(after)
}
