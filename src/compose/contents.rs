//! Files whose bytes become part of what runs: those of configs, secrets and bind mounts.

use indexmap::IndexMap;

use super::{
    load::Resolved,
    model::{Content, FileBytes, FileContent, LARGEST},
    request::{FileKind, Files as _, join},
    trees::Trees,
};
use crate::{
    value::{FileRole, Text},
    yaml::Tree,
};

/// Reads them all, by absolute path.
pub(super) fn read(resolved: &mut Resolved, files: &Trees<'_>) -> IndexMap<Box<str>, Content> {
    let mut out: IndexMap<Box<str>, Content> = IndexMap::new();
    let reader = Reader { files, resolved };
    let root = &resolved.tree;
    let entries = |section: &str| {
        root.get(section)
            .and_then(Tree::as_mapping)
            .into_iter()
            .flat_map(|mapping| mapping.entries.iter())
            .collect::<Vec<_>>()
    };
    for (section, secret) in [("configs", false), ("secrets", true)] {
        for (name, entry) in entries(section) {
            if let Some(file) = entry.tree.get("file")
                && let Some(path) = file.raw()
            {
                let content = if files.may_name(path, file.spot, &resolved.origins) {
                    reader.any(path, secret.then_some(&**name), false)
                } else {
                    Content::Unsuitable("it is not in the remote part that names it")
                };
                out.insert(path.into(), content);
            }
        }
    }
    for (_, entry) in entries("services") {
        for mount in entry.tree.get("volumes").and_then(Tree::as_sequence).unwrap_or_default() {
            let Some(source) = mount.get("source") else { continue };
            let Some(path) = source.raw() else { continue };
            let below = path.strip_prefix(resolved.directory.as_str()).is_some_and(|rest| rest.starts_with('/'));
            let below = (below || files.is_remote(path)) && files.may_name(path, source.spot, &resolved.origins);
            if mount.get("type").and_then(Tree::raw) == Some("bind") && below && !out.contains_key(path) {
                out.insert(path.into(), reader.any(path, None, true));
            }
        }
    }
    out
}

struct Reader<'a> {
    files: &'a Trees<'a>,
    resolved: &'a Resolved,
}

impl Reader<'_> {
    fn any(&self, path: &str, secret: Option<&str>, directories: bool) -> Content {
        match self.files.kind(path) {
            Ok(None) => Content::Missing,
            Ok(Some(FileKind::File { length, .. })) if length > LARGEST => {
                Content::Unsuitable("it holds more than 1 MiB")
            }
            Ok(Some(FileKind::File { executable, .. })) => match self.file(path, executable, secret) {
                Ok(file) => Content::File(file),
                Err(error) => Content::Unreadable(error.to_string().into()),
            },
            Ok(Some(FileKind::Directory)) if directories => self.directory(path),
            Ok(Some(FileKind::Directory)) => Content::Unsuitable("it is a directory"),
            Ok(Some(FileKind::Other)) => Content::Unsuitable("it is neither a file nor a directory"),
            Err(error) => Content::Unreadable(error.to_string().into()),
        }
    }

    fn file(&self, path: &str, executable: bool, secret: Option<&str>) -> std::io::Result<FileContent> {
        let bytes = self.files.read(path)?;
        let origins = &self.resolved.origins;
        let concealed = &self.resolved.concealed;
        let below = path.strip_prefix(&format!("{}/", self.resolved.directory));
        let shown = if self.files.is_remote(path) { self.files.show(path) } else { below.unwrap_or(path).to_owned() };
        let shown = shown.as_str();
        let text = String::from_utf8(bytes);
        // A secret's bytes are not kept for excerpts.
        let visible = match (&text, secret) {
            (Ok(text), None) => text.as_str(),
            _ => "",
        };
        let file = origins.add_file(shown, FileRole::Content, visible);
        let spot = origins.in_file(file, 0..0);
        let bytes = match (text, secret) {
            (Ok(text), None) => FileBytes::Text(Text::new(text)),
            (Ok(text), Some(name)) => FileBytes::Text(Text::secret(&text, name, spot, concealed)),
            (Err(bytes), name) => {
                FileBytes::Binary(concealed.conceal(bytes.as_bytes(), name.unwrap_or(shown), spot.into()))
            }
        };
        Ok(FileContent { bytes, spot, executable })
    }

    fn directory(&self, path: &str) -> Content {
        let mut found: Vec<(Box<str>, FileContent)> = Vec::new();
        let mut total = 0_u64;
        let mut open = vec![String::new()];
        while let Some(below) = open.pop() {
            let here = join(path, &below);
            let names = match self.files.list(&here) {
                Ok(names) => names,
                Err(error) => return Content::Unreadable(error.to_string().into()),
            };
            for name in names {
                let relative = if below.is_empty() { name } else { format!("{below}/{name}") };
                let full = join(path, &relative);
                match self.files.kind(&full) {
                    Ok(Some(FileKind::Directory)) => open.push(relative),
                    Ok(Some(FileKind::File { length, executable })) => {
                        total = total.saturating_add(length);
                        if total > LARGEST {
                            return Content::Unsuitable("it holds more than 1 MiB");
                        }
                        match self.file(&full, executable, None) {
                            Ok(file) => found.push((relative.into(), file)),
                            Err(error) => return Content::Unreadable(error.to_string().into()),
                        }
                    }
                    _ => return Content::Unsuitable("it holds what is neither a file nor a directory"),
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Content::Directory(found)
    }
}
