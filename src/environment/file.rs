//! What stands in `transship.yaml`. The types are the schema: it is generated from them.

use indexmap::IndexMap;
use schemars::JsonSchema;

use super::read::{Read, camel, join, keys, wrong};
use crate::{
    diagnostic::{Finding, Findings},
    target::{Containerizer, HostPaths, Ordering, Publish, SecretMode},
    value::{Located, Masked, Name, Spot, Text},
    yaml::Tree,
};

macro_rules! section {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Default, JsonSchema)]
            #[schemars(rename_all = "camelCase", deny_unknown_fields)]
            pub struct $name {
                $($(#[$field_meta])* pub $field: Option<$type>,)*
                /// Where it stands.
                #[schemars(skip)]
                pub spot: Spot,
            }

            impl Read for $name {
                fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
                    let known = [$(camel(stringify!($field))),*];
                    let mapping = keys(tree, path, &known, findings)?;
                    Some(Self {
                        $($field: mapping.get(&camel(stringify!($field))).filter(|tree| !tree.is_null()).and_then(|tree| {
                            <$type as Read>::read(tree, &join(path, &camel(stringify!($field))), findings)
                        }),)*
                        spot: tree.spot,
                    })
                }
            }
        )*
    };
}

section! {
    /// Where an application goes, and how it differs there.
    SettingsFile {
        /// Name of the application. Default: the Compose project name.
        application: Located<Name>,
        /// Compose files, in order. Default: what Docker Compose would find.
        files: Vec<Located<Name>>,
        /// Where images come from.
        images: Images,
        /// Variables to keep secret whatever they are called.
        sensitive: Vec<Located<Name>>,
        /// The environments, by name.
        environments: IndexMap<Name, Environment>,
    }

    /// Where images come from, and which may run.
    Images {
        /// Sources by prefix of the image name; the longest prefix counts. Default: the registry of the name.
        sources: Vec<ImageSource>,
        /// Patterns of repositories that may be used; `**` is any rest. Default: all.
        allow: Vec<Located<Name>>,
        /// Registry and path that names of built images get.
        qualify: Located<Name>,
    }

    /// Where images under a prefix come from.
    ImageSource {
        /// Prefix of the image name: `docker.io/library`.
        prefix: Located<Name>,
        /// Directory with an OCI image layout.
        layout: Located<Name>,
        /// Archive of images: an OCI image layout as a tar file, or what `docker save` writes.
        archive: Located<Name>,
        /// Registry and path that is asked first.
        mirror: Located<Name>,
        /// Whether the registry is spoken to without TLS.
        insecure: bool,
        /// Certificate authority of the registry, as a PEM file.
        ca: Located<Name>,
    }

    /// One environment.
    Environment {
        /// Compose files appended to those above. Default: the overlay found by name.
        files: Vec<Located<Name>>,
        /// Active profiles.
        profiles: Vec<Located<Name>>,
        /// Files of variables, instead of `.env`.
        env_files: Vec<Located<Name>>,
        /// Variables that count before all files; a shell variable counts less.
        variables: IndexMap<Name, Located<Text>>,
        /// A Kubernetes cluster, or the dialect of a directory.
        kubernetes: Kubernetes,
        /// A Docker Swarm, or the dialect of a directory.
        swarm: Swarm,
        /// Marathon, or the dialect of a directory.
        marathon: Marathon,
        /// One Docker Engine, or the dialect of a directory.
        compose: Compose,
        /// Directory that takes the manifests, instead of a live cluster.
        output: Located<Name>,
        /// Settings of services, by name: those of `x-transship`.
        services: IndexMap<Name, Service>,
        /// Settings of volumes, by name: those of `x-transship`.
        volumes: IndexMap<Name, Volume>,
        /// Findings that are known and accepted.
        silence: Vec<Silence>,
        /// What it asks of its images.
        images: EnvironmentImages,
        /// What protects the environment from mistakes.
        guards: Guards,
    }

    /// What an environment asks of its images.
    EnvironmentImages {
        /// Whether only what the lock holds may run: an image that it lacks is an error, and no registry is asked.
        locked: bool,
        /// Patterns of repositories that may be used here; asked beside `images.allow`.
        allow: Vec<Located<Name>>,
        /// Whether images must say which version they are: `latest`, or no tag at all, is refused.
        refuse_latest: bool,
        /// Platforms that it runs on, whose configuration the lock keeps. Default: `linux/amd64`.
        platforms: Vec<Located<Name>>,
    }

    /// A Kubernetes cluster and how the application stands in it.
    Kubernetes {
        /// Context of the kubeconfig.
        context: Located<Name>,
        /// Kubeconfig file. Default: `KUBECONFIG`, then `~/.kube/config`.
        kubeconfig: Located<Name>,
        /// Namespace. Default: `<application>-<environment>`.
        namespace: Located<Name>,
        /// Whether apply may make the namespace.
        create_namespace: bool,
        /// The server's version, as `"1.36"`.
        version: Located<Version>,
        /// How published ports leave the cluster.
        publish: Located<Publish>,
        /// How secrets reach the cluster. Default: `inline` on a live cluster, `reference` in files.
        secrets: Located<SecretMode>,
        /// Storage class of volumes that do not say otherwise.
        storage_class: Located<Name>,
        /// Size of volumes that do not say otherwise.
        volume_size: Located<Name>,
        /// What pulls images.
        image_pull_secret: ImagePull,
        /// Whether bind mounts of the host's own paths are allowed.
        host_paths: HostPaths,
        /// Image with a shell and `nc`, for containers that wait.
        wait_image: Located<Name>,
        /// Whether network policies follow `networks`.
        network_policy: Located<bool>,
        /// Who waits for `depends_on`. Default: `wait` on a live cluster, `initContainer` in files.
        ordering: Located<Ordering>,
    }

    /// A Docker Swarm and how the application stands in it.
    Swarm {
        /// Docker context of a manager. Default: `DOCKER_HOST`, then the current context.
        context: Located<Name>,
        /// Address of a manager's engine, instead of a context.
        host: Located<Name>,
        /// Name of the stack. Default: `<application>-<environment>`.
        stack: Located<Name>,
        /// Whether bind mounts of the nodes' own paths are allowed.
        host_paths: HostPaths,
    }

    /// Marathon and where the application stands in it.
    Marathon {
        /// Address of its API: `https://dcos.example.com/service/marathon`.
        url: Located<Name>,
        /// Group of all apps, absolute. Default: `/<application>-<environment>`.
        group: Located<Name>,
        /// Certificate authority of the API, as a PEM file.
        ca: Located<Name>,
        /// What runs containers: `docker`, or `mesos`, which can mount secrets of the cluster. Default: `docker`.
        container: Located<Containerizer>,
        /// Container network that apps join, as `dcos`. Default: the bridge of their agent.
        network: Located<Name>,
        /// Address of a store that takes files by HTTP PUT and that agents fetch from: configs, files of the project,
        /// and secrets with `secrets: inline`.
        files: Located<Name>,
        /// How secrets reach the apps. Default: `inline` on a live cluster, `reference` in files.
        secrets: Located<SecretMode>,
        /// What pulls images: address of an archive with `.docker/config.json`, or the path of a secret for `mesos`.
        pull: Located<Name>,
        /// Whether bind mounts of the agents' own paths are allowed.
        host_paths: HostPaths,
        /// Size of volumes that do not say otherwise.
        volume_size: Located<Name>,
        /// How long a deployment may take, in seconds. Default: 600.
        deadline: Located<i64>,
    }

    /// A Docker Engine that `docker compose` runs the application on.
    Compose {
        /// Docker context. Default: `DOCKER_HOST`, then the current context.
        context: Located<Name>,
        /// Address of the engine, instead of a context.
        host: Located<Name>,
        /// Name of the Compose project. Default: `<application>-<environment>`.
        project: Located<Name>,
    }

    /// What pulls images: one that is there, or one made from the credentials of the machine that applies.
    ImagePull {
        /// Name of a Secret that is there.
        name: Located<Name>,
        /// Make one from the registry credentials of this machine.
        create: bool,
    }

    /// Settings of a service.
    Service {
        /// Replicas instead of the Compose file's.
        replicas: Located<i64>,
        /// How its published ports leave the cluster.
        publish: Located<Publish>,
        /// Whether an unhealthy container is restarted.
        liveness: Located<bool>,
        /// Environment variables to keep in a Secret whatever their names.
        sensitive: Vec<Located<Name>>,
    }

    /// Settings of a volume.
    Volume {
        /// Size, as a Kubernetes quantity.
        size: Located<Name>,
        /// Storage class.
        class: Located<Name>,
        /// `ReadWriteOnce`, `ReadWriteMany`, …
        access_mode: Located<Name>,
    }

    /// A finding that is known and accepted.
    Silence {
        /// Path in the Compose model, `*` for any name.
        path: Located<Name>,
        /// Why it is accepted.
        reason: Located<Name>,
    }

    /// What protects an environment from mistakes.
    Guards {
        /// Whether apply and destroy want the environment's name typed, or `--confirm NAME`.
        protected: bool,
        /// Which place it must be.
        identity: ExpectedPlace,
    }

    /// Which place it must be.
    ExpectedPlace {
        /// Address of the server.
        server: Located<Name>,
        /// What is unique to it: the UID of the namespace `kube-system`.
        unique: Located<Name>,
    }
}

/// Major and minor number of a server's version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version(pub u32, pub u32);

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^1\\.[0-9]+$" })
    }
}

impl Read for Version {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        let Some(text) = tree.as_text().and_then(Text::plain) else {
            let words = format!("{path}: a version is a string");
            findings.push(
                Finding::new(&super::codes::WRONG_SETTING, Masked::words(words), tree.spot)
                    .at(path)
                    .help("put it in quotes: \"1.36\""),
            );
            return None;
        };
        let mut parts = text.trim_start_matches('v').split('.').map(str::parse);
        if let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) {
            return Some(Self(major, minor));
        }
        wrong(tree, path, "a version like \"1.36\"", findings);
        None
    }
}
