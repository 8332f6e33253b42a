//! The example's images, and pinning out of a layout.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;
use transship::{
    compose,
    compose::model::Project,
    diagnostic::Findings,
    image::{
        ImageSettings, Kind, Lock, LockChangeKind, PinMode, Registries, Request, Resolution, SourceKind, SourceRule,
        pin,
    },
    value::{Located, Origins, Secrets, Spot},
};

use crate::support::{
    image_layout::{ImageLayout, gzip, tar, zstd},
    memory_files::MemoryFiles,
};

const BOTH: &[&str] = &["linux/amd64", "linux/arm64"];

/// The images of `examples/shop`.
fn shop_images() -> ImageLayout {
    let mut layout = ImageLayout::default();
    let shop = |command: &str| {
        json!({
            "User": "10001:10001", "WorkingDir": "/srv", "Entrypoint": ["/shop"], "Cmd": [command],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        })
    };
    let mut api = shop("api");
    api["ExposedPorts"] = json!({"8000/tcp": {}});
    let web = json!({
        "User": "101", "ExposedPorts": {"8080/tcp": {}}, "StopSignal": "SIGQUIT",
        "Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["nginx", "-g", "daemon off;"],
        "Healthcheck": {
            "Test": ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/health"],
            "Interval": 10_000_000_000_i64, "Timeout": 3_000_000_000_i64, "Retries": 3,
        },
    });
    layout.image("registry.example.com/shop/web:1.4.2", BOTH, &web);
    layout.image("registry.example.com/shop/api:1.4.2", BOTH, &api);
    api["Env"] = json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SHOP_EDITION=1.5.0"]);
    layout.image("registry.example.com/shop/api:1.5.0", BOTH, &api);
    layout.image("registry.example.com/shop/worker:1.4.2", BOTH, &shop("worker"));
    layout.image("registry.example.com/shop/migration:1.4.2", BOTH, &shop("migrate"));
    let database = json!({
        "ExposedPorts": {"5432/tcp": {}}, "Volumes": {"/var/lib/postgresql/data": {}}, "StopSignal": "SIGINT",
        "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["postgres"], "Env": ["PGDATA=/var/lib/postgresql/data"],
    });
    layout.image("docker.io/library/postgres:17", &["linux/amd64", "linux/arm64/v8", "linux/s390x"], &database);
    let cache = json!({
        "ExposedPorts": {"6379/tcp": {}}, "Volumes": {"/data": {}}, "WorkingDir": "/data",
        "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["redis-server"],
    });
    layout.image("docker.io/library/redis:8", &["linux/amd64", "linux/arm64/v8"], &cache);
    let administration = json!({
        "User": "adminer", "ExposedPorts": {"8080/tcp": {}}, "WorkingDir": "/var/www/html",
        "Entrypoint": ["entrypoint.sh", "docker-php-entrypoint"],
        "Cmd": ["php", "-S", "[::]:8080", "-t", "/var/www/html"],
    });
    layout.image("docker.io/library/adminer:5", &["linux/amd64"], &administration);
    layout
}

fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop")
}

fn files_below(directory: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_layout_of_the_example_is_what_the_generator_makes() {
    let directory = shop().join("images");
    let layout = shop_images();
    if std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite") {
        let _ = std::fs::remove_dir_all(directory.join("blobs"));
        layout.write(&directory);
    }
    let mut found = BTreeMap::new();
    files_below(&directory, "", &mut found);
    found.remove("README.md");
    let names: Vec<&String> = found.keys().collect();
    let wanted = layout.files();
    assert_eq!(names, wanted.keys().collect::<Vec<_>>(), "write it anew with SNAPSHOTS=overwrite");
    assert!(found == wanted, "the content differs: write it anew with SNAPSHOTS=overwrite");
}

/// A project from the text of its files.
pub fn load(files: &[(&str, &str)], overlays: &[&str], profiles: &[&str]) -> Arc<Project> {
    let files = files.iter().map(|(path, text)| (format!("/project/{path}"), text.as_bytes().to_vec()));
    let request = compose::Request {
        working_directory: "/project".to_owned(),
        overlays: overlays.iter().map(|path| format!("/project/{path}")).collect(),
        without_override: true,
        profiles: Some(profiles.iter().map(|&profile| profile.to_owned()).collect()),
        ..compose::Request::default()
    };
    let origins = Origins::new();
    let loaded = compose::load(&request, &MemoryFiles(files.collect()), &origins, &Arc::new(Secrets::default()));
    match loaded {
        Ok(loaded) => Arc::new(loaded.project),
        Err(findings) => panic!("{}", told(&findings, &origins)),
    }
}

