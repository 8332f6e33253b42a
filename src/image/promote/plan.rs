//! What a promotion would do.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::{Part, PartTag, PromoteRequest, Promotion};
use crate::image::{Failure, Reference, codes, reference::HUB};

/// How many images are looked at at a time.
const AT_A_TIME: usize = 16;

/// An image that cannot be promoted, as no registry has it.
pub fn only_local(written: &str) -> Failure {
    let message = format!("`{written}` exists on one Docker host alone, and no registry has it");
    Failure::new(&codes::ONLY_LOCAL, message).help("push it, and run `transship lock --update`")
}

/// Reads both sides and says what would be done, or everything that forbids it.
pub async fn plan(request: PromoteRequest<'_>) -> Result<Promotion, Vec<Failure>> {
    let (domain, prefix) = place(request.to).map_err(|failure| vec![failure])?;
    let mut parts: Vec<Part> = Vec::new();
    let mut failures = Vec::new();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (source, digest) in request.images {
        let tags: Vec<Box<str>> = match source.tag() {
            _ if !request.tags.is_empty() => request.tags.to_vec(),
            Some(tag) => vec![tag.into()],
            None if source.digest().is_none() => vec!["latest".into()],
            None => {
                failures.push(
                    Failure::new(&codes::PROMOTE, format!("`{source}` has no tag that it could have there"))
                        .help("name one with `--tag`"),
                );
                continue;
            }
        };
        let repository = repository(source, &domain, &prefix);
        if let Some(wrong) = tags.iter().find(|tag| Reference::parse(&format!("{domain}/{repository}:{tag}")).is_err())
        {
            failures.push(
                Failure::new(&codes::PROMOTE, format!("`{domain}/{repository}:{wrong}` is not an image reference"))
                    .help("a tag has letters, digits, `_`, `.` and `-`, and at most 128 of them"),
            );
            continue;
        }
        let whole = source.pinned(digest);
        for tag in &tags {
            let name = format!("{domain}/{repository}:{tag}");
            match taken.insert(name.clone(), whole.clone()) {
                Some(other) if other != whole => failures.push(
                    Failure::new(&codes::PROMOTE, format!("`{other}` and `{whole}` would both be {name}"))
                        .help("promote them one after the other with `--service`, to places or tags of their own"),
                ),
                _ => {}
            }
        }
        if let Some(part) = parts.iter_mut().find(|part| part.digest == *digest && part.source.name() == source.name())
        {
            for tag in tags {
                if part.tags.iter().all(|known| known.tag != tag) {
                    part.tags.push(PartTag { tag, before: None });
                }
            }
            continue;
        }
        parts.push(Part {
            source: source.clone(),
            digest: digest.clone(),
            domain: domain.clone(),
            repository: repository.into(),
            present: false,
            tags: tags.into_iter().map(|tag| PartTag { tag, before: None }).collect(),
        });
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let seen = stream::iter(parts.into_iter().map(|part| look(request, part))).buffered(AT_A_TIME);
    let seen: Vec<Result<Part, Failure>> = seen.collect().await;
    let mut parts = Vec::new();
    for one in seen {
        match one {
            Ok(part) => parts.push(part),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(Promotion { parts }) } else { Err(failures) }
}

async fn look(request: PromoteRequest<'_>, mut part: Part) -> Result<Part, Failure> {
    let place = request.registries.place(&part.domain, &part.repository);
    part.present = request.registries.stands_for(&place, part.digest.as_str()).await?.is_some();
    for tag in &mut part.tags {
        tag.before = request.registries.stands_for(&place, &tag.tag).await?;
    }
    Ok(part)
}

/// Registry and path of `--to`.
fn place(to: &str) -> Result<(Box<str>, String), Failure> {
    let wrong = || {
        Failure::new(&codes::PROMOTE, format!("`{to}` does not begin with a registry"))
            .help("write it as `registry.example.com/path`, or `docker.io/team`")
    };
    let to = to.trim_end_matches('/');
    let reference = Reference::parse(&format!("{to}/x")).map_err(|_| wrong())?;
    if reference.domain().is_empty() || (reference.domain() == HUB && !to.starts_with("docker.io")) {
        return Err(wrong());
    }
    let prefix = reference.path().strip_suffix("x").unwrap_or_default().trim_end_matches('/').to_owned();
    Ok((reference.domain().into(), prefix))
}

/// The repository there: its own where it is below the place already, else the last part of its name.
fn repository(source: &Reference, domain: &str, prefix: &str) -> String {
    let below = source.path().strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.starts_with('/'));
    if source.domain() == domain && below {
        return source.path().to_owned();
    }
    let last = source.path().rsplit('/').next().unwrap_or_default();
    if prefix.is_empty() { last.to_owned() } else { format!("{prefix}/{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_begins_with_a_registry() {
        for (to, expected) in [
            ("registry.example.com/shop", Some("registry.example.com shop")),
            ("registry.example.com/shop/", Some("registry.example.com shop")),
            ("localhost:5000", Some("localhost:5000 ")),
            ("docker.io/team", Some("docker.io team")),
            ("team", None),
            ("Registry Example", None),
        ] {
            let found = place(to).map(|(domain, prefix)| format!("{domain} {prefix}"));
            assert_eq!(found.ok().as_deref(), expected, "{to}");
        }
    }

    #[test]
    fn an_image_keeps_its_place_or_the_last_part_of_its_name() {
        for (source, domain, prefix, expected) in [
            ("a.example.com/shop/web", "b.example.com", "live", "live/web"),
            ("a.example.com/shop/web", "a.example.com", "shop", "shop/web"),
            ("a.example.com/shop/team/web", "a.example.com", "shop", "shop/team/web"),
            ("a.example.com/shopping/web", "a.example.com", "shop", "shop/web"),
            ("nginx", "b.example.com", "", "nginx"),
        ] {
            let found = Reference::parse(source).map(|source| repository(&source, domain, prefix));
            assert_eq!(found.as_deref(), Ok(expected), "{source}");
        }
    }
}
