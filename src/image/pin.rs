//! Pinning: every image of a project to the digest that runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::{StreamExt as _, stream};
use indexmap::IndexMap;

use super::{
    Additional, Digest, Failure, ImageSettings, Kind, Lock, LockedImage, ParseReferenceError, Pinned, PinnedImage,
    Platform, Reference, Registries, codes,
    source::{Opened, Source, Wanted, is_complete, knows_users},
    uses::{self, Use},
};
use crate::{
    compose::model::Project,
    diagnostic::{Finding, Findings},
    value::{Located, Masked, Name, Spot},
};

/// How many images are resolved at a time. Each registry has its own, lower limit; with more images than places
/// at it, none of its places is ever idle while one image waits for its next answer.
const AT_A_TIME: usize = 256;

/// What may be asked for, and what of the lock is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum PinMode {
    /// Only the lock counts: what it lacks is an error, and nothing is asked.
    Locked,
    /// As [`Missing`](Self::Missing), from layouts alone: no network.
    Offline,
    /// What the lock lacks is resolved; what it has stays.
    #[default]
    Missing,
    /// As [`Offline`](Self::Offline), and what is unknown still gets a digest that nothing has: to look at what
    /// carries to a target, never for what is to run.
    Presumed,
    /// The images of these services are resolved anew, or all without a list.
    Update(Option<BTreeSet<Name>>),
}

/// What is to be pinned, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The application.
    pub project: &'a Arc<Project>,
    /// Images that no Compose file names.
    pub additional: &'a [Additional],
    /// What was locked before.
    pub lock: Option<&'a Lock>,
    /// What may be asked for.
    pub mode: &'a PinMode,
    /// Where images come from.
    pub settings: &'a ImageSettings,
    /// Platforms whose configuration counts for services that name none; empty: the usual one.
    pub platforms: &'a [Platform],
    /// Whom to ask.
    pub registries: &'a Registries,
}

/// What pinning gives.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The project with its digests.
    pub pinned: Pinned,
    /// The lock that holds them, and what it held before.
    pub lock: Lock,
    /// What is different in it.
    pub changes: Vec<LockChange>,
}

/// A difference between two locks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LockChange {
    /// The normalised reference.
    pub reference: Box<str>,
    /// What became of it.
    pub kind: LockChangeKind,
}

/// What became of an entry of the lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LockChangeKind {
    /// It is new.
    Added(Digest),
    /// The reference stands for something else now.
    Moved {
        /// What it stood for.
        from: Digest,
        /// What it stands for.
        to: Digest,
    },
    /// The same digest, and more is known of it.
    Completed(Digest),
    /// Nothing uses it any more.
    Removed(Digest),
}

/// One image, and everything that uses it.
struct Image<'a> {
    reference: Reference,
    uses: Vec<&'a Use>,
    wanted: Wanted,
}

