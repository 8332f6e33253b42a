//! Images that a Docker Engine has, and perhaps nobody else.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value as Json, json};
use transship::{
    compose::model::Project,
    engine::Address,
    image::{
        Digest, ImagePolicy, ImageSettings, Kind, Lock, PinMode, Registries, Request, Resolution, SourceKind,
        SourceRule, pin,
    },
    value::{Located, Spot},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::{
    cli_support::Shop,
    layout::{load, told},
    support::{
        engines::Engines,
        image_layout::tar,
        scripted_registry::{Images, ScriptedRegistry},
    },
};

const ID: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// An engine that has these images, by name or id.
async fn engine(images: &[(&str, Json)]) -> MockServer {
    let server = MockServer::start().await;
    let ping = ResponseTemplate::new(200).insert_header("Api-Version", "1.41");
    Mock::given(path("/_ping")).respond_with(ping).mount(&server).await;
    for (name, image) in images {
        let answer = ResponseTemplate::new(200).set_body_json(image);
        Mock::given(path(format!("/v1.41/images/{name}/json"))).respond_with(answer).mount(&server).await;
    }
    server
}

fn inspected(id: &str, digests: &[String]) -> Json {
    json!({
        "Id": id, "RepoDigests": digests, "Os": "linux", "Architecture": "amd64",
        "Config": {"User": "node", "ExposedPorts": {"8080/tcp": {}}},
    })
}

fn settings(host: &str, prefix: &str, one_host: bool) -> ImageSettings {
    let variables = BTreeMap::from([("DOCKER_HOST".to_owned(), format!("tcp://{host}"))]);
    let kind = SourceKind::Engine(Address::find(&variables, None));
    ImageSettings {
        sources: vec![SourceRule { prefix: Located::new(prefix.into(), Spot::NOWHERE), kind }],
        policy: ImagePolicy { one_host, ..ImagePolicy::default() },
        ..ImageSettings::default()
    }
}

async fn pin_one(
    project: &Arc<Project>,
    settings: &ImageSettings,
    lock: Option<&Lock>,
    mode: PinMode,
) -> Result<Resolution, String> {
    let registries = Registries::default();
    let (mode, registries) = (&mode, &registries);
    let request = Request { project, additional: &[], lock, mode, settings, platforms: &[], registries };
    pin(request).await.map_err(|findings| told(&findings, &project.origins))
}

fn app(image: &str) -> Arc<Project> {
    load(&[("compose.yaml", &format!("services: {{app: {{image: '{image}'}}}}\n"))], &[], &[])
}

#[tokio::test]
async fn what_was_never_pushed_is_its_id_and_runs_on_one_host_alone() {
    let server = engine(&[("docker.io/library/app:1", inspected(ID, &[])), (ID, inspected(ID, &[]))]).await;
    let (host, project) = (server.address().to_string(), app("app:1"));
    let here = settings(&host, "docker.io/library", true);
    let found = pin_one(&project, &here, None, PinMode::Missing).await.unwrap();
    let image = found.pinned.image_of("app").unwrap();
    assert_eq!((&*image.reference, image.kind), (ID, Kind::Local));
    let configuration = image.configuration.as_ref().unwrap();
    assert_eq!((configuration.user.as_deref(), configuration.exposed_ports.len()), (Some("node"), 1));
    let text = found.lock.to_yaml();
    assert!(text.contains(&format!("digest: {ID}\n    kind: local\n")), "{text}");
    let read = Lock::parse(text.as_bytes(), "transship.lock", &project.origins).unwrap();
    assert_eq!(pin_one(&project, &here, Some(&read), PinMode::Locked).await.unwrap().changes, []);
    for mode in [PinMode::Missing, PinMode::Locked] {
        let elsewhere = settings(&host, "docker.io/library", false);
        let told = pin_one(&project, &elsewhere, Some(&read), mode).await.map(|_| ()).unwrap_err();
        assert_eq!(
            told,
            "compose.yaml:1:25: image-only-local: image `app:1` exists on one Docker host alone, and cannot run \
             elsewhere\n  help: push it, and run `transship lock --update`\n"
        );
    }
}

#[tokio::test]
async fn the_id_of_an_image_is_no_name() {
    // As engines read it; read as a reference it would be a tag of a repository `sha256`.
    let bare = ID.trim_start_matches("sha256:");
    for (id, settings) in [
        (ID, ImageSettings::default()),
        (ID, settings("127.0.0.1:1", "docker.io", true)),
        (bare, ImageSettings::default()),
    ] {
        let told = pin_one(&app(id), &settings, None, PinMode::Missing).await.map(|_| ()).unwrap_err();
        assert_eq!(
            told,
            format!(
                "compose.yaml:1:25: image-reference: image `{id}`: it is an image id, and no registry knows those\n  \
                 help: write it as `registry/repository:tag`\n"
            )
        );
    }
}

#[tokio::test]
async fn what_was_pushed_has_the_digest_of_its_repository() {
    let images = Images::default().with("app", "1", &["linux/amd64", "linux/arm64"], &json!({}));
    let registry = ScriptedRegistry::start(&images, Box::new(|_, _| None)).await;
    let (host, digest) = (registry.host(), images.digest());
    let name = format!("{host}/app:1");
    // Its digests are those of several repositories.
    let digests = [format!("other.example.com/app@{}", Digest::of(b"other")), format!("{host}/app@{digest}")];
    let server = engine(&[(&name, inspected(ID, &digests))]).await;
    let settings = settings(&server.address().to_string(), &host, false);
    let found = pin_one(&app(&name), &settings, None, PinMode::Missing).await.unwrap();
    let image = found.pinned.image_of("app").unwrap();
    assert_eq!((&image.digest, image.kind), (&digest, Kind::Index));
    assert_eq!(*image.reference, format!("{host}/app@{digest}"));
    assert!(registry.seen().iter().all(|call| !call.ends_with("/manifests/1")), "{:?}", registry.seen());
}

#[tokio::test]
async fn a_digest_that_only_the_engine_knows_is_no_digest() {
    // As engines with the store of containerd show what they have built.
    let registry = ScriptedRegistry::start(&Images::default(), Box::new(|_, _| None)).await;
    let name = format!("{}/app:1", registry.host());
    let server = engine(&[(&name, inspected(ID, &[format!("{}/app@{ID}", registry.host())]))]).await;
    let settings = settings(&server.address().to_string(), &registry.host(), true);
    let found = pin_one(&app(&name), &settings, None, PinMode::Missing).await.unwrap();
    assert_eq!(found.pinned.image_of("app").map(|image| image.kind), Some(Kind::Local));
}

#[tokio::test]
async fn what_an_engine_does_not_have_is_looked_for_nowhere_else() {
    let server = engine(&[]).await;
    let host = server.address().to_string();
    let told = |settings: ImageSettings| async move {
        pin_one(&app("app:1"), &settings, None, PinMode::Missing).await.map(|_| ()).unwrap_err()
    };
    let missing = told(settings(&host, "docker.io/library", true)).await.replace(&host, "ENGINE");
    assert_eq!(
        missing,
        "compose.yaml:1:25: image-not-found: image `app:1`: the Docker Engine at tcp://ENGINE has no such image\n  \
         help: build or pull it there, or take its prefix out of the sources with `engine`\n"
    );
    drop(server);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let down = told(settings(&nobody, "docker.io/library", true)).await.replace(&nobody, "ENGINE");
    assert!(
        down.contains("registry-unreachable: image `app:1`: the Docker Engine at tcp://ENGINE cannot be"),
        "{down}"
    );
}

#[tokio::test]
async fn real_engine_is_a_source_until_the_image_is_pushed() {
    let Some(engines) = Engines::with("images of an engine", &["DOCKER_HOST", "DOCKER", "IMAGES"]) else { return };
    let shop = Shop::empty();
    let docker = |arguments: &[&str]| {
        let command = shop.command(engines.get("DOCKER")).env("DOCKER_HOST", engines.get("DOCKER_HOST"));
        let output = command.args(arguments).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let name = format!("{}/transship-test/local:1", engines.get("IMAGES"));
    std::fs::write(shop.path().join("root.tar"), tar("etc/passwd", b"node:x:1000:1000::/:/bin/sh\n")).unwrap();
    docker(&["import", "--change", "USER node", "--change", "CMD [\"/run\"]", "root.tar", &name]);
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &name]);
    shop.write("compose.yaml", &format!("services: {{app: {{image: '{name}'}}}}\n"));
    shop.write(
        "transship.yaml",
        &format!(
            "images: {{sources: [{{prefix: '{}', engine: true}}]}}\n\
             environments: {{here: {{compose: {{}}}}, there: {{kubernetes: {{context: x}}}}}}\n",
            engines.get("IMAGES")
        ),
    );
    let lock = |environment: &str, update: bool| {
        let update = if update { "--update" } else { "--upstream" };
        let command = shop.command(env!("CARGO_BIN_EXE_transship")).env("DOCKER_HOST", engines.get("DOCKER_HOST"));
        command.args(["lock", environment, update]).assert()
    };
    lock("here", false).success();
    let text = shop.read("transship.lock");
    assert!(text.contains(&format!("digest: {id}\n    kind: local\n")), "{text}");
    let told = lock("there", false).code(1).get_output().stderr.clone();
    assert!(String::from_utf8(told).unwrap().starts_with("error[image-only-local]"));
    docker(&["push", "-q", &name]);
    lock("there", true).success();
    let digest = docker(&["image", "inspect", "--format", "{{index .RepoDigests 0}}", &name]);
    let text = shop.read("transship.lock");
    assert!(text.contains(&format!("digest: {}\n    kind: manifest\n", digest.split('@').nth(1).unwrap())), "{text}");
    // And what it names as its user, out of the layer in the registry.
    assert!(text.contains("node: 1000:1000"), "{text}");
    docker(&["image", "rm", &name]);
}
