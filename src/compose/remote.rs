//! References to parts of an application that are elsewhere: which strings name a git repository or an artifact of a
//! registry, exactly as Docker Compose tells them from paths.

use std::fmt;

use super::{codes, request::clean};
use crate::{
    diagnostic::Finding,
    value::{Masked, Spot},
};

/// A part of an application that is not a local file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteReference {
    name: Box<str>,
    place: RemotePlace,
}

/// Where a remote part is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemotePlace {
    /// A directory or a file of a git repository.
    Git(GitPlace),
    /// `oci://…`: the image reference of an artifact.
    Artifact(Box<str>),
}

/// What is asked of a git repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitPlace {
    /// The address for the `git` program; may hold credentials.
    pub repository: Box<str>,
    /// A branch, a tag or a commit; `HEAD` where nothing was said.
    pub revision: Box<str>,
    /// A directory or a file in it; empty for its root.
    pub directory: Box<str>,
    /// The beginning of the commit that is wanted, where the reference says one.
    pub checksum: Option<Box<str>>,
}

impl RemoteReference {
    /// What a path stands for. `None`: a local file.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(reference) = text.strip_prefix("oci://") {
            return Some(Self { name: text.into(), place: RemotePlace::Artifact(reference.into()) });
        }
        if text.starts_with("./") || text.starts_with("../") || text.chars().any(char::is_control) {
            return None;
        }
        let place = if text.starts_with("github.com/") {
            git(&format!("https://{text}"), false)?
        } else if let Some((scheme, rest)) = scheme(text) {
            if !["http", "https", "ssh", "git"].contains(&scheme.as_str()) {
                return None;
            }
            git(&format!("{scheme}://{rest}"), scheme.starts_with("http"))?
        } else {
            secure_copy(text)?
        };
        Some(Self { name: without_password(text).into(), place: RemotePlace::Git(place) })
    }

    /// The reference as written, without a password: what messages show, and the lock has as its key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub const fn place(&self) -> &RemotePlace {
        &self.place
    }

    /// The repository alone, whatever its revision.
    pub(super) fn show_place(&self) -> String {
        match &self.place {
            RemotePlace::Git(place) => without_password(&place.repository),
            RemotePlace::Artifact(reference) => {
                let (name, _) = reference.split_once('@').unwrap_or((reference, ""));
                let tag = name.rfind(':').filter(|tag| !name.get(*tag..).unwrap_or_default().contains('/'));
                format!("oci://{}", name.get(..tag.unwrap_or(name.len())).unwrap_or_default())
            }
        }
    }

    /// How a file of it is shown.
    pub(super) fn show(&self, path: &str) -> String {
        match &self.place {
            RemotePlace::Git(place) => {
                format!("{}#{}:{path}", without_password(&place.repository), place.revision)
            }
            RemotePlace::Artifact(_) => format!("{}/{path}", self.name),
        }
    }
}

/// Credentials are in no message.
impl fmt::Debug for RemoteReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether a path that is no reference looks as if it had been meant as one.
pub(super) fn looks_remote(path: &str) -> bool {
    scheme(path).is_some()
}

/// Such a path, where there is no file of that name either.
pub(super) fn not_local(path: &str, spot: Spot) -> Finding {
    let words = format!("{} is neither a repository, nor an artifact, nor a file", without_password(path));
    Finding::new(&codes::REMOTE, Masked::words(words), spot)
        .help("name a repository as `https://HOST/REPOSITORY.git#REVISION:DIRECTORY`, or fetch the file first")
}

