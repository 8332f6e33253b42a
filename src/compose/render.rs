//! What `docker compose config` prints: which keys, in which order, in which of its two shapes.

use std::borrow::Cow;

use serde_json::Value as Json;
use smol_str::SmolStr;

use super::{
    load::Resolved,
    normalize,
    order::natural,
    request::{Request, Skip},
    typed::{self, Fields, Kind},
    variables::Variables,
};
use crate::{
    beside::in_halves,
    diagnostic::Findings,
    value::Exposure,
    yaml::{self, Entry, JsonWriter, Mapping, Plain, Scalar, Tree},
};

/// A loaded application, before it is printed.
#[derive(Debug)]
pub struct Configuration {
    pub(super) tree: Tree,
    pub(super) disabled: Tree,
    pub(super) variables: Variables,
    pub(super) name: Box<str>,
    pub(super) skip: Skip,
    /// Whether the tree is the model as merged, not bound to types.
    pub(super) raw: bool,
    /// Warnings and notes.
    pub findings: Findings,
}

/// The reference's two printers do not agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// No `x-*` below the first level, no models; command and entrypoint always there.
    Json,
    /// Everything, and nothing that is empty.
    Yaml,
}

impl Configuration {
    pub(super) fn new(resolved: Resolved, request: &Request) -> Self {
        Self {
            tree: resolved.tree,
            disabled: resolved.disabled,
            variables: resolved.variables,
            name: resolved.name.value,
            skip: request.skip,
            raw: request.skip.interpolation && !request.typed,
            findings: resolved.findings,
        }
    }

    /// As `docker compose config --format json` prints it, secrets in clear.
    pub fn clear(&self) -> Json {
        Json::from(&self.plain(Form::Json))
    }

    /// What is to be written, in one of the forms.
    pub fn plain(&self, form: Form) -> Plain<'_> {
        self.root(self.writer(form))
    }

    /// The same as JSON over several lines. Services are brought into their form while they are written, one by one:
    /// there may be thousands.
    pub fn json(&self, form: Form) -> String {
        let writer = Writer { apart: !self.raw, ..self.writer(form) };
        let services = self.tree.get("services").and_then(Tree::as_mapping).filter(|_| writer.apart);
        let services = services.into_iter().flat_map(|services| &services.entries);
        let mut services: Vec<_> = services.map(|(key, entry)| (writer.escape((&**key).into()), &entry.tree)).collect();
        writer.sort_names(&mut services);
        yaml::write_json_with(&self.root(writer), "services", &services, |out, tree| {
            writer.write_part(tree, "service", out);
        })
    }

    fn writer(&self, form: Form) -> Writer {
        let shape = if matches!(form, Form::Json | Form::Hashed) { Shape::Json } else { Shape::Yaml };
        let (masked, escaped) = (form == Form::Masked, form != Form::Hashed && !self.raw);
        Writer { shape, masked, escaped, apart: false }
    }

    fn root(&self, writer: Writer) -> Plain<'_> {
        let shape = writer.shape;
        let mut root = if self.raw { writer.raw(&self.tree) } else { writer.part(&self.tree, "root") };
        let Plain::Map(entries) = &mut root else { return root };
        if !self.raw && !entries.iter().any(|(key, _)| key == "services") {
            entries.insert(0, ("services".into(), Plain::Map(Vec::new())));
        }
        let named = if self.raw { !self.skip.normalization } else { shape == Shape::Json || !self.name.is_empty() };
        if named {
            entries.retain(|(key, _)| key != "name");
            entries.insert(0, ("name".into(), writer.text(&self.name)));
        }
        if shape == Shape::Json || self.raw {
            // The first level is sorted by name, but for typed YAML.
            writer.sort_names(entries);
        }
        root
    }
}

/// Forms in which an application is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As `docker compose config --format json` prints it, secrets in clear.
    Json,
    /// As `docker compose config` prints it in YAML, with `x-*` entries everywhere; secrets in clear.
    Yaml,
    /// The same with secrets concealed.
    Masked,
    /// As JSON, with dollar signs as they are: what the reference hashes.
    Hashed,
}

/// A key that is printed.
struct Present<'t> {
    /// Where its type has it.
    place: usize,
    kind: Kind,
    value: &'t Tree,
}

#[derive(Clone, Copy)]
struct Writer {
    shape: Shape,
    masked: bool,
    /// Whether dollar signs are doubled, so that what is written can be read again.
    escaped: bool,
    /// Whether services are written apart, and the root holds none.
    apart: bool,
}

