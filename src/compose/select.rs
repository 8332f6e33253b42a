//! Which services run: profiles, services named on the command line, and what none of them uses.

use std::collections::{BTreeSet, HashSet};

use smol_str::SmolStr;

use super::codes;
use crate::{
    beside::in_halves,
    diagnostic::Finding,
    value::{Masked, Spot},
    yaml::{Entry, Mapping, Scalar, Tree},
};

/// Moves what no active profile enables out of the model, into another one.
pub(super) fn profiles(root: &mut Tree, active: &[String]) -> Tree {
    let mut disabled = Tree::mapping(Spot::NOWHERE);
    for section in ["services", "jobs"] {
        let Some(services) = root.get_mut(section).and_then(Tree::as_mapping_mut) else { continue };
        let mut out = Mapping::default();
        services.entries.retain(|name, entry| {
            let enabled = is_active(&entry.tree, active);
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

/// Activates the profiles of the services named, then keeps those and what they depend on.
pub(super) fn services(root: &mut Tree, disabled: &mut Tree, named: &[String]) -> Result<(), Finding> {
    if named.is_empty() {
        return Ok(());
    }
    enable(root, disabled, named);
    let missing = |name: &str, spot: Spot| {
        let finding =
            Finding::new(&codes::UNDEFINED, Masked::words(format!("there is no service `{name}` that runs")), spot);
        let known = root.get("services").and_then(Tree::as_mapping).into_iter().flat_map(|all| all.entries.keys());
        match crate::diagnostic::nearest(name, known.map(|known| &**known)) {
            Some(near) => finding.help(Masked::words(format!("did you mean `{near}`?"))),
            None => finding.help("`config --services` lists them"),
        }
    };
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = Vec::new();
    for pattern in named {
        let found = matching(root, pattern);
        if found.is_empty() {
            return Err(missing(pattern, Spot::NOWHERE));
        }
        open.extend(found);
    }
    while let Some(name) = open.pop() {
        if !wanted.insert(name.clone()) {
            continue;
        }
        let dependencies = root.at(&["services", &name, "depends_on"]).and_then(Tree::as_mapping);
        for (other, dependency) in dependencies.into_iter().flat_map(|mapping| &mapping.entries) {
            if root.at(&["services", other]).is_some() {
                open.push(other.to_string());
            } else if !dependency.tree.get("required").is_some_and(|tree| matches!(tree.value, Scalar::Bool(false))) {
                return Err(missing(other, dependency.key).at(format!("services.{name}.depends_on.{other}")));
            }
        }
    }
    keep(root, &wanted);
    Ok(())
}

/// Keeps the services named and nothing that they depend on.
pub(super) fn only(root: &mut Tree, named: &[String]) -> Result<(), Finding> {
    if named.is_empty() {
        return Ok(());
    }
    let mut wanted = BTreeSet::new();
    for pattern in named {
        let found = matching(root, pattern);
        if found.is_empty() {
            let words = format!("there is no service `{pattern}` that runs");
            return Err(Finding::new(&codes::UNDEFINED, Masked::words(words), Spot::NOWHERE)
                .help("`config --services` lists them"));
        }
        wanted.extend(found);
    }
    keep(root, &wanted);
    Ok(())
}

/// The profiles of a service that is named are active, for all others too.
fn enable(root: &mut Tree, disabled: &mut Tree, named: &[String]) {
    let active: Vec<String> = named
        .iter()
        .filter(|name| root.at(&["services", name]).is_none())
        .filter_map(|name| disabled.at(&["services", name, "profiles"])?.as_sequence())
        .flatten()
        .filter_map(|profile| profile.raw().map(str::to_owned))
        .collect();
    if active.is_empty() {
        return;
    }
    for section in ["services", "jobs"] {
        let Some(from) = disabled.get_mut(section).and_then(Tree::as_mapping_mut) else { continue };
        let mut enabled = Vec::new();
        from.entries.retain(|name, entry| {
            let stays = !is_active(&entry.tree, &active);
            if !stays {
                enabled.push((name.clone(), std::mem::take(entry)));
            }
            stays
        });
        let Some(root) = root.as_mapping_mut() else { return };
        if !enabled.is_empty() && root.get(section).is_none() {
            root.set(section, Tree::mapping(Spot::NOWHERE));
        }
        if let Some(to) = root.get_mut(section).and_then(Tree::as_mapping_mut) {
            to.entries.extend(enabled);
        }
    }
}

fn is_active(service: &Tree, active: &[String]) -> bool {
    let declared = service.get("profiles").and_then(Tree::as_sequence).unwrap_or_default();
    declared.is_empty()
        || active.iter().any(|profile| profile == "*" || declared.iter().any(|own| own.raw() == Some(profile)))
}

fn keep(root: &mut Tree, wanted: &BTreeSet<String>) {
    if let Some(services) = root.get_mut("services").and_then(Tree::as_mapping_mut) {
        services.entries.retain(|name, _| wanted.contains(&**name));
        for entry in services.entries.values_mut() {
            if let Some(dependencies) = entry.tree.get_mut("depends_on").and_then(Tree::as_mapping_mut) {
                dependencies.entries.retain(|name, _| wanted.contains(&**name));
                if dependencies.entries.is_empty()
                    && let Some(service) = entry.tree.as_mapping_mut()
                {
                    service.remove("depends_on");
                }
            }
        }
    }
}

/// The services that a name or a pattern means.
fn matching(root: &Tree, pattern: &str) -> Vec<String> {
    let services = root.get("services").and_then(Tree::as_mapping).into_iter().flat_map(|all| all.entries.keys());
    services.filter(|name| matches(pattern.as_bytes(), name.as_bytes())).map(ToString::to_string).collect()
}

/// A shell pattern: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before a character that is meant.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|at| matches(rest, name.get(at..).unwrap_or_default())),
        ([b'?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([b'[', class @ ..], [byte, name @ ..]) => {
            let (negated, class) = class.strip_prefix(b"^").map_or((false, class), |class| (true, class));
            let Some(end) = class.iter().skip(1).position(|b| *b == b']').map(|at| at + 1) else { return false };
            let (members, rest) = (class.get(..end).unwrap_or_default(), class.get(end + 1..).unwrap_or_default());
            in_class(members, *byte) != negated && matches(rest, name)
        }
        ([b'\\', byte, rest @ ..] | [byte, rest @ ..], [first, name @ ..]) => byte == first && matches(rest, name),
        _ => false,
    }
}

fn in_class(mut members: &[u8], byte: u8) -> bool {
    loop {
        match members {
            [low, b'-', high, rest @ ..] => {
                if (*low..=*high).contains(&byte) {
                    return true;
                }
                members = rest;
            }
            [one, rest @ ..] => {
                if *one == byte {
                    return true;
                }
                members = rest;
            }
            [] => return false,
        }
    }
}

/// Networks, volumes, configs, secrets and models that no service uses are left out.
pub(super) fn unused(root: &mut Tree) {
    let services = root.get("services").and_then(Tree::as_mapping).map(|services| services.entries.as_slice());
    let used: Vec<HashSet<(&str, &str)>> = in_halves(services.unwrap_or_default(), used_by).collect();
    let sections = ["networks", "volumes", "secrets", "configs", "models"].map(|section| {
        let names = root.get(section).and_then(Tree::as_mapping).into_iter().flat_map(|all| all.entries.keys());
        (section, names.map(|name| used.iter().any(|used| used.contains(&(section, &**name)))).collect::<Vec<bool>>())
    });
    for (section, stays) in sections {
        if let Some(mapping) = root.get_mut(section).and_then(Tree::as_mapping_mut) {
            let mut stays = stays.into_iter();
            mapping.entries.retain(|_, _| stays.next().unwrap_or_default());
        }
    }
}

/// What services use, by its section and its name.
fn used_by(services: &[(SmolStr, Entry)]) -> HashSet<(&str, &str)> {
    let mut used: HashSet<(&str, &str)> = HashSet::new();
    for (_, entry) in services {
        let service = &entry.tree;
        for key in ["networks", "models"] {
            let names =
                service.get(key).and_then(Tree::as_mapping).into_iter().flat_map(|mapping| mapping.entries.keys());
            used.extend(names.map(|name| (key, &**name)));
        }
        for mount in service.get("volumes").and_then(Tree::as_sequence).unwrap_or_default() {
            if mount.get("type").and_then(Tree::raw) == Some("volume")
                && let Some(source) = mount.get("source").and_then(Tree::raw)
            {
                used.insert(("volumes", source));
            }
        }
        for (path, section) in
            [(&["secrets"][..], "secrets"), (&["build", "secrets"], "secrets"), (&["configs"], "configs")]
        {
            for mount in service.at(path).and_then(Tree::as_sequence).unwrap_or_default() {
                if let Some(source) = mount.get("source").and_then(Tree::raw) {
                    used.insert((section, source));
                }
            }
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, name, meant) in [
            ("web", "web", true),
            ("web", "webs", false),
            ("w*", "web", true),
            ("*b", "web", true),
            ("w?b", "web", true),
            ("w[a-f]b", "web", true),
            ("w[^a-f]b", "web", false),
            ("w[xe]b", "web", true),
            ("w[", "w[", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), meant, "{pattern} {name}");
        }
    }
}