/// Pins every image of a project. Fails with all that is wrong at once, and then nothing has changed.
pub async fn pin(request: Request<'_>) -> Result<Resolution, Findings> {
    let mut findings = Findings::new();
    let uses = uses::of(request.project, request.additional, &mut findings);
    let images = images(&uses, request, &mut findings);
    let mut lock = request.lock.cloned().unwrap_or_default();
    let mut opened = Opened::default();
    let mut open = Vec::new();
    for (key, image) in &images {
        let known = lock.images.get(&**key);
        let keep = !updates(request.mode, image);
        if keep && known.is_some_and(|known| is_enough(known, image, request)) {
            continue;
        }
        match source(request, image, known, &mut opened) {
            Ok(source) => open.push((key.clone(), image, source, known.cloned(), keep)),
            Err(_) if *request.mode == PinMode::Presumed => {
                lock.images.insert(key.clone(), presumed(&written(image, known)));
            }
            Err(failure) => findings.push(uses::finding(&image.uses, &failure)),
        }
    }
    let resolved = stream::iter(open.into_iter().map(|(key, image, source, known, keep)| async move {
        let written = written(image, known.as_ref());
        let found = source.resolve(&written, &image.reference, &image.wanted, known.as_ref(), keep).await;
        (key, image, known, found)
    }));
    let resolved: Vec<_> = resolved.buffered(AT_A_TIME).collect().await;
    let mut changes = Vec::new();
    for (key, image, known, found) in resolved {
        match found {
            Ok(found) => {
                if let Some(kind) = change(known.as_ref(), &found) {
                    changes.push(LockChange { reference: key.clone(), kind });
                }
                lock.images.insert(key, found);
            }
            Err(_) if *request.mode == PinMode::Presumed => {
                lock.images.insert(key, presumed(&written(image, known.as_ref())));
            }
            Err(failure) => findings.push(uses::finding(&image.uses, &failure)),
        }
    }
    let mut pinned = IndexMap::new();
    for (key, image) in &images {
        let Some(locked) = lock.images.get(key) else { continue };
        for one in &image.uses {
            let wrong = lacks_platform(one, locked).into_iter().chain(is_elsewhere(one, locked, request));
            wrong.for_each(|finding| findings.push(finding));
            let image = PinnedImage::new(one, key, &image.reference, locked, request);
            pinned.insert(one.path.clone(), image);
        }
    }
    if findings.has_errors() {
        return Err(findings);
    }
    Ok(Resolution { pinned: Pinned::new(Arc::clone(request.project), pinned), lock, changes })
}

/// The images by normalised reference, in the order of their first use.
fn images<'a>(uses: &'a [Use], request: Request<'_>, findings: &mut Findings) -> IndexMap<Box<str>, Image<'a>> {
    let mut images: IndexMap<Box<str>, Image<'a>> = IndexMap::new();
    let mut refused: IndexMap<Box<str>, (Failure, Vec<&Use>)> = IndexMap::new();
    for one in uses {
        // What engines take for the id of an image, and what reads as the tag of a repository `sha256`.
        let named = match Digest::parse(&one.written) {
            Ok(_) => Err(ParseReferenceError::Identifier),
            Err(_) => Reference::parse(&one.written),
        };
        let reference = named.map_err(|error| {
            Failure::new(&codes::REFERENCE, error.to_string()).help("write it as `registry/repository:tag`")
        });
        let reference = reference.and_then(|reference| {
            request.settings.judge(&reference)?;
            Ok(reference)
        });
        match reference {
            Err(failure) => {
                refused.entry(one.written.clone()).or_insert_with(|| (failure, Vec::new())).1.push(one);
            }
            Ok(reference) => {
                let key = reference.normalised().to_string();
                let image = images.entry(key.into()).or_insert_with(|| Image {
                    reference,
                    uses: Vec::new(),
                    wanted: Wanted::default(),
                });
                image.uses.push(one);
                match &one.platform {
                    Some(platform) => image.wanted.platforms.push(platform.value.clone()),
                    None => image.wanted.platforms.extend_from_slice(request.platforms),
                }
                image.wanted.users.extend(one.user.clone());
            }
        }
    }
    for image in images.values_mut() {
        let wanted = &mut image.wanted.platforms;
        // Some use wants a platform and some do not say: those have the usual one.
        if request.platforms.is_empty() && image.uses.iter().any(|one| one.platform.is_none()) && !wanted.is_empty() {
            wanted.push(Platform::usual());
        }
        wanted.sort();
        wanted.dedup();
    }
    for (failure, uses) in refused.values() {
        findings.push(uses::finding(uses, failure));
    }
    images
}

/// Whether nobody needs to be asked about an image. The numbers of users are had where there is somebody to ask;
/// nothing fails for want of them.
fn is_enough(known: &LockedImage, image: &Image<'_>, request: Request<'_>) -> bool {
    let asks = match request.mode {
        PinMode::Locked => false,
        PinMode::Offline | PinMode::Presumed => request.settings.is_local(&image.reference),
        PinMode::Missing | PinMode::Update(_) => true,
    };
    is_complete(known, &image.wanted.platforms) && (!asks || knows_users(known, &image.wanted))
}

