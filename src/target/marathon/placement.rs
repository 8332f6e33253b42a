//! On which agents an app may run.

use super::translate::{Translator, some_list};
use crate::{
    compose::model::Service,
    target::codes,
    value::{Node, Sources},
};

impl Translator<'_> {
    /// `constraints` of an app.
    pub(super) fn constraints(&mut self, name: &str, service: &Service) -> Option<Node> {
        let deploy = service.deploy.as_ref().map(|deploy| &deploy.value);
        let placement = deploy.and_then(|deploy| deploy.placement.as_ref()).map(|placement| &placement.value);
        let mut items: Vec<Node> = Vec::new();
        for constraint in placement.iter().flat_map(|placement| &placement.constraints).flat_map(|all| &all.value) {
            let from = self.from(constraint);
            let text = constraint.value.plain().unwrap_or_default().to_owned();
            let parsed = text
                .split_once("==")
                .map(|parts| (parts, true))
                .or_else(|| text.split_once("!=").map(|parts| (parts, false)));
            let said = parsed.and_then(|((key, value), equal)| Some((field(key.trim())?, value.trim(), equal)));
            if let Some((field, value, equal)) = said {
                items.push(if equal {
                    words(&[&field, "IS", value], from)
                } else {
                    words(&[&field, "UNLIKE", &escaped(value)], from)
                });
            } else {
                let told = format!("the constraint `{}` cannot be said", constraint.value.masked());
                let at = format!("services.{name}.deploy.placement.constraints");
                self.find(
                    &codes::UNSUPPORTED,
                    told,
                    constraint.spot,
                    &at,
                    "use an attribute of the agents: `node.labels.NAME`",
                );
            }
        }
        for preference in placement.iter().flat_map(|placement| &placement.preferences).flat_map(|all| &all.value) {
            let Some(spread) = &preference.value.spread else { continue };
            if let Some(field) = spread.value.plain().and_then(field) {
                items.push(words(&[&field, "GROUP_BY"], self.from(spread)));
            } else {
                let told = format!("`{}` is no attribute of an agent", spread.value.masked());
                let at = format!("services.{name}.deploy.placement.preferences");
                self.find(&codes::UNSUPPORTED, told, spread.spot, &at, "spread over an attribute of the agents");
            }
        }
        if let Some(most) = placement.and_then(|placement| placement.max_replicas_per_node.as_ref()) {
            items.push(words(&["hostname", "MAX_PER", &most.value.to_string()], most.spot.into()));
        }
        let mode = deploy.and_then(|deploy| deploy.mode.as_ref()).filter(|mode| mode.value.plain() == Some("global"));
        if let Some(mode) = mode {
            items.push(words(&["hostname", "UNIQUE"], self.from(mode)));
            let told = format!("`{name}` runs on as many agents as it has replicas, and not on all of them");
            let at = format!("services.{name}.deploy.mode");
            self.find(&codes::APPROXIMATED, told, mode.spot, &at, "set `replicas` to the number of agents");
        }
        some_list(items)
    }
}

fn words(words: &[&str], from: Sources) -> Node {
    let items: Vec<Node> = words.iter().map(|word| Node { value: (*word).into(), from }).collect();
    Node { value: items.into(), from }
}

/// What Swarm calls a property of a node, as agents have it.
fn field(key: &str) -> Option<String> {
    match key {
        "node.hostname" => Some("hostname".to_owned()),
        _ => key.strip_prefix("node.labels.").or_else(|| key.strip_prefix("engine.labels.")).map(str::to_owned),
    }
}

/// A text as a pattern that only it fits.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.^$|?*+()[]{}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
