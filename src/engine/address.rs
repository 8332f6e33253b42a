//! Which Docker Engine is meant: by `DOCKER_HOST`, by a context, or the one of this machine.
#![allow(clippy::disallowed_methods, reason = "contexts are files that the Docker CLI keeps")]

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use super::{Error, digest_name};

/// Where an engine listens that nobody has moved.
const USUAL: &str = "unix:///var/run/docker.sock";
/// The context that stands for the variables, and for nothing kept in a file.
const DEFAULT: &str = "default";

/// Where a Docker Engine listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    pub(super) way: Way,
    /// As messages show it.
    pub(super) shown: Box<str>,
}

/// How it is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// A socket of this machine.
    Socket(PathBuf),
    /// Host and port, with what lies before every path.
    Tcp { authority: Box<str>, prefix: Box<str>, tls: Option<Tls> },
}

/// How a connection is secured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tls {
    /// Files of certificates and of the key, those that exist.
    pub(super) ca: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    /// Whether somebody must vouch for the engine.
    pub(super) verify: bool,
}

impl Address {
    /// The engine that the Docker CLI would take with these variables of a process: of the context that is asked
    /// for, of `DOCKER_HOST`, of `DOCKER_CONTEXT`, of the context in use, or the one of this machine.
    ///
    /// # Errors
    /// When what is named does not exist, or cannot be reached from here.
    pub fn find(variables: &BTreeMap<String, String>, context: Option<&str>) -> Result<Self, Error> {
        let variable = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let home = variable("HOME").map(|home| Path::new(home).join(".docker"));
        let configuration = variable("DOCKER_CONFIG").map(PathBuf::from).or(home);
        let host = variable("DOCKER_HOST");
        let context = match (context, host) {
            (Some(context), _) => Some(context.to_owned()),
            (None, Some(_)) => None,
            (None, None) => match variable("DOCKER_CONTEXT") {
                Some(context) => Some(context.to_owned()),
                None => configuration.as_deref().map(current).transpose()?.flatten(),
            },
        };
        if let Some(context) = context.filter(|context| context != DEFAULT) {
            let unknown = || {
                Error::address(
                    format!("there is no Docker context `{context}`"),
                    "`docker context ls` lists them; correct the name, or set DOCKER_HOST",
                )
            };
            let directory = configuration.ok_or_else(unknown)?.join("contexts");
            return of_context(&directory, &context)?.ok_or_else(unknown);
        }
        let verify = variable("DOCKER_TLS_VERIFY").is_some();
        let tls = (verify || variable("DOCKER_TLS").is_some()).then(|| {
            let directory = variable("DOCKER_CERT_PATH").map(PathBuf::from).or(configuration);
            Tls { verify, ..directory.map(|directory| Tls::of_directory(&directory)).unwrap_or_default() }
        });
        Self::parse(host.unwrap_or(USUAL), tls)
    }

