//! The whole way, on a real node: the shop comes, serves, changes, loses a part, and goes.

use std::time::Duration;

use crate::support::deployed::{Deployed, locked, until};

fn changes(told: &serde_json::Value) -> Vec<(String, String, String)> {
    let text = |change: &serde_json::Value, name: &str| change[name].as_str().unwrap_or_default().to_owned();
    told["destinations"][0]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (text(change, "resource"), text(change, "action"), text(change, "consequence")))
        .collect()
}

fn value<'p>(page: &'p [(String, String)], name: &str) -> &'p str {
    page.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[test]
fn the_shop_comes_serves_changes_and_goes() {
    let Some(shop) = Deployed::new("the shop on a real cluster", "whole") else { return };
    let place = "production";

    // It comes, in order, and everything that runs is what was locked.
    let applied = shop.run(&["apply", place, "--yes", "--format", "json"]).ended(0).json();
    assert_eq!(applied["verdict"], "applied", "{applied:#}");
    let digests = locked(&shop.shop.path().join("transship.lock"));
    let running = shop.running(place);
    for service in ["web", "api", "worker", "database", "cache"] {
        let images: Vec<_> = running.iter().filter(|(container, _)| container == service).collect();
        assert!(!images.is_empty(), "{service} does not run: {running:?}");
        for (_, image) in images {
            let (_, digest) = image.split_once('@').unwrap_or_else(|| panic!("{service} runs {image}"));
            assert!(digests.iter().any(|locked| locked == digest), "{image} is not in {digests:?}");
        }
    }
    let page = shop.page(place);
    assert_eq!(value(&page, "greeting"), "welcome to the shop");
    assert_eq!(value(&page, "migrations"), "1");
    assert_eq!(value(&page, "checkout"), "classic");
    assert_eq!(value(&page, "currency"), "EUR");
    let hits: u32 = value(&page, "hits").parse().unwrap();
    assert!(value(&shop.page(place), "hits").parse::<u32>().unwrap() > hits, "the cache does not count");
    let job = "job -l app.kubernetes.io/component=migration".split(' ').collect::<Vec<_>>();
    let ended =
        shop.kubectl(place, &[&["get"], &job[..], &["-o", "jsonpath={.items[*].status.completionTime}"]].concat());
    let began = shop.kubectl(
        place,
        &["get", "pods", "-l", "transship.dev/service=api", "-o", "jsonpath={.items[*].status.startTime}"],
    );
    assert!(!ended.is_empty() && began.split(' ').all(|began| *ended <= *began), "{ended} / {began}");

    // Nothing is left to do, and nothing is done.
    shop.run(&["diff", place, "--exit-code"]).ended(0);
    assert_eq!(shop.run(&["apply", place]).ended(0).out.lines().last(), Some("nothing to do"));
    shop.run(&["status", place, "--exit-code"]).ended(0);

    // What somebody changed is shown as that field alone, with who it was, and goes back.
    shop.kubectl(place, &["scale", "deployment/api", "--replicas=1"]);
    let drift = shop.run(&["diff", place, "--format", "json", "--exit-code"]).ended(2).json();
    let change = &drift["destinations"][0]["changes"][0];
    assert_eq!(drift["destinations"][0]["changes"].as_array().map(Vec::len), Some(1), "{drift:#}");
    assert_eq!(change["differences"].as_array().map(Vec::len), Some(1), "{drift:#}");
    assert_eq!(change["differences"][0]["path"], "spec.replicas");
    assert_eq!(change["effect"], "scales from 1 to 3");
    assert!(change["causes"].as_array().unwrap().iter().any(|cause| cause == "kubectl changed spec.replicas there"));
    shop.run(&["apply", place, "--yes"]).ended(0);
    assert_eq!(shop.field(place, "deployment/api", ".spec.replicas"), "3");

    // One changed value restarts one service, and no other.
    let others = ["web", "worker", "database", "cache"];
    let before: Vec<String> = others.iter().map(|service| shop.pods(place, service)).collect();
    let api = shop.pods(place, "api");
    shop.shop.edit("api.env", "PAGE_SIZE=20", "PAGE_SIZE=25");
    let diff = shop.run(&["diff", place, "--format", "json"]).ended(0).json();
    assert_eq!(
        changes(&diff),
        [
            ("service/api/environment".to_owned(), "succeed".to_owned(), "nothing".to_owned()),
            ("service/api/workload".to_owned(), "update".to_owned(), "restart".to_owned()),
            ("service/api/environment".to_owned(), "retire".to_owned(), "nothing".to_owned()),
        ]
    );
    let written = &diff["destinations"][0]["changes"][0]["differences"][0];
    assert_eq!((&written["before"], &written["after"]), (&"20".into(), &"25".into()));
    assert!(written["written"].as_str().unwrap().starts_with("api.env:2:1"), "{written}");
    shop.run(&["apply", place, "--yes"]).ended(0);
    let after: Vec<String> = others.iter().map(|service| shop.pods(place, service)).collect();
    assert_eq!(before, after);
    assert_ne!(api, shop.pods(place, "api"));
    assert_eq!(value(&shop.page(place), "migrations"), "1", "the migration ran again");

    // A second environment beside it, untouched by what happens here.
    shop.run(&["apply", "staging", "--yes"]).ended(0);
    assert_eq!(value(&shop.page("staging"), "version"), "1.5.0");
    let staging: Vec<String> = others.iter().map(|service| shop.pods("staging", service)).collect();

    // A part that is taken out goes, and says which line it had; what is not ours stays.
    shop.kubectl(place, &["create", "configmap", "foreign", "--from-literal=a=b"]);
    let compose = shop.shop.read("compose.yaml");
    let (start, end) = (compose.find("\n  worker:\n").unwrap(), compose.find("\n  migration:\n").unwrap());
    shop.shop.write("compose.yaml", &format!("{}{}", &compose[..start], &compose[end..]));
    shop.shop.edit("compose.production.yaml", "  worker:\n    deploy: *two\n", "");
    let diff = shop.run(&["diff", place, "--format", "json"]).ended(0).json();
    let gone: Vec<_> = changes(&diff);
    assert!(gone.iter().all(|(resource, action, _)| resource.starts_with("service/worker/") && action == "delete"));
    let causes = diff["destinations"][0]["changes"][0]["causes"][0].as_str().unwrap();
    assert!(causes.starts_with("removed; it was at compose.") && causes.contains("of revision"), "{causes}");
    shop.run(&["apply", place, "--yes"]).ended(0);
    assert_eq!(shop.field(place, "deployment/worker", ".metadata.name"), "");
    assert_eq!(shop.field(place, "configmap/foreign", ".data.a"), "b");
    assert_eq!(staging, others.iter().map(|service| shop.pods("staging", service)).collect::<Vec<_>>());

    // Everything goes but volumes and what is not ours.
    shop.run(&["destroy", place, "--yes"]).ended(0);
    let left = shop.kubectl(place, &["get", "all,configmap,secret,networkpolicy,pvc", "-o", "name"]);
    let mut left: Vec<&str> = left.lines().filter(|line| !line.contains("kube-root-ca")).collect();
    left.sort_unstable();
    assert_eq!(left, ["configmap/foreign", "persistentvolumeclaim/shop-database"]);
    assert_eq!(shop.run(&["destroy", place]).ended(0).out.lines().last(), Some("nothing to do"));
    assert_eq!(staging, others.iter().map(|service| shop.pods("staging", service)).collect::<Vec<_>>());

    // And comes again, with its data.
    shop.run(&["apply", place, "--yes"]).ended(0);
    assert_eq!(value(&shop.page(place), "migrations"), "2");
}

