//! Which services run: profiles, services named on the command line, and what none of them uses.

use std::collections::{BTreeSet, HashSet};

use super::codes;
use crate::{
    diagnostic::Finding,
    value::{Masked, Spot},
    yaml::{Mapping, Scalar, Tree},
};

/// Moves what no active profile enables out of the model, into another one.
pub(super) fn profiles(root: &mut Tree, active: &[String]) -> Tree {
    let mut disabled = Tree::mapping(Spot::NOWHERE);
    for section in ["services", "jobs"] {
        let Some(services) = root.get_mut(section).and_then(Tree::as_mapping_mut) else { continue };
        let mut out = Mapping::default();
        services.entries.retain(|name, entry| {
            let declared = entry.tree.get("profiles").and_then(Tree::as_sequence).unwrap_or_default();
            let enabled = declared.is_empty()
                || active.iter().any(|profile| profile == "*" || declared.iter().any(|own| own.raw() == Some(profile)));
            if !enabled {
                out.entries.insert(name.clone(), std::mem::take(entry));
            }
            enabled
        });
        if let Some(disabled) = disabled.as_mapping_mut() {
            disabled.set(section, Tree::new(Scalar::Mapping(out), Spot::NOWHERE));
        }
    }
    disabled
}

/// The services named and everything they need; their profiles are active.
pub(super) fn services(root: &mut Tree, disabled: &mut Tree, named: &[String]) -> Result<(), Finding> {
    if named.is_empty() {
        return Ok(());
    }
    let mut open: Vec<String> = named.to_vec();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !wanted.insert(name.clone()) {
            continue;
        }
        if root.at(&["services", &name]).is_none() {
            let enabled = disabled
                .get_mut("services")
                .and_then(Tree::as_mapping_mut)
                .and_then(|all| all.entries.shift_remove(&*name));
            match enabled {
                Some(entry) => {
                    if let Some(services) = root.get_mut("services").and_then(Tree::as_mapping_mut) {
                        services.entries.insert(name.as_str().into(), entry);
                    }
                }
                None if named.contains(&name) => {
                    return Err(Finding::new(
                        &codes::UNDEFINED,
                        Masked::words(format!("there is no service `{name}`")),
                        Spot::NOWHERE,
                    )
                    .help("`config --services` lists them"));
                }
                None => continue,
            }
        }
        let dependencies = root.at(&["services", &name, "depends_on"]).and_then(Tree::as_mapping);
        open.extend(dependencies.into_iter().flat_map(|mapping| mapping.entries.keys().map(ToString::to_string)));
    }
    if let Some(services) = root.get_mut("services").and_then(Tree::as_mapping_mut) {
        services.entries.retain(|name, _| wanted.contains(&**name));
        for entry in services.entries.values_mut() {
            if let Some(dependencies) = entry.tree.get_mut("depends_on").and_then(Tree::as_mapping_mut) {
                dependencies.entries.retain(|name, _| wanted.contains(&**name));
            }
        }
    }
    Ok(())
}

/// Networks, volumes, configs, secrets and models that no service uses are left out.
pub(super) fn unused(root: &mut Tree) {
    let mut used: HashSet<(&'static str, String)> = HashSet::new();
    for entry in
        root.get("services").and_then(Tree::as_mapping).into_iter().flat_map(|mapping| mapping.entries.values())
    {
        let service = &entry.tree;
        for key in ["networks", "models"] {
            let names =
                service.get(key).and_then(Tree::as_mapping).into_iter().flat_map(|mapping| mapping.entries.keys());
            used.extend(names.map(|name| (key, name.to_string())));
        }
        for mount in service.get("volumes").and_then(Tree::as_sequence).unwrap_or_default() {
            if mount.get("type").and_then(Tree::raw) == Some("volume")
                && let Some(source) = mount.get("source").and_then(Tree::raw)
            {
                used.insert(("volumes", source.to_owned()));
            }
        }
        for (path, section) in
            [(&["secrets"][..], "secrets"), (&["build", "secrets"], "secrets"), (&["configs"], "configs")]
        {
            for mount in service.at(path).and_then(Tree::as_sequence).unwrap_or_default() {
                if let Some(source) = mount.get("source").and_then(Tree::raw) {
                    used.insert((section, source.to_owned()));
                }
            }
        }
    }
    for section in ["networks", "volumes", "secrets", "configs", "models"] {
        if let Some(mapping) = root.get_mut(section).and_then(Tree::as_mapping_mut) {
            mapping.entries.retain(|name, _| used.contains(&(section, name.to_string())));
        }
    }
}
