//! The whole way of the shop on a real place: it comes, serves, changes, loses a part, and goes. One body for all
//! places; what has to be asked of a place, and not of transship, each place answers itself.

use std::time::Duration;

use super::ship::{Ship, until};

/// A real place with the environments `production` and `staging` of the shop, both locked and neither there yet.
pub trait Place {
    /// The copy of the shop that goes there.
    fn ship(&self) -> &Ship;

    /// The front page, as the place serves it.
    fn page(&self, environment: &str) -> Vec<(String, String)>;

    /// Service and image, with its digest, of everything that runs, asked of what runs it.
    fn running(&self, environment: &str) -> Vec<(String, String)>;

    /// What names the instances of a service and is another after a restart.
    fn instances(&self, environment: &str, service: &str) -> String;

    /// Changes one thing of `api` with another client.
    fn meddle(&self, environment: &str) -> Meddled;

    /// Whether what was meddled with is as it was.
    fn is_mended(&self, environment: &str) -> bool;

    /// Puts something beside it that bears no mark of ours.
    fn put_foreign(&self, environment: &str);

    /// What is left of all of it and beside it, sorted.
    fn left(&self, environment: &str) -> Vec<String>;

    /// What must be left after a destroy: volumes, and what was never ours.
    fn kept(&self, environment: &str) -> Vec<String>;

    /// What has begun to come when an apply is killed, one run after the other.
    fn kills(&self) -> &[&str] {
        &["database", "api"]
    }

    /// Whether data in volumes outlives a destroy.
    fn keeps_data(&self) -> bool {
        true
    }
}

/// What another client changed.
pub struct Meddled {
    /// The only difference that may be shown.
    pub path: &'static str,
    /// Its effect, in the words of a plan.
    pub effect: &'static str,
    /// A cause that must be among those told; empty where the place does not know who it was.
    pub cause: &'static str,
}

/// `resource`, `action`, `consequence` of every change of a diff.
pub fn changes(told: &serde_json::Value) -> Vec<(String, String, String)> {
    let text = |change: &serde_json::Value, name: &str| change[name].as_str().unwrap_or_default().to_owned();
    told["destinations"][0]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (text(change, "resource"), text(change, "action"), text(change, "consequence")))
        .collect()
}

/// One value of a page.
pub fn value<'p>(page: &'p [(String, String)], name: &str) -> &'p str {
    page.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

const OTHERS: [&str; 4] = ["web", "worker", "database", "cache"];

fn others(place: &dyn Place, environment: &str) -> Vec<String> {
    OTHERS.iter().map(|service| place.instances(environment, service)).collect()
}

/// It comes, is checked, changes, and goes.
pub fn whole(place: &dyn Place) {
    let (ship, here) = (place.ship(), "production");
    comes(place, here);
    drifts(place, here);
    one_value(place, here);
    one_file(place, here);

    // A second environment beside it, untouched by what happens here.
    ship.run(&["apply", "staging", "--yes"]).ended(0);
    assert_eq!(value(&place.page("staging"), "version"), "1.5.0");
    let staging = others(place, "staging");
    loses_a_part(place, here);
    assert_eq!(staging, others(place, "staging"));

    // Everything goes but volumes and what is not ours.
    ship.run(&["destroy", here, "--yes"]).ended(0);
    assert_eq!(place.left(here), place.kept(here));
    assert_eq!(ship.run(&["destroy", here]).ended(0).out.lines().last(), Some("nothing to do"));
    assert_eq!(staging, others(place, "staging"));

    // And comes again, with its data.
    ship.run(&["apply", here, "--yes"]).ended(0);
    let migrations = if place.keeps_data() { "2" } else { "1" };
    assert_eq!(value(&place.page(here), "migrations"), migrations);
}

