//! The real engines, where somebody has started them.

use std::{collections::BTreeMap, process::Command};

/// What `tests/engines/up` wrote down of what runs.
pub struct Engines(BTreeMap<String, String>);

impl Engines {
    /// The engines that have all of these; `None`, said on stderr, when they do not run.
    pub fn with(what: &str, needed: &[&str]) -> Option<Self> {
        let Ok(path) = std::env::var("TRANSSHIP_ENGINES_ENVIRONMENT") else {
            eprintln!("skipped: {what} needs real engines; start them with tests/engines/up");
            return None;
        };
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let entries: BTreeMap<String, String> = text
            .lines()
            .map(|line| line.trim().trim_start_matches("export ").trim())
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
            .collect();
        if let Some(missing) = needed.iter().find(|name| !entries.contains_key(**name)) {
            eprintln!("skipped: {what} needs {missing}, which {path} does not have");
            return None;
        }
        Some(Self(entries))
    }

    /// One of them.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or_else(|| panic!("{name} was not asked for"), String::as_str)
    }

    /// One that may be there.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Runs kubectl as the administrator; what it prints, or a panic with what it complains about.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.get("KUBECTL"))
            .env("KUBECONFIG", self.get("KUBECONFIG"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
