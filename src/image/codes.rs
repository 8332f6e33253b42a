//! What can be wrong with images.

use crate::diagnostic::{Code, Severity};

macro_rules! codes {
    ($($(#[$meta:meta])* $constant:ident = $name:literal, $title:literal, $explain:literal;)*) => {
        $($(#[$meta])* pub static $constant: Code =
            Code { name: $name, severity: Severity::Error, title: $title, explain: $explain };)*
        pub(crate) const ALL: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    /// Not an image reference.
    REFERENCE = "image-reference", "this is not an image reference",
        "An image is named as `[registry/]repository[:tag][@digest]`, with the repository in lower case, exactly as \
         Docker reads it. Correct the name; if it is put together from variables, look at their values.";
    /// Built, and nothing to deploy.
    ONLY_BUILT = "image-only-built", "a service is built and names no image",
        "A service with `build` and without `image` exists only on the machine that builds it. Name the image that \
         the build is pushed as (`image: registry.example.com/team/web:1.2.3`), push it, and run `transship lock`.";
    /// Outside the allowed repositories.
    NOT_ALLOWED = "image-not-allowed", "the image is not from an allowed repository",
        "`images.allow` in transship.yaml lists the repositories that this application may use, and no pattern fits \
         this image. Use another image, or add its repository to the list.";
    /// No version in its name.
    LATEST = "image-latest", "the image does not say which version it is",
        "The environment has `images.refuseLatest`: `latest`, and a name without a tag, stand for whatever was pushed \
         last, and nobody who reads the file knows what runs. Name the version.";
    /// The lock lacks it, and nobody may be asked.
    NOT_LOCKED = "image-not-locked", "the lock does not hold the image",
        "Only what `transship.lock` holds may be used here, and it lacks this image or its configuration for the \
         platform. Run `transship lock` and keep the result under version control.";
    /// 404.
    NOT_FOUND = "image-not-found", "the image does not exist where it was looked for",
        "The registry or the layout answered, and does not have the image: the name or the tag is wrong, it was not \
         pushed, or it was removed. Some registries answer the same when the credentials give no access.";
    /// 401, 403.
    DENIED = "registry-denied", "the registry denies access",
        "The registry wants credentials, or does not accept those that were found. They are taken from \
         `DOCKER_AUTH_CONFIG`, Docker's config.json with its credential helpers, and podman's auth.json, in this \
         order. Log in with `docker login` or `podman login`, or check the rights of the account.";
    /// 429.
    RATE_LIMITED = "registry-rate-limited", "the registry refuses more requests for now",
        "The registry counts requests and its limit is reached. Wait until the time it names, log in to have a \
         higher limit, or use a mirror. What is locked already needs no request at all.";
    /// 5xx and answers that are none.
    REGISTRY_FAILED = "registry-failed", "the registry failed to answer",
        "The registry answered with an error of its own, several times, or with something that is no answer. Nothing \
         was changed. Try again later, and tell those who run it if it lasts.";
    /// Deadline.
    TIMED_OUT = "registry-timeout", "the registry did not answer in time",
        "The registry took the request and did not answer in time. Nothing was changed. Check the network and any \
         proxy between here and there, and try again.";
    /// Certificates, or no TLS at all.
    TLS = "registry-tls", "no secure connection to the registry",
        "The connection to the registry could not be secured: its certificate is not trusted, has expired or is for \
         another name, or it speaks plain HTTP. Give the certificate of your authority (`ca`) for this registry under \
         `images.sources`, or mark it `insecure` there if you accept that.";
    /// Unknown host, refused connection.
    UNREACHABLE = "registry-unreachable", "the registry cannot be reached",
        "There is no such host, or nothing listens there. Check the name of the registry in the image reference, the \
         network, and the proxy settings.";
    /// A redirect or a token server that must not be followed.
    UNSAFE = "registry-unsafe", "the registry points to a place that is not followed",
        "The registry redirected the request, or sent it for a token, to an address that a public registry has no \
         business with: this machine, a link-local or private address, or plain HTTP. It is not followed, so that \
         nobody can use transship to reach into your network or to read credentials on the way.";
    /// Content that is not what its digest says.
    DIGEST_MISMATCH = "image-digest-mismatch", "the content does not have its digest",
        "What was received is not what its digest says. The registry, or something between here and there, is broken \
         or changes content. Nothing of it is used.";
    /// Not a manifest of ours.
    MANIFEST = "image-manifest", "the manifest cannot be used",
        "The registry has something under this name that is no image of OCI or of Docker's second schema, or is not \
         what it claims to be. Push the image again with a current tool.";
    /// Not the artifact that is wanted.
    ARTIFACT = "artifact-type", "the artifact is of another type",
        "A reference `oci://…` names an application that was published with `docker compose publish`, and the registry \
         has something else under this name: an image, or an artifact of another program. Correct the name or the tag.";
    /// The platform does not exist.
    PLATFORM = "image-platform", "the image does not exist for the platform",
        "The service asks for a platform that the image was not built for. The message lists the platforms that \
         exist. Correct `platform`, or build the image for it.";
    /// It has an id and no digest.
    ONLY_LOCAL = "image-only-local", "the image exists on one Docker host alone",
        "The image was never pushed: `images.sources` takes it from a Docker Engine (`engine: true`), and the lock holds \
         its id, which means nothing anywhere else. A single Docker host can run it, and nothing else can: push it, and \
         run `transship lock --update`.";
    /// A promotion that names no place, no tag, or two images alike.
    PROMOTE = "promote-name", "the images cannot be named there",
        "`transship promote` gives every image the registry and path of `--to` and the last part of its own name. The \
         place must begin with a registry, every image must have a tag (`--tag`, or the one it has), and two images \
         must not come to the same name.";
    /// A layout that is none.
    LAYOUT = "image-layout", "the image layout cannot be read",
        "A source under `images.sources` names a directory in OCI image layout, and it is missing, incomplete or \
         damaged. It holds `oci-layout`, `index.json` and `blobs/`.";
    /// Credentials that cannot be read.
    CREDENTIALS = "registry-credentials", "the credentials for the registry cannot be read",
        "A file with registry credentials is damaged, or a credential helper is missing, failed or did not answer. \
         Repair it, or log in again; nothing is tried without credentials where some are configured. A helper has 20 \
         seconds; `TRANSSHIP_HELPER_TIMEOUT=1m` gives it another time, and then it is ended with all that it started.";
    /// A lock that cannot be read.
    LOCK = "lock-broken", "the lock is damaged",
        "`transship.lock` holds something that transship never writes there. Take it back from version control; after \
         a merge conflict take either side and run `transship lock`.";
    /// A lock of another version.
    LOCK_VERSION = "lock-version", "the lock is of another version",
        "`transship.lock` was written in a format that this transship does not know. Use the newer transship, or \
         remove the file and run `transship lock`.";
}
