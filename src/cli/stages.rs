//! The stages that most commands go through, each told to whoever watches.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, PoisonError},
};

use super::{Context, Found, Stop};
use crate::{
    compose::{self, Files, join, model::Project, units},
    diagnostic::Findings,
    engine,
    environment::{EngineName, Known, Selected},
    image::{
        self, Additional, CredentialSources, HelperProcesses, ImagePolicy, ImageSettings, Lock, Patience, PinMode,
        Platform, Quota, Registries, Resolution, SourceKind, SourceRule,
    },
    remote::{PartSettings, Parts},
    session::Disk,
    target::{self, Translation, Unit},
    value::{Keyring, Located, Source, Text},
};

/// A loaded application.
pub(super) struct Application {
    pub(super) project: Arc<Project>,
    pub(super) findings: Findings,
}

/// The lock file: where it is, and what it holds.
pub(super) struct LockFile {
    /// Absolute.
    pub(super) path: String,
    pub(super) lock: Option<Lock>,
    /// Its bytes as they are.
    pub(super) text: Option<Vec<u8>>,
}

impl Context {
    /// Loads the application of an environment, with the contents of the files that become part of what runs.
    pub(super) async fn load(&self, selected: &Selected) -> anyhow::Result<Application> {
        let mut request = selected.request.clone();
        request.contents = true;
        let load = |files: &dyn Files| compose::load(&request, files, &self.origins, &self.concealed);
        let loaded = self.loading(selected, load).await?;
        let mut project = loaded.project;
        if let Some(place) = &selected.images.qualify {
            image::qualify(&mut project, place, &self.origins);
        }
        for (service, image) in &self.global.images {
            let Some(found) = project.services.get_mut(service.as_str()) else {
                let message = format!("--image: there is no service `{service}`");
                return Err(Stop::unknown_service(message, project.services.keys()).into());
            };
            let spot = self.origins.add(Source::Variable { name: format!("--image {service}").into(), flag: false });
            found.value.image = Some(Located::new(Text::from(image.as_str()), spot));
        }
        Ok(Application { project: Arc::new(project), findings: loaded.findings })
    }

    /// Loads, with whatever is elsewhere.
    pub(super) async fn loading<T>(
        &self,
        selected: &Selected,
        load: impl Fn(&dyn Files) -> Result<T, Findings>,
    ) -> anyhow::Result<T> {
        let mode = if self.locked(selected) { PinMode::Locked } else { PinMode::Missing };
        let parts = self.parts(selected, &mode);
        // Most applications are all here, and then neither the lock nor anybody else is asked.
        let loaded = load(parts);
        if !parts.is_wanted() {
            return Ok(loaded.map_err(Found)?);
        }
        let file = self.lock_at(&selected.directory)?;
        let before = file.lock.map(|lock| lock.includes).unwrap_or_default();
        parts.hold(before.clone());
        let progress = self.doing("fetching remote parts");
        let loaded = parts.load(load).await;
        drop(progress);
        let new = parts.used().keys().filter(|name| !before.contains_key(*name)).count();
        if new > 0 && loaded.is_ok() && parts.mode() == &PinMode::Missing {
            let path = self.shown(&file.path);
            let parts = if new == 1 { "1 remote part was".to_owned() } else { format!("{new} remote parts were") };
            self.output.note(&format!("note: {parts} resolved that {path} does not hold; `transship lock` keeps them"));
        }
        Ok(loaded.map_err(Found)?)
    }

    /// The remote parts of this run; whoever asks first says what may be asked for.
    pub(super) fn parts(&self, selected: &Selected, mode: &PinMode) -> &Parts {
        self.parts.get_or_init(|| {
            let (variables, images) = (self.session.variables.clone(), self.image_settings(selected));
            let settings = PartSettings { variables, mode: mode.clone(), images };
            Parts::new(Arc::new(Disk), settings, self.registries(selected))
        })
    }

    /// Whether the lock is used as it is.
    fn locked(&self, selected: &Selected) -> bool {
        let images = selected.environment.images.as_ref();
        self.global.locked || images.and_then(|images| images.locked).unwrap_or_default()
    }

