//! The quick reader of YAML is sure of what people write, and reads nothing otherwise than the full one.

use std::{fmt::Write as _, path::Path};

use proptest::prelude::*;
use transship::{
    value::{FileRole, Origins, Source, Spot},
    yaml::{Scalar, Tree, Unread, is_cut, is_quick, parse, parse_fully, read_cut},
};

/// Everything that a tree holds, places included, as text.
fn describe(tree: &Tree, origins: &Origins, out: &mut String) {
    let place = |spot: Spot| match origins.origin(spot).map(|origin| origin.source) {
        Some(Source::File { span, .. }) => format!("{}..{}", span.start, span.end),
        other => format!("{other:?}"),
    };
    let _ = write!(out, "{:?} {} ", tree.tag, place(tree.spot));
    match &tree.value {
        Scalar::Sequence(items) => {
            out.push_str("[\n");
            for item in items {
                describe(item, origins, out);
            }
            out.push_str("]\n");
        }
        Scalar::Mapping(mapping) => {
            out.push_str("{\n");
            for (key, entry) in &mapping.entries {
                let _ = write!(out, "{key:?} {} ", place(entry.key));
                describe(&entry.tree, origins, out);
            }
            out.push_str("}\n");
        }
        scalar => {
            let _ = writeln!(out, "{scalar:?}");
        }
    }
}

/// Who reads.
#[derive(Clone, Copy)]
enum Reader {
    Quick,
    Full,
    /// Two quick ones, each a part.
    Two,
}

fn documents(text: &str, reader: Reader) -> Result<String, String> {
    let origins = Origins::new();
    let (bytes, role) = (text.as_bytes(), FileRole::Compose);
    let read = match reader {
        Reader::Quick => parse(bytes, "x", role, &origins),
        Reader::Full => parse_fully(bytes, "x", role, &origins),
        Reader::Two => Unread::new(bytes.to_vec(), "x", role, &origins)
            .and_then(|file| read_cut(vec![file]).pop().expect("one for each file")),
    };
    let documents = read.map_err(|findings| {
        let mut out = String::new();
        for finding in &findings {
            let _ = writeln!(out, "{finding:?} {:?}", origins.describe(finding.spot()));
        }
        out
    })?;
    let mut out = String::new();
    for document in documents {
        let suspicious: Vec<_> =
            document.suspicious.iter().map(|(spot, what)| (origins.describe(*spot), what)).collect();
        let _ = writeln!(out, "--- {} {suspicious:?}", document.tagged);
        describe(&document.root, &origins, &mut out);
    }
    Ok(out)
}

fn hold_equal(text: &str) {
    let (quick, full) = (documents(text, Reader::Quick), documents(text, Reader::Full));
    assert!(quick == full, "{text}\nquick: {quick:#?}\nfull: {full:#?}");
    let two = documents(text, Reader::Two);
    assert!(two == full, "{text}\ntwo: {two:#?}\nfull: {full:#?}");
}

/// YAML files of the repository.
fn files(below: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            into.extend(std::fs::read_to_string(&path).ok());
        }
    }
}

#[test]
fn both_readers_agree_on_every_file_of_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for directory in ["examples", "fixtures", "tests/messages", "templates"] {
        files(&root.join(directory), &mut all);
    }
    assert!(all.len() > 50, "{}", all.len());
    for text in &all {
        hold_equal(text);
    }
    // What makes it give up is rare.
    let quick = all.iter().filter(|text| is_quick(text)).count();
    assert!(quick * 100 >= all.len() * 90, "{quick} of {}", all.len());
}

#[test]
fn both_readers_agree_on_every_case_of_the_reference() {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let case: serde_json::Value = serde_json::from_str(line).unwrap();
                let contents = case["files"].as_object().into_iter().flat_map(|files| files.values());
                all.extend(contents.filter_map(|content| content.as_str().map(str::to_owned)));
            }
        }
    }
    assert!(all.len() > 3000, "{}", all.len());
    for text in &all {
        hold_equal(text);
    }
    // Many of them are wrong, or odd, on purpose.
    let quick = all.iter().filter(|text| is_quick(text)).count();
    assert!(quick * 100 >= all.len() * 80, "{quick} of {}", all.len());
}