/// It comes, in order, and everything that runs is what was locked; then nothing is left to do, and nothing is done.
fn comes(place: &dyn Place, here: &str) {
    let ship = place.ship();
    let applied = ship.run(&["apply", here, "--yes", "--format", "json"]).ended(0).json();
    assert_eq!(applied["verdict"], "applied", "{applied:#}");
    let digests = ship.locked();
    let running = place.running(here);
    for service in OTHERS.into_iter().chain(["api"]) {
        let images: Vec<_> = running.iter().filter(|(running, _)| running == service).collect();
        assert!(!images.is_empty(), "{service} does not run: {running:?}");
        for (_, image) in images {
            let (_, digest) = image.split_once('@').unwrap_or_else(|| panic!("{service} runs {image}"));
            assert!(digests.iter().any(|locked| locked == digest), "{image} is not in {digests:?}");
        }
    }
    let page = place.page(here);
    assert_eq!(value(&page, "greeting"), "welcome to the shop");
    assert_eq!(value(&page, "migrations"), "1");
    assert_eq!(value(&page, "checkout"), "classic");
    assert_eq!(value(&page, "currency"), "EUR");
    let hits: u32 = value(&page, "hits").parse().unwrap();
    assert!(value(&place.page(here), "hits").parse::<u32>().unwrap() > hits, "the cache does not count");
    ship.run(&["diff", here, "--exit-code"]).ended(0);
    let before = [others(place, here), vec![place.instances(here, "api")]];
    assert_eq!(ship.run(&["apply", here]).ended(0).out.lines().last(), Some("nothing to do"));
    assert_eq!(before, [others(place, here), vec![place.instances(here, "api")]]);
    ship.run(&["status", here, "--exit-code"]).ended(0);
}

/// What somebody changed is shown as that alone, and goes back.
fn drifts(place: &dyn Place, here: &str) {
    let ship = place.ship();
    let meddled = place.meddle(here);
    let drift = ship.run(&["diff", here, "--format", "json", "--exit-code"]).ended(2).json();
    let change = &drift["destinations"][0]["changes"][0];
    assert_eq!(drift["destinations"][0]["changes"].as_array().map(Vec::len), Some(1), "{drift:#}");
    assert_eq!(change["differences"].as_array().map(Vec::len), Some(1), "{drift:#}");
    assert_eq!(change["differences"][0]["path"], meddled.path, "{drift:#}");
    assert_eq!(change["effect"], meddled.effect, "{drift:#}");
    let causes = change["causes"].as_array().unwrap();
    assert!(meddled.cause.is_empty() || causes.iter().any(|cause| cause == meddled.cause), "{causes:?}");
    ship.run(&["apply", here, "--yes"]).ended(0);
    assert!(place.is_mended(here));
}

/// One changed value restarts one service, and no other; what ran to its end does not run again.
fn one_value(place: &dyn Place, here: &str) {
    let ship = place.ship();
    let (before, api) = (others(place, here), place.instances(here, "api"));
    ship.shop.edit("api.env", "PAGE_SIZE=20", "PAGE_SIZE=25");
    let diff = ship.run(&["diff", here, "--format", "json"]).ended(0).json();
    let changes = changes(&diff);
    assert!(changes.iter().all(|(resource, _, _)| resource.starts_with("service/api/")), "{changes:?}");
    let consequences: Vec<&str> = changes.iter().map(|change| &*change.2).filter(|word| *word != "nothing").collect();
    assert_eq!(consequences, ["restart"], "{changes:?}");
    let differences = diff["destinations"][0]["changes"].as_array().unwrap().iter();
    let differences: Vec<_> = differences.flat_map(|change| change["differences"].as_array().unwrap()).collect();
    let written: Vec<_> = differences
        .iter()
        .filter(|one| one["written"].as_str().is_some_and(|place| place.starts_with("api.env:2:1")))
        .map(|one| (one["before"].as_str().unwrap_or_default(), one["after"].as_str().unwrap_or_default()))
        .collect();
    assert!(matches!(written[..], [(before, after)] if before.contains("20") && after.contains("25")), "{diff:#}");
    ship.run(&["apply", here, "--yes"]).ended(0);
    assert_eq!(before, others(place, here));
    assert_ne!(api, place.instances(here, "api"));
    assert_eq!(value(&place.page(here), "migrations"), "1", "the migration ran again");
}

/// A changed file of configuration reaches the container that reads it, and nothing else restarts.
fn one_file(place: &dyn Place, here: &str) {
    let ship = place.ship();
    let before = others(place, here);
    ship.shop.edit("compose.yaml", "${CHECKOUT:-classic}", "${CHECKOUT:-express}");
    ship.run(&["apply", here, "--yes"]).ended(0);
    assert_eq!(value(&place.page(here), "checkout"), "express");
    assert_eq!(before, others(place, here));
    ship.run(&["diff", here, "--exit-code"]).ended(0);
}

