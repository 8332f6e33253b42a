//! Applications in memory or in a folder, on their way to a place. Every image has a digest, and nothing is asked.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use transship::{
    compose::{self, Files, model::Project},
    diagnostic::Findings,
    environment,
    image::{
        self, Additional, Digest, ImageConfiguration, ImageHealthcheck, ImageSettings, Kind, Lock, LockedImage,
        PinMode, Pinned, Reference, Registries,
    },
    platform,
    target::{self, Dialect, Translation, Unit},
    value::{Keyring, Located, Name, Origins, Secrets, Spot},
};

/// An application, and what became of it.
pub struct Translated {
    /// As loaded.
    pub project: Arc<Project>,
    /// What loading found.
    pub loading: Findings,
    /// What translation made.
    pub translation: Translation,
    /// All places.
    pub origins: Arc<Origins>,
    /// All secrets.
    pub secrets: Arc<Secrets>,
}

/// What images say of themselves, so that everything that overrides them shows.
pub fn talkative() -> ImageConfiguration {
    ImageConfiguration {
        exposed_ports: vec![(4000, "tcp".into())],
        healthcheck: Some(ImageHealthcheck {
            test: vec!["CMD".into(), "/image-check".into()],
            interval: Some(Duration::from_secs(7)),
            ..ImageHealthcheck::default()
        }),
        user: Some("image-user".into()),
        user_ids: std::collections::BTreeMap::default(),
        entrypoint: vec!["/image-entrypoint".into()],
        command: vec!["image-command".into()],
        stop_signal: Some("SIGQUIT".into()),
        volumes: Vec::new(),
        working_directory: Some("/image".into()),
    }
}

/// The lock of all images of an application: digests made of their names.
fn lock(project: &Project, additional: &[Additional], configuration: Option<&ImageConfiguration>) -> Lock {
    let mut written: Vec<Box<str>> = additional.iter().map(|one| one.reference.value.clone()).collect();
    let services = project.services.values().map(|service| &service.value);
    let jobs = project.jobs.values().map(|job| &*job.value.container);
    for container in services.chain(jobs) {
        let before = container.pre_start.iter().flat_map(|all| &all.value).map(|one| &*one.value.container);
        for container in before.chain([container]) {
            let mounts = container.volumes.iter().flat_map(|all| &all.value).map(|mount| &mount.value);
            let mounted = mounts
                .filter(|mount| mount.kind.as_ref().and_then(|kind| kind.value.plain()) == Some("image"))
                .filter_map(|mount| mount.source.as_ref());
            let named = container.image.iter().chain(mounted);
            written.extend(named.filter_map(|image| image.value.plain()).map(Box::from));
        }
    }
    let mut lock = Lock::default();
    for written in written {
        let Ok(reference) = Reference::parse(&written) else { continue };
        let key = reference.normalised().to_string();
        let digest = reference.digest().cloned().unwrap_or_else(|| Digest::of(key.as_bytes()));
        let known = configuration.cloned().map(|known| (image::Platform::usual(), known));
        let image = LockedImage {
            written,
            digest: Located::new(digest, Spot::NOWHERE),
            kind: Kind::Index,
            platforms: Vec::new(),
            configuration: known.into_iter().collect(),
        };
        lock.images.insert(key.into(), image);
    }
    lock
}

/// Pins without asking anybody: out of `transship.lock` in the folder, or with digests made of the names.
fn pin(
    files: &dyn Files,
    here: &str,
    project: &Arc<Project>,
    additional: &[Additional],
    configuration: Option<&ImageConfiguration>,
) -> Result<Pinned, Findings> {
    let lock = match files.read(&format!("{here}/transship.lock")) {
        Ok(text) => Lock::parse(&text, "transship.lock", &project.origins)?,
        Err(_) => lock(project, additional, configuration),
    };
    let settings = ImageSettings::default();
    let registries = Registries::default();
    let request = image::Request {
        project,
        additional,
        lock: Some(&lock),
        mode: &PinMode::Locked,
        settings: &settings,
        platforms: &[],
        registries: &registries,
    };
    // On a thread of its own: whoever asks may be inside of a runtime.
    let resolved = std::thread::scope(|scope| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        scope.spawn(move || runtime.block_on(image::pin(request))).join().unwrap()
    });
    Ok(resolved?.pinned)
}

/// Loads, pins and translates an environment of what is in a folder, into its own dialect.
pub fn translate(
    files: &dyn Files,
    here: &str,
    environment: Option<&str>,
    variables: &BTreeMap<String, String>,
    configuration: Option<&ImageConfiguration>,
) -> Result<Translated, Findings> {
    translate_as(None, files, here, environment, variables, configuration)
}

/// The same, into a dialect that is named.
pub fn translate_as(
    dialect: Option<Dialect>,
    files: &dyn Files,
    here: &str,
    environment: Option<&str>,
    variables: &BTreeMap<String, String>,
    configuration: Option<&ImageConfiguration>,
) -> Result<Translated, Findings> {
    let (origins, secrets) = (Arc::new(Origins::default()), Arc::new(Secrets::default()));
    let flags = environment::Flags::default();
    let known = environment::find(&flags, here, files, &origins)?;
    let selected = environment::select(&known, environment, &flags, variables, here, &origins)?;
    let request = compose::Request { contents: true, ..selected.request.clone() };
    let loaded = compose::load(&request, files, &origins, &secrets)?;
    let project = Arc::new(loaded.project);
    let wait = selected.environment.kubernetes.as_ref().and_then(|kubernetes| kubernetes.wait_image.clone());
    let additional: Vec<Additional> = wait
        .into_iter()
        .map(|reference: Located<Name>| Additional { path: "kubernetes.waitImage".into(), reference })
        .collect();
    let pinned = pin(files, here, &project, &additional, configuration)?;
    let mut settings = selected.settings(&project.name.value, None);
    // Where files can be put, so that it shows what becomes of them.
    settings.marathon.store.get_or_insert_with(|| Located::new("https://files.example.com".into(), Spot::NOWHERE));
    let keys = Keyring::from_text("the key of the test");
    let target = target::of(dialect.unwrap_or(selected.dialect));
    let translation = target.translate(&pinned, &settings, &Unit::default(), &keys);
    Ok(Translated { project, loading: loaded.findings, translation, origins, secrets })
}

impl Translated {
    /// Everything that the place would see: objects with their order, and what must be there.
    pub fn encoded(&self) -> Json {
        let release = &self.translation.release;
        let resources = release.resources.values().map(|resource| {
            let after: Vec<String> =
                resource.after.iter().map(|after| format!("{} {:?}", after.key, after.until)).collect();
            json!({
                "key": resource.key.to_string(),
                "address": resource.address.to_string(),
                "body": platform::encode(&resource.body, release).unwrap(),
                "after": after,
                "settles": format!("{:?}", resource.settles.when),
            })
        });
        let requires = release.requires.iter().map(|one| json!([one.address.to_string(), one.entries]));
        json!({"resources": resources.collect::<Vec<_>>(), "requires": requires.collect::<Vec<_>>()})
    }

    /// Findings of both stages.
    pub fn findings(&self) -> Vec<&transship::diagnostic::Finding> {
        self.loading.iter().chain(self.translation.findings.iter()).collect()
    }
}