    /// Reads the lock.
    pub(super) fn lock_file(&self, known: &Known) -> anyhow::Result<LockFile> {
        self.lock_at(&known.directory)
    }

    fn lock_at(&self, directory: &str) -> anyhow::Result<LockFile> {
        let path = match &self.global.lock_file {
            Some(path) => join(&self.session.directory, path),
            None => join(directory, "transship.lock"),
        };
        if Disk.kind(&path)?.is_none() {
            return Ok(LockFile { path, lock: None, text: None });
        }
        let shown = self.shown(&path);
        let text = Disk.read(&path).map_err(|error| Found(compose::codes::unreadable(&shown, &error).into()))?;
        let lock = Lock::parse(&text, &shown, &self.origins).map_err(Found)?;
        Ok(LockFile { path, lock: Some(lock), text: Some(text) })
    }

    /// Loads, pins and translates, and shows what was found on the way.
    pub(super) async fn translate(
        &self,
        known: &Known,
        selected: &Selected,
        keys: &Keyring,
    ) -> anyhow::Result<Translation> {
        let target = target::of(selected.dialect);
        let application = self.load(selected).await?;
        let resolution = self.resolve(known, selected, &application.project).await?;
        let settings = selected.settings(&application.project.name.value, None);
        let translation = target.translate(&resolution.pinned, &settings, &Unit::default(), keys);
        let mut findings = application.findings;
        findings.extend(translation.findings);
        let findings = self.judge(Some(selected), findings)?;
        Ok(Translation { release: translation.release, findings })
    }

    /// Every image to its digest, out of the lock as far as it has them; says what the lock lacks.
    pub(super) async fn resolve(
        &self,
        known: &Known,
        selected: &Selected,
        project: &Arc<Project>,
    ) -> anyhow::Result<Resolution> {
        let file = self.lock_file(known)?;
        let mode = if self.locked(selected) { PinMode::Locked } else { PinMode::Missing };
        let progress = self.doing("resolving images");
        let resolution = self.pin(selected, project, file.lock.as_ref(), &mode).await?;
        drop(progress);
        if !resolution.changes.is_empty() {
            let (count, path) = (resolution.changes.len(), self.shown(&file.path));
            let images = if count == 1 { "1 image was".to_owned() } else { format!("{count} images were") };
            self.output
                .note(&format!("note: {images} resolved that {path} does not hold; `transship lock` keeps them"));
        }
        Ok(resolution)
    }

    /// Every image to its digest.
    pub(super) async fn pin(
        &self,
        selected: &Selected,
        project: &Arc<Project>,
        lock: Option<&Lock>,
        mode: &PinMode,
    ) -> anyhow::Result<Resolution> {
        self.pin_with(selected, project, lock, mode, &self.registries(selected)).await
    }

    /// The same, with registries that were asked before.
    pub(super) async fn pin_with(
        &self,
        selected: &Selected,
        project: &Arc<Project>,
        lock: Option<&Lock>,
        mode: &PinMode,
        registries: &Registries,
    ) -> anyhow::Result<Resolution> {
        let settings = self.image_settings(selected);
        let platforms = platforms(selected).map_err(Found)?;
        let additional = selected.additional_images().into_iter();
        let additional: Vec<Additional> =
            additional.map(|(path, reference)| Additional { path: path.into(), reference }).collect();
        let request = image::Request {
            project,
            additional: &additional,
            lock,
            mode,
            settings: &settings,
            platforms: &platforms,
            registries,
        };
        Ok(image::pin(request).await.map_err(Found)?)
    }
}

impl Context {
    /// Registries, with the credentials that are kept on this machine.
    pub(super) fn registries(&self, selected: &Selected) -> Registries {
        let variable = |name: &str| self.session.variable(name).map(str::to_owned);
        let home = self.session.variable("HOME").map(Path::new);
        let mut credentials = CredentialSources::usual(variable, home);
        credentials.helpers = Some(Arc::new(self.helpers()));
        let registries = Registries::new(&self.image_settings(selected), credentials, Patience::default());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(registries.clone());
        registries
    }

