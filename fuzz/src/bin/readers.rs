//! The two readers of YAML give the same tree for any text, places included, and so do two quick ones for a text that is
//! cut.
#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use transship::{
    value::{FileRole, Origins},
    yaml::{Document, Scalar, Tree, Unread, parse, parse_fully, read_cut},
};

fuzz_target!(|bytes: &[u8]| {
    let (quick, full) = (Origins::new(), Origins::new());
    let one = parse(bytes, "x", FileRole::Compose, &quick).map(|documents| describe(&documents, &quick));
    let other = parse_fully(bytes, "x", FileRole::Compose, &full).map(|documents| describe(&documents, &full));
    let origins = Origins::new();
    let cut = Unread::new(bytes.to_vec(), "x", FileRole::Compose, &origins).and_then(|file| read_cut(vec![file]).remove(0));
    let two = cut.map(|documents| describe(&documents, &origins));
    for read in [one, two] {
        match (read, &other) {
            (Ok(read), Ok(other)) => assert_eq!(read, *other),
            (read, other) => assert_eq!(read.is_err(), other.is_err()),
        }
    }
});

fn describe(documents: &[Document], origins: &Origins) -> String {
    let mut out = String::new();
    for document in documents {
        let suspicious: Vec<_> =
            document.suspicious.iter().map(|(spot, what)| (origins.describe(*spot), what)).collect();
        let _ = writeln!(out, "--- {} {suspicious:?}", document.tagged);
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
