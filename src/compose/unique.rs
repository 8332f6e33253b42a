//! Lists in which a later item takes the place of an earlier one (compose.md, section 2b).

use std::{
    borrow::Cow,
    fmt::{self, Write},
    sync::LazyLock,
};

use super::{
    codes,
    seen::{Prints, Seen},
    short,
    table::{At, Table},
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Masked, Origins, Source, Text},
    yaml::{Mapping, Scalar, Tree},
};

#[derive(Clone, Copy, Debug)]
enum Index {
    KeyValue,
    Expose,
    EnvFile,
    Volume,
    Device,
    Config,
    Secret,
    Port,
}

static RULES: LazyLock<Table<Index>> = LazyLock::new(|| {
    use Index::{Config, Device, EnvFile, Expose, KeyValue, Port, Secret, Volume};
    Table::new([
        ("networks.*.labels", KeyValue),
        ("networks.*.ipam.options", KeyValue),
        ("services.*.annotations", KeyValue),
        ("services.*.build.args", KeyValue),
        ("services.*.build.additional_contexts", KeyValue),
        ("services.*.build.platform", KeyValue),
        ("services.*.build.tags", KeyValue),
        ("services.*.build.labels", KeyValue),
        ("services.*.cap_add", KeyValue),
        ("services.*.cap_drop", KeyValue),
        ("services.*.configs", Config),
        ("services.*.deploy.labels", KeyValue),
        ("services.*.dns", KeyValue),
        ("services.*.dns_opt", KeyValue),
        ("services.*.dns_search", KeyValue),
        ("services.*.environment", KeyValue),
        ("services.*.env_file", EnvFile),
        ("services.*.expose", Expose),
        ("services.*.labels", KeyValue),
        ("services.*.links", KeyValue),
        ("services.*.networks.*.aliases", KeyValue),
        ("services.*.networks.*.link_local_ips", KeyValue),
        ("services.*.ports", Port),
        ("services.*.profiles", KeyValue),
        ("services.*.secrets", Secret),
        ("services.*.sysctls", KeyValue),
        ("services.*.tmpfs", KeyValue),
        ("services.*.volumes", Volume),
        ("services.*.devices", Device),
    ])
});

/// Enforces uniqueness in a whole model.
pub(super) fn enforce(root: &mut Tree, origins: &Origins, findings: &mut Findings) -> Result<(), Finding> {
    // Most models are.
    if is_unique(root, &RULES, &mut Prints::default()) {
        Ok(())
    } else {
        walk(root, &RULES, origins, &At::ROOT, findings)
    }
}

/// Whether it shows at once that nothing has to be done.
fn is_unique(tree: &Tree, table: &Table<Index>, prints: &mut Prints) -> bool {
    match &tree.value {
        Scalar::Mapping(mapping) => mapping
            .entries
            .iter()
            .all(|(key, entry)| table.step(key).is_none_or(|next| is_unique(&entry.tree, next, prints))),
        Scalar::Sequence(items) => table.rule().is_none_or(|index| all_differ(items, *index, prints)),
        _ => true,
    }
}

/// Whether all items are good, and it shows at once that they differ.
fn all_differ(items: &[Tree], index: Index, prints: &mut Prints) -> bool {
    let mut all_good = true;
    for item in items {
        if let (Scalar::Text(text), Index::KeyValue) = (&item.value, index) {
            prints.add(name_of(text.raw()));
        } else {
            all_good &= write_key(item, index, prints).is_ok();
            prints.add_written();
        }
    }
    prints.all_differ() && all_good
}

/// The name in `NAME=VALUE`.
fn name_of(assignment: &str) -> &str {
    short::equals_sign(assignment).and_then(|end| assignment.get(..end)).unwrap_or(assignment)
}

