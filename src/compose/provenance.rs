//! Which file, line and column set each value, what went into it, and what it took the place of.

use std::fmt::Write as _;

use super::{
    normalize::SECRET_CONTENT,
    render::Configuration,
    table::At,
    typed::{self, Kind},
};
use crate::{
    value::{Origins, Source, Spot},
    yaml::{Scalar, Tree},
};

/// Where a value of the application comes from.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// The path in the Compose model, as `services.web.ports[0].target`.
    pub path: String,
    /// The value, secrets concealed.
    pub value: serde_json::Value,
    /// Where it stands.
    pub place: PlaceOfValue,
    /// What was put into it: variables, files that were read.
    pub through: Vec<PlaceOfValue>,
    /// What it took the place of, the latest first: the same value in earlier files.
    pub instead_of: Vec<PlaceOfValue>,
}

/// A place that a value comes from.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOfValue {
    /// File, line and column, or the name of what is no file.
    pub place: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// What `transship config --provenance --format json` prints.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvenanceDocument {
    /// 1.
    pub version: u32,
    /// Every value, in the order of `config`.
    pub values: Vec<Provenance>,
}

impl Configuration {
    /// Where every value comes from, in the order in which the values are printed.
    pub fn provenance(&self, origins: &Origins) -> Vec<Provenance> {
        let mut out = Vec::new();
        walk(&self.tree, Some(Kind::Part("root", false)), Spot::NOWHERE, &At::ROOT, origins, &mut out);
        out
    }
}

impl ProvenanceDocument {
    /// Of all values.
    pub const fn new(values: Vec<Provenance>) -> Self {
        Self { version: 1, values }
    }

    /// For people: a line for the value, and one for each place.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for one in &self.values {
            // A text takes all that is written.
            let _ = writeln!(out, "{}: {}\n    {}", one.path, one.value, one.place.place);
            for through in &one.through {
                let _ = writeln!(out, "    through {}", through.place);
            }
            for displaced in &one.instead_of {
                let _ = writeln!(out, "    instead of {}", displaced.place);
            }
        }
        out
    }
}

fn walk(tree: &Tree, kind: Option<Kind>, parent: Spot, at: &At<'_>, origins: &Origins, out: &mut Vec<Provenance>) {
    let spot = if tree.spot.is_somewhere() { tree.spot } else { parent };
    match &tree.value {
        Scalar::Mapping(mapping) if !mapping.entries.is_empty() => {
            let fields = match kind {
                Some(Kind::Part(name, _)) => typed::fields(name),
                _ => None,
            };
            let mut entries: Vec<_> = mapping.entries.iter().filter(|(key, _)| &***key != SECRET_CONTENT).collect();
            // As they are printed: known keys in the order of their type, names by their letters.
            entries.sort_by_key(|(key, _)| {
                (fields.and_then(|fields| fields.get_index_of(&***key)).unwrap_or(usize::MAX), *key)
            });
            for (key, entry) in entries {
                let inner = match kind {
                    Some(Kind::Map(name)) => Some(Kind::Part(name, false)),
                    _ => fields.and_then(|fields| fields.get(&**key)).copied(),
                };
                walk(&entry.tree, inner, entry.key, &at.key(key), origins, out);
            }
        }
        Scalar::Sequence(items) if !items.is_empty() => {
            let inner = match kind {
                Some(Kind::List(name)) => Some(Kind::Part(name, false)),
                _ => None,
            };
            for (index, item) in items.iter().enumerate() {
                walk(item, inner, spot, &at.item(index), origins, out);
            }
        }
        Scalar::Null if !spot.is_somewhere() => {}
        _ => {
            let Some(place) = place(spot, origins) else { return };
            let value = tree.masked();
            let (mut through, mut instead_of) = (Vec::new(), Vec::new());
            let mut here = Some(spot);
            while let Some(spot) = here.take() {
                let Some(origin) = origins.origin(spot) else { break };
                if instead_of.is_empty() {
                    let made_of = origins.spots(origin.made_of);
                    through.extend(
                        made_of.into_iter().filter(|other| *other != spot).filter_map(|s| self::place(s, origins)),
                    );
                }
                if let Some(displaced) = origin.displaced {
                    let default = origins.origin(displaced).is_some_and(|o| matches!(o.source, Source::Default { .. }));
                    if !default {
                        instead_of.extend(self::place(displaced, origins));
                    }
                    here = Some(displaced);
                }
            }
            out.push(Provenance { path: at.to_string(), value, place, through, instead_of });
        }
    }
}

fn place(spot: Spot, origins: &Origins) -> Option<PlaceOfValue> {
    let words = origins.describe(spot)?;
    let found = origins.place(spot);
    Some(PlaceOfValue {
        place: words,
        file: found.as_ref().map(|place| place.path.to_string()),
        line: found.as_ref().map(|place| place.line),
        column: found.as_ref().map(|place| place.column),
    })
}
