//! What can be found while translating.

use crate::diagnostic::{Code, Severity};

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $text:literal, $severity:ident, $title:literal, $explain:literal;)*) => {
        $($(#[$meta])* pub(crate) static $name: Code = Code { name: $text, severity: Severity::$severity, title: $title, explain: $explain };)*
        pub(crate) const ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    /// A template that cannot be filled.
    TEMPLATE = "invalid-template", Error, "a template of a manifest cannot be filled",
        "A template is a YAML document. A value `\"{{ path }}\"` becomes what stands at the path, whatever its kind; any \
         other expression is computed; text around expressions makes a string; an entry whose value is null is left out.";
    /// Cannot be said there.
    UNSUPPORTED = "unsupported-attribute", Warning, "the target cannot say this",
        "The attribute has no counterpart on the target, so what runs there will not have it. The note says what to do \
         instead. Where that is right, silence the finding in transship.yaml: `silence: [{path: …, reason: …}]`.";
    /// Dangerous to leave out.
    REFUSED = "refused-attribute", Error, "the target cannot say this, and leaving it out would be dangerous",
        "Without this attribute the application would run otherwise than it is meant to. The note says what to do instead.";
    /// Not written yet.
    NOT_YET = "attribute-not-carried-yet", Warning, "this version does not carry the attribute yet",
        "The target could say it, but this version of transship does not translate it. What runs will not have it.";
    /// Two names become one.
    NAME_COLLISION = "name-collision", Error, "two names become the same on the target",
        "Kubernetes allows lower-case letters, digits and `-` in names. Two names of the Compose file differ only in what \
         is not allowed. Rename one.";
    /// A name had to change.
    NAME_CHANGED = "name-changed", Info, "a name had to change for the target",
        "Kubernetes allows lower-case letters, digits and `-` in names, 63 at most. The service is reached under the \
         changed name: check the addresses in environment variables and configuration files.";
    /// A secret where readers see it.
    SECRET_SHOWN = "secret-readable", Warning, "a secret stands where every reader of the object sees it",
        "The value ends up in a part of the object that is not protected as Secrets are. Use `secrets:` and a `…_FILE` \
         variable, or put it in `environment`, which becomes a Secret.";
    /// A variable without a value.
    VARIABLE_LEFT_OUT = "variable-left-out", Warning, "a variable of a container has no value",
        "The variable is only named in the Compose file and has no value where transship runs. It is left out.";
    /// No such content.
    NO_CONTENT = "no-content", Error, "a file that is to be carried along cannot be",
        "The content of configs, secrets and bind-mounted project files becomes part of what is deployed. The file is \
         missing, unreadable, too large (1 MiB) or no regular file.";
    /// A path of the host.
    HOST_PATH = "host-path", Error, "a path of the host is mounted",
        "On a cluster there is no telling which host it would be. Use a volume, put the file beside the Compose file, or \
         allow it with `kubernetes: {hostPaths: allow}`.";
    /// Shared by several.
    SHARED_VOLUME = "shared-volume", Warning, "a volume is written by several containers",
        "Most storage can be mounted by one node at a time. Choose a storage class that can do more and set \
         `accessMode: ReadWriteMany` for the volume, or run one replica.";
    /// A size nobody gave.
    VOLUME_SIZE = "volume-size", Info, "a volume has no size",
        "Compose has no size for volumes, Kubernetes wants one. Set `size` under `x-transship` of the volume or under \
         `volumes` of the environment.";
    /// Nothing said of memory.
    RESOURCES = "no-resources", Info, "nothing says what a service needs",
        "The target gives a container what is asked for it, and no more. Set `deploy.resources.limits.memory`, and \
         `deploy.resources.reservations` where less is enough to begin with.";
    /// User by name.
    USER_NAME = "user-by-name", Warning, "a user is given by name",
        "Kubernetes wants numbers for users and groups, and the image's own names are not known here. Write `user: 1000:1000`.";
    /// Approximated order.
    ORDER = "order-not-kept", Info, "files cannot wait",
        "Manifests in a directory are applied by something else, in no order. Containers whose dependencies are not there \
         yet are restarted until they are.";
    /// Carried with a difference.
    APPROXIMATED = "approximated", Info, "carried, with a difference",
        "The target says something close to it. The message tells the difference, and the note what to do where it matters.";
    /// Stays inside.
    NOT_PUBLISHED = "not-published", Info, "a published port stays inside the cluster",
        "On a host, `ports` opens a port to everybody who reaches the host. On a cluster that is a decision of the \
         environment: `kubernetes: {publish: nodePort}` or `loadBalancer`, or `publish` under `services` for one of them. \
         Other services reach the container's port in any case.";
    /// A copy.
    READ_ONLY = "files-read-only", Warning, "files of the project cannot be written to",
        "What is mounted from the project becomes part of the cluster's configuration: a copy that every container sees and \
         none can change. Write `:ro` where it is only read, and use a volume where it is written.";
    /// Lost with the pod.
    ANONYMOUS_VOLUME = "anonymous-volume", Info, "a volume has no name, and its data goes with the pod",
        "An anonymous volume stays with its container on a host. On a cluster it is empty again whenever the pod is replaced. \
         Give it a name under `volumes` where the data matters.";
    /// Something else is needed.
    NEEDS = "needs-more", Error, "the target needs something that is not said",
        "The note says what is missing and where to say it.";
    /// A name nobody may use.
    INVALID_NAME = "invalid-name", Error, "a name is not valid on the target",
        "The target does not accept this name. Rename it.";
}
