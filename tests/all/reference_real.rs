//! Image references beside Docker's own reader of them: many thousands, made up and damaged, always the same ones.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
};

use proptest::{
    prelude::*,
    sample::{Index, select},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use serde::Deserialize;
use transship::image::{Digest, ParseReferenceError, Reference};

use crate::support::engines::Engines;

/// How many of each way of making one.
const EACH: usize = 15_000;

/// What Docker makes of a text.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Theirs {
    refused: Option<String>,
    domain: String,
    path: String,
    tag: String,
    digest: String,
    full: String,
    familiar: String,
    tag_name_only: String,
    docker: String,
    identifier: bool,
}

fn ask(program: &str, texts: &[String]) -> Vec<Theirs> {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = texts.iter().map(|text| serde_json::to_string(text).unwrap() + "\n").collect();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What people and tests of others write, and what is nearly that.
fn written() -> Vec<String> {
    let hex = "0123456789abcdef".repeat(4);
    let mut all: Vec<String> = [
        "",
        "/",
        ":",
        "@",
        "a",
        "A",
        "nginx",
        "nginx:1.27",
        "library/nginx",
        "docker.io/nginx",
        "docker.io/library/nginx",
        "index.docker.io/nginx",
        "index.docker.io/a/b",
        "docker.io/a/b/c",
        "docker.io/library/a/b",
        "docker.io/",
        "docker.io",
        "index.docker.io",
        "localhost",
        "localhost/x",
        "localhost:5000",
        "localhost:5000/x",
        "Localhost/x",
        "LOCALHOST/x",
        "docker.io/localhost/x",
        "docker.io/a.b/c",
        "docker.io/A/b",
        "DOCKER.io/a",
        "docker.io:443/library/nginx",
        "registry-1.docker.io/library/nginx:1",
        "foo:5000",
        "foo:5000/bar",
        "foo:/bar",
        "foo:x/bar",
        "foo:5000/bar:x",
        "foo:99999999/bar",
        "MyReg/foo:1",
        "my_reg.com/foo",
        "my_reg/foo",
        "a_b.c/foo",
        "a__b/c",
        "a___b/c",
        "a---b/c",
        "a.-b/c",
        "a._b/c",
        "a-.b/c",
        "a..b/c",
        ".a/b",
        "a./b",
        "-a/b",
        "a-/b",
        "-a.com/b",
        "a-.com/b",
        "a.-b.com/c",
        "a.com./b",
        "a/",
        "/a",
        "a//b",
        "a/b/",
        "a/b//c",
        "a.com//b",
        "a:b:c",
        "a:b@c",
        "a@b",
        "a@b:c",
        "a:-b",
        "a:.b",
        "a:_b",
        "a:b\n",
        "a\n",
        "\na",
        " a",
        "a ",
        "a\tb",
        "a:b c",
        "[::1]/a",
        "[::1]:5000/a:1",
        "[::1]:/a",
        "[]/a",
        "[:]/a",
        "[::1]a/b",
        "[fe80::1%25eth0]/a",
        "[fe80::1%eth0]:1/a",
        "[2001:DB8::1]/a",
        "[::g]/a",
        "[::1/a",
        "::1]/a",
        "[::1]",
        "2001:db8::1/a",
        "10.0.0.1/a",
        "10.0.0.1:5000/a",
        "xn--n3h.com/a:xn--n3h.com",
        "é/a",
        "a/é",
        "É/a",
        "a.é/b",
        "\u{212a}/a",
        "a/\u{212a}",
        "ǅ/a",
        "a:é",
        "a:\u{661}",
        "a:1\u{661}",
        "a.com:\u{661}/b",
        "\u{0}",
        "a\u{0}",
        "a/b:c/d",
        "a.com/b:c/d",
        "a.com/B",
        "a.com/b:C",
        "a.com/b@SHA256:x",
        "a@sha256:",
        "a@:x",
        "a@sha256",
        "a@sha512:ab",
        "a@md5:0123456789abcdef0123456789abcdef",
        "sha256:x",
        "a:sha256",
        "a@sha256:00:1",
        "scheme://a/b",
        "http://a.com/b",
        "a.com/b?c",
        "a.com/b#c",
        "a b/c",
        "a%2fb",
    ]
    .map(str::to_owned)
    .to_vec();
    let upper = hex.to_uppercase();
    for digest in [
        format!("sha256:{hex}"),
        format!("sha256:{upper}"),
        format!("SHA256:{hex}"),
        format!("sha256:{hex}0"),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{}", &hex[..32]),
        format!("sha256:{}", &hex[..31]),
        format!("sha384:{}", &hex.repeat(2)[..96]),
        format!("sha512:{}", hex.repeat(2)),
        format!("sha512:{hex}"),
        format!("sha256+b64:{hex}"),
        format!("sha256.:{hex}"),
        format!("a.b-c_d+e:{hex}"),
        format!("9a:{hex}"),
        format!("blake3:{hex}"),
        format!("sha256:{hex}\n"),
        format!("sha256:{hex}@sha256:{hex}"),
        format!(":{hex}"),
    ] {
        for name in ["a", "a:b", "a.com/b", "a.com/b:c", "docker.io/library/a", ""] {
            all.push(format!("{name}@{digest}"));
        }
        all.push(digest);
    }
    for length in [31, 32, 63, 64, 65] {
        all.extend([hex.repeat(2)[..length].to_owned(), upper.repeat(2)[..length].to_owned()]);
    }
    for length in [127, 128, 129] {
        all.push(format!("a:{}", "b".repeat(length)));
    }
    for length in [246, 247, 248, 254, 255, 256, 257] {
        all.extend(["", "a.com/", "docker.io/", "b/", "A_/"].map(|before| format!("{before}{}", "a".repeat(length))));
    }
    all
}

/// References as their grammar has them, and a little beside it.
fn grammatical() -> impl Strategy<Value = String> {
    let component = "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    let domain = prop_oneof![
        3 => Just(String::new()),
        2 => "[a-z0-9]{1,5}(\\.[a-zA-Z0-9-]{1,5}){1,2}(:[0-9]{1,5})?/",
        1 => select(vec!["docker.io/", "index.docker.io/", "localhost/", "localhost:5000/", "registry-1.docker.io/", "docker.io/library/"])
            .prop_map(str::to_owned),
        1 => "[A-Za-z0-9_-]{1,6}(:[0-9]{0,4})?/",
        1 => "\\[[0-9a-fA-F:]{0,8}\\](:[0-9]{0,4})?/",
    ];
    let path = proptest::collection::vec(component, 1..4).prop_map(|parts| parts.join("/"));
    let tag =
        prop_oneof![3 => Just(String::new()), 3 => ":[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", 1 => ":[A-Za-z0-9_.-]{0,3}"];
    let digest = prop_oneof![
        5 => Just(String::new()),
        2 => "@sha256:[0-9a-f]{64}",
        1 => "@sha512:[0-9a-f]{128}",
        1 => "@(sha384:[0-9a-f]{96}|sha256:[0-9a-fA-F]{64}|sha(256|512):[0-9a-f]{32,65}|[a-z+._-]{1,8}:[0-9a-f]{64})",
    ];
    (domain, path, tag, digest).prop_map(|(domain, path, tag, digest)| domain + &path + &tag + &digest)
}

