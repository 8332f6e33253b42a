//! The command line as such: help, usage, completions, broken pipes, schemas.

use snapbox::str;

use crate::cli_support::{Shop, schema_path};

#[test]
fn a_command_line_that_is_none_ends_with_64() {
    let shop = Shop::copy();
    shop.run(["--foo"]).code(64).stdout_eq("").stderr_eq(str![[r"
error: unexpected argument '--foo' found

Usage: transship [OPTIONS] <COMMAND>

For more information, try '--help'.

"]]);
    shop.run(["config", "--set", "NAME"]).code(64);
    shop.run(["config", "-e", "demo", "-f"]).code(64);
}

#[test]
fn help_has_examples_for_every_command() {
    let shop = Shop::copy();
    for command in [
        "apply",
        "completions",
        "config",
        "destroy",
        "diff",
        "environments",
        "explain",
        "lock",
        "plan",
        "render",
        "show",
        "status",
    ] {
        let text = shop.run([command, "--help"]).success().get_output().stdout.clone();
        assert!(String::from_utf8_lossy(&text).contains("  transship "), "{command}");
    }
}

#[test]
fn nobody_reading_is_no_failure() {
    let shop = Shop::copy();
    let script = format!("'{}' config | head -n 1; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_transship"));
    let output = shop.command("bash").args(["-c", &script]).assert().success();
    output.stdout_eq("name: shop\n0\n");
}

#[test]
fn completions_know_the_commands() {
    let shop = Shop::copy();
    for shell in ["bash", "zsh", "fish"] {
        let text = shop.run(["completions", shell]).success().get_output().stdout.clone();
        assert!(String::from_utf8_lossy(&text).contains("environments"), "{shell}");
    }
}

#[test]
fn findings_can_be_explained() {
    let shop = Shop::copy();
    let document = shop.document("explain", ["explain", "unknown-key", "--format", "json"]);
    assert_eq!(document.pointer("/codes/0/code").and_then(|code| code.as_str()), Some("unknown-key"));
    shop.run(["explain", "unknown-kye"]).code(1).stderr_eq(str![[r"
error: `unknown-kye` is neither a finding nor an attribute
  = help: did you mean `unknown-key`?

"]]);
    // Every finding there is has a story of its own.
    let all = shop.document("explain", ["explain", "--codes", "--format", "json"]);
    let codes = all.get("codes").and_then(|codes| codes.as_array()).cloned().unwrap_or_default();
    let mut names: Vec<&str> = codes.iter().filter_map(|code| code.get("code")?.as_str()).collect();
    assert!(names.len() > 30);
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert!(
        codes
            .iter()
            .all(|code| code.get("explanation").and_then(|text| text.as_str()).is_some_and(|text| text.len() > 40))
    );
}

/// With `SNAPSHOTS=overwrite` the files are written instead of compared.
#[test]
fn schemas_are_those_of_the_types() {
    for (name, schema) in transship::cli::schemas() {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        snapbox::Assert::new()
            .action_env("SNAPSHOTS")
            .eq(text, snapbox::Data::read_from(&schema_path(name), None).raw());
    }
}
