//! What can be wrong with Compose files.

use std::io;

use crate::{
    diagnostic::{Code, Finding, Severity},
    value::{Masked, Spot},
};

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $text:literal, $severity:ident, $title:literal, $explain:literal;)*) => {
        $($(#[$meta])* pub static $name: Code = Code { name: $text, severity: Severity::$severity, title: $title, explain: $explain };)*
        pub(crate) const ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    /// No file.
    NO_FILE = "no-compose-file", Error, "there is no Compose file",
        "transship looks where Docker Compose looks: in the working directory and the directories above it, for \
         compose.yaml, compose.yml, docker-compose.yml and docker-compose.yaml. Name another file with `-f`, or with \
         `files` in transship.yaml.";
    /// A file that cannot be read.
    UNREADABLE = "file-unreadable", Error, "a file cannot be read",
        "A file that the command line, a Compose file or transship.yaml names is missing or may not be read. Paths of \
         `-f` start from the working directory; paths inside Compose files start from the project directory, which is \
         that of the first file; paths inside an included or extended file start from that file's own directory.";
    /// The document is no mapping.
    NOT_A_MAPPING = "not-a-compose-file", Error, "the file does not hold a Compose application",
        "A Compose file is a mapping with `services` in it. An empty file, a list or a single word is none.";
    /// Too little.
    EMPTY = "empty-compose-file", Error, "nothing is declared",
        "After all files are merged nothing is left. Declare at least one service.";
    /// A key nobody knows.
    UNKNOWN_KEY = "unknown-key", Error, "the Compose specification has no such key",
        "The key is not part of the Compose specification at this place, so nobody would read it. It is most often \
         misspelt or indented one level too deep or too shallow. Keys of your own begin with `x-`.";
    /// A value of the wrong kind.
    WRONG_TYPE = "wrong-type", Error, "the value is of the wrong kind",
        "The Compose specification wants another kind of value at this place. Mind that YAML reads `yes` as a string, \
         `010` as eight and `1.0` as a number: quotes keep a value a string.";
    /// A required key is missing.
    MISSING_KEY = "missing-key", Error, "a required key is missing",
        "The Compose specification requires this key here.";
    /// Not a valid name or word.
    INVALID_VALUE = "invalid-value", Error, "the value is not one that Compose accepts",
        "The value has the right kind, but not a form that Compose accepts at this place.";
    /// Twice in a list.
    DUPLICATE_ITEM = "duplicate-item", Error, "an item stands twice in a list",
        "The Compose specification wants each item of this list once.";
    /// Overlays that do not fit.
    MERGE_CONFLICT = "merge-conflict", Error, "an overlay replaces a value by one of another kind",
        "Overlays are merged value by value: mappings into mappings, lists onto lists. A mapping cannot take the place \
         of a list, nor a word that of a mapping. Use `!override` to replace the value as a whole.";
    /// `${…}` that is none.
    INTERPOLATION = "invalid-interpolation", Error, "a `${…}` is not one of the known forms",
        "Known are $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:+other}, ${NAME+other}, ${NAME:?message} and \
         ${NAME?message}. A dollar sign that is meant as one is written `$$`.";
    /// `${NAME:?}`.
    VARIABLE_REQUIRED = "variable-required", Error, "a required variable has no value",
        "The file says with `${NAME:?message}` that it cannot do without this variable. Set it in the environment, in \
         .env, under `variables` of the environment in transship.yaml, or with `--set`.";
    /// Not set.
    VARIABLE_UNSET = "variable-unset", Warning, "a variable is not set",
        "A variable without a value and without a default counts as empty, as in Docker Compose. That is rarely meant: \
         an image tag or a port disappears. Set the variable, or give it a default with `${NAME:-default}`.";
    /// A bad `.env`.
    ENV_FILE = "invalid-env-file", Error, "a file of variables cannot be read",
        "Lines are NAME=value, NAME='literal' or NAME=\"value with ${VARIABLES}\"; `#` begins a comment after a blank.";
    /// A name that cannot be one.
    PROJECT_NAME = "invalid-project-name", Error, "the project name is not valid",
        "A project name consists of lower-case letters, digits, `-` and `_`, and begins with a letter or digit. It comes \
         from `-p`, COMPOSE_PROJECT_NAME, `name:` or the project directory, in this order.";
    /// Something named is not declared.
    UNDEFINED = "undefined-reference", Error, "something is used that is not declared",
        "A service uses a network, volume, config, secret, model or service that no file declares, or that no active \
         profile enables. Declare it, activate its profile, or mark the dependency `required: false`.";
    /// A circle.
    CYCLE = "cycle", Error, "services, files or aliases go round in a circle",
        "Dependencies, `extends` and `include` must end somewhere.";
    /// Two attributes that exclude each other.
    CONFLICT = "conflicting-attributes", Error, "two attributes exclude each other",
        "Both attributes say something about the same thing. Keep one.";
    /// `extends` to nothing.
    EXTENDS = "cannot-extend", Error, "the service that is extended does not exist",
        "`extends` names a service of the same file, of an included one, or with `file` of another file.";
    /// Old.
    OBSOLETE = "obsolete-version", Warning, "`version` has no effect",
        "Compose ignores `version` since it has one specification only. Remove the line.";
    /// Legal, but hardly meant.
    SUSPICIOUS = "suspicious-value", Warning, "a value without quotes is not what it looks like to everybody",
        "YAML has had several versions, and readers do not agree on what some words mean without quotes. Docker Compose \
         takes `yes`, `no`, `on` and `off` for strings, others for true and false; it takes `0440` for the number 288, \
         others for 440 or a string; it takes `22:22` for a string, others for the number 1342. Quotes say what is meant \
         to all of them.";
    /// Twice in one file.
    SHADOWED = "shadowed-value", Warning, "a value stands twice in one file, and only the later one counts",
        "In lists of variables, labels, mounts, ports and the like, a later entry for the same name takes the place of an \
         earlier one. In two files that is what overlays are for. In one file the earlier one is most often left over.";
    /// From elsewhere.
    REMOTE = "remote-file", Error, "a remote part of the application cannot be used",
        "`include`, `extends` and `-f` can name a directory of a git repository \
         (`https://HOST/REPOSITORY.git#REVISION:DIRECTORY`, `git@HOST:REPOSITORY.git`, `github.com/OWNER/REPOSITORY`) or a \
         Compose artifact of a registry (`oci://REGISTRY/REPOSITORY:TAG`). Addresses of single files are none of these. \
         COMPOSE_EXPERIMENTAL_GIT_REMOTE and COMPOSE_EXPERIMENTAL_OCI_REMOTE switch them off, as in Docker Compose.";
    /// A path that leads out of a remote part.
    OUTSIDE = "outside-its-tree", Error, "a remote part names a file outside itself",
        "What comes from a repository or a registry can read the files that came with it, and no others: neither by `..`, \
         nor by an absolute path, nor by a link. Otherwise whoever can change it could read your machine. Name the file \
         in an overlay of your own, where it belongs.";
}

pub(crate) fn unreadable(shown: &str, error: &io::Error) -> Finding {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    Finding::new(&UNREADABLE, Masked::words(format!("cannot read {shown}: {why}")), Spot::NOWHERE)
        .help("check the path and where it starts from")
}