/// Findings as lines: place, code, message, help.
pub fn told(findings: &Findings, origins: &Origins) -> String {
    use std::fmt::Write as _;
    findings.iter().fold(String::new(), |mut out, finding| {
        let place = origins.describe(finding.spot()).unwrap_or_else(|| "nowhere".to_owned());
        let _ = writeln!(out, "{place}: {}: {}", finding.code.name, finding.message);
        for label in finding.labels.iter().skip(1) {
            let place = origins.describe(label.spot).unwrap_or_default();
            let _ = writeln!(out, "  {place}: {}", label.text);
        }
        if let Some(help) = &finding.help {
            let _ = writeln!(out, "  help: {help}");
        }
        out
    })
}

/// Images below these prefixes come from a layout.
fn from_layout(directory: &Path, prefixes: &[&str]) -> ImageSettings {
    let rule = |prefix: &&str| SourceRule {
        prefix: Located::new((*prefix).into(), Spot::NOWHERE),
        kind: SourceKind::Layout(directory.to_owned()),
    };
    ImageSettings { sources: prefixes.iter().map(rule).collect(), ..ImageSettings::default() }
}

/// Pins without any network.
fn pinned(
    project: &Arc<Project>,
    lock: Option<&Lock>,
    mode: &PinMode,
    settings: &ImageSettings,
) -> Result<Resolution, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let registries = Registries::default();
    let request = Request { project, additional: &[], lock, mode, settings, platforms: &[], registries: &registries };
    runtime.block_on(pin(request)).map_err(|findings| told(&findings, &project.origins))
}

fn shop_project(overlay: &str, profiles: &[&str]) -> Arc<Project> {
    let mut found = BTreeMap::new();
    files_below(&shop(), "", &mut found);
    let texts: Vec<(String, String)> = found
        .into_iter()
        .filter(|(path, _)| !path.starts_with("images/"))
        .filter_map(|(path, content)| Some((path, String::from_utf8(content).ok()?)))
        .collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    load(&texts, &[overlay], profiles)
}

#[test]
fn the_example_is_pinned_without_a_network_and_stays_so() {
    let settings = from_layout(&shop().join("images"), &["registry.example.com/shop", "docker.io/library"]);
    let production = shop_project("compose.production.yaml", &[]);
    let first = pinned(&production, None, &PinMode::Offline, &settings).unwrap();
    let keys: Vec<&str> = first.lock.images.keys().map(|key| &**key).collect();
    assert_eq!(
        keys,
        [
            "docker.io/library/postgres:17",
            "docker.io/library/redis:8",
            "registry.example.com/shop/api:1.4.2",
            "registry.example.com/shop/migration:1.4.2",
            "registry.example.com/shop/web:1.4.2",
            "registry.example.com/shop/worker:1.4.2",
        ]
    );
    assert_eq!(first.changes.len(), 6);
    let web = first.pinned.image_of("web").unwrap();
    assert!(web.reference.starts_with("registry.example.com/shop/web@sha256:"), "{}", web.reference);
    assert_eq!((web.kind, web.tag.as_deref()), (Kind::Index, Some("1.4.2")));
    let check = web.configuration.as_ref().and_then(|configuration| configuration.healthcheck.clone()).unwrap();
    assert_eq!(check.retries, Some(3));
    let database = first.pinned.image_of("database").unwrap();
    let platforms: Vec<String> = database.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64", "linux/s390x"]);

    let text = first.lock.to_yaml();
    let read = Lock::parse(text.as_bytes(), "transship.lock", &production.origins).unwrap();
    assert_eq!((&read, read.to_yaml()), (&first.lock, text));
    let nowhere = ImageSettings::default();
    let second = pinned(&production, Some(&read), &PinMode::Locked, &nowhere).unwrap();
    assert_eq!((second.changes.len(), &second.lock), (0, &first.lock));

    // Another environment adds what it has beside that, and takes nothing away.
    let staging = shop_project("compose.staging.yaml", &["tools"]);
    let third = pinned(&staging, Some(&read), &PinMode::Missing, &settings).unwrap();
    let added: Vec<&str> = third.changes.iter().map(|change| &*change.reference).collect();
    assert_eq!(added, ["registry.example.com/shop/api:1.5.0", "docker.io/library/adminer:5"]);
    assert_eq!(third.lock.images.len(), 8);
    let mut lock = third.lock.clone();
    let gone = lock.retain(&second.pinned.references());
    assert_eq!((gone.len(), lock), (2, first.lock));
}

