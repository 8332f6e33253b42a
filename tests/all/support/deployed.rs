//! The shop on its way to a real cluster, by the real program.

use std::{ops::Deref, process::Command};

use super::{
    engines::Engines,
    journey::{Meddled, Place},
    ship::{self, Ship},
};

/// A copy of the shop that goes to namespaces of its own, with images out of the local registry.
pub struct Deployed {
    engines: Engines,
    ship: Ship,
    stem: String,
}

impl Deref for Deployed {
    type Target = Ship;

    fn deref(&self) -> &Ship {
        &self.ship
    }
}

impl Deployed {
    /// The shop with the environments `staging` and `production`, locked; `None` where no cluster runs.
    pub fn new(what: &str, stem: &str) -> Option<Self> {
        let engines = Engines::with(what, &["KUBECONFIG", "KUBECONFIG_RESTRICTED", "KUBECTL", "IMAGES", "CONTAINERS"])?;
        let deployed = Self { engines, ship: Ship::new(&[]), stem: format!("{stem}-{}", std::process::id()) };
        for environment in ["staging", "production"] {
            deployed.remove(&deployed.namespace(environment));
        }
        deployed.settings("");
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

    /// kubectl in the namespace of an environment.
    pub fn kubectl(&self, environment: &str, arguments: &[&str]) -> String {
        self.engines.kubectl(&[&["-n", &self.namespace(environment)], arguments].concat())
    }

    /// What `kubectl get … -o jsonpath` prints.
    pub fn field(&self, environment: &str, object: &str, path: &str) -> String {
        self.kubectl(environment, &["get", object, "--ignore-not-found", "-o", &format!("jsonpath={{{path}}}")])
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

impl Place for Deployed {
    fn ship(&self) -> &Ship {
        &self.ship
    }

    fn page(&self, environment: &str) -> Vec<(String, String)> {
        let address = self.field(environment, "service/web", ".spec.clusterIP");
        ship::page(&format!("{address}:8080"))
    }

    fn running(&self, environment: &str) -> Vec<(String, String)> {
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

    /// UID and number of restarts of every pod.
    fn instances(&self, environment: &str, service: &str) -> String {
        let selector = format!("transship.dev/service={service}");
        let path = "{range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
        let list = self.kubectl(environment, &["get", "pods", "-l", &selector, "-o", &format!("jsonpath={path}")]);
        let mut lines: Vec<&str> = list.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    fn meddle(&self, environment: &str) -> Meddled {
        self.kubectl(environment, &["scale", "deployment/api", "--replicas=1"]);
        Meddled { path: "spec.replicas", effect: "scales from 1 to 3", cause: "kubectl changed spec.replicas there" }
    }

    fn is_mended(&self, environment: &str) -> bool {
        self.field(environment, "deployment/api", ".spec.replicas") == "3"
    }

    fn put_foreign(&self, environment: &str) {
        self.kubectl(environment, &["create", "configmap", "foreign", "--from-literal=a=b"]);
    }

    fn left(&self, environment: &str) -> Vec<String> {
        let left = self.kubectl(environment, &["get", "all,configmap,secret,networkpolicy,pvc", "-o", "name"]);
        let mut left: Vec<String> =
            left.lines().filter(|line| !line.contains("kube-root-ca")).map(str::to_owned).collect();
        left.sort_unstable();
        left
    }

    fn kept(&self, _environment: &str) -> Vec<String> {
        ["configmap/foreign", "persistentvolumeclaim/shop-database"].map(str::to_owned).into()
    }
}
