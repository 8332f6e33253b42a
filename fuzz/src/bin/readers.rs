//! The two readers of YAML give the same tree for any text, places included.
#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use transship::{
    value::{FileRole, Origins},
    yaml::{Document, Scalar, Tree, parse, parse_fully},
};

fuzz_target!(|bytes: &[u8]| {
    let (quick, full) = (Origins::new(), Origins::new());
    let one = parse(bytes, "x", FileRole::Compose, &quick).map(|documents| describe(&documents, &quick));
    let other = parse_fully(bytes, "x", FileRole::Compose, &full).map(|documents| describe(&documents, &full));
    match (one, other) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (one, other) => assert_eq!(one.is_err(), other.is_err()),
    }
});

fn describe(documents: &[Document], origins: &Origins) -> String {
    let mut out = String::new();
    for document in documents {
        let _ = writeln!(out, "--- {} {:?}", document.tagged, document.suspicious);
        tree(&document.root, origins, &mut out);
    }
    out
}

fn tree(value: &Tree, origins: &Origins, out: &mut String) {
    let _ = write!(out, "{:?} {:?} ", value.tag, origins.origin(value.spot));
    match &value.value {
        Scalar::Sequence(items) => {
            out.push_str("[\n");
            items.iter().for_each(|item| tree(item, origins, out));
            out.push_str("]\n");
        }
        Scalar::Mapping(mapping) => {
            out.push_str("{\n");
            for (key, entry) in &mapping.entries {
                let _ = write!(out, "{key:?} {:?} ", origins.origin(entry.key));
                tree(&entry.tree, origins, out);
            }
            out.push_str("}\n");
        }
        scalar => {
            let _ = writeln!(out, "{scalar:?}");
        }
    }
}
