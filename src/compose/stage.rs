//! The stages of one file and of one model, in the reference's order (compose.md, section 1).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use smol_str::SmolStr;

use super::{
    canonical, codes,
    extends::Extender,
    include,
    interpolate::interpolate,
    merge::{self, merge},
    normalize::resolve_environment,
    paths::Resolver,
    remote::{self, RemotePlace, RemoteReference},
    request::{Files as _, Skip, directory, join},
    schema,
    trees::{Fetched, Trees},
    unique,
    variables::Variables,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{FileRole, Masked, Origins, Secrets, Spot},
    yaml::{self, Mapping, Scalar, Suspicion, Tag, Tree, Unread},
};

/// Everything that stays the same while one application is loaded.
pub(super) struct Loader<'a> {
    pub(super) files: &'a Trees<'a>,
    pub(super) origins: Arc<Origins>,
    pub(super) concealed: Arc<Secrets>,
    pub(super) skip: Skip,
    pub(super) home: Option<String>,
    /// What `-` reads.
    pub(super) standard_input: Option<&'a [u8]>,
    /// `COMPOSE_EXPERIMENTAL_GIT_REMOTE` and `COMPOSE_EXPERIMENTAL_OCI_REMOTE`, where they are set.
    pub(super) switches: [Option<String>; 2],
    pub(super) findings: Findings,
    /// Documents by absolute path, as read, until the file takes its part in the model.
    pub(super) read: HashMap<String, Arc<Vec<yaml::Document>>>,
}

/// Where a model is loaded: the directory that files are found from, and the one that paths in it become
/// relative to (itself relative for what is included).
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) absolute: String,
    pub(super) base: String,
}

/// Which stages run for a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stages {
    pub(super) include: bool,
    pub(super) extends: bool,
    pub(super) validate: bool,
}

impl Stages {
    pub(super) const ALL: Self = Self { include: true, extends: true, validate: true };
    pub(super) const BASE: Self = Self { include: false, extends: false, validate: false };
}

/// Paths that `!reset` and `!override` clear in what came before.
#[derive(Clone, Debug, Default)]
pub(super) struct Resets(Vec<Vec<SmolStr>>);

impl Resets {
    /// Takes the tagged parts out of a document, or notes them.
    fn collect(tree: &mut Tree, path: &mut Vec<SmolStr>, into: &mut Self) -> bool {
        match tree.tag {
            Tag::Reset => {
                into.add(path);
                return false;
            }
            Tag::Override => {
                into.add(path);
                tree.tag = Tag::None;
                return true;
            }
            Tag::None => {}
        }
        match &mut tree.value {
            Scalar::Mapping(mapping) => mapping.entries.retain(|key, entry| {
                path.push(key.clone());
                let keep = Self::collect(&mut entry.tree, path, into);
                path.pop();
                keep
            }),
            Scalar::Sequence(items) => {
                let mut index = 0;
                items.retain_mut(|item| {
                    path.push(format!("[{index}]").into());
                    index += 1;
                    let keep = Self::collect(item, path, into);
                    path.pop();
                    keep
                });
            }
            _ => {}
        }
        true
    }

    fn add(&mut self, path: &[SmolStr]) {
        self.0.push(path.to_vec());
        // `x-develop` is read as `develop`.
        if path.get(2).is_some_and(|step| &**step == "x-develop") {
            let mut alias = path.to_vec();
            if let Some(step) = alias.get_mut(2) {
                *step = "develop".into();
            }
            self.0.push(alias);
        }
    }

    /// Clears the paths in a model.
    pub(super) fn apply(&self, tree: &mut Tree) {
        for path in &self.0 {
            Self::clear(tree, path);
        }
    }

    fn clear(tree: &mut Tree, path: &[SmolStr]) {
        let (Some((first, rest)), Some(mapping)) = (path.split_first(), tree.as_mapping_mut()) else { return };
        if rest.is_empty() {
            mapping.remove(first);
        } else if let Some(next) = mapping.get_mut(first) {
            Self::clear(next, rest);
        }
    }
}

