//! Which files are loaded, where the project is, and what its variables are (compose.md, section 1).

use super::{
    codes, dotenv,
    remote::{self, RemoteReference},
    request::{FileKind, Files, Request, directory, join},
    variables::Variables,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{FileRole, Located, Masked, Source, Spot, Text},
};

const NAMES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: &[&str] =
    &["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// What was found.
pub(super) struct Found {
    /// Absolute paths and references to remote parts; `-` is standard input.
    pub(super) files: Vec<String>,
    pub(super) directory: String,
}

fn is_file(files: &dyn Files, path: &str) -> bool {
    matches!(files.kind(path), Ok(Some(FileKind::File { .. } | FileKind::Other)))
}

fn is_remote(path: &str) -> bool {
    RemoteReference::parse(path).is_some()
}

/// Finds the files and fills the variables: process, `.env` files, in this order of precedence.
pub(super) fn discover(request: &Request, files: &dyn Files, variables: &mut Variables) -> Result<Found, Findings> {
    let here = &request.working_directory;
    let given = request.project_directory.as_deref().map(|path| join(here, path));
    let start = given.clone().unwrap_or_else(|| here.clone());
    for (name, value) in &request.variables {
        variables.add(name, value);
    }
    variables.add_process(&request.environment);
    if variables.get("PWD").is_none() {
        let spot = variables.origins.add(Source::Default { rule: "PWD" });
        variables.add("PWD", &Located::new(Text::from(start.as_str()), spot));
    }
    let first = match (&given, request.files.iter().find(|path| *path != "-")) {
        (Some(directory), _) => directory.clone(),
        (None, Some(path)) if !is_remote(path) => directory(&join(here, path)),
        _ => here.clone(),
    };
    dot_env(request, &first, here, files, variables)?;

    let at = |base: &str, path: &str| {
        if path == "-" || is_remote(path) { path.to_owned() } else { join(base, path) }
    };
    let mut paths: Vec<String> = request.files.iter().map(|path| at(here, path)).collect();
    if paths.is_empty()
        && let Some(list) = variables.raw("COMPOSE_FILE").filter(|list| !list.is_empty())
    {
        let separator = variables.raw("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty()).unwrap_or(":");
        paths.extend(list.split(separator).map(|path| at(&start, path)));
    }
    if paths.is_empty() {
        paths = walk_up(request, &start, files)?;
    }
    let project = match (&given, paths.iter().find(|path| *path != "-")) {
        (Some(directory), _) => directory.clone(),
        (None, Some(path)) if !is_remote(path) => directory(path),
        _ => here.clone(),
    };
    if project != first {
        dot_env(request, &project, here, files, variables)?;
    }
    paths.extend(request.overlays.iter().map(|path| at(&project, path)));
    let mut written = request.files.iter().chain(&request.overlays);
    for path in paths.iter().filter(|path| *path != "-" && !is_remote(path)) {
        if !is_file(files, path) {
            if let Some(text) = written.find(|text| remote::looks_remote(text) && join(here, text) == *path) {
                return Err(remote::not_local(text, Spot::NOWHERE).into());
            }
            let shown = path.strip_prefix(here.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
            return Err(codes::unreadable(shown, &std::io::ErrorKind::NotFound.into()).into());
        }
    }
    Ok(Found { files: paths, directory: project })
}

fn walk_up(request: &Request, start: &str, files: &dyn Files) -> Result<Vec<String>, Findings> {
    let mut at = start.to_owned();
    loop {
        if let Some(name) = NAMES.iter().find(|name| is_file(files, &join(&at, name))) {
            let mut found = vec![join(&at, name)];
            if !request.without_override
                && let Some(name) = OVERRIDES.iter().find(|name| is_file(files, &join(&at, name)))
            {
                found.push(join(&at, name));
            }
            return Ok(found);
        }
        if at == "/" {
            let words = format!("there is no Compose file in {start} nor above it");
            return Err(Finding::new(&codes::NO_FILE, Masked::words(words), Spot::NOWHERE)
                .help("name one with `-f FILE`, or go to the directory that holds compose.yaml")
                .into());
        }
        at = directory(&at);
    }
}

fn dot_env(
    request: &Request,
    project: &str,
    here: &str,
    files: &dyn Files,
    variables: &mut Variables,
) -> Result<(), Findings> {
    let listed: Vec<String> = if request.env_files.is_empty() {
        let list = request.environment.get("COMPOSE_ENV_FILES").map(String::as_str).unwrap_or_default();
        list.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect()
    } else {
        request.env_files.clone()
    };
    let disabled = request
        .environment
        .get("COMPOSE_DISABLE_ENV_FILE")
        .is_some_and(|text| ["1", "t", "true"].contains(&text.to_ascii_lowercase().as_str()));
    let paths: Vec<String> = if !listed.is_empty() {
        listed.iter().map(|path| join(here, path)).collect()
    } else if disabled || !is_file(files, &join(project, ".env")) {
        Vec::new()
    } else {
        vec![join(project, ".env")]
    };
    let mut own: Vec<(Box<str>, Located<Text>)> = Vec::new();
    for path in paths {
        let shown = path.strip_prefix(here).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&path);
        if !is_file(files, &path) {
            return Err(codes::unreadable(shown, &std::io::ErrorKind::NotFound.into()).into());
        }
        let found = {
            let source = dotenv::Source { path: &path, shown, role: FileRole::DotEnv };
            let outer = |name: &str| variables.get(name).cloned();
            let earlier =
                |name: &str| own.iter().rev().find(|(known, _)| &**known == name).map(|(_, value)| value.clone());
            dotenv::read(&source, files, &variables.origins, &outer, &earlier)?
        };
        for (name, value) in found {
            if let Some(text) = value.value {
                own.push((name, Located::new(text, value.spot)));
            }
        }
    }
    // Of several files the later one counts.
    for (name, value) in own.into_iter().rev() {
        variables.add(&name, &value);
    }
    Ok(())
}

/// The project name by the rules of Compose.
pub(super) fn project_name(
    request: &Request,
    found: &Found,
    declared: Option<Located<Text>>,
    variables: &Variables,
) -> Result<Located<Box<str>>, Finding> {
    let invalid = |name: &str, spot: Spot| {
        let words = format!("`{name}` is no project name");
        Finding::new(&codes::PROJECT_NAME, Masked::words(words), spot)
            .help("use lower-case letters, digits, `-` and `_`, and begin with a letter or digit")
    };
    let explicit =
        request.project_name.as_deref().filter(|name| !name.is_empty()).map(|name| (name.to_owned(), Spot::NOWHERE));
    let from_environment = || {
        let found = variables.get("COMPOSE_PROJECT_NAME").filter(|found| !found.value.is_empty())?;
        Some((found.value.raw().to_owned(), found.spot))
    };
    if let Some((name, spot)) = explicit.or_else(from_environment) {
        if normalized(&name) != name || name.is_empty() {
            return Err(invalid(&name, spot));
        }
        return Ok(Located::new(name.into(), spot));
    }
    if let Some(declared) = declared {
        let name =
            if request.skip.normalization { declared.value.raw().to_owned() } else { normalized(declared.value.raw()) };
        if name.is_empty() {
            return Err(invalid(declared.value.masked().as_str(), declared.spot));
        }
        return Ok(Located::new(name.into(), declared.spot));
    }
    let base = found.directory.rsplit('/').next().unwrap_or_default();
    let name = normalized(base);
    if name.is_empty() {
        return Err(invalid(base, Spot::NOWHERE));
    }
    let spot = variables.origins.add(Source::Default { rule: "project directory" });
    Ok(Located::new(name.into(), spot))
}

fn normalized(name: &str) -> String {
    let kept: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_' || *c == '-')
        .collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}
