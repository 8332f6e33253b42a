//! How a later file is laid over an earlier one (compose.md, sections 2a and 11).

use std::sync::LazyLock;

use super::{
    codes,
    table::{At, Table},
    unique,
};
use crate::{
    diagnostic::Finding,
    value::{Masked, Origins, Spot, Text, TextBuilder},
    yaml::{Entry, Mapping, Scalar, Tree},
};

#[derive(Clone, Copy, Debug)]
enum Rule {
    /// The later one counts, null too.
    Replace,
    /// Both as `k=v` lists; the later `k` in the place of the first.
    KeyValue,
    /// Both as lists; what is not there yet is appended.
    Sequence,
    /// A string is a context.
    Build,
    /// A list is a mapping with a condition.
    DependsOn,
    /// A list is a mapping of nothing.
    Names,
    /// Merged when both have the same driver or one has none.
    Logging,
    /// A mapping onto a mapping, else the later.
    Ulimit,
    /// By subnet.
    AddressPools,
}

static RULES: LazyLock<Table<Rule>> = LazyLock::new(|| {
    use Rule::{AddressPools, Build, DependsOn, KeyValue, Logging, Names, Replace, Sequence, Ulimit};
    Table::new([
        ("networks.*.ipam.config", AddressPools),
        ("networks.*.labels", KeyValue),
        ("volumes.*.labels", KeyValue),
        ("secrets.*.labels", KeyValue),
        ("configs.*.labels", KeyValue),
        ("{services,jobs}.*.annotations", KeyValue),
        ("{services,jobs}.*.build", Build),
        ("{services,jobs}.*.build.args", KeyValue),
        ("{services,jobs}.*.build.additional_contexts", KeyValue),
        ("{services,jobs}.*.build.extra_hosts", Sequence),
        ("{services,jobs}.*.build.labels", KeyValue),
        ("{services,jobs}.*.command", Replace),
        ("{services,jobs}.*.depends_on", DependsOn),
        ("{services,jobs}.*.dns", Sequence),
        ("{services,jobs}.*.dns_opt", Sequence),
        ("{services,jobs}.*.dns_search", Sequence),
        ("{services,jobs}.*.entrypoint", Replace),
        ("{services,jobs}.*.env_file", Sequence),
        ("{services,jobs}.*.label_file", Sequence),
        ("{services,jobs}.*.environment", KeyValue),
        ("{services,jobs}.*.extra_hosts", Sequence),
        ("{services,jobs}.*.healthcheck.test", Replace),
        ("{services,jobs}.*.labels", KeyValue),
        ("{services,jobs}.*.logging", Logging),
        ("{services,jobs}.*.models", Names),
        ("{services,jobs}.*.networks", Names),
        ("{services,jobs}.*.sysctls", KeyValue),
        ("{services,jobs}.*.tmpfs", Sequence),
        ("{services,jobs}.*.ulimits.*", Ulimit),
        ("services.*.deploy.labels", KeyValue),
    ])
});

/// Lays `later` over `earlier`, both whole models.
pub(super) fn merge(earlier: Tree, later: Tree, origins: &Origins) -> Result<Tree, Finding> {
    Merger { origins }.tree(earlier, later, Some(&RULES), &At::ROOT)
}

/// The same for one part of a model, as `services.web`.
pub(super) fn merge_at(earlier: Tree, later: Tree, path: &[&str], origins: &Origins) -> Result<Tree, Finding> {
    let table = path.iter().try_fold(&*RULES, |table, step| table.step(step));
    // Paths have two steps at most here.
    let first = path.first().copied().unwrap_or_default();
    let parent = At::ROOT.key(first);
    let second = path.get(1).copied();
    let at = second.map_or(parent, |second| parent.key(second));
    Merger { origins }.tree(earlier, later, table, &at)
}

struct Merger<'o> {
    origins: &'o Origins,
}

type Rules<'t> = Option<&'t Table<Rule>>;

