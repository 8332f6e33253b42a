//! `transship.lock`: which digest every image reference stands for, readable in review and stable.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde_json::{Map, Value as Json, json};

use super::{
    Account, Digest, ImageConfiguration, ImageHealthcheck, Kind, Platform, Reference, codes,
    configuration::exposed_port,
};
use crate::{
    compose::units,
    diagnostic::{Code, Finding, Findings},
    value::{FileRole, Located, Masked, Origins, Spot, Text},
    yaml::{self, Mapping, Scalar, Tree},
};

/// The version of the format that is written, and the only one read.
const VERSION: i64 = 1;
/// The numbers of a user that the image does not have.
const UNKNOWN: &str = "none";
const HEADING: &str =
    "# What every image reference stands for. Written by `transship lock`; keep it under version control.\n";

/// The digests of an application's images, for all of its environments. Holds no times and no endpoints.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lock {
    /// By normalised reference: `docker.io/library/nginx:1.27`.
    pub images: BTreeMap<Box<str>, LockedImage>,
    /// Remote parts of Compose files: the commit or digest each stands for.
    pub includes: BTreeMap<Box<str>, Box<str>>,
}

/// What one reference stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LockedImage {
    /// The reference as the Compose file has it.
    pub written: Box<str>,
    /// What runs, and where the lock says so; nowhere until it was read from the file.
    pub digest: Located<Digest>,
    /// What the digest names.
    pub kind: Kind,
    /// What the image runs on, sorted.
    pub platforms: Vec<Platform>,
    /// Its configuration, for the platforms that somebody deploys to.
    pub configuration: BTreeMap<Platform, ImageConfiguration>,
}

impl Lock {
    /// The file's text. Equal locks have equal bytes.
    pub fn to_yaml(&self) -> String {
        let images: Map<String, Json> =
            self.images.iter().map(|(key, image)| (key.to_string(), image.to_json())).collect();
        let mut document = json!({ "version": VERSION, "images": images });
        if let (false, Some(entries)) = (self.includes.is_empty(), document.as_object_mut()) {
            let includes = self.includes.iter().map(|(name, at)| (name.to_string(), Json::from(&**at)));
            entries.insert("includes".to_owned(), Json::Object(includes.collect()));
        }
        let mut out = HEADING.to_owned();
        let _ = write!(out, "{}", yaml::write(&document));
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out
    }

    /// Reads the file's text; `path` is its name in messages. All mistakes are found at once.
    pub fn parse(text: &[u8], path: &str, origins: &Origins) -> Result<Self, Findings> {
        let documents = yaml::parse(text, path, FileRole::Lock, origins)?;
        let root = documents.into_iter().next().map(|document| document.root).unwrap_or_default();
        let mut reader = Reader { findings: Findings::new() };
        let lock = reader.lock(&root);
        if reader.findings.is_empty() { Ok(lock) } else { Err(reader.findings) }
    }

    /// Keeps the images in `used` (normalised references) and gives the others.
    pub fn retain(&mut self, used: &std::collections::BTreeSet<Box<str>>) -> Vec<(Box<str>, LockedImage)> {
        let (kept, gone) = std::mem::take(&mut self.images).into_iter().partition(|(key, _)| used.contains(key));
        self.images = kept;
        let gone: BTreeMap<_, _> = gone;
        gone.into_iter().collect()
    }
}

impl LockedImage {
    fn to_json(&self) -> Json {
        let configuration: Map<String, Json> = self
            .configuration
            .iter()
            .map(|(platform, configuration)| (platform.to_string(), configuration_to_json(configuration)))
            .collect();
        let platforms: Vec<String> = self.platforms.iter().map(ToString::to_string).collect();
        json!({
            "reference": self.written,
            "digest": self.digest.value.as_str(),
            "kind": self.kind.as_str(),
            "platforms": platforms,
            "configuration": configuration,
        })
    }

