//! What is frozen once released, because changing it restarts or replaces what runs everywhere: the marks on objects,
//! selectors, names that carry content, and the order and defaults of pods.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde_json::Value as Json;
use transship::{report::RenderDocument, session::Disk, target::Dialect};

use crate::support::{
    shop,
    translated::{Translated, translate, translate_as},
};

const WARNING: &str = "\
A change here restarts or replaces what runs in every installation, with the first apply of the next version.
If that is what you want: say so in CHANGELOG.md, and write the file anew with FROZEN=overwrite.";

fn pairs(out: &mut String, what: &str, json: Option<&Json>) {
    for (key, value) in json.and_then(Json::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(out, "  {what} {key}: {value}");
    }
}

/// Every key of a body in its order, each once, with the values of those that nobody wrote.
fn order(json: &Json, at: &str, out: &mut Vec<String>) {
    match json {
        Json::Object(entries) => {
            let own =
                ["labels", "annotations", "limits", "requests", "nodeSelector", "matchLabels", "Labels", "Options"]
                    .iter()
                    .any(|name| at.ends_with(name));
            for (key, value) in entries {
                if !own {
                    order(value, &format!("{at}.{key}"), out);
                }
            }
            if own {
                out.push(at.to_owned());
            }
        }
        Json::Array(items) if items.iter().all(|item| !item.is_object()) => out.push(at.to_owned()),
        Json::Array(items) => {
            for item in items {
                order(item, &format!("{at}[]"), out);
            }
        }
        Json::Bool(value) => out.push(format!("{at}: {value}")),
        _ => out.push(at.to_owned()),
    }
}

fn described(title: &str, translated: &Translated, out: &mut String) {
    let _ = writeln!(out, "== {title}");
    for resource in RenderDocument::new(&translated.translation.release, Vec::new()).resources {
        let body = &resource.body;
        let _ = writeln!(out, "{} is {}", resource.resource, resource.address);
        pairs(out, "label", body.pointer("/metadata/labels"));
        pairs(out, "label", body.pointer("/Labels"));
        pairs(out, "tasks have", body.pointer("/TaskTemplate/ContainerSpec/Labels"));
        pairs(out, "annotation", body.pointer("/metadata/annotations"));
        pairs(out, "selects", body.pointer("/spec/selector/matchLabels"));
        pairs(out, "selects", body.pointer("/spec/podSelector/matchLabels"));
        if body["kind"] == "Service" {
            pairs(out, "selects", body.pointer("/spec/selector"));
        }
        pairs(out, "pods have", body.pointer("/spec/template/metadata/labels"));
    }
}

#[test]
fn what_would_restart_every_installation_does_not_change() {
    let none = BTreeMap::new();
    let fixture = |name: &str| format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    let in_shop = translate(&Disk, &shop::directory(), Some("production"), &none, None);
    let Ok(in_shop) = in_shop else { panic!("the shop cannot be translated") };
    described("shop in production", &in_shop, &mut text);
    let mut all = vec![in_shop];
    for topic in ["kinds", "names", "networks", "hooks", "security", "memory", "project-files"] {
        let Ok(translated) = translate(&Disk, &fixture(topic), None, &none, None) else { panic!("{topic}") };
        if matches!(topic, "kinds" | "names" | "networks") {
            described(topic, &translated, &mut text);
        }
        all.push(translated);
    }
    let Ok(on_swarm) = translate(&Disk, &shop::directory(), Some("swarm"), &none, None) else { panic!("on a Swarm") };
    described("shop in swarm", &on_swarm, &mut text);
    all.push(on_swarm);
    for topic in ["security", "memory", "volumes", "scaling"] {
        let translated = translate_as(Some(Dialect::Swarm), &Disk, &fixture(topic), None, &none, None);
        all.push(translated.unwrap_or_else(|_| panic!("{topic} on a Swarm")));
    }
    // Which entries pods and tasks have, in which order, over all of them.
    let _ = writeln!(text, "== order and defaults of pods and tasks");
    for translated in &all {
        for resource in RenderDocument::new(&translated.translation.release, Vec::new()).resources {
            let kind = resource.body["kind"].as_str().unwrap_or("Service");
            let runs = ["/spec/template/spec", "/TaskTemplate"];
            if let Some(pod) = runs.iter().find_map(|pointer| resource.body.pointer(pointer)) {
                let mut keys = Vec::new();
                order(pod, "", &mut keys);
                keys.dedup();
                let _ = writeln!(text, "{} of {kind}", resource.address);
                for key in keys {
                    let _ = writeln!(text, "  {key}");
                }
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/frozen.txt");
    if std::env::var_os("FROZEN").is_some_and(|mode| mode == "overwrite") {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let other = expected.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(text == expected, "{WARNING}\nThe first line that differs, before and now: {other:#?}");
}
