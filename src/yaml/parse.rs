//! Bytes to trees: by the quick reader where a file is of the kind that people write, by the full one otherwise.

use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{
    build::{Builder, Document, Found, Label},
    codes,
    quick::{self, Cut},
};
use crate::{
    beside::beside,
    diagnostic::{Finding, Findings},
    value::{Batch, FileId, FileRole, Masked, Origins, Spot},
};

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
/// From so many bytes on, reading them on another processor pays.
const LARGE: usize = 1 << 16;
/// The deepest nesting.
const DEEPEST: usize = 500;

/// Reads all documents of a file and registers it in `origins` under `path`.
///
/// The errors are those of YAML itself: they end the file at the first.
pub fn parse(bytes: &[u8], path: &str, role: FileRole, origins: &Origins) -> Result<Vec<Document>, Findings> {
    Unread::new(bytes.to_vec(), path, role, origins)?.read()
}

/// A file that is registered and still has to be read: several can be read side by side.
pub struct Unread<'o> {
    text: Arc<Box<str>>,
    builder: Builder<'o>,
}

impl<'o> Unread<'o> {
    /// Registers a file in `origins` under `path`.
    pub fn new(bytes: Vec<u8>, path: &str, role: FileRole, origins: &'o Origins) -> Result<Self, Findings> {
        let file = register(bytes, path, role, origins)?;
        Ok(Self { text: origins.text(file), builder: Builder::new(origins.batch(file)) })
    }

    /// Reads all its documents.
    pub fn read(mut self) -> Result<Vec<Document>, Findings> {
        // What the quick reader is not sure of, it has not read: all that is refused is refused by the full one.
        if quick::read(&mut self.builder, &self.text).is_ok() {
            return Ok(self.builder.finish());
        }
        full(self.builder.forget(), &self.text)
    }
}

/// Reads several files, on two processors where they are large: of each the first services on the one, the last on the
/// other.
pub fn read_beside(files: Vec<Unread<'_>>) -> Vec<Result<Vec<Document>, Findings>> {
    if files.iter().map(|file| file.text.len()).sum::<usize>() < LARGE {
        files.into_iter().map(Unread::read).collect()
    } else {
        read_cut(files)
    }
}

/// The same of files that may be small: for tests.
#[doc(hidden)]
pub fn read_cut(files: Vec<Unread<'_>>) -> Vec<Result<Vec<Document>, Findings>> {
    let mut name: Option<String> = None;
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut bytes = [0, 0];
    for Unread { text, builder } in files {
        // All at the same service, as far as they have it.
        let named = name.as_deref().and_then(|name| Cut::of(&text, Some(name)));
        let cut = named.or_else(|| Cut::of(&text, None));
        if let Some(cut) = cut {
            name = name.or_else(|| cut.name(&text).map(str::to_owned));
            let (back, spots) = builder.beside();
            other.push(Some(Part::Back(cut, Arc::clone(&text), back, spots)));
            one.push(Some(Part::Front(cut, text, builder)));
        } else {
            let [here, there] = &mut bytes;
            let length = text.len();
            let whole = Some(Part::Whole(Unread { text, builder }));
            if here <= there {
                *here += length;
                one.push(whole);
                other.push(None);
            } else {
                *there += length;
                one.push(None);
                other.push(whole);
            }
        }
    }
    let (one, other) = beside(|| Part::read_all(one), || Part::read_all(other));
    one.into_iter().zip(other).filter_map(|(one, other)| Read::join(one, other)).collect()
}

/// What one processor reads of a file.
enum Part<'o> {
    Whole(Unread<'o>),
    /// What is in front of a cut.
    Front(Cut, Arc<Box<str>>, Builder<'o>),
    /// What is behind it.
    Back(Cut, Arc<Box<str>>, Builder<'o>, Batch<'o>),
}

/// A part that was read; what is cut with the number of anchors in front of all services, where the reader was sure.
enum Read<'o> {
    Whole(Result<Vec<Document>, Findings>),
    Front(Arc<Box<str>>, Builder<'o>, Option<usize>),
    Back(Builder<'o>, Option<usize>),
}

impl<'o> Part<'o> {
    fn read_all(parts: Vec<Option<Self>>) -> Vec<Option<Read<'o>>> {
        parts.into_iter().map(|part| part.map(Self::read)).collect()
    }

    fn read(self) -> Read<'o> {
        match self {
            Self::Whole(file) => Read::Whole(file.read()),
            Self::Front(cut, text, mut builder) => {
                let anchors = quick::read_front(&mut builder, &text, cut).ok();
                Read::Front(text, builder, anchors)
            }
            Self::Back(cut, text, mut builder, spots) => {
                let anchors = quick::read_back(&mut builder, spots, &text, cut).ok();
                Read::Back(builder, anchors)
            }
        }
    }
}

impl Read<'_> {
    /// The documents of a file of which this was read.
    fn join(one: Option<Self>, other: Option<Self>) -> Option<Result<Vec<Document>, Findings>> {
        match (one, other) {
            (Some(Self::Whole(read)), _) | (_, Some(Self::Whole(read))) => Some(read),
            (Some(Self::Front(text, mut builder, anchors)), Some(Self::Back(other, known))) => {
                let both = if anchors.is_some() && anchors == known { builder.join(other) } else { None };
                // What is wrong in one of them is told by who reads all of it.
                Some(both.map_or_else(|| Unread { text, builder: builder.forget() }.read(), Ok))
            }
            _ => None,
        }
    }
}

