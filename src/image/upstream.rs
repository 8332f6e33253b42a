//! What the names in a lock stand for by now. Nothing is changed by asking.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};

use super::{
    Digest, Failure, ImageSettings, Lock, Reference, Registries,
    source::{Opened, Source},
};

/// How many images are asked about at a time; each registry has its own limit.
const AT_A_TIME: usize = 64;

/// An image that is no longer upstream what it is in the lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upstream {
    /// The normalised reference.
    pub reference: Box<str>,
    /// What is locked.
    pub locked: Digest,
    /// What the name stands for now; `None`: what is locked, or nothing.
    pub now: Option<Digest>,
    /// Whether what is locked is still there.
    pub kept: bool,
}

/// Compares the images in `used` with where they come from. What could not be asked comes second.
pub async fn upstream(
    lock: &Lock,
    used: &BTreeSet<Box<str>>,
    settings: &ImageSettings,
    registries: &Registries,
) -> (Vec<Upstream>, Vec<(Box<str>, Failure)>) {
    let mut opened = Opened::default();
    let mut failures = Vec::new();
    let mut open = Vec::new();
    for (key, image) in lock.images.iter().filter(|(key, _)| used.contains(*key)) {
        let Ok(reference) = Reference::parse(key) else { continue };
        match Source::of(&reference, settings, registries, &mut opened) {
            Ok(source) => open.push((key, &image.digest.value, reference, source)),
            Err(failure) => failures.push((key.clone(), failure)),
        }
    }
    let asked = stream::iter(open.into_iter().map(|(key, locked, reference, source)| async move {
        let found = look(key, locked, &reference, &source).await;
        (key, found)
    }));
    let asked: Vec<_> = asked.buffered(AT_A_TIME).collect().await;
    let mut moved = Vec::new();
    for (key, found) in asked {
        match found {
            Ok(found) => moved.extend(found),
            Err(failure) => failures.push((key.clone(), failure)),
        }
    }
    (moved, failures)
}

async fn look(
    key: &str,
    locked: &Digest,
    reference: &Reference,
    source: &Source<'_>,
) -> Result<Option<Upstream>, Failure> {
    let now = if reference.digest().is_some() { None } else { Some(source.digest(reference).await?) };
    let now = now.filter(|now| now != locked);
    if now.is_none() && reference.digest().is_none() {
        return Ok(None);
    }
    // The name has moved on, or was a digest from the start: only the registry knows whether it keeps that.
    let kept = source.has(reference, locked).await?;
    let same = now.is_none() && kept;
    Ok((!same).then(|| Upstream { reference: key.into(), locked: locked.clone(), now, kept }))
}
