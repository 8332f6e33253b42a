//! A real Swarm of one node: the whole way of the shop, and what goes wrong on bad days.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::Value as Json;
use tokio::sync::watch;
use transship::{
    deploy::{self, Approved, Deployment, Outcome, Site, Verdict},
    engine::{Address, Engine},
    image::Registries,
    plan::{Gate, Goal, Options, SavedPlan},
    platform::{
        DestinationId, Expected, FailureKind, Platform as _, Reason, State, Unseen, Verified,
        swarm::{Patience, Swarm},
    },
    target::{Dialect, Release, swarm::Swarm as Words},
    value::{Keyring, Name},
};

use crate::support::{
    engines::Engines,
    journey::{self, Meddled, Place},
    memory_files::MemoryFiles,
    passage::Passage,
    releases::Held,
    ship::{self, Ship, until},
    translated::{Translated, translate_as},
};

/// The Docker CLI: another client of the same Swarm.
struct Docker(Engines);

impl Docker {
    fn with(what: &str) -> Option<Self> {
        Engines::with(what, &["DOCKER_HOST", "DOCKER", "IMAGES"]).map(Self)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.0.get("DOCKER"));
        command.args(["--host", self.0.get("DOCKER_HOST")]);
        command
    }

    /// What it prints; a panic with what it complains about.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes a config out of a text.
    fn config(&self, name: &str) {
        let mut child = self
            .command()
            .args(["config", "create", name, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"theirs").unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Everything whose name begins so, as `kind name`, sorted.
    fn left(&self, prefix: &str) -> Vec<String> {
        let mut left = Vec::new();
        for (kind, format) in [
            ("service", "{{.Name}}"),
            ("config", "{{.Name}}"),
            ("secret", "{{.Name}}"),
            ("network", "{{.Name}}"),
            ("volume", "{{.Name}}"),
        ] {
            let names = self.run(&[kind, "ls", "--format", format]);
            left.extend(names.lines().filter(|name| name.starts_with(prefix)).map(|name| format!("{kind} {name}")));
        }
        left.sort_unstable();
        left
    }

    /// Removes everything of a stack, its ledger included.
    fn remove(&self, stack: &str) {
        let quiet = |arguments: &[&str]| {
            let _ = self.command().args(arguments).output();
        };
        let prefix = format!("{stack}_");
        for _ in 0..40 {
            let left = self.left(&prefix);
            if left.is_empty() {
                break;
            }
            for one in left {
                let (kind, name) = one.split_once(' ').unwrap();
                quiet(&[kind, "rm", name]);
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        let ledger = self.run(&["config", "ls", "--format", "{{.ID}} {{.Labels}}"]);
        for line in ledger.lines().filter(|line| line.contains(&format!("dev.transship.ledger={stack} "))) {
            quiet(&["config", "rm", line.split(' ').next().unwrap()]);
        }
    }
}

/// A copy of the shop that goes to stacks of its own, with images out of the local registry.
struct Stacks {
    docker: Docker,
    ship: Ship,
    stem: String,
}

/// What fits a Swarm of one node without a mesh: names instead of virtual addresses, ports of the node.
const HERE: &str = "\
services:
  web:
    ports: !override [{target: 8080, mode: host}]
    deploy: {endpoint_mode: dnsrr}
  api:
    deploy: {endpoint_mode: dnsrr}
    healthcheck: {start_interval: !reset null}
  database:
    deploy: {endpoint_mode: dnsrr}
    healthcheck: {start_interval: !reset null}
  cache:
    deploy: {endpoint_mode: dnsrr}
";

impl Stacks {
    /// The shop with the environments `staging` and `production`, locked; `None` where no Swarm runs.
    fn new(what: &str, stem: &str) -> Option<Self> {
        let docker = Docker::with(what)?;
        let stacks = Self { docker, ship: Ship::new(&[]), stem: format!("{stem}-{}", std::process::id()) };
        let images = stacks.docker.0.get("IMAGES");
        let environment = |name: &str| {
            format!(
                "  {name}:\n    files: [compose.{name}.yaml, here.yaml]\n    variables:\n      REGISTRY: \
                 {images}\n      DATABASE_IMAGE: {images}/library/postgres:17\n      CACHE_IMAGE: \
                 {images}/library/redis:8\n      ADMINISTRATION_IMAGE: {images}/library/adminer:5\n    swarm:\n      \
                 host: {}\n      stack: {}\n",
                stacks.docker.0.get("DOCKER_HOST"),
                stacks.stack(name)
            )
        };
        let text = format!(
            "application: shop\nfiles: [compose.yaml]\nimages:\n  sources:\n    - {{prefix: \"{images}\", insecure: \
             true}}\nenvironments:\n{}{}",
            environment("staging"),
            environment("production"),
        );
        let shop = &stacks.ship.shop;
        shop.write("transship.yaml", &text);
        shop.write("here.yaml", HERE);
        stacks.ship.look_up_again("web/nginx.conf", "http://api:8000");
        stacks.ship.run(&["lock"]).ended(0);
        Some(stacks)
    }

    fn stack(&self, environment: &str) -> String {
        format!("shop-{}-{environment}", self.stem)
    }

    fn service(&self, environment: &str, service: &str) -> String {
        format!("{}_{service}", self.stack(environment))
    }

    /// Ids of the containers of a service.
    fn containers(&self, environment: &str, service: &str) -> Vec<String> {
        let label = format!("label=com.docker.swarm.service.name={}", self.service(environment, service));
        let mut ids: Vec<String> =
            self.docker.run(&["ps", "-q", "--no-trunc", "--filter", &label]).lines().map(str::to_owned).collect();
        ids.sort_unstable();
        ids
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        for environment in ["staging", "production"] {
            self.docker.remove(&self.stack(environment));
        }
    }
}

impl Place for Stacks {
    fn ship(&self) -> &Ship {
        &self.ship
    }

    fn page(&self, environment: &str) -> Vec<(String, String)> {
        let address = until("a published port", Duration::from_secs(30), || {
            let container = self.containers(environment, "web").pop()?;
            let told = self.docker.run(&["port", &container, "8080/tcp"]);
            Some(told.lines().next()?.replace("0.0.0.0", "127.0.0.1"))
        });
        ship::page(&address)
    }

    fn running(&self, environment: &str) -> Vec<(String, String)> {
        let label = format!("label=com.docker.stack.namespace={}", self.stack(environment));
        let format = "{{.Label \"com.docker.swarm.service.name\"}} {{.Image}}";
        let told = self.docker.run(&["ps", "--no-trunc", "--filter", &label, "--format", format]);
        let pairs = told.lines().filter_map(|line| line.split_once(' '));
        pairs
            .map(|(service, image)| (service.rsplit('_').next().unwrap_or_default().to_owned(), image.to_owned()))
            .collect()
    }

    /// Containers, and the version of the service: whoever writes it again counts it up.
    fn instances(&self, environment: &str, service: &str) -> String {
        let name = self.service(environment, service);
        let version = self.docker.run(&["service", "inspect", "--format", "{{.Version.Index}}", &name]);
        format!("{version} {}", self.containers(environment, service).join(" "))
    }

    fn meddle(&self, environment: &str) -> Meddled {
        self.docker.run(&["service", "update", "--detach", "--replicas", "1", &self.service(environment, "api")]);
        Meddled { path: "Mode.Replicated.Replicas", effect: "scales from 1 to 3", cause: "" }
    }

    fn is_mended(&self, environment: &str) -> bool {
        let name = self.service(environment, "api");
        self.docker.run(&["service", "inspect", "--format", "{{.Spec.Mode.Replicated.Replicas}}", &name]) == "3"
    }

    fn put_foreign(&self, environment: &str) {
        self.docker.config(&self.service(environment, "foreign"));
    }

    fn left(&self, environment: &str) -> Vec<String> {
        self.docker.left(&format!("{}_", self.stack(environment)))
    }

    fn kept(&self, environment: &str) -> Vec<String> {
        let name = |name| self.service(environment, name);
        vec![format!("config {}", name("foreign")), format!("volume {}", name("database"))]
    }
}

#[test]
fn the_shop_comes_serves_changes_and_goes_on_a_real_swarm() {
    let Some(stacks) = Stacks::new("the shop on a real Swarm", "whole") else { return };
    journey::whole(&stacks);
}

#[test]
fn a_killed_apply_is_run_again_on_a_real_swarm() {
    let Some(stacks) = Stacks::new("a killed apply on a real Swarm", "killed") else { return };
    journey::killed(&stacks);
}

#[test]
fn an_engine_that_is_gone_in_the_middle_is_told_and_the_next_run_goes_on_on_a_real_swarm() {
    let Some(stacks) = Stacks::new("a Swarm that is gone in the middle", "gone") else { return };
    let real = stacks.docker.0.get("DOCKER_HOST").to_owned();
    let passage = Passage::to(&real);
    let through = passage.address();
    let settings = stacks.ship.shop.read("transship.yaml");
    stacks.ship.shop.write("transship.yaml", &settings.replace(&real, &through));
    let child = stacks.ship.start(&["apply", "staging", "--yes"]);
    until("the database", Duration::from_secs(60), || {
        let name = stacks.service("staging", "database");
        stacks.docker.left(&name).contains(&format!("service {name}")).then_some(())
    });
    passage.close();
    let told = Ship::end(child).ended(8);
    assert!(told.err.contains("Docker Engine at"), "{}", told.err);
    passage.open();
    stacks.ship.run(&["apply", "staging", "--yes", "--lock-timeout", "120"]).ended(0);
    stacks.ship.run(&["diff", "staging", "--exit-code"]).ended(0);
}

/// A small application of its own, carried by the library.
struct Small {
    docker: Docker,
    name: String,
    swarm: Swarm,
}

impl Small {
    fn new(what: &str, name: &str) -> Option<Self> {
        let docker = Docker::with(what)?;
        let name = format!("small-{name}-{}", std::process::id());
        let variables = BTreeMap::from([("DOCKER_HOST".to_owned(), docker.0.get("DOCKER_HOST").to_owned())]);
        let address = Address::find(&variables, None).unwrap();
        let engine = Engine::new(address, transship::engine::Patience::default()).unwrap();
        let patience = Patience {
            pause: Duration::from_millis(50),
            look: Duration::from_millis(100),
            removal: Duration::from_secs(3),
            grace: Duration::from_secs(3),
        };
        let swarm = Swarm::new(engine, Name::from(name.as_str()), Registries::default(), Arc::default(), patience);
        Some(Self { docker, name, swarm })
    }

    /// An image with its digest, as the registry tells it.
    fn image(&self, repository: &str, tag: &str) -> String {
        let registry = self.docker.0.get("IMAGES");
        let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        let url = format!("http://{registry}/v2/{repository}/manifests/{tag}");
        let output = Command::new("curl").args(["-fsSI", "-H", accept, &url]).output().unwrap();
        let head = String::from_utf8(output.stdout).unwrap().to_lowercase();
        let digest = head
            .lines()
            .find_map(|line| line.strip_prefix("docker-content-digest: "))
            .unwrap_or_else(|| panic!("{url}: {head}"));
        format!("{registry}/{repository}@{}", digest.trim())
    }

    fn translated(&self, services: &str) -> Translated {
        let mut files = MemoryFiles::default();
        let text = format!("name: {}\nservices:\n{services}", self.name);
        files.0.insert("/application/compose.yaml".to_owned(), text.into_bytes());
        let translated = translate_as(Some(Dialect::Swarm), &files, "/application", None, &BTreeMap::new(), None);
        translated.unwrap_or_else(|findings| {
            panic!("{:?}", findings.iter().map(|finding| finding.message.to_string()).collect::<Vec<_>>())
        })
    }

    fn site(&self, release: &Release) -> Site<'_> {
        Site {
            platform: &self.swarm,
            target: &Words,
            destination: DestinationId("swarm".into()),
            application: release.application.clone(),
            options: Options::default(),
            origins: Arc::clone(&release.origins),
            concealed: Arc::clone(&release.concealed),
        }
    }

    async fn apply(&self, release: &Release) -> Outcome {
        let keys = Keyring::from_text("the key of the test");
        let name = if release.resources.is_empty() { "destroy" } else { "deploy" };
        let goals = vec![Goal { name, release: release.clone(), gate: Gate::Settled }];
        let outlook = self.site(release).look(&goals, &keys).await.unwrap();
        let approved = SavedPlan::of(&outlook.plan, &keys, &release.origins);
        let (_stop, interrupted) = watch::channel(false);
        deploy::apply(&Deployment {
            site: self.site(release),
            expected: Expected::default(),
            goals: &|_| Ok(goals.clone()),
            keyring: Some(keys),
            approved: Approved::Shown(approved),
            by: "tester".to_owned(),
            now: || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
            random: [7; 32],
            patience: Duration::ZERO,
            interrupted,
            progress: &Unseen,
        })
        .await
    }

    fn inspect(&self, service: &str, format: &str) -> String {
        self.docker.run(&["service", "inspect", "--format", format, &format!("{}_{service}", self.name)])
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.docker.remove(&self.name);
    }
}

fn failure(outcome: &Outcome) -> &Reason {
    let mut reasons = outcome.states.iter().filter_map(|(_, state)| match state {
        State::Failed(reason) => Some(reason),
        _ => None,
    });
    reasons.next_back().unwrap_or_else(|| panic!("{outcome:?}"))
}

#[tokio::test]
async fn an_image_that_no_node_has_is_a_failure_on_a_real_swarm() {
    let Some(small) = Small::new("a missing image on a Swarm", "missing") else { return };
    let image = format!("{}/shop/none@sha256:{}", small.docker.0.get("IMAGES"), "0".repeat(64));
    let outcome = small.apply(&small.translated(&format!("  a: {{image: '{image}'}}")).translation.release).await;
    assert_eq!(outcome.verdict, Verdict::NotReady, "{outcome:?}");
    let reason = failure(&outcome);
    assert_eq!(reason.code, "image-pull");
    assert!(reason.text.as_str().contains("No such image"), "{}", reason.text);
}

#[tokio::test]
async fn a_place_nobody_has_is_a_failure_on_a_real_swarm() {
    let Some(small) = Small::new("a placement on a Swarm", "nowhere") else { return };
    let image = small.image("pause", "1");
    let service = format!("  a: {{image: '{image}', deploy: {{placement: {{constraints: [node.labels.none == x]}}}}}}");
    let outcome = small.apply(&small.translated(&service).translation.release).await;
    assert_eq!(failure(&outcome).code, "unschedulable", "{outcome:?}");
}

/// A Swarm that goes back to what ran before has not done what was asked, and the command line says so.
#[tokio::test]
async fn an_update_that_goes_back_is_a_failure_on_a_real_swarm() {
    let Some(small) = Small::new("a rollback on a Swarm", "back") else { return };
    let image = small.image("library/redis", "8");
    let service = |command: &str| {
        let update = "update_config: {failure_action: rollback, monitor: 5s}";
        let text = format!(
            "  a: {{image: '{image}', command: {command}, stop_grace_period: 1s, deploy: {{{update}, restart_policy: \
             {{delay: 0s}}, endpoint_mode: dnsrr}}}}"
        );
        small.translated(&text).translation.release
    };
    let good = service("[redis-server]");
    assert_eq!(small.apply(&good).await.verdict, Verdict::Applied);
    let outcome = small.apply(&service("[redis-server, --nonsense, really]")).await;
    assert_eq!(outcome.verdict, Verdict::NotReady, "{outcome:?}");
    let reason = failure(&outcome);
    assert_eq!(reason.code, "rolled-back", "{reason:?}");
    // What it went back to is what is wanted now: nothing is left to do.
    let again = small.apply(&good).await;
    assert_eq!(again.verdict, Verdict::Unchanged, "{again:?}");
}

#[tokio::test]
async fn what_another_client_changed_is_that_field_alone_on_a_real_swarm() {
    let Some(small) = Small::new("drift on a Swarm", "drift") else { return };
    let image = small.image("pause", "1");
    let text = format!(
        "  a: {{image: '{image}', environment: {{A: b}}, labels: {{empty: ''}}, ulimits: {{nofile: 1024}}, cap_drop: [ALL]}}\n  \
         b: {{image: '{image}', volumes: ['data:/data']}}\nvolumes: {{data: }}\nnetworks: {{default: {{driver_opts: {{encrypted: ''}}}}}}"
    );
    let translated = small.translated(&text);
    let release = &translated.translation.release;
    assert_eq!(small.apply(release).await.verdict, Verdict::Applied);
    let keys = Keyring::from_text("the key of the test");
    let goals = [Goal { name: "deploy", release: release.clone(), gate: Gate::Settled }];
    let site = small.site(release);
    let changes = |plan: &transship::plan::Plan| -> Vec<String> {
        let fields = plan.changes().flat_map(|change| change.differences.iter().map(move |one| (change, one)));
        fields.map(|(change, one)| format!("{} {}", change.key, one.path)).collect()
    };
    let plan = site.look(&goals, &keys).await.unwrap().plan;
    assert!(plan.stages.iter().all(|stage| stage.changes.is_empty()), "{:#?}", plan.stages);
    let (a, b) = (format!("{}_a", small.name), small.inspect("b", "{{.Version.Index}}"));
    for (arguments, path) in [
        (&["--env-add", "X=1"][..], "TaskTemplate.ContainerSpec.Env.X"),
        (&["--label-add", "who=them"][..], "Labels.who"),
        (&["--limit-memory", "64m"][..], "TaskTemplate.Resources.Limits.MemoryBytes"),
        (&["--stop-grace-period", "3s"][..], "TaskTemplate.ContainerSpec.StopGracePeriod"),
    ] {
        small
            .docker
            .run(&[&["service", "update", "--detach", "--no-resolve-image"], arguments, &[a.as_str()]].concat());
        let plan = site.look(&goals, &keys).await.unwrap().plan;
        let found = changes(&plan);
        // An object that was not there differs as a whole.
        assert_eq!(found.len(), 1, "{arguments:?}: {found:?}");
        assert!(format!("service/a/workload {path}").starts_with(&found[0]), "{found:?} is not {path}");
        assert_eq!(small.apply(release).await.verdict, Verdict::Applied, "{arguments:?}");
    }
    assert_eq!(small.inspect("b", "{{.Version.Index}}"), b);
    // Started anew by hand: that is not undone.
    small.docker.run(&["service", "update", "--detach", "--no-resolve-image", "--force", &a]);
    assert_eq!(changes(&site.look(&goals, &keys).await.unwrap().plan), Vec::<String>::new());
}

#[tokio::test]
async fn what_moved_after_it_was_seen_is_not_overwritten_on_a_real_swarm() {
    let Some(small) = Small::new("a moved version on a Swarm", "moved") else { return };
    let image = small.image("pause", "1");
    let of = |value: &str| {
        small.translated(&format!("  a: {{image: '{image}', environment: {{A: '{value}'}}}}")).translation.release
    };
    assert_eq!(small.apply(&of("1")).await.verdict, Verdict::Applied);
    let wanted = of("2");
    let goals = [Goal { name: "deploy", release: wanted.clone(), gate: Gate::Settled }];
    let outlook = small.site(&wanted).look(&goals, &Keyring::from_text("the key of the test")).await.unwrap();
    let step = outlook.plan.stages[0].steps.first().unwrap();
    let place = Verified::check(small.swarm.identify().await.unwrap(), &Expected::default()).unwrap();
    let writer = small.swarm.writer(place, Arc::new(Held)).unwrap();
    let service = format!("{}_a", small.name);
    small.docker.run(&["service", "update", "--detach", "--no-resolve-image", "--env-add", "A=theirs", &service]);
    let refused = writer.execute(step, &wanted, &outlook.seen, &Unseen).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Conflict, "{refused}");
    assert!(refused.reason.as_str().contains("was changed by somebody else"), "{refused}");
    assert!(small.inspect("a", "{{json .Spec.TaskTemplate.ContainerSpec.Env}}").contains("A=theirs"));
}

#[tokio::test]
async fn a_config_that_others_use_stays_and_is_told_on_a_real_swarm() {
    let Some(small) = Small::new("a config in use on a Swarm", "inuse") else { return };
    let image = small.image("pause", "1");
    let text = format!("  a: {{image: '{image}', configs: [c]}}\nconfigs: {{c: {{content: hello}}}}");
    let release = small.translated(&text).translation.release;
    assert_eq!(small.apply(&release).await.verdict, Verdict::Applied);
    let config = small.docker.left(&format!("{}_c", small.name)).remove(0).replace("config ", "");
    let foreign = format!("{}_foreign", small.name);
    small.docker.run(&[
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--name",
        &foreign,
        "--config",
        &config,
        &image,
    ]);
    let nothing = Release { resources: indexmap::IndexMap::new(), ..release.clone() };
    let outcome = small.apply(&nothing).await;
    assert_eq!(outcome.verdict, Verdict::Mixed, "{outcome:?}");
    let message = outcome.message.as_ref().unwrap().as_str();
    assert!(message.contains("still in use") && message.contains(&foreign), "{message}");
    small.docker.run(&["service", "rm", &foreign]);
    assert_eq!(small.apply(&nothing).await.verdict, Verdict::Applied);
    assert!(small.docker.left(&format!("{}_c", small.name)).is_empty());
}

/// What an engine of this age would leave out without a word is refused before anything is written.
#[tokio::test]
async fn an_engine_that_is_too_old_is_told_on_a_real_swarm() {
    let Some(small) = Small::new("an old engine", "old") else { return };
    let version: Json = serde_json::from_str(&small.docker.run(&["version", "--format", "{{json .Server}}"])).unwrap();
    if version["ApiVersion"] != "1.41" {
        return;
    }
    let image = small.image("pause", "1");
    let release = small.translated(&format!("  a: {{image: '{image}', oom_score_adj: 5}}")).translation.release;
    let outcome = small.apply(&release).await;
    assert_eq!(outcome.verdict, Verdict::Refused, "{outcome:?}");
    assert_eq!(small.docker.left(&format!("{}_", small.name)), Vec::<String>::new());
}

#[test]
fn registry_credentials_reach_the_nodes_on_a_real_swarm() {
    let needed = ["DOCKER_HOST", "DOCKER", "REGISTRY_TOKEN", "REGISTRY_CA", "REGISTRY_USER", "REGISTRY_PASSWORD"];
    let Some(docker) = Engines::with("credentials on a Swarm", &needed).map(Docker) else { return };
    let (registry, host) = (docker.0.get("REGISTRY_TOKEN"), docker.0.get("DOCKER_HOST"));
    let (ship, stack) = (Ship::new(&[]), format!("credentials-{}", std::process::id()));
    let login = format!("{}:{}", docker.0.get("REGISTRY_USER"), docker.0.get("REGISTRY_PASSWORD"));
    let login = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, login);
    let config = format!("{{\"auths\": {{\"{registry}\": {{\"auth\": \"{login}\"}}}}}}");
    for name in ["staging", "production"] {
        std::fs::remove_file(ship.shop.path().join(format!("compose.{name}.yaml"))).unwrap();
    }
    ship.shop.write("ca.pem", &std::fs::read_to_string(docker.0.get("REGISTRY_CA")).unwrap());
    ship.shop.write("compose.yaml", &format!("services: {{a: {{image: '{registry}/private/pause:1'}}}}\n"));
    ship.shop.write(
        "transship.yaml",
        &format!(
            "application: credentials\nfiles: [compose.yaml]\nimages: {{sources: [{{prefix: '{registry}', ca: ca.pem}}]}}\n\
             environments:\n  test:\n    files: []\n    swarm: {{host: '{host}', stack: {stack}}}\n"
        ),
    );
    ship.shop.write(".docker/config.json", &config);
    ship.run(&["lock"]).ended(0);
    // Pulled by an earlier run, it would need no credentials.
    let image = format!("{registry}/private/pause@{}", ship.locked()[0]);
    let _ = docker.command().args(["image", "rm", "--force", &image]).output();

    // Nobody here knows them: the node cannot pull, and that is said.
    ship.shop.write(".docker/config.json", "{}");
    let told = ship.run(&["apply", "test", "--yes"]).ended(6);
    assert!(told.err.contains("image-pull") || told.out.contains("image-pull"), "{}\n{}", told.out, told.err);
    ship.shop.write(".docker/config.json", &config);
    ship.run(&["destroy", "test", "--yes"]).ended(0);

    let told = ship.run(&["apply", "test", "--yes", "-vv"]).ended(0);
    assert!(!told.err.contains(&login) && !told.err.contains(docker.0.get("REGISTRY_PASSWORD")), "{}", told.err);
    ship.run(&["diff", "test", "--exit-code"]).ended(0);
    ship.run(&["destroy", "test", "--yes"]).ended(0);
    docker.remove(&stack);
}
