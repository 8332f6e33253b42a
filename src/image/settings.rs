//! Where images come from, and which may be used at all.

use std::path::PathBuf;

use super::{Failure, Reference, codes};
use crate::value::{Located, Name};

/// `images` of `transship.yaml`.
#[derive(Clone, Debug, Default)]
pub struct ImageSettings {
    /// The longest prefix that fits an image decides; without one its registry is asked.
    pub sources: Vec<SourceRule>,
    /// Patterns of repositories: `*` is any part of a name between two `/`, `**` any number of names.
    /// Empty: all are allowed.
    pub allow: Vec<Located<Name>>,
    /// What one environment asks beyond that.
    pub policy: ImagePolicy,
}

/// What an environment asks of its images.
#[derive(Clone, Debug, Default)]
pub struct ImagePolicy {
    /// Its name, for messages.
    pub environment: Name,
    /// As [`ImageSettings::allow`], and asked beside it.
    pub allow: Vec<Located<Name>>,
    /// Whether an image must say which version it is: by a digest, or by a tag other than `latest`.
    pub refuse_latest: bool,
}

/// Where the images below a prefix come from.
#[derive(Clone, Debug)]
pub struct SourceRule {
    /// Registry, or registry and repository, or the first names of one: `docker.io/library`.
    pub prefix: Located<Name>,
    /// Where they come from.
    pub kind: SourceKind,
}

/// Where images come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceKind {
    /// A directory in OCI image layout, or an archive of one or of `docker save`.
    Layout(PathBuf),
    /// Another registry that has the same images: what stands in the place of the prefix. Asked first; the
    /// registry itself is asked when it fails. Never written into a manifest.
    Mirror(Box<str>),
    /// The registry itself, reached in this way.
    Registry {
        /// Plain HTTP, or a certificate that nobody vouches for.
        insecure: bool,
        /// A file of certificates (PEM) to trust beside those of the system.
        ca: Option<PathBuf>,
    },
}

impl ImageSettings {
    /// The layout or mirror that is asked for an image.
    pub(super) fn source(&self, reference: &Reference) -> Option<&SourceRule> {
        self.longest(&reference.name(), |kind| !matches!(kind, SourceKind::Registry { .. }))
    }

    /// Whether an image comes out of files.
    pub(super) fn is_local(&self, reference: &Reference) -> bool {
        self.source(reference).is_some_and(|rule| matches!(rule.kind, SourceKind::Layout(_)))
    }

    /// How a registry is reached, by its host or by host and repository.
    pub(super) fn registry(&self, name: &str) -> Option<&SourceRule> {
        self.longest(name, |kind| matches!(kind, SourceKind::Registry { .. }))
    }

    fn longest(&self, name: &str, wanted: impl Fn(&SourceKind) -> bool) -> Option<&SourceRule> {
        let fits = |prefix: &str| {
            let prefix = prefix.trim_end_matches('/');
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.sources
            .iter()
            .filter(|rule| wanted(&rule.kind) && fits(&rule.prefix.value))
            .max_by_key(|rule| rule.prefix.value.trim_end_matches('/').len())
    }

    /// Refuses an image that may not be used.
    pub(super) fn judge(&self, reference: &Reference) -> Result<(), Failure> {
        let ImagePolicy { environment, allow, refuse_latest } = &self.policy;
        let own = format!("environments.{environment}.images.allow");
        for (list, path) in [(&self.allow, "images.allow"), (allow, own.as_str())] {
            if !allows(list, reference) {
                let patterns: Vec<&str> = list.iter().map(|pattern| &*pattern.value).collect();
                return Err(Failure::new(&codes::NOT_ALLOWED, "not from an allowed repository")
                    .help(format!("`{path}` has: {}", patterns.join(", "))));
            }
        }
        if *refuse_latest && reference.digest().is_none() && reference.tag().is_none_or(|tag| tag == "latest") {
            let message = format!("`{environment}` takes no image that does not say which version it is");
            return Err(Failure::new(&codes::LATEST, message).help("name a tag other than `latest`, or a digest"));
        }
        Ok(())
    }
}

fn allows(patterns: &[Located<Name>], reference: &Reference) -> bool {
    let name = reference.name();
    let names: Vec<&str> = name.split('/').collect();
    patterns.is_empty() || patterns.iter().any(|pattern| fits(&pattern.value.split('/').collect::<Vec<_>>(), &names))
}

/// Whether a pattern of names fits names.
fn fits(pattern: &[&str], names: &[&str]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=names.len()).any(|skip| fits(rest, names.get(skip..).unwrap_or_default())),
        (Some((first, rest)), Some((name, names))) => fits_name(first, name) && fits(rest, names),
        _ => false,
    }
}

fn fits_name(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(index, _)| index)
                .chain([rest.len()])
                .any(|index| fits_name(after, rest.get(index..).unwrap_or_default()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Spot;

    fn located(text: &str) -> Located<Name> {
        Located::new(text.into(), Spot::NOWHERE)
    }

    #[test]
    fn patterns_allow_by_names() {
        for (pattern, image, expected) in [
            ("registry.example.com/shop/**", "registry.example.com/shop/a/b:1", true),
            ("registry.example.com/shop/**", "registry.example.com/shopping/a", false),
            ("docker.io/library/*", "nginx", true),
            ("docker.io/library/*", "docker.io/library/a/b", false),
            ("docker.io/library/post*", "postgres:17", true),
            ("**", "quay.io/a/b", true),
        ] {
            let allowed = Reference::parse(image).map(|reference| allows(&[located(pattern)], &reference));
            assert_eq!(allowed, Ok(expected), "{pattern} {image}");
        }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let rule =
            |prefix: &str, path: &str| SourceRule { prefix: located(prefix), kind: SourceKind::Layout(path.into()) };
        let settings = ImageSettings {
            sources: vec![rule("docker.io", "a"), rule("docker.io/library", "b"), rule("docker.io/lib", "c")],
            ..ImageSettings::default()
        };
        for (image, expected) in [("nginx", Some("b")), ("x/y", Some("a")), ("quay.io/x/y", None)] {
            let found = Reference::parse(image).ok().and_then(|reference| match &settings.source(&reference)?.kind {
                SourceKind::Layout(path) => path.to_str().map(str::to_owned),
                _ => None,
            });
            assert_eq!(found.as_deref(), expected, "{image}");
        }
    }
}
