//! What to do about a value of the wrong kind.

use crate::{
    diagnostic::Finding,
    value::Masked,
    yaml::{Scalar, Tree},
};

/// Says how to write what is wanted instead of what was found; keeps a remedy that is there already.
pub(super) fn write_instead(finding: Finding, wanted: &str, found: &Tree) -> Finding {
    if finding.help.is_some() {
        return finding;
    }
    let text = matches!(
        found.value,
        Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Float(_) | Scalar::Timestamp { .. }
    );
    if found.is_null() {
        return finding.help("give it a value, or remove the key");
    }
    if text && wanted.contains("string") {
        return finding.help("put it in quotes");
    }
    finding.help(Masked::words(form(wanted)))
}

/// How to write what is wanted.
fn form(wanted: &str) -> String {
    let forms = [
        ("duration", "write numbers with units, as 90s or 1m30s"),
        ("size", "write a number with a unit, as 512M or 2g"),
        ("permission", "write octal digits, as 0440"),
        ("without quotes", "remove the quotes"),
        ("true or false", "write true or false"),
        ("whole number", "write digits only, as 3"),
        ("number", "write a number, as 3 or 0.5"),
        ("port", "write `8080:80`, or a mapping with `target` and `published`"),
        ("volume", "write `source:target`, or a mapping with `type`, `source` and `target`"),
        ("list or a mapping", "write `- item` lines or `key: value` lines under it"),
        ("mapping or a list", "write `key: value` lines or `- item` lines under it"),
        ("mapping", "write `key: value` lines under it"),
        ("list", "write one item a line, each after `- `"),
        ("string", "write one line of text"),
    ];
    let found = forms.iter().find(|(word, _)| wanted.contains(word));
    found.map_or_else(|| format!("write {wanted}"), |(_, form)| (*form).to_owned())
}