/// Whether a text is cut, and both readers are sure of their parts: for tests.
#[doc(hidden)]
pub fn is_cut(text: &str) -> bool {
    let origins = Origins::default();
    let file = origins.add_file("", FileRole::Compose, "");
    let mut front = Builder::new(origins.batch(file));
    let (mut back, spots) = front.beside();
    let Some(cut) = Cut::of(text, None) else { return false };
    let anchors = quick::read_front(&mut front, text, cut).ok();
    anchors.is_some() && anchors == quick::read_back(&mut back, spots, text, cut).ok() && front.join(back).is_some()
}

/// The same without the quick reader: for tests, which hold the two equal.
#[doc(hidden)]
pub fn parse_fully(bytes: &[u8], path: &str, role: FileRole, origins: &Origins) -> Result<Vec<Document>, Findings> {
    let file = register(bytes.to_vec(), path, role, origins)?;
    full(Builder::new(origins.batch(file)), &origins.text(file))
}

/// Whether the quick reader is sure of a text: for tests, which would not notice if it never was.
#[doc(hidden)]
pub fn is_quick(text: &str) -> bool {
    let origins = Origins::default();
    let file = origins.add_file("", FileRole::Compose, "");
    quick::read(&mut Builder::new(origins.batch(file)), text).is_ok()
}

fn register(mut bytes: Vec<u8>, path: &str, role: FileRole, origins: &Origins) -> Result<FileId, Findings> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(origins.add_file(path, role, text)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let shown = String::from_utf8_lossy(error.as_bytes());
            let file = origins.add_file(path, role, shown.as_ref());
            // What is shown holds a replacement character there.
            let spot = origins.in_file(file, good..good + char::REPLACEMENT_CHARACTER.len_utf8());
            let finding = Finding::new(&codes::NOT_TEXT, "not UTF-8 text".into(), spot);
            Err(finding.help("save the file as UTF-8").into())
        }
    }
}

/// All that YAML is, event by event.
fn full(mut builder: Builder<'_>, text: &str) -> Result<Vec<Document>, Findings> {
    let options = granit_parser::options! {
        emit_comments: false,
        block_scalar_eof_without_line_feed: false,
        simple_key_max_lookahead: 1 << 20,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => take(&mut builder, event, &span, text)?,
            Err(error) => return Err(broken(&mut builder, &error, text).into()),
        }
    }
    Ok(builder.finish())
}

fn take(builder: &mut Builder<'_>, event: Event<'_>, span: &Span, text: &str) -> Result<(), Finding> {
    match event {
        Event::DocumentStart(_, version) => {
            if version.is_some_and(|version| (version.major, version.minor) != (1, 1)) {
                let spot = spot(builder, span);
                let finding = Finding::new(&codes::BROKEN, "Docker Compose reads YAML 1.1 only".into(), spot);
                return Err(finding.help("remove the line that begins with `%YAML`"));
            }
            builder.document_start();
            Ok(())
        }
        Event::DocumentEnd => {
            builder.document_end();
            Ok(())
        }
        Event::Scalar(text, style, anchor, tag) => {
            let plain = style == ScalarStyle::Plain;
            let spot = spot(builder, span);
            builder.scalar(Found { text: &text, plain, label: tag.as_deref().map(label) }, anchor, spot)
        }
        Event::SequenceStart(_, anchor, tag) => {
            let spot = spot(builder, span);
            builder.sequence_start(anchor, tag.as_deref().map(label), spot)
        }
        Event::MappingStart(_, anchor, tag) => {
            let spot = spot(builder, span);
            builder.mapping_start(anchor, tag.as_deref().map(label), spot)
        }
        Event::SequenceEnd | Event::MappingEnd => builder.end(),
        Event::Alias(anchor) => {
            let spot = spot(builder, span);
            builder.alias(anchor, span.slice(text).unwrap_or("*"), spot)
        }
        _ => Ok(()),
    }
}

fn label(tag: &granit_parser::Tag) -> Label {
    match (tag.core_suffix(), tag.handle(), tag.suffix()) {
        (Some("str"), ..) => Label::Text,
        (Some("int"), ..) => Label::Kind("int"),
        (Some("float"), ..) => Label::Kind("float"),
        (Some("bool"), ..) => Label::Kind("bool"),
        (Some("null"), ..) => Label::Kind("null"),
        (Some("timestamp"), ..) => Label::Timestamp,
        (Some(_), ..) => Label::Other,
        (None, "!", "reset") => Label::Reset,
        (None, "!", "override") => Label::Override,
        (None, "", _) | (None, "!", "") => Label::Text,
        (None, ..) => Label::Other,
    }
}

fn spot(builder: &mut Builder<'_>, span: &Span) -> Spot {
    let start = span.start.byte_offset().unwrap_or_default();
    let end = span.end.byte_offset().unwrap_or(start);
    builder.spot(start, end.max(start))
}

fn broken(builder: &mut Builder<'_>, error: &granit_parser::ScanError, text: &str) -> Finding {
    let at = error.marker().byte_offset().unwrap_or_default().min(text.len());
    let end = text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
    let line = text.get(at..).unwrap_or_default();
    let words = Masked::words(format!("not YAML: {}", error.info()));
    let finding = Finding::new(&codes::BROKEN, words, builder.spot(at, end));
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
    let indent = text.get(start..).unwrap_or_default();
    if line.starts_with('\t') || indent.starts_with('\t') {
        return finding.help("indent with spaces: YAML allows no tabs there");
    }
    let found = REMEDIES.iter().find(|(words, _)| error.info().contains(words));
    finding.help(found.map_or("look at this line and the one before: indentation, quotes, brackets", |(_, help)| help))
}
