//! A copy of the shop, and the program in it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use snapbox::cmd::{Command, OutputAssert};

/// A directory of its own with the example application in it.
pub(crate) struct Shop {
    directory: tempfile::TempDir,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the schema of a document is kept.
pub(crate) fn schema_path(name: &str) -> PathBuf {
    repository().join("schemas").join(format!("{name}.json"))
}

impl Shop {
    /// The shop as it stands in the repository, without what was deployed from there.
    pub(crate) fn copy() -> Self {
        let shop = Self { directory: tempfile::tempdir().unwrap() };
        copy(&repository().join("examples/shop"), shop.path());
        shop
    }

    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Puts a copy of the shop into a directory of this one.
    pub(crate) fn copy_shop_to(&self, name: &str) {
        copy(&repository().join("examples/shop"), &self.path().join(name));
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Replaces a text that stands in a file once.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert_eq!(text.matches(from).count(), 1, "{from} in {name}");
        self.write(name, &text.replace(from, to));
    }

    /// A program started here, with nothing of this process's variables but the search path.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Command::new(program).current_dir(self.path()).env_clear().env("PATH", path).env("HOME", self.path())
    }

    /// transship started here.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> OutputAssert {
        self.command(env!("CARGO_BIN_EXE_transship")).args(arguments).assert()
    }

    /// The JSON document it prints, which its schema accepts.
    pub(crate) fn document<const N: usize>(&self, schema: &str, arguments: [&str; N]) -> serde_json::Value {
        let output = self.run(arguments);
        let document: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        let schema: serde_json::Value = serde_json::from_slice(&fs::read(schema_path(schema)).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
        assert_eq!(document.get("version"), Some(&serde_json::Value::from(1)), "{document:#}");
        document
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_name() == "deploy" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