impl Writer {
    fn text(self, text: &str) -> Plain<'_> {
        Plain::Text(self.escape(text.into()))
    }

    fn escape(self, text: Cow<'_, str>) -> Cow<'_, str> {
        if self.escaped && text.as_bytes().contains(&b'$') { text.replace('$', "$$").into() } else { text }
    }

    fn scalar(self, tree: &Tree) -> Plain<'_> {
        match &tree.value {
            Scalar::Bool(value) => Plain::Bool(*value),
            Scalar::Integer(value) => Plain::Integer(*value),
            Scalar::Unsigned(value) => Plain::Unsigned(*value),
            Scalar::Float(value) => Plain::of_float(*value),
            Scalar::Timestamp { standard, .. } => self.text(standard),
            Scalar::Text(text) if self.masked && text.is_secret() => {
                Plain::Text(self.escape(text.masked().as_str().to_owned().into()))
            }
            Scalar::Text(text) => self.text(text.expose(&Exposure::granted())),
            Scalar::Null | Scalar::Sequence(_) | Scalar::Mapping(_) => Plain::Null,
        }
    }

    /// A value whose mappings are sorted on all levels.
    fn sorted(self, tree: &Tree) -> Plain<'_> {
        match &tree.value {
            Scalar::Sequence(items) => Plain::List(items.iter().map(|item| self.sorted(item)).collect()),
            Scalar::Mapping(mapping) => {
                let entries = self.by_name(mapping).into_iter();
                Plain::Map(entries.map(|(key, entry)| (key, self.sorted(&entry.tree))).collect())
            }
            _ => self.scalar(tree),
        }
    }

    /// The model as merged; what variables put into secrets and configs is not shown.
    fn raw(self, tree: &Tree) -> Plain<'_> {
        let mut root = self.sorted(tree);
        for (section, value) in root.entries_mut().into_iter().flatten() {
            if !["configs", "secrets"].contains(&&**section) {
                continue;
            }
            for (_, part) in value.entries_mut().into_iter().flatten() {
                part.remove(normalize::SECRET_CONTENT);
                if part.get("environment").is_some() {
                    part.remove("content");
                }
            }
        }
        root
    }

    fn sort_names<T>(self, entries: &mut [(Cow<'_, str>, T)]) {
        match self.shape {
            Shape::Json => entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b)),
            Shape::Yaml => entries.sort_by(|(a, _), (b, _)| natural(a, b)),
        }
    }

    /// The keys of a part that are printed, in the order of its type, as they are printed.
    fn present<'t>(self, mapping: &'t Mapping, fields: &Fields, name: &str) -> Vec<(&'static str, Present<'t>)> {
        let is_printed = |key: &str, value: &Tree| match (name, key) {
            ("root", "models") if self.shape == Shape::Json => false,
            ("root", "services") => true,
            ("root", _) => !(value.is_null() || value.as_mapping().is_some_and(|part| part.entries.is_empty())),
            ("service", "extends") => false,
            ("config" | "secret", "content") => !mapping.contains("environment"),
            _ => true,
        };
        let mut present = Vec::with_capacity(mapping.entries.len());
        for (key, entry) in &mapping.entries {
            if let Some((place, key, kind)) = fields.get_full(&**key)
                && is_printed(key, &entry.tree)
            {
                present.push((printed(name, key, self.shape), Present { place, kind: *kind, value: &entry.tree }));
            }
        }
        present.sort_unstable_by_key(|(_, present)| present.place);
        present
    }

    /// The same as [`Self::part`] of a part below the first level, written as JSON at once.
    fn write_part(self, tree: &Tree, name: &str, out: &mut JsonWriter) {
        let (Some(mapping), Some(fields)) = (tree.as_mapping(), typed::fields(name)) else {
            return out.value(&self.scalar(tree));
        };
        out.map(&self.present(mapping, fields, name), |out, _, present| {
            self.write_field(present.value, present.kind, out);
        });
    }

    fn write_field(self, tree: &Tree, kind: Kind, out: &mut JsonWriter) {
        match (kind, &tree.value) {
            (Kind::Part(name, _), _) => self.write_part(tree, name, out),
            (Kind::List(name), Scalar::Sequence(items)) => {
                out.list(items, |out, item| self.write_part(item, name, out));
            }
            (Kind::Map(name), Scalar::Mapping(mapping)) => {
                out.map(&self.by_name(mapping), |out, _, entry| self.write_part(&entry.tree, name, out));
            }
            (Kind::Leaf(b'g'), _) => out.value(&self.agents(tree)),
            (Kind::Leaf(_), _) => self.write_sorted(tree, out),
            (Kind::List(_) | Kind::Map(_), _) => out.value(&self.scalar(tree)),
        }
    }

    /// The same as [`Self::sorted`], written at once.
    fn write_sorted(self, tree: &Tree, out: &mut JsonWriter) {
        match &tree.value {
            Scalar::Sequence(items) => out.list(items, |out, item| self.write_sorted(item, out)),
            Scalar::Mapping(mapping) => {
                out.map(&self.by_name(mapping), |out, _, entry| self.write_sorted(&entry.tree, out));
            }
            _ => out.value(&self.scalar(tree)),
        }
    }

    fn by_name(self, mapping: &Mapping) -> Vec<(Cow<'_, str>, &Entry)> {
        let entries = mapping.entries.iter();
        let mut entries: Vec<_> = entries.map(|(key, entry)| (self.escape((&**key).into()), entry)).collect();
        self.sort_names(&mut entries);
        entries
    }

    /// The keys of a part in the order of its type, then the `x-*` ones; others are not printed.
    fn part<'t>(self, tree: &'t Tree, name: &str) -> Plain<'t> {
        let (Some(mapping), Some(fields)) = (tree.as_mapping(), typed::fields(name)) else { return self.scalar(tree) };
        let present = self.present(mapping, fields, name);
        let mut out = Vec::with_capacity(present.len());
        for (key, Present { kind, value, .. }) in present {
            let apart = self.apart && (name, key) == ("root", "services") && value.as_mapping().is_some();
            let value = if apart { Plain::Map(Vec::new()) } else { self.field(value, kind) };
            if self.shape == Shape::Json || !is_nothing(&value, kind) {
                out.push((key.into(), value));
            }
        }
        if self.shape == Shape::Yaml || name == "root" {
            let extensions =
                mapping.entries.iter().filter(|(key, _)| key.starts_with("x-") && &***key != normalize::SECRET_CONTENT);
            let mut extensions: Vec<_> =
                extensions.map(|(key, entry)| (self.escape((&**key).into()), self.sorted(&entry.tree))).collect();
            self.sort_names(&mut extensions);
            out.extend(extensions);
        }
        Plain::Map(out)
    }

    fn field<'t>(self, tree: &'t Tree, kind: Kind) -> Plain<'t> {
        match kind {
            Kind::Part(name, _) => self.part(tree, name),
            Kind::List(name) => match tree.as_sequence() {
                Some(items) => Plain::List(items.iter().map(|item| self.part(item, name)).collect()),
                None => self.scalar(tree),
            },
            Kind::Map(name) => {
                let Some(mapping) = tree.as_mapping() else { return self.scalar(tree) };
                let all = mapping.entries.as_slice();
                let some = |entries: &'t [(SmolStr, Entry)]| -> Vec<_> {
                    let entries = entries.iter();
                    entries
                        .map(|(key, entry)| (self.escape((&**key).into()), self.named(key, &entry.tree, name)))
                        .collect()
                };
                let mut halves = in_halves(all, some);
                let mut entries = halves.next().unwrap_or_default();
                entries.extend(halves.flatten());
                self.sort_names(&mut entries);
                Plain::Map(entries)
            }
            Kind::Leaf(b'g') => self.agents(tree),
            Kind::Leaf(_) => self.sorted(tree),
        }
    }

    /// One of the parts that have names.
    fn named<'t>(self, key: &'t str, tree: &'t Tree, name: &str) -> Plain<'t> {
        let mut part = self.part(tree, name);
        if self.shape == Shape::Yaml
            && let Plain::Map(entries) = &mut part
        {
            match name {
                "job" => entries.insert(0, ("name".into(), self.text(key))),
                // Both bounds are always there.
                "ulimit" => {
                    for (at, bound) in ["soft", "hard"].into_iter().enumerate() {
                        if !entries.iter().any(|(key, _)| key == bound) {
                            entries.insert(at.min(entries.len()), (bound.into(), Plain::Integer(0)));
                        }
                    }
                }
                _ => {}
            }
        }
        part
    }

    /// SSH agents and keys: `default`, or `ID=PATH`.
    fn agents(self, tree: &Tree) -> Plain<'_> {
        let Some(mapping) = tree.as_mapping() else { return self.sorted(tree) };
        let mut items: Vec<String> = mapping
            .entries
            .iter()
            .map(|(id, entry)| match self.scalar(&entry.tree) {
                Plain::Text(path) => format!("{id}={path}"),
                _ => id.to_string(),
            })
            .collect();
        items.sort_unstable();
        Plain::List(items.into_iter().map(|item| Plain::Text(item.into())).collect())
    }
}

/// What stands there only because JSON always has it.
fn is_nothing(value: &Plain<'_>, kind: Kind) -> bool {
    match kind {
        Kind::Leaf(b'W') => *value == Plain::Null,
        Kind::Part(_, true) => matches!(value, Plain::Map(entries) if entries.is_empty()),
        _ => false,
    }
}

/// The limits of block devices have no names for JSON in the reference.
fn printed(part: &str, key: &'static str, shape: Shape) -> &'static str {
    match (part, key) {
        ("limit" | "weight", "path") if shape == Shape::Json => "Path",
        ("limit", "rate") if shape == Shape::Json => "Rate",
        ("weight", "weight") if shape == Shape::Json => "Weight",
        (_, key) => key,
    }
}
