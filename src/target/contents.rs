//! Contents of configs, secrets and project files, as all dialects ask for them.

use crate::{
    compose::model::{Config, Content, FileBytes, FileContent, Project, Secret, Service},
    value::{Located, Name, Sources, Spot, Text},
};

/// Where a config or secret says that its content comes from.
#[derive(Clone, Copy)]
pub(super) struct ContentSource<'a> {
    /// What the model holds: written there, or out of the variable.
    pub(super) content: Option<&'a Located<Text>>,
    pub(super) file: Option<&'a Located<Text>>,
    pub(super) variable: Option<&'a Located<Text>>,
}

impl<'a> From<&'a Config> for ContentSource<'a> {
    fn from(config: &'a Config) -> Self {
        let (content, file) = (config.content.as_ref(), config.file.as_ref());
        Self { content, file, variable: config.environment.as_ref() }
    }
}

impl<'a> From<&'a Secret> for ContentSource<'a> {
    fn from(secret: &'a Secret) -> Self {
        let (content, file) = (secret.content.as_ref(), secret.file.as_ref());
        Self { content, file, variable: secret.environment.as_ref() }
    }
}

/// The configs (`false`) and secrets (`true`) that services use, by name.
pub(super) fn used<'a>(services: impl Iterator<Item = &'a Located<Service>>) -> Vec<(bool, Name)> {
    let mut used = Vec::new();
    for service in services {
        for (secret, list) in [(false, &service.value.configs), (true, &service.value.secrets)] {
            let sources = list.iter().flat_map(|all| &all.value).filter_map(|one| one.value.source.as_ref());
            used.extend(sources.filter_map(|source| Some((secret, source.value.plain()?.into()))));
        }
    }
    used
}

/// Why there is no content.
pub(super) enum Lacking<'a> {
    /// Nothing says where it comes from, or the variable that does is not set.
    Source,
    /// What was found in the place of its file.
    File(&'a Located<Text>, Option<&'a Content>),
}

impl<'a> ContentSource<'a> {
    /// The bytes, with all the places they come from; `secret` is the name under which they are concealed.
    pub(super) fn read(
        self,
        project: &'a Project,
        secret: Option<&str>,
    ) -> Result<(FileContent, Sources), Lacking<'a>> {
        let origins = &project.origins;
        if let Some(content) = self.content {
            let variable = self.variable.map(|variable| variable.spot).unwrap_or_default();
            let from = origins.join([content.value.sources(content.spot, origins), variable.into()]);
            let text = match secret {
                Some(name) => content.value.concealed(name, content.spot, &project.concealed),
                None => content.value.clone(),
            };
            return Ok((FileContent { bytes: FileBytes::Text(text), spot: content.spot, executable: false }, from));
        }
        let file = self.file.ok_or(Lacking::Source)?;
        match project.contents.get(file.value.plain().unwrap_or_default()) {
            Some(Content::File(content)) => {
                let from = origins.join([file.value.sources(file.spot, origins), content.spot.into()]);
                Ok((content.clone(), from))
            }
            other => Err(Lacking::File(file, other)),
        }
    }
}

impl Lacking<'_> {
    /// What is wrong, where, and what to do; `spot` is the place of what has no content.
    pub(super) fn told(
        &self,
        project: &Project,
        source: ContentSource<'_>,
        spot: Spot,
    ) -> (String, Spot, &'static str) {
        match self {
            Self::Source => {
                let spot = source.variable.map_or(spot, |variable| variable.spot);
                ("there is no content for it".to_owned(), spot, "name a `file`, or a variable that is set")
            }
            Self::File(file, found) => {
                let why = match found {
                    Some(Content::Missing) | None => "there is no such file".to_owned(),
                    Some(Content::Directory(_)) => "it is a directory".to_owned(),
                    other => not_mounted(*other),
                };
                let words = format!("{} cannot be carried along: {why}", project.shown(&file.value));
                (words, file.spot, "check the path; it starts from the project directory")
            }
        }
    }
}

/// Why what was found cannot be mounted.
pub(super) fn not_mounted(content: Option<&Content>) -> String {
    match content {
        Some(Content::Unsuitable(why)) => (*why).to_owned(),
        Some(Content::Unreadable(why)) => why.to_string(),
        _ => "there is nothing at this path".to_owned(),
    }
}

/// Where a container finds a config or secret: what Docker Compose makes of `target`.
pub(super) fn path(name: &str, target: Option<&Located<Text>>, secret: bool) -> String {
    match target.and_then(|target| target.value.plain()) {
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(path) if secret => format!("/run/secrets/{path}"),
        Some(path) => format!("/{path}"),
        None if secret => format!("/run/secrets/{name}"),
        None => format!("/{name}"),
    }
}