#[test]
fn everything_that_names_an_image_is_pinned() {
    let layout = &mut ImageLayout::default();
    let app = layout.image("registry.example.com/app:1", BOTH, &json!({"User": "1"}));
    let data = layout.image("registry.example.com/data:1", &["linux/amd64"], &json!({}));
    let directory = tempfile::tempdir().unwrap();
    layout.write(directory.path());
    let project = load(
        &[(
            "compose.yaml",
            "\
services:
  web:
    image: registry.example.com/app:1
    platform: linux/arm64
    pre_start:
      - image: registry.example.com/data:1
        command: [prepare]
      - command: [warm]
    volumes:
      - {type: image, source: 'registry.example.com/data:1', target: /data}
  other:
    image: registry.example.com/app:1
  model:
    provider: {type: model}
",
        )],
        &[],
        &[],
    );
    let settings = from_layout(directory.path(), &["registry.example.com"]);
    let all = pinned(&project, None, &PinMode::Offline, &settings);
    // `data` does not exist for the platform of `web`.
    assert_eq!(
        all.map(|_| ()).unwrap_err(),
        "compose.yaml:4:15: image-platform: image `registry.example.com/data:1` does not exist for linux/arm64
  compose.yaml:10:31: this image
  help: it exists for linux/amd64
compose.yaml:4:15: image-platform: image `registry.example.com/data:1` does not exist for linux/arm64
  compose.yaml:6:16: this image
  help: it exists for linux/amd64
"
    );
    let text = "\
services:
  web:
    image: registry.example.com/app:1
    pre_start:
      - image: registry.example.com/data:1
        command: [prepare]
      - command: [warm]
    volumes:
      - {type: image, source: 'registry.example.com/data:1', target: /data}
";
    let project = load(&[("compose.yaml", text)], &[], &[]);
    let pinned = pinned(&project, None, &PinMode::Offline, &settings).unwrap().pinned;
    assert_eq!(pinned.image_of("web").map(|image| &image.digest), Some(&app));
    assert_eq!(pinned.pre_start_image("web", 0).map(|image| &image.digest), Some(&data));
    assert_eq!(pinned.pre_start_image("web", 1).map(|image| &image.digest), Some(&app));
    assert_eq!(pinned.mounted_image("web", 0).map(|image| &image.digest), Some(&data));
}

#[test]
fn all_that_cannot_be_pinned_is_said_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let layout = &mut ImageLayout::default();
    layout.image("registry.example.com/app:1", BOTH, &json!({}));
    layout.image("registry.example.com/app:2", BOTH, &json!({}));
    layout.write(directory.path());
    let text = "\
services:
  built:
    build: .
  wrong:
    image: Nginx:1
  absent:
    image: registry.example.com/app:3
  again:
    image: registry.example.com/app:3
  foreign:
    image: quay.io/evil/app
