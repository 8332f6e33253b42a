//! `include`: other applications, loaded in their own directory and laid under this one.

use super::{
    codes, dotenv, extends,
    merge::merge_at,
    remote::RemoteReference,
    request::{FileKind, Files as _, directory, join},
    stage::{Loader, Place, Resets, relative_to},
    variables::Variables,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{FileRole, Masked, Spot},
    yaml::{Mapping, Scalar, Tree},
};

/// The most levels of files that include one another.
const DEEPEST: usize = 50;

struct Entry {
    paths: Vec<(String, Spot)>,
    project_directory: Option<String>,
    env_files: Vec<(String, Spot)>,
    spot: Spot,
}

pub(super) fn apply(
    loader: &mut Loader<'_>,
    root: &mut Tree,
    place: &Place,
    variables: &Variables,
    chain: &[String],
    resets: &Resets,
) -> Result<(), Findings> {
    let Some(include) = root.as_mapping_mut().and_then(|root| root.remove("include")) else { return Ok(()) };
    if include.is_null() {
        return Ok(());
    }
    let Some(items) = include.as_sequence() else {
        let words = format!("`include` is a list, not a {}", include.kind());
        let finding = Finding::new(&codes::WRONG_TYPE, Masked::words(words), include.spot).at("include");
        return Err(finding.help("write one path a line, each after `- `").into());
    };
    let mut entries = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("include[{index}]");
        entries.push((entry(item).map_err(|finding| finding.at(at.clone()))?, at));
    }
    // All at once for whoever can fetch them together.
    let paths = entries.iter().flat_map(|(entry, _)| &entry.paths);
    let remote: Vec<(RemoteReference, Spot)> =
        paths.filter_map(|(path, spot)| Some((RemoteReference::parse(path)?, *spot))).collect();
    if remote.len() > 1 {
        for (reference, spot) in &remote {
            let _ = loader.fetch(reference, *spot);
        }
    }
    for (entry, at) in entries {
        let imported = load(loader, &entry, place, variables, chain, &at)?;
        import(imported, root, resets, loader)?;
    }
    Ok(())
}

fn entry(item: &Tree) -> Result<Entry, Finding> {
    let wrong = |tree: &Tree| {
        Finding::new(
            &codes::WRONG_TYPE,
            Masked::words(format!("a path is wanted here, not a {}", tree.kind())),
            tree.spot,
        )
        .help("write the path of a Compose file")
    };
    let texts = |tree: Option<&Tree>| -> Result<Vec<(String, Spot)>, Finding> {
        match tree.map(|tree| (tree, &tree.value)) {
            None | Some((_, Scalar::Null)) => Ok(Vec::new()),
            Some((tree, Scalar::Text(text))) => Ok(vec![(text.raw().to_owned(), tree.spot)]),
            Some((_, Scalar::Sequence(items))) => {
                items.iter().map(|item| Ok((item.raw().ok_or_else(|| wrong(item))?.to_owned(), item.spot))).collect()
            }
            Some((tree, _)) => Err(wrong(tree)),
        }
    };
    match &item.value {
        Scalar::Text(_) => {
            Ok(Entry { paths: texts(Some(item))?, project_directory: None, env_files: Vec::new(), spot: item.spot })
        }
        Scalar::Mapping(mapping) => {
            for (key, entry) in &mapping.entries {
                if !["path", "env_file", "project_directory"].contains(&&**key) {
                    return Err(Finding::new(
                        &codes::UNKNOWN_KEY,
                        Masked::words(format!("there is no `{key}` here")),
                        entry.key,
                    )
                    .help("known are `path`, `env_file` and `project_directory`"));
                }
            }
            let directory = match mapping.get("project_directory") {
                None => None,
                Some(tree) => Some(tree.raw().ok_or_else(|| wrong(tree))?.to_owned()).filter(|path| !path.is_empty()),
            };
            Ok(Entry {
                paths: texts(mapping.get("path"))?,
                project_directory: directory,
                env_files: texts(mapping.get("env_file"))?,
                spot: item.spot,
            })
        }
        _ => Err(wrong(item)),
    }
}

