//! Lists in which a later item takes the place of an earlier one (compose.md, section 2b).

use std::{borrow::Cow, sync::LazyLock};

use super::{
    codes,
    seen::Seen,
    short,
    table::{At, Table},
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Masked, Origins, Source},
    yaml::{Scalar, Tree},
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
    walk(root, &RULES, origins, &At::ROOT, findings)
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
    // The place in the result that each item takes.
    let mut places = Vec::with_capacity(items.len());
    let mut seen = Seen::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        let key = key_of(item, index).map_err(|finding| finding.at(at.item(number).to_string()))?;
        places.push(seen.add(key).0);
    }
    let count = seen.len();
    drop(seen);
    if count == items.len() {
        return Ok(items);
    }
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

fn key_of(item: &Tree, index: Index) -> Result<Cow<'_, str>, Finding> {
    let wrong = |what: &str| {
        Finding::new(&codes::WRONG_TYPE, Masked::words(format!("{what}, not a {}", item.kind())), item.spot)
    };
    let missing = |key: &str| {
        let words = format!("the key `{key}` is missing here");
        Finding::new(&codes::MISSING_KEY, Masked::words(words), item.spot).help("add it")
    };
    match (&item.value, index) {
        (Scalar::Text(text), Index::KeyValue) => {
            Ok(text.raw().split_once('=').map_or(text.raw(), |(key, _)| key).into())
        }
        (_, Index::KeyValue) => Err(wrong("a string is wanted here")),
        (Scalar::Text(text), Index::Expose | Index::EnvFile | Index::Port) => Ok(text.raw().into()),
        (Scalar::Integer(number), Index::Expose | Index::Port) => Ok(number.to_string().into()),
        (_, Index::Expose) => Err(wrong("a port is a string or a whole number")),
        (Scalar::Mapping(mapping), Index::EnvFile) => {
            mapping.get("path").and_then(Tree::raw).map(Cow::from).ok_or_else(|| missing("path"))
        }
        (Scalar::Text(text), Index::Volume) => short::volume(text.raw())
            .map(|volume| volume.target.into())
            .map_err(|why| short::refused_volume(why, item.spot)),
        (Scalar::Text(text), Index::Device) => {
            let mut parts = text.raw().split(':');
            let first = parts.next().unwrap_or_default();
            Ok(parts.next().unwrap_or(first).into())
        }
        (Scalar::Mapping(mapping), Index::Volume | Index::Device) => {
            mapping.get("target").and_then(Tree::raw).map(Cow::from).ok_or_else(|| missing("target"))
        }
        (Scalar::Text(text), Index::Config) => Ok(format!("/{}", text.raw()).into()),
        (Scalar::Text(text), Index::Secret) => Ok(format!("/run/secrets/{}", text.raw()).into()),
        (Scalar::Mapping(mapping), Index::Config | Index::Secret) => {
            let text = |key: &str| mapping.get(key).and_then(Tree::to_text).map(|text| text.raw().to_owned());
            let folder = if matches!(index, Index::Config) { "" } else { "/run/secrets" };
            Ok(text("target").unwrap_or_else(|| format!("{folder}/{}", text("source").unwrap_or_default())).into())
        }
        (_, Index::Config | Index::Secret) => Err(wrong("a name or a mapping is wanted here")),
        (Scalar::Mapping(mapping), Index::Port) => {
            let text = |key: &str, default: &str| {
                mapping
                    .get(key)
                    .and_then(Tree::to_text)
                    .map_or_else(|| default.to_owned(), |text| text.raw().to_owned())
            };
            if !mapping.contains("target") {
                return Err(missing("target"));
            }
            // The reference tells a published number from the same digits as a string.
            let published = match mapping.get("published").map(|tree| &tree.value) {
                Some(Scalar::Integer(number)) => format!("%{number}"),
                _ => text("published", ""),
            };
            let (host, protocol) = (text("host_ip", "0.0.0.0"), text("protocol", "tcp"));
            Ok(format!("{host}:{published}:{}/{protocol}", text("target", "")).into())
        }
        _ => Ok(Cow::default()),
    }
}
