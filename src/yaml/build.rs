//! Events of a reader to trees: what the scalars mean, anchors and aliases, merge keys, keys that stand twice.

use std::collections::HashMap;

use smol_str::SmolStr;

use super::{Entry, Mapping, Scalar, Tag, Tree, codes, resolve, scalar::is_text};
use crate::{
    diagnostic::Finding,
    value::{Batch, Masked, Spot, Text},
};

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its root.
    pub root: Tree,
    /// Whether any value in it bears `!reset` or `!override`.
    pub tagged: bool,
    /// Values without quotes that readers do not agree on.
    pub suspicious: Vec<(Spot, Suspicion)>,
}

/// Why readers do not agree on a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suspicion {
    /// A number with a leading zero: octal here, decimal or a string elsewhere.
    Octal(i64),
    /// `yes`, `no`, `on`, `off`: a string here, true or false elsewhere.
    Word,
    /// `22:22`: a string here, a number of base 60 elsewhere.
    Sexagesimal,
}

/// The most values that one file may unfold to.
const MOST_VALUES: usize = 10_000_000;

/// What a tag says about a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Label {
    /// `!reset`.
    Reset,
    /// `!override`.
    Override,
    /// `!!str`, and `!` alone.
    Text,
    /// `!!int`, `!!float`, `!!bool`, `!!null`.
    Kind(&'static str),
    /// `!!timestamp`.
    Timestamp,
    /// Any other: it means nothing.
    Other,
}

/// A scalar as a reader found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'t> {
    /// Its text, quotes and escapes undone.
    pub(super) text: &'t str,
    /// Whether it stands there without quotes, and not as a block.
    pub(super) plain: bool,
    /// Its tag.
    pub(super) label: Option<Label>,
}

/// Puts the documents of one file together.
pub(super) struct Builder<'o> {
    spots: Batch<'o>,
    anchors: HashMap<usize, Anchored>,
    values: usize,
    tagged: bool,
    /// Whether `<<` stood in the entry of the document that ended last, or in the document.
    merged: bool,
    suspicious: Vec<(Spot, Suspicion)>,
    open: Vec<Open>,
    /// Room of collections that have ended, for the next ones: each is moved into room of just its size.
    rooms: Rooms,
    root: Option<Tree>,
    documents: Vec<Document>,
}

#[derive(Default)]
struct Rooms {
    items: Vec<Vec<Tree>>,
    mappings: Vec<Mapping>,
}

struct Anchored {
    tree: Tree,
    values: usize,
}

/// A collection whose end has not come yet.
enum Open {
    Sequence { spot: Spot, anchor: usize, tag: Tag, items: Vec<Tree>, begun: usize },
    Mapping { spot: Spot, anchor: usize, tag: Tag, mapping: Mapping, key: Option<Key>, merges: Vec<Tree>, begun: usize },
}

enum Key {
    Name(SmolStr, Spot),
    Merge,
}

impl<'o> Builder<'o> {
    pub(super) fn new(spots: Batch<'o>) -> Self {
        Self {
            spots,
            anchors: HashMap::new(),
            values: 0,
            tagged: false,
            merged: false,
            suspicious: Vec::new(),
            open: Vec::new(),
            rooms: Rooms::default(),
            root: None,
            documents: Vec::new(),
        }
    }

    /// All documents that have ended.
    pub(super) fn finish(self) -> Vec<Document> {
        self.documents
    }

    /// As if nothing had been read yet.
    pub(super) fn forget(self) -> Self {
        let mut spots = self.spots;
        spots.forget();
        Self::new(spots)
    }

    /// The same places as this one for the same beginning, and places of their own for what follows.
    pub(super) fn beside(&self) -> (Self, Batch<'o>) {
        (Self::new(self.spots.again()), self.spots.another())
    }

    /// Forgets what was read but its anchors, and goes on with other places.
    pub(super) fn go_on_with(&mut self, spots: Batch<'o>) {
        self.spots = spots;
        self.suspicious.clear();
        (self.values, self.tagged, self.root) = (0, false, None);
    }