impl Merger<'_> {
    fn tree(&self, earlier: Tree, later: Tree, rules: Rules<'_>, at: &At<'_>) -> Result<Tree, Finding> {
        if let Some(rule) = rules.and_then(Table::rule) {
            return self.special(*rule, earlier, later, rules, at);
        }
        if later.is_null() {
            return Ok(earlier);
        }
        match (earlier.value, later.value) {
            (Scalar::Mapping(a), Scalar::Mapping(b)) => {
                Ok(Tree::new(Scalar::Mapping(self.mappings(a, b, rules, at)?), self.over(later.spot, earlier.spot)))
            }
            (Scalar::Sequence(a), Scalar::Sequence(b)) => {
                Ok(Tree::new(Scalar::Sequence(appended(a, b)), self.over(later.spot, earlier.spot)))
            }
            (a @ (Scalar::Mapping(_) | Scalar::Sequence(_)), b) => {
                Err(conflict(&Tree::new(a, earlier.spot), &Tree::new(b, later.spot), at))
            }
            (_, value) => Ok(Tree { value, spot: self.over(later.spot, earlier.spot), tag: later.tag }),
        }
    }

    /// A place that remembers what it displaced.
    fn over(&self, later: Spot, earlier: Spot) -> Spot {
        if later == earlier || !earlier.is_somewhere() {
            return later;
        }
        self.origins.displacing(later, earlier)
    }

    fn mappings(&self, mut a: Mapping, b: Mapping, rules: Rules<'_>, at: &At<'_>) -> Result<Mapping, Finding> {
        for (key, entry) in b.entries {
            let next = rules.and_then(|rules| rules.step(&key));
            match a.entries.get_mut(&key) {
                None => a.entries.append(key, entry),
                Some(slot) => {
                    let old = std::mem::take(&mut slot.tree);
                    slot.tree = self.tree(old, entry.tree, next, &at.key(&key))?;
                    slot.key = entry.key;
                }
            }
        }
        Ok(a)
    }

    fn special(&self, rule: Rule, earlier: Tree, later: Tree, rules: Rules<'_>, at: &At<'_>) -> Result<Tree, Finding> {
        let spot = if later.is_null() { earlier.spot } else { self.over(later.spot, earlier.spot) };
        let merged = |mapping| Tree::new(Scalar::Mapping(mapping), spot);
        match rule {
            Rule::Replace => Ok(Tree { spot, ..later }),
            Rule::KeyValue => {
                let mut items = key_value_items(earlier);
                items.extend(key_value_items(later));
                Ok(Tree::new(Scalar::Sequence(unique::by_key(items, self.origins, at)?), spot))
            }
            Rule::Sequence => {
                let items = appended(key_value_items(earlier), key_value_items(later));
                Ok(Tree::new(Scalar::Sequence(items), spot))
            }
            Rule::Build => {
                let (a, b) = (build_mapping(earlier), build_mapping(later));
                Ok(merged(self.mappings(a, b, rules, at)?))
            }
            Rule::DependsOn | Rule::Names => {
                let condition = matches!(rule, Rule::DependsOn);
                let (a, b) = (named(earlier, condition, at)?, named(later, condition, at)?);
                Ok(merged(self.mappings(a, b, rules, at)?))
            }
            Rule::Logging => match (&earlier.value, &later.value) {
                (Scalar::Mapping(a), Scalar::Mapping(b)) => {
                    let same = match (a.get("driver"), b.get("driver")) {
                        (Some(a), Some(b)) => a == b,
                        _ => true,
                    };
                    if !same {
                        return Ok(Tree { spot, ..later });
                    }
                    let (Scalar::Mapping(a), Scalar::Mapping(b)) = (earlier.value, later.value) else {
                        return Ok(merged(Mapping::default()));
                    };
                    Ok(merged(self.mappings(a, b, rules, at)?))
                }
                _ => Err(conflict(&earlier, &later, at)),
            },
            Rule::Ulimit => match (earlier.value, later.value) {
                (Scalar::Mapping(a), Scalar::Mapping(b)) => Ok(merged(self.mappings(a, b, rules, at)?)),
                (_, value) => Ok(Tree::new(value, spot)),
            },
            Rule::AddressPools => match (earlier.value, later.value) {
                (Scalar::Sequence(a), Scalar::Sequence(b)) => self.pools(a, &b, spot, rules, at),
                (a, b) => Err(conflict(&Tree::new(a, earlier.spot), &Tree::new(b, later.spot), at)),
            },
        }
    }

    /// For each pair of an earlier and a later pool: equal subnets merge, others follow in order of appearance.
    fn pools(&self, a: Vec<Tree>, b: &[Tree], spot: Spot, rules: Rules<'_>, at: &At<'_>) -> Result<Tree, Finding> {
        let mut all: Vec<Tree> = Vec::new();
        let position =
            |all: &[Tree], tree: &Tree| all.iter().position(|known| known.get("subnet") == tree.get("subnet"));
        for mut original in a {
            for later in b {
                if later.get("subnet") != original.get("subnet") && position(&all, later).is_none() {
                    all.push(later.clone());
                    continue;
                }
                let (Scalar::Mapping(x), Scalar::Mapping(y)) = (original.value.clone(), later.value.clone()) else {
                    return Err(conflict(&original, later, at));
                };
                original =
                    Tree::new(Scalar::Mapping(self.mappings(x, y, rules.and_then(Table::item), at)?), original.spot);
                match position(&all, &original) {
                    Some(index) => {
                        if let Some(slot) = all.get_mut(index) {
                            *slot = original.clone();
                        }
                    }
                    None => all.push(original.clone()),
                }
            }
        }
        Ok(Tree::new(Scalar::Sequence(all), spot))
    }
}

