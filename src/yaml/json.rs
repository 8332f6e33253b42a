//! Documents to JSON, with the bytes that Go's and everybody else's writers give.

use std::{borrow::Cow, fmt::Write as _};

use super::Plain;
use crate::beside::{MANY, beside};

/// JSON over several lines, indented by two blanks. What a terminal would take for more than text is escaped.
pub fn write_json(plain: &Plain<'_>) -> String {
    let mut writer = JsonWriter::default();
    writer.value(plain);
    writer.out.push('\n');
    writer.out
}

/// The same, where the mapping at one key of the first level holds these entries, which `write` writes.
pub(crate) fn write_json_with<T: Sync>(
    root: &Plain<'_>,
    place: &str,
    entries: &[(Cow<'_, str>, T)],
    write: impl Fn(&mut JsonWriter, &T) + Sync,
) -> String {
    let mut writer = JsonWriter::default();
    match root {
        Plain::Map(parts) if !entries.is_empty() => writer.map(parts, |writer, key, value| {
            if key == place {
                writer.map_beside(entries, &write);
            } else {
                writer.value(value);
            }
        }),
        _ => writer.value(root),
    }
    writer.out.push('\n');
    writer.out
}

/// Bytes that cannot stand in a string as they are, or may begin a character that cannot.
static ODD: [bool; 256] = {
    let mut odd = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        odd[byte] = true;
        byte += 1;
    }
    odd[b'"' as usize] = true;
    odd[b'\\' as usize] = true;
    odd[0x7f] = true;
    odd[0xc2] = true;
    odd
};

fn first_odd(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let odd = |b: &u8| ODD.get(usize::from(*b)).is_some_and(|odd| *odd);
    // Eight bytes at a time: nearly all are ordinary.
    let (words, rest) = bytes.as_chunks();
    for (number, word) in words.iter().enumerate() {
        let bytes = u64::from_le_bytes(*word);
        let is_zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
        let equal = |byte: u8| is_zero(bytes ^ (ONES * u64::from(byte)));
        let low = bytes.wrapping_sub(ONES * 0x20) & !bytes;
        if (low | equal(b'"') | equal(b'\\') | equal(0x7f) | bytes) & HIGH != 0
            && let Some(at) = word.iter().position(odd)
        {
            return Some(number * 8 + at);
        }
    }
    rest.iter().position(odd).map(|at| words.len() * 8 + at)
}

/// Writes values one after the other.
pub(crate) struct JsonWriter {
    out: String,
    /// A line end and the blanks that follow it.
    indent: String,
}

impl Default for JsonWriter {
    fn default() -> Self {
        Self { out: String::new(), indent: String::from("\n") }
    }
}

impl JsonWriter {
    /// Any value.
    pub(crate) fn value(&mut self, plain: &Plain<'_>) {
        match plain {
            Plain::Null => self.out.push_str("null"),
            Plain::Bool(true) => self.out.push_str("true"),
            Plain::Bool(false) => self.out.push_str("false"),
            Plain::Integer(value) => self.format(format_args!("{value}")),
            Plain::Unsigned(value) => self.format(format_args!("{value}")),
            Plain::Float(value) => self.format(format_args!("{}", serde_json::Value::from(*value))),
            Plain::Text(text) => self.text(text),
            Plain::List(items) => self.list(items, |writer, item| writer.value(item)),
            Plain::Map(entries) => self.map(entries, |writer, _, value| writer.value(value)),
        }
    }

    /// A list of these items, which `write` writes.
    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        if items.is_empty() {
            self.out.push_str("[]");
            return;
        }
        self.open('[');
        for (number, item) in items.iter().enumerate() {
            self.line(number);
            write(self, item);
        }
        self.close(']');
    }

    /// A mapping with these keys, whose values `write` writes.
    pub(crate) fn map<K: AsRef<str>, T>(&mut self, entries: &[(K, T)], mut write: impl FnMut(&mut Self, &str, &T)) {
        if entries.is_empty() {
            self.out.push_str("{}");
            return;
        }
        self.open('{');
        self.entries(entries, &mut write);
        self.close('}');
    }

    /// The same on two processors where there are many.
    fn map_beside<T: Sync>(&mut self, all: &[(Cow<'_, str>, T)], write: &(impl Fn(&mut Self, &T) + Sync)) {
        if all.len() < MANY {
            return self.map(all, |writer, _, value| write(writer, value));
        }
        self.open('{');
        let (first, second) = all.split_at(all.len() / 2);
        let mut beside_it = Self { out: String::from(","), indent: self.indent.clone() };
        beside(
            || self.entries(first, &mut |writer, _, value| write(writer, value)),
            || beside_it.entries(second, &mut |writer, _, value| write(writer, value)),
        );
        self.out.push_str(&beside_it.out);
        self.close('}');
    }

    fn entries<K: AsRef<str>, T>(&mut self, entries: &[(K, T)], write: &mut impl FnMut(&mut Self, &str, &T)) {
        for (number, (key, value)) in entries.iter().enumerate() {
            self.line(number);
            self.text(key.as_ref());
            self.out.push_str(": ");
            write(self, key.as_ref(), value);
        }
    }

    fn format(&mut self, value: std::fmt::Arguments<'_>) {
        // A string takes all that is written.
        let _ = self.out.write_fmt(value);
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.indent.push_str("  ");
    }

    fn line(&mut self, number: usize) {
        if number > 0 {
            self.out.push(',');
        }
        self.out.push_str(&self.indent);
    }

    fn close(&mut self, bracket: char) {
        self.indent.truncate(self.indent.len().saturating_sub(2));
        self.out.push_str(&self.indent);
        self.out.push(bracket);
    }

    /// A string.
    fn text(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = first_odd(rest.as_bytes()) {
            let (before, from) = rest.split_at(at);
            self.out.push_str(before);
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                self.character(c);
            }
            rest = chars.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    fn character(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            '\u{8}' => self.out.push_str("\\b"),
            '\u{c}' => self.out.push_str("\\f"),
            c if c.is_control() => {
                // A string takes all that is written.
                let _ = write!(self.out, "\\u{:04x}", u32::from(c));
            }
            c => self.out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_otherwise_than_by_the_library() {
        let all: String = (0_u8..0x7f).map(char::from).chain("é€😀\u{a0}".chars()).collect();
        let plain = Plain::Map(vec![
            ("".into(), Plain::Null),
            ("a\"\\".into(), Plain::List(vec![Plain::Bool(true), Plain::Bool(false), Plain::Integer(-1)])),
            ("b".into(), Plain::List(vec![Plain::Unsigned(u64::MAX), Plain::Float(0.1), Plain::Float(1e300)])),
            ("c".into(), Plain::List(vec![Plain::List(Vec::new()), Plain::Map(Vec::new()), Plain::Text(all.into())])),
            ("d".into(), Plain::Map(vec![("e".into(), Plain::Map(vec![("f".into(), Plain::Text("g".into()))]))])),
        ]);
        let library = serde_json::to_string_pretty(&plain).unwrap_or_default();
        assert_eq!(write_json(&plain), library + "\n");
        for byte in 0..=0x7f_u8 {
            let plain = Plain::Text(format!("0123456789{}012345", char::from(byte)).into());
            let library = serde_json::to_string(&plain).unwrap_or_default().replace('\u{7f}', "\\u007f");
            assert_eq!(write_json(&plain), library + "\n");
        }
        let controls = Plain::Text("\u{7f}\u{80}\u{9f}".into());
        assert_eq!(write_json(&controls), "\"\\u007f\\u0080\\u009f\"\n");
    }
}
