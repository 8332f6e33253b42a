//! Image references, read exactly as Docker's `distribution/reference` reads them.

use std::fmt;

use super::{Digest, digest::ParseDigestError};

/// Docker Hub, as references write it.
pub(super) const HUB: &str = "docker.io";
/// The longest repository path.
const LONGEST_PATH: usize = 255;
/// The longest tag.
const LONGEST_TAG: usize = 128;

/// `domain/path[:tag][@digest]`, always valid. `Display` writes it in full: `docker.io/library/nginx:1`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reference {
    domain: Box<str>,
    path: Box<str>,
    tag: Option<Box<str>>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseReferenceError {
    /// Nothing, or no name in it.
    #[error("it has no name")]
    Empty,
    /// 64 hexadecimal characters: the id of an image, which no registry knows.
    #[error("it is an image id, and no registry knows those")]
    Identifier,
    /// Upper case in the repository.
    #[error("repository names are lower case")]
    Uppercase,
    /// Not of the form.
    #[error("it is not of the form [registry/]repository[:tag][@digest]")]
    Format,
    /// More than 255 characters.
    #[error("the repository name is longer than 255 characters")]
    TooLong,
    /// A digest that is none.
    #[error("{0}")]
    Digest(#[from] ParseDigestError),
}

impl Reference {
    /// Reads a reference as users write it: `nginx`, `quay.io/a/b:1`, `[::1]:5000/x@sha256:…`.
    pub fn parse(text: &str) -> Result<Self, ParseReferenceError> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(ParseReferenceError::Identifier);
        }
        let (domain, rest) = split_domain(text);
        let name = rest.split(':').next().unwrap_or_default();
        if name.chars().any(char::is_uppercase) {
            return Err(ParseReferenceError::Uppercase);
        }
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (rest, None),
        };
        let (path, tag) = match named.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (named, None),
        };
        if path.is_empty() {
            return Err(ParseReferenceError::Empty);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) || !is_path(path) {
            return Err(ParseReferenceError::Format);
        }
        let digest = digest.map(Digest::parse).transpose()?;
        let official = if domain == HUB && !path.contains('/') { "library/" } else { "" };
        // What looks like a domain and is none is read as the first part of the path, as Docker does.
        let (domain, path) = if is_domain(domain) {
            (domain, format!("{official}{path}"))
        } else if is_path(domain) {
            ("", format!("{domain}/{path}"))
        } else {
            return Err(ParseReferenceError::Format);
        };
        if path.len() > LONGEST_PATH {
            return Err(ParseReferenceError::TooLong);
        }
        Ok(Self { domain: domain.into(), path: path.into(), tag: tag.map(Into::into), digest })
    }

    /// The registry as references write it: `docker.io`, `quay.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository inside the registry: `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Registry and repository: `docker.io/library/nginx`.
    pub fn name(&self) -> String {
        if self.domain.is_empty() { self.path.to_string() } else { format!("{}/{}", self.domain, self.path) }
    }

    /// The tag as written; `None` where nothing or only a digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest as written.
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What a registry is asked for: the digest, else the tag, else `latest`.
    pub fn wanted(&self) -> &str {
        self.digest.as_ref().map_or_else(|| self.tag.as_deref().unwrap_or("latest"), Digest::as_str)
    }

    /// The form that counts: with a digest the tag is left out, without either it is `latest`.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let tag = match (&self.tag, &self.digest) {
            (_, Some(_)) => None,
            (None, None) => Some("latest".into()),
            (tag, None) => tag.clone(),
        };
        Self { tag, ..self.clone() }
    }

    /// `name@digest`: what runs.
    pub fn pinned(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.name())
    }

    /// The short form that people write: without `docker.io/` and `library/`, where that reads back as
    /// the same reference.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let Some(short) = full.strip_prefix("docker.io/") else { return full };
        let shorter = short.strip_prefix("library/").filter(|_| self.path.matches('/').count() == 1);
        let reads_back = |text: &&str| Self::parse(text).as_ref() == Ok(self);
        shorter.filter(reads_back).or(Some(short).filter(reads_back)).unwrap_or(&full).to_owned()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The first part is a registry when it could be a host name and nothing else: it has a dot, a colon or
/// upper case, or is `localhost`.
fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some(("index.docker.io", rest)) => (HUB, rest),
        Some((first, rest))
            if first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase) =>
        {
            (first, rest)
        }
        _ => (HUB, text),
    }
}

