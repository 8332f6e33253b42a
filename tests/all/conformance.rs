//! The loader against the recorded answers of Docker Compose v5.6.0.
//!
//! Cases that do not pass yet stand in `tests/conformance/not-yet.txt`, those that are answered otherwise on purpose
//! in `otherwise.txt`, each with its reason. A case that passes and stands in one of them fails the test too, so the
//! lists only shrink.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use base64::Engine as _;
use serde_json::Value as Json;
use transship::{
    compose::{Form, Request, Skip, configuration},
    value::{Origins, Secrets},
};

use crate::support::memory_files::MemoryFiles;

const ROOT: &str = "/conformance/up/input";
const UP: &str = "/conformance/up";

pub(crate) struct Case {
    pub(crate) id: String,
    topic: String,
    pub(crate) body: Json,
}

pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let topic = path.file_stem().unwrap().to_string_lossy().into_owned();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let body: Json = serde_json::from_str(line).unwrap();
            all.push(Case { id: body["id"].as_str().unwrap().to_owned(), topic: topic.clone(), body });
        }
    }
    all
}

fn texts(json: &Json) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// The request that a case describes, for one of the recorded modes.
pub(crate) fn request(case: &Json, mode: &str, files: &MemoryFiles) -> Request {
    let mut request = Request {
        working_directory: match case["cwd"].as_str() {
            Some(folder) => format!("{ROOT}/{folder}"),
            None => ROOT.to_owned(),
        },
        ..Request::default()
    };
    request.environment = BTreeMap::from([
        ("HOME".to_owned(), "/home/conformance".to_owned()),
        ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ("DOCKER_CONFIG".to_owned(), "/docker".to_owned()),
    ]);
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        request.environment.insert(name.clone(), value.as_str().unwrap_or_default().replace("/@ROOT@", ROOT));
    }
    let mut profiles = Vec::new();
    let mut args = texts(&case["args"]).into_iter();
    while let Some(flag) = args.next() {
        if flag == "--compatibility" {
            request.skip.normalization = true;
            continue;
        }
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), value.to_owned()),
            _ => (flag, args.next().unwrap_or_default()),
        };
        let value = value.replace("/@ROOT@", ROOT);
        match flag.as_str() {
            "-f" | "--file" => request.files.push(value),
            "-p" | "--project-name" => request.project_name = Some(value),
            "--profile" => profiles.push(value),
            "--env-file" => request.env_files.push(value),
            "--project-directory" => request.project_directory = Some(value),
            other => panic!("unknown argument {other}"),
        }
    }
    if !profiles.is_empty() {
        request.profiles = Some(profiles);
    }
    if request.project_name.is_none() && mode != "name" {
        request.project_name = Some("conformance".to_owned());
    }
    if let Some(name) = case["stdin"].as_str() {
        request.standard_input = files.0.get(&format!("{ROOT}/{name}")).cloned();
    }
    match mode {
        "loose" => {
            request.profiles = Some(vec!["*".to_owned()]);
            request.skip = Skip {
                normalization: true,
                path_resolution: true,
                consistency: true,
                environment_resolution: true,
                ..Skip::default()
            };
        }
        "model" => request.skip.interpolation = true,
        _ => {}
    }
    request
}

pub(crate) fn files(case: &Json) -> MemoryFiles {
    let mut files = MemoryFiles::default();
    for (path, content) in case["files"].as_object().into_iter().flatten() {
        let bytes = match content {
            Json::String(text) => text.clone().into_bytes(),
            other => base64::engine::general_purpose::STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
        };
        let clean = transship::compose::join(ROOT, path);
        files.0.insert(clean, bytes);
    }
    files
}

/// What we answer: the parsed output, or `None` when we refuse.
fn answer(case: &Json, mode: &str) -> Option<Json> {
    let files = files(case);
    let request = request(case, mode, &files);
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    let configuration = configuration(&request, &files, &origins, &secrets).ok()?;
    let text = configuration.json(Form::Json);
    assert_eq!(text, transship::yaml::write_json(&configuration.plain(Form::Json)), "both ways to write are one");
    let text = text.replace(ROOT, "/@ROOT@").replace(UP, "/@UP1@");
    let json: Json = serde_json::from_str(&text).unwrap();
    Some(if mode == "name" { json["name"].clone() } else { json })
}

/// Numbers are equal when they are, however they are written.
pub(crate) fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= f64::from(f32::EPSILON) * a.abs().max(b.abs())
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}

/// Which mode differs, and how.
fn difference(case: &Json) -> Option<String> {
    for (mode, status) in case["status"].as_object().into_iter().flatten() {
        let expected = (status["rc"] == 0).then(|| case["expect"][mode].clone());
        let expected =
            expected.map(|json| if mode == "name" && json.is_object() { json["name"].clone() } else { json });
        let found = answer(case, mode);
        let equal = match (&expected, &found) {
            (None, None) => true,
            (Some(a), Some(b)) => same(a, b),
            _ => false,
        };
        if !equal {
            let show = |json: &Option<Json>| json.as_ref().map_or("refused".to_owned(), Json::to_string);
            return Some(format!("{mode}\n  expected {}\n  found    {}", show(&expected), show(&found)));
        }
    }
    None
}

#[test]
fn loads_as_docker_compose_does() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/not-yet.txt");
    let first_words = |text: String| -> BTreeSet<String> {
        text.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
    };
    let otherwise = first_words(fs::read_to_string(list.with_file_name("otherwise.txt")).unwrap());
    let mut listed = first_words(fs::read_to_string(&list).unwrap_or_default());
    listed.extend(otherwise.iter().cloned());
    let mut failing = BTreeSet::new();
    let mut topics: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let only = std::env::var("CONFORMANCE_CASE").ok();
    for case in cases() {
        if only.as_ref().is_some_and(|only| !case.id.starts_with(only.as_str())) {
            continue;
        }
        let entry = topics.entry(case.topic.clone()).or_default();
        entry.1 += 1;
        match difference(&case.body) {
            None => entry.0 += 1,
            Some(difference) => {
                if only.is_some() {
                    eprintln!("{}: {difference}", case.id);
                }
                failing.insert(case.id);
            }
        }
    }
    for (topic, (passing, all)) in &topics {
        eprintln!("{topic:8} {passing:4} of {all}");
    }
    if only.is_some() {
        return;
    }
    if std::env::var_os("CONFORMANCE_WRITE").is_some() {
        let text = failing.difference(&otherwise).map(|id| format!("{id}\n")).collect::<Vec<_>>().concat();
        fs::write(&list, text).unwrap();
        return;
    }
    let new: Vec<_> = failing.difference(&listed).collect();
    let fixed: Vec<_> = listed.difference(&failing).collect();
    assert!(new.is_empty(), "these cases passed before: {new:?}");
    assert!(fixed.is_empty(), "these cases pass now; take them off their list: {fixed:?}");
}