    /// `unix:///path` or `tcp://host:port`.
    fn parse(text: &str, tls: Option<Tls>) -> Result<Self, Error> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("tcp", text.trim()));
        let shown = text.trim();
        let way = match scheme {
            "unix" if rest.starts_with('/') => Way::Socket(rest.into()),
            "tcp" | "http" | "https" if !rest.is_empty() => {
                let tls =
                    if scheme == "https" { Some(tls.unwrap_or(Tls { verify: true, ..Tls::default() })) } else { tls };
                let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                let usual = if tls.is_some() { "2376" } else { "2375" };
                let authority = if port { authority.to_owned() } else { format!("{authority}:{usual}") };
                if authority.contains('@') || reqwest::Url::parse(&format!("http://{authority}/")).is_err() {
                    return Err(unknown(shown));
                }
                let prefix = prefix.trim_matches('/');
                let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
                Way::Tcp { authority: authority.into(), prefix: prefix.into(), tls }
            }
            "ssh" => {
                return Err(Error::address(
                    format!("the engine at {shown} is reached through SSH, which is not done here"),
                    "forward its socket (`ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST`) and set \
                     DOCKER_HOST=unix:///tmp/docker.sock",
                ));
            }
            _ => return Err(unknown(shown)),
        };
        Ok(Self { way, shown: shown.into() })
    }

    /// Whether the engine is this machine's own, so that paths here are paths there.
    pub fn is_this_machine(&self) -> bool {
        match &self.way {
            Way::Socket(_) => true,
            Way::Tcp { authority, .. } => {
                let host = authority.rsplit_once(':').map_or(&**authority, |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl Tls {
    fn of_directory(directory: &Path) -> Self {
        let file = |name: &str| Some(directory.join(name)).filter(|path| path.is_file());
        Self { ca: file("ca.pem"), certificate: file("cert.pem"), key: file("key.pem"), verify: true }
    }
}

fn unknown(shown: &str) -> Error {
    Error::address(
        format!("`{shown}` is no address of a Docker Engine that can be reached from here"),
        "write it as `unix:///var/run/docker.sock` or `tcp://host:2376`",
    )
}

/// The context in use, by Docker's config.json.
fn current(configuration: &Path) -> Result<Option<String>, Error> {
    let Some(json) = read(&configuration.join("config.json"))? else { return Ok(None) };
    Ok(json.get("currentContext").and_then(Json::as_str).filter(|name| !name.is_empty()).map(str::to_owned))
}

/// A context by its name; `None`: there is none.
fn of_context(directory: &Path, name: &str) -> Result<Option<Address>, Error> {
    let hashed = digest_name(name);
    let Some(json) = read(&directory.join("meta").join(&hashed).join("meta.json"))? else { return Ok(None) };
    let endpoint = json.pointer("/Endpoints/docker");
    let host = endpoint.and_then(|endpoint| endpoint.get("Host")?.as_str()).filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| {
        Error::address(
            format!("the Docker context `{name}` names no engine"),
            "make it anew with `docker context create`",
        )
    })?;
    let skip = endpoint.and_then(|endpoint| endpoint.get("SkipTLSVerify")?.as_bool()).unwrap_or_default();
    let files = Tls::of_directory(&directory.join("tls").join(&hashed).join("docker"));
    let secured = skip || files.ca.is_some() || files.certificate.is_some();
    let tls = secured.then_some(Tls { verify: !skip, ..files });
    let address = Address::parse(host, tls)?;
    let shown = format!("{} (context `{name}`)", address.shown);
    Ok(Some(Address { shown: shown.into(), ..address }))
}

/// A JSON file of the Docker CLI; `None`: there is none.
fn read(path: &Path) -> Result<Option<Json>, Error> {
    let damaged = |reason: String| {
        Error::address(format!("{} cannot be read: {reason}", path.display()), "repair it, or set DOCKER_HOST")
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(damaged(error.kind().to_string())),
    };
    serde_json::from_slice(&text).map(Some).map_err(|_| damaged("it is not JSON".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)], context: Option<&str>) -> Result<Address, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Address::find(&variables, context).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_those_of_the_docker_cli() {
        let tcp = |authority: &str| Way::Tcp { authority: authority.into(), prefix: "".into(), tls: None };
        for (host, expected) in [
            ("", Ok(Way::Socket("/var/run/docker.sock".into()))),
            ("unix:///run/user/1000/docker.sock", Ok(Way::Socket("/run/user/1000/docker.sock".into()))),
            ("tcp://10.0.0.1:1234", Ok(tcp("10.0.0.1:1234"))),
            ("tcp://engine", Ok(tcp("engine:2375"))),
            ("tcp://[::1]:1", Ok(tcp("[::1]:1"))),
            ("engine:1234", Ok(tcp("engine:1234"))),
            ("ssh://root@engine", Err("through SSH")),
            ("npipe:////./pipe/docker_engine", Err("no address")),
            ("tcp://user:word@engine:1", Err("no address")),
            ("unix://relative", Err("no address")),
        ] {
            match (find(&[("DOCKER_HOST", host)], None), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.way, expected, "{host}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{host}: {found}"),
                (found, expected) => panic!("{host}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_context_is_taken_where_nobody_names_a_host() -> Result<(), io::Error> {
        let directory = tempfile::tempdir()?;
        let docker = directory.path();
        let hashed = digest_name("far");
        std::fs::create_dir_all(docker.join("contexts/meta").join(&hashed))?;
        std::fs::create_dir_all(docker.join("contexts/tls").join(&hashed).join("docker"))?;
        let meta = r#"{"Name": "far", "Endpoints": {"docker": {"Host": "tcp://far", "SkipTLSVerify": false}}}"#;
        std::fs::write(docker.join("contexts/meta").join(&hashed).join("meta.json"), meta)?;
        let ca = docker.join("contexts/tls").join(&hashed).join("docker/ca.pem");
        std::fs::write(&ca, "")?;
        std::fs::write(docker.join("config.json"), r#"{"currentContext": "far"}"#)?;
        let configuration = docker.display().to_string();
        let here = ("DOCKER_CONFIG", configuration.as_str());
        let tls = Some(Tls { ca: Some(ca), verify: true, ..Tls::default() });
        let far = Way::Tcp { authority: "far:2376".into(), prefix: "".into(), tls };
        let way = |variables: &[(&str, &str)], context| find(variables, context).map(|address| address.way);
        assert_eq!(way(&[here], None), Ok(far.clone()));
        assert_eq!(way(&[here, ("DOCKER_HOST", "unix:///x")], None), Ok(Way::Socket("/x".into())));
        assert_eq!(way(&[here, ("DOCKER_HOST", "unix:///x")], Some("far")), Ok(far));
        assert_eq!(way(&[here, ("DOCKER_CONTEXT", "default")], None), Ok(Way::Socket("/var/run/docker.sock".into())));
        assert_eq!(way(&[here], Some("near")), Err("there is no Docker context `near`".to_owned()));
        let shown = find(&[here], None).map(|address| address.shown);
        assert_eq!(shown.as_deref(), Ok("tcp://far (context `far`)"));
        Ok(())
    }
}
