//! Two bodies, field by field.

use std::fmt::Write as _;

use super::Difference;
use crate::{
    target::{ListOrder, Target},
    value::{Address, Masked, Node, Path, Secrets, Sources, Value},
};

/// How much of the live body counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// All of it: the other side is what the place says would be there.
    Everything,
    /// What we would write, and what we wrote before: the other side is our own body.
    Ours,
}

pub(super) struct Differ<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) address: &'a Address,
    pub(super) secrets: &'a Secrets,
    /// Our body, for the sources of each path.
    pub(super) wanted: &'a Node,
    pub(super) extent: Extent,
    /// Paths that cannot be read back.
    pub(super) blind: &'a [Path],
    /// Paths we set before.
    pub(super) ours: &'a [Path],
}

impl Differ<'_> {
    /// The differences between what is there and what would be.
    pub(super) fn all(&self, before: &Node, after: &Node) -> Vec<Difference> {
        let mut out = Vec::new();
        self.node(&Path::root(), Some(before), Some(after), &mut out);
        out
    }

    fn node(&self, path: &Path, before: Option<&Node>, after: Option<&Node>, out: &mut Vec<Difference>) {
        if self.blind.iter().any(|blind| path.starts_with(blind)) {
            return;
        }
        match (before.map(|node| &node.value), after.map(|node| &node.value)) {
            (None | Some(Value::Null), None | Some(Value::Null)) => {}
            (_, Some(Value::Theirs(_))) => {}
            (Some(Value::Map(a)), Some(Value::Map(b))) => {
                for (key, child) in b {
                    let old = a.iter().find(|(known, _)| known == key).map(|(_, node)| node);
                    self.node(&path.join(key.clone()), old, Some(child), out);
                }
                for (key, child) in a {
                    if !b.iter().any(|(known, _)| known == key) {
                        self.gone(&path.join(key.clone()), child, out);
                    }
                }
            }
            (Some(Value::List(a)), Some(Value::List(b))) => self.list(path, a, b, out),
            (Some(a), Some(b)) if equal(a, b) => {}
            _ => self.leaf(path, before, after, out),
        }
    }

    /// What is there and would be no more.
    fn gone(&self, path: &Path, child: &Node, out: &mut Vec<Difference>) {
        let counts = self.extent == Extent::Everything
            || self.ours.iter().any(|ours| ours.starts_with(path) || path.starts_with(ours));
        if counts && !is_empty(&child.value) {
            self.leaf(path, Some(child), None, out);
        }
    }

    fn list(&self, path: &Path, a: &[Node], b: &[Node], out: &mut Vec<Difference>) {
        match self.target.list(self.address, path) {
            ListOrder::Keyed(keys) => {
                let same = |x: &Node, y: &Node| {
                    keys.iter().all(|key| match (x.get(key), y.get(key)) {
                        (Some(x), Some(y)) => equal(&x.value, &y.value),
                        // A protocol that is not said is the server's default.
                        (None, _) | (_, None) => true,
                    })
                };
                for (index, item) in b.iter().enumerate() {
                    let old = a.iter().find(|other| same(other, item));
                    self.node(&path.join(index.to_string()), old, Some(item), out);
                }
                for (index, item) in a.iter().enumerate() {
                    if !b.iter().any(|other| same(item, other)) {
                        self.gone(&path.join(index.to_string()), item, out);
                    }
                }
            }
            ListOrder::Set => {
                let missing = |x: &[Node], y: &[Node]| {
                    x.iter().any(|item| !y.iter().any(|other| equal(&item.value, &other.value)))
                };
                if missing(a, b) || missing(b, a) {
                    self.leaf(path, Some(&list_of(a)), Some(&list_of(b)), out);
                }
            }
            ListOrder::Ordered => {
                let scalars =
                    |items: &[Node]| items.iter().all(|item| !matches!(item.value, Value::Map(_) | Value::List(_)));
                if a.len() != b.len() && scalars(a) && scalars(b) {
                    self.leaf(path, Some(&list_of(a)), Some(&list_of(b)), out);
                    return;
                }
                for index in 0..a.len().max(b.len()) {
                    let step = path.join(index.to_string());
                    match (a.get(index), b.get(index)) {
                        (Some(old), None) => self.gone(&step, old, out),
                        (old, new) => self.node(&step, old, new, out),
                    }
                }
            }
        }
    }

    fn leaf(&self, path: &Path, before: Option<&Node>, after: Option<&Node>, out: &mut Vec<Difference>) {
        out.push(Difference {
            path: path.clone(),
            before: before.map(|node| show(node, self.secrets)),
            after: after.map(|node| show(node, self.secrets)),
            from: self.sources(path),
        });
    }

    /// Of the leaf in our body, or of the nearest that stands above it.
    fn sources(&self, path: &Path) -> Sources {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some(node) = self.wanted.at(&path)
                && node.from != Sources::NONE
            {
                return node.from;
            }
            at = path.parent();
        }
        self.wanted.from
    }
}

fn list_of(items: &[Node]) -> Node {
    Node::new(items.to_vec(), Sources::NONE)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Map(entries) => entries.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

/// Equality of what is written. A whole number equals the same one as a number with a fraction.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        #[allow(clippy::cast_precision_loss, reason = "numbers in manifests are small")]
        (Value::Integer(a), Value::Float(b)) | (Value::Float(b), Value::Integer(a)) => *a as f64 == *b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(&a.value, &b.value))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    b.iter().any(|(other, found)| other == key && equal(&value.value, &found.value))
                })
        }
        (a, b) => a == b,
    }
}

/// A value as it may be shown: secrets as `‹secret #n›`, foreign text searched for known ones.
pub(super) fn show(node: &Node, secrets: &Secrets) -> Masked {
    fn write(node: &Node, secrets: &Secrets, top: bool, out: &mut String) {
        match &node.value {
            Value::Null | Value::Theirs(None) => out.push_str("null"),
            Value::Bool(value) => out.push_str(&value.to_string()),
            Value::Integer(value) => out.push_str(&value.to_string()),
            Value::Float(value) => out.push_str(&value.to_string()),
            Value::Text(text) => {
                let shown =
                    if text.is_secret() { text.masked() } else { secrets.scrub(text.plain().unwrap_or_default()) };
                if top {
                    out.push_str(shown.as_str());
                } else {
                    out.push_str(&serde_json::Value::from(shown.as_str()).to_string());
                }
            }
            Value::Bytes(id) => out.push_str(&id.to_string()),
            Value::Hole(_) => out.push_str("‹secret›"),
            Value::Reference(key, _) => {
                let _ = write!(out, "(name of {key})");
            }
            Value::Theirs(Some(inner)) => write(inner, secrets, top, out),
            Value::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    write(item, secrets, false, out);
                }
                out.push(']');
            }
            Value::Map(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(key);
                    out.push_str(": ");
                    write(value, secrets, false, out);
                }
                out.push('}');
            }
        }
    }
    let mut out = String::new();
    write(node, secrets, true, &mut out);
    Masked::words(out)
}
