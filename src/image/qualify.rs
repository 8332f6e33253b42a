//! Names for the images of services that are built.

use super::{Reference, reference::HUB};
use crate::{
    compose::model::Project,
    value::{Located, Name, Origins, Text},
};

/// Names what services build after a registry and path: `<qualify>/<project>-<service>` where a service names
/// no image, `<qualify>/<image>` where its image names no registry. Images that are not built, and those that
/// name a registry, stay as they are.
pub fn qualify(project: &mut Project, qualify: &Located<Name>, origins: &Origins) {
    let place = qualify.value.trim_end_matches('/').to_owned();
    let application = project.name.value.clone();
    for (name, service) in &mut project.services {
        let Some(build) = &service.value.build else { continue };
        let written = service.value.image.as_ref().filter(|image| !image.value.is_empty());
        let (image, spot) = match written {
            None => {
                (format!("{application}-{name}"), if build.spot.is_somewhere() { build.spot } else { service.spot })
            }
            Some(written) => match written.value.plain().filter(|text| names_no_registry(text)) {
                Some(text) => (text.to_owned(), written.spot),
                None => continue,
            },
        };
        let spot = origins.derive(spot, None, qualify.spot.into());
        service.value.image = Some(Located::new(Text::from(format!("{place}/{image}")), spot));
    }
}

fn names_no_registry(text: &str) -> bool {
    let hub = ["docker.io/", "index.docker.io/"].iter().any(|name| text.starts_with(name));
    !hub && Reference::parse(text).is_ok_and(|reference| reference.domain() == HUB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_what_docker_takes_for_one() {
        for (text, expected) in [
            ("web", true),
            ("team/web:1", true),
            ("localhost/web", false),
            ("registry:5000/web", false),
            ("docker.io/team/web", false),
            ("Web", false),
        ] {
            assert_eq!(names_no_registry(text), expected, "{text}");
        }
    }
}
