//! Bytes to trees: by the quick reader where a file is of the kind that people write, by the full one otherwise.

use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{
    build::{Builder, Document, Found, Label},
    codes, quick,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{FileId, FileRole, Masked, Origins, Spot},
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
    pub(super) text: Arc<Box<str>>,
    pub(super) builder: Builder<'o>,
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
