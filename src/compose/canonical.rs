//! Short forms become long ones, and defaults are written out (compose.md, sections 5 and 6).

use std::{borrow::Cow, sync::LazyLock};

use super::{
    codes,
    merge::started,
    remedy,
    request::clean,
    short,
    table::{At, Table},
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Masked, Spot, Text},
    yaml::{Entry, Mapping, Scalar, Tree},
};

#[derive(Clone, Copy, Debug)]
enum Form {
    EnvFile,
    StringOrList,
    Gpus,
    Names,
    Volume,
    Device,
    FileMount,
    Ulimit,
    Ports,
    Text,
    KeyValue,
    DependsOn,
    Extends,
    Build,
    Ssh,
    Schedule,
    External,
}

static FORMS: LazyLock<Table<Form>> = LazyLock::new(|| {
    use Form::{
        Build, DependsOn, Device, EnvFile, Extends, External, FileMount, Gpus, KeyValue, Names, Ports, Schedule, Ssh,
        StringOrList, Text, Ulimit, Volume,
    };
    Table::new([
        ("{containers}.env_file", EnvFile),
        ("{containers}.label_file", StringOrList),
        ("{containers}.gpus", Gpus),
        ("{containers}.networks", Names),
        ("{containers}.models", Names),
        ("{containers}.volumes.*", Volume),
        ("{containers}.dns", StringOrList),
        ("{containers}.devices.*", Device),
        ("{containers}.secrets.*", FileMount),
        ("{containers}.configs.*", FileMount),
        ("{containers}.ulimits.*", Ulimit),
        ("{services,jobs}.*.build.secrets.*", FileMount),
        ("{services,jobs}.*.build.provenance", Text),
        ("{services,jobs}.*.build.sbom", Text),
        ("{services,jobs}.*.build.additional_contexts", KeyValue),
        ("{services,jobs}.*.depends_on", DependsOn),
        ("{services,jobs}.*.extends", Extends),
        ("{services,jobs}.*.ports", Ports),
        ("{services,jobs}.*.build", Build),
        ("{services,jobs}.*.build.ssh", Ssh),
        ("{services,jobs}.*.build.ulimits.*", Ulimit),
        ("jobs.*.triggers.schedule.*", Schedule),
        ("services.*.develop.watch.*.ignore", StringOrList),
        ("services.*.develop.watch.*.include", StringOrList),
        ("volumes.*", External),
        ("networks.*", External),
        ("secrets.*", External),
        ("configs.*", External),
    ])
});

