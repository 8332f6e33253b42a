//! Large applications: some services after the other through all stages, on two processors.
//!
//! Nearly every stage looks at one service alone. So a few at a time are taken through all of them while they are in
//! the processor's cache, and each of two threads takes those through that it has read itself: memory that one thread
//! gives back and the other has taken makes both of them wait.
//!
//! What a stage refuses is loaded once more in the ordinary way, whose messages are then the only ones. What needs more
//! than its own service (`extends`, `include`) or has tags is loaded in that way at once.

use std::collections::HashMap;

use smol_str::SmolStr;

use super::{
    interpolate,
    normalize::normalize,
    paths::Resolver,
    request::Skip,
    stage::{self, Loader, Place},
    typed::typed,
    variables::Variables,
};
use crate::{
    beside::{MANY, beside},
    diagnostic::Findings,
    value::Spot,
    yaml::{Document, Mapping, Scalar, Tree},
};

/// How many services are taken through the stages together: about as many as fit into a cache.
const TOGETHER: usize = 50;

/// Loads an application up to the form of its types; nothing where it has to be loaded in the ordinary way.
pub(super) fn load(
    loader: &mut Loader<'_>,
    paths: &[String],
    place: &Place,
    variables: &Variables,
    name: &str,
) -> Option<Tree> {
    let skip = loader.skip;
    let partly = skip.interpolation || skip.normalization || skip.path_resolution || skip.validation;
    if partly || !stage::all_differ(paths) {
        return None;
    }
    let mut services = 0;
    for path in paths {
        services += fitting(&loader.documents(path).ok()?)?;
    }
    if services < MANY {
        return None;
    }
    let mut roots = Vec::with_capacity(paths.len());
    for path in paths {
        roots.extend(loader.own_documents(path, true).ok()?.into_iter().map(|document| document.root));
    }
    let stages = Stages { skip, resolver: loader.resolver(&place.base), name };
    let mut first = shares(roots);
    let second = first.split_off(first.len() / 2);
    let [one, other] = variables.origins.for_two().map(|origins| variables.with_origins(origins));
    // Nothing goes first: the tables of the stages are made, and neither thread waits until the other has made them.
    stages.one(vec![(0, Tree::mapping(Spot::NOWHERE))], &one, &mut Through::default()).ok()?;
    let (first, second) = beside(|| stages.all(first, &one), || stages.all(second, &other));
    drop((one, other));
    let through = first.and_then(|first| Ok((first, second?))).ok().filter(|(first, second)| {
        let other = |file| second.sizes.get(file).copied().unwrap_or_default();
        first.sizes.iter().all(|(file, size)| size + other(file) <= interpolate::MOST)
    });
    let Some((first, second)) = through else {
        // Whatever is worth knowing is found once more.
        loader.findings = Findings::new();
        loader.read_ahead(paths);
        return None;
    };
    loader.findings.extend(first.findings);
    loader.findings.extend(second.findings);
    first.models.into_iter().chain(second.models).reduce(joined)
}

/// How many services a file has, if it can be loaded in shares.
fn fitting(documents: &[Document]) -> Option<usize> {
    let [document] = documents else { return None };
    let root = document.root.as_mapping().filter(|root| !document.tagged && !root.contains("include"))?;
    let Some(services) = root.get("services") else { return Some(0) };
    let services = &services.as_mapping()?.entries;
    services.values().all(|service| service.tree.get("extends").is_none()).then(|| services.len())
}

/// A few services, as each of the files has them, with the numbers of the files. The first share has everything else as
/// well.
type Share = Vec<(usize, Tree)>;