";
    let project = load(&[("compose.yaml", text)], &[], &[]);
    let mut settings = from_layout(directory.path(), &["registry.example.com"]);
    settings.allow = vec![Located::new("registry.example.com/**".into(), Spot::NOWHERE)];
    let told = pinned(&project, None, &PinMode::Missing, &settings).map(|_| ()).unwrap_err();
    let told = told.replace(&directory.path().display().to_string(), "./images");
    assert_eq!(
        told,
        "\
compose.yaml:3:12: image-only-built: `built` is built here, and names no image that could be deployed
  help: push what is built, and name it with `image`
compose.yaml:5:12: image-reference: image `Nginx:1`: repository names are lower case
  help: write it as `registry/repository:tag`
compose.yaml:11:12: image-not-allowed: image `quay.io/evil/app`: not from an allowed repository
  help: `images.allow` has: registry.example.com/**
compose.yaml:7:12: image-not-found: image `registry.example.com/app:3`: not in the image layout ./images
  compose.yaml:9:12: used here as well: services.again.image
  help: of that repository the layout has: 1, 2
"
    );
}

#[test]
fn the_lock_alone_counts_when_it_must() {
    let directory = tempfile::tempdir().unwrap();
    let layout = &mut ImageLayout::default();
    layout.image("registry.example.com/app:1", BOTH, &json!({}));
    layout.write(directory.path());
    let settings = from_layout(directory.path(), &["registry.example.com"]);
    let one = "services:\n  web:\n    image: registry.example.com/app:1\n";
    let project = load(&[("compose.yaml", one)], &[], &[]);
    assert_eq!(
        pinned(&project, None, &PinMode::Locked, &settings).map(|_| ()).unwrap_err(),
        "compose.yaml:3:12: image-not-locked: image `registry.example.com/app:1`: the lock does not hold it
  help: run `transship lock`
"
    );
    let first = pinned(&project, None, &PinMode::Missing, &settings).unwrap();

    // The image is pushed anew: the lock holds, until somebody asks.
    let layout = &mut ImageLayout::default();
    let moved = layout.image("registry.example.com/app:1", BOTH, &json!({"User": "1"}));
    layout.write(directory.path());
    let held = pinned(&project, Some(&first.lock), &PinMode::Missing, &settings).unwrap();
    assert_eq!((held.changes.len(), &held.lock), (0, &first.lock));
    let others = PinMode::Update(Some(BTreeSet::from(["api".into()])));
    assert_eq!(pinned(&project, Some(&first.lock), &others, &settings).unwrap().lock, first.lock);
    let update = PinMode::Update(Some(BTreeSet::from(["web".into()])));
    let updated = pinned(&project, Some(&first.lock), &update, &settings).unwrap();
    let before = first.lock.images.values().next().unwrap().digest.value.clone();
    let kinds: Vec<_> = updated.changes.into_iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [LockChangeKind::Moved { from: before, to: moved }]);
}

#[test]
fn a_damaged_layout_gives_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let layout = &mut ImageLayout::default();
    let digest = layout.image("registry.example.com/app:1", BOTH, &json!({}));
    layout.write(directory.path());
    let settings = from_layout(directory.path(), &["registry.example.com"]);
    let project = load(&[("compose.yaml", "services: {web: {image: 'registry.example.com/app:1'}}\n")], &[], &[]);
    let failure = || {
        let told = pinned(&project, None, &PinMode::Offline, &settings).map(|_| ()).unwrap_err();
        told.lines().next().unwrap_or_default().replace(&directory.path().display().to_string(), ".")
    };
    let blob = directory.path().join("blobs/sha256").join(digest.hex());
    let place = "compose.yaml:1:25";
    let image = "image `registry.example.com/app:1`";
    std::fs::write(&blob, "{}").unwrap();
    assert_eq!(
        failure(),
        format!(
            "{place}: image-digest-mismatch: {image}: ./blobs/sha256/{} does not hold what its name says",
            digest.hex()
        )
    );
    std::fs::remove_file(&blob).unwrap();
    assert_eq!(failure(), format!("{place}: image-layout: {image}: ./blobs/sha256/{}: entity not found", digest.hex()));
    std::fs::remove_file(directory.path().join("oci-layout")).unwrap();
    assert_eq!(
        failure(),
        format!("{place}: image-layout: {image}: . is no OCI image layout: `oci-layout`: entity not found")
    );
}

/// Writes a tar file.
fn archive(path: &Path, files: &[(String, Vec<u8>)], links: &[(&str, &str)]) {
    let mut builder = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    for (name, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    builder.finish().unwrap();
}

#[test]
fn an_archive_is_as_good_as_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let layout = &mut ImageLayout::default();
    let digest = layout.image("registry.example.com/app:1", BOTH, &json!({"User": "1"}));
    let path = directory.path().join("images.tar");
    archive(&path, &layout.files().into_iter().collect::<Vec<_>>(), &[]);
    let project = load(&[("compose.yaml", "services: {web: {image: 'registry.example.com/app:1'}}\n")], &[], &[]);
    let settings = from_layout(&path, &["registry.example.com"]);
    let found = pinned(&project, None, &PinMode::Offline, &settings).unwrap().pinned;
    assert_eq!(found.image_of("web").map(|image| &image.digest), Some(&digest));

    let plain = std::fs::read(&path).unwrap();
    for compressed in [gzip(&plain), zstd(&plain)] {
        std::fs::write(&path, compressed).unwrap();
        let found = pinned(&project, None, &PinMode::Offline, &settings).unwrap().pinned;
        assert_eq!(found.image_of("web").map(|image| &image.digest), Some(&digest));
    }
    let compressed = gzip(&plain);
    std::fs::write(&path, &compressed[..compressed.len() / 2]).unwrap();
    let told = pinned(&project, None, &PinMode::Offline, &settings).map(|_| ()).unwrap_err();
    let told = told.replace(&directory.path().display().to_string(), ".");
    assert_eq!(
        told,
        "compose.yaml:1:25: image-layout: image `registry.example.com/app:1`: ./images.tar is no archive of images: \
         unexpected end of file\n  help: write it with `docker save`, or with `skopeo copy … oci-archive:FILE:NAME`\n"
    );
}

#[test]
fn what_docker_saved_has_the_same_digest_wherever_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = json!({"os": "linux", "architecture": "amd64", "config": {"User": "7", "Cmd": ["run"]}});
    let list = json!([{
        "Config": "c.json", "RepoTags": ["registry.example.com/app:1"], "Layers": ["a/layer.tar", "b/layer.tar"],
    }]);
    let files = [
        ("manifest.json".to_owned(), list.to_string().into_bytes()),
        ("c.json".to_owned(), configuration.to_string().into_bytes()),
        // Longer than what is kept of a compressed archive.
        ("a/layer.tar".to_owned(), b"layer".repeat(400_000)),
        ("later.json".to_owned(), b"{}".to_vec()),
    ];
    // Engines of old write a layer that two images share once, and link to it.
    let links = [("b/layer.tar", "../a/layer.tar")];
    let project = load(&[("compose.yaml", "services: {web: {image: 'registry.example.com/app:1'}}\n")], &[], &[]);
    let pinned_from = |name: &str, form: fn(&[u8]) -> Vec<u8>| {
        let path = directory.path().join(name);
        archive(&path, &files, &links);
        std::fs::write(&path, form(&std::fs::read(&path).unwrap())).unwrap();
        let settings = from_layout(&path, &["registry.example.com"]);
        let found = pinned(&project, None, &PinMode::Offline, &settings).unwrap().pinned;
        found.image_of("web").unwrap().clone()
    };
    let one = pinned_from("one.tar", <[u8]>::to_vec);
    assert_eq!(one.configuration.as_ref().unwrap().user.as_deref(), Some("7"));
    assert_eq!(pinned_from("two.tar.gz", gzip).digest, one.digest);
    assert_eq!(pinned_from("three.tar.zst", zstd).digest, one.digest);
    let layer = b"layer".repeat(400_000);
    for name in ["one.tar", "two.tar.gz", "three.tar.zst"] {
        let layout = transship::image::Layout::open(&directory.path().join(name)).unwrap();
        assert!(layout.blob(&transship::image::Digest::of(&layer), layer.len()).unwrap() == layer, "{name}");
    }
}

#[test]
fn a_users_numbers_come_out_of_the_layers() {
    let directory = tempfile::tempdir().unwrap();
    let layout = &mut ImageLayout::default();
    let base = tar("etc/passwd", b"root:x:0:0::/root:/bin/sh\npostgres:x:70:71::/:/bin/sh\n");
    let upper = tar("etc/passwd", b"postgres:x:999:998::/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n");
    layout.image_of("registry.example.com/db:1", &json!({"User": "postgres"}), &[gzip(&base), zstd(&upper)]);
    layout.write(directory.path());
    let file = "services: {db: {image: 'registry.example.com/db:1', user: 'node:nobody'}, \
                other: {image: 'registry.example.com/db:1', user: node}}\n";
    let project = load(&[("compose.yaml", file)], &[], &[]);
    let settings = from_layout(directory.path(), &["registry.example.com"]);
    let found = pinned(&project, None, &PinMode::Offline, &settings).unwrap();
    let configuration = found.pinned.image_of("db").unwrap().configuration.clone().unwrap();
    let ids: Vec<String> = configuration
        .user_ids
        .iter()
        .map(|(user, id)| format!("{user} {}", id.map(|id| id.to_string()).unwrap_or_default()))
        .collect();
    assert_eq!(ids, ["node 1000:1000", "node:nobody ", "postgres 999:998"]);
    // Known, and not asked for again: also what the image does not have.
    let again = pinned(&project, Some(&found.lock), &PinMode::Missing, &settings).unwrap();
    assert_eq!((again.changes.len(), &again.lock), (0, &found.lock));
    // A lock without the numbers is good enough where nobody may be asked, and completed where somebody may.
    let mut poorer = found.lock.clone();
    for image in poorer.images.values_mut() {
        image.configuration.values_mut().for_each(|configuration| configuration.user_ids.clear());
    }
    assert_eq!(pinned(&project, Some(&poorer), &PinMode::Locked, &settings).unwrap().lock, poorer);
    assert_eq!(pinned(&project, Some(&poorer), &PinMode::Missing, &settings).unwrap().lock, found.lock);
}
