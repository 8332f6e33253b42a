//! Git repositories, through the program `git`: its configuration, credentials, proxies and keys count as ever.
#![allow(clippy::disallowed_methods, reason = "the program is started here, and nowhere else")]

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};

use super::codes;
use crate::{
    compose::{GitPlace, RemoteFailure},
    diagnostic::Code,
};

/// The most that `git` may say, bytes.
const LARGEST: u64 = 1024 * 1024;
/// What is set while a hook runs, and would lead `git` into another repository.
const OF_ANOTHER: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
];

/// The program.
#[derive(Clone, Debug)]
pub(super) struct Git {
    pub(super) program: String,
    /// What is added to the variables of this process.
    variables: Vec<(&'static str, &'static str)>,
    /// How long it may look something up.
    pub(super) to_look: Duration,
    /// How long it may fetch.
    pub(super) to_fetch: Duration,
}

/// What it said.
struct Said {
    status: Option<i32>,
    output: String,
    errors: String,
}

impl Git {
    /// The program as people have it, told to ask nobody unless they say otherwise.
    pub(super) fn new(of_process: &BTreeMap<String, String>) -> Self {
        let set = |name: &str| of_process.get(name).is_some_and(|value| !value.is_empty());
        let mut variables = vec![("LC_ALL", "C")];
        if !set("GIT_TERMINAL_PROMPT") {
            variables.push(("GIT_TERMINAL_PROMPT", "0"));
        }
        if !set("GIT_SSH") && !set("GIT_SSH_COMMAND") {
            variables.push(("GIT_SSH_COMMAND", "ssh -o ControlMaster=no -o BatchMode=yes"));
        }
        let (to_look, to_fetch) = (Duration::from_secs(60), Duration::from_secs(600));
        Self { program: "git".to_owned(), variables, to_look, to_fetch }
    }

    /// The commit that a revision stands for now.
    pub(super) async fn commit(&self, place: &GitPlace) -> Result<String, RemoteFailure> {
        let GitPlace { repository, revision, .. } = place;
        let peeled = format!("{revision}^{{}}");
        let arguments = ["ls-remote", "--exit-code", "--", repository, revision, &peeled];
        let said = self.run(None, &arguments, self.to_look, place).await?;
        match said.status {
            Some(0) => {}
            Some(2) => return Err(no_revision(revision)),
            _ => return Err(failure(&said.errors, place)),
        }
        chosen(&said.output, revision).ok_or_else(|| {
            let message = "git names no commit of 40 hexadecimal digits".to_owned();
            let help = "repositories with other names for their commits are not read yet".to_owned();
            RemoteFailure { code: &codes::GIT_FAILED, message, help }
        })
    }

    /// Puts the files of a commit into an empty directory, and nothing else.
    pub(super) async fn checkout(&self, place: &GitPlace, commit: &str, into: &Path) -> Result<(), RemoteFailure> {
        let repository = &*place.repository;
        let init = ["-c", "init.defaultBranch=main", "init", "-q", "--template="];
        self.done(into, &init, place).await?;
        let fetch = |what| ["fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", repository, what];
        let fetched = self.done(into, &fetch(commit), place).await;
        if let Err(failure) = fetched {
            // Old servers give out what a name stands for, and no commit by itself.
            if is_commit(&place.revision) || self.done(into, &fetch(&place.revision), place).await.is_err() {
                return Err(failure);
            }
        }
        let checkout = [
            "-c",
            "advice.detachedHead=false",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.autocrlf=false",
            "checkout",
            "-q",
            "--detach",
            commit,
        ];
        self.done(into, &checkout, place).await
    }

    async fn done(&self, directory: &Path, arguments: &[&str], place: &GitPlace) -> Result<(), RemoteFailure> {
        let said = self.run(Some(directory), arguments, self.to_fetch, place).await?;
        if said.status == Some(0) { Ok(()) } else { Err(failure(&said.errors, place)) }
    }

    async fn run(
        &self,
        directory: Option<&Path>,
        arguments: &[&str],
        within: Duration,
        place: &GitPlace,
    ) -> Result<Said, RemoteFailure> {
        tracing::debug!(
            revision = &*place.revision,
            "git {}",
            arguments.iter().find(|a| !a.starts_with('-')).unwrap_or(&"")
        );
        let mut command = Command::new(&self.program);
        for name in OF_ANOTHER {
            command.env_remove(name);
        }
        if let Some(directory) = directory {
            command.current_dir(directory);
        }
        command.envs(self.variables.iter().copied()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let failed =
            |code, message: &str, help: &str| RemoteFailure { code, message: message.into(), help: help.into() };
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                failed(&codes::GIT_MISSING, "the program `git` is not there", "install git, or fetch the part first")
            }
            _ => failed(&codes::GIT_FAILED, "git cannot be started", "see whether `git --version` works here"),
        })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let saying = async {
            let (output, errors) = tokio::join!(all(stdout), all(stderr));
            let status = child.wait().await.ok().and_then(|status| status.code());
            Said { status, output, errors }
        };
        tokio::time::timeout(within, saying).await.map_err(|_| {
            let message = format!("the repository did not answer within {within:?}");
            failed(&codes::REPOSITORY_UNREACHABLE, &message, "check the network between here and there, and try again")
        })
    }
}

