//! `extends`: a service made from another, of the same file or of another one.

use super::{
    codes,
    merge::merge_at,
    stage::{Loader, Place, Resets, Stages},
    variables::Variables,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Masked, Spot},
    yaml::{Mapping, Scalar, Tree},
};

pub(super) struct Extender<'l, 'a> {
    pub(super) loader: &'l mut Loader<'a>,
    pub(super) place: &'l Place,
    pub(super) variables: &'l Variables,
    pub(super) resets: &'l Resets,
}

/// The longest row of services that extend one another.
const LONGEST: usize = 100;

impl Extender<'_, '_> {
    pub(super) fn apply(mut self, root: &mut Tree, file: &str) -> Result<(), Findings> {
        for section in ["services", "jobs"] {
            let Some(tree) = root.get_mut(section) else { continue };
            let (spot, kind) = (tree.spot, tree.kind());
            let Some(services) = tree.as_mapping_mut() else {
                if tree.is_null() {
                    continue;
                }
                let words = format!("`{section}` is a mapping, not a {kind}");
                return Err(Finding::new(&codes::WRONG_TYPE, Masked::words(words), spot)
                    .at(section)
                    .help("write each name as a key under it")
                    .into());
            };
            let names: Vec<_> = services.entries.keys().cloned().collect();
            for name in names {
                let mut chain = Vec::new();
                self.service(&name, services, file, &mut chain)?;
            }
        }
        Ok(())
    }