fn conflict(earlier: &Tree, later: &Tree, at: &At<'_>) -> Finding {
    let words = format!("`{at}` is a {} here and a {} before: the two cannot be merged", later.kind(), earlier.kind());
    Finding::new(&codes::MERGE_CONFLICT, Masked::words(words), later.spot)
        .at(at.to_string())
        .label(earlier.spot, Masked::words(format!("a {} here", earlier.kind())))
        .help("write it in the same form, or replace it with `!override`")
}

fn appended(mut a: Vec<Tree>, b: Vec<Tree>) -> Vec<Tree> {
    for item in b {
        if !a.contains(&item) {
            a.push(item);
        }
    }
    a
}

/// A mapping as `k=v` items in order of their text, a string as one item.
pub(super) fn key_value_items(tree: Tree) -> Vec<Tree> {
    match tree.value {
        Scalar::Mapping(mapping) => {
            let mut items: Vec<Tree> = Vec::with_capacity(mapping.entries.len());
            let mut text = TextBuilder::default();
            for (key, entry) in mapping.entries {
                match entry.tree.value {
                    Scalar::Null => items.push(Tree::text(
                        &*key,
                        if entry.tree.spot.is_somewhere() { entry.tree.spot } else { entry.key },
                    )),
                    Scalar::Sequence(values) => {
                        items.extend(values.into_iter().map(|value| key_value(&key, &value, &mut text)));
                    }
                    _ => items.push(key_value(&key, &entry.tree, &mut text)),
                }
            }
            items.sort_by(|x, y| x.raw().cmp(&y.raw()));
            items
        }
        Scalar::Sequence(items) => items,
        Scalar::Text(_) => vec![tree],
        _ => Vec::new(),
    }
}

fn key_value(key: &str, value: &Tree, text: &mut TextBuilder) -> Tree {
    text.push(key);
    text.push("=");
    match &value.value {
        Scalar::Text(value) => text.push_text(value),
        _ => text.push_text(&value.to_text().unwrap_or_else(|| Text::from("map[]"))),
    }
    Tree::text(text.finish(), value.spot)
}

fn build_mapping(tree: Tree) -> Mapping {
    match tree.value {
        Scalar::Mapping(mapping) => mapping,
        Scalar::Text(_) => {
            let mut mapping = Mapping::default();
            mapping.set("context", tree);
            mapping
        }
        _ => Mapping::default(),
    }
}

fn named(tree: Tree, condition: bool, at: &At<'_>) -> Result<Mapping, Finding> {
    let value = |spot| if condition { started(spot) } else { Tree::new(Scalar::Null, spot) };
    let mut mapping = Mapping::default();
    match tree.value {
        Scalar::Null => {}
        Scalar::Mapping(mapping) => return Ok(mapping),
        Scalar::Text(name) => mapping.set(name.raw(), value(tree.spot)),
        Scalar::Sequence(items) => {
            for item in items {
                let Some(name) = item.raw() else {
                    return Err(Finding::new(
                        &codes::WRONG_TYPE,
                        "the name of a service or network is a string".into(),
                        item.spot,
                    )
                    .help("put it in quotes")
                    .at(at.to_string()));
                };
                mapping.entries.insert(name.into(), Entry { key: item.spot, tree: value(item.spot) });
            }
        }
        _ => {
            let words =
                format!("a list or a mapping is wanted here, not a {}", Tree::new(tree.value, tree.spot).kind());
            return Err(Finding::new(&codes::WRONG_TYPE, Masked::words(words), tree.spot)
                .help("write `- item` lines or `key: value` lines under it")
                .at(at.to_string()));
        }
    }
    Ok(mapping)
}

/// What a dependency means that is only named.
pub(super) fn started(spot: Spot) -> Tree {
    let mut mapping = Mapping::default();
    mapping.set("condition", Tree::text("service_started", spot));
    mapping.set("required", Tree::new(Scalar::Bool(true), spot));
    Tree::new(Scalar::Mapping(mapping), spot)
}