/// Takes files apart. Every service is in the share in which an earlier file had it.
fn shares(roots: Vec<Tree>) -> Vec<Share> {
    // The services of each share, file by file.
    let mut all: Vec<Vec<Mapping>> = Vec::new();
    let mut count = 0;
    let mut rests = Vec::with_capacity(roots.len());
    for (file, mut root) in roots.into_iter().enumerate() {
        let services = root.get_mut("services").and_then(Tree::as_mapping_mut).map(std::mem::take);
        let (mut at, before, mut known) = (0, count, None);
        for (name, entry) in services.into_iter().flat_map(|services| services.entries) {
            let has = |at: &usize| all.get(*at).is_some_and(|share| share.iter().any(|one| one.contains(&name)));
            // Files often have them in the same order.
            let earlier = [at, at + 1].into_iter().filter(|_| before > 0).find(has).or_else(|| {
                let known = known.get_or_insert_with(|| if before > 0 { known_in(&all) } else { HashMap::new() });
                known.get(&name).copied()
            });
            at = earlier.unwrap_or_else(|| {
                count += 1;
                (count - 1) / TOGETHER
            });
            if all.len() <= at {
                all.resize_with(at + 1, Vec::new);
            }
            if let Some(share) = all.get_mut(at) {
                share.resize_with(share.len().max(file + 1), Mapping::default);
                if let Some(services) = share.get_mut(file) {
                    services.entries.append(name, entry);
                }
            }
        }
        rests.push(root);
    }
    let place = |root: &Tree| (root.spot, root.get("services").map_or(Spot::NOWHERE, |services| services.spot));
    let places: Vec<(Spot, Spot)> = rests.iter().map(place).collect();
    let mut all = all.into_iter();
    for (services, root) in all.next().unwrap_or_default().into_iter().zip(&mut rests) {
        if let Some(place) = root.get_mut("services") {
            place.value = Scalar::Mapping(services);
        }
    }
    let others = all.map(|share| {
        let some = share.into_iter().zip(&places).enumerate().filter(|(_, (services, _))| !services.entries.is_empty());
        let root = |(file, (services, (root, place))): (usize, (Mapping, &(Spot, Spot)))| {
            let mut only = Mapping::default();
            only.set("services", Tree::new(Scalar::Mapping(services), *place));
            (file, Tree::new(Scalar::Mapping(only), *root))
        };
        some.map(root).collect()
    });
    std::iter::once(rests.into_iter().enumerate().collect()).chain(others).collect()
}

/// The share of every service.
fn known_in(all: &[Vec<Mapping>]) -> HashMap<SmolStr, usize> {
    let names =
        |share: &[Mapping]| share.iter().flat_map(|services| services.entries.keys().cloned()).collect::<Vec<_>>();
    all.iter().enumerate().flat_map(|(at, share)| names(share).into_iter().map(move |name| (name, at))).collect()
}

/// What all shares go through.
struct Stages<'a> {
    skip: Skip,
    resolver: Resolver<'a>,
    /// The name of the project.
    name: &'a str,
}

/// Shares that have gone through all stages.
#[derive(Default)]
struct Through {
    models: Vec<Tree>,
    findings: Findings,
    /// For each file, the bytes of the texts in which variables were replaced.
    sizes: HashMap<usize, usize>,
}

impl Stages<'_> {
    fn all(&self, shares: Vec<Share>, variables: &Variables) -> Result<Through, Findings> {
        let mut through = Through::default();
        for share in shares {
            let model = self.one(share, variables, &mut through)?;
            through.models.push(model);
        }
        Ok(through)
    }

    fn one(&self, share: Share, variables: &Variables, through: &mut Through) -> Result<Tree, Findings> {
        let mut model = Tree::mapping(Spot::NOWHERE);
        for (file, mut root) in share {
            let size = through.sizes.entry(file).or_default();
            stage::prepare(&mut root, variables, self.skip, &mut through.findings, size)?;
            model = stage::lay(model, root, variables, self.skip, true, &mut through.findings)?;
        }
        stage::complete(&mut model, variables, self.skip, Some(&self.resolver))?;
        normalize(&mut model, self.name, variables)?;
        typed(&mut model)?;
        Ok(model)
    }
}

/// The first share with the services of another one, and with the network that these use without saying so.
fn joined(mut model: Tree, mut share: Tree) -> Tree {
    if let Some(network) =
        share.get_mut("networks").and_then(Tree::as_mapping_mut).and_then(|all| all.remove("default"))
        && model.at(&["networks", "default"]).is_none()
        && let Some(root) = model.as_mapping_mut()
    {
        if !root.contains("networks") {
            root.set("networks", Tree::mapping(network.spot));
        }
        if let Some(networks) = root.get_mut("networks").and_then(Tree::as_mapping_mut) {
            networks.set("default", network);
        }
    }
    let services = share.get_mut("services").and_then(Tree::as_mapping_mut).map(std::mem::take);
    if let Some(known) = model.get_mut("services").and_then(Tree::as_mapping_mut) {
        for (name, entry) in services.into_iter().flat_map(|services| services.entries) {
            known.entries.append(name, entry);
        }
    }
    model
}
