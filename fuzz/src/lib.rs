//! What all targets share: an application in memory, loaded and written.

use std::{collections::BTreeMap, io, sync::Arc};

use transship::{
    compose::{FileKind, Files, Form, Request, configuration},
    diagnostic::{Severity, Style, render},
    value::{Origins, Secrets},
    yaml,
};

/// Files by name, all in one directory.
pub struct Memory(pub BTreeMap<String, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
        let file = |bytes: &Vec<u8>| FileKind::File { length: bytes.len() as u64, executable: false };
        Ok(self.0.get(path).map(file))
    }

    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Loads and writes; everything that is refused has a message, and what is accepted loads again from what is written.
pub fn load(files: &[(&str, &[u8])]) {
    let files = files.iter().map(|(name, bytes)| (format!("/w/{name}"), bytes.to_vec()));
    let memory = Memory(files.collect());
    let request = Request { working_directory: "/w".to_owned(), ..Request::default() };
    let (origins, secrets) = (Origins::new(), Arc::new(Secrets::default()));
    match configuration(&request, &memory, &origins, &secrets) {
        Ok(configuration) => {
            let json = configuration.clear();
            assert_eq!(json, configuration.clear());
            let text = yaml::write_plain(&configuration.plain(Form::Yaml));
            assert!(!text.is_empty());
            let _ = configuration.hashes();
            let _ = configuration.provenance(&origins);
        }
        Err(findings) => {
            assert!(findings.has_errors());
            let style = Style { color: false, width: 100, least: Severity::Info };
            assert!(!render(&findings, &origins, &secrets, style).is_empty());
        }
    }
}

/// A string as it stands between double quotes in YAML.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