#[test]
fn the_quick_reader_knows_what_people_write() {
    for text in [
        "a: b # c\n# d\nc:\n  - d: e\n    f: g\n  -   h: i\n      j: k\n",
        "a:\n- b\n- - c\n  - d\n-\n  e: f\ng:\nh: ~\n",
        "a: |\n  b\n\n   c\nd: >-\n    e\n    f\n\n    g\n\nh: |+\n  i\n\n# j\n",
        "a: &b\n  c: d\ne: *b\nf:\n  <<: *b\n  g: h\ni:\n  <<: [*b, *b]\nj: &k l\n",
        "a: !reset\nb: !override\n  - c\nd: !override {e: f}\ng: !reset null\nh: &i !override\n  j: k\n",
        "a: [b, \"c\", 'd''e', [f], {g: h, i: [j]},]\nk: [\n  l,  # m\n  n\n]\no: {}\np: []\n",
        "\"a b\": \"c\\n\\\"d\\\\\"\n'e': http://f:1/#g\nh: -i -1\n",
        "---\na: b\n---\n# c\nd: e\n",
        "a: ä\nö: [ü]\n  # b",
    ] {
        assert!(is_quick(text), "{text}");
        hold_equal(text);
    }
}

#[test]
fn two_readers_read_what_one_reads() {
    let services = |count: usize| (0..count).map(|n| format!("  s{n}:\n    image: i{n}\n    logging: *log\n"));
    let all: String = services(9).collect();
    let head = "x-log: &log {driver: none}\nx-more: &more\n  <<: *log\n";
    for (text, cut) in [
        (format!("{head}services:\n{all}"), true),
        (format!("---\n# c\n{head}\nservices:\n\n  # d\n{all}\n# e\nvolumes:\n  v: {{}}\nnetworks: {{}}\n"), true),
        (format!("services:\n{}", all.replace("*log", "{driver: none}")), true),
        (format!("{head}services:\n{}", all.replace("*log", "|\n      a\n\n      b\n\n")), true),
        (format!("{head}services:\n{}", all.replace("image: i", "command: a && b # c &d")), false),
        // What is named between the services may be meant behind the cut.
        (format!("{head}services:\n{}", all.replacen("*log", "&log {driver: other}", 1)), false),
        (format!("{head}services:\n  <<: {{s7: {{image: x}}}}\n{all}"), false),
        (format!("{head}services:\n{all}  <<: {{s1: {{image: x}}, s9: {{image: y}}}}\n"), false),
        (format!("{head}services:\n{all}  <<: {{s8: {{image: x}}, s9: {{image: y}}}}\n<<: *more\n"), true),
        (format!("{head}services:\n{all}  s1: {{image: twice}}\n"), false),
        (format!("{head}services:\n{all}x-log: {{}}\n"), false),
        (format!("{head}services:\n{all}services: {{}}\n"), false),
        (format!("{head}services:\n{all}---\nservices:\n{}", all.replace("*log", "{}")), false),
        (format!("a: b\n---\n{head}services:\n{all}"), false),
        (format!("{head}services:\n{all}  t: *unknown\n"), false),
        (format!("{head}services: # c\n{all}"), false),
        (format!("{head}services:\n{all}  - x\n"), false),
        (format!("{head}services:\n{}", all.replace("  s", " s")), true),
        (format!("services:\n  a:\n    b: |\n{}  c: {{}}\n", "      d: e\n".repeat(9)), true),
        (format!("services:\n  a:\n    b: 'c\n{}      d'\n  e: {{}}\n", "  f:\n".repeat(9)), false),
        (format!("{head}services:\n{all}  t:\n    ports: [010, yes]\n    build: !reset\n"), true),
    ] {
        assert_eq!(is_cut(&text), cut, "{text}");
        hold_equal(&text);
    }
}