    /// The configuration of a platform; without one that of `linux/amd64`, or else of the first there is.
    pub fn configuration(&self, wanted: Option<&Platform>) -> Option<&ImageConfiguration> {
        let of = |wanted: &Platform| self.configuration.iter().find(|(p, _)| p.serves(wanted)).map(|(_, c)| c);
        match wanted {
            Some(wanted) => of(wanted),
            None => of(&Platform::usual()).or_else(|| self.configuration.values().next()),
        }
    }
}

fn configuration_to_json(configuration: &ImageConfiguration) -> Json {
    let ImageConfiguration {
        exposed_ports,
        healthcheck,
        user,
        user_ids,
        entrypoint,
        command,
        stop_signal,
        volumes,
        working_directory,
    } = configuration;
    let mut out = Map::new();
    let mut put = |key: &str, value: Option<Json>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<Box<str>>| text.as_deref().map(Json::from);
    put("user", text(user));
    let ids: Map<String, Json> = user_ids
        .iter()
        .map(|(name, id)| (name.to_string(), id.map_or_else(|| UNKNOWN.to_owned(), |id| id.to_string()).into()))
        .collect();
    put("userIds", (!ids.is_empty()).then_some(Json::Object(ids)));
    put("workingDirectory", text(working_directory));
    put("entrypoint", (!entrypoint.is_empty()).then(|| json!(entrypoint)));
    put("command", (!command.is_empty()).then(|| json!(command)));
    put("stopSignal", text(stop_signal));
    let ports: Vec<String> = exposed_ports.iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect();
    put("exposedPorts", (!ports.is_empty()).then(|| json!(ports)));
    put("volumes", (!volumes.is_empty()).then(|| json!(volumes)));
    put(
        "healthcheck",
        healthcheck.as_ref().map(|check| {
            let time = |time: Option<Duration>| {
                let nanoseconds = time.map(|time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
                nanoseconds.map(|time| Json::from(units::duration_text(time)))
            };
            let mut out = Map::new();
            out.insert("test".to_owned(), json!(check.test));
            let parts = [
                ("interval", time(check.interval)),
                ("timeout", time(check.timeout)),
                ("startPeriod", time(check.start_period)),
                ("startInterval", time(check.start_interval)),
                ("retries", check.retries.map(Json::from)),
            ];
            out.extend(parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
            Json::Object(out)
        }),
    );
    Json::Object(out)
}

/// Reads the tree of a lock, collecting what is wrong with it.
struct Reader {
    findings: Findings,
}

impl Reader {
    fn wrong(&mut self, code: &'static Code, message: String, spot: Spot) {
        self.findings.push(
            Finding::new(code, Masked::words(message), spot)
                .help("take the file back from version control, or remove it and run `transship lock`"),
        );
    }

    fn lock(&mut self, root: &Tree) -> Lock {
        let Some(entries) = self.mapping(root, "the lock") else { return Lock::default() };
        match entries.get("version").map(|tree| (&tree.value, tree.spot)) {
            Some((Scalar::Integer(VERSION), _)) => {}
            other => {
                let spot = other.map_or(root.spot, |(_, spot)| spot);
                self.findings.push(
                    Finding::new(
                        &codes::LOCK_VERSION,
                        "this lock is not of version 1, the only one known".into(),
                        spot,
                    )
                    .help("it was written by a newer transship: use that one, or write the lock anew"),
                );
                return Lock::default();
            }
        }
        self.known(entries, &["version", "images", "includes"]);
        let mut lock = Lock::default();
        for (key, tree) in self.entries(entries.get("images"), "images") {
            let normal = Reference::parse(key).map(|reference| reference.normalised().to_string());
            if normal.as_deref() != Ok(key) {
                self.wrong(&codes::LOCK, format!("`{key}` is not a full image reference"), tree.spot);
            } else if let Some(image) = self.image(key, tree) {
                lock.images.insert(key.into(), image);
            }
        }
        for (key, tree) in self.entries(entries.get("includes"), "includes") {
            let artifact = key.starts_with("oci://");
            let proper = |text: &str| match artifact {
                true => Digest::parse(text).is_ok(),
                false => text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            };
            let at = self.parsed(Some(tree), key, tree.spot, |text| proper(text).then(|| text.into()));
            if let Some(at) = at {
                lock.includes.insert(key.into(), at);
            }
        }
        lock
    }

    fn image(&mut self, key: &str, tree: &Tree) -> Option<LockedImage> {
        let entries = self.mapping(tree, "an image")?;
        self.known(entries, &["reference", "digest", "kind", "platforms", "configuration"]);
        let written = self.text(entries.get("reference"), "reference", tree.spot);
        if let (Some(written), Some(at)) = (&written, entries.get("reference")) {
            let same = Reference::parse(written).is_ok_and(|reference| reference.normalised().to_string() == key);
            if !same {
                self.wrong(&codes::LOCK, format!("`reference` is not the same image as `{key}`"), at.spot);
            }
        }
        let digest = self.parsed(entries.get("digest"), "digest", tree.spot, |text| Digest::parse(text).ok());
        let kind = self.parsed(entries.get("kind"), "kind", tree.spot, |text| match text {
            "index" => Some(Kind::Index),
            "manifest" => Some(Kind::Manifest),
            _ => None,
        });
        if let (Some(digest), Some(at)) = (&digest, entries.get("digest")) {
            let asked = Reference::parse(key).ok().and_then(|reference| reference.digest().cloned());
            if asked.is_some_and(|asked| asked != *digest) {
                self.wrong(&codes::LOCK, format!("the digest is not the one that `{key}` names"), at.spot);
            }
        }
        let platforms = self
            .items(entries.get("platforms"))
            .iter()
            .filter_map(|item| self.parsed(Some(item), "platforms", item.spot, Platform::parse))
            .collect();
        let mut configuration = BTreeMap::new();
        for (platform, tree) in self.entries(entries.get("configuration"), "configuration") {
            match Platform::parse(platform) {
                Some(platform) => {
                    if let Some(read) = self.configuration(tree) {
                        configuration.insert(platform, read);
                    }
                }
                None => self.wrong(&codes::LOCK, format!("`{platform}` is no platform"), tree.spot),
            }
        }
        let at = entries.get("digest").map(|tree| tree.spot).unwrap_or_default();
        let digest = Located::new(digest?, at);
        Some(LockedImage { written: written?, digest, kind: kind?, platforms, configuration })
    }

    fn configuration(&mut self, tree: &Tree) -> Option<ImageConfiguration> {
        let entries = self.mapping(tree, "a configuration")?;
        self.known(
            entries,
            &[
                "user",
                "userIds",
                "workingDirectory",
                "entrypoint",
                "command",
                "stopSignal",
                "exposedPorts",
                "volumes",
                "healthcheck",
            ],
        );
        let mut optional = |key: &str| {
            let tree = entries.get(key)?;
            self.text(Some(tree), key, tree.spot)
        };
        let (user, working_directory, stop_signal) =
            (optional("user"), optional("workingDirectory"), optional("stopSignal"));
        let mut user_ids = BTreeMap::new();
        for (name, tree) in self.entries(entries.get("userIds"), "userIds") {
            let id = self.parsed(Some(tree), "userIds", tree.spot, |text| match text {
                UNKNOWN => Some(None),
                text => Account::parse(text).map(Some),
            });
            user_ids.extend(id.map(|id| (name.into(), id)));
        }
        let exposed_ports = self
            .items(entries.get("exposedPorts"))
            .iter()
            .filter_map(|item| self.parsed(Some(item), "exposedPorts", item.spot, exposed_port))
            .collect();
        let mut words = |key: &str| {
            let tree = entries.get(key)?;
            Some(self.items(Some(tree)).iter().filter_map(|item| self.text(Some(item), key, item.spot)).collect())
        };
        Some(ImageConfiguration {
            exposed_ports,
            user,
            user_ids,
            working_directory,
            stop_signal,
            entrypoint: words("entrypoint").unwrap_or_default(),
            command: words("command").unwrap_or_default(),
            volumes: words("volumes").unwrap_or_default(),
            healthcheck: entries.get("healthcheck").and_then(|tree| self.healthcheck(tree)),
        })
    }

    fn healthcheck(&mut self, tree: &Tree) -> Option<ImageHealthcheck> {
        let entries = self.mapping(tree, "a health check")?;
        self.known(entries, &["test", "interval", "timeout", "startPeriod", "startInterval", "retries"]);
        let test = self.items(entries.get("test"));
        let test = test.iter().filter_map(|item| self.text(Some(item), "test", item.spot)).collect();
        let mut time = |key: &str| {
            let tree = entries.get(key)?;
            self.parsed(Some(tree), key, tree.spot, units::time)
        };
        Some(ImageHealthcheck {
            test,
            interval: time("interval"),
            timeout: time("timeout"),
            start_period: time("startPeriod"),
            start_interval: time("startInterval"),
            retries: entries.get("retries").and_then(|tree| {
                if let Scalar::Integer(number) = tree.value
                    && let Ok(number) = number.try_into()
                {
                    return Some(number);
                }
                self.wrong(&codes::LOCK, "`retries` is no number".to_owned(), tree.spot);
                None
            }),
        })
    }

    fn mapping<'a>(&mut self, tree: &'a Tree, what: &str) -> Option<&'a Mapping> {
        let mapping = tree.as_mapping();
        if mapping.is_none() {
            self.wrong(&codes::LOCK, format!("{what} is no mapping but {}", kind(tree)), tree.spot);
        }
        mapping
    }

    fn entries<'a>(&mut self, tree: Option<&'a Tree>, what: &str) -> Vec<(&'a str, &'a Tree)> {
        let Some(tree) = tree else { return Vec::new() };
        let mapping = self.mapping(tree, what);
        mapping.map(|m| m.entries.iter().map(|(key, entry)| (&**key, &entry.tree)).collect()).unwrap_or_default()
    }

    fn items<'a>(&mut self, tree: Option<&'a Tree>) -> &'a [Tree] {
        let Some(tree) = tree else { return &[] };
        if tree.as_sequence().is_none() {
            self.wrong(&codes::LOCK, format!("a list belongs here, not {}", kind(tree)), tree.spot);
        }
        tree.as_sequence().unwrap_or_default()
    }

    fn text(&mut self, tree: Option<&Tree>, key: &str, parent: Spot) -> Option<Box<str>> {
        self.parsed(tree, key, parent, |text| Some(text.into()))
    }

    /// A string that must be there and must be readable.
    fn parsed<T>(
        &mut self,
        tree: Option<&Tree>,
        key: &str,
        parent: Spot,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(tree) = tree else {
            self.wrong(&codes::LOCK, format!("`{key}` is missing"), parent);
            return None;
        };
        let value = tree.as_text().and_then(Text::plain).and_then(read);
        if value.is_none() {
            self.wrong(&codes::LOCK, format!("`{key}` is not what the lock holds there"), tree.spot);
        }
        value
    }

    /// A key that is not known would be lost when the lock is written again.
    fn known(&mut self, entries: &Mapping, known: &[&str]) {
        for (key, entry) in &entries.entries {
            if !known.contains(&&**key) {
                self.wrong(&codes::LOCK, format!("`{key}` is nothing that the lock holds here"), entry.key);
            }
        }
    }
}

