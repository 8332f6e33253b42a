//! Everything in a project that names an image.

use super::{Failure, Platform, codes};
use crate::{
    compose::model::{List, Mount, Project, Service},
    diagnostic::{Finding, Findings},
    value::{Located, Masked, Name, Spot, Text},
};

/// One place that names an image.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// Where in the model: `services.web.image`, `services.web.pre_start[0].image`,
    /// `services.web.volumes[1].source`, `jobs.report.image`.
    pub(super) path: Box<str>,
    /// The service or job it belongs to; none for what a target adds.
    pub(super) owner: Option<Name>,
    /// The reference as written.
    pub(super) written: Box<str>,
    /// Where.
    pub(super) spot: Spot,
    /// The platform that is asked for.
    pub(super) platform: Option<Located<Platform>>,
    /// Whom it runs as, where somebody says so.
    pub(super) user: Option<Name>,
}

/// An image that no Compose file names: one that a target adds, as for waiting init containers.
#[derive(Clone, Debug)]
pub struct Additional {
    /// What asks for it, as `kubernetes.waitImage`; [`Pinned::image_at`](super::Pinned::image_at) finds it
    /// under this name.
    pub path: Box<str>,
    /// The reference as written.
    pub reference: Located<Name>,
}

/// All uses, in the order of the project.
pub(super) fn of(project: &Project, additional: &[Additional], findings: &mut Findings) -> Vec<Use> {
    let mut collector = Collector { uses: Vec::new(), findings };
    for (name, service) in &project.services {
        collector.container(&format!("services.{name}"), name, &service.value, (None, None), service.spot);
    }
    for (name, job) in &project.jobs {
        collector.container(&format!("jobs.{name}"), name, &job.value.container, (None, None), job.spot);
    }
    let mut uses = collector.uses;
    uses.extend(additional.iter().map(|additional| Use {
        path: additional.path.clone(),
        owner: None,
        written: additional.reference.value.clone(),
        spot: additional.reference.spot,
        platform: None,
        user: None,
    }));
    uses
}

/// A text that names no platform.
pub(crate) fn no_platform(text: &str, spot: Spot) -> Finding {
    Finding::new(&codes::PLATFORM, Masked::words(format!("`{text}` is no platform")), spot)
        .help("write it as `linux/amd64`")
}

struct Collector<'a> {
    uses: Vec<Use>,
    findings: &'a mut Findings,
}

impl Collector<'_> {
    fn container(
        &mut self,
        path: &str,
        owner: &Name,
        container: &Service,
        (inherited, user): (Option<&Located<Platform>>, Option<&Name>),
        spot: Spot,
    ) {
        let own = container.user.as_ref().and_then(|user| user.value.plain()).filter(|user| !user.is_empty());
        let user: Option<Name> = own.map(Into::into).or_else(|| user.cloned());
        let platform = match &container.platform {
            None => inherited.cloned(),
            Some(text) => {
                if let Some(platform) = text.value.plain().and_then(Platform::parse) {
                    Some(Located::new(platform, text.spot))
                } else {
                    let finding = no_platform(text.value.masked().as_str(), text.spot);
                    self.findings.push(finding.at(format!("{path}.platform")));
                    None
                }
            }
        };
        match (&container.image, &container.build) {
            (Some(image), _) if !image.value.is_empty() => {
                self.image(format!("{path}.image"), owner, image, platform.as_ref(), user.as_ref());
            }
            (_, Some(build)) => {
                let spot = if build.spot.is_somewhere() { build.spot } else { spot };
                let message = format!("`{owner}` is built here, and names no image that could be deployed");
                self.findings.push(
                    Finding::new(&codes::ONLY_BUILT, Masked::words(message), spot)
                        .at(format!("{path}.build"))
                        .help("push what is built, and name it with `image`"),
                );
            }
            _ => {}
        }
        self.mounts(path, owner, container.volumes.as_ref(), platform.as_ref());
        for (index, hook) in container.pre_start.iter().flat_map(items) {
            let path = format!("{path}.pre_start[{index}]");
            self.container(&path, owner, &hook.value.container, (platform.as_ref(), user.as_ref()), hook.spot);
        }
    }

    fn mounts(
        &mut self,
        path: &str,
        owner: &Name,
        mounts: Option<&Located<List<Mount>>>,
        platform: Option<&Located<Platform>>,
    ) {
        for (index, mount) in mounts.into_iter().flat_map(items) {
            let kind = mount.value.kind.as_ref().and_then(|kind| kind.value.plain());
            if let (Some("image"), Some(source)) = (kind, &mount.value.source) {
                self.image(format!("{path}.volumes[{index}].source"), owner, source, platform, None);
            }
        }
    }

    fn image(
        &mut self,
        path: String,
        owner: &Name,
        written: &Located<Text>,
        platform: Option<&Located<Platform>>,
        user: Option<&Name>,
    ) {
        if let Some(text) = written.value.plain() {
            self.uses.push(Use {
                path: path.into(),
                owner: Some(owner.clone()),
                written: text.into(),
                spot: written.spot,
                platform: platform.cloned(),
                user: user.cloned(),
            });
            return;
        }
        let message = format!("the image `{}` has a secret in its name", written.value.masked());
        self.findings.push(
            Finding::new(&codes::REFERENCE, Masked::words(message), written.spot)
                .at(path)
                .help("image names are shown everywhere: use a variable that holds no secret"),
        );
    }
}

fn items<T>(list: &Located<List<T>>) -> impl Iterator<Item = (usize, &Located<T>)> {
    list.value.iter().enumerate()
}

/// A failure as a finding at every place that names the image.
pub(super) fn finding(uses: &[&Use], failure: &Failure) -> Finding {
    let first = uses.first();
    let written = first.map(|first| &*first.written).unwrap_or_default();
    let spot = first.map(|first| first.spot).unwrap_or_default();
    let mut finding = Finding::new(failure.code, Masked::words(format!("image `{written}`: {failure}")), spot);
    if let Some(first) = first {
        finding = finding.at(first.path.clone());
    }
    for other in uses.iter().skip(1).filter(|other| other.spot.is_somewhere() && other.spot != spot) {
        finding = finding.label(other.spot, Masked::words(format!("used here as well: {}", other.path)));
    }
    match &failure.help {
        Some(help) => finding.help(Masked::words(help.clone())),
        None => finding,
    }
}
