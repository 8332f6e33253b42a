//! What the README says is what happens.

use std::fs;

use crate::cli_support::Shop;

/// The code blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(named) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if named == language {
                found.push(block.join("\n") + "\n");
            }
        }
    }
    found
}

#[test]
fn the_first_command_shows_and_writes_the_shop() {
    let place = Shop::empty();
    place.copy_shop_to("examples/shop");
    let command = blocks("sh").first().cloned().unwrap();
    let arguments = command.trim().strip_prefix("cargo run --quiet -- ").unwrap();
    let run = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = place.command(env!("CARGO_BIN_EXE_transship")).args(arguments).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    let told = blocks("text");
    let first = run(arguments);
    assert!(first.ends_with(&told[0]), "{first}");
    assert!(run(arguments).ends_with("nothing to do\n"));
    place.edit("examples/shop/api.env", "PAGE_SIZE=20", "PAGE_SIZE=25");
    snapbox::assert_data_eq!(run(&arguments.replace("apply demo --yes", "diff demo")), told[1].clone());
}

#[test]
fn the_second_command_runs_the_tests() {
    assert_eq!(blocks("sh").get(1).map(String::as_str), Some("tests/run\n"));
    assert!(fs::metadata(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run")).unwrap().is_file());
}

#[test]
fn every_command_it_lists_is_one() {
    let place = Shop::empty();
    let everyday = blocks("text").into_iter().nth(2).unwrap();
    for line in everyday.lines() {
        let command = line.split_whitespace().nth(1).unwrap();
        place.run([command, "--help"]).success();
    }
    assert!(everyday.lines().count() > 8);
}

#[test]
fn the_settings_it_shows_are_valid() {
    let place = Shop::empty();
    place.copy_shop_to(".");
    place.write("transship.yaml", blocks("yaml").first().unwrap());
    place.run(["environments"]).success().stderr_eq("");
}
