//! Every mode of `config` against the recorded answers of `docker compose config`: names, images, hashes to the byte,
//! JSON and YAML equal, YAML with its keys in the same order.
//!
//! `tests/conformance/modes/record DOCKER-COMPOSE` records the answers.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::Value as Json;
use transship::{
    compose::{Request, configuration, join},
    value::{FileRole, Origins, Secrets},
    yaml,
};

use crate::support::memory_files::MemoryFiles;

/// Runs that are answered otherwise on purpose.
const OTHERWISE: &[(&str, &str)] = &[
    ("modes/empty-parts config --variables", "the reference panics"),
    ("modes/empty-parts config --variables --format json", "the reference panics"),
    ("modes/empty-parts config --variables --format yaml", "the reference panics"),
];

struct Case {
    id: String,
    body: Json,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/modes/cases.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let body: Json = serde_json::from_str(line).unwrap();
            Case { id: body["id"].as_str().unwrap().to_owned(), body }
        })
        .collect()
}

/// Runs one command in the directory of a case.
fn run(case: &Json, arguments: &[String], root: &Path) -> (i32, String, String) {
    let name = root.to_str().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_transship"));
    command
        .args(arguments)
        .current_dir(root.join(case["cwd"].as_str().unwrap_or(".")))
        .env_clear()
        .envs([("HOME", "/home/conformance"), ("PATH", "/usr/bin:/bin"), ("DOCKER_CONFIG", "/docker")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (variable, value) in case["env"].as_object().into_iter().flatten() {
        command.env(variable, value.as_str().unwrap().replace("/@ROOT@", name));
    }
    if let Some(input) = case["stdin"].as_str() {
        command.stdin(fs::File::open(root.join(input)).unwrap());
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(name, "/@ROOT@");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// The hashes of a case that depend on where it stands: with its files in memory, in the place of the record.
fn placed_hashes(case: &Json, arguments: &[String]) -> String {
    const ROOT: &str = "/conformance/up/input";
    let mut files = MemoryFiles::default();
    for (name, content) in case["files"].as_object().unwrap() {
        files.0.insert(join(ROOT, name), content.as_str().unwrap().into());
    }
    let mut request = Request { working_directory: ROOT.into(), ..Request::default() };
    request.environment =
        [("HOME", "/home/conformance"), ("PATH", "/usr/bin:/bin")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        request.environment.insert(name.clone(), value.as_str().unwrap().to_owned());
    }
    if let Some(name) = case["stdin"].as_str() {
        request.standard_input = files.0.get(&join(ROOT, name)).cloned();
    }
    let mut flags = arguments.iter();
    while let Some(flag) = flags.next() {
        match flag.as_str() {
            "-f" => request.files.push(flags.next().unwrap().clone()),
            "--profile" => request.profiles.get_or_insert_default().push(flags.next().unwrap().clone()),
            "--no-env-resolution" => request.skip.environment_resolution = true,
            "--hash" => {
                let services = flags.next().unwrap();
                request.only = services.split(',').filter(|name| *name != "*").map(str::to_owned).collect();
            }
            "config" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    let hashes = configuration(&request, &files, &origins, &secrets).unwrap().hashes().unwrap();
    hashes.into_iter().flat_map(|(name, hash)| [name, " ".to_owned(), hash, "\n".to_owned()]).collect()
}

/// A document with its keys in their order.
fn ordered(json: &Json) -> String {
    fn write(json: &Json, out: &mut String) {
        match json {
            Json::Object(entries) => {
                out.push('{');
                for (key, value) in entries {
                    out.push_str(&Json::from(key.as_str()).to_string());
                    out.push(':');
                    write(value, out);
                    out.push_str(",\n");
                }
                out.push('}');
            }
            Json::Array(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push_str(",\n");
                }
                out.push(']');
            }
            // However a number is written.
            Json::Number(number) => out.push_str(&number.as_f64().unwrap().to_string()),
            other => out.push_str(&other.to_string()),
        }
    }
    let mut out = String::new();
    write(json, &mut out);
    out
}

/// What two outputs are compared by.
fn meaning(arguments: &[String], text: &str) -> String {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("json") {
        let mut json: Json = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
        json.sort_all_objects();
        return ordered(&json);
    }
    let lists =
        ["--services", "--volumes", "--networks", "--models", "--images", "--profiles", "--hash", "--environment"];
    if lists.iter().any(|flag| has(flag)) || (has("--variables") && !has("yaml")) {
        return text.to_owned();
    }
    let origins = Origins::new();
    let documents = yaml::parse(text.as_bytes(), "output", FileRole::Manifest, &origins);
    documents.map_or_else(
        |_| text.to_owned(),
        |documents| documents.first().map(|document| ordered(&document.root.masked())).unwrap_or_default(),
    )
}

fn differences(case: &Case) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap().join("input");
    for (name, content) in case.body["files"].as_object().unwrap() {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.as_str().unwrap()).unwrap();
    }
    let mut out = Vec::new();
    for recorded in case.body["runs"].as_array().unwrap() {
        let arguments: Vec<String> =
            recorded["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap().to_owned()).collect();
        // Flags of the program stand before the command there, and anywhere here.
        let mut ours = arguments.clone();
        if ours.first().is_some_and(|first| ["--compatibility", "--all-resources"].contains(&first.as_str())) {
            ours.rotate_left(1);
        }
        let (status, output, errors) = if recorded["placed"] == true {
            (0, placed_hashes(&case.body, &arguments), String::new())
        } else {
            run(&case.body, &ours, &root)
        };
        let at = format!("{} {}", case.id, arguments.join(" "));
        if (status == 0) != (recorded["status"] == 0) {
            out.push(format!("{at}\nrecorded status {}, found {status}\n{errors}", recorded["status"]));
            continue;
        }
        let (wanted, found) =
            (meaning(&arguments, recorded["output"].as_str().unwrap_or_default()), meaning(&arguments, &output));
        if status == 0 && wanted != found {
            out.push(format!("{at}\n--- recorded\n{wanted}\n--- found\n{found}"));
        }
    }
    out
}

#[test]
fn every_mode_answers_as_docker_compose_does() {
    let only = std::env::var("CONFORMANCE_CASE").unwrap_or_default();
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.id.starts_with(&only)).collect();
    assert!(!cases.is_empty());
    let queue = Mutex::new(cases.iter());
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { return };
                    for difference in differences(case) {
                        let at = difference.lines().next().unwrap().to_owned();
                        found.lock().unwrap().insert(at, difference);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let unexpected: Vec<&String> =
        found.iter().filter(|(at, _)| !OTHERWISE.iter().any(|(known, _)| known == at)).map(|(_, text)| text).collect();
    for text in &unexpected {
        eprintln!("{text}\n");
    }
    let passing: Vec<_> = OTHERWISE.iter().filter(|(at, _)| at.contains(&only) && !found.contains_key(*at)).collect();
    assert!(unexpected.is_empty(), "{} runs differ", unexpected.len());
    assert!(passing.is_empty(), "these runs are equal now; take them off the list: {passing:?}");
}
