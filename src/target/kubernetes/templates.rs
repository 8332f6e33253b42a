//! The outer shape of every manifest.

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// Every template there is, with the text we ship.
        pub(super) const BUILTIN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../templates/kubernetes/", $name)))),*];
    };
}

builtin!(
    "container.yaml",
    "pod.yaml",
    "deployment.yaml",
    "statefulset.yaml",
    "daemonset.yaml",
    "job.yaml",
    "service.yaml",
    "configmap.yaml",
    "secret.yaml",
    "persistentvolumeclaim.yaml",
    "networkpolicy.yaml",
    "namespace.yaml",
);
