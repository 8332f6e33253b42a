//! The whole way from a request to a model.

use std::{collections::HashMap, sync::Arc};

use super::{
    bind, conceal, consistency, contents, discover, dotenv,
    model::Project,
    normalize,
    remote::RemoteReference,
    render::Configuration,
    request::{Files, Request, directory, join},
    select, shares,
    stage::{GIT_SWITCH, Loader, OCI_SWITCH, Place},
    trees::{Fetched, Trees},
    typed,
    variables::Variables,
};
use crate::{
    compose::codes,
    diagnostic::{Finding, Findings},
    value::{FileRole, Located, Masked, Origins, Secrets, Spot, Text},
    yaml::{Entry, Mapping, Scalar, Tree},
};

/// A loaded application and what is worth knowing about it.
#[derive(Debug)]
pub struct Loaded {
    /// The application.
    pub project: Project,
    /// Warnings and notes; no errors.
    pub findings: Findings,
}

/// Loads an application into the typed model.
///
/// Errors are everything that Docker Compose would refuse, with their places.
pub fn load(
    request: &Request,
    files: &dyn Files,
    origins: &Arc<Origins>,
    concealed: &Arc<Secrets>,
) -> Result<Loaded, Findings> {
    let trees = Trees::new(files, &request.working_directory);
    let mut resolved = resolve(request, &trees, origins, concealed)?;
    let contents = if request.contents { contents::read(&mut resolved, &trees) } else { indexmap::IndexMap::new() };
    let mut project = bind::project(resolved.tree, resolved.name, &resolved.directory, contents, origins, concealed)?;
    project.parts = trees.names();
    Ok(Loaded { project, findings: resolved.findings })
}

/// Loads an application for printing, with the stages left out that the request says.
pub fn configuration(
    request: &Request,
    files: &dyn Files,
    origins: &Arc<Origins>,
    concealed: &Arc<Secrets>,
) -> Result<Configuration, Findings> {
    let trees = Trees::new(files, &request.working_directory);
    Ok(Configuration::new(resolve(request, &trees, origins, concealed)?, request))
}

/// A model that is done, with what belongs to it.
pub(super) struct Resolved {
    pub(super) tree: Tree,
    /// What no active profile enables.
    pub(super) disabled: Tree,
    /// What interpolation reads.
    pub(super) variables: Variables,
    pub(super) name: Located<Box<str>>,
    pub(super) directory: String,
    pub(super) findings: Findings,
    pub(super) origins: Arc<Origins>,
    pub(super) concealed: Arc<Secrets>,
}

