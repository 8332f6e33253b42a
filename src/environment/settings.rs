//! What translation goes by: an environment's settings in the words of the targets.

use super::{
    file::{Environment, Kubernetes, Marathon},
    select::Selected,
};
use crate::{
    target::{
        ComposeSettings, ImagePullSecret, KubernetesSettings, MarathonSettings, ServiceSettings, Settings,
        SwarmSettings, VolumeSettings, naming::slug,
    },
    value::{Application, Located, Name, Spot, Text},
};

impl Selected {
    /// Whose the release is.
    pub fn owner(&self, project: &Name) -> Application {
        Application {
            project: self.application.clone().unwrap_or_else(|| project.clone()),
            environment: self.name.clone(),
        }
    }

    /// The namespace everything lives in.
    pub fn namespace(&self, project: &Name) -> Name {
        let written = self.environment.kubernetes.as_ref().and_then(|kubernetes| kubernetes.namespace.as_ref());
        match (&self.namespace, written) {
            (Some(flag), _) => flag.as_str().into(),
            (None, Some(name)) => name.value.clone(),
            (None, None) => self.owner(project).usual_name().into(),
        }
    }

    /// The stack everything belongs to.
    pub fn stack(&self, project: &Name) -> Located<Name> {
        let written = self.environment.swarm.as_ref().and_then(|swarm| swarm.stack.clone());
        written.unwrap_or_else(|| Located::new(slug(&self.owner(project).usual_name(), 40).into(), Spot::NOWHERE))
    }

    /// The Compose project that everything on a host belongs to.
    pub fn compose_project(&self, project: &Name) -> Located<Name> {
        let written = self.environment.compose.as_ref().and_then(|compose| compose.project.clone());
        let flag = self.request.project_name.as_deref();
        let usual = || compose_name(&flag.map_or_else(|| self.owner(project).usual_name(), str::to_owned));
        written.unwrap_or_else(|| Located::new(usual(), Spot::NOWHERE))
    }

    /// The group that all apps stand in: absolute.
    pub fn group(&self, project: &Name) -> Located<Name> {
        let written = self.environment.marathon.as_ref().and_then(|marathon| marathon.group.clone());
        let usual = || Located::new(format!("/{}", slug(&self.owner(project).usual_name(), 100)).into(), Spot::NOWHERE);
        written.unwrap_or_else(usual)
    }

    /// Where the environment asks that the place gets the credentials of this machine to pull with.
    pub fn wants_credentials(&self) -> Option<Spot> {
        let secret = self.environment.kubernetes.as_ref()?.image_pull_secret.as_ref()?;
        secret.create.unwrap_or_default().then_some(secret.spot)
    }

    /// Images that run beside those of the services, each with the path of what asks for it.
    pub fn additional_images(&self) -> Vec<(&'static str, Located<Name>)> {
        let wait = self.environment.kubernetes.as_ref().and_then(|kubernetes| kubernetes.wait_image.clone());
        wait.into_iter().map(|reference| ("kubernetes.waitImage", reference)).collect()
    }

    /// What the translation goes by. `pull` is the text of a `.dockerconfigjson` made here.
    pub fn settings(&self, project: &Name, pull: Option<Located<Text>>) -> Settings {
        let environment = &self.environment;
        let namespace = environment.kubernetes.as_ref().and_then(|kubernetes| kubernetes.namespace.as_ref());
        let namespace = Located::new(self.namespace(project), namespace.map(|name| name.spot).unwrap_or_default());
        let kubernetes = environment.kubernetes.clone().unwrap_or_default();
        Settings {
            application: self.owner(project),
            ordering: kubernetes.ordering,
            files: self.is_files(),
            services: services(environment),
            volumes: volumes(environment),
            kubernetes: kubernetes_settings(kubernetes, namespace, pull),
            swarm: SwarmSettings {
                stack: Some(self.stack(project)),
                host_paths: environment.swarm.as_ref().and_then(|swarm| swarm.host_paths).unwrap_or_default(),
            },
            marathon: marathon_settings(environment.marathon.clone().unwrap_or_default(), self.group(project)),
            compose: ComposeSettings { project: Some(self.compose_project(project)) },
        }
    }
}

/// By the rules of Docker Compose for project names, which allow `_`.
fn compose_name(name: &str) -> Name {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(allowed).collect();
    name.trim_start_matches(['-', '_']).into()
}

fn services(environment: &Environment) -> indexmap::IndexMap<Name, ServiceSettings> {
    let services = environment.services.iter().flatten();
    services
        .map(|(name, service)| {
            let settings = ServiceSettings {
                spot: service.spot,
                replicas: service.replicas,
                publish: service.publish,
                liveness: service.liveness,
                sensitive: service.sensitive.clone().unwrap_or_default(),
            };
            (name.clone(), settings)
        })
        .collect()
}

fn volumes(environment: &Environment) -> indexmap::IndexMap<Name, VolumeSettings> {
    let volumes = environment.volumes.iter().flatten();
    volumes
        .map(|(name, volume)| {
            let settings = VolumeSettings {
                spot: volume.spot,
                size: volume.size.clone(),
                class: volume.class.clone(),
                access_mode: volume.access_mode.clone(),
            };
            (name.clone(), settings)
        })
        .collect()
}

fn marathon_settings(written: Marathon, group: Located<Name>) -> MarathonSettings {
    MarathonSettings {
        group: Some(group),
        container: written.container,
        network: written.network,
        store: written.files,
        secrets: written.secrets,
        pull: written.pull,
        host_paths: written.host_paths.unwrap_or_default(),
        volume_size: written.volume_size,
        deadline: written.deadline,
    }
}

fn kubernetes_settings(
    written: Kubernetes,
    namespace: Located<Name>,
    pull: Option<Located<Text>>,
) -> KubernetesSettings {
    let named = written.image_pull_secret.as_ref().and_then(|secret| secret.name.clone());
    KubernetesSettings {
        namespace: Some(namespace),
        create_namespace: written.create_namespace.unwrap_or_default(),
        version: written.version.map(|version| version.map(|version| (version.0, version.1))),
        publish: written.publish,
        secrets: written.secrets,
        storage_class: written.storage_class,
        volume_size: written.volume_size,
        image_pull_secret: pull.map(ImagePullSecret::Created).or_else(|| named.map(ImagePullSecret::Named)),
        host_paths: written.host_paths.unwrap_or_default(),
        wait_image: written.wait_image,
        network_policy: written.network_policy,
    }
}