    /// Whether `<<` stands in the last entry of the document, or in the document itself.
    pub(super) const fn has_merged(&self) -> bool {
        self.merged
    }

    /// The document of which this has read what is in front of one of the `services`, and the other what is behind it.
    pub(super) fn join(&mut self, other: Self) -> Option<Vec<Document>> {
        let values = self.values.saturating_add(other.values);
        let (Ok([mut one]), Ok([mut other])) =
            (<[_; 1]>::try_from(std::mem::take(&mut self.documents)), <[_; 1]>::try_from(other.documents))
        else {
            return None;
        };
        let (root, rest) = (one.root.as_mapping_mut()?, other.root.as_mapping_mut()?);
        let services = rest.remove("services")?;
        if values > MOST_VALUES || root.entries.keys().next_back().is_none_or(|key| key != "services") {
            return None;
        }
        let known = root.get_mut("services")?.as_mapping_mut()?;
        let Scalar::Mapping(services) = services.value else { return None };
        for (name, entry) in services.entries {
            known.entries.add(name, entry).ok()?;
        }
        for (name, entry) in std::mem::take(&mut rest.entries) {
            root.entries.add(name, entry).ok()?;
        }
        one.tagged |= other.tagged;
        one.suspicious.append(&mut other.suspicious);
        Some(vec![one])
    }

    /// A place in the file.
    pub(super) fn spot(&mut self, start: usize, end: usize) -> Spot {
        self.spots.spot(start, end)
    }

    pub(super) fn document_start(&mut self) {
        self.anchors.clear();
        self.tagged = false;
        self.root = None;
    }

    pub(super) fn document_end(&mut self) {
        self.documents.push(Document {
            root: self.root.take().unwrap_or_default(),
            tagged: self.tagged,
            suspicious: std::mem::take(&mut self.suspicious),
        });
    }