/// Letters and digits before `://`, in lower case, and what follows.
fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let proper = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    proper.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// `scheme://host/path?query#revision:directory`.
fn git(address: &str, wants_suffix: bool) -> Option<GitPlace> {
    let (before, fragment) = match address.split_once('#') {
        Some((before, fragment)) => (before, decoded(fragment, false)?),
        None => (address, String::new()),
    };
    let (repository, query) = before.split_once('?').unwrap_or((before, ""));
    if wants_suffix {
        let (_, host_and_path) = repository.split_once("://")?;
        let (_, path) = host_and_path.split_once('/')?;
        decoded(path, false)?.strip_suffix(".git")?;
    }
    // What is no pair is passed over here.
    let pairs = pairs(query).into_iter().flatten().collect();
    place(repository, &fragment, pairs)
}

/// `user@host:path?query#revision:directory`.
fn secure_copy(text: &str) -> Option<GitPlace> {
    let (user, rest) = text.split_once('@')?;
    let (host, path) = rest.split_once(':')?;
    let word = |text: &str, signs: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || signs.contains(&b))
    };
    if !word(user, b"-_") || !word(host, b"-.") {
        return None;
    }
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let (path, more) = path.split_at(end);
    let (query, fragment) = match more.split_once('#') {
        Some((query, fragment)) => (query, fragment),
        None => (more, ""),
    };
    let pairs = pairs(query.strip_prefix('?').unwrap_or_default()).into_iter().collect::<Option<_>>()?;
    place(&format!("{user}@{host}:{path}"), fragment, pairs)
}