#[test]
fn a_killed_apply_is_run_again() {
    let Some(shop) = Deployed::new("a killed apply on a real cluster", "killed") else { return };
    let place = "staging";
    shop.run(&["plan", place, "-o", "approved.plan"]).ended(0);
    for (written, number) in [("configmap/transship-shop-staging", 1), ("service/api", 2)] {
        let mut child = shop.start(&["apply", "--plan", "approved.plan", "--yes", "--lock-timeout", "120"]);
        // Begun by this run, and as far as this.
        until(written, Duration::from_secs(150), || {
            let status = shop.run(&["status", place, "--format", "json"]).ended(0).json();
            let begun = status["destinations"][0]["revisions"][0]["number"] == number;
            (begun && !shop.field(place, written, ".metadata.name").is_empty()).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let status = shop.run(&["status", place, "--format", "json"]).ended(0).json();
        let revision = &status["destinations"][0]["revisions"][0];
        assert_eq!((&revision["number"], &revision["state"]), (&number.into(), &"opened".into()), "{status:#}");
        assert_eq!(status["destinations"][0]["lock"]["by"], "tester");
    }
    // Somebody else is told who has it.
    let locked = shop.run(&["apply", place, "--yes"]).ended(4);
    assert!(locked.err.contains("tester has been deploying shop/staging for"), "{}", locked.err);
    shop.run(&["apply", "--plan", "approved.plan", "--yes", "--lock-timeout", "120"]).ended(0);
    shop.run(&["diff", place, "--exit-code"]).ended(0);
    let page = shop.page(place);
    assert_eq!(value(&page, "migrations"), "1");
    let status = shop.run(&["status", place, "--format", "json"]).ended(0).json();
    let states: Vec<_> =
        status["destinations"][0]["revisions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["applied", "interrupted", "interrupted"]);
    // The same plan once more is done already.
    assert_eq!(
        shop.run(&["apply", "--plan", "approved.plan", "--yes"]).ended(0).out.lines().last(),
        Some("nothing to do")
    );

    // A plan that was overtaken is refused, and undoes nothing.
    shop.shop.edit("compose.staging.yaml", "GREETING: this is staging", "GREETING: overtaken");
    shop.run(&["apply", place, "--yes"]).ended(0);
    shop.shop.edit("compose.staging.yaml", "GREETING: overtaken", "GREETING: this is staging");
    let stale = shop.run(&["apply", "--plan", "approved.plan", "--yes"]).ended(3);
    assert!(stale.err.contains("the plan does not hold any more"), "{}", stale.err);
    assert_eq!(value(&shop.page(place), "greeting"), "overtaken");
}

#[test]
fn registry_credentials_reach_the_cluster() {
    let Some(shop) = Deployed::new("credentials on a real cluster", "credentials") else { return };
    let images = shop.engines().get("IMAGES").to_owned();
    // dXNlcjpodW50ZXIy: a password that no output may show.
    let config = format!("{{\"auths\": {{\"{images}\": {{\"auth\": \"dXNlcjpodW50ZXIy\"}}}}}}");
    shop.shop.write(".docker/config.json", &config);
    let settings = shop.shop.read("transship.yaml");
    shop.shop.write("transship.yaml", &settings.replace("volumeSize: 1Gi", "imagePullSecret: {create: true}"));
    for told in [shop.run(&["diff", "staging"]).ended(0), shop.run(&["apply", "staging", "--yes"]).ended(0)] {
        for said in [&told.out, &told.err] {
            assert!(!said.contains("dXNlcjpodW50ZXIy") && !said.contains("hunter2"), "{said}");
        }
    }
    let name = shop.field("staging", "deployment/api", ".spec.template.spec.imagePullSecrets[0].name");
    assert_eq!(shop.field("staging", &format!("secret/{name}"), ".type"), "kubernetes.io/dockerconfigjson");
    let data = shop.field("staging", &format!("secret/{name}"), ".data.\\.dockerconfigjson");
    let data = String::from_utf8(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data).unwrap()).unwrap();
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["auths"][&images]["auth"], "dXNlcjpodW50ZXIy", "{data}");
    shop.run(&["diff", "staging", "--exit-code"]).ended(0);
}