    /// Extends one service where it stands.
    fn service(
        &mut self,
        name: &str,
        services: &mut Mapping,
        file: &str,
        chain: &mut Vec<(String, String)>,
    ) -> Result<(), Findings> {
        let Some(service) = services.get(name) else { return Ok(()) };
        if service.is_null() {
            return Ok(());
        }
        let Some(mapping) = service.as_mapping() else {
            let finding = Finding::new(&codes::WRONG_TYPE, "a service is a mapping".into(), service.spot);
            return Err(finding.help("write `image: …` under its name").at(format!("services.{name}")).into());
        };
        let Some(extends) = mapping.get("extends") else { return Ok(()) };
        let spot = extends.spot;
        let at = format!("services.{name}.extends");
        let wrong = |words: &'static str| {
            let finding = Finding::new(&codes::WRONG_TYPE, words.into(), spot).at(at.clone());
            Findings::from(finding.help("write `extends: {service: NAME}`, and `file: PATH` for another file"))
        };
        let (base_name, base_file) = match &extends.value {
            Scalar::Text(text) => (text.raw().to_owned(), None),
            Scalar::Mapping(mapping) => {
                let service =
                    mapping.get("service").and_then(Tree::raw).ok_or_else(|| wrong("`extends` needs a `service`"))?;
                let file = match mapping.get("file") {
                    None => None,
                    Some(tree) if tree.is_null() => None,
                    Some(tree) => Some((tree.raw().ok_or_else(|| wrong("`file` is a path"))?.to_owned(), tree.spot)),
                };
                (service.to_owned(), file)
            }
            _ => return Err(wrong("`extends` is the name of a service or a mapping")),
        };
        let step = (file.to_owned(), name.to_owned());
        if chain.contains(&step) {
            let words = format!("`extends` goes round in a circle: {}", circle(chain, &step));
            let finding = Finding::new(&codes::CYCLE, Masked::words(words), spot).at(at);
            return Err(finding.help("put what they share into a service of its own").into());
        }
        if chain.len() >= LONGEST {
            let words = format!("more than {LONGEST} services extend one another in a row");
            return Err(Finding::new(&codes::EXTENDS, Masked::words(words), spot)
                .at(at)
                .help("let them extend one common service")
                .into());
        }
        chain.push(step);
        let base = match base_file {
            None => {
                if !services.contains(&base_name) {
                    return Err(no_such_base(&base_name, services, spot, &at).into());
                }
                self.service(&base_name, services, file, chain)?;
                services.get(&base_name).cloned()
            }
            Some((path, path_spot)) => {
                let (absolute, mut others) = self.base_services(&path, path_spot, &at)?;
                if !others.contains(&base_name) {
                    return Err(no_such_base(&base_name, &others, spot, &at).into());
                }
                self.service(&base_name, &mut others, &absolute, chain)?;
                others.remove(&base_name)
            }
        };
        chain.pop();
        let Some(mut base) = base.filter(|base| !base.is_null()) else { return Ok(()) };
        // What the extending file resets is reset in the base as well.
        let mut model = Tree::mapping(Spot::NOWHERE);
        let mut inner = Mapping::default();
        inner.set(name, std::mem::take(&mut base));
        if let Some(root) = model.as_mapping_mut() {
            root.set("services", Tree::new(Scalar::Mapping(inner), Spot::NOWHERE));
        }
        self.resets.apply(&mut model);
        let base = model.get_mut("services").and_then(Tree::as_mapping_mut).and_then(|services| services.remove(name));
        let Some(own) = services.get_mut(name) else { return Ok(()) };
        let own_tree = std::mem::take(own);
        let mut merged = match base {
            Some(base) => merge_at(base, own_tree, &["services", name], &self.loader.origins)?,
            None => own_tree,
        };
        if let Some(mapping) = merged.as_mapping_mut() {
            mapping.remove("extends");
        }
        *own = merged;
        Ok(())
    }

    /// The services of another file, canonical, with paths that start where ours do.
    fn base_services(&mut self, path: &str, spot: Spot, at: &str) -> Result<(String, Mapping), Findings> {
        let (absolute, relative, root) =
            self.loader.locate(path, self.place, spot).map_err(|finding| finding.at(at))?;
        // Of a remote part everything starts from its root, wherever in it the file is.
        let place = Place { absolute: self.place.absolute.clone(), base: root.unwrap_or(relative) };
        let empty = Tree::mapping(Spot::NOWHERE);
        let (mut model, _) = self
            .loader
            .file(&absolute, empty, &place, self.variables, &[], Stages::BASE)
            .map_err(|findings| placed(findings, spot, at))?;
        self.loader.resolver(&place.base).resolve(&mut model)?;
        let services = model.as_mapping_mut().and_then(|root| root.remove("services"));
        match services.map(|tree| tree.value) {
            Some(Scalar::Mapping(services)) => Ok((absolute, services)),
            _ => Err(Finding::new(&codes::EXTENDS, Masked::words(format!("{path} declares no services")), spot)
                .at(at)
                .help("name a file that declares the service")
                .into()),
        }
    }
}

/// A file that cannot be read is shown where it was named.
pub(super) fn placed(findings: Findings, spot: Spot, at: &str) -> Findings {
    let mut out = Findings::new();
    for finding in findings {
        if finding.labels.is_empty() {
            out.push(finding.label(spot, "named here").at(at));
        } else {
            out.push(finding);
        }
    }
    out
}

fn circle(chain: &[(String, String)], last: &(String, String)) -> String {
    let mut names: Vec<&str> = chain.iter().map(|(_, name)| name.as_str()).collect();
    names.push(&last.1);
    names.join(" → ")
}

fn no_such_base(name: &str, services: &Mapping, spot: Spot, at: &str) -> Finding {
    let finding =
        Finding::new(&codes::EXTENDS, Masked::words(format!("there is no service `{name}` to extend")), spot).at(at);
    if let Some(near) = crate::diagnostic::nearest(name, services.entries.keys().map(|key| &**key)) {
        return finding.help(Masked::words(format!("did you mean `{near}`?")));
    }
    let names: Vec<String> = services.entries.keys().take(8).map(|name| format!("`{name}`")).collect();
    finding.help(Masked::words(format!("there are {}", names.join(", "))))
}
