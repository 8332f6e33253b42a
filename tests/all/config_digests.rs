//! `config --resolve-image-digests` and `--lock-image-digests`: with a registry that does as it is told, and with a real
//! one beside Docker Compose.

use std::process::Command;

use serde_json::{Value as Json, json};
use snapbox::str;
use wiremock::ResponseTemplate;

use crate::{
    cli_support::Shop,
    support::{
        engines::Engines,
        scripted_registry::{Images, Rule, ScriptedRegistry},
    },
};

fn honest() -> Rule {
    Box::new(|_, _| None)
}

/// Every way in which an application names an image.
fn application(host: &str, digest: &str) -> String {
    format!(
        "\
name: shop
services:
  built: {{build: .}}
  both: {{image: '{host}/shop/web:1.4.2@{digest}'}}
  hooked:
    image: {host}/shop/web:1.4.2
    pre_start: [{{image: '{host}/shop/web:1.4.2', command: [migrate]}}, {{command: [check]}}]
    volumes: [{{type: image, source: '{host}/shop/web:1.4.2', target: /web}}]
  latest: {{image: '{host}/shop/web'}}
  pinned: {{image: '{host}/shop/web@{digest}'}}
"
    )
}

/// What the program prints, or of what it complains.
fn told(directory: &Shop, host: &str, digest: &str, arguments: &[&str]) -> String {
    let run = directory.command(env!("CARGO_BIN_EXE_transship")).arg("config").args(arguments).assert();
    let output = run.get_output();
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8(text.clone()).unwrap();
    text.replace(host, "REGISTRY").replace(digest, "DIGEST").replace(directory.path().to_str().unwrap(), "[HERE]")
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_printed_with_their_digests() {
    let images = Images::default().with("shop/web", "1.4.2", &["linux/amd64", "linux/arm64"], &json!({})).with(
        "shop/web",
        "latest",
        &["linux/amd64", "linux/arm64"],
        &json!({}),
    );
    let registry = ScriptedRegistry::start(&images, honest()).await;
    let (host, digest) = (registry.host(), images.digest().to_string());
    let directory = Shop::empty();
    directory.write("compose.yaml", &application(&host, &digest));
    let say = |arguments: &[&str]| told(&directory, &host, &digest, arguments);
    snapbox::assert_data_eq!(
        say(&["--lock-image-digests"]),
        str![[r"
services:
  both:
    image: REGISTRY/shop/web@DIGEST
  built: {}
  hooked:
    image: REGISTRY/shop/web:1.4.2@DIGEST
    volumes:
    - type: image
      source: REGISTRY/shop/web:1.4.2@DIGEST
      target: /web
  latest:
    image: REGISTRY/shop/web:latest@DIGEST
  pinned:
    image: REGISTRY/shop/web@DIGEST

"]]
    );
    let whole = say(&["--resolve-image-digests", "--format", "json"]);
    let whole: Json = serde_json::from_str(&whole).unwrap();
    let service = |name: &str| whole["services"][name].clone();
    assert_eq!(service("built")["build"]["context"], "[HERE]");
    assert_eq!(service("latest")["image"], "REGISTRY/shop/web:latest@DIGEST");
    assert_eq!(service("pinned")["image"], "REGISTRY/shop/web@DIGEST");
    assert_eq!(service("hooked")["pre_start"][0]["command"], json!(["migrate"]));
    assert_eq!(service("hooked")["volumes"][0]["source"], "REGISTRY/shop/web:1.4.2@DIGEST");
    // What it prints is an overlay that pins the same application.
    let overlay = say(&["--lock-image-digests"]).replace("REGISTRY", &host).replace("DIGEST", &digest);
    directory.write("digests.yaml", &overlay);
    let images = directory.command(env!("CARGO_BIN_EXE_transship"));
    let images = images.args(["-f", "compose.yaml", "-f", "digests.yaml", "config", "--images"]).assert().success();
    let images = String::from_utf8(images.get_output().stdout.clone()).unwrap();
    // Neither the hooks, which no overlay can reach, nor what is built.
    let open: Vec<&str> = images.lines().filter(|image| !image.contains(&digest)).collect();
    assert_eq!(open, [format!("{host}/shop/web:1.4.2").as_str(), "shop-built"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_a_digest_stops_everything() {
    let images = Images::default().with("shop/web", "1.4.2", &["linux/amd64"], &json!({}));
    let registry = ScriptedRegistry::start(&images, honest()).await;
    let directory = Shop::empty();
    directory
        .write("compose.yaml", &format!("name: a\nservices:\n  web:\n    image: {}/shop/web:9\n", registry.host()));
    let say =
        |registry: &ScriptedRegistry, arguments: &[&str]| told(&directory, &registry.host(), "no digest", arguments);
    snapbox::assert_data_eq!(
        say(&registry, &["--lock-image-digests"]),
        str![[r"
error[image-not-found]: image `REGISTRY/shop/web:9`: REGISTRY has no `9` of shop/web (404, MANIFEST_UNKNOWN)
 --> compose.yaml:4:12
  |
4 |     image: REGISTRY/shop/web:9
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: check the name and the tag, and whether it was pushed


"]]
    );
    for flag in ["--resolve-image-digests", "--lock-image-digests"] {
        let text = say(&registry, &[flag, "--locked"]);
        assert!(text.starts_with("error[image-not-locked]") && text.contains("--> compose.yaml:4:12"), "{text}");
    }
    for (status, code) in [(401, "registry-denied"), (403, "registry-denied"), (404, "image-not-found")] {
        let rule: Rule =
            Box::new(move |_, _| Some(ResponseTemplate::new(status).insert_header("WWW-Authenticate", "Basic")));
        let registry = ScriptedRegistry::start(&images, rule).await;
        directory
            .write("compose.yaml", &format!("name: a\nservices:\n  web:\n    image: {}/shop/web:9\n", registry.host()));
        let text = say(&registry, &["--resolve-image-digests"]);
        assert!(text.starts_with(&format!("error[{code}]")) && text.contains("--> compose.yaml:4:12"), "{text}");
    }
}

#[test]
fn digests_are_those_that_docker_compose_finds_real() {
    let what = "comparing the digests of images";
    let Some(engines) = Engines::with(what, &["REGISTRY", "DOCKER_HOST", "DOCKER_COMPOSE", "SKOPEO"]) else { return };
    // A prefix of its own: other tests run what the registry holds as the shop's images.
    let host = &format!("{}/compared", engines.get("REGISTRY"));
    let layout = format!("oci:{}/examples/shop/images:registry.example.com/shop/web:1.4.2", env!("CARGO_MANIFEST_DIR"));
    for tag in ["1.4.2", "latest"] {
        let mut copy = Command::new(engines.get("SKOPEO"));
        copy.args([
            "copy",
            "-q",
            "--all",
            "--dest-tls-verify=false",
            &layout,
            &format!("docker://{host}/shop/web:{tag}"),
        ]);
        let output = copy.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let raw = format!("docker://{host}/shop/web:1.4.2");
    let raw =
        Command::new(engines.get("SKOPEO")).args(["inspect", "--raw", "--tls-verify=false", &raw]).output().unwrap();
    let digest = transship::image::Digest::of(&raw.stdout).to_string();
    let directory = Shop::empty();
    directory.write("compose.yaml", &application(host, &digest));
    let run = |program: &str, arguments: &[&str]| {
        let command = directory.command(program).env("DOCKER_HOST", engines.get("DOCKER_HOST"));
        let run = command.arg("config").args(arguments).assert();
        let output = run.get_output().clone();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let parsed = |text: &str| {
        let origins = transship::value::Origins::new();
        let documents = transship::yaml::parse(text.as_bytes(), "o", transship::value::FileRole::Manifest, &origins);
        let mut json = documents.unwrap().first().unwrap().root.masked();
        json.sort_all_objects();
        json
    };
    for arguments in [
        &["--resolve-image-digests"][..],
        &["--lock-image-digests"],
        &["--resolve-image-digests", "--format", "json"],
        &["--lock-image-digests", "--format", "json"],
        &["--resolve-image-digests", "--no-normalize"],
        &["--lock-image-digests", "latest"],
    ] {
        let (theirs, ours) =
            (run(engines.get("DOCKER_COMPOSE"), arguments), run(env!("CARGO_BIN_EXE_transship"), arguments));
        assert!(theirs.0 && ours.0, "{arguments:?}\n{}\n{}", theirs.1, ours.1);
        assert_eq!(parsed(&ours.1), parsed(&theirs.1), "{arguments:?}");
    }
}