const PIECES: &[&str] = &[
    "a",
    "b",
    "c: ",
    "d:",
    "e :",
    ":",
    ": ",
    "- ",
    "-",
    "? ",
    "\n",
    "\n",
    "\n",
    "\n  ",
    "\n  ",
    "\n    ",
    "\n   ",
    " ",
    "  ",
    "\n- ",
    "\n  - ",
    "\n    - ",
    "\n\n",
    "\t",
    "#",
    " # x",
    "\n# y",
    "\n  # z",
    "[",
    "]",
    "{",
    "}",
    ",",
    ", ",
    "\"",
    "'",
    "''",
    "\\",
    "\\n",
    "\"x\"",
    "'y'",
    "\"x\": ",
    "&p ",
    "&p\n",
    "*p",
    "*p ",
    "<<: *p",
    "!reset",
    "!override ",
    "!!str ",
    "! ",
    "|",
    ">",
    "|-",
    ">+",
    "|2",
    "|\n  x",
    ">\n  x\n  y",
    "\n---\n",
    "\n...\n",
    "---",
    "%YAML 1.1\n",
    "%",
    "@",
    "`",
    "~",
    "null",
    "1",
    "010",
    "yes",
    "22:22",
    "\r\n",
    "\u{feff}",
    "é",
    "\u{85}",
    "\u{7f}",
    "k: v\n",
    "k: v",
    "\0",
];

/// Lines with an indentation and something that often stands in such a line: most are YAML.
fn lines() -> impl Strategy<Value = String> {
    let rest = prop::sample::select(vec![
        "a: b",
        "c:",
        "- d",
        "-",
        "- e: f",
        "g: [h, i: j]",
        "k: {l: m, n}",
        "o: |",
        "p: >-",
        "q",
        "r s",
        "# t",
        "",
        "",
        "u: \"v\"",
        "w: 'x' # y",
        "\"z\":",
        "- - a",
        "a: &p",
        "b: &p c",
        "<<: *p",
        "d: *p",
        "- *p",
        "e: !reset",
        "f: !override",
        "g: [",
        "]",
        "h,",
        "- &p i",
        "j: - k",
        "l: m: n",
        "o: \"p\\n\\x41\"",
        "  q",
        "r:  s  ",
        "t: [u, v,]",
        "w: {x: y}",
        "- [z]",
        "- |",
        "a:\tb",
        "c: 'd",
        "e'",
        "- !override f: g",
        "&p h: i",
        "---",
        "'j' : k",
        "l: {}",
        "m: >",
        "n: |+",
        "n o: p q",
        "r#s: t#u",
        "v: # w",
        "- # x",
        "y: - ",
        "*p : z",
        "a: {\"b\": c}",
        "a: {b: c, d: [e]}",
        "- {",
    ]);
    prop::collection::vec((0_usize..7, rest), 1..14).prop_map(|lines| {
        let mut out = String::new();
        for (indent, rest) in lines {
            let _ = writeln!(out, "{:width$}{rest}", "", width = indent);
        }
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_readers_agree_on_any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30)) {
        hold_equal(&pieces.concat());
    }

    #[test]
    fn both_readers_agree_on_any_lines(text in lines()) {
        hold_equal(&text);
    }

    #[test]
    fn two_readers_agree_with_one_on_any_lines(
        head in prop::sample::select(vec!["", "x: &p {y: z}\n", "---\nx: &p\n  <<: {a: b}\n"]),
        parts in prop::collection::vec((prop::sample::select(vec!["s", "t", "u", "v", "<<", "'w'", "# x"]), lines()), 1..6),
        tail in prop::sample::select(vec!["", "a: b\n", "---\na: b\n", "x: y\n", "<<: *p\n", "# c"]),
    ) {
        let mut text = format!("{head}services:\n");
        for (name, lines) in parts {
            let _ = writeln!(text, "  {name}:");
            lines.lines().for_each(|line| { let _ = writeln!(text, "    {line}"); });
        }
        hold_equal(&(text + tail));
    }
}