    /// A scalar, as a key or as a value; `anchor` is 0 where it has none.
    pub(super) fn scalar(&mut self, found: Found<'_>, anchor: usize, spot: Spot) -> Result<(), Finding> {
        let untagged = found.plain && found.label.is_none();
        let merge = untagged && found.text == "<<";
        if let Some(Open::Mapping { key: None, .. }) = self.open.last() {
            let name = if merge { Key::Merge } else { self.key(found, spot)? };
            if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
                *key = Some(name);
            }
            if anchor != 0 {
                self.anchors.insert(anchor, Anchored { tree: Tree::text(found.text, spot), values: 1 });
            }
            return Ok(());
        }
        self.count(1, spot)?;
        if merge {
            // The reference drops such a value without a word.
            if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
                *key = None;
            }
            return Ok(());
        }
        let tree = self.value(found, spot)?;
        if untagged && let Some(suspicion) = suspicion(found.text, &tree.value, self.open.last()) {
            self.suspicious.push((spot, suspicion));
        }
        self.remember(anchor, &tree, 1);
        self.place(tree)
    }

    pub(super) fn sequence_start(&mut self, anchor: usize, label: Option<Label>, spot: Spot) -> Result<(), Finding> {
        let (tag, begun) = self.collection(label, spot)?;
        let items = self.rooms.items.pop().unwrap_or_default();
        self.open.push(Open::Sequence { spot, anchor, tag, items, begun });
        Ok(())
    }

    pub(super) fn mapping_start(&mut self, anchor: usize, label: Option<Label>, spot: Spot) -> Result<(), Finding> {
        let (tag, begun) = self.collection(label, spot)?;
        let (mapping, merges) = (self.rooms.mappings.pop().unwrap_or_default(), Vec::new());
        self.open.push(Open::Mapping { spot, anchor, tag, mapping, key: None, merges, begun });
        Ok(())
    }

    fn collection(&mut self, label: Option<Label>, spot: Spot) -> Result<(Tag, usize), Finding> {
        self.count(1, spot)?;
        if let Some(Open::Mapping { key: None, .. }) = self.open.last() {
            return Err(Finding::new(&codes::KEY_NOT_STRING, "this key is not a string".into(), spot)
                .help("a key is one word; put it in quotes if it begins with `{` or `[`"));
        }
        Ok((self.tag(label), self.values))
    }

    /// The collection that was begun last ends.
    pub(super) fn end(&mut self) -> Result<(), Finding> {
        let (value, spot, tag, anchor, begun) = match self.open.pop() {
            Some(Open::Sequence { spot, anchor, tag, mut items, begun }) => {
                let mut fitted = Vec::with_capacity(items.len());
                fitted.append(&mut items);
                self.rooms.items.push(items);
                (Scalar::Sequence(fitted), spot, tag, anchor, begun)
            }
            Some(Open::Mapping { spot, anchor, tag, mut mapping, merges, begun, .. }) => {
                match self.open.len() {
                    0 => self.merged |= !merges.is_empty(),
                    1 => self.merged = !merges.is_empty(),
                    _ => {}
                }
                merge(&mut mapping, merges)?;
                let entries = mapping.entries.take_fitted();
                self.rooms.mappings.push(mapping);
                (Scalar::Mapping(Mapping { entries }), spot, tag, anchor, begun)
            }
            None => return Ok(()),
        };
        let tree = Tree { value, spot, tag };
        self.remember(anchor, &tree, self.values - begun + 1);
        self.place(tree)
    }

    /// The value that an anchor names; `name` is the alias as written.
    pub(super) fn alias(&mut self, anchor: usize, name: &str, spot: Spot) -> Result<(), Finding> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let words = format!("the alias {name} stands inside what it names");
            return Err(Finding::new(&codes::BROKEN, Masked::words(words), spot)
                .help("an anchor can only be used after the value it names has ended"));
        };
        if let Some(Open::Mapping { key: key @ None, .. }) = self.open.last_mut() {
            let Some(text) = anchored.tree.raw() else {
                return Err(Finding::new(&codes::KEY_NOT_STRING, "this key is not a string".into(), spot)
                    .help("write the key itself, in quotes"));
            };
            *key = Some(Key::Name(text.into(), spot));
            return Ok(());
        }
        let values = anchored.values;
        // Counted before it is copied: what is refused costs nothing.
        self.count(values, spot)?;
        let Some(anchored) = self.anchors.get(&anchor) else { return Ok(()) };
        let tree = anchored.tree.clone();
        self.place(tree)
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, done: Tree) -> Result<(), Finding> {
        match self.open.last_mut() {
            None => self.root = Some(done),
            Some(Open::Sequence { items, .. }) => items.push(done),
            Some(Open::Mapping { mapping, key, merges, .. }) => match key.take() {
                Some(Key::Merge) => merges.push(done),
                Some(Key::Name(name, spot)) => {
                    if let Err((name, first)) = mapping.entries.add(name, Entry { key: spot, tree: done }) {
                        let words = format!("`{name}` stands twice in this mapping");
                        return Err(Finding::new(&codes::DUPLICATE_KEY, Masked::words(words), spot)
                            .label(first, "first here")
                            .help("remove one of the two"));
                    }
                }
                None => {}
            },
        }
        Ok(())
    }

    fn count(&mut self, more: usize, spot: Spot) -> Result<(), Finding> {
        self.values = self.values.saturating_add(more);
        if self.values > MOST_VALUES {
            return Err(Finding::new(&codes::TOO_LARGE, "the aliases of this file unfold to too much".into(), spot)
                .help("use fewer aliases of aliases"));
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, tree: &Tree, values: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { tree: tree.clone(), values });
        }
    }

    fn key(&mut self, found: Found<'_>, spot: Spot) -> Result<Key, Finding> {
        let text = found.text;
        let good = match found.label {
            None => !found.plain || is_text(text),
            Some(_) => matches!(self.value(found, spot)?.value, Scalar::Text(_)),
        };
        if good {
            return Ok(Key::Name(text.into(), spot));
        }
        Err(Finding::new(&codes::KEY_NOT_STRING, Masked::words(format!("the key `{text}` is not a string")), spot)
            .help(Masked::words(format!("put it in quotes, without a tag: \"{text}\""))))
    }

    fn tag(&mut self, label: Option<Label>) -> Tag {
        let tag = match label {
            Some(Label::Reset) => Tag::Reset,
            Some(Label::Override) => Tag::Override,
            _ => Tag::None,
        };
        self.tagged |= tag != Tag::None;
        tag
    }

    fn value(&mut self, found: Found<'_>, spot: Spot) -> Result<Tree, Finding> {
        let Found { text, plain, label } = found;
        let tag = self.tag(label);
        let string = || Scalar::Text(Text::new(text));
        let value = match label {
            Some(Label::Text) => string(),
            Some(Label::Kind(kind)) => {
                let value = resolve(text);
                let fits = matches!(
                    (&value, kind),
                    (Scalar::Integer(_) | Scalar::Unsigned(_), "int" | "float")
                        | (Scalar::Float(_), "float")
                        | (Scalar::Bool(_), "bool")
                        | (Scalar::Null, "null")
                );
                if !fits {
                    let words = format!("this value is no `!!{kind}`");
                    return Err(Finding::new(&codes::BROKEN, Masked::words(words), spot).help("remove the tag"));
                }
                match value {
                    #[allow(clippy::cast_precision_loss, reason = "what the tag asks for")]
                    Scalar::Integer(number) if kind == "float" => Scalar::Float(number as f64),
                    value => value,
                }
            }
            Some(Label::Timestamp) => resolve(text),
            // `!override null` is the word; any other local tag of a plain scalar is ignored.
            Some(Label::Override) => match resolve(text) {
                Scalar::Null => Scalar::Text(Text::new(if text.is_empty() { "" } else { "null" })),
                value if plain => value,
                _ => string(),
            },
            Some(Label::Reset | Label::Other) | None => {
                if plain {
                    resolve(text)
                } else {
                    string()
                }
            }
        };
        Ok(Tree { value, spot, tag })
    }
}

