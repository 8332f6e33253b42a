//! What an image says about how it runs: the part of its configuration that translation needs.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value as Json;

use super::Account;

/// What translation needs of an image's configuration: what a service that does not say otherwise does.
/// Lists are in the image's order where it means something, and sorted where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfiguration {
    /// `ExposedPorts`: ports and their protocols (`tcp`, `udp`, `sctp`), sorted.
    pub exposed_ports: Vec<(u16, Box<str>)>,
    /// `User`: `user[:group]`.
    pub user: Option<Box<str>>,
    /// Users that somebody names, this one and those of services, by number; `None` where the image does not
    /// say. Filled from the layers, as the configuration itself has only names.
    pub user_ids: BTreeMap<Box<str>, Option<Account>>,
    /// `Entrypoint`.
    pub entrypoint: Vec<Box<str>>,
    /// `Cmd`.
    pub command: Vec<Box<str>>,
    /// `WorkingDir`.
    pub working_directory: Option<Box<str>>,
    /// `Volumes`, sorted.
    pub volumes: Vec<Box<str>>,
    /// `StopSignal`.
    pub stop_signal: Option<Box<str>>,
    /// `Healthcheck`.
    pub healthcheck: Option<ImageHealthcheck>,
}

/// `Healthcheck` of an image; absent lengths are Docker's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageHealthcheck {
    /// `CMD` and words, `CMD-SHELL` and a line, `NONE`.
    pub test: Vec<Box<str>>,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// For one check.
    pub timeout: Option<Duration>,
    /// In which failures do not count.
    pub start_period: Option<Duration>,
    /// Between two checks in that period.
    pub start_interval: Option<Duration>,
    /// Failures in a row until it is unhealthy.
    pub retries: Option<u32>,
}

/// Reads `8080` or `8080/udp`.
pub(super) fn exposed_port(text: &str) -> Option<(u16, Box<str>)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let known = matches!(protocol.as_str(), "tcp" | "udp" | "sctp");
    let port = port.parse().ok().filter(|port| *port != 0 && known)?;
    Some((port, protocol.into()))
}

impl ImageConfiguration {
    /// From an image's configuration blob, as Docker and OCI write it. What is not of the expected kind is
    /// taken as absent: engines read it so, too.
    pub fn from_blob(blob: &Json) -> Self {
        let config = blob.get("config").unwrap_or(&Json::Null);
        let text = |key: &str| config.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(Into::into);
        let words = |json: Option<&Json>| {
            json.and_then(Json::as_array)
                .map(|items| items.iter().filter_map(Json::as_str).map(Into::into).collect::<Vec<Box<str>>>())
                .filter(|words| !words.is_empty())
        };
        let keys = |key: &str| {
            let mut keys: Vec<&str> = config
                .get(key)
                .and_then(Json::as_object)
                .map(|entries| entries.keys().map(String::as_str).collect())
                .unwrap_or_default();
            keys.sort_unstable();
            keys
        };
        let mut exposed_ports: Vec<_> = keys("ExposedPorts").into_iter().filter_map(exposed_port).collect();
        exposed_ports.sort();
        let healthcheck = config.get("Healthcheck").and_then(|check| {
            let number = |key: &str| check.get(key).and_then(Json::as_u64).filter(|number| *number != 0);
            let time = |key: &str| number(key).map(Duration::from_nanos);
            Some(ImageHealthcheck {
                test: words(check.get("Test"))?,
                interval: time("Interval"),
                timeout: time("Timeout"),
                start_period: time("StartPeriod"),
                start_interval: time("StartInterval"),
                retries: number("Retries").and_then(|number| number.try_into().ok()),
            })
        });
        Self {
            exposed_ports,
            healthcheck,
            user: text("User"),
            user_ids: BTreeMap::new(),
            entrypoint: words(config.get("Entrypoint")).unwrap_or_default(),
            command: words(config.get("Cmd")).unwrap_or_default(),
            stop_signal: text("StopSignal"),
            volumes: keys("Volumes").into_iter().map(Into::into).collect(),
            working_directory: text("WorkingDir"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_translation_needs_and_nothing_else() {
        let blob = serde_json::json!({"architecture": "amd64", "config": {
            "Env": ["PATH=/bin", "TOKEN=1"], "ExposedPorts": {"9090/udp": {}, "80": {}, "8080/tcp": {}},
            "Volumes": {"/b": {}, "/a": {}}, "User": "", "Cmd": ["run"], "Entrypoint": null,
            "Healthcheck": {"Test": ["CMD", "check"], "Interval": 5_000_000_000_i64, "Retries": 0}}});
        let read = ImageConfiguration::from_blob(&blob);
        let ports: Vec<String> =
            read.exposed_ports.iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect();
        assert_eq!(ports, ["80/tcp", "8080/tcp", "9090/udp"]);
        assert_eq!(read.volumes, ["/a".into(), "/b".into()]);
        assert_eq!((read.user, read.entrypoint), (None, vec![]));
        assert_eq!(read.command, ["run".into()]);
        let check = read.healthcheck.unwrap_or_default();
        assert_eq!((check.interval, check.retries), (Some(Duration::from_secs(5)), None));
    }
}
