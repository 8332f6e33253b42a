//! Bytes to trees.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{Entry, Mapping, Scalar, Tag, Tree, codes, resolve};
use crate::{
    diagnostic::{Finding, Findings},
    value::{FileId, FileRole, Masked, Origins, Spot, Text},
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
/// What to do about what the reader says is wrong, by words of it.
const REMEDIES: &[(&str, &str)] = &[
    ("unknown anchor", "give a value that name first, with `&NAME`"),
    ("unexpected character", "put the value in quotes"),
    ("cannot start with", "put the value in quotes"),
    ("block sequence entries", "put the list on lines of its own, under its key"),
    ("mapping values", "put a value that holds `: ` in quotes"),
    ("mapping keys", "begin each key on a line of its own, as deep as its neighbours"),
    ("did not find expected key", "begin each key on a line of its own, as deep as its neighbours"),
    ("bracket", "close what is open, or put the value in quotes"),
    ("quoted", "close the quote"),
    ("valid inside a block", "put the value in quotes"),
    ("nesting", "nest less deeply"),
];
/// The deepest nesting.
const DEEPEST: usize = 500;

/// Reads all documents of a file and registers it in `origins` under `path`.
///
/// The errors are those of YAML itself: they end the file at the first.
pub fn parse(bytes: &[u8], path: &str, role: FileRole, origins: &Origins) -> Result<Vec<Document>, Findings> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.valid_up_to();
            let shown = String::from_utf8_lossy(bytes);
            let file = origins.add_file(path, role, shown.as_ref());
            let finding =
                Finding::new(&codes::NOT_TEXT, "not UTF-8 text".into(), origins.in_file(file, good..good + 1))
                    .help("save the file as UTF-8");
            return Err(finding.into());
        }
    };
    let file = origins.add_file(path, role, text);
    let mut reader =
        Reader { text, file, origins, anchors: HashMap::new(), values: 0, tagged: false, suspicious: Vec::new() };
    reader.documents().map_err(Findings::from)
}

struct Reader<'a> {
    text: &'a str,
    file: FileId,
    origins: &'a Origins,
    anchors: HashMap<usize, Anchored>,
    values: usize,
    tagged: bool,
    suspicious: Vec<(Spot, Suspicion)>,
}

struct Anchored {
    tree: Tree,
    values: usize,
}

/// A collection whose end has not come yet.
enum Open {
    Sequence { spot: Spot, anchor: usize, tag: Tag, items: Vec<Tree>, begun: usize, vanished: bool },
    Mapping { spot: Spot, anchor: usize, tag: Tag, mapping: Mapping, key: Option<Key>, merges: Vec<Tree>, begun: usize },
}

enum Key {
    Name(Box<str>, Spot),
    Merge,
}

