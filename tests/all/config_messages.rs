//! What is said about every input that is refused: a code, a place inside the input whose line shows what is wrong,
//! and something to do.

use std::{fs, path::Path, sync::Arc};

use transship::{
    compose::{Request, configuration},
    diagnostic::{Finding, Findings, Severity, Style, render},
    value::{Origins, Secrets},
};

use crate::{
    conformance::{Case, cases, files, request},
    support::memory_files::MemoryFiles,
};

/// Inputs that are refused for something that stands in no file of theirs.
fn is_outside(finding: &Finding, origins: &Origins) -> bool {
    let elsewhere = origins.describe(finding.spot()).is_some();
    match finding.code.name {
        // Nothing was found; the flag or the variable that names a file is told in the message.
        "no-compose-file" | "file-unreadable" | "empty-compose-file" => finding.labels.is_empty() || elsewhere,
        // From `-p`, from COMPOSE_PROJECT_NAME, or from the name of the directory.
        "invalid-project-name" => true,
        _ => elsewhere && origins.place(finding.spot()).is_none(),
    }
}

/// What is wrong with a finding.
fn fault(finding: &Finding, origins: &Origins) -> Option<String> {
    if finding.help.is_none() {
        return Some("says nothing to do".to_owned());
    }
    let Some(place) = origins.place(finding.spot()) else {
        return (!is_outside(finding, origins)).then(|| "has no place".to_owned());
    };
    let (_, text) = origins.file(place.file)?;
    let Some(shown) = text.get(place.span.start as usize..place.span.end as usize) else {
        return Some(format!("{place} is not inside its file"));
    };
    // The end of a file, or of a line, is where something is missing.
    let at_end = text[place.span.start as usize..].trim_start_matches([' ', '\t']).starts_with('\n')
        || text[place.span.start as usize..].trim().is_empty();
    let next = text[place.span.start as usize..].chars().next();
    let empty = shown.trim().is_empty() && (!shown.is_empty() || next.is_none_or(char::is_whitespace));
    (empty && !at_end).then(|| format!("{place} shows nothing"))
}

fn refused(case: &Case) -> Option<(Findings, Arc<Origins>, Arc<Secrets>)> {
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    let files = files(&case.body);
    let request = request(&case.body, "json", &files);
    let findings = configuration(&request, &files, &origins, &secrets).err()?;
    Some((findings, origins, secrets))
}

#[test]
fn every_refusal_shows_the_line_and_the_way_out() {
    let mut count = 0;
    let mut faults = Vec::new();
    for case in cases() {
        let Some((findings, origins, secrets)) = refused(&case) else { continue };
        count += 1;
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        for finding in errors {
            if let Some(fault) = fault(finding, &origins) {
                let style = Style { color: false, width: 100, least: Severity::Info };
                let text = render(&Findings::from(finding.clone()), &origins, &secrets, style);
                faults.push(format!("{}: {fault}\n{text}", case.id));
            }
        }
    }
    assert!(count > 500, "{count}");
    for fault in &faults {
        eprintln!("{fault}");
    }
    assert!(faults.is_empty(), "{} of {count} messages lack something", faults.len());
}

/// An input for each code: its name, and files.
struct Input {
    code: &'static str,
    files: &'static [(&'static str, &'static str)],
}

const fn input(code: &'static str, files: &'static [(&'static str, &'static str)]) -> Input {
    Input { code, files }
}