impl Loader<'_> {
    /// A path as the user would write it.
    pub(super) fn show(&self, path: &str) -> String {
        self.files.show(path)
    }

    /// The documents of a file; `-` is standard input.
    pub(super) fn documents(&mut self, path: &str) -> Result<Arc<Vec<yaml::Document>>, Findings> {
        if let Some(known) = self.read.get(path) {
            return Ok(Arc::clone(known));
        }
        let (shown, bytes) = self.bytes(path)?;
        let documents = yaml::Unread::new(bytes, &shown, FileRole::Compose, &self.origins)?.read()?;
        Ok(self.keep(path, documents))
    }

    /// The bytes of a file, and its path as the user would write it.
    fn bytes(&self, path: &str) -> Result<(String, Vec<u8>), Finding> {
        if path == "-" {
            return Ok(("standard input".to_owned(), self.standard_input.unwrap_or_default().to_vec()));
        }
        let shown = self.show(path);
        match self.files.read(path) {
            Ok(bytes) => Ok((shown, bytes)),
            Err(error) => Err(codes::unreadable(&shown, &error)),
        }
    }

    fn keep(&mut self, path: &str, documents: Vec<yaml::Document>) -> Arc<Vec<yaml::Document>> {
        for document in &documents {
            self.findings.extend(suspicious(&document.suspicious));
        }
        let documents = Arc::new(documents);
        self.read.insert(path.to_owned(), Arc::clone(&documents));
        documents
    }

    /// Reads files, side by side where they are large. What cannot be read is refused when its turn comes.
    pub(super) fn read_ahead(&mut self, paths: &[String]) {
        if !all_differ(paths) {
            return;
        }
        let Ok(known) = paths.iter().map(|path| self.bytes(path)).collect::<Result<Vec<_>, _>>() else { return };
        let unread = known.into_iter();
        let unread = unread.map(|(shown, bytes)| Unread::new(bytes, &shown, FileRole::Compose, &self.origins));
        let Ok(unread) = unread.collect::<Result<Vec<_>, _>>() else { return };
        let Ok(read) = yaml::read_beside(unread).into_iter().collect::<Result<Vec<_>, _>>() else { return };
        for (path, documents) in paths.iter().zip(read) {
            self.keep(path, documents);
        }
    }

    /// The same, to change them. A file is laid into a model once, but may be extended often.
    pub(super) fn own_documents(&mut self, path: &str, once: bool) -> Result<Vec<yaml::Document>, Findings> {
        let documents = self.documents(path)?;
        if once {
            self.read.remove(path);
        }
        Ok(Arc::try_unwrap(documents).unwrap_or_else(|shared| shared.to_vec()))
    }

    /// Stages B to R: every file onto the ones before, then what holds for the whole.
    pub(super) fn model(
        &mut self,
        paths: &[String],
        place: &Place,
        variables: &Variables,
        included: &[String],
        resolve_paths: bool,
    ) -> Result<Tree, Findings> {
        let mut model = Tree::mapping(Spot::NOWHERE);
        for path in paths {
            (model, _) = self.file(path, model, place, variables, included, Stages::ALL)?;
        }
        let resolver = resolve_paths.then(|| self.resolver(&place.base));
        complete(&mut model, variables, self.skip, resolver.as_ref())?;
        Ok(model)
    }

    pub(super) fn resolver<'s>(&'s self, base: &'s str) -> Resolver<'s> {
        Resolver { base, home: self.home.as_deref(), files: self.files }
    }

    /// Stages B to N of one file, onto `model`.
    pub(super) fn file(
        &mut self,
        path: &str,
        mut model: Tree,
        place: &Place,
        variables: &Variables,
        included: &[String],
        stages: Stages,
    ) -> Result<(Tree, Resets), Findings> {
        let mut last = Resets::default();
        for document in self.own_documents(path, stages.validate)? {
            let mut root = document.root;
            let mut resets = Resets::default();
            if document.tagged {
                Resets::collect(&mut root, &mut Vec::new(), &mut resets);
            }
            if root.as_mapping().is_none() {
                let words = if root.is_null() { "the file is empty" } else { "a Compose file is a mapping" };
                return Err(Finding::new(&codes::NOT_A_MAPPING, words.into(), root.spot)
                    .help("begin it with `services:`")
                    .into());
            }
            prepare(&mut root, variables, self.skip, &mut self.findings, &mut 0)?;
            if stages.include {
                let mut chain = included.to_vec();
                chain.push(path.to_owned());
                include::apply(self, &mut root, place, variables, &chain, &resets)?;
            }
            resets.apply(&mut model);
            if stages.extends {
                Extender { loader: self, place, variables, resets: &resets }.apply(&mut root, path)?;
            }
            model = lay(model, root, variables, self.skip, stages.validate, &mut self.findings)?;
            last = resets;
        }
        Ok((model, last))
    }

    /// Where a path of `include` or `extends` leads, the directory that paths in it start from, and for what is
    /// remote the root of its tree.
    pub(super) fn locate(
        &self,
        path: &str,
        place: &Place,
        spot: Spot,
    ) -> Result<(String, String, Option<String>), Finding> {
        if let Some(reference) = RemoteReference::parse(path) {
            if let Some(secret) = remote::credentials(path) {
                self.concealed.conceal(secret.as_bytes(), reference.name(), spot.into());
            }
            let Fetched { file, root } = self.fetch(&reference, spot)?;
            let base = directory(&file);
            return Ok((file, base, Some(root)));
        }
        let absolute = join(&place.absolute, path);
        if remote::looks_remote(path) && matches!(self.files.kind(&absolute), Ok(None)) {
            return Err(remote::not_local(path, spot));
        }
        self.files.stays(&absolute, spot, &self.origins)?;
        let relative = relative_to(&place.absolute, &directory(&absolute));
        Ok((absolute, relative, None))
    }

    /// The Compose file of a remote part, unless such parts are switched off.
    pub(super) fn fetch(&self, reference: &RemoteReference, spot: Spot) -> Result<Fetched, Finding> {
        let (kind, [git, oci]) = (reference.place(), &self.switches);
        let (name, value) = match kind {
            RemotePlace::Git(_) => (GIT_SWITCH, git),
            RemotePlace::Artifact(_) => (OCI_SWITCH, oci),
        };
        let refused = |words: String, help: &'static str| {
            Err(Finding::new(&codes::REMOTE, Masked::words(words), spot).help(help))
        };
        match value.as_deref().map(remote::switch) {
            None | Some(Some(true)) => self.files.fetch(reference, spot),
            Some(Some(false)) => {
                let words = format!("{} is not read: {name} switches it off", reference.name());
                refused(words, "unset the variable, or fetch the part first and name the local copy")
            }
            Some(None) => refused(format!("{name} is neither true nor false"), "set it to `true` or to `false`"),
        }
    }
}