impl Reader<'_> {
    fn documents(&mut self) -> Result<Vec<Document>, Finding> {
        let options = granit_parser::options! {
            emit_comments: false,
            block_scalar_eof_without_line_feed: false,
            simple_key_max_lookahead: 1 << 20,
            flow_nesting_limit: DEEPEST,
            block_nesting_limit: DEEPEST,
        };
        let mut documents = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut root: Option<Tree> = None;
        for next in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = next.map_err(|error| self.broken(&error))?;
            let done = match event {
                Event::DocumentStart(_, version) => {
                    if version.is_some_and(|version| (version.major, version.minor) != (1, 1)) {
                        let finding =
                            Finding::new(&codes::BROKEN, "Docker Compose reads YAML 1.1 only".into(), self.spot(&span));
                        return Err(finding.help("remove the line that begins with `%YAML`"));
                    }
                    self.anchors.clear();
                    self.tagged = false;
                    root = None;
                    continue;
                }
                Event::DocumentEnd => {
                    documents.push(Document {
                        root: root.take().unwrap_or_default(),
                        tagged: self.tagged,
                        suspicious: std::mem::take(&mut self.suspicious),
                    });
                    continue;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let spot = self.spot(&span);
                    let tag = tag.as_deref();
                    let plain = style == ScalarStyle::Plain && tag.is_none();
                    if let Some(Open::Mapping { key: key @ None, .. }) = open.last_mut() {
                        // A scalar in the place of a key.
                        *key =
                            Some(if plain && text == "<<" { Key::Merge } else { self.key(&text, style, tag, spot)? });
                        if anchor != 0 {
                            let tree = Tree::text(&*text, spot);
                            self.anchors.insert(anchor, Anchored { tree, values: 1 });
                        }
                        continue;
                    }
                    self.count(1, spot)?;
                    if plain && text == "<<" {
                        // The reference drops such a value without a word.
                        match open.last_mut() {
                            Some(Open::Mapping { key, .. }) => *key = None,
                            Some(Open::Sequence { vanished, .. }) => *vanished = true,
                            None => {}
                        }
                        continue;
                    }
                    let tree = self.scalar(&text, style, tag, spot)?;
                    if plain && let Some(suspicion) = suspicion(&text, &tree.value, open.last()) {
                        self.suspicious.push((spot, suspicion));
                    }
                    self.remember(anchor, &tree, 1);
                    tree
                }
                Event::SequenceStart(_, anchor, tag) => {
                    let spot = self.spot(&span);
                    self.count(1, spot)?;
                    no_complex_key(open.last(), spot)?;
                    let tag = self.tag(tag.as_deref());
                    open.push(Open::Sequence {
                        spot,
                        anchor,
                        tag,
                        items: Vec::new(),
                        begun: self.values,
                        vanished: false,
                    });
                    continue;
                }
                Event::MappingStart(_, anchor, tag) => {
                    let spot = self.spot(&span);
                    self.count(1, spot)?;
                    no_complex_key(open.last(), spot)?;
                    let tag = self.tag(tag.as_deref());
                    open.push(Open::Mapping {
                        spot,
                        anchor,
                        tag,
                        mapping: Mapping::default(),
                        key: None,
                        merges: Vec::new(),
                        begun: self.values,
                    });
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                    Some(Open::Sequence { spot, anchor, tag, items, begun, .. }) => {
                        let tree = Tree { value: Scalar::Sequence(items), spot, tag };
                        self.remember(anchor, &tree, self.values - begun + 1);
                        tree
                    }
                    Some(Open::Mapping { spot, anchor, tag, mut mapping, merges, begun, .. }) => {
                        self.merge(&mut mapping, merges)?;
                        let tree = Tree { value: Scalar::Mapping(mapping), spot, tag };
                        self.remember(anchor, &tree, self.values - begun + 1);
                        tree
                    }
                    None => continue,
                },
                Event::Alias(id) => {
                    let spot = self.spot(&span);
                    let Some(anchored) = self.anchors.get(&id) else {
                        let name = span.slice(self.text).unwrap_or("*").to_owned();
                        return Err(Finding::new(
                            &codes::BROKEN,
                            Masked::words(format!("the alias {name} stands inside what it names")),
                            spot,
                        )
                        .help("an anchor can only be used after the value it names has ended"));
                    };
                    if let Some(Open::Mapping { key: key @ None, .. }) = open.last_mut() {
                        let Some(text) = anchored.tree.raw() else {
                            return Err(Finding::new(&codes::KEY_NOT_STRING, "this key is not a string".into(), spot)
                                .help("write the key itself, in quotes"));
                        };
                        *key = Some(Key::Name(text.into(), spot));
                        continue;
                    }
                    let (tree, values) = (anchored.tree.clone(), anchored.values);
                    self.count(values, spot)?;
                    tree
                }
                _ => continue,
            };
            match open.last_mut() {
                None => root = Some(done),
                Some(Open::Sequence { items, .. }) => items.push(done),
                Some(Open::Mapping { mapping, key, merges, .. }) => match key.take() {
                    Some(Key::Merge) => merges.push(done),
                    Some(Key::Name(name, spot)) => {
                        if let Some(first) = mapping.entries.get(&name) {
                            return Err(Finding::new(
                                &codes::DUPLICATE_KEY,
                                Masked::words(format!("`{name}` stands twice in this mapping")),
                                spot,
                            )
                            .label(first.key, "first here")
                            .help("remove one of the two"));
                        }
                        mapping.entries.insert(name, Entry { key: spot, tree: done });
                    }
                    None => {}
                },
            }
        }
        Ok(documents)
    }

    fn spot(&self, span: &Span) -> Spot {
        let start = span.start.byte_offset().unwrap_or_default();
        let end = span.end.byte_offset().unwrap_or(start);
        self.origins.in_file(self.file, start..end.max(start))
    }

    fn broken(&self, error: &granit_parser::ScanError) -> Finding {
        let at = error.marker().byte_offset().unwrap_or_default().min(self.text.len());
        let end = self.text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
        let line = self.text.get(at..).unwrap_or_default();
        let finding = Finding::new(
            &codes::BROKEN,
            Masked::words(format!("not YAML: {}", error.info())),
            self.origins.in_file(self.file, at..end),
        );
        let start = self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
        let indent = self.text.get(start..).unwrap_or_default();
        if line.starts_with('\t') || indent.starts_with('\t') {
            return finding.help("indent with spaces: YAML allows no tabs there");
        }
        let found = REMEDIES.iter().find(|(words, _)| error.info().contains(words));
        finding
            .help(found.map_or("look at this line and the one before: indentation, quotes, brackets", |(_, help)| help))
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

    fn key(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&granit_parser::Tag>,
        spot: Spot,
    ) -> Result<Key, Finding> {
        if matches!(self.scalar(text, style, tag, spot)?.value, Scalar::Text(_)) {
            return Ok(Key::Name(text.into(), spot));
        }
        Err(Finding::new(&codes::KEY_NOT_STRING, Masked::words(format!("the key `{text}` is not a string")), spot)
            .help(Masked::words(format!("put it in quotes, without a tag: \"{text}\""))))
    }

    fn tag(&mut self, tag: Option<&granit_parser::Tag>) -> Tag {
        let tag = match tag {
            Some(tag) if tag.handle() == "!" && tag.suffix() == "reset" => Tag::Reset,
            Some(tag) if tag.handle() == "!" && tag.suffix() == "override" => Tag::Override,
            _ => Tag::None,
        };
        self.tagged |= tag != Tag::None;
        tag
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&granit_parser::Tag>,
        spot: Spot,
    ) -> Result<Tree, Finding> {
        let plain = style == ScalarStyle::Plain;
        let meant = self.tag(tag);
        let string = || Scalar::Text(Text::new(text));
        let value = match tag {
            None => {
                if plain {
                    resolve(text)
                } else {
                    string()
                }
            }
            Some(tag) => match (tag.core_suffix(), meant) {
                (Some("str"), _) => string(),
                (Some(kind @ ("int" | "float" | "bool" | "null")), _) => {
                    let value = resolve(text);
                    let fits = matches!(
                        (&value, kind),
                        (Scalar::Integer(_) | Scalar::Unsigned(_), "int" | "float")
                            | (Scalar::Float(_), "float")
                            | (Scalar::Bool(_), "bool")
                            | (Scalar::Null, "null")
                    );
                    if !fits {
                        return Err(Finding::new(
                            &codes::BROKEN,
                            Masked::words(format!("this value is no `!!{kind}`")),
                            spot,
                        )
                        .help("remove the tag"));
                    }
                    match value {
                        #[allow(clippy::cast_precision_loss, reason = "what the tag asks for")]
                        Scalar::Integer(number) if kind == "float" => Scalar::Float(number as f64),
                        value => value,
                    }
                }
                (Some("timestamp"), _) => resolve(text),
                (Some(_), _) => {
                    if plain {
                        resolve(text)
                    } else {
                        string()
                    }
                }
                // `!override null` is the word; any other local tag of a plain scalar is ignored.
                (None, Tag::Override) => match resolve(text) {
                    Scalar::Null => Scalar::Text(Text::new(if text.is_empty() { "" } else { "null" })),
                    value if plain => value,
                    _ => string(),
                },
                (None, _) if tag.handle().is_empty() || (tag.handle() == "!" && tag.suffix().is_empty()) => string(),
                (None, _) => {
                    if plain {
                        resolve(text)
                    } else {
                        string()
                    }
                }
            },
        };
        Ok(Tree { value, spot, tag: meant })
    }

    /// `<<`: what is written counts before what is merged, and an earlier mapping before a later one.
    fn merge(&mut self, mapping: &mut Mapping, merges: Vec<Tree>) -> Result<(), Finding> {
        for tree in merges {
            let spot = tree.spot;
            let sources = match tree.value {
                Scalar::Mapping(source) => vec![source],
                Scalar::Sequence(items) => items
                    .into_iter()
                    .map(|item| match item.value {
                        Scalar::Mapping(source) => Ok(source),
                        _ => Err(self.not_mergeable(item.spot)),
                    })
                    .collect::<Result<_, _>>()?,
                _ => return Err(self.not_mergeable(spot)),
            };
            for source in sources {
                for (name, entry) in source.entries {
                    if !mapping.entries.contains_key(&name) {
                        mapping.entries.insert(name, entry);
                    }
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "reads as its siblings do")]
    fn not_mergeable(&self, spot: Spot) -> Finding {
        Finding::new(&codes::BROKEN, "`<<` takes a mapping or a list of mappings".into(), spot)
            .help("name an anchor: `<<: *common`")
    }
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

fn no_complex_key(open: Option<&Open>, spot: Spot) -> Result<(), Finding> {
    if let Some(Open::Mapping { key: None, .. }) = open {
        return Err(Finding::new(&codes::KEY_NOT_STRING, "this key is not a string".into(), spot)
            .help("a key is one word; put it in quotes if it begins with `{` or `[`"));
    }
    Ok(())
}
