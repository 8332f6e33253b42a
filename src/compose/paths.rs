//! Relative paths become absolute ones, against the project directory or that of an included file.

use std::sync::LazyLock;

use super::{
    codes,
    request::{Files, join},
    table::Table,
};
use crate::{
    diagnostic::Finding,
    value::{Spot, Text},
    yaml::{Scalar, Tree},
};

#[derive(Clone, Copy, Debug)]
enum Path {
    Context,
    Plain,
    Unix,
    Link,
    Mount,
    Volume,
}

static PATHS: LazyLock<Table<Path>> = LazyLock::new(|| {
    use Path::{Context, Link, Mount, Plain, Unix, Volume};
    Table::new([
        ("{services,jobs}.*.build.context", Context),
        ("{services,jobs}.*.build.additional_contexts.*", Context),
        ("{services,jobs}.*.build.ssh.*", Unix),
        ("{containers}.env_file.*.path", Plain),
        ("{containers}.label_file.*", Plain),
        ("{services,jobs}.*.extends.file", Plain),
        ("services.*.develop.watch.*.path", Link),
        ("{containers}.volumes.*", Mount),
        ("configs.*.file", Unix),
        ("secrets.*.file", Unix),
        ("volumes.*", Volume),
    ])
});

pub(super) struct Resolver<'a> {
    pub(super) base: &'a str,
    pub(super) home: Option<&'a str>,
    pub(super) files: &'a dyn Files,
}

impl Resolver<'_> {
    pub(super) fn resolve(&self, root: &mut Tree) -> Result<(), Finding> {
        self.walk(root, &PATHS)
    }

    fn walk(&self, tree: &mut Tree, table: &Table<Path>) -> Result<(), Finding> {
        if let Some(rule) = table.rule() {
            return self.apply(tree, *rule);
        }
        match &mut tree.value {
            Scalar::Mapping(mapping) => {
                for (key, entry) in &mut mapping.entries {
                    if let Some(next) = table.step(key) {
                        self.walk(&mut entry.tree, next)?;
                    }
                }
            }
            Scalar::Sequence(items) => {
                if let Some(next) = table.item() {
                    for item in items {
                        self.walk(item, next)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn apply(&self, tree: &mut Tree, rule: Path) -> Result<(), Finding> {
        match rule {
            Path::Context => {
                let remote = tree.raw().is_some_and(|path| {
                    path.contains("://")
                        || ["service:", "github.com/", "git@"].iter().any(|prefix| path.starts_with(prefix))
                });
                if !remote {
                    self.text(tree, false);
                }
            }
            Path::Plain => self.text(tree, false),
            Path::Unix => self.text(tree, true),
            Path::Link => {
                self.text(tree, false);
                if let Scalar::Text(text) = &mut tree.value {
                    *text = Text::from(self.files.resolve(text.raw()));
                }
            }
            Path::Mount => {
                if tree.get("type").and_then(Tree::raw) != Some("bind") {
                    return Ok(());
                }
                let spot = tree.spot;
                let Some(source) = tree.get_mut("source") else {
                    return Err(missing_source(spot));
                };
                self.text(source, true);
            }
            Path::Volume => {
                if tree.get("driver").and_then(Tree::raw) == Some("local")
                    && let Some(options) = tree.get_mut("driver_opts")
                    && options.get("o").and_then(Tree::raw) == Some("bind")
                    && let Some(device) = options.get_mut("device")
                {
                    self.text(device, true);
                }
            }
        }
        Ok(())
    }

    /// `keep_windows`: a drive letter makes a path absolute, and an empty path is the directory itself.
    fn text(&self, tree: &mut Tree, keep_windows: bool) {
        let Scalar::Text(text) = &mut tree.value else { return };
        let raw = text.raw();
        let expanded = match (raw.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => join("/", &format!("{home}/{rest}")),
            _ => raw.to_owned(),
        };
        let windows = keep_windows && is_windows_absolute(&expanded);
        if windows || expanded.starts_with('/') || (expanded.is_empty() && !keep_windows) {
            if expanded != raw {
                *text = Text::from(expanded);
            }
            return;
        }
        *text = Text::from(join(self.base, &expanded));
    }
}

fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with("\\\\") || matches!(bytes, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

fn missing_source(spot: Spot) -> Finding {
    Finding::new(&codes::MISSING_KEY, "a bind mount needs a `source`".into(), spot).help("add the path on the host")
}