/// Whether every file is named once.
pub(super) fn all_differ(paths: &[String]) -> bool {
    paths.iter().collect::<HashSet<_>>().len() == paths.len()
}

/// What is done to a document before other files come into it. `size` counts what variables are replaced in.
pub(super) fn prepare(
    root: &mut Tree,
    variables: &Variables,
    skip: Skip,
    findings: &mut Findings,
    size: &mut usize,
) -> Result<(), Findings> {
    let special = skip.interpolation || interpolate(root, variables, findings, size)?;
    if special && !skip.validation {
        no_special_numbers(root)?;
    }
    Ok(promote_aliases(root, &variables.origins)?)
}

/// Lays a document over a model. `whole`: it is a file of its own, and has to be right by itself.
pub(super) fn lay(
    model: Tree,
    root: Tree,
    variables: &Variables,
    skip: Skip,
    whole: bool,
    findings: &mut Findings,
) -> Result<Tree, Findings> {
    let origins = &variables.origins;
    let mut model = merge(model, root, origins)?;
    unique::enforce(&mut model, origins, findings)?;
    if whole {
        if !skip.validation {
            let found = schema::validate(&model);
            if found.has_errors() {
                return Err(found);
            }
        }
        if let Some(version) = model.as_mapping_mut().and_then(|root| root.remove("version")) {
            let finding = Finding::new(&codes::OBSOLETE, "`version` has no effect".into(), version.spot);
            findings.push(finding.at("version").help("remove the line"));
        }
    }
    canonical::canonical(&mut model, skip.interpolation)?;
    canonical::omit_empty(&mut model);
    unique::enforce(&mut model, origins, findings)?;
    Ok(model)
}

