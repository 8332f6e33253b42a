//! Rules of the house that no compiler knows.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The source files, each with the part of its text that is not its tests.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, out);
            } else {
                out.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            (path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"), code)
        })
        .collect()
}

#[test]
fn secret_bytes_are_read_where_they_leave_and_in_config() {
    let allowed = [
        // What Docker Compose prints, `config` prints.
        "src/compose/lists.rs",
        "src/compose/render.rs",
        // What goes to a place is written there.
        "src/platform/codec.rs",
        // Where the right is made.
        "src/value/secret.rs",
    ];
    let readers: Vec<String> = sources()
        .into_iter()
        .filter(|(_, code)| code.contains("Exposure::granted") || code.contains("fn granted"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(readers, allowed);
}

#[test]
fn planning_deploying_reporting_and_the_command_line_know_no_target() {
    let rooms = ["src/plan/", "src/deploy/", "src/report/", "src/cli/"];
    let words = [
        "kubernetes::",
        "cluster::",
        "swarm::",
        "marathon::",
        "host::",
        "directory::",
        "Dialect::Kubernetes",
        "Dialect::Swarm",
        "Dialect::Marathon",
        "Dialect::Compose",
    ];
    for (path, code) in sources() {
        let generic = rooms.iter().any(|room| path.starts_with(room));
        for word in words {
            assert!(!generic || !code.contains(word), "{path} knows {word}");
        }
    }
}

#[test]
fn a_file_holds_one_thing() {
    for (path, code) in sources() {
        let lines = code.lines().count();
        assert!(lines <= 700, "{path} has {lines} lines: split it where a reader would look for a part of it");
    }
}