fn resolve(
    request: &Request,
    files: &Trees<'_>,
    origins: &Arc<Origins>,
    concealed: &Arc<Secrets>,
) -> Result<Resolved, Findings> {
    let mut variables = Variables::new(&request.secrets, origins, concealed);
    let found = discover::discover(request, files, &mut variables)?;
    let switch = |name: &str| variables.raw(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let mut loader = Loader {
        files,
        switches: [switch(GIT_SWITCH), switch(OCI_SWITCH)],
        origins: Arc::clone(origins),
        concealed: Arc::clone(concealed),
        skip: request.skip,
        home: request.environment.get("HOME").filter(|home| !home.is_empty()).cloned(),
        standard_input: request.standard_input.as_deref(),
        findings: Findings::new(),
        read: HashMap::new(),
    };
    let (paths, directory) = main_files(&loader, &found, request)?;
    let declared = declared_name(&mut loader, &paths, &variables, request)?;
    let name = discover::project_name(request, &found, declared, &variables)?;
    variables.set("COMPOSE_PROJECT_NAME", &Located::new(Text::from(&*name.value), name.spot));
    let known = variables.clone();
    if request.skip.interpolation {
        // What is not replaced is not looked up either.
        variables = Variables::new(&request.secrets, origins, concealed);
    }
    let place = Place { absolute: directory.clone(), base: directory.clone() };
    let bound = !request.skip.interpolation || request.typed;
    let mut tree = if let Some(tree) = shares::load(&mut loader, &paths, &place, &variables, &name.value) {
        tree
    } else {
        let mut tree = loader.model(&paths, &place, &variables, &[], !request.skip.path_resolution)?;
        if tree.as_mapping().is_none_or(|root| root.entries.is_empty()) {
            return Err(Finding::new(&codes::EMPTY, "the files declare nothing".into(), Spot::NOWHERE)
                .help("declare a service: `services: {web: {image: …}}`")
                .into());
        }
        if !request.skip.normalization {
            normalize::normalize(&mut tree, &name.value, &variables)?;
        }
        if bound {
            typed::typed(&mut tree)?;
        }
        tree
    };
    let mut findings = loader.findings;
    let mut disabled = Tree::mapping(Spot::NOWHERE);
    if bound {
        let profiles = match &request.profiles {
            Some(profiles) => profiles.clone(),
            None => known
                .raw("COMPOSE_PROFILES")
                .map(|list| list.split(',').map(|profile| profile.trim().to_owned()).collect())
                .unwrap_or_default(),
        };
        disabled = select::profiles(&mut tree, &profiles);
        if !request.skip.consistency {
            let inconsistent = consistency::check(&tree, &disabled);
            if inconsistent.has_errors() {
                return Err(inconsistent);
            }
            findings.extend(inconsistent);
        }
        let read = |tree: &mut Tree| {
            if request.skip.environment_resolution {
                return Ok(());
            }
            environment_files(tree, files, &known, &request.working_directory)
        };
        if request.only.is_empty() {
            read(&mut tree)?;
        }
        if !request.services.is_empty() {
            select::services(&mut tree, &mut disabled, &request.services)?;
            // A service that only now runs has files as well.
            read(&mut tree)?;
        }
        if !request.only.is_empty() {
            select::only(&mut tree, &request.only)?;
            read(&mut tree)?;
        }
        label_files(&mut tree, files, &known, &request.working_directory)?;
        conceal_environment(&mut tree, &known);
        if !request.all_resources {
            select::unused(&mut tree);
        }
    }
    Ok(Resolved {
        tree,
        disabled,
        variables: known,
        name,
        directory,
        findings,
        origins: Arc::clone(origins),
        concealed: Arc::clone(concealed),
    })
}

/// The files to begin with, all on this machine, and the directory that paths in them start from: where a remote part is
/// among them, and nothing else is said, the directory of the first.
fn main_files(
    loader: &Loader<'_>,
    found: &discover::Found,
    request: &Request,
) -> Result<(Vec<String>, String), Finding> {
    let mut paths = Vec::new();
    let mut elsewhere = None;
    for path in &found.files {
        match RemoteReference::parse(path) {
            None => paths.push(path.clone()),
            Some(reference) => {
                let Fetched { file, root } = loader.fetch(&reference, Spot::NOWHERE)?;
                if request.project_directory.is_some() {
                    loader.files.give(&root, &found.directory);
                }
                elsewhere.get_or_insert_with(|| directory(&file));
                paths.push(file);
            }
        }
    }
    let given = request.project_directory.is_some();
    Ok((paths, elsewhere.filter(|_| !given).unwrap_or_else(|| found.directory.clone())))
}

/// `name:` of the last file that sets it, with its variables replaced.
fn declared_name(
    loader: &mut Loader<'_>,
    files: &[String],
    variables: &Variables,
    request: &Request,
) -> Result<Option<Located<Text>>, Findings> {
    let mut declared = None;
    loader.read_ahead(files);
    for path in files {
        let Ok(documents) = loader.documents(path) else { continue };
        for document in documents.iter() {
            if let Some(name) = document.root.get("name")
                && let Some(text) = name.as_text().filter(|text| !text.is_empty())
            {
                declared = Some(Located::new(text.clone(), name.spot));
            }
        }
    }
    let Some(declared) = declared else { return Ok(None) };
    if request.skip.interpolation {
        return Ok(Some(declared));
    }
    let mut tree = Tree::mapping(declared.spot);
    if let Some(root) = tree.as_mapping_mut() {
        root.set("name", Tree::text(declared.value, declared.spot));
    }
    let mut unset = Findings::new();
    super::interpolate::interpolate(&mut tree, variables, &mut unset, &mut 0)?;
    Ok(tree.get("name").and_then(Tree::as_text).map(|text| Located::new(text.clone(), declared.spot)))
}

fn services_mut(tree: &mut Tree) -> impl Iterator<Item = (&str, &mut Tree)> {
    tree.get_mut("services")
        .and_then(Tree::as_mapping_mut)
        .into_iter()
        .flat_map(|mapping| mapping.entries.iter_mut().map(|(name, entry)| (&**name, &mut entry.tree)))
}

/// What has no place of its own is shown where the file was named.
fn named(finding: Finding, spot: Spot) -> Finding {
    if finding.labels.is_empty() { finding.label(spot, "named here") } else { finding }
}

fn assigned(mapping: &Mapping, name: &str) -> Option<Located<Text>> {
    let tree = mapping.get(name)?;
    Some(Located::new(tree.as_text()?.clone(), tree.spot))
}

/// The most bytes that all services together may have from files.
const MOST: usize = 256 << 20;

/// `env_file`: its variables go under those of `environment`.
fn environment_files(tree: &mut Tree, files: &Trees<'_>, variables: &Variables, from: &str) -> Result<(), Findings> {
    let mut size = 0;
    for (name, service) in services_mut(tree) {
        if service.get("env_file").is_none() {
            continue;
        }
        let environment_spot = service.get("environment").map(|tree| tree.spot).unwrap_or_default();
        let own =
            match service.as_mapping_mut().and_then(|service| service.remove("environment")).map(|tree| tree.value) {
                Some(Scalar::Mapping(mapping)) => mapping,
                _ => Mapping::default(),
            };
        let mut merged = Mapping::default();
        let listed = service.get("env_file").and_then(Tree::as_sequence).map(<[Tree]>::to_vec).unwrap_or_default();
        for item in listed {
            let Some(path) = item.get("path").and_then(Tree::raw).map(|path| join(from, path)) else { continue };
            let path = path.as_str();
            let path_shown = &files.show(path);
            let at = || format!("services.{name}.env_file");
            files.stays(path, item.spot, &variables.origins).map_err(|finding| finding.at(at()))?;
            let required = !item.get("required").is_some_and(|required| matches!(required.value, Scalar::Bool(false)));
            if matches!(files.kind(path), Ok(None)) {
                if required {
                    let finding = codes::unreadable(path_shown, &std::io::ErrorKind::NotFound.into());
                    return Err(finding.label(item.spot, "named here").at(at()).into());
                }
                continue;
            }
            let assignments = match item.get("format").and_then(Tree::raw) {
                None | Some("") => {
                    let outer = |name: &str| variables.get(name).cloned().or_else(|| assigned(&own, name));
                    let source = dotenv::Source { path, shown: path_shown, role: FileRole::EnvFile };
                    dotenv::read(&source, files, &variables.origins, &outer, &|name| assigned(&merged, name))
                }
                Some("raw") => dotenv::read_raw(path, path_shown, files, variables),
                Some(format) => Err(Finding::new(
                    &codes::INVALID_VALUE,
                    Masked::words(format!("`{format}` is no format of such a file")),
                    item.get("format").map_or(item.spot, |format| format.spot),
                )
                .help("leave it out, or write `raw`")),
            };
            let assignments = assignments.map_err(|finding| named(finding, item.spot).at(at()))?;
            size += assignments.iter().filter_map(|(_, value)| value.value.as_ref()).map(Text::size).sum::<usize>();
            if size > MOST {
                let words = "the services have more from their files than fits into memory";
                let finding = Finding::new(&codes::ENV_FILE, words.into(), item.spot);
                return Err(finding.help("leave out of the files what a service does not need").at(at()).into());
            }
            for (key, value) in assignments {
                let text = match value.value {
                    Some(text) => Some(Located::new(text, value.spot)),
                    None => variables.get(&key).cloned(),
                };
                if let Some(text) = text {
                    let spot = variables.origins.derive(text.spot, None, item.spot.into());
                    merged.set(key, Tree::text(text.value, spot));
                }
            }
        }
        for (key, entry) in own.entries {
            // What has no value here hides what a file says.
            let below = merged.get(&key).map(|tree| tree.spot);
            let mut tree = entry.tree;
            if let Some(below) = below {
                let made_of = variables.origins.origin(tree.spot).map(|origin| origin.made_of).unwrap_or_default();
                tree.spot = variables.origins.derive(tree.spot, Some(below), made_of);
            }
            merged.entries.insert(key, Entry { key: entry.key, tree });
        }
        if let Some(service) = service.as_mapping_mut() {
            service.remove("env_file");
            if !merged.entries.is_empty() {
                service.set("environment", Tree::new(Scalar::Mapping(merged), environment_spot));
            }
        }
    }
    Ok(())
}

/// `label_file`: its labels go under those of `labels`.
fn label_files(tree: &mut Tree, files: &Trees<'_>, variables: &Variables, from: &str) -> Result<(), Findings> {
    for (name, service) in services_mut(tree) {
        let listed = service.get("label_file").and_then(Tree::as_sequence).map(<[Tree]>::to_vec).unwrap_or_default();
        if listed.is_empty() {
            continue;
        }
        let mut merged = Mapping::default();
        for item in listed {
            let Some(path) = item.raw().map(|path| join(from, path)) else { continue };
            let path = path.as_str();
            let at = format!("services.{name}.label_file");
            let path_shown = &files.show(path);
            files.stays(path, item.spot, &variables.origins).map_err(|finding| finding.at(at.clone()))?;
            if matches!(files.kind(path), Ok(None)) {
                let finding = codes::unreadable(path_shown, &std::io::ErrorKind::NotFound.into());
                return Err(finding.label(item.spot, "named here").at(at).into());
            }
            // Label files read no variables but what label files said before.
            let source = dotenv::Source { path, shown: path_shown, role: FileRole::EnvFile };
            let outer = |name: &str| assigned(&merged, name);
            let assignments = dotenv::read(&source, files, &variables.origins, &outer, &|_| None)
                .map_err(|finding| named(finding, item.spot).at(at))?;
            for (key, value) in assignments {
                let spot = variables.origins.derive(value.spot, None, item.spot.into());
                merged.set(key, Tree::text(value.value.unwrap_or_default(), spot));
            }
        }
        let own = match service.as_mapping_mut().and_then(|service| service.remove("labels")).map(|tree| tree.value) {
            Some(Scalar::Mapping(mapping)) => mapping,
            _ => Mapping::default(),
        };
        for (key, entry) in own.entries {
            merged.entries.insert(key, entry);
        }
        if let Some(service) = service.as_mapping_mut()
            && !merged.entries.is_empty()
        {
            service.set("labels", Tree::new(Scalar::Mapping(merged), Spot::NOWHERE));
        }
    }
    Ok(())
}

/// Variables of containers are secret by their names, and passwords inside addresses are.
fn conceal_environment(tree: &mut Tree, variables: &Variables) {
    for (_, service) in services_mut(tree) {
        conceal_variables(service, variables);
        for hooks in ["pre_start", "post_start", "pre_stop"] {
            let Some(Scalar::Sequence(hooks)) = service.get_mut(hooks).map(|tree| &mut tree.value) else { continue };
            for hook in hooks.iter_mut() {
                conceal_variables(hook, variables);
            }
        }
    }
}

fn conceal_variables(container: &mut Tree, variables: &Variables) {
    let Some(environment) = container.get_mut("environment").and_then(Tree::as_mapping_mut) else { return };
    for (name, entry) in &mut environment.entries {
        let spot = entry.tree.spot;
        if let Scalar::Text(text) = &mut entry.tree.value {
            if conceal::name_says_so(name) {
                *text = text.concealed(name, spot, &variables.concealed);
            } else if let Some(concealed) = conceal::credentials_in_url(text, name, spot, &variables.concealed) {
                *text = concealed;
            }
        }
    }
}
