//! Who a resource is, and what it is called.

use std::{borrow::Cow, fmt, str::FromStr};

use super::Name;

/// Which application, in which environment: what ownership marks say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Application {
    /// The application: the Compose project name, unless `transship.yaml` says otherwise.
    pub project: Name,
    /// The environment; empty when there is none.
    pub environment: Name,
}

impl Application {
    /// Out of `<application>/<environment>`, as written on live objects; `None` where it is not of that form.
    pub fn parse(mark: &str) -> Option<Self> {
        let (project, environment) = mark.split_once('/')?;
        Some(Self { project: project.into(), environment: environment.into() })
    }

    /// The same, where a mark without an environment is an application's as well.
    pub fn of_mark(mark: &str) -> Self {
        Self::parse(mark).unwrap_or_else(|| Self { project: mark.into(), environment: "".into() })
    }

    /// What its place is called where nobody says otherwise: `<application>-<environment>`, or the application alone.
    pub fn usual_name(&self) -> String {
        if self.environment.is_empty() {
            self.project.to_string()
        } else {
            format!("{}-{}", self.project, self.environment)
        }
    }
}

impl fmt::Display for Application {
    /// `<application>/<environment>`, as written on live objects; frozen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.environment)
    }
}

/// Who a resource is: the same in every environment, revision and content. Written onto the live object
/// as its `Display` form, which is therefore frozen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// The part of the application it serves.
    pub of: Subject,
    /// What it does for that part.
    pub role: Role,
    /// The running one, or one that stands beside it during a rollout.
    pub variant: Variant,
}

impl Key {
    /// The stable variant of a role.
    pub fn new(of: Subject, role: Role) -> Self {
        Self { of, role, variant: Variant::Stable }
    }
}

/// The part of the application that a resource serves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// The application as a whole.
    Application,
    /// A Compose service.
    Service(Name),
    /// A Compose network.
    Network(Name),
    /// A Compose volume.
    Volume(Name),
    /// A Compose config.
    Config(Name),
    /// A Compose secret.
    Secret(Name),
    /// A manifest of the user's own.
    Extra(Name),
    /// A file of a layout.
    File(Name),
}

/// What a resource does for its subject: `workload`, `discovery`, `claim`, …
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Role(Cow<'static, str>);

impl Role {
    /// A role of a dialect's.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which of two resources in the same role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Variant {
    /// The one that runs.
    Stable,
    /// One beside it, during a rollout.
    Candidate,
}

impl fmt::Display for Key {
    /// `service/web/workload`, `application/settings`, `service/web/workload/candidate`. A name holds no `/`
    /// or has it written as `~1` (and `~` as `~0`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match &self.of {
            Subject::Application => ("application", None),
            Subject::Service(name) => ("service", Some(name)),
            Subject::Network(name) => ("network", Some(name)),
            Subject::Volume(name) => ("volume", Some(name)),
            Subject::Config(name) => ("config", Some(name)),
            Subject::Secret(name) => ("secret", Some(name)),
            Subject::Extra(name) => ("extra", Some(name)),
            Subject::File(name) => ("file", Some(name)),
        };
        f.write_str(kind)?;
        if let Some(name) = name {
            write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?;
        }
        write!(f, "/{}", self.role.0)?;
        match self.variant {
            Variant::Stable => Ok(()),
            Variant::Candidate => f.write_str("/candidate"),
        }
    }
}

/// A text that is no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the key of a resource")]
pub struct ParseKeyError;

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let mut parts = text.split('/');
        let kind = parts.next().ok_or(ParseKeyError)?;
        let mut name = || {
            let part = parts.next().filter(|part| !part.is_empty()).ok_or(ParseKeyError)?;
            Ok(Name::from(part.replace("~1", "/").replace("~0", "~")))
        };
        let of = match kind {
            "application" => Subject::Application,
            "service" => Subject::Service(name()?),
            "network" => Subject::Network(name()?),
            "volume" => Subject::Volume(name()?),
            "config" => Subject::Config(name()?),
            "secret" => Subject::Secret(name()?),
            "extra" => Subject::Extra(name()?),
            "file" => Subject::File(name()?),
            _ => return Err(ParseKeyError),
        };
        let role = parts.next().filter(|role| !role.is_empty()).ok_or(ParseKeyError)?;
        let role = Role(Cow::Owned(role.to_owned()));
        let variant = match parts.next() {
            None => Variant::Stable,
            Some("candidate") => Variant::Candidate,
            Some(_) => return Err(ParseKeyError),
        };
        if parts.next().is_some() { Err(ParseKeyError) } else { Ok(Self { of, role, variant }) }
    }
}

/// What a resource is called where it runs: changes with environment and, where a name carries its
/// content, with content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    /// Kind in the dialect's own words; on Kubernetes `apps/v1/Deployment`.
    pub kind: Box<str>,
    /// Namespace, where the place has such.
    pub scope: Option<Box<str>>,
    /// Its name.
    pub name: Called,
}

impl fmt::Display for Address {
    /// `Deployment shop-production/web`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.rsplit('/').next().unwrap_or(&self.kind);
        match &self.scope {
            Some(scope) => write!(f, "{kind} {scope}/{}", self.name),
            None => write!(f, "{kind} {}", self.name),
        }
    }
}

/// A name, or the promise of one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Called {
    /// Known.
    Now(Box<str>),
    /// Known once the application's content key exists. Nothing that is compared, approved or recorded
    /// depends on it: all of that goes by [`Key`].
    AtApply {
        /// The part in front of the suffix.
        stem: Box<str>,
    },
}

impl Called {
    /// The name, when it is known.
    pub fn now(&self) -> Option<&str> {
        match self {
            Self::Now(name) => Some(name),
            Self::AtApply { .. } => None,
        }
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(name) => f.write_str(name),
            Self::AtApply { stem } => write!(f, "{stem}-(known at apply)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        for text in
            ["service/web/workload", "application/settings", "extra/a~1b~0c/manifest", "volume/data/claim/candidate"]
        {
            assert_eq!(text.parse::<Key>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        for text in
            ["", "service", "service/web", "service//x", "other/a/b", "service/a/b/c", "service/a/b/candidate/d"]
        {
            assert_eq!(text.parse::<Key>(), Err(ParseKeyError), "{text}");
        }
    }
}