fn updates(mode: &PinMode, image: &Image<'_>) -> bool {
    match mode {
        PinMode::Update(None) => true,
        PinMode::Update(Some(services)) => {
            image.uses.iter().any(|one| one.owner.as_ref().is_some_and(|owner| services.contains(owner)))
        }
        _ => false,
    }
}

fn source<'a>(
    request: Request<'a>,
    image: &Image<'_>,
    known: Option<&LockedImage>,
    opened: &mut Opened,
) -> Result<Source<'a>, Failure> {
    if *request.mode == PinMode::Locked {
        let message = match known {
            None => "the lock does not hold it".to_owned(),
            Some(_) => format!("the lock does not hold its configuration for {}", list(&image.wanted.platforms)),
        };
        return Err(Failure::new(&codes::NOT_LOCKED, message).help("run `transship lock`"));
    }
    let source = Source::of(&image.reference, request.settings, request.registries, opened)?;
    if matches!(request.mode, PinMode::Offline | PinMode::Presumed) && !source.is_local() {
        return Err(Failure::new(
            &codes::NOT_LOCKED,
            "the lock does not hold all of it, and without network no registry is asked",
        )
        .help("run `transship lock` where there is a network"));
    }
    Ok(source)
}

/// An image of which nothing is known.
fn presumed(written: &str) -> LockedImage {
    LockedImage {
        written: written.into(),
        digest: Located::new(Digest::of(b""), Spot::NOWHERE),
        kind: Kind::Manifest,
        platforms: Vec::new(),
        configuration: BTreeMap::new(),
    }
}

/// The form that the lock shows: the one it has, while anybody still writes it so.
fn written(image: &Image<'_>, known: Option<&LockedImage>) -> Box<str> {
    let first = image.uses.first().map(|one| one.written.clone()).unwrap_or_default();
    match known {
        Some(known) if image.uses.iter().any(|one| one.written == known.written) => known.written.clone(),
        _ => first,
    }
}

fn change(known: Option<&LockedImage>, found: &LockedImage) -> Option<LockChangeKind> {
    match known {
        None => Some(LockChangeKind::Added(found.digest.value.clone())),
        Some(known) if known.digest != found.digest => {
            Some(LockChangeKind::Moved { from: known.digest.value.clone(), to: found.digest.value.clone() })
        }
        Some(known) if known != found => Some(LockChangeKind::Completed(found.digest.value.clone())),
        Some(_) => None,
    }
}

fn lacks_platform(one: &Use, locked: &LockedImage) -> Option<Finding> {
    let wanted = one.platform.as_ref()?;
    if locked.platforms.is_empty() || locked.platforms.iter().any(|platform| platform.serves(&wanted.value)) {
        return None;
    }
    let message = format!("image `{}` does not exist for {}", one.written, wanted.value);
    let finding = Finding::new(&codes::PLATFORM, Masked::words(message), wanted.spot);
    let help = format!("it exists for {}", list(&locked.platforms));
    Some(finding.at(one.path.clone()).label(one.spot, "this image").help(Masked::words(help)))
}

/// An image that one engine alone has, wanted where another would have to run it.
fn is_elsewhere(one: &Use, locked: &LockedImage, request: Request<'_>) -> Option<Finding> {
    if locked.kind != Kind::Local || request.settings.policy.one_host {
        return None;
    }
    let message = format!("image `{}` exists on one Docker host alone, and cannot run elsewhere", one.written);
    let finding = Finding::new(&codes::ONLY_LOCAL, Masked::words(message), one.spot);
    Some(finding.at(one.path.clone()).help("push it, and run `transship lock --update`"))
}

fn list(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return Platform::usual().to_string();
    }
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
