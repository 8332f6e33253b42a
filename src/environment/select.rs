//! Which environment is meant, and what it asks of every stage.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{
    codes,
    destination::{Destination, destination},
    file::{Environment, Guards, Images, SettingsFile},
    read::{NOWHERE, Read as _},
};
use crate::{
    compose::{FileKind, Files, RemoteReference, Request, directory, join},
    diagnostic::{Finding, Findings, nearest},
    target::Dialect,
    value::{FileRole, Located, Masked, Name, Origins, Source, Text},
    yaml,
};

/// What the command line says about all of this.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `-f`.
    pub files: Vec<String>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// `--env-file`.
    pub env_files: Vec<String>,
    /// `--project-directory`.
    pub project_directory: Option<String>,
    /// `--set`.
    pub variables: Vec<(String, String)>,
    /// `--to`.
    pub to: Option<Dialect>,
    /// `--context`.
    pub context: Option<String>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--output`.
    pub output: Option<String>,
}

/// The settings file, if there is one, and the environments there are.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Directory of the settings file, or of the first Compose file; absolute.
    pub directory: String,
    /// The settings file as people name it.
    pub path: Option<String>,
    /// What it holds.
    pub settings: SettingsFile,
    /// The overlay of each environment found by name, in order of names.
    pub overlays: BTreeMap<Name, String>,
}

impl Known {
    /// Names of all environments: those declared first.
    pub fn names(&self) -> Vec<Name> {
        let declared = self.declared().keys().cloned();
        let found = self.overlays.keys().filter(|name| !self.declared().contains_key(*name)).cloned();
        declared.chain(found).collect()
    }

    /// The name of the application, where the settings file says it.
    pub fn application(&self) -> Option<Name> {
        self.settings.application.as_ref().map(|name| name.value.clone())
    }

    /// The environments of the settings file.
    pub fn declared(&self) -> &IndexMap<Name, Environment> {
        static NONE: std::sync::OnceLock<IndexMap<Name, Environment>> = std::sync::OnceLock::new();
        self.settings.environments.as_ref().unwrap_or_else(|| NONE.get_or_init(IndexMap::new))
    }
}

const NAMES: &[&str] = &["transship.yaml", "transship.yml"];
const COMPOSE: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

fn is_file(files: &dyn Files, path: &str) -> bool {
    matches!(files.kind(path), Ok(Some(FileKind::File { .. } | FileKind::Other)))
}

/// Looks for `transship.yaml` where the Compose files are, reads it, and sees which overlays stand there.
///
/// # Errors
/// Everything that is wrong in the file, at once.
pub fn find(flags: &Flags, here: &str, files: &dyn Files, origins: &Origins) -> Result<Known, Findings> {
    let start = match (&flags.project_directory, flags.files.iter().find(|path| *path != "-")) {
        (Some(path), _) => join(here, path),
        (None, Some(path)) if RemoteReference::parse(path).is_none() => directory(&join(here, path)),
        _ => here.to_owned(),
    };
    let fixed = flags.project_directory.is_some() || !flags.files.is_empty();
    let mut at = start.clone();
    let found = loop {
        if let Some(name) = NAMES.iter().find(|name| is_file(files, &join(&at, name))) {
            break Some(join(&at, name));
        }
        if fixed || at == "/" || COMPOSE.iter().any(|name| is_file(files, &join(&at, name))) {
            break None;
        }
        at = directory(&at);
    };
    let Some(path) = found else {
        // Nothing above: the overlays of wherever Compose will look.
        let at = if at == "/" { start } else { at };
        return Ok(Known { overlays: overlays(files, &at), directory: at, ..Known::default() });
    };
    let shown = path.strip_prefix(here).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&path).to_owned();
    let bytes = files.read(&path).map_err(|error| crate::compose::codes::unreadable(&shown, &error))?;
    let mut documents = yaml::parse(&bytes, &shown, FileRole::Settings, origins)?;
    let mut findings = Findings::new();
    let settings = match (documents.pop(), documents.is_empty()) {
        (Some(document), true) if !document.root.is_null() => SettingsFile::read(&document.root, "", &mut findings),
        (Some(document), false) => {
            let words = "one document is wanted, and this is another";
            findings.push(Finding::new(&codes::WRONG_SETTING, words.into(), document.root.spot));
            None
        }
        _ => Some(SettingsFile::default()),
    };
    if findings.has_errors() {
        let mut sorted: Vec<Finding> = findings.into_iter().collect();
        sorted.sort_by_key(|finding| origins.place(finding.spot()).map(|place| place.span.start));
        let mut findings = Findings::new();
        for finding in sorted {
            findings.push(finding);
        }
        return Err(findings);
    }
    let settings = settings.unwrap_or_default();
    Ok(Known { overlays: overlays(files, &at), directory: at, path: Some(shown), settings })
}

/// `compose.<name>.yaml`, `docker-compose.<name>.yml`, `docker-compose.env.<name>.yml`.
fn overlays(files: &dyn Files, at: &str) -> BTreeMap<Name, String> {
    let mut found = BTreeMap::new();
    for file in files.list(at).unwrap_or_default() {
        let Some(stem) = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")) else { continue };
        let name = stem
            .strip_prefix("docker-compose.env.")
            .or_else(|| stem.strip_prefix("docker-compose."))
            .or_else(|| stem.strip_prefix("compose."));
        let Some(name) = name.filter(|name| !name.is_empty() && *name != "override" && !name.contains('.')) else {
            continue;
        };
        found.entry(Name::from(name)).or_insert_with(|| join(at, &file));
    }
    found
}

/// One environment, ready to be used.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Its name; empty without one.
    pub name: Name,
    /// The application's name, where the settings say one.
    pub application: Option<Name>,
    /// What to load.
    pub request: Request,
    /// Where images come from.
    pub images: Images,
    /// The environment as written.
    pub environment: Environment,
    /// Directory that paths in the settings start from.
    pub directory: String,
    /// The words the release is written in.
    pub dialect: Dialect,
    /// Where the release goes; `None` when nothing says so.
    pub destination: Option<Destination>,
    pub(super) namespace: Option<String>,
}

/// Chooses an environment: the one named, the only one declared, or none where there are no settings.
///
/// # Errors
/// When the name is unknown, or one is needed.
pub fn select(
    known: &Known,
    wanted: Option<&str>,
    flags: &Flags,
    variables: &BTreeMap<String, String>,
    here: &str,
    origins: &Origins,
) -> Result<Selected, Findings> {
    let names = known.names();
    let name: Option<Name> = match wanted {
        Some(name) if names.iter().any(|known| **known == *name) => Some(name.into()),
        Some(name) => return Err(unknown(name, &names).into()),
        None if known.declared().len() == 1 => known.declared().keys().next().cloned(),
        None if known.declared().is_empty() => None,
        None => {
            let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let words = Masked::words(format!("name an environment: {list}"));
            return Err(Finding::new(&codes::ENVIRONMENT_REQUIRED, words, NOWHERE)
                .help("as the first argument of the command, or with `-e NAME`")
                .into());
        }
    };
    let environment = name.as_ref().and_then(|name| known.declared().get(name)).cloned().unwrap_or_default();
    let request = request(known, name.as_ref(), &environment, flags, variables, here, origins);
    let (dialect, destination) = destination(known, &environment, flags, variables, here)?;
    Ok(Selected {
        application: known.settings.application.as_ref().map(|name| name.value.clone()),
        images: known.settings.images.clone().unwrap_or_default(),
        directory: known.directory.clone(),
        namespace: flags.namespace.clone(),
        name: name.unwrap_or_default(),
        request,
        environment,
        dialect,
        destination,
    })
}

fn unknown(name: &str, names: &[Name]) -> Finding {
    let words = Masked::words(format!("there is no environment `{name}`"));
    let finding = Finding::new(&codes::UNKNOWN_ENVIRONMENT, words, NOWHERE);
    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(name, names.iter().map(|name| &**name)) {
        Some(near) => finding.help(Masked::words(format!("did you mean `{near}`? there are {list}"))),
        None if names.is_empty() => finding.help(Masked::words(format!(
            "add an overlay compose.{name}.yaml, or declare `environments.{name}` in transship.yaml"
        ))),
        None => finding.help(Masked::words(format!("there are {list}"))),
    }
}

fn plain(list: &[Located<Name>]) -> impl Iterator<Item = String> + '_ {
    list.iter().map(|item| item.value.to_string())
}

fn request(
    known: &Known,
    name: Option<&Name>,
    environment: &Environment,
    flags: &Flags,
    variables: &BTreeMap<String, String>,
    here: &str,
    origins: &Origins,
) -> Request {
    let at = |path: String| {
        if path == "-" || RemoteReference::parse(&path).is_some() { path } else { join(&known.directory, &path) }
    };
    let files = match (&known.settings.files, flags.files.is_empty()) {
        (Some(files), true) => plain(files).map(at).collect(),
        _ => flags.files.clone(),
    };
    let overlays = match (&environment.files, name) {
        (Some(files), _) => plain(files).map(at).collect(),
        (None, Some(name)) => known.overlays.get(name).cloned().into_iter().collect(),
        (None, None) => Vec::new(),
    };
    let mut profiles: Vec<String> =
        environment.profiles.as_deref().map(|list| plain(list).collect()).unwrap_or_default();
    profiles.extend(flags.profiles.iter().cloned());
    let env_files = match &environment.env_files {
        Some(list) if flags.env_files.is_empty() => plain(list).map(at).collect(),
        _ => flags.env_files.clone(),
    };
    let declared = environment.variables.iter().flatten().map(|(name, value)| (name.to_string(), value.clone()));
    let mut own: BTreeMap<String, Located<Text>> = declared.collect();
    for (name, value) in &flags.variables {
        let spot = origins.add(Source::Variable { name: name.as_str().into(), flag: true });
        own.insert(name.clone(), Located::new(Text::from(value.as_str()), spot));
    }
    Request {
        files,
        overlays,
        without_override: name.is_some(),
        project_name: flags.project_name.clone(),
        project_directory: flags.project_directory.clone(),
        profiles: (!profiles.is_empty()).then_some(profiles),
        env_files,
        variables: own,
        environment: variables.clone(),
        working_directory: here.to_owned(),
        secrets: known.settings.sensitive.as_deref().map(|list| plain(list).collect()).unwrap_or_default(),
        ..Request::default()
    }
}

impl Selected {
    /// What protects it.
    pub fn guards(&self) -> Guards {
        self.environment.guards.clone().unwrap_or_default()
    }

    /// Leaves out the findings that the environment accepts.
    pub fn silence(&self, findings: &mut Findings) {
        let accepted = self.environment.silence.as_deref().unwrap_or_default();
        findings.retain_mut(|finding| {
            let Some(path) = &finding.path else { return true };
            finding.severity == crate::diagnostic::Severity::Error
                || !accepted
                    .iter()
                    .filter_map(|silence| silence.path.as_ref())
                    .any(|pattern| covers(&pattern.value, path))
        });
    }
}

/// Whether a pattern of dotted steps is the path or stands above it.
fn covers(pattern: &str, path: &str) -> bool {
    let steps = |text: &str| -> Vec<String> {
        text.replace('[', ".").replace([']', '"'], "").split('.').map(str::to_owned).collect()
    };
    let (pattern, path) = (steps(pattern), steps(path));
    pattern.len() <= path.len() && pattern.iter().zip(&path).all(|(p, s)| p == "*" || p == s)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    struct Tree(Vec<(&'static str, &'static str)>);

    impl Files for Tree {
        fn read(&self, path: &str) -> io::Result<Vec<u8>> {
            let found = self.0.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
            let found = self.0.iter().find(|(name, _)| *name == path);
            Ok(found.map(|(_, text)| FileKind::File { length: text.len() as u64, executable: false }))
        }

        fn list(&self, path: &str) -> io::Result<Vec<String>> {
            let inside = |name: &str| Some(name.strip_prefix(path)?.strip_prefix('/')?.to_owned());
            Ok(self.0.iter().filter_map(|(name, _)| inside(name)).collect())
        }
    }

    fn messages(findings: &Findings, origins: &Origins) -> Vec<String> {
        findings
            .iter()
            .map(|finding| {
                let place = origins.describe(finding.spot()).unwrap_or_default();
                let help = finding.help.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{place}: {} ({help})", finding.message)
            })
            .collect()
    }

    #[test]
    fn every_mistake_of_the_file_is_told_with_its_place() {
        let origins = Origins::new();
        let text = "enviroments: {}\nenvironments:\n  production:\n    kubernetes:\n      publish: loadbalancer\n      \
                    version: 1.30\n      createNamespace: maybe\n    guards: yes\n";
        let tree = Tree(vec![("/w/compose.yaml", ""), ("/w/transship.yaml", text)]);
        let found = find(&Flags::default(), "/w", &tree, &origins).map_err(|findings| messages(&findings, &origins));
        assert_eq!(
            found.err().unwrap_or_default(),
            [
                "transship.yaml:1:1: unknown key `enviroments` (did you mean `environments`?)",
                "transship.yaml:5:16: environments.production.kubernetes.publish: `loadbalancer` is none of `none`, \
                 `nodePort`, `loadBalancer` (did you mean `loadBalancer`?)",
                "transship.yaml:6:16: environments.production.kubernetes.version: a version is a string (put it in \
                 quotes: \"1.36\")",
                "transship.yaml:7:24: environments.production.kubernetes.createNamespace: true or false is wanted, \
                 not a string ()",
                "transship.yaml:8:13: environments.production.guards: a mapping is wanted, not a string ()",
            ]
        );
    }

    #[test]
    fn an_environment_is_its_entry_or_its_overlay_and_nothing_else() -> Result<(), Findings> {
        let origins = Origins::new();
        let tree = Tree(vec![
            ("/w/compose.yaml", ""),
            ("/w/compose.staging.yaml", ""),
            ("/w/docker-compose.env.qa.yml", ""),
            ("/w/compose.override.yaml", ""),
        ]);
        let flags = Flags::default();
        let known = find(&flags, "/w/below", &tree, &origins)?;
        assert_eq!(known.names(), ["qa".into(), "staging".into()]);
        let none = BTreeMap::new();
        let selected = select(&known, Some("qa"), &flags, &none, "/w/below", &origins)?;
        assert_eq!(selected.request.overlays, ["/w/docker-compose.env.qa.yml"]);
        assert!(selected.request.without_override);
        let wrong = select(&known, Some("stagin"), &flags, &none, "/w/below", &origins);
        assert_eq!(
            wrong.map(|_| ()).map_err(|findings| messages(&findings, &origins)),
            Err(vec![
                ": there is no environment `stagin` (did you mean `staging`? there are `qa`, `staging`)".to_owned()
            ])
        );
        Ok(())
    }

    #[test]
    fn a_silenced_path_covers_what_is_below_it() {
        assert!(covers("services.*.ulimits", "services.db.ulimits.nofile"));
        assert!(covers("services.db.ports", "services.db.ports[0]"));
        assert!(!covers("services.db.ports.*.mode", "services.db.ports"));
        assert!(!covers("services.db", "services.web"));
    }
}