fn load(
    loader: &mut Loader<'_>,
    entry: &Entry,
    place: &Place,
    variables: &Variables,
    chain: &[String],
    at: &str,
) -> Result<Tree, Findings> {
    let mut paths = Vec::new();
    let mut inner = Place { absolute: place.absolute.clone(), base: ".".to_owned() };
    for (index, (path, spot)) in entry.paths.iter().enumerate() {
        let (absolute, relative, root) = loader.locate(path, place, *spot).map_err(|finding| finding.at(at))?;
        if index == 0 {
            inner = match &entry.project_directory {
                None => Place { absolute: directory(&absolute), base: relative },
                Some(own) => {
                    let absolute = join(&place.absolute, own);
                    loader.files.stays(&absolute, entry.spot, &loader.origins).map_err(|finding| finding.at(at))?;
                    let base = if own.starts_with('/') || root.is_some() {
                        absolute.clone()
                    } else {
                        relative_to(&place.absolute, &absolute)
                    };
                    Place { absolute, base }
                }
            };
            if chain.contains(&absolute) {
                let shown: Vec<String> = chain.iter().chain([&absolute]).map(|path| loader.show(path)).collect();
                let words = format!("`include` goes round in a circle: {}", shown.join(" → "));
                let finding = Finding::new(&codes::CYCLE, Masked::words(words), *spot).at(at);
                return Err(finding.help("remove one of them").into());
            }
        }
        paths.push(absolute);
    }
    if paths.is_empty() {
        return Err(Finding::new(&codes::MISSING_KEY, "the key `path` is missing here".into(), entry.spot)
            .at(at)
            .help("add `path: …`")
            .into());
    }
    if chain.len() > DEEPEST {
        let words = format!("files include one another more than {DEEPEST} levels deep");
        let finding = Finding::new(&codes::CYCLE, Masked::words(words), entry.spot).at(at);
        return Err(finding.help("include them from one file").into());
    }
    let mut known = variables.clone();
    for path in env_files(loader, entry, place, &inner, at)? {
        let shown = loader.show(&path);
        let found = {
            let outer = |name: &str| variables.get(name).cloned();
            let source = dotenv::Source { path: &path, shown: &shown, role: FileRole::DotEnv };
            dotenv::read(&source, loader.files, &loader.origins, &outer, &|_| None)
                .map_err(|finding| finding.label(entry.spot, "included here").at(at))?
        };
        for (name, value) in found {
            if let Some(text) = value.value {
                known.add(&name, &crate::value::Located::new(text, value.spot));
            }
        }
    }
    loader.model(&paths, &inner, &known, chain, true).map_err(|findings| extends::placed(findings, entry.spot, at))
}

fn env_files(
    loader: &Loader<'_>,
    entry: &Entry,
    place: &Place,
    inner: &Place,
    at: &str,
) -> Result<Vec<String>, Finding> {
    // What cannot be looked at is told when it is read.
    let is_file =
        |path: &str| matches!(loader.files.kind(path), Ok(Some(FileKind::File { .. } | FileKind::Other)) | Err(_));
    if entry.env_files.is_empty() {
        let default = join(&inner.absolute, ".env");
        return Ok(if is_file(&default) { vec![default] } else { Vec::new() });
    }
    let mut out = Vec::new();
    for (path, spot) in &entry.env_files {
        if path == "/dev/null" {
            continue;
        }
        let absolute = join(&place.absolute, path);
        loader
            .files
            .stays(&absolute, *spot, &loader.origins)
            .map_err(|finding| finding.at(format!("{at}.env_file")))?;
        if !is_file(&absolute) {
            let words = format!("cannot read {}: there is no such file", loader.show(&absolute));
            return Err(Finding::new(&codes::UNREADABLE, Masked::words(words), *spot)
                .at(format!("{at}.env_file"))
                .help("check the path: it starts from the directory of the file that includes"));
        }
        // Later files override earlier ones, and the first to set a variable wins here.
        out.insert(0, absolute);
    }
    Ok(out)
}

/// What was included lies under what stands here.
fn import(imported: Tree, root: &mut Tree, resets: &Resets, loader: &Loader<'_>) -> Result<(), Findings> {
    let Scalar::Mapping(mut imported) = imported.value else { return Ok(()) };
    let Some(root) = root.as_mapping_mut() else { return Ok(()) };
    for section in ["services", "jobs", "volumes", "networks", "secrets", "configs", "models"] {
        let Some(from) = imported.remove(section) else { continue };
        let spot = from.spot;
        let Scalar::Mapping(from) = from.value else { continue };
        if root.get(section).is_none_or(Tree::is_null) {
            root.set(section, Tree::mapping(spot));
        }
        let Some(to) = root.get_mut(section).and_then(Tree::as_mapping_mut) else { continue };
        for (name, entry) in from.entries {
            let Some(own) = to.get_mut(&name) else {
                to.entries.insert(name, entry);
                continue;
            };
            if *own == entry.tree {
                continue;
            }
            let mut model = Tree::mapping(Spot::NOWHERE);
            let mut inner = Mapping::default();
            inner.set(name.clone(), entry.tree);
            if let Some(mapping) = model.as_mapping_mut() {
                mapping.set(section, Tree::new(Scalar::Mapping(inner), Spot::NOWHERE));
            }
            resets.apply(&mut model);
            let cleared = model.get_mut(section).and_then(Tree::as_mapping_mut).and_then(|inner| inner.remove(&name));
            let over = std::mem::take(own);
            *own = match cleared {
                Some(base) => merge_at(base, over, &[section, &name], &loader.origins)?,
                None => over,
            };
        }
    }
    Ok(())
}
