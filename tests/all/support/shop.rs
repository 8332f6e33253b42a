//! The example, on its way to a cluster.

use std::{collections::BTreeMap, io, sync::Arc};

use transship::{
    compose::{self, FileKind, Files},
    diagnostic::Findings,
    environment,
    image::{self, ImageSettings, PinMode, Pinned, Registries, SourceKind, SourceRule},
    session::Disk,
    target::{Dialect, Release, Settings, Target, Unit, kubernetes::Kubernetes},
    value::{Keyring, Origins, Secrets},
};

/// Where the example is.
pub fn directory() -> String {
    format!("{}/examples/shop", env!("CARGO_MANIFEST_DIR"))
}

/// One environment of the example, pinned out of the layout beside it, and how it stands in a namespace. `files`
/// is the example itself, or a changed copy of it.
pub async fn pinned(
    name: &str,
    namespace: &str,
    files: &dyn Files,
    secrets: &Arc<Secrets>,
) -> Result<(Pinned, Settings, Dialect), Findings> {
    let origins = Arc::new(Origins::default());
    let flags = environment::Flags { namespace: Some(namespace.into()), ..Default::default() };
    let known = environment::find(&flags, &directory(), files, &origins)?;
    let variables = BTreeMap::new();
    let selected = environment::select(&known, Some(name), &flags, &variables, &directory(), &origins)?;
    let request = compose::Request { contents: true, ..selected.request.clone() };
    let project = Arc::new(compose::load(&request, files, &origins, secrets)?.project);
    let layout = |prefix: &str| SourceRule {
        prefix: transship::value::Located::new(prefix.into(), transship::value::Spot::NOWHERE),
        kind: SourceKind::Layout(format!("{}/images", directory()).into()),
    };
    let settings = ImageSettings {
        sources: vec![layout("registry.example.com/shop"), layout("docker.io/library")],
        ..ImageSettings::default()
    };
    let resolution = image::pin(image::Request {
        project: &project,
        additional: &[],
        lock: None,
        mode: &PinMode::Offline,
        settings: &settings,
        platforms: &[],
        registries: &Registries::default(),
    })
    .await?;
    Ok((resolution.pinned, selected.settings(&project.name.value, None), selected.dialect))
}

/// What one environment of the example comes to in a namespace, under the key of the test.
pub async fn release(name: &str, namespace: &str, secrets: &Arc<Secrets>) -> Result<Release, Findings> {
    let (pinned, settings, _) = pinned(name, namespace, &Disk, secrets).await?;
    let keys = Keyring::from_text("the key of the test");
    let translation = Kubernetes::default().translate(&pinned, &settings, &Unit::default(), &keys);
    if translation.findings.has_errors() {
        return Err(translation.findings);
    }
    Ok(translation.release)
}

/// The example with a text of one of its files replaced.
pub struct Edited(pub Vec<(&'static str, String, String)>);

impl Edited {
    /// Replaces `from`, which stands in the file once.
    pub fn new(edits: &[(&'static str, &str, &str)]) -> Self {
        Self(edits.iter().map(|(file, from, to)| (*file, (*from).to_owned(), (*to).to_owned())).collect())
    }
}

impl Files for Edited {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Disk.read(path)?;
        for (_, from, to) in
            self.0.iter().filter(|(file, ..)| path.strip_prefix(&directory()) == Some(&format!("/{file}")))
        {
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.matches(from.as_str()).count(), 1, "{from} in {path}");
            bytes = text.replace(from.as_str(), to).into_bytes();
        }
        Ok(bytes)
    }

    fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
        Disk.kind(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        Disk.list(path)
    }

    fn resolve(&self, path: &str) -> String {
        Disk.resolve(path)
    }
}
