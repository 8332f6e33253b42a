//! Docker Compose, started by the real program: what it is given, and that nothing stands in between.
#![cfg(unix)]

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::cli_support::Shop;

/// A directory with a `docker` that has no plugin and a `docker-compose` that does this.
fn programs(compose: Option<&str>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, script: &str| {
        let path = directory.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("docker", "exit 1");
    match compose {
        Some(script) => write("docker-compose", &format!("case \"$*\" in 'version --short') exit 0;; esac\n{script}")),
        None => write("docker-compose", "exit 1"),
    }
    directory
}

fn run(shop: &Shop, programs: &Path, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_transship"));
    command.current_dir(shop.path()).args(arguments).env_clear().env("PATH", path).env("HOME", shop.path());
    command.env("SEEN", programs).env("COMPOSE_PROFILES", "tools").stdin(Stdio::null()).output().unwrap()
}

fn seen(programs: &Path, name: &str) -> String {
    fs::read_to_string(programs.join(name)).unwrap()
}

const TELL: &str = "printf '%s\\n' \"$@\" > $SEEN/arguments; cat > $SEEN/document; env > $SEEN/variables; exit 7";

#[test]
fn docker_compose_gets_one_pinned_file_and_its_exit_code_is_ours() {
    let (shop, programs) = (Shop::copy(), programs(Some(TELL)));
    shop.edit(
        "compose.demo.yaml",
        "services:\n",
        "services:\n  cache:\n    environment: {PASSWORD: \"open$$sesame\"}\n",
    );
    let output = run(&shop, programs.path(), &["compose", "demo", "--", "up", "-d", "api"]);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let arguments = seen(programs.path(), "arguments");
    let arguments: Vec<&str> = arguments.lines().collect();
    let directory = fs::canonicalize(shop.path()).unwrap();
    assert_eq!(arguments[..4], ["-f", "-", "-p", "shop-demo"]);
    assert_eq!(fs::canonicalize(arguments[5]).unwrap(), directory);
    assert_eq!(arguments[6..], ["--env-file", "/dev/null", "up", "-d", "api"]);
    let document = seen(programs.path(), "document");
    // Chosen here, `tools` included, and not once more.
    assert_eq!(document.matches("@sha256:").count(), 7, "{document}");
    assert!(!document.contains("profiles:"), "{document}");
    assert!(document.contains("name: shop-demo_front"), "{document}");
    assert!(!document.contains("sesame") && document.contains("PASSWORD: ${TRANSSHIP_SECRET_"), "{document}");
    let variables = seen(programs.path(), "variables");
    assert!(variables.lines().any(|line| line.ends_with("=open$sesame")), "{variables}");
    assert!(!variables.contains("COMPOSE_PROFILES"), "{variables}");
}

#[test]
fn what_is_built_is_named_after_its_registry() {
    let (shop, programs) = (Shop::empty(), programs(Some(TELL)));
    shop.write("compose.yaml", "name: made\nservices:\n  web: {build: .}\n  db: {image: 'postgres:17'}\n");
    shop.write("transship.yaml", "images: {qualify: registry.example.com/team}\n");
    let output = run(&shop, programs.path(), &["compose", "--", "build", "--push"]);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let document = seen(programs.path(), "document");
    assert!(document.contains("image: registry.example.com/team/made-web"), "{document}");
    assert!(document.contains("image: postgres:17"), "{document}");
}

#[test]
fn docker_compose_stands_in_the_place_of_this_process() {
    let (shop, programs) = (Shop::copy(), programs(Some("kill -TERM $$")));
    let output = run(&shop, programs.path(), &["compose", "demo", "--", "ps"]);
    assert_eq!(output.status.signal(), Some(15));
}

#[test]
fn a_command_that_reads_gets_the_file_by_its_path() {
    let script = "printf '%s\\n' \"$@\" > $SEEN/arguments; cat > $SEEN/typed; exit 0";
    let (shop, programs) = (Shop::copy(), programs(Some(script)));
    let output = run(&shop, programs.path(), &["compose", "demo", "--", "--ansi", "never", "exec", "-T", "api", "sh"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let arguments = seen(programs.path(), "arguments");
    let file = Path::new(arguments.lines().nth(1).unwrap());
    assert_eq!(file, shop.path().join(".local/state/transship/compose/shop-demo.yaml"));
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(file).unwrap().contains("@sha256:"));
    assert_eq!(seen(programs.path(), "typed"), "");
}

#[test]
fn without_docker_compose_the_remedy_is_told() {
    let (shop, programs) = (Shop::copy(), programs(None));
    let output = run(&shop, programs.path(), &["compose", "demo", "--", "ps"]);
    assert_eq!(output.status.code(), Some(1));
    snapbox::assert_data_eq!(
        String::from_utf8(output.stderr).unwrap(),
        snapbox::str![[r"
error: Docker Compose is not installed: neither `docker compose` nor `docker-compose` runs
  = help: install the Compose plugin of Docker, or put docker-compose on PATH

"]]
    );
    let output = run(&shop, programs.path(), &["compose", "demo", "--", "-f", "other.yaml", "ps"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`-f` is for transship: write it before `--`"));
}
