//! The quick reader: the YAML that people write Compose files in, read in one pass over the bytes.
//!
//! It is allowed to be unsure and never to be wrong. Whatever it does not know (a tab between tokens, a complex key,
//! most tags, escapes that are rare, a mistake of any kind) makes it give up, and the full reader begins anew. Tests
//! and a fuzz target hold the trees of both equal, places included.

mod block;

use std::collections::HashMap;

use super::{
    build::{Builder, Found, Label},
    cut::Cut,
};
use crate::{diagnostic::Finding, value::Batch};

/// Given up: the full reader has to look.
#[derive(Debug)]
pub(super) struct Unsure;

type Sure<T> = Result<T, Unsure>;

impl From<Finding> for Unsure {
    fn from(_: Finding) -> Self {
        Self
    }
}

/// Deeper than anybody writes.
const DEEPEST: usize = 60;
/// Longer than any key that people write.
const LONGEST_KEY: usize = 1000;

/// Reads all documents of a text.
pub(super) fn read(builder: &mut Builder<'_>, text: &str) -> Sure<()> {
    if !is_ordinary(text) {
        return Err(Unsure);
    }
    Scanner::new(builder, text, usize::MAX).documents()
}

/// Reads what is in front of a cut. Tells how many anchors there are.
pub(super) fn read_front(builder: &mut Builder<'_>, text: &str, cut: Cut) -> Sure<usize> {
    if !is_ordinary(text.get(..cut.line).ok_or(Unsure)?) {
        return Err(Unsure);
    }
    Scanner::new(builder, text, cut.name).front()
}

/// Reads what is behind a cut, with the anchors that stand in front of the services. Tells how many these are.
pub(super) fn read_back<'o>(builder: &mut Builder<'o>, spots: Batch<'o>, text: &str, cut: Cut) -> Sure<usize> {
    if !is_ordinary(text.get(cut.line..).ok_or(Unsure)?) {
        return Err(Unsure);
    }
    Scanner::new(builder, text, cut.services).back(spots, cut)
}

/// Whether all characters are ones that need no thought. A carriage return does.
fn is_ordinary(text: &str) -> bool {
    let odd = |b: u8| matches!(b, 0..=8 | 11..=31 | 0x7f);
    // Without a way out inside, so that it is done many bytes at a time.
    let any = |chunk: &[u8]| chunk.iter().fold(false, |any, b| any | odd(*b));
    if text.as_bytes().chunks(1 << 12).any(any) {
        return false;
    }
    let rare = |c| matches!(c, '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    text.is_ascii() || !text.contains(rare)
}

/// What a byte may be in the place where a plain scalar is looked for.
const ENDS_PLAIN: u8 = 1;
const ENDS_PLAIN_IN_FLOW: u8 = 2;
const BEGINS_NO_PLAIN: u8 = 4;

static CLASSES: [u8; 256] = {
    let classes = with([0; 256], b"\0\n:#\t", ENDS_PLAIN | ENDS_PLAIN_IN_FLOW);
    let classes = with(classes, b",[]{}", ENDS_PLAIN_IN_FLOW);
    with(classes, b"\0\n\t -?:,[]{}#&*!|>'\"%@`", BEGINS_NO_PLAIN)
};

const fn with(mut classes: [u8; 256], bytes: &[u8], class: u8) -> [u8; 256] {
    let mut index = 0;
    while index < bytes.len() {
        classes[bytes[index] as usize] |= class;
        index += 1;
    }
    classes
}

struct Scanner<'t, 'b, 'o> {
    text: &'t str,
    bytes: &'t [u8],
    /// Where it is.
    at: usize,
    /// Where the line begins that it is in.
    line: usize,
    /// A key that is not read any more.
    stop: usize,
    anchors: HashMap<&'t str, usize>,
    /// How many anchors there were.
    anchored: usize,
    builder: &'b mut Builder<'o>,
}

/// What stands in front of a value.
#[derive(Clone, Copy, Default)]
struct Properties {
    anchor: usize,
    label: Option<Label>,
}

impl<'t, 'b, 'o> Scanner<'t, 'b, 'o> {
    fn new(builder: &'b mut Builder<'o>, text: &'t str, stop: usize) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, line: 0, stop, anchors: HashMap::new(), anchored: 0, builder }
    }

