//! The program that Docker Compose is: found, and started with a file of ours.
#![allow(clippy::disallowed_methods, reason = "the one other program that a Docker host is written to with")]

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use crate::environment::EngineName;

/// Docker Compose, as a plugin of the Docker client or by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DockerCompose {
    program: &'static str,
    /// What stands before everything else.
    leading: &'static [&'static str],
}

/// How a file reaches Docker Compose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fed<'a> {
    /// On standard input, and nothing of it stays anywhere; a directory for what is written in between.
    Input(&'a Path),
    /// Under this path, because somebody else needs standard input.
    File(&'a str),
}

/// What Docker Compose is started with.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// The application, secret parts as `${NAME}`.
    pub document: &'a str,
    /// What stands behind those names.
    pub variables: &'a BTreeMap<String, String>,
    /// The project.
    pub project: &'a str,
    /// Where relative paths start.
    pub directory: &'a str,
    /// Which engine is meant.
    pub engine: &'a EngineName,
    /// Everything from the command on.
    pub arguments: &'a [OsString],
}

/// Variables of Docker Compose that would change which application is meant, or what becomes of what others run.
const CLEARED: &[&str] = &[
    "COMPOSE_FILE",
    "COMPOSE_PATH_SEPARATOR",
    "COMPOSE_PROFILES",
    "COMPOSE_PROJECT_NAME",
    "COMPOSE_ENV_FILES",
    "COMPOSE_REMOVE_ORPHANS",
    "COMPOSE_IGNORE_ORPHANS",
];

impl DockerCompose {
    const FORMS: [Self; 2] =
        [Self { program: "docker", leading: &["compose"] }, Self { program: "docker-compose", leading: &[] }];

    /// The one that is installed; `None`: neither is.
    pub fn find() -> Option<Self> {
        Self::FORMS.into_iter().find(|form| {
            let mut command = Command::new(form.program);
            command.args(form.leading).args(["version", "--short"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
    }

    /// Takes the place of this process, where the system can; else gives its exit code.
    ///
    /// # Errors
    /// When it cannot be started.
    #[cfg(unix)]
    pub fn become_it(mut command: Command) -> io::Result<u8> {
        use std::os::unix::process::CommandExt as _;
        Err(command.exec())
    }

    /// Takes the place of this process, where the system can; else gives its exit code.
    ///
    /// # Errors
    /// When it cannot be started.
    #[cfg(not(unix))]
    pub fn become_it(mut command: Command) -> io::Result<u8> {
        let code = command.status()?.code();
        Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }

    /// As messages name it.
    pub fn name(&self) -> String {
        [&[self.program], self.leading].concat().join(" ")
    }

    /// Ready to be started.
    ///
    /// # Errors
    /// When the file can be written nowhere.
    pub fn command(&self, call: &Invocation<'_>, fed: Fed<'_>) -> io::Result<Command> {
        let mut command = Command::new(self.program);
        command.args(self.leading);
        command.arg("-f");
        match fed {
            Fed::Input(directory) => {
                command.arg("-").stdin(unnamed(directory, call.document.as_bytes())?);
            }
            Fed::File(path) => {
                private(Path::new(path), call.document.as_bytes())?;
                command.arg(path);
            }
        }
        command.args(["-p", call.project, "--project-directory", call.directory]);
        // The file holds everything: another one beside it would only be in the way.
        command.args(["--env-file", "/dev/null"]);
        command.args(call.arguments);
        for name in CLEARED {
            command.env_remove(name);
        }
        match (&call.engine.host, &call.engine.context) {
            (Some(host), _) => {
                command.env("DOCKER_HOST", &**host).env_remove("DOCKER_CONTEXT");
            }
            (None, Some(context)) => {
                command.env("DOCKER_CONTEXT", &**context).env_remove("DOCKER_HOST");
            }
            (None, None) => {}
        }
        command.envs(call.variables);
        Ok(command)
    }
}

/// A file that is gone as soon as nobody reads it any more.
fn unnamed(directory: &Path, bytes: &[u8]) -> io::Result<fs::File> {
    use io::Write as _;
    for number in 0_u32.. {
        let path = directory.join(format!("transship-{}-{number}.yaml", std::process::id()));
        match options().create_new(true).read(true).write(true).open(&path) {
            Ok(mut file) => {
                let written = file.write_all(bytes);
                let opened = fs::File::open(&path);
                fs::remove_file(&path)?;
                written?;
                return opened;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A file that only its owner reads.
fn private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    options().create(true).truncate(true).write(true).open(path)?.write_all(bytes)
}

#[cfg(unix)]
fn options() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn options() -> fs::OpenOptions {
    fs::OpenOptions::new()
}

/// Whether a command of Docker Compose reads what somebody types, or what is piped to it.
pub fn reads_input(arguments: &[OsString]) -> bool {
    matches!(subcommand(arguments), Some("exec" | "run" | "attach" | "cp"))
}

/// The command among what Docker Compose is told.
pub fn subcommand(arguments: &[OsString]) -> Option<&str> {
    const WITH_VALUE: &[&str] = &["--ansi", "--parallel", "--profile", "--progress"];
    let mut arguments = arguments.iter().map(OsString::as_os_str);
    while let Some(argument) = arguments.next() {
        if WITH_VALUE.iter().any(|flag| argument == OsStr::new(flag)) {
            arguments.next();
        } else if !argument.to_string_lossy().starts_with('-') {
            return argument.to_str();
        }
    }
    None
}
