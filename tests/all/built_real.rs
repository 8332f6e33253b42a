//! What is built here: named for a registry, pushed there by Docker Compose, and locked and promoted from there.

use std::process::{Command, Output};

use transship::image::Digest;

use crate::{cli_support::Shop, support::engines::Engines};

/// Repositories of its own, and images that nobody else has.
const PLACE: &str = "built-by-a-test";

/// Images of the engine that go with the test.
struct Built<'a>(&'a Engines, Vec<String>);

impl Drop for Built<'_> {
    fn drop(&mut self) {
        let mut remove = Command::new(self.0.get("DOCKER"));
        remove.args(["--host", self.0.get("DOCKER_HOST"), "rmi", "--force"]).args(&self.1);
        let _ = remove.output();
    }
}

#[test]
fn what_is_built_is_pushed_locked_and_promoted_real() {
    let needed = ["REGISTRY", "DOCKER", "DOCKER_HOST", "DOCKER_CONFIG_DIRECTORY", "DOCKER_COMPOSE", "SKOPEO"];
    let Some(engines) = Engines::with("building images", &needed) else { return };
    let registry = engines.get("REGISTRY");
    let (web, named) = (format!("{registry}/{PLACE}/made-web:latest"), format!("{registry}/{PLACE}/own/named:2"));
    let shop = Shop::empty();
    shop.write("web/Dockerfile", &format!("FROM {registry}/pause:1\nLABEL built=web\n"));
    shop.write("named/Dockerfile", &format!("FROM {registry}/pause:1\nLABEL built=named\n"));
    shop.write("transship.yaml", &format!("images: {{qualify: '{registry}/{PLACE}'}}\n"));
    let services = "  web: {build: ./web}\n  named: {build: ./named, image: 'own/named:2'}\n";
    shop.write("compose.yaml", &format!("name: made\nservices:\n{services}  pause: {{image: '{registry}/pause:1'}}\n"));
    let _built = Built(&engines, vec![web.clone(), named.clone()]);
    let run = |arguments: &[&str]| {
        let command = shop.command(env!("CARGO_BIN_EXE_transship")).env("DOCKER_HOST", engines.get("DOCKER_HOST"));
        // The builder that is part of the engine.
        let command = command.env("DOCKER_CONFIG", engines.get("DOCKER_CONFIG_DIRECTORY")).env("DOCKER_BUILDKIT", "0");
        let output = command.args(arguments).assert().get_output().clone();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}");
    };
    for service in ["web", "named"] {
        run(&["compose", "--", "build", service]);
    }
    run(&["compose", "--", "push"]);
    run(&["lock"]);
    run(&["lock", "--check"]);
    let lock = shop.read("transship.lock");
    let locked = |name: &str| {
        let entry = lock.split(&format!("\"{name}\":")).nth(1).unwrap_or_else(|| panic!("{name} is not in {lock}"));
        entry.split("digest: ").nth(1).unwrap().lines().next().unwrap().to_owned()
    };
    let raw = |name: &str| {
        let image = format!("docker://{name}");
        let output =
            Command::new(engines.get("SKOPEO")).args(["inspect", "--raw", "--tls-verify=false", &image]).output();
        Digest::of(&output.unwrap().stdout).to_string()
    };
    assert_eq!((locked(&web), locked(&named)), (raw(&web), raw(&named)));
    assert_ne!(locked(&web), locked(&named));
    // Every service at the digest that was pushed; then the same digests under the name of a release.
    let live = format!("{registry}/{PLACE}/live");
    run(&["promote", "--to", &live, "--tag", "1.4.2", "--service", "web", "--service", "named", "--yes"]);
    assert_eq!(raw(&format!("{live}/made-web:1.4.2")), locked(&web));
    assert_eq!(raw(&format!("{live}/named:1.4.2")), locked(&named));
}

#[test]
fn archives_of_a_real_engine_and_of_skopeo_are_read() {
    let Some(engines) = Engines::with("archives of images", &["REGISTRY", "DOCKER", "DOCKER_HOST", "SKOPEO"]) else {
        return;
    };
    let image = format!("{}/pause:1", engines.get("REGISTRY"));
    let shop = Shop::empty();
    let run = |program: &str, arguments: &[&str]| -> Output {
        let output = Command::new(program).current_dir(shop.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let docker =
        |arguments: &[&str]| run(engines.get("DOCKER"), &[&["--host", engines.get("DOCKER_HOST")], arguments].concat());
    docker(&["pull", "--quiet", &image]);
    docker(&["save", "--output", "saved.tar", &image]);
    let id = String::from_utf8(docker(&["image", "inspect", "--format", "{{.Id}}", &image]).stdout).unwrap();
    let (from, to) = (format!("docker://{image}"), format!("oci-archive:copied.tar:{image}"));
    run(engines.get("SKOPEO"), &["--insecure-policy", "copy", "-q", "--src-tls-verify=false", &from, &to]);
    let raw = run(engines.get("SKOPEO"), &["inspect", "--raw", &to]).stdout;
    shop.write("compose.yaml", &format!("services: {{web: {{image: '{image}'}}}}\n"));
    let locked = |archive: &str| {
        let prefix = engines.get("REGISTRY");
        shop.write("transship.yaml", &format!("images: {{sources: [{{prefix: '{prefix}', archive: {archive}}}]}}\n"));
        let _ = std::fs::remove_file(shop.path().join("transship.lock"));
        shop.run(["lock", "--offline"]).success();
        let lock = shop.read("transship.lock");
        Digest::parse(lock.split("digest: ").nth(1).unwrap().lines().next().unwrap()).unwrap()
    };
    // Another's archive has another's manifest; one of an engine has none, and always comes to the same.
    assert_eq!(locked("copied.tar"), Digest::of(&raw));
    let saved = locked("saved.tar");
    let layout = transship::image::Layout::open(&shop.path().join("saved.tar")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&layout.blob(&saved, 1 << 20).unwrap()).unwrap();
    assert_eq!(manifest["config"]["digest"], id.trim(), "the id of an image is the digest of its configuration");
    run("gzip", &["-k", "saved.tar"]);
    assert_eq!(locked("saved.tar.gz"), saved);
}
