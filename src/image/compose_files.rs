//! Compose files with digests, for those who go on with Docker Compose: the images alone, or all of it.

use serde_json::{Map, Value as Json, json};

use super::Pinned;

/// A file of digests alone.
#[derive(Clone, PartialEq, Debug)]
pub struct ImagesFile {
    /// What it holds.
    pub document: Json,
    /// Images that no further file can replace: Docker Compose appends hooks to those that are there.
    pub left_out: Vec<Box<str>>,
}

/// The digests alone, as one more file after those of the application.
pub fn images(pinned: &Pinned) -> ImagesFile {
    let mut services = Map::new();
    let mut left_out = Vec::new();
    for (name, service) in &pinned.project().services {
        let mut out = Map::new();
        if let Some(image) = pinned.image_of(name) {
            out.insert("image".to_owned(), Json::from(&*image.reference));
        }
        let mut mounts = Vec::new();
        for (index, mount) in service.value.volumes.iter().flat_map(|mounts| mounts.value.iter().enumerate()) {
            // Mounts of the same place are merged, so that one with the digest takes the other's.
            let target = mount.value.target.as_ref().and_then(|target| target.value.plain());
            if let (Some(image), Some(target)) = (pinned.mounted_image(name, index), target) {
                mounts.push(json!({"type": "image", "source": image.reference, "target": target}));
            }
        }
        if !mounts.is_empty() {
            out.insert("volumes".to_owned(), Json::Array(mounts));
        }
        if !out.is_empty() {
            services.insert(name.to_string(), Json::Object(out));
        }
        let hooks = service.value.pre_start.iter().flat_map(|hooks| hooks.value.iter().enumerate());
        left_out.extend(
            hooks
                .map(|(index, _)| format!("services.{name}.pre_start[{index}].image"))
                .filter(|path| pinned.image_at(path).is_some())
                .map(Into::into),
        );
    }
    ImagesFile { document: json!({ "services": services }), left_out }
}

/// Makes a merged application stand for itself: digests instead of tags, paths from `directory`, where the
/// file will stand, and no build options unless `build`.
pub fn lock(document: &mut Json, pinned: &Pinned, directory: &str, build: bool) {
    for (name, service) in entries(document, "services") {
        if let Json::Object(service) = &mut *service
            && !build
        {
            service.remove("build");
            service.remove("develop");
        }
        if let (Some(image), Json::Object(service)) = (pinned.image_of(name), &mut *service) {
            service.insert("image".to_owned(), Json::from(&*image.reference));
        }
        for (index, hook) in items(service, "pre_start") {
            let image = pinned.image_at(&format!("services.{name}.pre_start[{index}].image"));
            if let (Some(image), Json::Object(hook)) = (image, hook) {
                hook.insert("image".to_owned(), Json::from(&*image.reference));
            }
        }
        for (index, mount) in items(service, "volumes") {
            if let (Some(image), Json::Object(mount)) = (pinned.mounted_image(name, index), &mut *mount) {
                mount.insert("source".to_owned(), Json::from(&*image.reference));
            }
            if mount.get("type").and_then(Json::as_str) == Some("bind") {
                relate_in(mount, "source", directory);
            }
        }
        if let Some(context) = service.get_mut("build") {
            relate_in(context, "context", directory);
            for (_, other) in entries(context, "additional_contexts") {
                relate(other, directory);
            }
        }
        for list in ["env_file", "label_file"] {
            for (_, file) in items(service, list) {
                relate_in(file, "path", directory);
                relate(file, directory);
            }
        }
        if let Some(develop) = service.get_mut("develop") {
            for (_, watch) in items(develop, "watch") {
                relate_in(watch, "path", directory);
            }
        }
    }
    for section in ["configs", "secrets"] {
        for (_, part) in entries(document, section) {
            relate_in(part, "file", directory);
        }
    }
    for (_, volume) in entries(document, "volumes") {
        if let Some(options) = volume.get_mut("driver_opts")
            && options.get("o").and_then(Json::as_str) == Some("bind")
        {
            relate_in(options, "device", directory);
        }
    }
}

