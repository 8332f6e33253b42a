//! What can be wrong with remote parts of an application.

use crate::diagnostic::{Code, Severity};

macro_rules! codes {
    ($($(#[$meta:meta])* $constant:ident = $name:literal, $title:literal, $explain:literal;)*) => {
        $($(#[$meta])* pub static $constant: Code =
            Code { name: $name, severity: Severity::Error, title: $title, explain: $explain };)*
        pub(crate) const ALL: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    /// No `git`.
    GIT_MISSING = "git-missing", "the program git is not there",
        "Parts of the application come from a git repository, and repositories are read with the program `git`, which \
         was not found on the search path. Install it. Nothing but such parts needs it.";
    /// It fails for a reason of its own.
    GIT_FAILED = "git-failed", "git cannot read the repository",
        "`git` was started and failed; its own words are in the message. Try the same address with `git ls-remote`.";
    /// No such host, no answer.
    REPOSITORY_UNREACHABLE = "repository-unreachable", "the repository cannot be reached",
        "There is no such host, it does not answer, or no secure connection to it is possible. What is locked and was \
         fetched before needs no connection. Check the address, the network and the proxy settings of `git`.";
    /// 401, 403, keys.
    REPOSITORY_DENIED = "repository-denied", "the repository is not open to you",
        "The host wants credentials, or does not accept those it was shown. `git` takes them from its credential \
         helpers, from ~/.netrc or from ssh, and asks nobody. Some hosts answer the same for repositories that do not \
         exist.";
    /// Nothing there.
    REPOSITORY_NOT_FOUND = "repository-not-found", "there is no such repository or revision",
        "The host has no repository of this name, or the repository has no branch, tag or commit of this name. Correct \
         what stands before or after `#` in the reference.";
    /// The lock lacks it.
    NOT_LOCKED = "remote-not-locked", "the lock does not hold the remote part",
        "Only what `transship.lock` holds under `includes` may be used here (and without a network: only what was \
         fetched before), and it lacks this part. Run `transship lock` and keep the result under version control.";
    /// Another commit than the reference says.
    MISMATCH = "remote-mismatch", "the revision is not the one that is wanted",
        "The reference says with `checksum` or `commit` which commit its branch or tag stands for, and it stands for \
         another one: somebody moved it. Look at what changed before you accept it.";
    /// No place to keep things.
    CACHE = "remote-cache", "remote parts cannot be kept",
        "What is fetched is kept in `$XDG_CACHE_HOME/transship`, or else in `~/.cache/transship`, and that directory \
         cannot be used. Set one of XDG_CACHE_HOME and HOME to a directory that can be written to.";
    /// A hostile or mistaken tangle.
    TOO_MANY = "remote-too-many", "the application has too many remote parts",
        "An application is put together from 200 remote parts at most, counted with those that remote parts name \
         themselves. Put files that belong together into one repository.";
}
