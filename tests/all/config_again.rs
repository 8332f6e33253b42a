//! What `docker compose config` printed, loaded again: it comes to the same, or `tests/conformance/not-again.txt` has the
//! case, with the reason why that form cannot be loaded. Docker Compose itself refuses those, or reads them otherwise.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde_json::Value as Json;
use transship::{
    compose::{Form, Request, configuration},
    diagnostic::Severity,
    value::{Origins, Secrets},
};

use crate::{conformance, support::memory_files::MemoryFiles};

const ROOT: &str = "/conformance/up/input";

/// What becomes of a recorded answer that is loaded again: nothing, or why not.
fn again(case: &Json, printed: &Json) -> Option<String> {
    let mut files: MemoryFiles = conformance::files(case);
    let text = serde_json::to_string(printed).unwrap().replace("/@ROOT@", ROOT).replace("/@UP1@", "/conformance/up");
    let printed: Json = serde_json::from_str(&text).unwrap();
    files.0.insert("/again/compose.yaml".to_owned(), text.into_bytes());
    let mut request = Request { working_directory: "/again".to_owned(), ..Request::default() };
    request.environment = [("HOME", "/home/conformance")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    request.profiles = Some(vec!["*".to_owned()]);
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    match configuration(&request, &files, &origins, &secrets) {
        Ok(loaded) => {
            let found = loaded.clear();
            (!conformance::same(&printed, &found)).then(|| difference(&printed, &found, ""))
        }
        Err(findings) => {
            let first = findings.iter().find(|finding| finding.severity == Severity::Error).unwrap();
            Some(format!("refused: {} {}", first.path.as_deref().unwrap_or_default(), first.message))
        }
    }
}

/// The first path at which two documents differ.
fn difference(a: &Json, b: &Json, at: &str) -> String {
    if let (Json::Object(a), Json::Object(b)) = (a, b) {
        let keys: BTreeMap<&String, ()> = a.keys().chain(b.keys()).map(|key| (key, ())).collect();
        for key in keys.keys() {
            let at = format!("{at}.{key}");
            match (a.get(*key), b.get(*key)) {
                (Some(a), Some(b)) if !conformance::same(a, b) => return difference(a, b, &at),
                (Some(_), Some(_)) => {}
                (a, b) => return format!("{at}: {a:?} → {b:?}"),
            }
        }
    }
    format!("{at}: {a} → {b}")
}

#[test]
fn what_docker_compose_prints_loads_again_or_is_on_the_list() {
    let mut found = BTreeMap::new();
    let mut count = 0;
    for case in conformance::cases() {
        let printed = &case.body["expect"]["json"];
        if case.body["status"]["json"]["rc"] != 0 || !printed.is_object() {
            continue;
        }
        count += 1;
        if let Some(why) = again(&case.body, printed) {
            found.insert(case.id, why);
        }
    }
    assert!(count > 2_500, "{count}");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/not-again.txt");
    let list = fs::read_to_string(list).unwrap();
    let listed: BTreeMap<&str, &str> = list.lines().filter_map(|line| line.split_once(' ')).collect();
    let new: Vec<_> = found.iter().filter(|(id, _)| !listed.contains_key(id.as_str())).collect();
    let gone: Vec<_> = listed.keys().filter(|id| !found.contains_key(**id)).collect();
    assert!(new.is_empty(), "these came to the same before: {new:#?}");
    assert!(gone.is_empty(), "these come to the same now; take them off the list: {gone:?}");
}

/// What variables give to configs and secrets of included files is used, and shown by nothing.
#[test]
fn a_secret_out_of_a_variable_is_not_printed() {
    let mut files = MemoryFiles::default();
    let child = "services: {b: {image: b, secrets: [own]}}\nsecrets: {own: {environment: HUSH}}\n";
    let main = "name: a\ninclude: [child.yaml]\nservices: {a: {image: a, secrets: [mine]}}\n\
                secrets: {mine: {environment: HUSH}}\nconfigs: {plain: {environment: PLAIN}}\n";
    for (name, text) in [("compose.yaml", main), ("child.yaml", child)] {
        files.0.insert(format!("/w/{name}"), text.as_bytes().to_vec());
    }
    for interpolation in [false, true] {
        let mut request = Request { working_directory: "/w".to_owned(), all_resources: true, ..Request::default() };
        request.environment = [("HUSH", "of-nobody"), ("PLAIN", "x")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        request.skip.interpolation = interpolation;
        let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
        let loaded = configuration(&request, &files, &origins, &secrets).unwrap();
        for form in [Form::Yaml, Form::Json, Form::Masked, Form::Hashed] {
            let text = Json::from(&loaded.plain(form)).to_string();
            assert!(!text.contains("of-nobody") && !text.contains('#'), "{form:?}: {text}");
        }
        let places = loaded.provenance(&origins);
        assert!(places.iter().all(|place| !format!("{place:?}").contains("of-nobody")));
    }
}
