//! What can be wrong with YAML.

use crate::diagnostic::{Code, Severity};

/// Not YAML.
pub static BROKEN: Code = Code {
    name: "yaml-broken",
    severity: Severity::Error,
    title: "the file is not YAML",
    explain: "The file could not be read as YAML. The place shown is where the reader gave up; the mistake is often \
              in the line before it: an indentation with tabs, a quote that is not closed, a missing colon or a \
              value with `: ` in it that needs quotes.",
};

/// A key twice.
pub static DUPLICATE_KEY: Code = Code {
    name: "duplicate-key",
    severity: Severity::Error,
    title: "a key stands twice in one mapping",
    explain: "One mapping holds the same key twice. Readers disagree about which of the two counts, so Docker \
              Compose refuses the file, and so does transship. Remove one of the two, or give it another name.",
};

/// A key that is no string.
pub static KEY_NOT_STRING: Code = Code {
    name: "key-not-a-string",
    severity: Severity::Error,
    title: "a key is not a string",
    explain: "YAML reads an unquoted `1`, `true` or `null` in the place of a key as a number, a boolean or nothing. \
              Compose wants strings there: put the key in quotes.",
};

/// Too deep, too large, or made larger by aliases.
pub static TOO_LARGE: Code = Code {
    name: "yaml-too-large",
    severity: Severity::Error,
    title: "the file unfolds to more than transship is willing to hold",
    explain: "Anchors and aliases can make a small file unfold to an enormous one, as variables can that are made of \
              variables, and deep nesting can exhaust the stack. transship stops at ten million values, at 500 levels, \
              and where variables put 16 MiB into one value or 64 MiB into a file. Honest files stay far below.",
};

/// A file that is no text.
pub static NOT_TEXT: Code = Code {
    name: "not-text",
    severity: Severity::Error,
    title: "the file is not UTF-8 text",
    explain: "The file holds bytes that are not UTF-8. Save it as UTF-8; a byte-order mark at its start is fine.",
};

pub(crate) const ALL: &[&Code] = &[&BROKEN, &DUPLICATE_KEY, &KEY_NOT_STRING, &TOO_LARGE, &NOT_TEXT];
