//! What Compose adds by itself: the default network, names, implied dependencies, values of variables.

use super::{merge, request::clean, schema, variables::Variables};
use crate::{
    diagnostic::Finding,
    value::{Located, Origins, Source, Spot, Text, TextBuilder},
    yaml::{Entry, Mapping, Scalar, Tree},
};

/// `NAME` alone in a list of variables, and `environment` of configs and secrets.
pub(super) fn resolve_environment(root: &mut Tree, variables: &Variables) {
    for section in ["services", "jobs"] {
        for (_, service) in entries_mut(root, section) {
            let Some(items) = service.get_mut("environment").and_then(Tree::as_sequence_mut) else { continue };
            for item in items {
                resolve_item(item, variables);
            }
        }
    }
    for (section, target) in [("secrets", SECRET_CONTENT), ("configs", "content")] {
        for (_, resource) in entries_mut(root, section) {
            let Some(name) = resource.get("environment").and_then(Tree::raw).map(str::to_owned) else { continue };
            let Some(found) = variables.get(&name).cloned() else { continue };
            let text = if section == "secrets" {
                found.value.concealed(&name, found.spot, &variables.concealed)
            } else {
                found.value
            };
            if let Some(mapping) = resource.as_mapping_mut() {
                mapping.set(target, Tree::text(text, found.spot));
            }
        }
    }
}

/// Where the content of a secret stands that came from a variable: an extension to all who read the model meanwhile.
pub(super) const SECRET_CONTENT: &str = "x-#value";

fn resolve_item(item: &mut Tree, variables: &Variables) {
    let Some(name) = item.raw().filter(|text| !text.contains('=')).map(str::to_owned) else { return };
    if let Some(found) = variables.get(&name) {
        let mut text = TextBuilder::default();
        text.push(&name);
        text.push("=");
        push(&mut text, found);
        item.spot = variables.origins.derive(item.spot, None, found.spot.into());
        item.value = Scalar::Text(text.finish());
    }
}

fn push(text: &mut TextBuilder, found: &Located<Text>) {
    for (piece, mark) in found.value.pieces() {
        text.push_marked(piece, found.spot, mark.and_then(|(_, secret)| secret));
    }
}

fn entries_mut<'t>(root: &'t mut Tree, section: &str) -> impl Iterator<Item = (&'t str, &'t mut Tree)> {
    root.get_mut(section)
        .and_then(Tree::as_mapping_mut)
        .into_iter()
        .flat_map(|mapping| mapping.entries.iter_mut().map(|(key, entry)| (&**key, &mut entry.tree)))
}

/// Everything else; `name` is that of the project.
pub(super) fn normalize(root: &mut Tree, name: &str, variables: &Variables) -> Result<(), Finding> {
    let origins = &variables.origins;
    networks(root, origins);
    for section in ["services", "jobs"] {
        for (_, service) in entries_mut(root, section) {
            container(service, variables)?;
        }
    }
    for section in ["networks", "volumes", "configs", "secrets"] {
        let Some(mapping) = root.get_mut(section).and_then(Tree::as_mapping_mut) else { continue };
        for (key, entry) in &mut mapping.entries {
            if entry.tree.is_null() {
                entry.tree = Tree::mapping(entry.key);
            }
            let key_spot = entry.key;
            let Some(resource) = entry.tree.as_mapping_mut() else { continue };
            if resource.get("name").is_none_or(Tree::is_null) {
                let external =
                    resource.get("external").is_some_and(|external| matches!(external.value, Scalar::Bool(true)));
                let text = if external { key.to_string() } else { format!("{name}_{key}") };
                resource.set("name", Tree::text(text, default(origins, "name of a resource", key_spot)));
            }
        }
    }
    Ok(())
}

fn default(origins: &Origins, rule: &'static str, made_of: Spot) -> Spot {
    let spot = origins.add(Source::Default { rule });
    origins.derive(spot, None, made_of.into())
}

fn networks(root: &mut Tree, origins: &Origins) {
    let mut uses_default = false;
    for section in ["services", "jobs"] {
        for (_, service) in entries_mut(root, section) {
            if service.get("provider").is_some() || service.get("network_mode").is_some() {
                continue;
            }
            let empty = service.get("networks").is_none_or(|networks| {
                networks.is_null() || networks.as_mapping().is_some_and(|mapping| mapping.entries.is_empty())
            });
            if empty {
                let spot = default(origins, "default network", Spot::NOWHERE);
                let mut mapping = Mapping::default();
                mapping.set("default", Tree::new(Scalar::Null, spot));
                if let Some(service) = service.as_mapping_mut() {
                    service.set("networks", Tree::new(Scalar::Mapping(mapping), spot));
                }
            }
            uses_default |= empty || service.at(&["networks", "default"]).is_some();
        }
    }
    if !uses_default {
        return;
    }
    let spot = default(origins, "default network", Spot::NOWHERE);
    let Some(root) = root.as_mapping_mut() else { return };
    if root.get("networks").is_none_or(Tree::is_null) {
        root.set("networks", Tree::mapping(spot));
    }
    if let Some(networks) = root.get_mut("networks").and_then(Tree::as_mapping_mut)
        && !networks.contains("default")
    {
        networks.set("default", Tree::new(Scalar::Null, spot));
    }
}

