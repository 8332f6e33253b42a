//! Digests alone, for those who print an application and deploy nothing.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use indexmap::IndexMap;

use super::{
    Failure, PinMode, Reference, Request, codes,
    source::{Opened, Source},
    uses::{self, Use},
};
use crate::diagnostic::Findings;

/// How many images are looked up at a time.
const AT_A_TIME: usize = 64;

/// Every image of a project with its digest, by the path that names it: `repository:tag@sha256:…`, as Docker Compose
/// writes them. A name that says its digest is only written in full, and nobody is asked about it; what is only built
/// has none.
///
/// # Errors
/// Every image whose digest cannot be had, at the places that name it.
pub async fn digests(request: Request<'_>) -> Result<BTreeMap<String, String>, Findings> {
    let mut findings = Findings::new();
    let uses = uses::of(request.project, request.additional, &mut findings);
    findings.retain_mut(|finding| finding.code != &codes::ONLY_BUILT);
    let mut images: IndexMap<&str, Vec<&Use>> = IndexMap::new();
    for one in &uses {
        images.entry(&*one.written).or_default().push(one);
    }
    let found = images.into_iter().map(|(written, uses)| async move { (uses, full(written, request).await) });
    let found: Vec<_> = stream::iter(found).buffered(AT_A_TIME).collect().await;
    let mut out = BTreeMap::new();
    for (uses, full) in found {
        match full {
            Ok(full) => out.extend(uses.iter().map(|one| (one.path.to_string(), full.clone()))),
            Err(failure) => findings.push(uses::finding(&uses, &failure)),
        }
    }
    if findings.has_errors() { Err(findings) } else { Ok(out) }
}

async fn full(written: &str, request: Request<'_>) -> Result<String, Failure> {
    let reference = Reference::parse(written).map_err(|error| {
        Failure::new(&codes::REFERENCE, error.to_string()).help("write it as `registry/repository:tag`")
    })?;
    if let Some(digest) = reference.digest() {
        return Ok(reference.pinned(digest));
    }
    let full = reference.normalised().to_string();
    if let Some(locked) = request.lock.and_then(|lock| lock.images.get(&*full)) {
        return Ok(format!("{full}@{}", locked.digest.value));
    }
    if matches!(request.mode, PinMode::Locked | PinMode::Offline) {
        return Err(Failure::new(&codes::NOT_LOCKED, "the lock does not hold it").help("run `transship lock`"));
    }
    let source = Source::of(&reference, request.settings, request.registries, &mut Opened::default())?;
    Ok(format!("{full}@{}", source.digest(&reference).await?))
}
