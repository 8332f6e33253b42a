//! What `docker compose config` lists instead of the whole application: names, images, profiles, variables; and the
//! application with its images pinned, or with nothing else in it.

use std::collections::{BTreeSet, HashMap};

use super::{codes, placeholders, placeholders::Placeholder, render::Configuration};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Exposure, Masked},
    yaml::{Scalar, Tree},
};

impl Configuration {
    /// The names in a section of the model, sorted.
    pub fn names(&self, section: &str) -> Vec<String> {
        let mut names: Vec<String> = entries(&self.tree, section).map(|(name, _)| name.to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// The models that services use, by what they are called where they come from.
    pub fn models(&self) -> Vec<String> {
        sorted(entries(&self.tree, "models").filter_map(|(_, model)| text(model, "model")))
    }

    /// Every profile that a service has, active or not.
    pub fn profiles(&self) -> Vec<String> {
        let services = entries(&self.tree, "services").chain(entries(&self.disabled, "services"));
        let profiles = services.filter_map(|(_, service)| service.get("profiles")?.as_sequence()).flatten();
        let all: BTreeSet<String> = profiles.filter_map(|profile| profile.raw().map(str::to_owned)).collect();
        all.into_iter().collect()
    }

    /// The images of services, of their `pre_start` containers and of jobs: once for each that runs it. What has
    /// none is built, and called after the project, the sign and the service.
    pub fn images(&self, separator: char) -> Vec<String> {
        let mut all = Vec::new();
        for (name, service) in entries(&self.tree, "services").chain(entries(&self.tree, "jobs")) {
            let own = text(service, "image").unwrap_or_else(|| format!("{}{separator}{name}", self.name));
            let hooks = service.get("pre_start").and_then(Tree::as_sequence).unwrap_or_default();
            all.extend(hooks.iter().filter_map(|hook| text(hook, "image")).filter(|image| *image != own));
            all.push(own);
        }
        sorted(all.into_iter())
    }

    /// Whether COMPOSE_COMPATIBILITY asks for the names of older versions.
    pub fn is_compatible(&self) -> bool {
        let value = self.variables.raw("COMPOSE_COMPATIBILITY").unwrap_or_default();
        ["1", "t", "true", "y"].contains(&value.trim().to_ascii_lowercase().as_str())
    }

    /// The variables that interpolation reads, as `NAME=value`, secrets in clear.
    pub fn environment(&self) -> Vec<String> {
        let right = Exposure::granted();
        let all = self.variables.sorted().into_iter();
        sorted(all.map(|(name, value)| format!("{name}={}", value.value.expose(&right))))
    }

    /// The same with secrets concealed.
    pub fn masked_environment(&self) -> Vec<String> {
        let all = self.variables.sorted().into_iter();
        sorted(all.map(|(name, value)| format!("{name}={}", value.value.masked())))
    }

    pub(super) const fn is_normalized(&self) -> bool {
        !self.skip.normalization
    }

    /// The variables that the values of a model name that was loaded without interpolation.
    pub fn placeholders(&self) -> Vec<Placeholder> {
        placeholders::of(&self.tree, self.is_normalized())
    }
}

impl Configuration {
    /// Puts other references in the place of images, by the path that names them: `services.web.image`,
    /// `services.web.pre_start[0].image`, `services.web.volumes[1].source`.
    pub fn pin(&mut self, reference: &dyn Fn(&str) -> Option<String>) {
        for section in ["services", "jobs"] {
            for (name, container) in entries_mut(&mut self.tree, section) {
                let at = format!("{section}.{name}");
                replace(container.get_mut("image"), || reference(&format!("{at}.image")));
                for (list, key) in [("pre_start", "image"), ("volumes", "source")] {
                    let items = container.get_mut(list).and_then(Tree::as_sequence_mut).into_iter().flatten();
                    for (index, item) in items.enumerate() {
                        replace(item.get_mut(key), || reference(&format!("{at}.{list}[{index}].{key}")));
                    }
                }
            }
        }
    }

    /// Leaves nothing but the images of services and jobs, and those that they mount: an overlay that pins them.
    pub fn images_only(&mut self) {
        self.name = Box::default();
        let Some(root) = self.tree.as_mapping_mut() else { return };
        root.entries.retain(|key, _| matches!(&**key, "services" | "jobs"));
        for section in ["services", "jobs"] {
            for (_, container) in entries_mut(&mut self.tree, section) {
                if let Some(volumes) = container.get_mut("volumes").and_then(Tree::as_sequence_mut) {
                    volumes.retain(|volume| volume.get("type").and_then(Tree::raw) == Some("image"));
                }
                let Some(container) = container.as_mapping_mut() else { continue };
                let filled = |tree: &Tree| tree.as_sequence().is_some_and(|items| !items.is_empty());
                container.entries.retain(|key, entry| match &**key {
                    "image" => true,
                    "volumes" => filled(&entry.tree),
                    // There in JSON, whatever they hold.
                    "command" | "entrypoint" if !self.raw => {
                        entry.tree = Tree::default();
                        true
                    }
                    _ => false,
                });
            }
        }
    }

    /// Two services that run cannot have the same container name.
    ///
    /// # Errors
    /// Each pair that has.
    pub fn check_container_names(&self) -> Result<(), Findings> {
        let mut known: HashMap<&str, &Tree> = HashMap::new();
        let mut findings = Findings::new();
        for (service, tree) in entries(&self.tree, "services") {
            let Some(name) = tree.get("container_name") else { continue };
            let Some(text) = name.raw().filter(|text| !text.is_empty()) else { continue };
            if let Some(first) = known.insert(text, name) {
                let words = format!("the container name `{}` is taken", name.to_text().unwrap_or_default().masked());
                let finding = Finding::new(&codes::CONFLICT, Masked::words(words), name.spot);
                let finding = finding.at(format!("services.{service}.container_name"));
                findings.push(finding.label(first.spot, "by this service").help("give each its own, or none"));
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }
}

fn replace(image: Option<&mut Tree>, reference: impl FnOnce() -> Option<String>) {
    if let Some(image) = image
        && let Some(reference) = reference()
    {
        image.value = Scalar::Text(reference.into());
    }
}

fn entries_mut<'t>(root: &'t mut Tree, section: &str) -> impl Iterator<Item = (&'t str, &'t mut Tree)> {
    let mapping = root.get_mut(section).and_then(Tree::as_mapping_mut);
    mapping.into_iter().flat_map(|mapping| mapping.entries.iter_mut().map(|(name, entry)| (&**name, &mut entry.tree)))
}

fn entries<'t>(root: &'t Tree, section: &str) -> impl Iterator<Item = (&'t str, &'t Tree)> {
    let mapping = root.get(section).and_then(Tree::as_mapping);
    mapping.into_iter().flat_map(|mapping| mapping.entries.iter().map(|(name, entry)| (&**name, &entry.tree)))
}

fn text(tree: &Tree, key: &str) -> Option<String> {
    tree.get(key).and_then(Tree::raw).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn sorted(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = all.collect();
    all.sort_unstable();
    all
}
