//! Input that means harm, or that nobody thought of: it is read or refused with a message, in bounded time and memory,
//! and never a panic. And what holds for every input.

use std::{fmt::Write as _, sync::Arc};

use proptest::prelude::*;
use transship::{
    compose::{Configuration, Form, Request, configuration},
    diagnostic::{Findings, Severity, Style, render},
    value::{FileRole, Origins, Secrets},
    yaml,
};

use crate::support::memory_files::MemoryFiles;

fn load(files: &[(&str, &[u8])]) -> Result<Configuration, Findings> {
    let mut memory = MemoryFiles::default();
    for (name, bytes) in files {
        memory.0.insert(format!("/w/{name}"), bytes.to_vec());
    }
    let request = Request { working_directory: "/w".to_owned(), ..Request::default() };
    configuration(&request, &memory, &Origins::new(), &Arc::new(Secrets::default()))
}

fn one(text: &str) -> Result<Configuration, Findings> {
    load(&[("compose.yaml", text.as_bytes())])
}

/// The code that a text is refused with.
fn code(text: &str) -> &'static str {
    one(text).err().and_then(|findings| findings.iter().next().map(|finding| finding.code.name)).unwrap_or("accepted")
}

#[test]
fn aliases_of_aliases_are_refused_before_they_unfold() {
    let mut bomb = "x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..40 {
        let item = format!("*a{}", level - 1);
        let items = vec![item; 10].join(", ");
        let _ = writeln!(bomb, "x-{level}: &a{level} [{items}]");
    }
    assert_eq!(code(&bomb), "yaml-too-large");
    let mut merges = "x-0: &a0 {k0: 1}\n".to_owned();
    for level in 1..60 {
        let _ = writeln!(merges, "x-{level}: &a{level}\n  <<: [*a{0}, *a{0}]\n  k{level}: [*a{0}, *a{0}]", level - 1);
    }
    assert_eq!(code(&merges), "yaml-too-large");
}

/// An application of these services, and an overlay for each of them.
fn with_overlay(services: impl Iterator<Item = usize>) -> [String; 2] {
    let [mut base, mut overlay] = ["services:\n".to_owned(), "services:\n".to_owned()];
    let padding = "lorem ipsum dolor sit amet ".repeat(3);
    for number in services {
        let _ = write!(
            base,
            "  s{number}:\n    image: registry.example.com/team/s{number}\n    environment:\n      A: 'a'\n      PADDING: \
             {padding}\n    ports: ['{}:80']\n",
            10_000 + number
        );
        let _ = write!(overlay, "  s{number}:\n    environment:\n      A: b\n      MORE: {padding}\n");
    }
    [base, overlay]
}

#[test]
fn what_is_large_is_read_side_by_side_and_is_what_it_would_be_alone() {
    let load = |[base, overlay]: &[String; 2]| {
        load(&[("compose.yaml", base.as_bytes()), ("compose.override.yaml", overlay.as_bytes())])
    };
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let mut files = with_overlay(0..500);
    assert!(files.iter().all(|text| text.len() > 1 << 15));
    let all = load(&files).unwrap();
    let text = all.json(Form::Json);
    assert_eq!(text, yaml::write_json(&all.plain(Form::Json)));
    let all = parse(&text);
    for number in [0, 7, 249, 250, 499] {
        let alone = parse(&load(&with_overlay(number..=number)).unwrap().json(Form::Json));
        let name = format!("s{number}");
        assert_eq!(all["services"][&name], alone["services"][&name]);
        assert_eq!(alone["services"][&name]["environment"]["A"], "b");
    }
    files[1].push_str("  s3: {imgae: i}\n  s499: {ports: [x]}\n");
    assert_eq!(load(&files).unwrap_err().iter().next().unwrap().code.name, "duplicate-key");
}

