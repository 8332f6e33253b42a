//! The shop on its way to a real cluster, by the real program.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use super::engines::Engines;
use crate::cli_support::Shop;

/// What a run of the program left.
pub struct Told {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Told {
    /// The run, when it ended with this code; else a panic with all it said.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A copy of the shop that goes to namespaces of its own, with images out of the local registry.
pub struct Deployed {
    engines: Engines,
    pub shop: Shop,
    stem: String,
}

/// What no output may ever hold.
pub const PASSWORD: &str = "only-for-the-example";

impl Deployed {
    /// The shop with the environments `staging` and `production`, locked; `None` where no cluster runs.
    pub fn new(what: &str, stem: &str) -> Option<Self> {
        let engines = Engines::with(what, &["KUBECONFIG", "KUBECONFIG_RESTRICTED", "KUBECTL", "IMAGES", "CONTAINERS"])?;
        let deployed = Self { engines, shop: Shop::copy(), stem: format!("{stem}-{}", std::process::id()) };
        for environment in ["staging", "production"] {
            deployed.remove(&deployed.namespace(environment));
        }
        deployed.settings("");
        for name in ["transship.lock", "compose.demo.yaml"] {
            std::fs::remove_file(deployed.shop.path().join(name)).unwrap();
        }
        deployed.run(&["lock"]).ended(0);
        Some(deployed)
    }

    /// Writes transship.yaml, with more lines for `production`.
    pub fn settings(&self, production: &str) {
        let images = self.engines.get("IMAGES");
        let (kubeconfig, context) = (self.engines.get("KUBECONFIG"), "transship");
        let environment = |name: &str| {
            format!(
                "  {name}:\n    variables: &images\n      REGISTRY: {images}\n      DATABASE_IMAGE: \
                 {images}/library/postgres:17\n      CACHE_IMAGE: {images}/library/redis:8\n      \
                 ADMINISTRATION_IMAGE: {images}/library/adminer:5\n    kubernetes:\n      context: {context}\n      \
                 kubeconfig: {kubeconfig}\n      namespace: {}\n      createNamespace: true\n      volumeSize: 1Gi\n",
                self.namespace(name)
            )
        };
        let text = format!(
            "application: shop\nfiles: [compose.yaml]\nimages:\n  sources:\n    - {{prefix: \"{images}\", insecure: \
             true}}\nenvironments:\n{}{}{production}",
            environment("staging").replace("&images", ""),
            environment("production").replace("&images", ""),
        );
        self.shop.write("transship.yaml", &text);
    }

    /// Where an environment lives.
    pub fn namespace(&self, environment: &str) -> String {
        format!("shop-{}-{environment}", self.stem)
    }

    /// The engines this runs on.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transship"));
        command.current_dir(self.shop.path()).args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.shop.path());
        command.env("USER", "tester").stdin(Stdio::null());
        command
    }

    /// Runs the program to its end. Whatever it says holds no secret.
    pub fn run(&self, arguments: &[&str]) -> Told {
        Self::told(&self.command(arguments).output().unwrap())
    }

    fn told(output: &std::process::Output) -> Told {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let told =
            Told { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) };
        for said in [&told.out, &told.err] {
            assert!(!said.contains(PASSWORD), "{said}");
        }
        told
    }

    /// Starts the program, and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What a program that was started left.
    pub fn end(child: Child) -> Told {
        Self::told(&child.wait_with_output().unwrap())
    }

    /// kubectl in the namespace of an environment.
    pub fn kubectl(&self, environment: &str, arguments: &[&str]) -> String {
        self.engines.kubectl(&[&["-n", &self.namespace(environment)], arguments].concat())
    }

    /// What `kubectl get … -o jsonpath` prints.
    pub fn field(&self, environment: &str, object: &str, path: &str) -> String {
        self.kubectl(environment, &["get", object, "--ignore-not-found", "-o", &format!("jsonpath={{{path}}}")])
    }

    /// The front page, as the cluster serves it under the service's address.
    pub fn page(&self, environment: &str) -> Vec<(String, String)> {
        let address = self.field(environment, "service/web", ".spec.clusterIP");
        let text = until("the front page", Duration::from_secs(30), || {
            let output = Command::new("curl").args(["-fsS", "-m", "5", &format!("http://{address}:8080/")]).output();
            output.ok().filter(|output| output.status.success()).map(|output| output.stdout)
        });
        let text = String::from_utf8(text).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once(": "));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// UID and number of restarts of every pod of a service.
    pub fn pods(&self, environment: &str, service: &str) -> String {
        let selector = format!("transship.dev/service={service}");
        let path = "{range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
        let list = self.kubectl(environment, &["get", "pods", "-l", &selector, "-o", &format!("jsonpath={path}")]);
        let mut lines: Vec<&str> = list.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// `<pod> <container> <image>` of everything that the container runtime runs there.
    pub fn running(&self, environment: &str) -> Vec<(String, String)> {
        let output = Command::new(self.engines.get("CONTAINERS"))
            .args(["digests", &self.namespace(environment)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter_map(|line| {
                let mut words = line.split(' ').skip(1);
                Some((words.next()?.to_owned(), words.next()?.to_owned()))
            })
            .collect()
    }

    fn remove(&self, namespace: &str) {
        self.engines.kubectl(&["delete", "namespace", namespace, "--ignore-not-found", "--wait=true"]);
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        for environment in ["staging", "production"] {
            let namespace = self.namespace(environment);
            let _ = Command::new(self.engines.get("KUBECTL"))
                .env("KUBECONFIG", self.engines.get("KUBECONFIG"))
                .args(["delete", "namespace", &namespace, "--ignore-not-found", "--wait=false"])
                .output();
        }
    }
}

/// Asks until there is an answer, for so long.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {} s", within.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The digests of a lock file, by the last part of the image's name.
pub fn locked(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("digest: "))
        .map(|digest| digest.trim_matches('"').to_owned())
        .collect()
}