    /// A byte; 0, which no text here holds, behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    fn slice(&self, start: usize, end: usize) -> Sure<&'t str> {
        self.text.get(start..end).ok_or(Unsure)
    }

    const fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    const fn column(&self) -> usize {
        self.at - self.line
    }

    /// Whether nothing, a blank or the end of the line stands there.
    fn is_blank(&self, at: usize) -> bool {
        matches!(self.byte(at), b' ' | b'\n' | 0)
    }

    /// Whether here is `---` or `...` on its own, at the beginning of a line.
    fn is_marker(&self, marker: &[u8]) -> bool {
        self.at == self.line
            && self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(marker))
            && self.is_blank(self.at + 3)
    }

    fn is_item(&self) -> bool {
        self.byte(self.at) == b'-' && self.is_blank(self.at + 1)
    }

    /// Passes over blanks, comments and empty lines; tells whether a line ended.
    fn skip(&mut self) -> Sure<bool> {
        let mut ended = false;
        loop {
            let from = self.at;
            while self.byte(self.at) == b' ' {
                self.at += 1;
            }
            match self.byte(self.at) {
                b'\n' => {
                    self.at += 1;
                    self.line = self.at;
                    ended = true;
                }
                // Without a blank before it, it begins no comment.
                b'#' if self.at == from && self.at != self.line => return Err(Unsure),
                b'#' => self.at = self.end_of_line(self.at),
                b'\t' => return Err(Unsure),
                _ => return Ok(ended),
            }
        }
    }

    fn end_of_line(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        rest.iter().position(|b| *b == b'\n').map_or(self.bytes.len(), |length| from + length)
    }

    /// What is behind a value that ends within a line has to be a comment or nothing.
    fn line_is_done(&mut self) -> Sure<()> {
        if self.skip()? || self.is_end() { Ok(()) } else { Err(Unsure) }
    }

    /// What is in front of the key that is not read.
    fn front(mut self) -> Sure<usize> {
        self.document_start()?;
        self.builder.document_start();
        self.mapping(Properties::default(), 0)?;
        if self.at != self.stop || self.builder.has_merged() {
            return Err(Unsure);
        }
        self.builder.document_end();
        Ok(self.anchored)
    }

    fn back(mut self, spots: Batch<'o>, cut: Cut) -> Sure<usize> {
        self.document_start()?;
        self.builder.document_start();
        if self.at != self.stop {
            self.mapping(Properties::default(), 0)?;
        }
        if self.at != self.stop {
            return Err(Unsure);
        }
        let anchored = self.anchored;
        self.builder.go_on_with(spots);
        (self.at, self.line, self.stop) = (cut.name, cut.line, usize::MAX);
        // The two mappings that were begun in front of the cut.
        for key in [Some("services"), None] {
            let spot = self.builder.spot(self.at, self.at);
            self.builder.mapping_start(0, None, spot)?;
            if let Some(key) = key {
                self.builder.scalar(Found { text: key, plain: true, label: None }, 0, spot)?;
            }
        }
        self.entries(self.column(), 1)?;
        self.builder.end()?;
        if !self.is_end() {
            if self.column() > 0 || self.is_item() || self.is_marker(b"---") || self.is_marker(b"...") {
                return Err(Unsure);
            }
            self.entries(0, 0)?;
        }
        self.builder.end()?;
        self.builder.document_end();
        if self.is_end() { Ok(anchored) } else { Err(Unsure) }
    }

    fn documents(mut self) -> Sure<()> {
        loop {
            self.document_start()?;
            self.builder.document_start();
            self.anchors.clear();
            self.mapping(Properties::default(), 0)?;
            self.builder.document_end();
            if self.is_end() {
                return Ok(());
            }
            if !self.is_marker(b"---") {
                return Err(Unsure);
            }
        }
    }

    /// Goes to the first key of a document.
    fn document_start(&mut self) -> Sure<()> {
        self.skip()?;
        if self.is_marker(b"---") {
            self.at += 3;
            if !self.skip()? {
                return Err(Unsure);
            }
        }
        let nothing = self.is_end() || self.is_marker(b"---") || self.is_marker(b"...") || self.is_item();
        if nothing { Err(Unsure) } else { Ok(()) }
    }

    /// A block mapping whose first key is here. Ends at what comes next.
    fn mapping(&mut self, properties: Properties, depth: usize) -> Sure<()> {
        if depth > DEEPEST {
            return Err(Unsure);
        }
        let column = self.column();
        let spot = self.builder.spot(self.at, self.at);
        self.builder.mapping_start(properties.anchor, properties.label, spot)?;
        self.entries(column, depth)?;
        Ok(self.builder.end()?)
    }

    /// The entries of a block mapping, whose keys are in that column, from here on.
    fn entries(&mut self, column: usize, depth: usize) -> Sure<()> {
        loop {
            self.key()?;
            let colon = self.at - 1;
            let ended = self.skip()?;
            if self.is_end() || (ended && self.column() <= column && !(self.column() == column && self.is_item())) {
                self.nothing(colon)?;
            } else if !ended {
                self.node(column + 1, false, depth + 1)?;
            } else if self.column() == column {
                self.sequence(Properties::default(), depth + 1, true)?;
            } else {
                self.node(column + 1, true, depth + 1)?;
            }
            if self.is_end() || self.at == self.stop || self.column() < column {
                return Ok(());
            }
            if self.column() > column || self.is_item() {
                return Err(Unsure);
            }
            if column == 0 && (self.is_marker(b"---") || self.is_marker(b"...")) {
                return Ok(());
            }
        }
    }

    /// A block sequence whose first dash is here; `level`: as deep as the key it belongs to. Ends at what comes next.
    fn sequence(&mut self, properties: Properties, depth: usize, level: bool) -> Sure<()> {
        if depth > DEEPEST {
            return Err(Unsure);
        }
        let column = self.column();
        let mut begin = Some(self.at);
        loop {
            self.at += 1;
            let ended = self.skip()?;
            // Nobody writes items that are empty.
            if self.is_end() || (ended && self.column() <= column) {
                return Err(Unsure);
            }
            if let Some(at) = begin.take() {
                // On the level of its key, the full reader places a list where its first item is.
                let at = match (level, ended) {
                    (true, true) => return Err(Unsure),
                    (true, false) => self.at,
                    (false, _) => at,
                };
                let spot = self.builder.spot(at, at);
                self.builder.sequence_start(properties.anchor, properties.label, spot)?;
            }
            self.node(column + 1, true, depth + 1)?;
            if self.is_end() || self.column() < column {
                break;
            }
            if self.column() > column {
                return Err(Unsure);
            }
            if !self.is_item() {
                break;
            }
        }
        Ok(self.builder.end()?)
    }

    /// Null, because nothing is there.
    fn nothing(&mut self, at: usize) -> Sure<()> {
        let spot = self.builder.spot(at, at);
        Ok(self.builder.scalar(Found { text: "~", plain: true, label: None }, 0, spot)?)
    }

    /// A key and its colon.
    fn key(&mut self) -> Sure<()> {
        let start = self.at;
        if let quote @ (b'"' | b'\'') = self.byte(start) {
            self.quoted(quote, Properties::default())?;
            while self.byte(self.at) == b' ' {
                self.at += 1;
            }
            if self.byte(self.at) != b':' || !self.is_blank(self.at + 1) {
                return Err(Unsure);
            }
        } else {
            let (end, colon) = self.plain(ENDS_PLAIN)?;
            if !colon {
                return Err(Unsure);
            }
            self.plain_scalar(start, end, Properties::default())?;
        }
        if self.at - start > LONGEST_KEY {
            return Err(Unsure);
        }
        self.at += 1;
        Ok(())
    }

    /// A value in a block, from column `least` on. `collections`: whether a block collection may begin here.
    /// Ends at what comes next, or at the end of the text.
    fn node(&mut self, least: usize, collections: bool, depth: usize) -> Sure<()> {
        let (properties, end) = self.properties()?;
        let mut collections = collections;
        if end != self.at || self.is_blank(self.at) {
            // Something stood before the value.
            collections = false;
            if self.skip()? || self.is_end() {
                return self.below(least, properties, end, depth);
            }
        }
        let start = self.at;
        match self.byte(start) {
            b'-' if self.is_blank(start + 1) => {
                return if collections { self.sequence(properties, depth, false) } else { Err(Unsure) };
            }
            b'[' | b'{' => self.flow(least, properties, depth)?,
            b'|' | b'>' => self.block(least, properties)?,
            b'*' => self.alias(properties)?,
            quote @ (b'"' | b'\'') => {
                let end = self.closing(quote)?;
                let behind = self.bytes.get(end..).unwrap_or_default().iter().position(|b| *b != b' ').unwrap_or(0);
                if self.byte(end + behind) == b':' {
                    return if collections { self.mapping(properties, depth) } else { Err(Unsure) };
                }
                self.quoted(quote, properties)?;
            }
            _ => {
                let (end, colon) = self.plain(ENDS_PLAIN)?;
                if colon {
                    self.at = start;
                    return if collections { self.mapping(properties, depth) } else { Err(Unsure) };
                }
                self.plain_scalar(start, end, properties)?;
            }
        }
        self.line_is_done()
    }

    /// What anchors and tags at the end of a line belong to: a collection on the lines below, or nothing.
    fn below(&mut self, least: usize, properties: Properties, end: usize, depth: usize) -> Sure<()> {
        if self.is_end() || self.column() < least {
            // A list may stand as deep as its key; then it would be what they belong to.
            if properties.anchor != 0 || (!self.is_end() && self.is_item()) {
                return Err(Unsure);
            }
            let spot = self.builder.spot(end, end);
            return Ok(self.builder.scalar(Found { text: "", plain: true, label: properties.label }, 0, spot)?);
        }
        if self.is_item() {
            return self.sequence(properties, depth, false);
        }
        match self.byte(self.at) {
            b'"' | b'\'' => Err(Unsure),
            // Its first key; a scalar instead is found out there.
            _ => self.mapping(properties, depth),
        }
    }

    /// `&anchor`, `!reset` and `!override`, and where they end.
    fn properties(&mut self) -> Sure<(Properties, usize)> {
        let mut properties = Properties::default();
        let mut end = self.at;
        loop {
            match self.byte(self.at) {
                b'&' if properties.anchor == 0 => {
                    let name = self.name(self.at + 1)?;
                    self.at += 1 + name.len();
                    self.anchored += 1;
                    self.anchors.insert(name, self.anchored);
                    properties.anchor = self.anchored;
                }
                b'!' if properties.label.is_none() => {
                    let name = self.name(self.at + 1)?;
                    self.at += 1 + name.len();
                    properties.label = Some(match name {
                        "reset" => Label::Reset,
                        "override" => Label::Override,
                        _ => return Err(Unsure),
                    });
                }
                b'&' | b'!' => return Err(Unsure),
                _ => return Ok((properties, end)),
            }
            if !self.is_blank(self.at) {
                return Err(Unsure);
            }
            end = self.at;
            while self.byte(self.at) == b' ' {
                self.at += 1;
            }
        }
    }

    /// The name of an anchor or a tag, if it is an ordinary one.
    fn name(&self, from: usize) -> Sure<&'t str> {
        let rest = self.bytes.get(from..).unwrap_or_default();
        let ordinary = |b: &u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
        let length = rest.iter().position(|b| !ordinary(b)).unwrap_or(rest.len());
        if length == 0 { Err(Unsure) } else { self.slice(from, from + length) }
    }

    fn alias(&mut self, properties: Properties) -> Sure<()> {
        if properties.anchor != 0 || properties.label.is_some() {
            return Err(Unsure);
        }
        let name = self.name(self.at + 1)?;
        let end = self.at + 1 + name.len();
        if !(self.is_blank(end) || matches!(self.byte(end), b',' | b']' | b'}')) {
            return Err(Unsure);
        }
        let anchor = *self.anchors.get(name).ok_or(Unsure)?;
        let spot = self.builder.spot(self.at, end);
        self.builder.alias(anchor, name, spot)?;
        self.at = end;
        Ok(())
    }

    /// Passes over a plain scalar that ends in its line: where it ends, and whether it stands at a colon now.
    fn plain(&mut self, class: u8) -> Sure<(usize, bool)> {
        let start = self.at;
        let first = self.byte(start);
        let begins = CLASSES.get(usize::from(first)).is_some_and(|class| class & BEGINS_NO_PLAIN == 0)
            || (first == b'-' && self.byte(start + 1).is_ascii_alphanumeric());
        if !begins {
            return Err(Unsure);
        }
        let mut at = start;
        let colon = loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let ends = |b: &u8| CLASSES.get(usize::from(*b)).is_none_or(|known| known & class != 0);
            at += rest.iter().position(ends).unwrap_or(rest.len());
            match self.byte(at) {
                b':' => {
                    let next = self.byte(at + 1);
                    if matches!(next, b' ' | b'\n' | 0) {
                        break true;
                    }
                    if class == ENDS_PLAIN_IN_FLOW && matches!(next, b',' | b'[' | b']' | b'{' | b'}') {
                        return Err(Unsure);
                    }
                    at += 1;
                }
                b'#' if self.byte(at - 1) != b' ' => at += 1,
                b'\t' => return Err(Unsure),
                _ => break false,
            }
        };
        let text = self.bytes.get(start..at).unwrap_or_default();
        let end = at - text.iter().rev().take_while(|b| **b == b' ').count();
        self.at = if colon { at } else { end };
        Ok((end, colon))
    }

    fn plain_scalar(&mut self, start: usize, end: usize, properties: Properties) -> Sure<()> {
        let found = Found { text: self.slice(start, end)?, plain: true, label: properties.label };
        let spot = self.builder.spot(start, end);
        Ok(self.builder.scalar(found, properties.anchor, spot)?)
    }

    /// Where the quote that opens here has been closed, in the same line.
    fn closing(&self, quote: u8) -> Sure<usize> {
        let mut at = self.at + 1;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            at += rest.iter().position(|b| *b == quote || *b == b'\\' || *b == b'\n').ok_or(Unsure)?;
            match self.byte(at) {
                b'\n' => return Err(Unsure),
                b'\\' if quote == b'"' => at += 2,
                b'\\' => at += 1,
                _ if quote == b'\'' && self.byte(at + 1) == quote => at += 2,
                _ => return Ok(at + 1),
            }
        }
    }

    /// A scalar in quotes.
    fn quoted(&mut self, quote: u8, properties: Properties) -> Sure<()> {
        let (start, end) = (self.at, self.closing(quote)?);
        let inside = self.slice(start + 1, end - 1)?;
        let undone = match quote {
            b'\'' if inside.contains('\'') => Some(inside.replace("''", "'")),
            b'"' if inside.contains('\\') => Some(unescaped(inside)?),
            _ => None,
        };
        let found = Found { text: undone.as_deref().unwrap_or(inside), plain: false, label: properties.label };
        let spot = self.builder.spot(start, end);
        self.builder.scalar(found, properties.anchor, spot)?;
        self.at = end;
        Ok(())
    }

    /// A collection in brackets; what is on further lines stands from column `least` on.
    fn flow(&mut self, least: usize, properties: Properties, depth: usize) -> Sure<()> {
        if depth > DEEPEST {
            return Err(Unsure);
        }
        let mapping = self.byte(self.at) == b'{';
        let close = if mapping { b'}' } else { b']' };
        let spot = self.builder.spot(self.at, self.at + 1);
        if mapping {
            self.builder.mapping_start(properties.anchor, properties.label, spot)?;
        } else {
            self.builder.sequence_start(properties.anchor, properties.label, spot)?;
        }
        self.at += 1;
        loop {
            self.skip_in_flow(least)?;
            if self.byte(self.at) == close {
                break;
            }
            if mapping {
                self.flow_key()?;
                self.skip_in_flow(least)?;
            }
            self.flow_value(least, depth)?;
            self.skip_in_flow(least)?;
            match self.byte(self.at) {
                b',' => self.at += 1,
                byte if byte == close => break,
                _ => return Err(Unsure),
            }
        }
        self.at += 1;
        Ok(self.builder.end()?)
    }

    fn skip_in_flow(&mut self, least: usize) -> Sure<()> {
        // A closing bracket may stand below its key.
        let ended = self.skip()?;
        let column = self.column() + usize::from(matches!(self.byte(self.at), b']' | b'}'));
        if self.is_end() || (ended && column < least) { Err(Unsure) } else { Ok(()) }
    }

    fn flow_key(&mut self) -> Sure<()> {
        let start = self.at;
        if let quote @ (b'"' | b'\'') = self.byte(start) {
            self.quoted(quote, Properties::default())?;
        } else {
            let (end, _) = self.plain(ENDS_PLAIN_IN_FLOW)?;
            self.plain_scalar(start, end, Properties::default())?;
        }
        if self.byte(self.at) != b':' || !self.is_blank(self.at + 1) || self.at - start > LONGEST_KEY {
            return Err(Unsure);
        }
        self.at += 1;
        Ok(())
    }

    fn flow_value(&mut self, least: usize, depth: usize) -> Sure<()> {
        let start = self.at;
        match self.byte(start) {
            b'[' | b'{' => self.flow(least, Properties::default(), depth + 1),
            b'*' => self.alias(Properties::default()),
            quote @ (b'"' | b'\'') => self.quoted(quote, Properties::default()),
            _ => {
                let (end, colon) = self.plain(ENDS_PLAIN_IN_FLOW)?;
                if colon { Err(Unsure) } else { self.plain_scalar(start, end, Properties::default()) }
            }
        }
    }
}

/// What stands in double quotes, its escapes undone.
fn unescaped(inside: &str) -> Sure<String> {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).ok_or(Unsure)?);
        out.push(match rest.as_bytes().get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'n') => '\n',
            Some(b't') => '\t',
            _ => return Err(Unsure),
        });
        rest = rest.get(at + 2..).ok_or(Unsure)?;
    }
    out.push_str(rest);
    Ok(out)
}