    fn helpers(&self) -> HelperProcesses {
        let Some(text) = self.session.variable("TRANSSHIP_HELPER_TIMEOUT") else { return HelperProcesses::default() };
        if let Some(within) = units::time(text).filter(|time| !time.is_zero()) {
            return HelperProcesses { within };
        }
        let words = format!("warning: TRANSSHIP_HELPER_TIMEOUT: `{text}` is no time as `30s` is; 20s counts");
        self.output.note(&words);
        HelperProcesses::default()
    }

    /// Says, once for each registry, what it told beside its answers.
    pub(super) fn tell_of_registries(&self) {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        let mut told: BTreeMap<String, (BTreeSet<String>, Option<Quota>)> = BTreeMap::new();
        for notice in asked.iter().flat_map(Registries::notices) {
            let (warnings, quota) = told.entry(notice.registry).or_default();
            warnings.extend(notice.warnings);
            *quota = [*quota, notice.quota].into_iter().flatten().min_by_key(|quota| quota.remaining);
        }
        for (registry, (warnings, quota)) in told {
            for text in warnings {
                self.output.note(self.concealed.scrub(&format!("warning: {registry} says: {text}")).as_str());
            }
            if let Some(quota) = quota.filter(|quota| quota.is_low() || self.global.verbose > 0) {
                self.output.note(&format!("note: {registry}: {quota} requests{} are left", quota.within()));
            }
        }
    }

    /// The Docker Engine that an environment runs on, or the one that Docker's own commands would use here.
    fn engine(&self, selected: &Selected) -> Result<engine::Address, engine::Error> {
        let EngineName { host, context } = selected.host().cloned().unwrap_or_default();
        let mut variables = self.session.variables.clone();
        variables.extend(host.map(|host| ("DOCKER_HOST".to_owned(), host.to_string())));
        engine::Address::find(&variables, context.as_deref())
    }

    pub(super) fn image_settings(&self, selected: &Selected) -> ImageSettings {
        let sources = selected.images.sources.as_deref().unwrap_or_default().iter().filter_map(|source| {
            let prefix = source.prefix.clone()?;
            // As people would type them here, so that messages can show them.
            let path = |name: &str| self.shown(&join(&selected.directory, name)).into();
            let local = source.layout.as_ref().or(source.archive.as_ref());
            let kind = match (local, &source.mirror) {
                (None, None) if source.engine.unwrap_or_default() => SourceKind::Engine(self.engine(selected)),
                (Some(local), _) => SourceKind::Layout(path(&local.value)),
                (None, Some(mirror)) => SourceKind::Mirror(mirror.value.clone()),
                (None, None) => SourceKind::Registry {
                    insecure: source.insecure.unwrap_or_default(),
                    ca: source.ca.as_ref().map(|file| path(&file.value)),
                },
            };
            Some(SourceRule { prefix, kind })
        });
        let own = selected.environment.images.clone().unwrap_or_default();
        ImageSettings {
            sources: sources.collect(),
            allow: selected.images.allow.clone().unwrap_or_default(),
            policy: ImagePolicy {
                environment: selected.name.clone(),
                allow: own.allow.unwrap_or_default(),
                refuse_latest: own.refuse_latest.unwrap_or_default(),
                one_host: selected.host().is_some(),
            },
        }
    }
}

/// The platforms that an environment runs on.
fn platforms(selected: &Selected) -> Result<Vec<Platform>, Findings> {
    let written = selected.environment.images.as_ref().and_then(|images| images.platforms.as_deref());
    let mut platforms = Vec::new();
    let mut findings = Findings::new();
    for one in written.unwrap_or_default() {
        match Platform::parse(&one.value) {
            Some(platform) => platforms.push(platform),
            None => findings.push(image::no_platform(&one.value, one.spot)),
        }
    }
    if findings.has_errors() { Err(findings) } else { Ok(platforms) }
}
