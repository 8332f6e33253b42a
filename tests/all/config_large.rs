//! Large applications are taken through the stages in shares. Nobody can tell, but by a watch: what they are, and what
//! is said of them, is the same as in the ordinary way, which one service that extends another one makes them go.

use std::{fmt::Write as _, sync::Arc};

use transship::{
    compose::{Form, Request, configuration},
    diagnostic::{Severity, Style, render},
    value::{Origins, Secrets},
    yaml,
};

use crate::support::memory_files::MemoryFiles;

/// Two services of which one may extend the other, which makes all go the ordinary way.
const LAST: &str = "zz-";

/// Where every value came from, what is printed, and what was found; or what is wrong.
#[derive(Debug, PartialEq)]
struct Told {
    json: String,
    yaml: String,
    provenance: Vec<String>,
    findings: Vec<String>,
}

/// Loads files, with a service more that is left out of what is told.
fn told(files: &[(&str, &str)], ordinary: bool) -> Result<Told, String> {
    let mut memory = MemoryFiles::default();
    for (number, (name, text)) in files.iter().enumerate() {
        let own = if ordinary { "extends: {service: zz-base}" } else { "image: i, network_mode: none" };
        let both = format!("  zz-base: {{image: i, network_mode: none}}\n  zz-last: {{{own}}}\n");
        let more = if number > 0 { "" } else { &both };
        memory.0.insert(format!("/w/{name}"), text.replace("  # last\n", more).into_bytes());
    }
    let request = Request {
        working_directory: "/w".to_owned(),
        files: files.iter().map(|(name, _)| format!("/w/{name}")).filter(|name| !name.contains(".env")).collect(),
        ..Request::default()
    };
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    let style = Style { color: false, width: 100, least: Severity::Info };
    let shown = |findings: &_| render(findings, &origins, &secrets, style);
    let loaded = configuration(&request, &memory, &origins, &secrets).map_err(|findings| shown(&findings))?;
    let without = |form| {
        let mut plain = loaded.plain(form);
        if let Some(root) = plain.entries_mut() {
            for (_, services) in root.iter_mut().filter(|(key, _)| key == "services") {
                assert!(services.remove("zz-base").is_some() && services.remove("zz-last").is_some());
            }
        }
        plain
    };
    let mut findings: Vec<String> = shown(&loaded.findings).split("\n\n").map(str::to_owned).collect();
    findings.sort_unstable();
    let provenance = loaded.provenance(&origins);
    let provenance = provenance.iter().map(|value| format!("{value:?}"));
    Ok(Told {
        json: yaml::write_json(&without(Form::Json)),
        yaml: yaml::write_plain(&without(Form::Yaml)),
        provenance: provenance.filter(|line| !line.contains(LAST)).collect(),
        findings,
    })
}

/// Services with some of everything.
fn services(count: usize) -> String {
    let mut out = String::new();
    for number in 0..count {
        let _ = write!(
            out,
            "  s{number:03}:\n    image: r.example.com/s{number}:${{TAG:-1}}\n    environment: {{A: b, URL: \
             'p://u:w{}@h', N: null}}\n    command: run ${{TAG}} --all\n    ports: ['{}:80', {{target: 9}}]\n    \
             healthcheck: {{test: curl x, interval: 90s}}\n    volumes: ['./d:/d', 'v{}:/v']\n    labels: [a=b]\n",
            number % 7,
            10_000 + number,
            number % 3,
        );
        if number > 0 {
            let _ = writeln!(out, "    depends_on: [s{:03}]", number / 2);
        }
        match number % 5 {
            0 => out.push_str("    networks: [n]\n    profiles: [p]\n"),
            1 => out.push_str("    deploy: {replicas: 2, resources: {limits: {cpus: '1', memory: 1g}}}\n"),
            2 => out.push_str("    build: .\n    init: 'true'\n    env_file: e.env\n"),
            3 => out.push_str("    network_mode: host\n    secrets: [k]\n    tmpfs: /t\n"),
            _ => out.push_str("    logging: *log\n    <<: *more\n"),
        }
    }
    out
}

const HEAD: &str =
    "name: large\nx-log: &log {driver: none}\nx-more: &more\n  read_only: true\n  logging: *log\nservices:\n";
const TAIL: &str = "  # last\nvolumes:\n  v0:\n  v1: {name: '${TAG}'}\n  v2: {external: true}\nnetworks:\n  n: \
                    {}\nsecrets:\n  k: {file: ./k}\n  unused: {file: ./u}\n";

fn base() -> String {
    format!("{HEAD}{}{TAIL}", services(260)).replace("    profiles: [p]\n", "")
}

fn hold_equal(files: &[(&str, &str)]) -> Result<Told, String> {
    let all: Vec<(&str, &str)> =
        files.iter().copied().chain([(".env", "TAG=2\nTOKEN=t\n"), ("e.env", "E=f\n")]).collect();
    let (shares, ordinary) = (told(&all, false), told(&all, true));
    match (&shares, &ordinary) {
        (Ok(shares), Ok(ordinary)) => {
            assert_eq!(shares.provenance, ordinary.provenance);
            assert_eq!(shares.json, ordinary.json);
            assert_eq!(shares.yaml, ordinary.yaml);
            assert_eq!(shares.findings, ordinary.findings);
        }
        (Err(shares), Err(ordinary)) => {
            // The two services differ that they were told apart by.
            let line = |text: &str| text.lines().filter(|line| !line.contains(LAST)).collect::<Vec<_>>().join("\n");
            assert_eq!(line(shares), line(ordinary));
        }
        _ => panic!("{shares:?}\n{ordinary:?}"),
    }
    shares
}