/// `<<`: what is written counts before what is merged, and an earlier mapping before a later one.
fn merge(mapping: &mut Mapping, merges: Vec<Tree>) -> Result<(), Finding> {
    let not_mergeable = |spot| {
        Finding::new(&codes::BROKEN, "`<<` takes a mapping or a list of mappings".into(), spot)
            .help("name an anchor: `<<: *common`")
    };
    for tree in merges {
        let spot = tree.spot;
        let sources = match tree.value {
            Scalar::Mapping(source) => vec![source],
            Scalar::Sequence(items) => items
                .into_iter()
                .map(|item| match item.value {
                    Scalar::Mapping(source) => Ok(source),
                    _ => Err(not_mergeable(item.spot)),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(not_mergeable(spot)),
        };
        for source in sources {
            for (name, entry) in source.entries {
                // One that is there already stays.
                let _ = mapping.entries.add(name, entry);
            }
        }
    }
    Ok(())
}

/// Whether other readers take a plain scalar for something else.
fn suspicion(text: &str, value: &Scalar, open: Option<&Open>) -> Option<Suspicion> {
    let key = match open {
        Some(Open::Mapping { key: Some(Key::Name(name, _)), .. }) => &**name,
        _ => "",
    };
    match value {
        // Permission bits are meant to be octal.
        Scalar::Integer(number) if *number != 0 && key != "mode" && text.starts_with('0') => {
            text.bytes().all(|b| b.is_ascii_digit()).then_some(Suspicion::Octal(*number))
        }
        Scalar::Text(_) if text.len() <= 3 && key != "restart" => {
            let words = ["yes", "no", "on", "off"];
            words.iter().any(|word| text.eq_ignore_ascii_case(word)).then_some(Suspicion::Word)
        }
        Scalar::Text(_) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            let (minutes, seconds) = text.split_once(':')?;
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let both = digits(minutes) && digits(seconds) && seconds.parse::<u32>().is_ok_and(|number| number < 60);
            both.then_some(Suspicion::Sexagesimal)
        }
        _ => None,
    }
}