/// A part that is taken out goes, and says which line it had; what is not ours stays.
fn loses_a_part(place: &dyn Place, here: &str) {
    let ship = place.ship();
    place.put_foreign(here);
    let compose = ship.shop.read("compose.yaml");
    let (start, end) = (compose.find("\n  worker:\n").unwrap(), compose.find("\n  migration:\n").unwrap());
    ship.shop.write("compose.yaml", &format!("{}{}", &compose[..start], &compose[end..]));
    ship.shop.edit("compose.production.yaml", "  worker:\n    deploy: *two\n", "");
    let diff = ship.run(&["diff", here, "--format", "json"]).ended(0).json();
    // What could be returned to keeps what it refers to.
    let gone: Vec<_> = changes(&diff).into_iter().filter(|(_, action, _)| action != "keep").collect();
    let is_gone = |resource: &str, action: &str| resource.starts_with("service/worker/") && action == "delete";
    assert!(gone.iter().all(|(resource, action, _)| is_gone(resource, action)), "{gone:?}");
    let all = diff["destinations"][0]["changes"].as_array().unwrap();
    let removed = all.iter().find(|change| change["action"] == "delete").unwrap();
    let causes = removed["causes"][0].as_str().unwrap();
    assert!(causes.starts_with("removed; it was at compose.") && causes.contains("of revision"), "{causes}");
    ship.run(&["apply", here, "--yes"]).ended(0);
    // What was told to end may take its grace period.
    until("the end of worker", Duration::from_secs(60), || {
        place.running(here).iter().all(|(service, _)| service != "worker").then_some(())
    });
    let kept = place.kept(here);
    assert!(place.left(here).iter().filter(|left| kept.contains(left)).count() == kept.len(), "{kept:?}");
}

/// An apply that is killed, each time further on, is run again to its end; the plan that was approved holds,
/// and one that was overtaken does not.
pub fn killed(place: &dyn Place) {
    let (ship, here) = (place.ship(), "staging");
    ship.run(&["plan", here, "-o", "approved.plan"]).ended(0);
    for (service, number) in place.kills().iter().copied().zip(1..) {
        let mut child = ship.start(&["apply", "--plan", "approved.plan", "--yes", "--lock-timeout", "120"]);
        // Begun by this run, and as far as this.
        until(service, Duration::from_secs(150), || {
            let status = ship.run(&["status", here, "--format", "json"]).ended(0).json();
            let begun = status["destinations"][0]["revisions"][0]["number"] == number;
            let resources = status["destinations"][0]["resources"].as_array().unwrap();
            let there = resources.iter().any(|one| {
                let of_service = one["resource"].as_str().unwrap().starts_with(&format!("service/{service}/"));
                of_service && one["state"] != "absent"
            });
            (begun && there).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let status = ship.run(&["status", here, "--format", "json"]).ended(0).json();
        let revision = &status["destinations"][0]["revisions"][0];
        assert_eq!((&revision["number"], &revision["state"]), (&number.into(), &"opened".into()), "{status:#}");
        assert_eq!(status["destinations"][0]["lock"]["by"], "tester");
    }
    // Somebody else is told who has it.
    let locked = ship.run(&["apply", here, "--yes"]).ended(4);
    assert!(locked.err.contains("tester has been deploying shop/staging for"), "{}", locked.err);
    ship.run(&["apply", "--plan", "approved.plan", "--yes", "--lock-timeout", "120"]).ended(0);
    ship.run(&["diff", here, "--exit-code"]).ended(0);
    assert_eq!(value(&place.page(here), "migrations"), "1");
    let status = ship.run(&["status", here, "--format", "json"]).ended(0).json();
    let states: Vec<_> =
        status["destinations"][0]["revisions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, [&["applied"][..], &vec!["interrupted"; place.kills().len()]].concat());
    // The same plan once more is done already.
    let again = ship.run(&["apply", "--plan", "approved.plan", "--yes"]).ended(0);
    assert_eq!(again.out.lines().last(), Some("nothing to do"));

    // A plan that was overtaken is refused, and undoes nothing.
    ship.shop.edit("compose.staging.yaml", "GREETING: this is staging", "GREETING: overtaken");
    ship.run(&["apply", here, "--yes"]).ended(0);
    ship.shop.edit("compose.staging.yaml", "GREETING: overtaken", "GREETING: this is staging");
    let stale = ship.run(&["apply", "--plan", "approved.plan", "--yes"]).ended(3);
    assert!(stale.err.contains("the plan does not hold any more"), "{}", stale.err);
    assert_eq!(value(&place.page(here), "greeting"), "overtaken");
}
