//! Values back to YAML that readers of YAML 1.1 and of 1.2 agree on.

use serde::Serialize;
use serde_json::Value as Json;

use super::Plain;

/// JSON as YAML: keys in their order, strings with several lines as blocks, everything that any reader could
/// take for something else in quotes.
pub fn write(json: &Json) -> String {
    written(&Written(json))
}

/// The same for a document that borrows.
pub fn write_plain(plain: &Plain<'_>) -> String {
    written(&WrittenPlain(plain))
}

fn written(value: &impl Serialize) -> String {
    let mut out = String::new();
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    // These trees have nothing that the writer refuses, and a string takes all that is written.
    let _ = serde_saphyr::to_fmt_writer_with_options(&mut out, value, options);
    out
}

/// The same for anything that serialises.
pub fn to_yaml(value: &impl Serialize) -> String {
    serde_json::to_value(value).map(|json| write(&json)).unwrap_or_default()
}

struct Written<'a>(&'a Json);

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::Array(items) => serializer.collect_seq(items.iter().map(Written)),
            Json::Object(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, Written(value)))),
            Json::String(text) if is_block(text) => serde_saphyr::LitStr(text).serialize(serializer),
            other => other.serialize(serializer),
        }
    }
}

struct WrittenPlain<'a>(&'a Plain<'a>);

impl Serialize for WrittenPlain<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Plain::List(items) => serializer.collect_seq(items.iter().map(WrittenPlain)),
            Plain::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, WrittenPlain(value))))
            }
            Plain::Text(text) if is_block(text) => serde_saphyr::LitStr(text).serialize(serializer),
            other => other.serialize(serializer),
        }
    }
}

/// Whether a literal block says the string exactly, for every reader.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.ends_with("\n\n")
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
        && text.chars().all(|c| {
            c == '\n' || c == '\t' || !(c.is_control() || matches!(c, '\u{FEFF}' | '\u{2028}' | '\u{2029}' | '\u{85}'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        value::{Exposure, FileRole, Origins},
        yaml::parse,
    };

    #[test]
    fn what_is_written_reads_back_the_same() {
        let json = serde_json::json!({
            "yes": "no", "n": "0440", "empty": "", "null": "null", "lines": "a\nb\n", "tab": "\tx\ny", "block": "x\n  y",
            "list": [1, 1.5, true, null, "1", [], {}], "nested": {"a": {"b": ["c: d", "# e", "- f"]}}, "date": "2020-01-01",
            "long": "x ".repeat(100),
        });
        let text = write(&json);
        let origins = Origins::new();
        let documents = parse(text.as_bytes(), "x", FileRole::Manifest, &origins).unwrap_or_default();
        let back = documents.first().map(|document| document.root.expose(&Exposure::granted()));
        assert_eq!(back, Some(json), "{text}");
    }
}