/// Brings a model into its canonical form. `raw`: variables were not replaced, so what cannot be read yet stays.
pub(super) fn canonical(root: &mut Tree, raw: bool) -> Result<(), Findings> {
    let mut errors = Findings::new();
    walk(root, &FORMS, raw, &At::ROOT, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn walk(tree: &mut Tree, table: &Table<Form>, raw: bool, at: &At<'_>, errors: &mut Findings) {
    if let Some(form) = table.rule()
        && let Err(finding) = apply(tree, *form, raw, at)
    {
        errors.push(finding);
        return;
    }
    match &mut tree.value {
        Scalar::Mapping(mapping) => {
            for (key, entry) in &mut mapping.entries {
                if let Some(next) = table.step(key) {
                    walk(&mut entry.tree, next, raw, &at.key(key), errors);
                }
            }
        }
        Scalar::Sequence(items) => {
            if let Some(next) = table.item() {
                for (index, item) in items.iter_mut().enumerate() {
                    walk(item, next, raw, &at.item(index), errors);
                }
            }
        }
        _ => {}
    }
}

fn wrong(tree: &Tree, wanted: &str, at: &At<'_>) -> Finding {
    let words = format!("{wanted} is wanted here, not a {}", tree.kind());
    let finding = Finding::new(&codes::WRONG_TYPE, Masked::words(words), tree.spot).at(at.to_string());
    remedy::write_instead(finding, wanted, tree)
}

fn mapping_of(entries: impl IntoIterator<Item = (&'static str, Tree)>, spot: Spot) -> Tree {
    let mut mapping = Mapping::default();
    for (key, tree) in entries {
        mapping.set(key, tree);
    }
    Tree::new(Scalar::Mapping(mapping), spot)
}

fn apply(tree: &mut Tree, form: Form, raw: bool, at: &At<'_>) -> Result<(), Finding> {
    let spot = tree.spot;
    match form {
        Form::StringOrList => {
            if matches!(tree.value, Scalar::Text(_)) {
                *tree = Tree::new(Scalar::Sequence(vec![std::mem::take(tree)]), spot);
            }
        }
        Form::EnvFile => {
            if matches!(tree.value, Scalar::Text(_)) {
                *tree = Tree::new(Scalar::Sequence(vec![std::mem::take(tree)]), spot);
            }
            if tree.as_sequence().is_none() {
                return Err(wrong(tree, "a path or a list", at));
            }
            let Some(items) = tree.as_sequence_mut() else { return Ok(()) };
            for item in items {
                if matches!(item.value, Scalar::Text(_)) {
                    let spot = item.spot;
                    *item = mapping_of([("path", std::mem::take(item))], spot);
                }
                if let Some(mapping) = item.as_mapping_mut()
                    && !mapping.contains("required")
                {
                    mapping.set("required", Tree::new(Scalar::Bool(true), spot));
                }
            }
        }
        Form::Gpus => match tree.value {
            Scalar::Text(_) => {
                let request = mapping_of([("count", std::mem::take(tree))], spot);
                *tree = Tree::new(Scalar::Sequence(vec![request]), spot);
            }
            Scalar::Sequence(_) => {}
            _ => return Err(wrong(tree, "`all` or a list", at)),
        },
        Form::Names => {
            if let Some(items) = tree.as_sequence() {
                let mut mapping = Mapping::default();
                for item in items {
                    let name = item.raw().ok_or_else(|| wrong(item, "a name", at))?;
                    let value = Tree::new(Scalar::Null, item.spot);
                    mapping.entries.insert(name.into(), Entry { key: item.spot, tree: value });
                }
                tree.value = Scalar::Mapping(mapping);
            }
        }
        Form::Volume => return volume(tree, raw, at),
        Form::Device => match &tree.value {
            Scalar::Mapping(_) => {}
            Scalar::Text(text) => {
                let parts: Vec<&str> = text.raw().split(':').collect();
                if parts.len() > 3 && !raw {
                    return Err(short::refused(format!("`{}` has too many colons for a device", text.masked()), spot)
                        .at(at.to_string())
                        .help("use the long form with `source`, `target` and `permissions`"));
                }
                let part = |index: usize, default: &str| {
                    let found = parts
                        .get(index)
                        .copied()
                        .filter(|_| parts.len() <= 3)
                        .filter(|part| !part.is_empty() || index == 2);
                    Tree::text(found.unwrap_or(default), spot)
                };
                let source = if parts.len() <= 3 { parts.first().copied().unwrap_or_default() } else { "" };
                *tree = mapping_of(
                    [
                        ("source", Tree::text(source, spot)),
                        ("target", part(1, source)),
                        ("permissions", part(2, "rwm")),
                    ],
                    spot,
                );
            }
            _ => return Err(wrong(tree, "a device", at)),
        },
        Form::FileMount => match tree.value {
            Scalar::Mapping(_) => {}
            Scalar::Text(_) => *tree = mapping_of([("source", std::mem::take(tree))], spot),
            _ => return Err(wrong(tree, "a name or a mapping", at)),
        },
        Form::Ulimit => match tree.value {
            Scalar::Mapping(_) | Scalar::Integer(_) => {}
            Scalar::Text(_) if raw => {}
            _ => return Err(wrong(tree, "a whole number or a mapping", at)),
        },
        Form::Ports => return ports(tree, raw, at),
        Form::Text => {
            if let Some(text) = tree.to_text() {
                tree.value = Scalar::Text(text);
            }
        }
        Form::KeyValue => match &tree.value {
            Scalar::Mapping(_) => {}
            Scalar::Sequence(items) => {
                let mut mapping = Mapping::default();
                for item in items {
                    let text = item.as_text().ok_or_else(|| wrong(item, "a string", at))?;
                    let Some(cut) = text.raw().find('=') else {
                        if raw {
                            return Ok(());
                        }
                        return Err(short::refused(format!("`{}` is not NAME=VALUE", text.masked()), item.spot)
                            .at(at.to_string())
                            .help("put `=` and the value after the name"));
                    };
                    let key = text.raw().get(..cut).unwrap_or_default();
                    mapping.set(key, Tree::text(text.slice(cut + 1..text.raw().len()), item.spot));
                }
                tree.value = Scalar::Mapping(mapping);
            }
            _ => return Err(wrong(tree, "a list or a mapping", at)),
        },
        Form::DependsOn => match &mut tree.value {
            Scalar::Mapping(mapping) => {
                for (key, entry) in &mut mapping.entries {
                    let spot = entry.key;
                    if entry.tree.as_mapping().is_none() {
                        return Err(wrong(&entry.tree, "a mapping", &at.key(key)));
                    }
                    let Some(dependency) = entry.tree.as_mapping_mut() else { continue };
                    if !dependency.contains("condition") {
                        dependency.set("condition", Tree::text("service_started", spot));
                    }
                    if !dependency.contains("required") {
                        dependency.set("required", Tree::new(Scalar::Bool(true), spot));
                    }
                }
            }
            Scalar::Sequence(items) => {
                let mut mapping = Mapping::default();
                for item in items.iter() {
                    let name = item.raw().ok_or_else(|| wrong(item, "the name of a service", at))?;
                    mapping.entries.insert(name.into(), Entry { key: item.spot, tree: started(item.spot) });
                }
                tree.value = Scalar::Mapping(mapping);
            }
            _ => return Err(wrong(tree, "a list or a mapping", at)),
        },
        Form::Extends => match tree.value {
            Scalar::Mapping(_) => {}
            Scalar::Text(_) => *tree = mapping_of([("service", std::mem::take(tree))], spot),
            _ => return Err(wrong(tree, "the name of a service or a mapping", at)),
        },
        Form::Build => match tree.value {
            Scalar::Mapping(_) => {}
            Scalar::Text(_) => *tree = mapping_of([("context", std::mem::take(tree))], spot),
            _ => return Err(wrong(tree, "a path or a mapping", at)),
        },
        Form::Ssh => match &tree.value {
            Scalar::Mapping(_) => {}
            Scalar::Sequence(items) => {
                let mut mapping = Mapping::default();
                for item in items {
                    let text = item.raw().ok_or_else(|| wrong(item, "a string", at))?;
                    match text.split_once('=') {
                        Some((id, path)) => mapping.set(id, Tree::text(path, item.spot)),
                        None if text == "default" => mapping.set(text, Tree::new(Scalar::Null, item.spot)),
                        None if raw => return Ok(()),
                        None => {
                            return Err(short::refused(
                                format!("`{text}` is neither `default` nor ID=PATH"),
                                item.spot,
                            )
                            .at(at.to_string())
                            .help("write `default`, or the name and the path of a key"));
                        }
                    }
                }
                tree.value = Scalar::Mapping(mapping);
            }
            _ => return Err(wrong(tree, "a list or a mapping", at)),
        },
        Form::Schedule => match tree.value {
            Scalar::Mapping(_) => {}
            Scalar::Text(_) => *tree = mapping_of([("cron", std::mem::take(tree))], spot),
            _ => return Err(wrong(tree, "a schedule", at)),
        },
        Form::External => {
            if tree.is_null() {
                return Ok(());
            }
            if tree.as_mapping().is_none() {
                return Err(wrong(tree, "a mapping", at));
            }
            let Some(resource) = tree.as_mapping_mut() else { return Ok(()) };
            let Some(external) = resource.get("external").filter(|external| external.as_mapping().is_some()).cloned()
            else {
                return Ok(());
            };
            resource.set("external", Tree::new(Scalar::Bool(true), external.spot));
            if let Some(name) = external.get("name") {
                match resource.get("name") {
                    Some(own) if own != name => {
                        return Err(Finding::new(
                            &codes::CONFLICT,
                            "`name` and `external.name` differ".into(),
                            name.spot,
                        )
                        .at(at.to_string())
                        .label(own.spot, "the other name")
                        .help("keep `name`, and write `external: true`"));
                    }
                    Some(_) => {}
                    None => resource.set("name", name.clone()),
                }
            }
        }
    }
    Ok(())
}

fn volume(tree: &mut Tree, raw: bool, at: &At<'_>) -> Result<(), Finding> {
    let text = match &tree.value {
        Scalar::Mapping(_) => return Ok(()),
        Scalar::Text(text) => text.clone(),
        _ => return Err(wrong(tree, "a volume", at)),
    };
    let spot = tree.spot;
    let volume = match short::volume(text.raw()) {
        Ok(volume) => volume,
        Err(_) if raw => return Ok(()),
        Err(why) => return Err(short::refused_volume(why, spot).at(at.to_string())),
    };
    // Type, source, target, read_only, and options of one kind.
    let mut mapping = Mapping::with_capacity(5);
    mapping.set("type", Tree::text(if volume.bind { "bind" } else { "volume" }, spot));
    if !volume.source.is_empty() {
        // Marks of variables in the source stay: it is the beginning of the text.
        let source = text.slice(0..volume.source.len());
        let source = if source.raw() == volume.source { source } else { Text::from(volume.source) };
        mapping.set("source", Tree::text(source, spot));
    }
    if !volume.target.is_empty() {
        let target = if volume.bare { volume.target.into() } else { clean(volume.target) };
        mapping.set("target", Tree::text(target, spot));
    }
    if volume.read_only {
        mapping.set("read_only", Tree::new(Scalar::Bool(true), spot));
    }
    if volume.bind || volume.propagation.is_some() || volume.selinux.is_some() {
        let mut bind = Mapping::default();
        if volume.bind {
            bind.set("create_host_path", Tree::new(Scalar::Bool(true), spot));
        }
        if let Some(propagation) = volume.propagation {
            bind.set("propagation", Tree::text(propagation, spot));
        }
        if let Some(selinux) = volume.selinux {
            bind.set("selinux", Tree::text(selinux, spot));
        }
        mapping.set("bind", Tree::new(Scalar::Mapping(bind), spot));
    }
    if volume.nocopy || (!volume.bind && !volume.bare) {
        let mut inner = Mapping::default();
        if volume.nocopy {
            inner.set("nocopy", Tree::new(Scalar::Bool(true), spot));
        }
        mapping.set("volume", Tree::new(Scalar::Mapping(inner), spot));
    }
    tree.value = Scalar::Mapping(mapping);
    Ok(())
}

fn ports(tree: &mut Tree, raw: bool, at: &At<'_>) -> Result<(), Finding> {
    if tree.as_sequence().is_none() {
        return Err(wrong(tree, "a list", at));
    }
    let Some(items) = tree.as_sequence_mut() else { return Ok(()) };
    if items.iter().all(|item| item.as_mapping().is_some()) {
        return Ok(());
    }
    let mut out = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let spot = item.spot;
        let text = match &item.value {
            Scalar::Mapping(_) => {
                out.push(item.clone());
                continue;
            }
            Scalar::Integer(number) => number.to_string().into(),
            Scalar::Text(text) => Cow::Borrowed(text.raw()),
            _ => return Err(wrong(item, "a port", &at.item(index))),
        };
        let all = match short::ports(&text) {
            Ok(all) => all,
            Err(_) if raw && matches!(item.value, Scalar::Text(_)) => return Ok(()),
            Err(why) => {
                return Err(short::refused(why, spot)
                    .at(at.item(index).to_string())
                    .help("write [[address:]host:]container[/protocol], in quotes"));
            }
        };
        for port in all {
            if port.target == 0 {
                let words = format!("`{text}` names no container port");
                return Err(short::refused(words, spot).at(at.item(index).to_string()).help("ports count from 1"));
            }
            // One for the name that a default or an overlay adds.
            let mut mapping = Mapping::with_capacity(6);
            mapping.set("mode", Tree::text("ingress", spot));
            if !port.host_ip.is_empty() {
                mapping.set("host_ip", Tree::text(port.host_ip, spot));
            }
            mapping.set("target", Tree::new(Scalar::Integer(port.target.into()), spot));
            if !port.published.is_empty() {
                mapping.set("published", Tree::text(port.published, spot));
            }
            mapping.set("protocol", Tree::text(port.protocol, spot));
            out.push(Tree::new(Scalar::Mapping(mapping), spot));
        }
    }
    *items = out;
    Ok(())
}

/// Inside `dns`, what is empty is left out.
pub(super) fn omit_empty(root: &mut Tree) {
    for section in ["services", "jobs"] {
        let Some(services) = root.get_mut(section).and_then(Tree::as_mapping_mut) else { continue };
        for entry in services.entries.values_mut() {
            if let Some(items) = entry.tree.get_mut("dns").and_then(Tree::as_sequence_mut) {
                items.retain(|item| !item.is_null() && item.raw() != Some(""));
            }
        }
    }
}

/// Writes out what is left unsaid: build context, secret targets, protocols, device counts.
pub(super) fn defaults(root: &mut Tree) {
    for section in ["services", "jobs"] {
        let Some(services) = root.get_mut(section).and_then(Tree::as_mapping_mut) else { continue };
        for entry in services.entries.values_mut() {
            let service = &mut entry.tree;
            if let Some(build) = service.get_mut("build") {
                let spot = build.spot;
                fill(build, "context", || Tree::text(".", spot));
            }
            for mount in items_mut(service, &["secrets"]) {
                let spot = mount.spot;
                let source = mount.get("source").and_then(Tree::to_text).unwrap_or_default();
                fill(mount, "target", || Tree::text(format!("/run/secrets/{}", source.raw()), spot));
            }
            for port in items_mut(service, &["ports"]) {
                let spot = port.spot;
                fill(port, "protocol", || Tree::text("tcp", spot));
                fill(port, "mode", || Tree::text("ingress", spot));
            }
            for mount in items_mut(service, &["volumes"]) {
                if let Some(bind) = mount.get_mut("bind") {
                    let spot = bind.spot;
                    fill(bind, "create_host_path", || Tree::new(Scalar::Bool(true), spot));
                }
            }
            for path in [&["gpus"][..], &["deploy", "resources", "reservations", "devices"][..]] {
                for request in items_mut(service, path) {
                    if request.get("device_ids").is_none() {
                        let spot = request.spot;
                        fill(request, "count", || Tree::text("all", spot));
                    }
                }
            }
        }
    }
}

fn fill(tree: &mut Tree, key: &str, value: impl FnOnce() -> Tree) {
    if let Some(mapping) = tree.as_mapping_mut()
        && !mapping.contains(key)
    {
        mapping.set(key, value());
    }
}

/// The items of a list below a tree, to change them.
pub(super) fn items_mut<'t>(tree: &'t mut Tree, path: &[&str]) -> std::slice::IterMut<'t, Tree> {
    let mut at = Some(tree);
    for step in path {
        at = at.and_then(|tree| tree.get_mut(step));
    }
    at.and_then(Tree::as_sequence_mut).map(|items| items.iter_mut()).unwrap_or_default()
}