/// One place of a text changed.
fn damage(text: &str, how: u8, at: Index, with: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = at.index(characters.len() + 1);
    let end = (place + 1).min(characters.len());
    match how {
        0 => drop(characters.splice(place..place, with.chars())),
        1 => drop(characters.splice(place..end, with.chars())),
        2 => drop(characters.drain(place..end)),
        3 => characters.truncate(place),
        4 => drop(characters.drain(..place)),
        5 => characters[place..end].iter_mut().for_each(|one| *one = one.to_ascii_uppercase()),
        6 => {
            let rest = characters.split_off(place);
            characters.splice(0..0, rest);
        }
        _ => {
            let again: Vec<char> = characters[place..].to_vec();
            characters.extend(again);
        }
    }
    characters.into_iter().collect()
}

fn damaged() -> impl Strategy<Value = String> {
    let with = select(vec![
        "/",
        ":",
        "@",
        ".",
        "_",
        "__",
        "___",
        "-",
        "--",
        "[",
        "]",
        "%",
        "A",
        "é",
        " ",
        "\n",
        "0",
        "a",
        "::",
        "//",
        "sha256:",
        "@sha256:",
        "docker.io/",
        "localhost",
        "library/",
        ":5000/",
        "\u{212a}",
        "\u{661}",
    ]);
    let base = prop_oneof![2 => grammatical(), 1 => select(written())];
    let places = proptest::collection::vec((0..8_u8, any::<Index>(), with), 1..4);
    (base, places)
        .prop_map(|(base, places)| places.into_iter().fold(base, |text, (how, at, with)| damage(&text, how, at, with)))
}

