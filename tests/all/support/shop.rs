//! The example, on its way to a cluster.

use std::{collections::BTreeMap, sync::Arc};

use transship::{
    compose,
    diagnostic::Findings,
    environment,
    image::{self, ImageSettings, PinMode, Registries, SourceKind, SourceRule},
    session::Disk,
    target::{Release, Target, Unit, kubernetes::Kubernetes},
    value::{Keyring, Origins, Secrets},
};

/// Where the example is.
pub fn directory() -> String {
    format!("{}/examples/shop", env!("CARGO_MANIFEST_DIR"))
}

/// What one environment of the example comes to in a namespace, with images out of the layout beside it.
pub async fn release(name: &str, namespace: &str, secrets: &Arc<Secrets>) -> Result<Release, Findings> {
    let origins = Arc::new(Origins::default());
    let flags = environment::Flags { namespace: Some(namespace.into()), ..Default::default() };
    let known = environment::find(&flags, &directory(), &Disk, &origins)?;
    let variables = BTreeMap::new();
    let selected = environment::select(&known, Some(name), &flags, &variables, &directory(), &origins)?;
    let request = compose::Request { contents: true, ..selected.request.clone() };
    let project = Arc::new(compose::load(&request, &Disk, &origins, secrets)?.project);
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
    let keys = Keyring::from_text("the key of the test");
    let settings = selected.settings(&project.name.value, None);
    let translation = Kubernetes::default().translate(&resolution.pinned, &settings, &Unit::default(), &keys);
    if translation.findings.has_errors() {
        return Err(translation.findings);
    }
    Ok(translation.release)
}
