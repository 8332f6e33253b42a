//! What an image runs on.

use std::fmt;

/// `os/architecture[/variant]`: `linux/amd64`, `linux/arm64/v8`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: Box<str>,
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: Box<str>,
    /// `v8`.
    pub variant: Option<Box<str>>,
}

impl Platform {
    /// Reads `os/architecture[/variant]`, or an architecture alone. The names that people use for the
    /// same (`x86_64`, `aarch64`) become Go's.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (first, second, third) = (parts.next()?, parts.next(), parts.next());
        let word =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if parts.next().is_some() || ![Some(first), second, third].into_iter().flatten().all(word) {
            return None;
        }
        Some(match second {
            None => Self::new("linux", first, None),
            Some(architecture) => Self::new(first, architecture, third),
        })
    }

    /// From its parts, with the names people use made Go's.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) = match (architecture.to_ascii_lowercase().as_str(), variant) {
            ("x86_64" | "x86-64", variant) => ("amd64".to_owned(), variant),
            ("aarch64" | "arm64", None | Some("v8" | "8")) => ("arm64".to_owned(), None),
            ("aarch64", variant) => ("arm64".to_owned(), variant),
            ("armhf", _) => ("arm".to_owned(), Some("v7")),
            ("armel", _) => ("arm".to_owned(), Some("v6")),
            ("arm", None) => ("arm".to_owned(), Some("v7")),
            ("i386" | "i686", _) => ("386".to_owned(), None),
            (other, variant) => (other.to_owned(), variant),
        };
        let variant = variant.filter(|v| !v.is_empty()).map(Into::into);
        Self { os: os.to_ascii_lowercase().into(), architecture: architecture.into(), variant }
    }

    /// `linux/amd64`: what is looked at when nothing says which platform counts.
    pub fn usual() -> Self {
        Self::new("linux", "amd64", None)
    }

    /// Whether what runs on `self` is what somebody asked for: a variant that was not named may be any.
    pub fn serves(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.variant == wanted.variant)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_become_those_of_go() {
        for (text, expected) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux/x86_64", Some("linux/amd64")),
            ("aarch64", Some("linux/arm64")),
            ("linux/arm64/v8", Some("linux/arm64")),
            ("linux/arm", Some("linux/arm/v7")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("windows/amd64", Some("windows/amd64")),
            ("linux/", None),
            ("a/b/c/d", None),
        ] {
            assert_eq!(Platform::parse(text).map(|p| p.to_string()).as_deref(), expected, "{text}");
        }
    }
}
