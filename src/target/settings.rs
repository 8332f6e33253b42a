//! What an environment says about its target, beside the Compose files.

use indexmap::IndexMap;

use crate::value::{Application, Located, Name, Spot};

/// The environment's part of `transship.yaml`, or what flags say without one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Ownership: application and environment.
    pub application: Application,
    /// Kubernetes.
    pub kubernetes: KubernetesSettings,
    /// Swarm.
    pub swarm: SwarmSettings,
    /// Marathon.
    pub marathon: MarathonSettings,
    /// A Docker host.
    pub compose: ComposeSettings,
    /// Keys of `x-transship`, by service; `transship.yaml` over the Compose file.
    pub services: IndexMap<Name, ServiceSettings>,
    /// The same for volumes.
    pub volumes: IndexMap<Name, VolumeSettings>,
    /// Who waits for dependencies. `None`: by platform, `Wait` on a live cluster, `InitContainer` in files.
    pub ordering: Option<Located<Ordering>>,
    /// Whether the release goes to files (a directory under version control) and not to a live place.
    pub files: bool,
}

/// Who waits for `depends_on`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Ordering {
    /// `apply` waits between its steps.
    #[default]
    Wait,
    /// An init container in the pod waits.
    InitContainer,
}

/// `environments.*.kubernetes`.
#[derive(Clone, Debug, Default)]
pub struct KubernetesSettings {
    /// Default: `<application>-<environment>`, or the project name without an environment.
    pub namespace: Option<Located<Name>>,
    /// Whether apply may make the namespace.
    pub create_namespace: bool,
    /// The server's version, as `1.36`; default: the oldest supported, 1.28.
    pub version: Option<Located<(u32, u32)>>,
    /// How published ports leave the cluster.
    pub publish: Option<Located<Publish>>,
    /// How secrets reach the cluster. Default: `Inline` for a live cluster, `Reference` for files.
    pub secrets: Option<Located<SecretMode>>,
    /// Storage class of volumes that do not say otherwise.
    pub storage_class: Option<Located<Name>>,
    /// Size of volumes that do not say otherwise, as a Kubernetes quantity.
    pub volume_size: Option<Located<Name>>,
    /// What pulls images.
    pub image_pull_secret: Option<ImagePullSecret>,
    /// Whether bind mounts of the host's paths are allowed.
    pub host_paths: HostPaths,
    /// Image with `/bin/sh` and `nc` for waiting init containers; pinned like all others.
    pub wait_image: Option<Located<Name>>,
    /// Whether network policies follow `networks`. Default: when more than one network is declared, or one
    /// is internal.
    pub network_policy: Option<Located<bool>>,
}

/// `environments.*.swarm`.
#[derive(Clone, Debug, Default)]
pub struct SwarmSettings {
    /// Default: `<application>-<environment>`, or the project name without an environment.
    pub stack: Option<Located<Name>>,
    /// Whether bind mounts of the nodes' own paths are allowed.
    pub host_paths: HostPaths,
}

/// `environments.*.marathon`.
#[derive(Clone, Debug, Default)]
pub struct MarathonSettings {
    /// Absolute. Default: `/<application>-<environment>`, or the project name without an environment.
    pub group: Option<Located<Name>>,
    /// What runs containers.
    pub container: Option<Located<Containerizer>>,
    /// Container network that apps join; the bridge of their agent without one.
    pub network: Option<Located<Name>>,
    /// Address below which files are put for agents to fetch.
    pub store: Option<Located<Name>>,
    /// How secrets reach the apps. Default: `Inline` on a live cluster, `Reference` in files.
    pub secrets: Option<Located<SecretMode>>,
    /// What pulls images: an archive that agents fetch, or the path of a secret with the containerizer of Mesos.
    pub pull: Option<Located<Name>>,
    /// Whether bind mounts of the agents' own paths are allowed.
    pub host_paths: HostPaths,
    /// Size of volumes that do not say otherwise.
    pub volume_size: Option<Located<Name>>,
    /// How long a deployment may take, in seconds.
    pub deadline: Option<Located<i64>>,
}

/// What runs the containers of an app.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Containerizer {
    /// The engine of Docker, which takes all options of `docker run`.
    #[default]
    Docker,
    /// Mesos itself, which can mount secrets of the cluster.
    Mesos,
}

/// `environments.*.compose`.
#[derive(Clone, Debug, Default)]
pub struct ComposeSettings {
    /// Default: `<application>-<environment>`, or the project name without an environment.
    pub project: Option<Located<Name>>,
}

/// How published ports leave the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Publish {
    /// They do not.
    #[default]
    None,
    /// A Service of type `NodePort`.
    NodePort,
    /// A Service of type `LoadBalancer`.
    LoadBalancer,
}

/// How secrets reach the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretMode {
    /// As Secret objects with their content, named by it.
    Inline,
    /// By name only: the objects must already be there.
    Reference,
}

/// What pulls images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImagePullSecret {
    /// An object that is there.
    Named(Located<Name>),
    /// Made from the registry credentials of the machine that applies; the text of its
    /// `.dockerconfigjson`, secret.
    Created(Located<crate::value::Text>),
}

/// Bind mounts of the host's own paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HostPaths {
    /// Refused.
    #[default]
    Refuse,
    /// Become `hostPath` volumes.
    Allow,
}

/// `environments.*.services.*` and `x-transship` of a service.
#[derive(Clone, Debug, Default)]
pub struct ServiceSettings {
    /// Where the settings stand.
    pub spot: Spot,
    /// Replicas instead of the Compose file's.
    pub replicas: Option<Located<i64>>,
    /// How this service's published ports leave the cluster.
    pub publish: Option<Located<Publish>>,
    /// Whether an unhealthy container is restarted.
    pub liveness: Option<Located<bool>>,
    /// Environment variables to keep in a Secret whatever their names.
    pub sensitive: Vec<Located<Name>>,
}

/// `environments.*.volumes.*` and `x-transship` of a volume.
#[derive(Clone, Debug, Default)]
pub struct VolumeSettings {
    /// Where the settings stand.
    pub spot: Spot,
    /// A Kubernetes quantity.
    pub size: Option<Located<Name>>,
    /// Storage class.
    pub class: Option<Located<Name>>,
    /// `ReadWriteOnce`, `ReadWriteMany`.
    pub access_mode: Option<Located<Name>>,
}
