//! The lock, through the real program.

use snapbox::str;

use crate::{
    cli_support::Shop,
    support::image_layout::{ImageLayout, tar},
};

#[test]
fn an_up_to_date_lock_needs_nobody() {
    let shop = Shop::copy();
    shop.run(["lock", "--check"]).success();
    shop.run(["lock", "--offline"]).success();
    shop.run(["lock", "--upstream"]).success().stdout_eq(str![[r"
transship.lock: 8 images, unchanged

"]]);
    shop.document("lock", ["lock", "--upstream", "--format", "json"]);
}

#[test]
fn what_moved_upstream_is_told_apart_and_changes_nothing() {
    let shop = Shop::copy();
    let lock = shop.read("transship.lock");
    let line = |name: &str| {
        let after = lock.split(&format!("\"{name}\":")).nth(1).unwrap();
        after.split("digest: ").nth(1).unwrap().lines().next().unwrap().to_owned()
    };
    let (web, api) = (line("registry.example.com/shop/web:1.4.2"), line("registry.example.com/shop/api:1.4.2"));
    // As if the web image had been pushed anew since.
    shop.write("transship.lock", &lock.replacen(&web, &api, 1));
    let before = shop.read("transship.lock");
    let document = shop.document("lock", ["lock", "--upstream", "--format", "json"]);
    assert_eq!(document["upstream"][0]["now"], web.as_str());
    assert_eq!(document["upstream"][0]["locked"], api.as_str());
    assert_eq!(document["upstream"][0]["kept"], true);
    shop.run(["lock", "--check", "--upstream"]).success();
    assert_eq!(shop.read("transship.lock"), before);
}

#[test]
fn a_registry_that_is_down_leaves_the_lock_as_it_is() {
    let shop = Shop::copy();
    let before = shop.read("transship.lock");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    shop.edit("transship.yaml", "    - docker.io/library/**\n", "    - docker.io/library/**\n    - 127.0.0.1:*/**\n");
    shop.write(
        "compose.production.yaml",
        &format!("services:\n  web: {{image: '{nobody}/web:1'}}\n  api: {{image: '{nobody}/api:1'}}\n"),
    );
    // What is wrong in one environment does not hide what is wrong in another.
    shop.write("compose.staging.yaml", &format!("services:\n  worker: {{image: '{nobody}/worker:1'}}\n"));
    let output = shop.run(["lock"]).code(1).stdout_eq("").get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap().replace(&nobody, "REGISTRY");
    assert_eq!(told.matches("error[registry-unreachable]").count(), 3, "{told}");
    assert!(told.contains("nothing listens at REGISTRY"), "{told}");
    assert_eq!(shop.read("transship.lock"), before);
}

#[test]
fn an_environment_can_refuse_images() {
    let shop = Shop::copy();
    shop.edit(
        "transship.yaml",
        "  production:\n",
        "  production:\n    images: {locked: true, refuseLatest: true, allow: [registry.example.com/shop/**]}\n",
    );
    shop.run(["lock", "production", "--check"]).code(1).stderr_eq(str![[r"
error[image-not-allowed]: image `postgres:17`: not from an allowed repository
   --> compose.yaml:102:12
    |
102 |     image: ${DATABASE_IMAGE:-postgres:17}
    |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    |
    = help: `environments.production.images.allow` has: registry.example.com/shop/**

error[image-not-allowed]: image `redis:8`: not from an allowed repository
   --> compose.yaml:124:12
    |
124 |     image: ${CACHE_IMAGE:-redis:8}
    |            ^^^^^^^^^^^^^^^^^^^^^^^
    |
    = help: `environments.production.images.allow` has: registry.example.com/shop/**


"]]);
    shop.edit("transship.yaml", ", allow: [registry.example.com/shop/**]}", "}");
    shop.write("compose.production.yaml", "services: {web: {image: registry.example.com/shop/web}}\n");
    shop.run(["lock", "production", "--check"]).code(1).stderr_eq(str![[r"
error[image-latest]: image `registry.example.com/shop/web`: `production` takes no image that does not say which version it is
 --> compose.production.yaml:1:25
  |
1 | services: {web: {image: registry.example.com/shop/web}}
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: name a tag other than `latest`, or a digest


"]]);
    shop.write("compose.production.yaml", "services: {web: {image: 'registry.example.com/shop/web:1.5.0'}}\n");
    shop.run(["render", "production"]).code(1).stderr_eq(str![[r"
error[image-not-locked]: image `registry.example.com/shop/web:1.5.0`: the lock does not hold it
...
"]]);
}

#[test]
fn the_platforms_of_an_environment_are_in_the_lock() {
    let shop = Shop::copy();
    shop.edit("transship.yaml", "  production:\n", "  production:\n    images: {platforms: [linux/arm64]}\n");
    shop.run(["lock", "production", "--check"]).code(1);
    shop.run(["lock", "production"]).success();
    let lock = shop.read("transship.lock");
    assert!(lock.contains("      linux/arm64:\n        user:"), "{lock}");
    shop.edit("transship.yaml", "platforms: [linux/arm64]", "platforms: [linux/arm64/v8/x]");
    shop.run(["lock", "production"]).code(1).stderr_eq(str![[r"
error[image-platform]: `linux/arm64/v8/x` is no platform
...
"]]);
}

#[test]
fn compose_files_with_digests_are_written_for_those_who_go_on_with_compose() {
    let shop = Shop::empty();
    let layout = &mut ImageLayout::default();
    let app = layout.image("registry.example.com/app:1", &["linux/amd64"], &serde_json::json!({}));
    layout.write(&shop.path().join("images"));
    shop.write(
        "transship.yaml",
        "images:\n  qualify: registry.example.com\n  sources: [{prefix: registry.example.com, layout: images}]\n",
    );
    shop.write(".env", "DB_PASSWORD=of-nobody\n");
    shop.write("conf/app.conf", "x\n");
    shop.write(
        "compose.yaml",
        "\
name: shop
services:
  web:
    image: app:1
    build: ./web
    environment: {DATABASE: 'postgres://u:${DB_PASSWORD}@db'}
    volumes:
      - ./conf:/conf
      - {type: image, source: 'registry.example.com/app:1', target: /data}
    pre_start:
      - image: registry.example.com/app:1
configs: {app: {file: ./conf/app.conf}}
",
    );
    shop.run(["lock", "--images-file", "docker-compose.images.yml", "--merged-file", "out/merged.yml"])
        .success()
        .stderr_eq(str![[r"
warning: services.web.pre_start[0].image cannot be replaced by a further file; --merged-file has its digest
note: out/merged.yml wants these variables: DB_PASSWORD

"]]);
    let images = shop.read("docker-compose.images.yml").replace(app.as_str(), "DIGEST");
    snapbox::assert_data_eq!(
        images,
        str![[r"
services:
  web:
    image: registry.example.com/app@DIGEST
    volumes:
    - type: image
      source: registry.example.com/app@DIGEST
      target: /data

"]]
    );
    let merged = shop.read("out/merged.yml").replace(app.as_str(), "DIGEST");
    snapbox::assert_data_eq!(
        merged,
        str![[r"
name: shop
services:
  web:
    pre_start:
    - environment:
        DATABASE: postgres://u:${DB_PASSWORD}@db
      image: registry.example.com/app@DIGEST
      networks:
        default: null
    environment:
      DATABASE: postgres://u:${DB_PASSWORD}@db
    image: registry.example.com/app@DIGEST
    networks:
      default: null
    volumes:
    - type: bind
      source: ../conf
      target: /conf
      bind: {}
    - type: image
      source: registry.example.com/app@DIGEST
      target: /data
networks:
  default:
    name: shop_default

"]]
    );
    // It stands for itself: read again, it comes to the same digests.
    shop.run(["-f", "out/merged.yml", "config", "--images"])
        .success()
        .stdout_eq(format!("registry.example.com/app@{app}\n"));
}

#[test]
fn a_promotion_wants_a_registry_and_consent() {
    let shop = Shop::copy();
    shop.run(["promote", "production"]).code(64).stderr_eq(str![[r"
error: where to is not said
  = help: name registry and path: `--to registry.example.com/shop`

"]]);
    shop.run(["render", "demo", "--to", "registry.example.com/shop"]).code(64).stderr_eq(str![[r"
error: --to: `registry.example.com/shop` is a registry, and only `promote` goes to one

"]]);
    shop.run(["promote", "production", "--to", "registry.example.com/live", "--service", "wep"]).code(64);
}

#[test]
fn a_user_by_name_runs_by_number_on_a_cluster() {
    let shop = Shop::empty();
    let layout = &mut ImageLayout::default();
    let passwd = tar("etc/passwd", b"postgres:x:999:998::/:/bin/sh\nnode:x:1000:1001::/:/bin/sh\n");
    layout.image_of("registry.example.com/app:1", &serde_json::json!({"User": "postgres"}), &[passwd]);
    layout.write(&shop.path().join("images"));
    shop.write("transship.yaml", "images: {sources: [{prefix: registry.example.com, layout: images}]}\n");
    shop.write(
        "compose.yaml",
        "services:\n  own: {image: 'registry.example.com/app:1', user: node}\n  theirs: {image: 'registry.example.com/app:1'}\n",
    );
    shop.run(["lock"]).success();
    let lock = shop.read("transship.lock");
    let expected = "        user: postgres\n        userIds:\n          node: 1000:1001\n          postgres: 999:998\n";
    assert!(lock.replace('"', "").contains(expected), "{lock}");
    shop.run(["lock", "--check"]).success();
    let output = shop.run(["render", "--to", "kubernetes"]).success().get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("runAsUser: 1000\n").count(), 1, "{text}");
    assert_eq!(text.matches("runAsGroup: 1001\n").count(), 1, "{text}");
    assert_eq!(text.matches("runAsUser").count(), 1, "what the image says itself is left to it");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("is not a number"), "{told}");
    shop.edit("compose.yaml", "user: node", "user: nobody");
    let output = shop.run(["render", "--to", "kubernetes"]).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("`nobody` is not a number"), "{told}");
}

/// A layout that has an image in this form, and an application of two services with it and another.
fn two_images(shop: &Shop, user: &str) -> String {
    let layout = &mut ImageLayout::default();
    let app = layout.image("registry.example.com/app:1", &["linux/amd64"], &serde_json::json!({"User": user}));
    layout.image("registry.example.com/other:1", &["linux/amd64"], &serde_json::json!({"User": user}));
    layout.write(&shop.path().join("images"));
    shop.write("transship.yaml", "images: {sources: [{prefix: registry.example.com, layout: images}]}\n");
    let image = |name: &str| format!("{{image: 'registry.example.com/{name}:1'}}");
    shop.write("compose.yaml", &format!("services: {{app: {}, other: {}}}\n", image("app"), image("other")));
    app.to_string()
}

#[test]
fn what_is_locked_stays_until_somebody_updates_it() {
    let shop = Shop::empty();
    let before = two_images(&shop, "1");
    shop.run(["lock"]).success();
    let lock = shop.read("transship.lock");
    let after = two_images(&shop, "2");
    for arguments in [&["lock"][..], &["lock", "--check"], &["lock", "--offline"]] {
        let run = shop.command(env!("CARGO_BIN_EXE_transship")).args(arguments).assert();
        run.success().stdout_eq("transship.lock: 2 images, unchanged\n");
        assert_eq!(shop.read("transship.lock"), lock, "{arguments:?}");
    }
    shop.run(["lock", "--update", "--service", "app"])
        .success()
        .stdout_eq(format!("~ registry.example.com/app:1 {before} → {after}\ntransship.lock: 2 images, written\n"));
    let updated = shop.read("transship.lock");
    assert_eq!(updated.matches(&after).count(), 1);
    let same = |text: &str| text.split("registry.example.com/other:1").nth(1).unwrap().to_owned();
    assert_eq!(same(&updated), same(&lock), "the other stays");
    shop.run(["lock", "--update", "--service", "app"]).success().stdout_eq("transship.lock: 2 images, unchanged\n");
    let document = shop.document("lock", ["lock", "--update", "--format", "json"]);
    assert_eq!(document["changes"].as_array().map(Vec::len), Some(1), "{document:#}");
    assert_eq!(document["changes"][0]["change"], "moved");
}

#[test]
fn without_a_network_nobody_is_asked_and_a_check_writes_nothing() {
    let shop = Shop::empty();
    two_images(&shop, "1");
    shop.run(["lock", "--check"]).code(1).stderr_eq(str![[r"
error: transship.lock is not up to date
  = help: run `transship lock` and keep the result under version control

"]]);
    assert!(!shop.path().join("transship.lock").exists());
    shop.run(["lock"]).success();
    let lock = shop.read("transship.lock");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = nobody.local_addr().unwrap().to_string();
    shop.edit("compose.yaml", "registry.example.com/other:1", &format!("{host}/other:1"));
    let told = shop.run(["lock", "--offline"]).code(1).get_output().stderr.clone();
    let told = String::from_utf8(told).unwrap();
    assert!(
        told.starts_with("error[image-not-locked]") && told.contains("without network no registry is asked"),
        "{told}"
    );
    nobody.set_nonblocking(true).unwrap();
    assert!(nobody.accept().is_err(), "somebody was asked");
    assert_eq!(shop.read("transship.lock"), lock);
}

#[test]
fn one_image_that_is_missing_leaves_lock_and_target_as_they_are() {
    let shop = Shop::copy();
    shop.run(["apply", "demo", "--yes"]).success();
    let (lock, before) = (shop.read("transship.lock"), files(&shop.path().join("deploy")));
    assert!(!before.is_empty());
    shop.edit("compose.yaml", "${DATABASE_IMAGE:-postgres:17}", "postgres:none");
    shop.edit("compose.yaml", "${CACHE_IMAGE:-redis:8}", "redis:none");
    for arguments in [&["lock"][..], &["plan", "demo"], &["apply", "demo", "--yes"]] {
        let output =
            shop.command(env!("CARGO_BIN_EXE_transship")).args(arguments).assert().code(1).get_output().clone();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.matches("error[image-not-found]").count(), 2, "{arguments:?}: {told}");
        assert_eq!(shop.read("transship.lock"), lock, "{arguments:?}");
        assert_eq!(files(&shop.path().join("deploy")), before, "{arguments:?}");
    }
}

/// All files below a directory, with their contents.
fn files(directory: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn a_merged_file_has_secrets_and_build_options_only_when_asked() {
    let shop = Shop::empty();
    two_images(&shop, "1");
    shop.write(".env", "DB_PASSWORD=of-nobody\n");
    shop.write("web/Dockerfile", "FROM scratch\n");
    shop.write(
        "compose.yaml",
        "\
name: shop
services:
  web:
    image: registry.example.com/app:1
    build: {context: ./web, args: {TOKEN: '${DB_PASSWORD}'}}
    environment: {PASSWORD: '${DB_PASSWORD}'}
",
    );
    let merged = |flags: &[&str]| {
        let command = shop.command(env!("CARGO_BIN_EXE_transship")).args(["lock", "--merged-file", "out/merged.yml"]);
        command.args(flags).assert().success();
        shop.read("out/merged.yml")
    };
    let plain = merged(&[]);
    assert!(!plain.contains("of-nobody") && !plain.contains("build:"), "{plain}");
    assert!(plain.contains("PASSWORD: ${DB_PASSWORD}"), "{plain}");
    let built = merged(&["--with-build"]);
    assert!(!built.contains("of-nobody"), "{built}");
    assert!(built.contains("context: ../web") && built.contains("TOKEN: ${DB_PASSWORD}"), "{built}");
    let whole = merged(&["--with-secrets", "--with-build"]);
    assert!(whole.contains("PASSWORD: of-nobody") && whole.contains("TOKEN: of-nobody"), "{whole}");
    assert!(whole.contains("image: registry.example.com/app@sha256:"), "{whole}");
}
