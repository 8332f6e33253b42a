//! Strings that know which of their bytes came from elsewhere.

use std::{fmt, ops::Range};

use smol_str::SmolStr;

use super::{Exposure, Masked, SecretId, Secrets, Sources, Spot};

/// A string with the parts that came from elsewhere marked: `postgres://u:${PW}@db` has one mark, secret
/// when `PW` is. A transformation that cannot carry marks makes the whole string secret.
#[derive(Clone, Default)]
pub struct Text {
    text: SmolStr,
    /// Most have none.
    marks: Option<Box<Box<[Mark]>>>,
}

/// A part of a [`Text`] that interpolation, or concealment, put in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Byte range in the text.
    pub range: Range<u32>,
    /// Where the part came from.
    pub spot: Spot,
    /// Set when the part must not be shown.
    pub secret: Option<SecretId>,
}

/// A part of a text, and the mark it carries, if any.
pub type Piece<'a> = (&'a str, Option<(Spot, Option<SecretId>)>);

impl Text {
    /// A string all of which was written where it stands.
    pub fn new(text: impl Into<SmolStr>) -> Self {
        Self { text: text.into(), marks: None }
    }

    /// A string that is secret as a whole; `name` says what holds it.
    pub fn secret(text: &str, name: &str, spot: Spot, secrets: &Secrets) -> Self {
        let id = secrets.conceal(text.as_bytes(), name, spot.into());
        let range = 0..u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { text: text.into(), marks: Some(Box::new(Box::new([Mark { range, spot, secret: Some(id) }]))) }
    }

    /// This string, secret as a whole from now on; marks inside it are kept as sources by the caller's spot.
    #[must_use]
    pub fn concealed(&self, name: &str, spot: Spot, secrets: &Secrets) -> Self {
        if self.text.is_empty() { self.clone() } else { Self::secret(&self.text, name, spot, secrets) }
    }

    /// The string, unless a part of it is secret.
    pub fn plain(&self) -> Option<&str> {
        if self.is_secret() { None } else { Some(&self.text) }
    }

    /// The string with its secrets.
    pub fn expose(&self, _right: &Exposure) -> &str {
        &self.text
    }

    /// The string with its secrets, for the rooms that make values: `value` and `compose`. A test looks
    /// for other callers.
    pub(crate) fn raw(&self) -> &str {
        &self.text
    }

    /// Whether any part must not be shown.
    pub fn is_secret(&self) -> bool {
        self.marks().iter().any(|mark| mark.secret.is_some())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// How many bytes it and its marks take.
    pub fn size(&self) -> usize {
        self.text.len() + size_of_val(self.marks())
    }

    /// The marked parts, in order, never overlapping.
    pub fn marks(&self) -> &[Mark] {
        self.marks.as_deref().map(|marks| &**marks).unwrap_or_default()
    }

    /// The spots of all marked parts.
    pub fn mark_spots(&self) -> impl Iterator<Item = Spot> + '_ {
        self.marks().iter().map(|mark| mark.spot)
    }

    /// As it may be shown.
    pub fn masked(&self) -> Masked {
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        for mark in self.marks() {
            let Some(id) = mark.secret else { continue };
            out.push_str(self.text.get(at..mark.range.start as usize).unwrap_or_default());
            out.push_str(&id.to_string());
            at = mark.range.end as usize;
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        Masked::concealed(out)
    }

    /// A part of the string with its marks. Out of range or inside a character: empty.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        if self.marks.is_none() {
            return Self::new(self.text.get(range).unwrap_or_default());
        }
        let mut builder = TextBuilder::default();
        builder.push_part(self, range);
        builder.finish()
    }

    /// The pieces in order: each a string and the mark it carries, if any.
    pub fn pieces(&self) -> Vec<Piece<'_>> {
        let mut out = Vec::new();
        let mut at = 0;
        for mark in self.marks() {
            let before = self.text.get(at..mark.range.start as usize).unwrap_or_default();
            if !before.is_empty() {
                out.push((before, None));
            }
            let inside = self.text.get(mark.range.start as usize..mark.range.end as usize).unwrap_or_default();
            out.push((inside, Some((mark.spot, mark.secret))));
            at = mark.range.end as usize;
        }
        let rest = self.text.get(at..).unwrap_or_default();
        if !rest.is_empty() {
            out.push((rest, None));
        }
        out
    }
}

