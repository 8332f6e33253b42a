//! Tasks as containers on an engine, as an agent would start them: names of virtual addresses lead to them, files are
//! fetched into a sandbox first, and what a path of the host without a root means is in there.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value as Json;

/// Where virtual addresses are found.
const ADDRESSES: &str = "marathon.l4lb.thisdcos.directory";

/// An engine, and what is ours on it.
pub struct Containers {
    docker: String,
    host: String,
    /// In the name of everything that is made.
    stem: String,
    sandboxes: tempfile::TempDir,
}

impl Containers {
    /// On this engine, under names of this test's own.
    pub fn new(docker: &str, host: &str, stem: &str) -> Self {
        let stem = format!("marathon-{stem}-{}", std::process::id());
        let containers =
            Self { docker: docker.to_owned(), host: host.to_owned(), stem, sandboxes: tempfile::tempdir().unwrap() };
        containers.remove_all();
        containers.must(&["network", "create", &containers.stem]);
        containers
    }

    fn run_docker(&self, arguments: &[&str]) -> Output {
        Command::new(&self.docker).env("DOCKER_HOST", &self.host).args(arguments).output().unwrap()
    }

    /// The client on that engine; a panic where it fails.
    pub fn must(&self, arguments: &[&str]) -> String {
        let output = self.run_docker(arguments);
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The network that all of them are on.
    pub fn network(&self) -> &str {
        &self.stem
    }

    /// What a task's container is called.
    pub fn name(&self, task: &str) -> String {
        let number = task.rsplit("instance-").next().unwrap_or(task).trim_end_matches("._app.1");
        let app = task.split(".instance-").next().unwrap_or_default();
        format!("{}-{app}-{}", self.stem, number.rsplit('-').next().unwrap_or_default().trim_start_matches('0'))
    }

    fn sandbox(&self, task: &str) -> PathBuf {
        self.sandboxes.path().join(self.name(task))
    }

    /// Starts a task, or says what its agent would say.
    pub(super) fn run(
        &self,
        task: &str,
        app: &Json,
        files: &BTreeMap<String, Vec<u8>>,
        secrets: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let sandbox = self.sandbox(task);
        fs::create_dir_all(&sandbox).map_err(|error| error.to_string())?;
        for fetch in list(app, "/fetch") {
            let uri = text(fetch, "/uri");
            let path = uri.split_once("/files/").map(|(_, path)| path);
            let content = path
                .and_then(|path| files.get(path))
                .ok_or_else(|| format!("Failed to fetch all URIs for container: {uri}"))?;
            let name = fetch["destPath"].as_str().unwrap_or_else(|| uri.rsplit('/').next().unwrap_or_default());
            let target = sandbox.join(name);
            fs::create_dir_all(target.parent().unwrap()).map_err(|error| error.to_string())?;
            fs::write(&target, content).map_err(|error| error.to_string())?;
        }
        let arguments = self.arguments(task, app, secrets)?;
        let output = self.run_docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        if output.status.success() {
            return Ok(());
        }
        self.remove(&[task.to_owned()]);
        Err(format!("Failed to launch container: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    fn arguments(&self, task: &str, app: &Json, secrets: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
        let secret = |name: &str| {
            let source = text(app, &format!("/secrets/{name}/source"));
            secrets.get(source).cloned().ok_or_else(|| format!("Failed to resolve secret '{source}'"))
        };
        let name = self.name(task);
        let mut out: Vec<String> =
            ["run", "--detach", "--name", &name, "--label", &format!("transship.test={}", self.stem)]
                .map(str::to_owned)
                .into();
        // In one word, so that switches can be said as well.
        let mut option = |key: &str, value: String| out.push(format!("--{key}={value}"));
        if text(app, "/networks/0/mode") == "host" {
            option("network", "host".to_owned());
        } else {
            option("network", self.stem.clone());
            for mapping in list(app, "/container/portMappings") {
                let port = mapping["containerPort"].to_string();
                for (label, address) in mapping["labels"].as_object().into_iter().flatten() {
                    let address = address.as_str().unwrap_or_default();
                    if !label.starts_with("VIP_") {
                        continue;
                    }
                    let (name, outside) = address.trim_start_matches('/').rsplit_once(':').unwrap_or((address, &port));
                    // A name of the engine has no ports of its own.
                    if outside == port {
                        option("network-alias", format!("{name}.{ADDRESSES}"));
                    }
                }
                if mapping["hostPort"].as_u64().is_some_and(|number| number > 0) {
                    option("publish", format!("{}:{port}", mapping["hostPort"]));
                }
            }
        }
        for (key, value) in app["env"].as_object().into_iter().flatten() {
            let value = match value.get("secret").and_then(Json::as_str) {
                Some(name) => secret(name)?,
                None => value.as_str().unwrap_or_default().to_owned(),
            };
            option("env", format!("{key}={value}"));
        }
        option("env", format!("MARATHON_APP_ID={}", text(app, "/id")));
        #[allow(clippy::cast_possible_truncation, reason = "megabytes")]
        let memory =
            app.pointer("/resourceLimits/mem").and_then(Json::as_f64).or_else(|| app["mem"].as_f64()).unwrap_or(128.0)
                as i64;
        option("memory", format!("{memory}m"));
        for volume in list(app, "/container/volumes") {
            let inside = text(volume, "/containerPath");
            let mode = if volume["mode"] == "RO" { ":ro" } else { "" };
            if let Some(host) = volume["hostPath"].as_str() {
                let persistent = list(app, "/container/volumes")
                    .iter()
                    .any(|other| other.get("persistent").is_some() && text(other, "/containerPath") == host);
                let host = if persistent {
                    self.volume(text(app, "/id"), host)
                } else if host.starts_with('/') {
                    host.to_owned()
                } else {
                    self.sandbox(task).join(host).to_string_lossy().into_owned()
                };
                option("volume", format!("{host}:{inside}{mode}"));
            } else if let Some(external) = volume["external"]["name"].as_str() {
                option("volume", format!("{}-{external}:{inside}{mode}", self.stem));
            } else if let Some(name) = volume["secret"].as_str() {
                let path = self.sandbox(task).join(format!("secret-{name}"));
                fs::write(&path, secret(name)?).map_err(|error| error.to_string())?;
                option("volume", format!("{}:{inside}:ro", path.display()));
            }
        }
        for parameter in list(app, "/container/docker/parameters") {
            option(text(parameter, "/key"), text(parameter, "/value").to_owned());
        }
        if app.pointer("/container/docker/privileged") == Some(&Json::Bool(true)) {
            out.push("--privileged".to_owned());
        }
        out.push(text(app, "/container/docker/image").to_owned());
        if let Some(line) = app["cmd"].as_str() {
            out.extend(["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()]);
        }
        out.extend(list(app, "/args").iter().filter_map(Json::as_str).map(str::to_owned));
        Ok(out)
    }

    fn volume(&self, app: &str, path: &str) -> String {
        format!("{}{}-{path}", self.stem, app.replace('/', "-"))
    }

    /// Why the containers of tasks do not run, of those that do not.
    pub(super) fn ended(&self, tasks: &[&str]) -> BTreeMap<String, String> {
        let format = "{{.Name}} {{.State.Running}} {{.State.ExitCode}}";
        let names: Vec<String> = tasks.iter().map(|task| self.name(task)).collect();
        let arguments = ["inspect", "--format", format].into_iter().chain(names.iter().map(String::as_str));
        let output = self.run_docker(&arguments.collect::<Vec<_>>());
        let told = String::from_utf8_lossy(&output.stdout);
        let why = |name: &str| {
            let line = told.lines().find_map(|line| line.trim_start_matches('/').strip_prefix(name)?.strip_prefix(' '));
            match line.and_then(|line| line.split_once(' ')) {
                Some(("true", _)) => None,
                Some((_, code)) => Some(format!("Container exited with status {code}")),
                None => Some("Container is gone".to_owned()),
            }
        };
        tasks.iter().zip(&names).filter_map(|(task, name)| Some(((*task).to_owned(), why(name)?))).collect()
    }

    /// Whether all its health checks say so.
    pub(super) fn healthy(&self, task: &str, app: &Json) -> bool {
        let name = self.name(task);
        list(app, "/healthChecks").iter().all(|check| {
            if let Some(line) = check.pointer("/command/value").and_then(Json::as_str) {
                return self.run_docker(&["exec", &name, "sh", "-c", line]).status.success();
            }
            let index = check["portIndex"].as_u64().unwrap_or_default();
            let port = check["port"]
                .as_u64()
                .or_else(|| app.pointer(&format!("/container/portMappings/{index}/containerPort"))?.as_u64());
            let (Some(address), Some(port)) = (self.address(&name), port) else { return false };
            let place = format!("{address}:{port}");
            if text(check, "/protocol").contains("TCP") {
                return std::net::TcpStream::connect(place).is_ok();
            }
            let page = format!("http://{place}{}", text(check, "/path"));
            Command::new("curl")
                .args(["-fsS", "-m", "3", "--noproxy", "*", "-o", "/dev/null", &page])
                .output()
                .is_ok_and(|output| output.status.success())
        })
    }

    /// The address of a container by its name.
    pub fn address(&self, name: &str) -> Option<String> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let output = self.run_docker(&["inspect", "--format", format, name]);
        let address = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !address.is_empty()).then_some(address)
    }

    /// Ends tasks.
    pub(super) fn remove(&self, tasks: &[String]) {
        let names: Vec<String> = tasks.iter().map(|task| self.name(task)).collect();
        if !names.is_empty() {
            let arguments = ["rm", "--force"].into_iter().chain(names.iter().map(String::as_str));
            self.run_docker(&arguments.collect::<Vec<_>>());
        }
    }

    /// Volumes that only an app had.
    pub(super) fn forget(&self, app: &str) {
        let prefix = self.volume(app, "");
        for volume in self.listed(&["volume", "ls", "--quiet"]).iter().filter(|name| name.starts_with(&prefix)) {
            self.run_docker(&["volume", "rm", volume]);
        }
    }

    fn listed(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.run_docker(arguments);
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Everything of this test goes.
    pub(super) fn remove_all(&self) {
        for container in
            self.listed(&["ps", "--all", "--quiet", "--filter", &format!("label=transship.test={}", self.stem)])
        {
            self.run_docker(&["rm", "--force", "--volumes", &container]);
        }
        let prefix = format!("{}-", self.stem);
        for volume in self.listed(&["volume", "ls", "--quiet"]).iter().filter(|name| name.starts_with(&prefix)) {
            self.run_docker(&["volume", "rm", volume]);
        }
        self.run_docker(&["network", "rm", &self.stem]);
    }
}

fn list<'a>(json: &'a Json, pointer: &str) -> &'a [Json] {
    json.pointer(pointer).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(json: &'a Json, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}