const INPUTS: &[Input] = &[
    input("yaml-broken", &[("compose.yaml", "services:\n  web:\n    image: nginx\n    command: [run, --fast\n")]),
    input("duplicate-key", &[("compose.yaml", "services:\n  web:\n    image: nginx\n    image: apache\n")]),
    input("key-not-a-string", &[("compose.yaml", "services:\n  web:\n    image: nginx\n    labels: {1: one}\n")]),
    input(
        "yaml-too-large",
        &[(
            "compose.yaml",
            "x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\nx-b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
             x-c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nx-d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
             x-e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nx-f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n\
             x-g: [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]\nservices: {web: {image: nginx}}\n",
        )],
    ),
    input("no-compose-file", &[("readme.txt", "")]),
    input("file-unreadable", &[("compose.yaml", "include: [missing.yaml]\nservices: {web: {image: nginx}}\n")]),
    input("not-a-compose-file", &[("compose.yaml", "- services\n")]),
    input("empty-compose-file", &[("compose.yaml", "{}\n")]),
    input(
        "unknown-key",
        &[("compose.yaml", "services:\n  web:\n    image: nginx\n    enviroment: {A: 1}\n    port: [80]\n")],
    ),
    input(
        "wrong-type",
        &[(
            "compose.yaml",
            "services:\n  web:\n    image: 1.25\n    command: [run, 1]\n    privileged: maybe\n    ports: 80\n",
        )],
    ),
    input("missing-key", &[("compose.yaml", "services:\n  web:\n    ports: [80]\n")]),
    input(
        "invalid-value",
        &[("compose.yaml", "services:\n  web:\n    image: nginx\n    ports: [\"80:a\", \"1:2/icmp\"]\n")],
    ),
    input("duplicate-item", &[("compose.yaml", "services:\n  web:\n    image: nginx\n    security_opt: [a, b, a]\n")]),
    input(
        "merge-conflict",
        &[
            ("compose.yaml", "services:\n  web:\n    image: nginx\n    cap_add: [ALL]\n"),
            ("compose.override.yaml", "services:\n  web:\n    cap_add: {ALL: true}\n"),
        ],
    ),
    input(
        "invalid-interpolation",
        &[("compose.yaml", "services:\n  web:\n    image: nginx:${TAG\n    user: ${#USER}\n    hostname: $NAME\n")],
    ),
    input("variable-required", &[("compose.yaml", "services:\n  web:\n    image: nginx:${TAG:?say which}\n")]),
    input("variable-unset", &[("compose.yaml", "services:\n  web:\n    image: nginx:$TAG\n")]),
    input("invalid-env-file", &[("compose.yaml", "services: {web: {image: nginx}}\n"), (".env", "A=1\nB C=2\n")]),
    input("invalid-project-name", &[("compose.yaml", "name: \"...\"\nservices: {web: {image: nginx}}\n")]),
    input(
        "undefined-reference",
        &[(
            "compose.yaml",
            "services:\n  web:\n    image: nginx\n    networks: [fornt]\n    volumes: [\"data:/d\"]\nnetworks: {front: {}}\n",
        )],
    ),
    input(
        "cycle",
        &[("compose.yaml", "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [a]}\n")],
    ),
    input(
        "conflicting-attributes",
        &[(
            "compose.yaml",
            "services: {web: {image: nginx}}\nconfigs:\n  app:\n    file: ./app.conf\n    content: x\n",
        )],
    ),
    input("cannot-extend", &[("compose.yaml", "services:\n  web: {image: nginx}\n  api:\n    extends: wbe\n")]),
    input("obsolete-version", &[("compose.yaml", "version: \"3.8\"\nservices: {web: {image: nginx}}\n")]),
    input(
        "suspicious-value",
        &[(
            "compose.yaml",
            "services:\n  web:\n    image: nginx\n    ports:\n      - 22:22\n    environment: {DEBUG: yes, CODE: 0440}\n",
        )],
    ),
    input(
        "shadowed-value",
        &[(
            "compose.yaml",
            "services:\n  web:\n    image: nginx\n    environment:\n      - MODE=a\n      - OTHER=b\n      - MODE=c\n",
        )],
    ),
    input(
        "remote-file",
        &[("compose.yaml", "include:\n  - https://example.com/compose.yaml\nservices: {web: {image: nginx}}\n")],
    ),
    input(
        "outside-its-tree",
        &[
            ("compose.yaml", "include:\n  - https://example.com/base.git#v1\nservices: {web: {image: nginx}}\n"),
            ("remote/compose.yaml", "services:\n  base:\n    image: nginx\n    env_file: ../.env\n"),
            (".env", "TOKEN=x\n"),
        ],
    ),
];

#[test]
fn every_code_has_its_whole_message() {
    for input in INPUTS {
        let mut files = MemoryFiles::default();
        for (name, text) in input.files {
            files.0.insert(format!("/w/{name}"), text.as_bytes().to_vec());
        }
        let request = Request { working_directory: "/w".to_owned(), ..Request::default() };
        let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
        let findings = match configuration(&request, &files, &origins, &secrets) {
            Ok(configuration) => configuration.findings,
            Err(findings) => findings,
        };
        assert!(findings.iter().any(|finding| finding.code.name == input.code), "{}: {findings:#?}", input.code);
        let text = render(&findings, &origins, &secrets, Style { color: false, width: 100, least: Severity::Info });
        let golden =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages").join(input.code).with_extension("txt");
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(text, snapbox::Data::read_from(&golden, None));
    }
    // A code that is declared has an input here.
    let loading = ["yaml", "compose"].map(|room| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room).join("codes.rs");
        fs::read_to_string(path).unwrap()
    });
    for code in transship::diagnostic::codes()
        .filter(|code| loading.iter().any(|text| text.contains(&format!("\"{}\"", code.name))))
    {
        let known = INPUTS.iter().any(|input| input.code == code.name) || code.name == "not-text";
        assert!(known, "{} has no message here", code.name);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    let mut files = MemoryFiles::default();
    files.0.insert("/w/compose.yaml".to_owned(), b"services:\n  web: {image: \"\xff\"}\n".to_vec());
    let request = Request { working_directory: "/w".to_owned(), ..Request::default() };
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    let findings = configuration(&request, &files, &origins, &secrets).unwrap_err();
    let first = findings.iter().next().unwrap();
    assert_eq!(first.code.name, "not-text");
    assert_eq!(origins.describe(first.spot()).as_deref(), Some("compose.yaml:2:17"));
}

#[test]
fn independent_mistakes_are_told_together() {
    let mut files = MemoryFiles::default();
    let text =
        "services:\n  a: {image: a, ports: [\"x:y\"], devices: [\"a:b:c:d\"]}\n  b: {image: b, ports: [\"80:\"]}\n";
    files.0.insert("/w/compose.yaml".to_owned(), text.as_bytes().to_vec());
    let request = Request { working_directory: "/w".to_owned(), ..Request::default() };
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    let findings = configuration(&request, &files, &origins, &secrets).unwrap_err();
    let places: Vec<String> = findings.iter().filter_map(|finding| origins.describe(finding.spot())).collect();
    assert_eq!(places, ["compose.yaml:2:25", "compose.yaml:2:43", "compose.yaml:3:25"]);
}
