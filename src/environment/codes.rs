//! What can be wrong with `transship.yaml` and the choice of an environment.

use crate::diagnostic::{Code, Severity};

/// A key nobody knows.
pub static UNKNOWN_SETTING: Code = Code {
    name: "unknown-setting",
    severity: Severity::Error,
    title: "transship.yaml has no such key",
    explain: "The key is not one that transship.yaml has at this place, so nobody would read it. It is most often \
              misspelt or indented one level too deep or too shallow. schemas/transship.yaml.json lists every key; \
              an editor that knows JSON Schema completes and checks them.",
};

/// A value of the wrong kind.
pub static WRONG_SETTING: Code = Code {
    name: "wrong-setting",
    severity: Severity::Error,
    title: "a value in transship.yaml is not of the kind wanted there",
    explain: "The key wants another kind of value, or one of a few words. Mind that YAML reads `1.30` as the number \
              1.3: versions need quotes.",
};

/// An environment nobody declared.
pub static UNKNOWN_ENVIRONMENT: Code = Code {
    name: "unknown-environment",
    severity: Severity::Error,
    title: "there is no such environment",
    explain: "An environment is declared under `environments` in transship.yaml, or is there because an overlay of its \
              name stands beside the Compose file: compose.NAME.yaml, docker-compose.NAME.yml or \
              docker-compose.env.NAME.yml. `transship environments` lists them. An environment without either is \
              refused, because a misspelt name would otherwise deploy the development defaults under a new name.",
};

/// None named, several there.
pub static ENVIRONMENT_REQUIRED: Code = Code {
    name: "environment-required",
    severity: Severity::Error,
    title: "several environments are declared, and none was named",
    explain: "With exactly one environment that one is meant. With several, name one: `transship diff production`, or \
              `-e production` before any command.",
};

/// No place to go.
pub static DESTINATION_REQUIRED: Code = Code {
    name: "destination-required",
    severity: Severity::Error,
    title: "nothing says where the application goes",
    explain: "A live cluster is never guessed from the current context. Either the environment in transship.yaml has \
              `kubernetes: {context: …}`, `swarm: {…}`, `compose: {…}`, `marathon: {url: …}` or `output: DIRECTORY`, or the \
              command line says `--context NAME`, `--to swarm`, `--to compose` or `--output DIRECTORY`.",
};

pub(crate) const ALL: &[&Code] =
    &[&UNKNOWN_SETTING, &WRONG_SETTING, &UNKNOWN_ENVIRONMENT, &ENVIRONMENT_REQUIRED, &DESTINATION_REQUIRED];