/// What the specification's grammar cannot say (compose.md, section 6, validation).
pub(super) fn validate(root: &Tree) -> Result<(), Finding> {
    let section =
        |name: &str| root.get(name).and_then(Tree::as_mapping).into_iter().flat_map(|mapping| &mapping.entries);
    for (name, entry) in section("volumes") {
        let Some(volume) = entry.tree.as_mapping() else { continue };
        if !volume.get("external").is_some_and(|external| matches!(external.value, Scalar::Bool(true))) {
            continue;
        }
        for (key, other) in &volume.entries {
            if !["name", "external"].contains(&&**key) && !key.starts_with("x-") {
                return Err(Finding::new(
                    &codes::CONFLICT,
                    Masked::words(format!("an external volume cannot have `{key}`")),
                    other.key,
                )
                .at(format!("volumes.{name}.{key}"))
                .help("what is external is made and described elsewhere"));
            }
        }
    }
    for (kind, keys) in
        [("configs", &["file", "environment", "content"][..]), ("secrets", &["file", "environment"][..])]
    {
        for (name, entry) in section(kind) {
            let at = format!("{kind}.{name}");
            let Some(resource) = entry.tree.as_mapping() else {
                return Err(Finding::new(&codes::WRONG_TYPE, "a mapping is wanted here".into(), entry.key)
                    .at(at)
                    .help("write `key: value` lines under it"));
            };
            let set: Vec<&str> = keys.iter().copied().filter(|key| resource.contains(key)).collect();
            if let [first, second, ..] = set.as_slice() {
                let words = format!("`{first}` and `{second}` exclude each other");
                let place = |key: &str| resource.entries.get(key).map(|entry| entry.key).unwrap_or_default();
                return Err(Finding::new(&codes::CONFLICT, Masked::words(words), place(second))
                    .at(at)
                    .label(place(first), "the other one")
                    .help("keep one of the two"));
            }
            if set.is_empty() && !resource.contains("driver") && !resource.contains("external") {
                let words = format!("one of `{}` is wanted here", keys.join("`, `"));
                return Err(Finding::new(&codes::MISSING_KEY, Masked::words(words), entry.key)
                    .at(at)
                    .help("say where its content comes from"));
            }
        }
    }
    for (name, entry) in section("services") {
        let at = format!("services.{name}");
        for (index, port) in entry.tree.get("ports").and_then(Tree::as_sequence).unwrap_or_default().iter().enumerate()
        {
            if let Some(ip) = port.get("host_ip")
                && ip.raw().is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_err())
            {
                return Err(Finding::new(&codes::INVALID_VALUE, "this is no address".into(), ip.spot)
                    .help("write an IP address, as 127.0.0.1")
                    .at(format!("{at}.ports[{index}].host_ip")));
            }
        }
        for watch in entry.tree.at(&["develop", "watch"]).and_then(Tree::as_sequence).unwrap_or_default() {
            if watch.get("path").is_some_and(|path| path.raw() == Some("")) {
                return Err(Finding::new(&codes::INVALID_VALUE, "the path is empty".into(), watch.spot)
                    .help("name the file or directory to watch")
                    .at(format!("{at}.develop.watch")));
            }
        }
        for path in [&["gpus"][..], &["deploy", "resources", "reservations", "devices"][..]] {
            for request in entry.tree.at(path).and_then(Tree::as_sequence).unwrap_or_default() {
                if request.get("count").is_some() && request.get("device_ids").is_some() {
                    return Err(Finding::new(
                        &codes::CONFLICT,
                        "`count` and `device_ids` exclude each other".into(),
                        request.spot,
                    )
                    .help("keep one of the two")
                    .at(format!("{at}.{}", path.join("."))));
                }
            }
        }
    }
    Ok(())
}
