//! The shop on its way to a Marathon whose tasks are containers, by the real program.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::json;

use super::{
    engines::Engines,
    journey::{Meddled, Place},
    marathon::{Containers, Marathon},
    ship::{self, Ship},
};

/// A copy of the shop, and the Marathon that it goes to.
pub struct OnMarathon {
    engines: Engines,
    ship: Ship,
    pub server: Marathon,
    /// Environments whose database was brought up to date.
    migrated: RefCell<BTreeSet<String>>,
}

/// The group of an environment.
fn group(environment: &str) -> String {
    format!("/shop-{environment}")
}

fn id(environment: &str, service: &str) -> String {
    format!("{}/{service}", group(environment))
}

/// Where its services are found by their names.
fn domain(environment: &str) -> String {
    format!("{}.marathon.l4lb.thisdcos.directory", group(environment).trim_start_matches('/'))
}

impl OnMarathon {
    /// The shop with the environments `staging` and `production`, locked; `None` where no engine runs.
    pub fn new(what: &str, stem: &str) -> Option<Self> {
        let engines = Engines::with(what, &["DOCKER_HOST", "DOCKER", "IMAGES"])?;
        let containers = Containers::new(engines.get("DOCKER"), engines.get("DOCKER_HOST"), stem);
        let server = Marathon::with_containers(containers);
        let place = Self { engines, ship: Ship::new(&[]), server, migrated: RefCell::default() };
        let images = place.engines.get("IMAGES");
        // An agent that pulls keeps nobody waiting; here the server would.
        for image in ["shop/web:1.4.2", "shop/api:1.4.2", "shop/api:1.5.0", "shop/worker:1.4.2", "shop/migration:1.4.2"]
        {
            place.pull(&format!("{images}/{image}"));
        }
        for image in ["postgres:17", "redis:8", "adminer:5"] {
            place.pull(&format!("{images}/library/{image}"));
        }
        let environment = |name: &str| {
            format!(
                "  {name}:\n    files: [compose.{name}.yaml, marathon.yaml]\n    variables:\n      PLACE: {name}\n      \
                 REGISTRY: {images}\n      DATABASE_IMAGE: {images}/library/postgres:17\n      CACHE_IMAGE: \
                 {images}/library/redis:8\n      ADMINISTRATION_IMAGE: {images}/library/adminer:5\n    marathon:\n      \
                 url: {}\n      files: {}\n      deadline: 120\n",
                place.server.address(),
                place.server.store(),
            )
        };
        let text = format!(
            "application: shop\nfiles: [compose.yaml]\nimages:\n  sources:\n    - {{prefix: \"{images}\", insecure: \
             true}}\nenvironments:\n{}{}",
            environment("staging"),
            environment("production"),
        );
        let shop = &place.ship.shop;
        shop.write("transship.yaml", &text);
        for name in ["staging", "production"] {
            place.ship.look_up_again(&format!("web/nginx.{name}.conf"), &format!("http://api.{}:8000", domain(name)));
        }
        shop.edit("compose.yaml", "./web/nginx.conf", "./web/nginx.${PLACE}.conf");
        place.ship.run(&["lock"]).ended(0);
        Some(place)
    }

    fn pull(&self, image: &str) {
        let state = self.server.state();
        state.containers().unwrap().must(&["pull", "--quiet", image]);
    }

    /// Runs the migration once for a database that comes, as a job beside Marathon would.
    fn migrate(&self, environment: &str) {
        if !self.migrated.borrow_mut().insert(environment.to_owned()) {
            return;
        }
        let state = self.server.state();
        let containers = state.containers().unwrap();
        let password = self.ship.shop.path().join("secrets/database_password.txt");
        let image = format!("{}/shop/migration:1.4.2", self.engines.get("IMAGES"));
        containers.must(&[
            "run",
            "--rm",
            "--network",
            containers.network(),
            "--dns-search",
            &domain(environment),
            "--volume",
            &format!("{}:/run/secrets/database_password:ro", password.display()),
            &image,
        ]);
    }
}

impl Place for OnMarathon {
    fn ship(&self) -> &Ship {
        &self.ship
    }

    fn page(&self, environment: &str) -> Vec<(String, String)> {
        self.migrate(environment);
        let address = {
            let state = self.server.state();
            let web = state.containers_of(&id(environment, "web"));
            state.containers().unwrap().address(&web[0]).unwrap()
        };
        ship::page(&format!("{address}:8080"))
    }

    fn running(&self, environment: &str) -> Vec<(String, String)> {
        let state = self.server.state();
        let inside = format!("{}/", group(environment));
        let apps = state.ids().into_iter().filter(|id| id.starts_with(&inside));
        apps.flat_map(|app| state.containers_of(app).into_iter().map(move |name| (app, name)))
            .map(|(app, name)| {
                let image = state.containers().unwrap().must(&["inspect", "--format", "{{.Config.Image}}", &name]);
                (app.trim_start_matches(&inside).to_owned(), image)
            })
            .collect()
    }

    fn instances(&self, environment: &str, service: &str) -> String {
        self.server.state().tasks(&id(environment, service)).join("\n")
    }

    fn meddle(&self, environment: &str) -> Meddled {
        self.server.call("PUT", &format!("/v2/apps/{}", id(environment, "api")), json!({"instances": 1}));
        self.server.settle();
        Meddled { path: "instances", effect: "scales from 1 to 3", cause: "somebody changed instances there" }
    }

    fn is_mended(&self, environment: &str) -> bool {
        self.server.state().tasks(&id(environment, "api")).len() == 3
    }

    fn put_foreign(&self, environment: &str) {
        let app = json!({"id": id(environment, "foreign"), "cmd": "sleep 1000", "instances": 0});
        self.server.call("POST", "/v2/apps", app);
        self.server.settle();
    }

    fn left(&self, environment: &str) -> Vec<String> {
        let inside = format!("{}/", group(environment));
        let left: Vec<String> =
            self.server.state().ids().into_iter().filter(|id| id.starts_with(&inside)).map(str::to_owned).collect();
        if !left.contains(&id(environment, "api")) {
            // Whoever brings it back brings its database up to date once more.
            self.migrated.borrow_mut().remove(environment);
        }
        left
    }

    fn kills(&self) -> &[&str] {
        // All apps come in one deployment: the run after has only to wait for it.
        &["database"]
    }

    fn kept(&self, environment: &str) -> Vec<String> {
        // The volume of the database goes with its app, so that stays as well.
        vec![id(environment, "database"), id(environment, "foreign")]
    }
}