/// Puts a [`Text`] together piece by piece.
pub struct TextBuilder {
    text: String,
    marks: Vec<Mark>,
}

impl Default for TextBuilder {
    fn default() -> Self {
        // Most texts fit into this.
        Self { text: String::with_capacity(96), marks: Vec::new() }
    }
}

impl TextBuilder {
    /// Appends what carries no mark.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a marked part.
    pub fn push_marked(&mut self, text: &str, spot: Spot, secret: Option<SecretId>) {
        let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let start = length(&self.text);
        self.push(text);
        let end = length(&self.text);
        if end > start || secret.is_none() {
            self.marks.push(Mark { range: start..end, spot, secret });
        }
    }

    /// Appends another text with its marks.
    pub fn push_text(&mut self, text: &Text) {
        if text.marks.is_none() {
            self.push(&text.text);
            return;
        }
        for (piece, mark) in text.pieces() {
            match mark {
                Some((spot, secret)) => self.push_marked(piece, spot, secret),
                None => self.push(piece),
            }
        }
    }

    /// How many bytes it and its marks take so far.
    pub fn size(&self) -> usize {
        self.text.len() + size_of_val(self.marks.as_slice())
    }

    /// Appends a part of another text with its marks. Out of range or inside a character: nothing.
    pub fn push_part(&mut self, whole: &Text, range: Range<usize>) {
        let text = whole.text.get(range.clone()).unwrap_or_default();
        let mut at = range.start;
        for mark in whole.marks() {
            let (start, end) = (mark.range.start as usize, mark.range.end as usize);
            if end <= range.start || start >= range.end {
                continue;
            }
            let (start, end) = (start.max(range.start), end.min(range.end));
            self.push(text.get(at - range.start..start - range.start).unwrap_or_default());
            self.push_marked(
                text.get(start - range.start..end - range.start).unwrap_or_default(),
                mark.spot,
                mark.secret,
            );
            at = end;
        }
        self.push(text.get(at - range.start..).unwrap_or_default());
    }

    /// The finished text. The next one can be put together in the same room.
    pub fn finish(&mut self) -> Text {
        let text = SmolStr::new(&self.text);
        self.text.clear();
        let marks = (!self.marks.is_empty()).then(|| Box::new(self.marks.drain(..).collect()));
        Text { text, marks }
    }
}

/// Equality of what is written, as the machine sees it; marks do not count.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl schemars::JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.masked(), f)
    }
}

/// The sources of a text written at `spot`: that place and those of its marks.
impl Text {
    /// See above; `origins` interns the set.
    pub fn sources(&self, spot: Spot, origins: &super::Origins) -> Sources {
        if self.marks.is_none() { spot.into() } else { origins.union(self.mark_spots().chain([spot])) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_part_is_concealed() {
        let secrets = Secrets::default();
        let id = secrets.conceal(b"hunter2", "PW", Sources::NONE);
        let mut builder = TextBuilder::default();
        builder.push("postgres://u:");
        builder.push_marked("hunter2", Spot::NOWHERE, Some(id));
        builder.push("@db");
        let text = builder.finish();
        assert_eq!(text.masked().as_str(), "postgres://u:‹secret #1›@db");
        assert_eq!(text.plain(), None);
        assert_eq!(text.slice(13..20).masked().as_str(), "‹secret #1›");
        assert_eq!(text.slice(0..8).plain(), Some("postgres"));
        assert_eq!(format!("{text:?}"), "\"postgres://u:‹secret #1›@db\"");
    }
}