#[test]
fn it_is_the_same_application() {
    let base = base();
    let one = hold_equal(&[("a.yaml", &base)]).unwrap();
    assert!(one.json.contains("\"large_default\"") && one.json.contains("\"s259\""), "{}", one.json);
    assert!(one.json.contains("10259") && one.provenance.len() > 5000, "{}", one.provenance.len());
    // Some use the network that nobody declared, some alone, all none.
    for networks in ["", "networks: {default: {driver: x}}\n", "networks: {}\n"] {
        let text = format!(
            "{HEAD}{}  # last\n{networks}",
            services(260).replace("    networks: [n]\n    profiles: [p]\n", "")
        );
        let text = text
            .replace("'v0:", "'./v0:")
            .replace("'v1:", "'./v1:")
            .replace("'v2:", "'./v2:")
            .replace("    secrets: [k]\n", "");
        hold_equal(&[("a.yaml", &text)]).unwrap();
        hold_equal(&[("a.yaml", &text.replace("  s", "  t"))]).unwrap_err();
        let last = text.replace("  # last\n", "  s999: {image: i}\n  # last\n").replace("    network_mode: host\n", "");
        hold_equal(&[("a.yaml", &last.replace("    image:", "    network_mode: host\n    image:"))]).unwrap();
    }
}

#[test]
fn overlays_may_be_of_any_kind() {
    let base = base();
    let all: String =
        (0..260).map(|n| format!("  s{n:03}: {{environment: {{A: o, B: '{n}'}}, ports: ['1{n:03}:81']}}\n")).collect();
    let back: String = (0..260).rev().map(|n| format!("  s{n:03}: {{labels: {{a: '{n}', c: $TOKEN}}}}\n")).collect();
    let new: String = (300..600)
        .map(|n| format!("  s{n}: {{image: i, depends_on: {{s001: {{condition: service_healthy}}}}}}\n"))
        .collect();
    for overlay in [
        format!("services:\n{all}"),
        format!("services:\n{back}"),
        format!("version: '3'\nservices:\n{new}{all}networks: {{n: {{driver: d}}}}\nx-more: {{a: b}}\n"),
        "services:\n  s100: {image: other}\n".to_owned(),
        "volumes: {v0: {driver: d}}\n".to_owned(),
        "services: {}\n".to_owned(),
        format!("services:\n{}", all.replace("A: o", "A: $NOBODY")),
        "services:\n  s255: !reset null\n  s002: {ports: !override []}\n".to_owned(),
    ] {
        let both = hold_equal(&[("a.yaml", &base), ("b.yaml", &overlay)]).unwrap();
        let _ = hold_equal(&[("b.yaml", &format!("{overlay}  # last\n")), ("a.yaml", &base.replace("  # last\n", ""))]);
        let _ = hold_equal(&[("a.yaml", &base), ("b.yaml", &overlay), ("c.yaml", &format!("services:\n{back}"))]);
        assert!(both.json.len() > 100_000);
    }
}

#[test]
fn what_is_wrong_is_told_in_the_same_words() {
    let base = base();
    for (from, to) in [
        ("    image: r.example.com/s180:", "    imgae: x\n    image: r.example.com/s180:"),
        ("    image: r.example.com/s5:${TAG:-1}", "    image: [x]"),
        ("'10201:80'", "'x:80'"),
        ("run ${TAG} --all", "run ${NOBODY?say so}"),
        ("run ${TAG} --all", "run ${"),
        ("test: curl x", "test: [curl, x]"),
        ("networks: [n]", "networks: [m]"),
        ("depends_on: [s129]", "depends_on: [nobody]"),
        ("depends_on: [s001]", "depends_on: [s002]"),
        ("interval: 90s", "interval: soon"),
        ("secrets: [k]", "secrets: [{source: k, mode: x}]"),
        ("init: 'true'", "init: $TAG"),
        ("  v0:\n", "  v0: {nothing: x}\n"),
        ("labels: [a=b]", "labels: [a=b, a=c]\n    scale: -1"),
        ("  k: {file: ./k}", "  k: {file: ./k, environment: K}"),
        ("name: large\n", "name: '-'\n"),
    ] {
        let wrong = base.replace(from, to);
        assert!(wrong != base, "{from}");
        let told = hold_equal(&[("a.yaml", &wrong)]).unwrap_err();
        assert!(told.contains("a.yaml:"), "{told}");
    }
    let told = hold_equal(&[("a.yaml", &base), ("b.yaml", "services:\n  s201: {healthcheck: [x]}\n")]).unwrap_err();
    assert!(told.contains("b.yaml:2:") && told.contains("a.yaml:"), "{told}");
    // Nothing is refused, but things are told.
    let odd =
        base.replace("10200:80", "10200:80', '10200:80").replace("run ${TAG}", "run ${NOBODY}").replace("a=b", "a=010");
    let told = hold_equal(&[("a.yaml", &odd)]).unwrap();
    assert!(told.findings.len() > 260, "{:?}", told.findings);
}