fn place(repository: &str, fragment: &str, pairs: Vec<(String, String)>) -> Option<GitPlace> {
    let (revision, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
    let directory = clean(&format!("/{directory}")).trim_start_matches('/').to_owned();
    let mut asked = Asked { revision: revision.to_owned(), directory, ..Asked::default() };
    asked.queries(pairs)?;
    let revision = if asked.revision.is_empty() { "HEAD" } else { &asked.revision };
    Some(GitPlace {
        repository: repository.into(),
        revision: revision.into(),
        directory: asked.directory.into(),
        checksum: asked.checksum.map(Into::into),
    })
}

#[derive(Default)]
struct Asked {
    revision: String,
    directory: String,
    checksum: Option<String>,
}

impl Asked {
    /// `None` for what the reference of the format does not know: then it is no reference at all.
    fn queries(&mut self, pairs: Vec<(String, String)>) -> Option<()> {
        let (mut tag, mut branch) = (None, None);
        let mut seen = Vec::new();
        for (key, value) in pairs {
            if seen.contains(&key) {
                return None;
            }
            let flag = ["submodules", "keep-git-dir", "fetch-by-commit"].contains(&key.as_str());
            if value.is_empty() && !flag {
                return None;
            }
            match key.as_str() {
                "ref" => Self::set(&mut self.revision, value.clone())?,
                "subdir" => Self::set(&mut self.directory, value.clone())?,
                "tag" => tag = Some(with_prefix("refs/tags/", &value)),
                "branch" => branch = Some(with_prefix("refs/heads/", &value)),
                "checksum" | "commit" => self.checksum = Some(value.clone()),
                "mtime" if ["checkout", "commit"].contains(&value.as_str()) => {}
                _ if flag && (value.is_empty() || switch(&value).is_some()) => {}
                _ => return None,
            }
            seen.push(key);
        }
        if tag.is_some() && branch.is_some() {
            return None;
        }
        match tag.or(branch) {
            Some(name) => Self::set(&mut self.revision, name),
            None => Some(()),
        }
    }

    fn set(what: &mut String, value: String) -> Option<()> {
        if !what.is_empty() && *what != value {
            return None;
        }
        *what = value;
        Some(())
    }
}

fn with_prefix(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

/// A word for yes or no, as Go's `strconv.ParseBool` knows them.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// The pairs of a query; `None` for each that is none.
fn pairs(query: &str) -> Vec<Option<(String, String)>> {
    let pair = |text: &str| {
        if text.contains(';') {
            return None;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        Some((decoded(key, true)?, decoded(value, true)?))
    };
    query.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

/// With `%xx` and, in queries, `+` replaced; `None` where a `%` begins nothing.
fn decoded(text: &str, query: bool) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if query => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

/// An address without what stands before `@` in it, but for the name of a user that is no secret.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else { return text.to_owned() };
    let user = user.split(':').next().unwrap_or_default();
    if scheme.to_ascii_lowercase().starts_with("http") {
        // Tokens stand there without a password as well.
        return format!("{scheme}://{host}{path}");
    }
    format!("{scheme}://{user}@{host}{path}")
}

/// What opens the repository, where the reference says it: a password, or a token in the place of a user.
pub(super) fn credentials(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    match user.split_once(':') {
        Some((_, password)) => Some(password),
        None => scheme.to_ascii_lowercase().starts_with("http").then_some(user),
    }
    .filter(|secret| !secret.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        let reference = RemoteReference::parse(text)?;
        Some(match &reference.place {
            RemotePlace::Git(GitPlace { repository, revision, directory, .. }) => {
                format!("{repository} {revision} {directory}")
            }
            RemotePlace::Artifact(reference) => format!("oci {reference}"),
        })
    }

    #[test]
    fn tells_references_from_paths_as_docker_compose_does() {
        for (text, expected) in [
            ("https://h/r.git", "https://h/r.git HEAD "),
            ("https://h/r.git#main:a/b", "https://h/r.git main a/b"),
            ("https://h/r.git#:a", "https://h/r.git HEAD a"),
            ("https://h/r.git#v1:../../a", "https://h/r.git v1 a"),
            ("https://h/r.git#feature%2Fx", "https://h/r.git feature/x "),
            ("HTTPS://h/r%2egit", "https://h/r%2egit HEAD "),
            ("https://h/r.git?ref=v1&subdir=../a", "https://h/r.git v1 ../a"),
            ("https://h/r.git?tag=v1", "https://h/r.git refs/tags/v1 "),
            ("https://h/r.git?branch=b#refs/heads/b:x", "https://h/r.git refs/heads/b x"),
            ("https://h/r.git?submodules&keep-git-dir=1&mtime=commit", "https://h/r.git HEAD "),
            ("ssh://git@h:22/r", "ssh://git@h:22/r HEAD "),
            ("git://h/r#b", "git://h/r b "),
            ("git@h:o/r.git#b:d", "git@h:o/r.git b d"),
            ("git@h:o/r?ref=x", "git@h:o/r x "),
            ("github.com/o/r#b:d", "https://github.com/o/r b d"),
            ("oci://r/a:1", "oci r/a:1"),
            ("oci://", "oci "),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "compose.yaml",
            "./github.com/o/r",
            "../git@h:r",
            "https://h/r",
            "https://h/r.git/",
            "https://h/compose.yaml",
            "file:///r.git",
            "ftp://h/r.git",
            "https://h/r.git?foo=1",
            "https://h/r.git?ref=",
            "https://h/r.git?ref=a&ref=b",
            "https://h/r.git?ref=a#b",
            "https://h/r.git?tag=a&branch=b",
            "https://h/r.git?submodules=perhaps",
            "https://h/r.git#%zz",
            "git@h:o/r?ref=%zz",
            "a b@h:r",
            "user@ho_st:r",
            "github.com",
            "C:\\compose.yaml",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn passwords_are_in_no_name() {
        for (text, name) in [
            ("https://me:hush@h/r.git#b", "https://h/r.git#b"),
            ("https://hush@h/r.git?ref=a@b", "https://h/r.git?ref=a@b"),
            ("ssh://git:hush@h/r", "ssh://git@h/r"),
            ("git@h:o/r", "git@h:o/r"),
        ] {
            let reference = RemoteReference::parse(text).unwrap();
            assert_eq!(reference.name(), name);
            assert!(!format!("{reference:?} {}", reference.show("compose.yaml")).contains("hush"), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(https?://|git@|github.com/|)[a-z@:/?#%=&.+é]{0,40}") {
            let _ = RemoteReference::parse(&text);
        }
    }
}