#[test]
fn places_in_what_is_read_side_by_side_are_those_of_the_files() {
    let [base, overlay] = with_overlay(0..500);
    let overlay = format!("{overlay}  last:\n    imgae: i\n");
    let mut memory = MemoryFiles::default();
    memory.0.insert("/w/compose.yaml".to_owned(), base.into_bytes());
    memory.0.insert("/w/compose.override.yaml".to_owned(), overlay.into_bytes());
    let request = Request { working_directory: "/w".to_owned(), ..Request::default() };
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    let findings = configuration(&request, &memory, &origins, &secrets).unwrap_err();
    let style = Style { color: false, width: 100, least: Severity::Info };
    let shown = render(&findings, &origins, &secrets, style);
    assert!(shown.contains("compose.override.yaml:2003:5") && shown.contains("imgae: i"), "{shown}");
}

#[test]
fn variables_made_of_variables_are_refused_before_they_unfold() {
    let refused = |compose: &str, variables: &str| {
        let files = [("compose.yaml", compose.as_bytes()), (".env", variables.as_bytes())];
        load(&files).err().and_then(|findings| findings.iter().next().map(|finding| finding.code.name))
    };
    let one = "services: {a: {image: i}}\n";
    for first in ["1", ""] {
        let bomb: String = (1..60).map(|level| format!("A{level}=$A{0}$A{0}\n", level - 1)).collect();
        assert_eq!(refused(one, &format!("A0={first}\n{bomb}")), Some("invalid-env-file"));
    }
    let many: String = (0..100).map(|line| format!("B{line}=$LARGE\n")).collect();
    let large = format!("LARGE={}\n", "x".repeat(1 << 20));
    assert_eq!(refused(one, &format!("{large}{many}")), Some("invalid-env-file"));
    assert_eq!(refused(one, &large), None);
    let uses = format!("services: {{a: {{image: i, command: [{}]}}}}\n", "$LARGE, ".repeat(100));
    assert_eq!(refused(&uses, &large), Some("yaml-too-large"));
    let once = format!("services: {{a: {{image: i, command: [\"{}\"]}}}}\n", "$LARGE".repeat(30));
    assert_eq!(refused(&once, &large), Some("yaml-too-large"));
    // Long files of many names are read in one go.
    let lines: String = (0..200_000).map(|line| format!("N{line}=$N{}\n", line / 2)).collect();
    assert_eq!(refused(one, &lines), None);
}

#[test]
fn bytes_that_are_no_text_have_a_place_that_can_be_shown() {
    for bytes in [&b"a: {b: c}\xf4}\n"[..], b"\xff", b"a: \xc3\n", b"a\n\xe2\x82"] {
        let origins = Origins::new();
        let findings = yaml::parse(bytes, "compose.yaml", FileRole::Compose, &origins).unwrap_err();
        let style = Style { color: false, width: 100, least: Severity::Info };
        let shown = render(&findings, &origins, &Secrets::default(), style);
        assert!(shown.contains("compose.yaml:") && shown.contains('\u{fffd}'), "{shown}");
    }
}

#[test]
fn an_alias_inside_what_it_names_is_refused() {
    assert_eq!(code("x-a: &a [*a]\nservices: {a: {image: a}}\n"), "yaml-broken");
    assert_eq!(code("services: &s\n  a: {image: a, x-s: *s}\n"), "yaml-broken");
}

#[test]
fn nesting_has_a_bottom() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        for depth in [100, 400, 100_000] {
            let text = format!("x-a: {}1{}\nservices: {{a: {{image: a}}}}\n", open.repeat(depth), close.repeat(depth));
            let refused = one(&text).is_err();
            assert_eq!(refused, depth > 10_000, "{open} {depth}");
        }
    }
    let mut deep = "x-a:\n".to_owned();
    for level in 0..3_000 {
        let _ = writeln!(deep, "{}a:", " ".repeat(level + 1));
    }
    assert!(one(&deep).is_err());
    let braces = |depth| format!("services: {{a: {{image: \"{}x{}\"}}}}\n", "${A:-".repeat(depth), "}".repeat(depth));
    assert!(one(&braces(90)).is_ok());
    assert_eq!(code(&braces(100_000)), "invalid-interpolation");
}

