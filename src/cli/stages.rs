//! The stages that most commands go through, each told to whoever watches.

use std::sync::Arc;

use super::{Context, Exit, Found, Stop};
use crate::{
    compose::{self, Files as _, join, model::Project},
    diagnostic::Findings,
    environment::{Known, Selected},
    image::{self, Additional, ImageSettings, Lock, PinMode, Registries, Resolution, SourceKind, SourceRule},
    session::Disk,
    value::{Located, Source, Text},
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
    pub(super) fn load(&self, selected: &Selected) -> anyhow::Result<Application> {
        let mut request = selected.request.clone();
        request.contents = true;
        let loaded = compose::load(&request, &Disk, &self.origins, &self.concealed).map_err(Found)?;
        let mut project = loaded.project;
        for (service, image) in &self.global.images {
            let Some(found) = project.services.get_mut(service.as_str()) else {
                let names = project.services.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let stop = Stop::new(Exit::Usage, format!("--image: there is no service `{service}`"));
                return Err(stop.help(format!("there are {names}")).into());
            };
            let spot = self.origins.add(Source::Variable { name: format!("--image {service}").into(), flag: false });
            found.value.image = Some(Located::new(Text::from(image.as_str()), spot));
        }
        Ok(Application { project: Arc::new(project), findings: loaded.findings })
    }

    /// Reads the lock.
    pub(super) fn lock_file(&self, known: &Known) -> anyhow::Result<LockFile> {
        let path = match &self.global.lock_file {
            Some(path) => join(&self.session.directory, path),
            None => join(&known.directory, "transship.lock"),
        };
        if Disk.kind(&path)?.is_none() {
            return Ok(LockFile { path, lock: None, text: None });
        }
        let shown = self.shown(&path);
        let text = Disk.read(&path).map_err(|error| Found(compose::codes::unreadable(&shown, &error).into()))?;
        let lock = Lock::parse(&text, &shown, &self.origins).map_err(Found)?;
        Ok(LockFile { path, lock: Some(lock), text: Some(text) })
    }

    /// Every image to its digest.
    pub(super) async fn pin(
        &self,
        selected: &Selected,
        project: &Arc<Project>,
        lock: Option<&Lock>,
        mode: &PinMode,
    ) -> anyhow::Result<Resolution> {
        let settings = image_settings(selected);
        let wait = selected.environment.kubernetes.as_ref().and_then(|kubernetes| kubernetes.wait_image.clone());
        let additional: Vec<Additional> =
            wait.into_iter().map(|reference| Additional { path: "kubernetes.waitImage".into(), reference }).collect();
        let registries = Registries::default();
        let request = image::Request {
            project,
            additional: &additional,
            lock,
            mode,
            settings: &settings,
            platforms: &[],
            registries: &registries,
        };
        Ok(image::pin(request).await.map_err(Found)?)
    }
}

fn image_settings(selected: &Selected) -> ImageSettings {
    let sources = selected.images.sources.as_deref().unwrap_or_default().iter().filter_map(|source| {
        let prefix = source.prefix.clone()?;
        let path = |name: &str| join(&selected.directory, name).into();
        let kind = match (&source.layout, &source.mirror) {
            (Some(layout), _) => SourceKind::Layout(path(&layout.value)),
            (None, Some(mirror)) => SourceKind::Mirror(mirror.value.clone()),
            (None, None) => SourceKind::Registry {
                insecure: source.insecure.unwrap_or_default(),
                ca: source.ca.as_ref().map(|file| path(&file.value)),
            },
        };
        Some(SourceRule { prefix, kind })
    });
    ImageSettings { sources: sources.collect(), allow: selected.images.allow.clone().unwrap_or_default() }
}