fn kind(tree: &Tree) -> String {
    format!("{} {}", if tree.kind() == "integer" { "an" } else { "a" }, tree.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Lock {
        let configuration = ImageConfiguration {
            exposed_ports: vec![(5432, "tcp".into())],
            healthcheck: Some(ImageHealthcheck {
                test: vec!["CMD-SHELL".into(), "pg_isready || exit 1".into()],
                interval: Some(Duration::from_secs(5)),
                retries: Some(3),
                ..ImageHealthcheck::default()
            }),
            user: Some("postgres".into()),
            user_ids: BTreeMap::from([("postgres".into(), Account::parse("999:999")), ("nobody:video".into(), None)]),
            entrypoint: vec!["docker-entrypoint.sh".into()],
            command: vec!["postgres".into()],
            stop_signal: Some("SIGINT".into()),
            volumes: vec!["/var/lib/postgresql/data".into()],
            working_directory: None,
        };
        let image = LockedImage {
            written: "postgres:17".into(),
            digest: Located::new(Digest::of(b"index"), Spot::NOWHERE),
            kind: Kind::Index,
            platforms: vec![Platform::usual(), Platform::new("linux", "arm64", None)],
            configuration: BTreeMap::from([(Platform::usual(), configuration)]),
        };
        Lock { images: BTreeMap::from([("docker.io/library/postgres:17".into(), image)]), includes: BTreeMap::new() }
    }

    #[test]
    fn is_readable_and_reads_back() {
        let text = example().to_yaml();
        snapbox::assert_data_eq!(
            &text,
            snapbox::str![[r#"
# What every image reference stands for. Written by `transship lock`; keep it under version control.
version: 1
images:
  "docker.io/library/postgres:17":
    reference: postgres:17
    digest: sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6
    kind: index
    platforms:
    - linux/amd64
    - linux/arm64
    configuration:
      linux/amd64:
        user: postgres
        userIds:
          "nobody:video": none
          postgres: 999:999
        entrypoint:
        - docker-entrypoint.sh
        command:
        - postgres
        stopSignal: SIGINT
        exposedPorts:
        - 5432/tcp
        volumes:
        - /var/lib/postgresql/data
        healthcheck:
          test:
          - CMD-SHELL
          - pg_isready || exit 1
          interval: 5s
          retries: 3

"#]]
        );
        let back = Lock::parse(text.as_bytes(), "transship.lock", &Origins::new());
        assert_eq!(back.ok(), Some(example()));
        let empty = Lock::default().to_yaml();
        assert_eq!(Lock::parse(empty.as_bytes(), "l", &Origins::new()).ok(), Some(Lock::default()), "{empty}");
    }

    fn mistakes(text: &str) -> Vec<String> {
        let origins = Origins::new();
        let Err(findings) = Lock::parse(text.as_bytes(), "transship.lock", &origins) else { return Vec::new() };
        let line = |f: &Finding| format!("{}: {}", origins.describe(f.spot()).unwrap_or_default(), f.message);
        findings.iter().map(line).collect()
    }

    #[test]
    fn a_newer_version_is_refused_and_nothing_else_is_said() {
        assert_eq!(
            mistakes("version: 2\nimages: 1\n"),
            ["transship.lock:1:10: this lock is not of version 1, the only one known"]
        );
        assert_eq!(mistakes("images: {}\n").len(), 1);
    }

    #[test]
    fn every_mistake_has_its_place() {
        let text = "\
version: 1
images:
  nginx:
    digest: sha256:00
  docker.io/library/nginx:1:
    reference: nginx:2
    digest: sha256:00
    kind: both
    platforms: [a/b/c/d]
    note: x
";
        assert_eq!(
            mistakes(text),
            [
                "transship.lock:4:5: `nginx` is not a full image reference",
                "transship.lock:10:5: `note` is nothing that the lock holds here",
                "transship.lock:6:16: `reference` is not the same image as `docker.io/library/nginx:1`",
                "transship.lock:7:13: `digest` is not what the lock holds there",
                "transship.lock:8:11: `kind` is not what the lock holds there",
                "transship.lock:9:17: `platforms` is not what the lock holds there",
            ]
        );
    }
}