#[test]
fn long_chains_end() {
    let chain = |key: &str| {
        let mut text = "services:\n".to_owned();
        for index in 0..5_000 {
            let _ =
                writeln!(text, "  s{index}: {{image: i, {key}}}", key = key.replace('@', &format!("s{}", index + 1)));
        }
        text.push_str("  s5000: {image: i}\n");
        text
    };
    assert!(one(&chain("depends_on: [@]")).is_ok());
    assert_eq!(code(&chain("extends: @")), "cannot-extend");
}

#[test]
fn large_honest_input_loads() {
    let mut text = format!("x-text: \"{}\"\nservices:\n", "lorem ipsum ".repeat(200_000));
    for index in 0..20_000 {
        let _ = writeln!(
            text,
            "  service-{index}:\n    image: registry.example.com/team/service-{index}:1.0\n    environment: {{A: 1, B: two}}"
        );
    }
    let configuration = one(&text).map_err(|findings| format!("{findings:?}")).unwrap();
    assert_eq!(configuration.names("services").len(), 20_000);
}

#[test]
fn unusual_bytes_are_read_or_refused_with_a_place() {
    for (bytes, accepted) in [
        (&b"\xEF\xBB\xBFservices: {a: {image: a}}\n"[..], true),
        (b"services:\r\n  a:\r\n    image: a\r\n", true),
        (b"services:\n  a: {image: a}", true),
        (b"services:\n\ta: {image: a}\n", false),
        (b"services: {a: {image: \"a\0\"}}\n", false),
        (b"services: {a: {image: a\0}}\n", false),
        (b"services: {a: {image: \xff}}\n", false),
        (b"\xff\xfe\0", false),
        (b"", false),
        (b"\0", false),
        (b"---\n---\n", false),
        (b"services: {a: {image: \"a\\u0000\"}}\n", true),
    ] {
        let loaded = load(&[("compose.yaml", bytes)]);
        assert_eq!(loaded.is_ok(), accepted, "{:?}", String::from_utf8_lossy(bytes));
    }
}

/// Lines that a generated application is made of.
const LINES: &[&str] = &[
    "command: run --fast \"a b\"",
    "command: [run, \"$$HOME\"]",
    "ports: [\"8080:80\", \"127.0.0.1:9000:90/udp\"]",
    "environment: {A: 1, B: , C: \"x y\", D: 'yes'}",
    "environment: [Z=1, Y=, X]",
    "volumes: [\"data:/d\", \"./src:/src:ro\", /anonymous]",
    "healthcheck: {test: curl -f http://x, interval: 90s, retries: 3}",
    "deploy: {replicas: 2, update_config: {delay: 90s}, placement: {constraints: [a==b]}}",
    "labels: [b=2, a=1]",
    "networks: [front, default]",
    "networks: {front: {aliases: [x]}}",
    "ulimits: {nofile: {soft: 1, hard: 2}, nproc: 5}",
    "extra_hosts: [\"b:1.2.3.4\", \"a=::1\"]",
    "logging: {driver: json-file, options: {max-file: 3}}",
    "tmpfs: /run",
    "dns: 8.8.8.8",
    "cpus: 1.5",
    "mem_limit: 1.5g",
    "stop_grace_period: 1m30s",
    "init: false",
    "x-own: {b: 1, a: [2, \"3\"]}",
    "restart: \"no\"",
    "build: ./b",
    "configs: [settings]",
    "sysctls: {net.core.somaxconn: 1024}",
    "devices: [\"/dev/a:/dev/b\"]",
    "expose: [80, \"81-82\"]",
    "develop: {watch: [{path: ./src, action: rebuild}]}",
];