fn is_domain(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
            return false;
        }
        match port.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if port.is_empty() => (None, None),
            None => return false,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.is_none_or(|host| host.split('.').all(label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case words between `/`, with `.`, `_`, `__` or any number of `-` inside.
fn is_path(text: &str) -> bool {
    text.split('/').all(|component| {
        let word = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
        let separators: Vec<&str> = component.split(word).filter(|s| !s.is_empty()).collect();
        component.starts_with(word)
            && component.ends_with(word)
            && separators.iter().all(|s| matches!(*s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
    })
}

fn is_tag(text: &str) -> bool {
    text.len() <= LONGEST_TAG
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full(text: &str) -> String {
        Reference::parse(text).map_or_else(|error| format!("error: {error}"), |r| r.normalised().to_string())
    }

    #[test]
    fn reads_what_people_write() {
        let hex = "0123456789abcdef".repeat(4);
        for (text, expected) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("library/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/a/b/c", "docker.io/a/b/c:latest"),
            ("docker.io:443/library/nginx", "docker.io:443/library/nginx:latest"),
            ("registry-1.docker.io/library/nginx:1", "registry-1.docker.io/library/nginx:1"),
            ("foo:5000", "docker.io/library/foo:5000"),
            ("foo:5000/bar", "foo:5000/bar:latest"),
            ("localhost/foo", "localhost/foo:latest"),
            ("localhost:5000/foo:bar", "localhost:5000/foo:bar"),
            ("MyReg/foo:1", "MyReg/foo:1"),
            ("[::1]:5000/foo:1", "[::1]:5000/foo:1"),
            ("[2001:db8::1]/foo", "[2001:db8::1]/foo:latest"),
            ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"),
            ("a__b/c", "docker.io/a__b/c:latest"),
            ("a---b/c", "docker.io/a---b/c:latest"),
            ("a_b.c/foo", "a_b.c/foo:latest"),
            ("foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"),
            ("asdf.io/foo/foo/foo", "asdf.io/foo/foo/foo:latest"),
        ] {
            assert_eq!(full(text), expected, "{text}");
        }
        let digest = format!("sha256:{hex}");
        assert_eq!(full(&format!("repo:tag@{digest}")), format!("docker.io/library/repo@{digest}"));
        assert_eq!(full(&format!("localhost:5000/repo@{digest}")), format!("localhost:5000/repo@{digest}"));
    }

    #[test]
    fn refuses_what_docker_refuses() {
        let hex = "0123456789abcdef".repeat(4);
        let long = format!("a/{}", "a".repeat(256));
        for (text, error) in [
            ("", ParseReferenceError::Empty),
            (":tag", ParseReferenceError::Empty),
            ("@sha256:00", ParseReferenceError::Empty),
            (hex.as_str(), ParseReferenceError::Identifier),
            ("Nginx", ParseReferenceError::Uppercase),
            ("docker.io/Nginx", ParseReferenceError::Uppercase),
            ("a___b/c", ParseReferenceError::Format),
            ("a..b/c", ParseReferenceError::Format),
            ("-foo/bar", ParseReferenceError::Format),
            ("foo-/bar", ParseReferenceError::Format),
            ("foo//bar", ParseReferenceError::Format),
            ("foo/bar/", ParseReferenceError::Format),
            ("repo:-tag", ParseReferenceError::Format),
            ("repo:tag\n", ParseReferenceError::Format),
            ("repo:", ParseReferenceError::Format),
            (" repo", ParseReferenceError::Format),
            ("[fe80::1%25eth0]/foo", ParseReferenceError::Format),
            ("-test.com/foo", ParseReferenceError::Format),
            (long.as_str(), ParseReferenceError::TooLong),
            (
                "validname@invaliddigest:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                ParseReferenceError::Digest(ParseDigestError::Algorithm),
            ),
        ] {
            assert_eq!(Reference::parse(text).map(|r| r.to_string()), Err(error), "{text}");
        }
        assert!(Reference::parse(&format!("repo@sha256:{}", hex.to_uppercase())).is_err());
        assert!(Reference::parse(&format!("repo:{}", "a".repeat(129))).is_err());
    }

    #[test]
    fn the_familiar_form_is_the_shortest_that_reads_back() {
        for (text, expected) in [
            ("docker.io/library/nginx:1", "nginx:1"),
            ("docker.io/a/b", "a/b"),
            ("docker.io/library/a/b", "library/a/b"),
            ("quay.io/a/b:1", "quay.io/a/b:1"),
            ("docker.io/foo.bar/baz", "docker.io/foo.bar/baz"),
        ] {
            assert_eq!(Reference::parse(text).map(|r| r.familiar()), Ok(expected.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn every_form_reads_back(
            text in "(([a-zA-Z0-9.-]{1,12}|\\[[0-9a-f:]{2,8}\\])(:[0-9]{1,5})?/)?[a-z0-9._/-]{1,24}(:[A-Za-z0-9_.-]{1,12})?(@sha256:[0-9a-f]{64})?"
        ) {
            if let Ok(reference) = Reference::parse(&text) {
                let again = Reference::parse(&reference.to_string());
                prop_assert_eq!(again.as_ref(), Ok(&reference));
                let familiar = Reference::parse(&reference.familiar());
                prop_assert_eq!(familiar.as_ref(), Ok(&reference));
                let normalised = reference.normalised();
                prop_assert_eq!(&normalised.normalised(), &normalised);
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in ".{0,80}") {
            let _ = Reference::parse(&text);
        }
    }
}
