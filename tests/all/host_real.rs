//! The whole way, on a real Docker Engine.

use std::time::Duration;

use crate::support::{
    docked::Docked,
    journey::{self, Place as _},
    passage::Passage,
    ship::{Ship, until},
};

#[test]
fn the_real_host_takes_the_shop_serves_changes_and_lets_go() {
    let Some(shop) = Docked::new("the shop on a real host", "whole") else { return };
    journey::whole(&shop);
}

#[test]
fn a_killed_apply_to_a_real_host_is_run_again() {
    let Some(shop) = Docked::new("a killed apply on a real host", "killed") else { return };
    journey::killed(&shop);
}

#[test]
fn what_other_clients_change_on_a_real_host_is_shown_as_that_alone() {
    let Some(shop) = Docked::new("drift on a real host", "drift") else { return };
    let here = "staging";
    shop.run(&["apply", here, "--yes"]).ended(0);
    let project = shop.project(here);
    let differences = || {
        let told = shop.run(&["diff", here, "--format", "json"]).ended(0).json();
        let changes = told["destinations"][0]["changes"].as_array().unwrap().clone();
        changes
            .iter()
            .flat_map(|change| {
                let resource = change["resource"].as_str().unwrap().to_owned();
                let action = change["action"].as_str().unwrap().to_owned();
                let paths = change["differences"].as_array().unwrap().iter();
                let mut told: Vec<String> =
                    paths.map(|one| format!("{resource} {}", one["path"].as_str().unwrap())).collect();
                if told.is_empty() {
                    told.push(format!("{resource} {action}"));
                }
                told
            })
            .collect::<Vec<_>>()
    };
    let mended = |what: &str| {
        shop.run(&["apply", here, "--yes"]).ended(0);
        assert_eq!(differences(), Vec::<String>::new(), "after {what}");
    };
    let name = |service: &str| format!("{project}-{service}-1");

    shop.docker(&["update", "--restart", "no", &name("cache")]);
    assert_eq!(differences(), ["service/cache/workload restart"]);
    mended("a changed restart policy");

    shop.docker(&["network", "disconnect", &format!("{project}_back"), &name("worker")]);
    assert_eq!(differences(), ["service/worker/workload networks.back"]);
    mended("a network that was left");

    shop.docker(&["rename", &name("web"), &format!("0123456789ab_{}", name("web"))]);
    assert_eq!(differences(), ["service/web/workload name"]);
    let before = shop.containers(here, "web");
    mended("another name");
    assert_eq!(shop.containers(here, "web"), before);

    shop.docker(&["rm", "-f", &name("web")]);
    assert_eq!(differences(), ["service/web/workload create"]);
    mended("a removed container");
    assert_eq!(journey::value(&shop.page(here), "version"), "1.5.0");
}

#[test]
fn what_is_not_ours_on_a_real_host_is_left_alone_and_what_fails_says_why() {
    let Some(shop) = Docked::new("bad days on a real host", "bad") else { return };
    let here = "staging";
    // Somebody else's project of that name.
    let project = shop.project(here);
    let (of_project, name) = (format!("com.docker.compose.project={project}"), format!("{project}-web-1"));
    let image = format!("{}/pause:1", shop.engines().get("IMAGES"));
    let service = "com.docker.compose.service=web";
    shop.docker(&["create", "--name", &name, "--label", &of_project, "--label", service, &image]);
    let refused = shop.run(&["apply", here, "--yes"]).ended(5);
    assert!(format!("{}{}", refused.out, refused.err).contains("Docker Compose"), "{}\n{}", refused.out, refused.err);
    shop.docker(&["rm", "-f", &name]);

    // A container that ends at once, with what it said.
    shop.shop.edit("compose.staging.yaml", "GREETING: this is staging", "GREETING: hi\n    command: [\"nonsense\"]");
    let failed = shop.run(&["apply", here, "--yes"]);
    assert_eq!(failed.code, 6, "{}\n{}", failed.out, failed.err);
    assert!(failed.err.contains("ends again and again") || failed.err.contains("health check"), "{}", failed.err);

    // An image that the registry does not have any more.
    shop.shop.edit("compose.staging.yaml", "GREETING: hi\n    command: [\"nonsense\"]", "GREETING: hi");
    let lock = shop.shop.read("transship.lock");
    let (start, name) = (lock.find("library/redis").unwrap(), "digest: sha256:");
    let at = start + lock[start..].find(name).unwrap() + name.len();
    let zeros = "0".repeat(64);
    shop.shop.write("transship.lock", &format!("{}{zeros}{}", &lock[..at], &lock[at + zeros.len()..]));
    let missing = shop.run(&["apply", here, "--yes"]).ended(8);
    assert!(missing.err.contains("docker compose:") && missing.err.contains("cache"), "{}", missing.err);
    shop.shop.write("transship.lock", &lock);
    shop.run(&["apply", here, "--yes"]).ended(0);

    // No engine.
    let settings = shop.shop.read("transship.yaml");
    let gone = format!("project: {project}\n      host: unix:///nowhere.sock");
    shop.shop.write("transship.yaml", &settings.replace(&format!("project: {project}"), &gone));
    let unreachable = shop.run(&["diff", here]).ended(1);
    assert!(unreachable.err.contains("there is no such socket"), "{}", unreachable.err);
}

#[test]
fn an_engine_that_is_gone_in_the_middle_is_told_and_the_next_run_goes_on_on_a_real_host() {
    let Some(shop) = Docked::new("an engine that is gone in the middle", "gone") else { return };
    let (here, settings) = ("staging", shop.shop.read("transship.yaml"));
    let passage = Passage::to(shop.engines().get("DOCKER_HOST"));
    let project = format!("project: {}", shop.project(here));
    let through = format!("{project}\n      host: {}", passage.address());
    shop.shop.write("transship.yaml", &settings.replace(&project, &through));
    let child = shop.start(&["apply", here, "--yes"]);
    until("the database", Duration::from_secs(60), || (!shop.containers(here, "database").is_empty()).then_some(()));
    passage.close();
    let told = Ship::end(child).ended(8);
    assert!(told.err.contains("Docker Engine at") || told.err.contains("docker compose:"), "{}", told.err);
    passage.open();
    shop.run(&["apply", here, "--yes", "--lock-timeout", "120"]).ended(0);
    shop.run(&["diff", here, "--exit-code"]).ended(0);
    assert_eq!(journey::value(&shop.page(here), "migrations"), "1");
}