/// Whether a revision says a commit itself.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

async fn all(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What is broken off is told by the status.
        let _ = stream.take(LARGEST).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The commit of a revision among the lines of `git ls-remote`: that of the name itself before that of names which only
/// end like it, and what a tag stands for before the tag.
fn chosen(lines: &str, revision: &str) -> Option<String> {
    let lines: Vec<(&str, &str)> = lines.lines().filter_map(|line| line.split_once('\t')).collect();
    let named = |name: &str| lines.iter().find(|(_, known)| *known == name);
    let (commit, name) = named(revision)
        .or_else(|| named(&format!("refs/heads/{revision}")))
        .or_else(|| named(&format!("refs/tags/{revision}")))
        .or_else(|| lines.first())?;
    let commit = named(&format!("{name}^{{}}")).map_or(*commit, |(commit, _)| commit);
    is_commit(commit).then(|| commit.to_owned())
}

fn no_revision(revision: &str) -> RemoteFailure {
    RemoteFailure {
        code: &codes::REPOSITORY_NOT_FOUND,
        message: format!("the repository has no branch and no tag `{revision}`"),
        help: "check what follows `#` in the reference; `git ls-remote` lists what there is".to_owned(),
    }
}

/// What the complaints of `git` come to.
fn failure(errors: &str, place: &GitPlace) -> RemoteFailure {
    const KINDS: &[(&[&str], &Code, &str, &str)] = &[
        (
            &["could not resolve host", "could not resolve hostname", "name or service not known"],
            &codes::REPOSITORY_UNREACHABLE,
            "there is no host of this name, or it cannot be looked up",
            "check the address and the network",
        ),
        (
            &[
                "authentication failed",
                "could not read username",
                "could not read password",
                "permission denied",
                "host key verification failed",
                "access denied",
                "error: 401",
                "error: 403",
                "terminal prompts disabled",
            ],
            &codes::REPOSITORY_DENIED,
            "the host lets nobody in without credentials, or not with these",
            "let git know them: a credential helper, ~/.netrc, or a key of ssh; `git ls-remote` shows whether it does",
        ),
        (
            &["certificate", "ssl"],
            &codes::REPOSITORY_UNREACHABLE,
            "no secure connection to the host",
            "let git know the certificate of your authority: `git config http.sslCAInfo FILE`",
        ),
        (
            &[
                "not our ref",
                "unadvertised object",
                "couldn't find remote ref",
                "unable to read tree",
                "no such remote ref",
            ],
            &codes::REPOSITORY_NOT_FOUND,
            "the repository does not give out this revision",
            "see whether it still exists; `transship lock --update` takes what its name stands for now",
        ),
        (
            &["not found", "does not exist", "does not appear to be a git repository", "error: 404", "no such device"],
            &codes::REPOSITORY_NOT_FOUND,
            "there is no such repository",
            "check what stands before `#` in the reference, and whether you may read it",
        ),
        (
            &[
                "connection refused",
                "failed to connect",
                "couldn't connect",
                "timed out",
                "unreachable",
                "no route to host",
            ],
            &codes::REPOSITORY_UNREACHABLE,
            "the host does not answer",
            "check the address, the network and the proxy settings of git",
        ),
    ];
    // What the other side says stands after `remote:`.
    let mut own = errors.lines().filter(|line| !line.trim_start().starts_with("remote:"));
    let lower = own.clone().collect::<Vec<_>>().join("\n").to_ascii_lowercase();
    for (signs, code, message, help) in KINDS {
        if signs.iter().any(|sign| lower.contains(sign)) {
            return RemoteFailure { code, message: (*message).to_owned(), help: (*help).to_owned() };
        }
    }
    let last = own.rfind(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    // An address may hold what opens it.
    let words = last.unwrap_or("it ends without a word").replace(&*place.repository, "the repository");
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    RemoteFailure {
        code: &codes::GIT_FAILED,
        message: format!("git says: {words}"),
        help: "try the same address with `git ls-remote`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_preferred_to_names_that_end_like_it() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|digit| digit.repeat(40));
        let lines = format!(
            "{a}\trefs/heads/feature/main\n{b}\trefs/heads/main\n{c}\trefs/tags/main\n{d}\trefs/tags/main^{{}}\n"
        );
        assert_eq!(chosen(&lines, "main"), Some(b));
        assert_eq!(chosen(&lines, "refs/tags/main"), Some(d));
        assert_eq!(chosen(&lines, "other"), Some(a));
        assert_eq!(chosen("HEAD\n", "HEAD"), None);
    }
}