/// Takes out what would make Docker Compose choose services once more: they are chosen.
pub fn activate(document: &mut Json) {
    for (_, service) in entries(document, "services") {
        if let Json::Object(service) = service {
            service.remove("profiles");
        }
    }
}

/// The variables that configs and secrets take their contents from.
pub fn variables(document: &Json) -> Vec<String> {
    let sections = ["configs", "secrets"].into_iter().filter_map(|section| document.get(section)?.as_object());
    let named = sections.flatten().filter_map(|(_, part)| part.get("environment")?.as_str());
    named.map(str::to_owned).collect()
}

/// Puts the variable that it comes from in the place of each concealed secret, and gives the names.
pub fn name_secrets(document: &mut Json, secrets: &[(String, Box<str>)]) -> Vec<String> {
    let mut used = Vec::new();
    replace(document, secrets, &mut used);
    used.sort_unstable();
    used.dedup();
    used
}

fn replace(json: &mut Json, secrets: &[(String, Box<str>)], used: &mut Vec<String>) {
    match json {
        Json::String(text) if text.contains('‹') => {
            for (shown, name) in secrets {
                if text.contains(shown.as_str()) {
                    let variable = variable(name);
                    *text = text.replace(shown.as_str(), &format!("${{{variable}}}"));
                    used.push(variable);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, secrets, used)),
        Json::Object(entries) => entries.values_mut().for_each(|value| replace(value, secrets, used)),
        _ => {}
    }
}

/// A name that a variable can have.
fn variable(name: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(word).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn entries<'a>(json: &'a mut Json, key: &str) -> impl Iterator<Item = (&'a str, &'a mut Json)> {
    let entries = json.get_mut(key).and_then(Json::as_object_mut);
    entries.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn items<'a>(json: &'a mut Json, key: &str) -> impl Iterator<Item = (usize, &'a mut Json)> {
    json.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten().enumerate()
}

fn relate_in(json: &mut Json, key: &str, directory: &str) {
    if let Some(path) = json.get_mut(key) {
        relate(path, directory);
    }
}

/// An absolute path as it is from a directory. Paths that share nothing but the root stay as they are.
fn relate(path: &mut Json, directory: &str) {
    let Json::String(text) = path else { return };
    if !text.starts_with('/') {
        return;
    }
    let names =
        |path: &str| -> Vec<String> { path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect() };
    let (here, there) = (names(directory), names(text));
    let shared = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return;
    }
    let up = here.len() - shared;
    let mut parts = if up == 0 { vec![".".to_owned()] } else { vec!["..".to_owned(); up] };
    parts.extend(there.into_iter().skip(shared));
    *text = parts.join("/");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_where_the_file_stands() {
        for (path, directory, expected) in [
            ("/work/shop/conf/a.conf", "/work/shop", "./conf/a.conf"),
            ("/work/shop", "/work/shop", "."),
            ("/work/shop/a", "/work/shop/deploy/x", "../../a"),
            ("/work/shopping/a", "/work/shop", "../shopping/a"),
            ("/var/run/docker.sock", "/work/shop", "/var/run/docker.sock"),
            ("already/relative", "/work", "already/relative"),
        ] {
            let mut json = Json::from(path);
            relate(&mut json, directory);
            assert_eq!(json, expected, "{path} from {directory}");
        }
    }

    #[test]
    fn a_secret_becomes_the_variable_it_comes_from() {
        let mut document = json!({"a": "postgres://u:‹secret #1›@db", "b": ["‹secret #11›"]});
        let secrets = [("‹secret #1›".to_owned(), "DB_PASSWORD".into()), ("‹secret #11›".to_owned(), "a.key".into())];
        assert_eq!(name_secrets(&mut document, &secrets), ["DB_PASSWORD", "a_key"]);
        assert_eq!(document, json!({"a": "postgres://u:${DB_PASSWORD}@db", "b": ["${a_key}"]}));
    }
}
