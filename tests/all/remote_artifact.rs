//! Parts of Compose files out of registries, through the real program and a registry that does as it is told.

use serde_json::json;
use snapbox::str;
use transship::image::Digest;
use wiremock::ResponseTemplate;

use crate::{
    cli_support::Shop,
    support::{
        compose_artifact::{COMPOSE_FILE, ENV_FILE, File, PROJECT, artifact, manifest, shop},
        image_layout::{INDEX, ImageLayout, bytes},
        scripted_registry::{Images, Rule, ScriptedRegistry},
    },
};

fn honest() -> Rule {
    Box::new(|_, _| None)
}

fn published() -> Images {
    Images::default().with_content("team/shop", "1", |layout| artifact(layout, &shop()))
}

/// A directory that includes something of a registry.
fn including(registry: &ScriptedRegistry, what: &str) -> Shop {
    let directory = Shop::empty();
    directory.write("compose.yaml", &format!("name: here\ninclude:\n  - oci://{}/{what}\n", registry.host()));
    directory
}

/// What the program prints, or of what it complains.
fn told(directory: &Shop, registry: &ScriptedRegistry, arguments: &[&str]) -> String {
    let run = directory.command(env!("CARGO_BIN_EXE_transship")).args(arguments).assert();
    let output = run.get_output();
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8(text.clone()).unwrap();
    text.replace(directory.path().to_str().unwrap(), "[HERE]").replace(&registry.host(), "REGISTRY")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_included_with_its_overlays_and_files() {
    let images = published();
    let registry = ScriptedRegistry::start(&images, honest()).await;
    let directory = including(&registry, "team/shop:1");
    let text = told(&directory, &registry, &["config"]).replace(images.digest().hex(), "[DIGEST]");
    snapbox::assert_data_eq!(
        text,
        str![[r"
name: here
services:
  web:
    environment:
      FROM: artifact
    image: registry.example.com/app:1
    labels:
      stage: production
    networks:
      default: null
    volumes:
    - type: bind
      source: [HERE]/.cache/transship/oci/sha256-[DIGEST]/data
      target: /data
      bind: {}
networks:
  default:
    name: here_default

"]]
    );
    let provenance = told(&directory, &registry, &["config", "--provenance"]);
    assert!(provenance.contains("oci://REGISTRY/team/shop:1/compose.yaml:"), "{provenance}");
    assert!(provenance.contains("oci://REGISTRY/team/shop:1/base.yaml:5:12"), "{provenance}");
    let reference = format!("oci://{}/team/shop@{}", registry.host(), images.digest());
    let before = registry.seen().len();
    assert!(told(&directory, &registry, &["-f", &reference, "config"]).starts_with("name: shop\n"));
    assert_eq!(registry.seen().len(), before, "a digest that was fetched before needs nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_holds_artifacts_to_their_digests() {
    let images = published().with_content("team/shop", "1", |layout| {
        artifact(
            layout,
            &[File(COMPOSE_FILE, &[], "services: {web: {image: 'registry.example.com/app:1', labels: [moved]}}\n")],
        )
    });
    let now = images.digest();
    let first = artifact(&mut ImageLayout::default(), &shop());
    let registry = ScriptedRegistry::start(&images, honest()).await;
    let directory = including(&registry, "team/shop:1");
    let layout = &mut ImageLayout::default();
    layout.image("registry.example.com/app:1", &["linux/amd64"], &json!({}));
    layout.write(&directory.path().join("images"));
    directory.write("transship.yaml", "images: {sources: [{prefix: registry.example.com, layout: images}]}\n");
    let text = told(&directory, &registry, &["lock"]);
    assert!(text.contains(&format!("+ oci://REGISTRY/team/shop:1 {first}\n")), "{text}");
    let lock = directory.read("transship.lock");
    assert!(lock.contains(&format!("includes:\n  \"oci://{}/team/shop:1\": {first}\n", registry.host())), "{lock}");
    // Pushed anew under the same tag.
    directory.write("transship.lock", &lock.replace(first.as_str(), now.as_str()));
    assert!(told(&directory, &registry, &["--locked", "config"]).contains("moved"));
    directory.write("transship.lock", &lock);
    let before = registry.seen().len();
    assert!(told(&directory, &registry, &["--locked", "config"]).contains("stage: production"));
    directory.run(["lock", "--check", "--offline"]).success();
    assert_eq!(registry.seen().len(), before);
    directory.write("transship.lock", &lock.replace(first.as_str(), &"0".repeat(40)));
    let text = told(&directory, &registry, &["lock"]);
    assert!(text.starts_with("error[lock-broken]"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_an_artifact_is_read_and_no_other() {
    let of_index = |layout: &mut ImageLayout, artifact_type: &str| {
        let digest = artifact(layout, &shop());
        let entry = json!({"mediaType": crate::support::image_layout::MANIFEST, "digest": digest.as_str(),
            "size": 1, "artifactType": artifact_type});
        let image = json!({"mediaType": crate::support::image_layout::MANIFEST, "digest": digest.as_str(), "size": 1,
            "platform": {"os": "linux", "architecture": "amd64"}});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image, entry]});
        let descriptor = layout.blob(INDEX, bytes(&index));
        Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap()
    };
    let named = |name: &'static str| artifact_of_env(name);
    let images = Images::default()
        .with_content("a", "old", |layout| {
            manifest(layout, &shop(), "application/vnd.docker.compose.config.empty.v1+json", None)
        })
        .with_content("a", "index", |layout| of_index(layout, PROJECT))
        .with_content("a", "other-index", |layout| of_index(layout, "application/vnd.example.chart"))
        .with_content("a", "chart", |layout| {
            manifest(layout, &shop(), "application/vnd.oci.empty.v1+json", Some("application/vnd.example.chart"))
        })
        .with("a", "image", &["linux/amd64"], &json!({}))
        .with_content("a", "up", named("../x.env"))
        .with_content("a", "absolute", named("/x.env"))
        .with_content("a", "empty", |layout| artifact(layout, &[]));
    let registry = ScriptedRegistry::start(&images, honest()).await;
    for tag in ["old", "index"] {
        let text = told(&including(&registry, &format!("a:{tag}")), &registry, &["config"]);
        assert!(text.contains("stage: production"), "{tag}: {text}");
    }
    for (tag, code, words) in [
        ("chart", "artifact-type", "it is no Compose application but of the type application/vnd.example.chart"),
        ("other-index", "artifact-type", "it is no Compose application but an index without one"),
        ("image", "artifact-type", "it is no Compose application but an image or something else"),
        ("up", "artifact-type", "a file with the name `../x.env`, which would lie outside it"),
        ("absolute", "artifact-type", "a file with the name `/x.env`"),
        ("empty", "remote-file", "holds no compose.yaml"),
        ("missing", "image-not-found", "has no `missing` of a"),
    ] {
        let text = told(&including(&registry, &format!("a:{tag}")), &registry, &["config"]);
        assert!(text.starts_with(&format!("error[{code}]")) && text.contains(words), "{tag}: {text}");
        assert!(text.contains("--> compose.yaml:3:5") && text.contains("= help: "), "{tag}: {text}");
    }
    let text = told(&including(&registry, "A:1"), &registry, &["config"]);
    assert!(text.starts_with("error[image-reference]") && text.contains("compose.yaml:3:5"), "{text}");
    let directory = including(&registry, "a:old");
    let run = directory.command(env!("CARGO_BIN_EXE_transship")).env("COMPOSE_EXPERIMENTAL_OCI_REMOTE", "false");
    let run = run.arg("config").assert().code(1);
    assert!(
        String::from_utf8_lossy(&run.get_output().stderr).contains("COMPOSE_EXPERIMENTAL_OCI_REMOTE switches it off")
    );
}

fn artifact_of_env(name: &'static str) -> impl FnOnce(&mut ImageLayout) -> Digest {
    move |layout| {
        let main = File(COMPOSE_FILE, &[], "services: {a: {image: a}}\n");
        artifact(layout, &[main, File(ENV_FILE, &[("com.docker.compose.envfile", name)], "A=1\n")])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_registry_are_told_at_the_reference_and_leave_nothing_behind() {
    let text = |directory: &Shop, registry: &ScriptedRegistry| told(directory, registry, &["config"]);
    let denied: Rule = Box::new(|_, _| Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", "Basic")));
    let registry = ScriptedRegistry::start(&published(), denied).await;
    snapbox::assert_data_eq!(
        text(&including(&registry, "team/shop:1"), &registry),
        str![[r"
error[registry-denied]: cannot read oci://REGISTRY/team/shop:1: REGISTRY denies access (401); tried without credentials, as none are kept for it
 --> compose.yaml:3:5
  |
3 |   - oci://[..]
  |     ^^^^^^[..]
  |
  = help: log in with `docker login REGISTRY`, or check the rights of the account


"]]
    );
    // A blob that is not what it is called; the next run begins from nothing.
    let altered: Rule = Box::new(|request, before| {
        let blob = request.url.path().contains("/blobs/") && before == 0;
        blob.then(|| ResponseTemplate::new(200).set_body_string("services: {evil: {image: evil}}\n"))
    });
    let registry = ScriptedRegistry::start(&published(), altered).await;
    let directory = including(&registry, "team/shop:1");
    let said = text(&directory, &registry);
    assert!(said.starts_with("error[image-digest-mismatch]") && said.contains("compose.yaml:3:5"), "{said}");
    assert!(!directory.path().join(".cache/transship/oci").exists(), "nothing is begun before all of it is there");
    let mut said = said;
    for _ in 0..4 {
        said = text(&directory, &registry);
    }
    assert!(said.contains("stage: production") && !said.contains("evil"), "{said}");
    // Nobody there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = Shop::empty();
    directory.write("compose.yaml", &format!("name: here\ninclude:\n  - oci://{nobody}/team/shop:1\n"));
    let said = text(&directory, &registry);
    assert!(said.starts_with("error[registry-unreachable]") && said.contains("nothing listens at"), "{said}");
    assert!(said.contains("compose.yaml:3:5"), "{said}");
}
