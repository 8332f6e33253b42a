//! Documents to JSON, with the bytes that Go's and everybody else's writers give.

use std::{borrow::Cow, fmt::Write as _};

use super::Plain;
use crate::beside::{MANY, beside};

/// JSON over several lines, indented by two blanks. What a terminal would take for more than text is escaped.
pub fn write_json(plain: &Plain<'_>) -> String {
    write_json_with(plain, "", &[], |()| Plain::Null)
}

/// The same, where the mapping at one key of the first level holds these entries: each is made when it is written.
pub(crate) fn write_json_with<'t, T: Copy + Sync>(
    root: &Plain<'_>,
    place: &str,
    entries: &[(Cow<'_, str>, T)],
    make: impl Fn(T) -> Plain<'t> + Sync,
) -> String {
    let mut writer = Writer { out: String::new(), indent: String::from("\n") };
    match root {
        Plain::Map(parts) if !entries.is_empty() => {
            let write = |writer: &mut Writer, key: &str, value: &Plain<'_>| {
                if key == place {
                    writer.map(entries, |writer, _, made| writer.value(&make(*made)));
                } else {
                    writer.value(value);
                }
            };
            writer.map(parts, write);
        }
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

struct Writer {
    out: String,
    /// A line end and the blanks that follow it.
    indent: String,
}

impl Writer {
    fn value(&mut self, plain: &Plain<'_>) {
        match plain {
            Plain::Null => self.out.push_str("null"),
            Plain::Bool(true) => self.out.push_str("true"),
            Plain::Bool(false) => self.out.push_str("false"),
            Plain::Integer(value) => self.format(format_args!("{value}")),
            Plain::Unsigned(value) => self.format(format_args!("{value}")),
            Plain::Float(value) => self.format(format_args!("{}", serde_json::Value::from(*value))),
            Plain::Text(text) => self.text(text),
            Plain::List(items) if items.is_empty() => self.out.push_str("[]"),
            Plain::Map(entries) if entries.is_empty() => self.out.push_str("{}"),
            Plain::List(items) => {
                self.open('[');
                for (number, item) in items.iter().enumerate() {
                    self.line(number);
                    self.value(item);
                }
                self.close(']');
            }
            Plain::Map(entries) => self.map(entries, |writer, _, value| writer.value(value)),
        }
    }

    /// A mapping; `write` writes the value of a key.
    fn map<T: Sync>(&mut self, all: &[(Cow<'_, str>, T)], write: impl Fn(&mut Self, &str, &T) + Sync) {
        self.open('{');
        if all.len() < MANY {
            self.entries(all, &write);
        } else {
            let (first, second) = all.split_at(all.len() / 2);
            let mut beside_it = Self { out: String::from(","), indent: self.indent.clone() };
            beside(|| self.entries(first, &write), || beside_it.entries(second, &write));
            self.out.push_str(&beside_it.out);
        }
        self.close('}');
    }

    fn entries<T>(&mut self, entries: &[(Cow<'_, str>, T)], write: &impl Fn(&mut Self, &str, &T)) {
        for (number, (key, value)) in entries.iter().enumerate() {
            self.line(number);
            self.text(key);
            self.out.push_str(": ");
            write(self, key, value);
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

    fn text(&mut self, text: &str) {
        self.out.push('"');
        let odd = |b: &u8| ODD.get(usize::from(*b)).is_some_and(|odd| *odd);
        let mut rest = text;
        while let Some(at) = rest.as_bytes().iter().position(odd) {
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
        let controls = Plain::Text("\u{7f}\u{80}\u{9f}".into());
        assert_eq!(write_json(&controls), "\"\\u007f\\u0080\\u009f\"\n");
    }
}
