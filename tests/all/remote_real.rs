//! Compose artifacts of real registries, and remote parts beside Docker Compose itself, where these are there.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value as Json;
use transship::{
    value::{FileRole, Origins},
    yaml,
};

use crate::{
    cli_support::Shop,
    support::{
        compose_artifact::{artifact, shop},
        engines::Engines,
        image_layout::{ImageLayout, MANIFEST},
    },
};

/// Pushes an artifact into a registry that takes everything.
async fn publish(host: &str, repository: &str, tag: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let layout = &mut ImageLayout::default();
    let digest = artifact(layout, &shop());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (blob, content) in &layout.blobs {
        if *blob == digest {
            continue;
        }
        let begun = client.post(format!("http://{host}/v2/{repository}/blobs/uploads/")).send().await.unwrap();
        let mut next = reqwest::Url::parse(&format!("http://{host}")).unwrap();
        next = next.join(begun.headers()["location"].to_str().unwrap()).unwrap();
        next.query_pairs_mut().append_pair("digest", blob.as_str());
        let put = client.put(next).body(content.clone()).send().await.unwrap();
        assert!(put.status().is_success(), "{}", put.status());
    }
    let address = format!("http://{host}/v2/{repository}/manifests/{tag}");
    let put = client.put(address).header("content-type", MANIFEST).body(layout.blobs[&digest].clone());
    let answer = put.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_of_a_real_registry_is_locked_and_loaded() {
    let what = "loading artifacts";
    let needed = ["REGISTRY", "REGISTRY_TLS", "REGISTRY_TOKEN", "REGISTRY_CA", "REGISTRY_USER", "REGISTRY_PASSWORD"];
    let Some(engines) = Engines::with(what, &[&needed[..], &["SKOPEO"]].concat()) else { return };
    let plain = engines.get("REGISTRY");
    publish(plain, "remote-real/shop", "1").await;
    let directory = Shop::empty();
    directory.write("ca.pem", &fs::read_to_string(engines.get("REGISTRY_CA")).unwrap());
    let tls = engines.get("REGISTRY_TLS");
    directory.write("transship.yaml", &format!("images: {{sources: [{{prefix: '{tls}', ca: ca.pem}}]}}\n"));
    let login = format!("{}:{}", engines.get("REGISTRY_USER"), engines.get("REGISTRY_PASSWORD"));
    for host in ["REGISTRY_TLS", "REGISTRY_TOKEN"] {
        let target = format!("docker://{}/remote-real/shop:1", engines.get(host));
        let options = ["copy", "-q", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
        let mut copy = Command::new(engines.get("SKOPEO"));
        copy.args(options).args(["--dest-creds", &login, &format!("docker://{plain}/remote-real/shop:1"), &target]);
        let output = copy.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let config = |host: &str| {
        directory.write("compose.yaml", &format!("name: here\ninclude: ['oci://{host}/remote-real/shop:1']\n"));
        let output = directory.run(["config"]).get_output().clone();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    assert!(config(plain).1.contains("stage: production"));
    for host in ["REGISTRY_TLS", "REGISTRY_TOKEN"] {
        let (done, said) = config(engines.get(host));
        assert!(!done && said.contains("error[registry-denied]") && said.contains("compose.yaml:2:11"), "{said}");
    }
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &login);
    let auths = serde_json::json!({"auths": {tls: {"auth": basic}, engines.get("REGISTRY_TOKEN"): {"auth": basic}}});
    directory.write(".docker/config.json", &auths.to_string());
    for host in ["REGISTRY_TLS", "REGISTRY_TOKEN"] {
        let (done, said) = config(engines.get(host));
        assert!(done && said.contains("stage: production"), "{said}");
    }
}

/// Where a program is, if the engines know it.
fn docker_compose(engines: &Engines) -> Option<String> {
    engines.find("DOCKER_COMPOSE").map(str::to_owned)
}

/// What a program prints for `config`, with its own cache taken out; `None` when it refuses.
fn configuration(program: &str, arguments: &[&str], directory: &Path, home: &Path) -> Option<Json> {
    let mut command = Command::new(program);
    command.args(arguments).arg("config").current_dir(directory).env_clear().stdin(Stdio::null());
    let output = command.env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
    if !output.status.success() {
        return None;
    }
    let mut text = String::from_utf8(output.stdout).unwrap();
    let cache = format!("{}/.cache/", home.display());
    while let Some(at) = text.find(&cache) {
        // The directory of a program, the kind, the commit or digest: all up to its last letter.
        let rest = &text[at + cache.len()..];
        let mut end = at + cache.len();
        for part in rest.split(['/', '\n']) {
            end += part.len() + 1;
            if part.len() >= 40 {
                break;
            }
        }
        text.replace_range(at..end - 1, "CACHE");
    }
    let documents = yaml::parse(text.as_bytes(), "output", FileRole::Manifest, &Origins::new()).unwrap();
    let mut json = documents.first().unwrap().root.masked();
    json.sort_all_objects();
    Some(json)
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_parts_are_read_as_docker_compose_reads_them_real() {
    let Some(engines) = Engines::with("comparing remote parts", &["REGISTRY"]) else { return };
    let Some(reference) = docker_compose(&engines) else {
        eprintln!("skipped: comparing remote parts needs docker-compose; tests/engines/up compose builds it");
        return;
    };
    let registry = engines.get("REGISTRY");
    publish(registry, "remote-real/compared", "1").await;
    let (here, home) = (Shop::empty(), tempfile::tempdir().unwrap());
    let repository = home.path().join("repository");
    let insteads =
        ["https://git.example.com/base.git", "git@git.example.com:base.git", "git://git.example.com/base.git"];
    let insteads: String = insteads.iter().map(|address| format!(" insteadOf = {address}\n")).collect();
    fs::write(
        home.path().join(".gitconfig"),
        format!("[user]\n name = t\n email = t@example.com\n[url \"file://{}\"]\n{insteads}", repository.display()),
    )
    .unwrap();
    for (name, text) in [
        ("compose.yaml", "services:\n  root: {image: root, env_file: root.env, build: .}\n"),
        ("root.env", "A=root\n"),
        (".env", "DOT=root\n"),
        ("o.env", "O=root\n"),
        ("sub.env", "S=root\n"),
        ("other.yaml", "services: {o: {image: o, env_file: o.env, labels: {of: root}}}\n"),
        ("sub/.env", "DOT=sub\n"),
        ("sub/o.env", "O=sub\n"),
        ("sub/sub.env", "S=sub\n"),
        ("sub/other.yaml", "services: {o: {image: o, env_file: o.env, labels: {of: sub}}}\n"),
        (
            "sub/compose.yaml",
            "name: named\ninclude: [deep/more.yaml]\nservices:\n  sub:\n    image: sub:${DOT:-none}\n    env_file: sub.env\n    \
             volumes: [./data:/data]\n    extends: {file: other.yaml, service: o}\nsecrets:\n  s: {environment: DOT}\n",
        ),
        ("sub/deep/more.yaml", "services: {more: {image: more, volumes: [./d:/d], build: {context: ..}}}\n"),
    ] {
        let path = repository.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let git = |arguments: &[&str]| {
        let run =
            Command::new("git").args(arguments).current_dir(&repository).env("HOME", home.path()).output().unwrap();
        assert!(run.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "x"]);
    git(&["tag", "v1"]);
    here.write(".env", "DOT=here\n");
    here.write("sub.env", "S=here\n");
    here.write("here/sub.env", "S=there\n");
    here.write("here/o.env", "O=there\n");
    here.write("own.env", "DOT=own\n");
    here.write("own.yaml", "services: {sub: {labels: {over: own}, volumes: ['./z:/z']}}\n");
    let base = "https://git.example.com/base.git";
    let artifact = format!("oci://{registry}/remote-real/compared:1");
    let files: &[(&str, String)] = &[
        ("include.yaml", format!("include: ['{base}#main:sub']\nservices: {{web: {{image: web}}}}\n")),
        ("twice.yaml", format!("include: ['git@git.example.com:base.git', '{base}#v1:sub']\n")),
        (
            "long.yaml",
            format!("include: [{{path: ['{base}#main:sub', own.yaml], project_directory: here, env_file: own.env}}]\n"),
        ),
        ("extends.yaml", format!("services: {{w: {{extends: {{file: '{base}#v1:sub', service: sub}}, image: y}}}}\n")),
        ("over.yaml", format!("include: ['{base}#v1:sub']\nservices: {{sub: {{env_file: own.env}}}}\n")),
        ("artifact.yaml", format!("include: ['{artifact}']\n")),
        ("artifact-extends.yaml", format!("services: {{w: {{extends: {{file: '{artifact}', service: web}}}}}}\n")),
        ("both.yaml", format!("include: ['{artifact}', '{base}?tag=v1&subdir=sub/deep/more.yaml']\n")),
    ];
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for (name, text) in files {
        here.write(name, text);
        runs.push(vec!["-f", name]);
    }
    let (at_sub, gone) = (format!("{base}#main:sub"), format!("{base}#gone"));
    runs.extend([
        vec!["-f", base],
        vec!["-f", &at_sub],
        vec!["-f", "git://git.example.com/base.git?branch=main&subdir=sub"],
        vec!["-f", "include.yaml", "-f", base],
        vec!["-f", base, "-f", "own.yaml"],
        vec!["--project-directory", "here", "-f", &at_sub],
        vec!["-f", &artifact],
        vec!["-f", &artifact, "-f", &at_sub],
        // Refused by both.
        vec!["-f", &gone],
        vec!["-f", "https://git.example.com/base.git?subdir=../.."],
        vec!["-f", "https://git.example.com/base.git?unknown=1"],
        vec!["-f", "https://git.example.com/base"],
        vec!["-f", "https://git.example.com/base.git#main:nowhere"],
        vec!["-f", "oci://127.0.0.1:5000/remote-real/compared:none"],
    ]);
    let mut refused = 0;
    for run in &runs {
        let insecure = ["--insecure-registry", registry];
        let theirs = configuration(&reference, &[&insecure, &run[..]].concat(), here.path(), home.path());
        let ours = configuration(env!("CARGO_BIN_EXE_transship"), run, here.path(), home.path());
        assert_eq!(ours, theirs, "{run:?}");
        refused += usize::from(ours.is_none());
    }
    assert_eq!(refused, 7, "of {} runs", runs.len());
}