/// What holds for a model once all its files are in it.
pub(super) fn complete(
    model: &mut Tree,
    variables: &Variables,
    skip: Skip,
    resolver: Option<&Resolver<'_>>,
) -> Result<(), Findings> {
    canonical::defaults(model);
    if !skip.validation {
        canonical::validate(model)?;
    }
    if let Some(resolver) = resolver {
        resolver.resolve(model)?;
    }
    resolve_environment(model, variables);
    Ok(())
}

/// Switches repositories on and off.
pub(super) const GIT_SWITCH: &str = "COMPOSE_EXPERIMENTAL_GIT_REMOTE";
/// Switches artifacts on and off.
pub(super) const OCI_SWITCH: &str = "COMPOSE_EXPERIMENTAL_OCI_REMOTE";

/// A directory seen from another, as Go's `filepath.Rel`.
pub(super) fn relative_to(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').filter(|step| !step.is_empty()).collect();
    let to: Vec<&str> = to.split('/').filter(|step| !step.is_empty()).collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut steps: Vec<&str> = vec![".."; from.len() - common];
    steps.extend(to.get(common..).unwrap_or_default());
    if steps.is_empty() { ".".to_owned() } else { steps.join("/") }
}

/// Legal values that other readers take for something else.
fn suspicious(all: &[(Spot, Suspicion)]) -> Findings {
    let mut findings = Findings::new();
    for (spot, suspicion) in all {
        let words = match suspicion {
            Suspicion::Octal(number) => format!("this is the number {number}: a leading zero makes it octal"),
            Suspicion::Word => "this is a string here; other readers take it for true or false".to_owned(),
            Suspicion::Sexagesimal => "this is a string here; other readers take it for a number of base 60".to_owned(),
        };
        let finding = Finding::new(&codes::SUSPICIOUS, Masked::words(words), *spot);
        findings.push(finding.help("put it in quotes, or write the number that is meant"));
    }
    findings
}

/// Infinity and "not a number" cannot be said in JSON, so the reference refuses them anywhere.
fn no_special_numbers(tree: &Tree) -> Result<(), Finding> {
    match &tree.value {
        Scalar::Float(number) if !number.is_finite() => {
            Err(Finding::new(&codes::INVALID_VALUE, "infinity and `.nan` are no values".into(), tree.spot)
                .help("put it in quotes"))
        }
        Scalar::Sequence(items) => items.iter().try_for_each(no_special_numbers),
        Scalar::Mapping(mapping) => mapping.entries.values().try_for_each(|entry| no_special_numbers(&entry.tree)),
        _ => Ok(()),
    }
}

/// `x-develop` of a service is `develop`, `x-initialSync` of a watch entry is `initial_sync`.
fn promote_aliases(root: &mut Tree, origins: &Origins) -> Result<(), Finding> {
    let Some(services) = root.get_mut("services").and_then(Tree::as_mapping_mut) else { return Ok(()) };
    for (name, entry) in &mut services.entries {
        if let Some(service) = entry.tree.as_mapping_mut() {
            promote(service, "x-develop", "develop", &["services", name], origins)?;
        }
        for watch in canonical::items_mut(&mut entry.tree, &["develop", "watch"]) {
            if let Some(watch) = watch.as_mapping_mut() {
                promote(watch, "x-initialSync", "initial_sync", &["services", name], origins)?;
            }
        }
    }
    Ok(())
}

fn promote(mapping: &mut Mapping, from: &str, to: &str, path: &[&str], origins: &Origins) -> Result<(), Finding> {
    let Some(extension) = mapping.remove(from) else { return Ok(()) };
    let merged = match mapping.remove(to) {
        None => extension,
        Some(own) if own.is_null() => extension,
        Some(own) => merge::merge_at(extension, own, &[path.first().copied().unwrap_or_default(), to], origins)?,
    };
    mapping.set(to, merged);
    Ok(())
}
