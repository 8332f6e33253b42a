//! Bad days on a real node: each ends with its exit code, says why, and leaves nothing unexplained.

use std::time::Duration;

use crate::support::{
    deployed::Deployed,
    ship::{Ship, Told, until},
};

fn revision(shop: &Deployed) -> (serde_json::Value, serde_json::Value) {
    let status = shop.run(&["status", "staging", "--format", "json"]).ended(0).json();
    (status["destinations"][0]["revisions"][0]["state"].clone(), status["destinations"][0]["lock"].clone())
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

#[test]
fn what_is_interrupted_ends_its_step_and_gives_the_lock_back() {
    let Some(shop) = Deployed::new("interruptions on a real cluster", "interrupted") else { return };
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let child = shop.start(&["apply", "staging", "--yes"]);
        let waits = "the first part is waited for";
        until(waits, Duration::from_secs(60), || {
            let there = shop.field("staging", "statefulset/database", ".metadata.name");
            (!there.is_empty() && revision(&shop).0 == "opened").then_some(())
        });
        signal(&child, name);
        let told = Ship::end(child).ended(code);
        assert!(told.err.contains("interrupted; what was begun stays"), "{}", told.err);
        assert_eq!(revision(&shop), ("interrupted".into(), serde_json::Value::Null));
        // Otherwise it would be done before the next signal.
        shop.run(&["destroy", "staging", "--yes"]).ended(0);
    }
    // Looking is ended at once.
    let child = shop.start(&["apply", "staging", "--yes", "--lock-timeout", "60"]);
    signal(&child, "TERM");
    let told = Ship::end(child);
    assert!(told.code == 143 || told.code == -1, "{}: {}", told.code, told.err);
}

#[test]
fn what_is_not_ready_in_time_is_told_with_its_reason() {
    let Some(shop) = Deployed::new("late services on a real cluster", "late") else { return };
    let api = "test: [\"CMD\", \"/shop\", \"healthcheck\"]";
    shop.shop.edit("compose.yaml", api, "test: [\"CMD\", \"/shop\", \"no-such-command\"]");
    let late = shop.run(&["apply", "staging", "--yes", "--timeout", "25", "--format", "json"]).ended(6);
    let document = late.json();
    assert_eq!(document["verdict"], "not-ready");
    let states = document["destinations"][0]["resources"].as_array().unwrap();
    let failed: Vec<_> = states.iter().filter(|state| state["state"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["resource"], "service/api/workload");
    assert_eq!(failed[0]["reason"], "probe-failing");
    assert!(late.err.contains("= help: check the health check of the service"), "{}", late.err);
    shop.run(&["status", "staging", "--exit-code"]).ended(6);
    // Nothing differs, and it is still not there: told so, and waited for again.
    let diff = shop.run(&["diff", "staging"]).ended(0);
    assert!(diff.out.contains("to wait for"), "{}", diff.out);
    shop.run(&["apply", "staging", "--yes", "--timeout", "1"]).ended(6);
    // Mended, it gets there.
    shop.shop.edit("compose.yaml", "no-such-command", "healthcheck");
    shop.run(&["apply", "staging", "--yes"]).ended(0);
}

#[test]
fn what_stops_part_way_says_so_and_goes_on_from_there() {
    let Some(shop) = Deployed::new("a quota on a real cluster", "part-way") else { return };
    let namespace = shop.namespace("staging");
    shop.engines().kubectl(&["create", "namespace", &namespace]);
    // Each Service alone would fit.
    shop.kubectl("staging", &["create", "quota", "small", "--hard=count/services=2"]);
    let stopped = shop.run(&["apply", "staging", "--yes"]).ended(8);
    assert!(stopped.err.contains("exceeded quota: small"), "{}", stopped.err);
    assert_eq!(revision(&shop).0, "failed");
    // It is known before now: the first two are there.
    let refused = shop.run(&["apply", "staging", "--yes"]).ended(5);
    assert!(refused.out.contains("too much for the place"), "{}", refused.out);
    shop.kubectl("staging", &["delete", "quota", "small"]);
    shop.run(&["apply", "staging", "--yes"]).ended(0);
    shop.run(&["diff", "staging", "--exit-code"]).ended(0);
}

#[test]
fn whoever_may_not_is_told_what_is_missing() {
    let Some(shop) = Deployed::new("rights on a real cluster", "rights") else { return };
    let kubeconfig = shop.engines().get("KUBECONFIG_RESTRICTED").to_owned();
    let with = |arguments: &[&str]| shop.run(&[arguments, &["--kubeconfig", &kubeconfig]].concat());
    let says = |told: Told| {
        assert!(told.err.contains("forbidden") || told.err.contains("may not"), "{}", told.err);
        told
    };
    says(with(&["apply", "staging", "--yes"]).ended(1));
    says(with(&["destroy", "staging", "--yes"]).ended(1));
    // Nothing came of it.
    let there =
        shop.engines().kubectl(&["get", "namespace", &shop.namespace("staging"), "--ignore-not-found", "-o", "name"]);
    assert_eq!(there, "");
}

#[test]
fn another_cluster_than_the_one_named_is_left_alone() {
    let Some(shop) = Deployed::new("guards on a real cluster", "guards") else { return };
    shop.settings("    guards: {identity: {unique: \"00000000-0000-0000-0000-000000000000\"}}\n");
    for command in ["apply", "destroy"] {
        let told = shop.run(&[command, "production", "--yes"]).ended(5);
        assert!(told.err.contains("not the expected place"), "{}", told.err);
    }
    shop.run(&["diff", "production"]).ended(5);
    let unique = shop.engines().kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    shop.settings(&format!("    guards: {{identity: {{unique: \"{unique}\"}}}}\n"));
    shop.run(&["diff", "production"]).ended(0);
}

#[test]
fn what_changed_between_the_plan_and_its_apply_makes_it_stale() {
    let Some(shop) = Deployed::new("a stale plan on a real cluster", "stale") else { return };
    shop.run(&["apply", "staging", "--yes"]).ended(0);
    shop.shop.edit("api.env", "PAGE_SIZE=20", "PAGE_SIZE=25");
    shop.run(&["plan", "staging", "-o", "approved.plan"]).ended(0);
    let plan = shop.shop.read("approved.plan");
    assert!(!plan.contains(crate::support::ship::PASSWORD));
    shop.kubectl("staging", &["scale", "deployment/api", "--replicas=2"]);
    let stale = shop.run(&["apply", "--plan", "approved.plan", "--yes"]).ended(3);
    assert!(stale.err.contains("it was changed after the plan was made"), "{}", stale.err);
    assert_eq!(shop.field("staging", "deployment/api", ".spec.replicas"), "2");
    // Two at once: one deploys, and the other one is told so.
    let first = shop.start(&["apply", "staging", "--yes"]);
    until("the first one deploys", Duration::from_secs(30), || (!revision(&shop).1.is_null()).then_some(()));
    let second = shop.run(&["apply", "staging", "--yes"]);
    assert!(second.code == 4 || second.out.ends_with("nothing to do\n"), "{}{}", second.out, second.err);
    Ship::end(first).ended(0);
}