fn container(service: &mut Tree, variables: &Variables) -> Result<(), Finding> {
    let origins = &variables.origins;
    if let Some(policy) = service.get_mut("pull_policy")
        && policy.raw() == Some("if_not_present")
    {
        policy.value = Scalar::Text("missing".into());
    }
    if let Some(build) = service.get_mut("build") {
        let spot = build.spot;
        if let Some(build) = build.as_mapping_mut() {
            if build.get("context").is_none_or(Tree::is_null) {
                build.set("context", Tree::text(".", spot));
            }
            if build.get("dockerfile").is_none_or(Tree::is_null)
                && build.get("dockerfile_inline").is_none_or(Tree::is_null)
            {
                build.set("dockerfile", Tree::text("Dockerfile", default(origins, "dockerfile", spot)));
            }
            if let Some(arguments) = build.get_mut("args") {
                resolve(arguments, variables, false);
            }
        }
    }
    if let Some(environment) = service.get_mut("environment") {
        resolve(environment, variables, true);
    }
    implied_dependencies(service);
    if let Some(mounts) = service.get_mut("volumes").and_then(Tree::as_sequence_mut) {
        for mount in mounts {
            if let Some(target) = mount.get_mut("target")
                && let Some(raw) = target.raw()
            {
                let cleaned = clean(raw);
                if cleaned != raw {
                    target.value = Scalar::Text(cleaned.into());
                }
            }
        }
    }
    hooks(service, origins)
}

/// Gives bare names the value they have in the project; `keep`: what has none stays as it is.
fn resolve(tree: &mut Tree, variables: &Variables, keep: bool) {
    match &mut tree.value {
        Scalar::Mapping(mapping) => {
            for (name, entry) in &mut mapping.entries {
                if entry.tree.is_null()
                    && let Some(found) = variables.get(name)
                {
                    let mut text = TextBuilder::default();
                    push(&mut text, found);
                    let spot = variables.origins.derive(entry.key, None, found.spot.into());
                    entry.tree = Tree::text(text.finish(), spot);
                }
            }
            if !keep {
                mapping.entries.retain(|_, entry| !entry.tree.is_null());
            }
        }
        Scalar::Sequence(items) => {
            for item in items.iter_mut() {
                resolve_item(item, variables);
            }
            if !keep {
                items.retain(|item| item.raw().is_some_and(|text| text.contains('=')));
                if items.is_empty() {
                    tree.value = Scalar::Null;
                }
            }
        }
        _ => {}
    }
}

fn implied_dependencies(service: &mut Tree) {
    let mut implied: Vec<(String, Spot, bool)> = Vec::new();
    for link in service.get("links").and_then(Tree::as_sequence).unwrap_or_default() {
        let Some(text) = link.raw() else { continue };
        let parts: Vec<&str> = text.split(':').collect();
        let name = if let [name, _] = parts.as_slice() { name } else { text };
        implied.push((name.to_owned(), link.spot, true));
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        if let Some(tree) = service.get(key)
            && let Some(name) = tree.raw().and_then(|text| text.strip_prefix("service:"))
        {
            implied.push((name.to_owned(), tree.spot, true));
        }
    }
    for source in service.get("volumes_from").and_then(Tree::as_sequence).unwrap_or_default() {
        if let Some(text) = source.raw().filter(|text| !text.starts_with("container:")) {
            implied.push((text.split(':').next().unwrap_or_default().to_owned(), source.spot, false));
        }
    }
    if implied.is_empty() {
        return;
    }
    let spot = service.spot;
    let Some(service) = service.as_mapping_mut() else { return };
    if service.get("depends_on").is_none_or(Tree::is_null) {
        service.set("depends_on", Tree::mapping(spot));
    }
    let Some(dependencies) = service.get_mut("depends_on").and_then(Tree::as_mapping_mut) else { return };
    for (name, spot, restart) in implied {
        if !dependencies.contains(&name) {
            let mut dependency = merge::started(spot);
            if let Some(mapping) = dependency.as_mapping_mut() {
                mapping.set("restart", Tree::new(Scalar::Bool(restart), spot));
            }
            dependencies.entries.insert(name.into(), Entry { key: spot, tree: dependency });
        }
    }
}

/// What a `pre_start` container does not set it has from its service; mounts are its own.
fn hooks(service: &mut Tree, origins: &Origins) -> Result<(), Finding> {
    if service.get("pre_start").and_then(Tree::as_sequence).is_none_or(<[Tree]>::is_empty) {
        return Ok(());
    }
    let mut base = Mapping::default();
    if let Some(mapping) = service.as_mapping() {
        for (key, entry) in &mapping.entries {
            if &**key != "volumes" && schema::is_container_key(key) {
                base.entries.insert(key.clone(), entry.clone());
            }
        }
    }
    let Some(items) = service.get_mut("pre_start").and_then(Tree::as_sequence_mut) else { return Ok(()) };
    for item in items {
        let spot = item.spot;
        let own = std::mem::take(item);
        let inherited = Tree::new(Scalar::Mapping(base.clone()), spot);
        *item = merge::merge_at(inherited, own, &["services", "hook"], origins)?;
    }
    Ok(())
}
