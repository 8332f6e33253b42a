//! The shop on its way to a real Docker host, by the real program.

use std::{ops::Deref, process::Command};

use super::{
    engines::Engines,
    journey::{Meddled, Place},
    ship::{self, Ship},
};

/// A copy of the shop that goes to projects of its own, with images out of the local registry.
pub struct Docked {
    engines: Engines,
    ship: Ship,
    stem: String,
}

impl Deref for Docked {
    type Target = Ship;

    fn deref(&self) -> &Ship {
        &self.ship
    }
}

const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

impl Docked {
    /// The shop with the environments `staging` and `production`, locked; `None` where no engine runs.
    pub fn new(what: &str, stem: &str) -> Option<Self> {
        let needed = ["DOCKER_HOST", "DOCKER", "DOCKER_COMPOSE", "DOCKER_CONFIG_DIRECTORY", "IMAGES"];
        let engines = Engines::with(what, &needed)?;
        let variables =
            [("DOCKER_HOST", engines.get("DOCKER_HOST")), ("DOCKER_CONFIG", engines.get("DOCKER_CONFIG_DIRECTORY"))];
        let docked = Self { ship: Ship::new(&variables), engines, stem: format!("{stem}-{}", std::process::id()) };
        docked.settings();
        for name in ["transship.lock", "compose.demo.yaml"] {
            std::fs::remove_file(docked.shop.path().join(name)).unwrap();
        }
        // Two of them share the host: neither may take a port of its own choice.
        docked.shop.edit("compose.yaml", "\"8080:8080\"", "\"8080\"");
        docked.run(&["lock"]).ended(0);
        Some(docked)
    }

    fn settings(&self) {
        let images = self.engines.get("IMAGES");
        let environment = |name: &str| {
            format!(
                "  {name}:\n    variables:\n      REGISTRY: {images}\n      DATABASE_IMAGE: \
                 {images}/library/postgres:17\n      CACHE_IMAGE: {images}/library/redis:8\n      \
                 ADMINISTRATION_IMAGE: {images}/library/adminer:5\n    compose:\n      project: {}\n",
                self.project(name)
            )
        };
        let environments: String = ENVIRONMENTS.iter().map(|name| environment(name)).collect();
        let text = format!(
            "application: shop\nfiles: [compose.yaml]\nimages:\n  sources:\n    - {{prefix: \"{images}\", insecure: \
             true}}\nenvironments:\n{environments}",
        );
        self.shop.write("transship.yaml", &text);
    }

    /// The project of an environment.
    pub fn project(&self, environment: &str) -> String {
        format!("shop-{}-{environment}", self.stem)
    }

    /// The engines this runs on.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    fn client(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(self.engines.get("DOCKER"));
        command.env("DOCKER_HOST", self.engines.get("DOCKER_HOST")).args(arguments).output().unwrap()
    }

    /// What another client prints.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = self.client(arguments);
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What is listed of a project.
    fn listed(&self, environment: &str, arguments: &[&str]) -> Vec<String> {
        let label = format!("label=com.docker.compose.project={}", self.project(environment));
        let list = self.docker(&[arguments, &["--filter", &label]].concat());
        list.lines().map(str::to_owned).collect()
    }

    /// The ids of all containers of a service.
    pub fn containers(&self, environment: &str, service: &str) -> Vec<String> {
        let label = format!("label=com.docker.compose.service={service}");
        self.listed(environment, &["ps", "-aq", "--no-trunc", "--filter", &label])
    }

    fn remove(&self, environment: &str) {
        for id in self.listed(environment, &["ps", "-aq"]) {
            let _ = self.client(&["rm", "-f", "-v", &id]);
        }
        for (kind, list) in [("network", ["network", "ls", "-q"]), ("volume", ["volume", "ls", "-q"])] {
            for id in self.listed(environment, &list) {
                let _ = self.client(&[kind, "rm", &id]);
            }
        }
        let label = format!("label=dev.transship.ledger=shop/{environment} as {}", self.project(environment));
        for id in self.docker(&["volume", "ls", "-q", "--filter", &label]).lines() {
            let _ = self.client(&["volume", "rm", id]);
        }
    }
}

impl Drop for Docked {
    fn drop(&mut self) {
        for environment in ENVIRONMENTS {
            self.remove(environment);
        }
    }
}

impl Place for Docked {
    fn ship(&self) -> &Ship {
        &self.ship
    }

    fn page(&self, environment: &str) -> Vec<(String, String)> {
        let address = self.docker(&["port", &format!("{}-web-1", self.project(environment)), "8080"]);
        let port = address.lines().next().and_then(|line| line.rsplit_once(':')).unwrap().1.to_owned();
        ship::page(&format!("127.0.0.1:{port}"))
    }

    fn running(&self, environment: &str) -> Vec<(String, String)> {
        let running = self.listed(environment, &["ps", "-q"]).into_iter().filter_map(|id| {
            let service =
                self.docker(&["inspect", "-f", "{{index .Config.Labels \"com.docker.compose.service\"}}", &id]);
            let image = self.docker(&["inspect", "-f", "{{.Image}}", &id]);
            let digest = self.docker(&["image", "inspect", "-f", "{{index .RepoDigests 0}}", &image]);
            (!service.is_empty()).then_some((service, digest))
        });
        running.collect()
    }

    fn instances(&self, environment: &str, service: &str) -> String {
        let ids = self.containers(environment, service);
        let mut told: Vec<String> = ids
            .iter()
            .map(|id| self.docker(&["inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", id]))
            .collect();
        told.sort_unstable();
        told.join("\n")
    }

    fn meddle(&self, environment: &str) -> Meddled {
        self.docker(&["stop", &format!("{}-api-2", self.project(environment))]);
        Meddled { path: "state", effect: "starts", cause: "somebody changed state there" }
    }

    fn is_mended(&self, environment: &str) -> bool {
        let name = format!("{}-api-2", self.project(environment));
        self.docker(&["inspect", "-f", "{{.State.Running}}", &name]) == "true"
    }

    fn put_foreign(&self, environment: &str) {
        let project = self.project(environment);
        let (of_project, name) = (format!("com.docker.compose.project={project}"), format!("{project}-foreign"));
        let image = format!("{}/pause:1", self.engines.get("IMAGES"));
        let service = "com.docker.compose.service=foreign";
        self.docker(&["create", "--name", &name, "--label", &of_project, "--label", service, &image]);
    }

    fn left(&self, environment: &str) -> Vec<String> {
        let mut left = Vec::new();
        for (kind, list) in [
            ("container", &["ps", "-a", "--format", "{{.Names}}"][..]),
            ("network", &["network", "ls", "--format", "{{.Name}}"]),
            ("volume", &["volume", "ls", "--format", "{{.Name}}"]),
        ] {
            left.extend(self.listed(environment, list).into_iter().map(|name| format!("{kind}/{name}")));
        }
        left.sort_unstable();
        left
    }

    fn kept(&self, environment: &str) -> Vec<String> {
        let project = self.project(environment);
        vec![format!("container/{project}-foreign"), format!("volume/{project}_database")]
    }
}