fn walk(
    tree: &mut Tree,
    table: &Table<Index>,
    origins: &Origins,
    at: &At<'_>,
    findings: &mut Findings,
) -> Result<(), Finding> {
    match &mut tree.value {
        Scalar::Mapping(mapping) => {
            for (key, entry) in &mut mapping.entries {
                if let Some(next) = table.step(key) {
                    walk(&mut entry.tree, next, origins, &at.key(key), findings)?;
                }
            }
        }
        Scalar::Sequence(items) => {
            if let Some(index) = table.rule() {
                *items = unique(std::mem::take(items), *index, origins, at, findings)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// `k=v` items by their key.
pub(super) fn by_key(items: Vec<Tree>, origins: &Origins, at: &At<'_>) -> Result<Vec<Tree>, Finding> {
    unique(items, Index::KeyValue, origins, at, &mut Findings::new())
}

fn unique(
    items: Vec<Tree>,
    index: Index,
    origins: &Origins,
    at: &At<'_>,
    findings: &mut Findings,
) -> Result<Vec<Tree>, Finding> {
    if all_differ(&items, index, &mut Prints::default()) {
        return Ok(items);
    }
    // The place in the result that each item takes.
    let mut places = Vec::with_capacity(items.len());
    let mut seen = Seen::default();
    for (number, item) in items.iter().enumerate() {
        let key = key_of(item, index).map_err(|finding| finding.at(at.item(number).to_string()))?;
        places.push(seen.add(key).0);
    }
    let count = seen.len();
    let mut out: Vec<Tree> = Vec::with_capacity(count);
    for (mut item, place) in items.into_iter().zip(places) {
        match out.get_mut(place) {
            Some(slot) => {
                let file = |spot| match origins.origin(spot)?.source {
                    Source::File { file, .. } => Some(file),
                    _ => None,
                };
                if file(slot.spot).is_some_and(|first| file(item.spot) == Some(first)) {
                    let finding = Finding::new(&codes::SHADOWED, "only this one counts".into(), item.spot);
                    findings.push(
                        finding.at(at.to_string()).label(slot.spot, "not this one").help("remove one of the two"),
                    );
                }
                item.spot = origins.displacing(item.spot, slot.spot);
                *slot = item;
            }
            None => out.push(item),
        }
    }
    Ok(out)
}

/// What makes an item the same as another one.
fn key_of(item: &Tree, index: Index) -> Result<Cow<'_, str>, Finding> {
    if let (Scalar::Text(text), Index::KeyValue) = (&item.value, index) {
        return Ok(name_of(text.raw()).into());
    }
    let mut key = String::new();
    write_key(item, index, &mut key)?;
    Ok(key.into())
}

/// Writes what makes an item the same as another one.
fn write_key(item: &Tree, index: Index, out: &mut dyn Write) -> Result<(), Finding> {
    let wrong = |what: &str| {
        Finding::new(&codes::WRONG_TYPE, Masked::words(format!("{what}, not a {}", item.kind())), item.spot)
    };
    let missing = |key: &str| {
        let words = format!("the key `{key}` is missing here");
        Finding::new(&codes::MISSING_KEY, Masked::words(words), item.spot).help("add it")
    };
    let written = match (&item.value, index) {
        (Scalar::Text(text), Index::KeyValue) => out.write_str(name_of(text.raw())),
        (_, Index::KeyValue) => return Err(wrong("a string is wanted here")),
        (Scalar::Text(text), Index::Expose | Index::EnvFile | Index::Port) => out.write_str(text.raw()),
        (Scalar::Integer(number), Index::Expose | Index::Port) => write!(out, "{number}"),
        (_, Index::Expose) => return Err(wrong("a port is a string or a whole number")),
        (Scalar::Mapping(mapping), Index::EnvFile) => {
            out.write_str(mapping.get("path").and_then(Tree::raw).ok_or_else(|| missing("path"))?)
        }
        (Scalar::Text(text), Index::Volume) => {
            let volume = short::volume(text.raw()).map_err(|why| short::refused_volume(why, item.spot))?;
            out.write_str(volume.target)
        }
        (Scalar::Text(text), Index::Device) => {
            let mut parts = text.raw().split(':');
            let first = parts.next().unwrap_or_default();
            out.write_str(parts.next().unwrap_or(first))
        }
        (Scalar::Mapping(mapping), Index::Volume | Index::Device) => {
            out.write_str(mapping.get("target").and_then(Tree::raw).ok_or_else(|| missing("target"))?)
        }
        (Scalar::Text(text), Index::Config) => write!(out, "/{}", text.raw()),
        (Scalar::Text(text), Index::Secret) => write!(out, "/run/secrets/{}", text.raw()),
        (Scalar::Mapping(mapping), Index::Config | Index::Secret) => write_target(mapping, index, out),
        (_, Index::Config | Index::Secret) => return Err(wrong("a name or a mapping is wanted here")),
        (Scalar::Mapping(mapping), Index::Port) => {
            let target = mapping.get("target").ok_or_else(|| missing("target"))?;
            write_port(mapping, target, out)
        }
        _ => Ok(()),
    };
    // What is written to takes everything.
    let _ = written;
    Ok(())
}

/// A scalar as text; nothing of any other.
fn write_text(tree: Option<&Tree>, default: &str, out: &mut dyn Write) -> fmt::Result {
    match tree.map(|tree| &tree.value) {
        Some(Scalar::Text(text)) => out.write_str(text.raw()),
        Some(Scalar::Integer(number)) => write!(out, "{number}"),
        _ => out.write_str(tree.and_then(Tree::to_text).as_ref().map_or(default, Text::raw)),
    }
}

fn write_target(mapping: &Mapping, index: Index, out: &mut dyn Write) -> fmt::Result {
    let target = mapping.get("target").filter(|tree| tree.as_sequence().is_none() && tree.as_mapping().is_none());
    if target.is_some() {
        return write_text(target, "", out);
    }
    out.write_str(if matches!(index, Index::Config) { "/" } else { "/run/secrets/" })?;
    write_text(mapping.get("source"), "", out)
}

fn write_port(mapping: &Mapping, target: &Tree, out: &mut dyn Write) -> fmt::Result {
    write_text(mapping.get("host_ip"), "0.0.0.0", out)?;
    // The reference tells a published number from the same digits as a string.
    let published = mapping.get("published");
    let mark = if published.is_some_and(|tree| matches!(tree.value, Scalar::Integer(_))) { ":%" } else { ":" };
    out.write_str(mark)?;
    write_text(published, "", out)?;
    out.write_str(":")?;
    write_text(Some(target), "", out)?;
    out.write_str("/")?;
    write_text(mapping.get("protocol"), "tcp", out)
}
