//! Credential helpers that are programs, and do not answer.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{
    cli_support::Shop,
    support::scripted_registry::{Images, ScriptedRegistry},
};

/// Does not listen to TERM, and has children that do not either; notes down who they are.
const HANGS: &str = "\
#!/bin/sh
trap '' TERM INT HUP
echo asked >>\"$HOME/asked\"
echo $$ >>\"$HOME/pids\"
(trap '' TERM INT HUP; while :; do sleep 1000; done) &
echo $! >>\"$HOME/pids\"
while :; do
  sleep 1000 &
  echo $! >>\"$HOME/pids\"
  echo >\"$HOME/hanging\"
  wait
done
";

/// A registry that wants to know who asks, and an application of three of its images with a helper for it.
async fn shop(helper: &str) -> (Shop, ScriptedRegistry) {
    let rule = |_: &wiremock::Request, _| {
        Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", "Basic realm=\"x\""))
    };
    let registry = ScriptedRegistry::start(&Images::default(), Box::new(rule)).await;
    let (shop, host) = (Shop::empty(), registry.host());
    shop.write("bin/docker-credential-hangs", helper);
    fs::set_permissions(shop.path().join("bin/docker-credential-hangs"), fs::Permissions::from_mode(0o755)).unwrap();
    shop.write(".docker/config.json", &json!({"credHelpers": {host.as_str(): "hangs"}}).to_string());
    let services = ["a", "b", "c"].map(|name| format!("  {name}: {{image: '{host}/{name}:1'}}\n")).concat();
    shop.write("compose.yaml", &format!("services:\n{services}"));
    (shop, registry)
}

fn path(shop: &Shop) -> String {
    format!("{}/bin:{}", shop.path().display(), std::env::var("PATH").unwrap())
}

/// Whether a process is there and not yet ended.
fn lives(number: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(number).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn nobody_is_left(shop: &Shop) {
    let pids = shop.read("pids");
    assert!(pids.lines().count() >= 3, "{pids}");
    let until = Instant::now() + Duration::from_secs(20);
    for number in pids.lines() {
        while lives(number) {
            assert!(Instant::now() < until, "{number} of {pids:?} is left");
            std::thread::yield_now();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_hangs_is_ended_with_all_it_started() {
    let (shop, _registry) = shop(HANGS).await;
    shop.write("transship.lock", "version: 1\nimages: {}\n");
    let command = shop.command(env!("CARGO_BIN_EXE_transship")).env("PATH", path(&shop));
    let output = command.env("TRANSSHIP_HELPER_TIMEOUT", "1s").arg("lock").assert().code(1).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    let message = "docker-credential-hangs: it did not answer within 1s";
    assert_eq!(told.matches(message).count(), 3, "{told}");
    assert!(told.starts_with("error[registry-credentials]"), "{told}");
    assert_eq!(shop.read("asked"), "asked\n", "once for a registry");
    assert_eq!(shop.read("transship.lock"), "version: 1\nimages: {}\n");
    nobody_is_left(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_interrupts_leaves_no_helper_behind() {
    let (shop, _registry) = shop(HANGS).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_transship"))
        .current_dir(shop.path())
        .env("PATH", path(&shop))
        .env("HOME", shop.path())
        .env_remove("DOCKER_CONFIG")
        .arg("lock")
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !shop.path().join("hanging").exists() {
        assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "the helper is not asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let number = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &number]).status().unwrap().success());
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));
    nobody_is_left(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_helper_leaves_running_may_run_and_a_time_that_is_none_is_said() {
    let answers = "\
#!/bin/sh
sleep 30 >/dev/null 2>&1 </dev/null &
echo $! >\"$HOME/daemon\"
echo '{\"Username\": \"somebody\", \"Secret\": \"wrong\"}'
";
    let (shop, _registry) = shop(answers).await;
    let command = shop.command(env!("CARGO_BIN_EXE_transship")).env("PATH", path(&shop));
    let output = command.env("TRANSSHIP_HELPER_TIMEOUT", "soon").arg("lock").assert().code(1).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("warning: TRANSSHIP_HELPER_TIMEOUT: `soon` is no time as `30s` is; 20s counts"), "{told}");
    assert!(told.contains("tried with the credentials from docker-credential-hangs"), "{told}");
    let daemon = shop.read("daemon");
    assert!(lives(daemon.trim()), "{daemon}");
    assert!(Command::new("kill").arg(daemon.trim()).status().unwrap().success());
}