/// What is different, in one line.
fn difference(text: &str, theirs: &Theirs) -> Option<String> {
    let differs = |what: &str, ours: &str, theirs: &str| {
        (ours != theirs).then(|| format!("{text:?}: {what}: ours {ours:?}, theirs {theirs:?}"))
    };
    let ours = match Reference::parse(text) {
        Ok(ours) => ours,
        Err(error) => {
            let missing =
                (error == ParseReferenceError::Identifier && !theirs.identifier).then(|| format!("{text:?} is no id"));
            let accepted =
                theirs.refused.is_none().then(|| format!("{text:?}: ours: {error}, theirs {:?}", theirs.full));
            return accepted.or(missing);
        }
    };
    if let Some(refused) = &theirs.refused {
        return Some(format!("{text:?}: ours {ours}, theirs: {refused}"));
    }
    // The short form of theirs is not always the same reference; ours always is.
    let reads_back = Reference::parse(&theirs.familiar).as_ref() == Ok(&ours);
    let familiar = if reads_back { &theirs.familiar } else { &theirs.full };
    let short = ours.familiar();
    let tagged = if ours.tag().is_some() { ours.to_string() } else { ours.normalised().to_string() };
    differs("domain", ours.domain(), &theirs.domain)
        .or_else(|| differs("path", ours.path(), &theirs.path))
        .or_else(|| differs("tag", ours.tag().unwrap_or_default(), &theirs.tag))
        .or_else(|| differs("digest", ours.digest().map(Digest::as_str).unwrap_or_default(), &theirs.digest))
        .or_else(|| differs("in full", &ours.to_string(), &theirs.full))
        .or_else(|| differs("for people", &short, familiar).filter(|_| reads_back || short.len() >= theirs.full.len()))
        .or_else(|| differs("with a tag", &tagged, &theirs.tag_name_only))
        .or_else(|| differs("normalised", &ours.normalised().to_string(), &theirs.docker))
}

#[test]
fn references_are_read_as_docker_reads_them_real() {
    let Some(engines) = Engines::with("comparing references", &["DOCKER_REFERENCE"]) else { return };
    let mut texts: BTreeSet<String> = written().into_iter().collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..EACH {
        texts.insert(grammatical().new_tree(&mut runner).unwrap().current());
        texts.insert(damaged().new_tree(&mut runner).unwrap().current());
    }
    let texts: Vec<String> = texts.into_iter().collect();
    let theirs = ask(engines.get("DOCKER_REFERENCE"), &texts);
    assert_eq!(theirs.len(), texts.len());
    let accepted = theirs.iter().filter(|one| one.refused.is_none()).count();
    // Enough of both, or nothing is shown.
    assert!(accepted > EACH / 2 && texts.len() - accepted > EACH / 2, "{accepted} of {}", texts.len());
    let different: Vec<String> =
        texts.iter().zip(&theirs).filter_map(|(text, theirs)| difference(text, theirs)).collect();
    assert!(
        different.is_empty(),
        "{} of {}: {:#?}",
        different.len(),
        texts.len(),
        &different[..different.len().min(20)]
    );
}