const REST: &str =
    "networks: {front: {labels: {a: b}}}\nvolumes: {data: {}}\nconfigs: {settings: {content: \"a = $$b\"}}\n";

/// An application of a few services, each with some of the lines, one a key.
fn application() -> impl Strategy<Value = Vec<(u8, Vec<usize>)>> {
    prop::collection::vec((any::<u8>(), prop::collection::vec(0..LINES.len(), 0..10)), 1..5)
}

fn text_of(services: &[(u8, Vec<usize>)]) -> String {
    let mut out = "services:\n".to_owned();
    for (index, (letter, lines)) in services.iter().enumerate() {
        let _ = writeln!(out, "  s{letter}-{index}:\n    image: i");
        let mut keys = Vec::new();
        for line in lines.iter().filter_map(|line| LINES.get(*line)) {
            let key = line.split(':').next().unwrap();
            if !keys.contains(&key) {
                keys.push(key);
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    out + REST
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Loading what `config` prints gives the same again.
    #[test]
    fn what_is_printed_loads_as_the_same(services in application()) {
        let first = one(&text_of(&services)).map_err(|findings| TestCaseError::fail(format!("{findings:?}")))?;
        for form in [Form::Yaml, Form::Json] {
            let printed = yaml::write_plain(&first.plain(form));
            let again = one(&printed).map_err(|findings| TestCaseError::fail(format!("{findings:?}\n{printed}")))?;
            prop_assert_eq!(first.clear(), again.clear(), "{}", printed);
        }
    }

    /// No order of services, and of keys in them, makes a difference.
    #[test]
    fn the_order_of_keys_means_nothing(services in application()) {
        let reversed: Vec<(u8, Vec<usize>)> = services.clone();
        let forwards = text_of(&services);
        let mut blocks: Vec<Vec<&str>> = Vec::new();
        for line in forwards.strip_suffix(REST).unwrap().lines().skip(1) {
            if line.starts_with("  s") {
                blocks.push(vec![line]);
            } else {
                blocks.last_mut().unwrap().push(line);
            }
        }
        prop_assert_eq!(blocks.len(), reversed.len());
        let mut backwards = format!("{REST}services:\n");
        for block in blocks.iter().rev() {
            let (name, lines) = block.split_first().unwrap();
            let _ = writeln!(backwards, "{name}");
            for line in lines.iter().rev() {
                let _ = writeln!(backwards, "{line}");
            }
        }
        let (a, b) = (one(&forwards).unwrap(), one(&backwards).unwrap());
        prop_assert_eq!(a.clear(), b.clear());
        prop_assert_eq!(yaml::write_plain(&a.plain(Form::Yaml)), yaml::write_plain(&b.plain(Form::Yaml)));
    }

    /// No bytes make it panic.
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load(&[("compose.yaml", &bytes), (".env", &bytes)]);
    }

    /// Nor do pieces of YAML in any order.
    #[test]
    fn no_pieces_make_it_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        let text = pieces.concat();
        let _ = load(&[("compose.yaml", text.as_bytes())]);
        let whole = format!("services:\n  a:\n    image: a\n    {text}\n");
        let _ = load(&[("compose.yaml", b"services: {a: {image: a}}"), ("compose.override.yaml", whole.as_bytes())]);
    }
}

const PIECES: &[&str] = &[
    "services",
    "a",
    "image",
    "ports",
    "environment",
    "extends",
    "include",
    "x-",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<",
    "!reset ",
    "!override ",
    "!!str ",
    "|",
    ">-",
    "#",
    "---\n",
    "? ",
    "$",
    "${A",
    ":-",
    "}",
    "%",
    "\t",
    "0440",
    "1e9",
    ".inf",
    "~",
    "\u{e9}",
    "\u{feff}",
    "\r\n",
    "80:80",
    "/a:/b:ro",
];
