#![allow(
    clippy::disallowed_methods,
    reason = "the one room that asks the process: variables, directory, clock, terminal, standard streams"
)]
//! All ambient state of one run. Nothing else asks the process for its variables, its directory, the time, or
//! whether somebody is watching; whoever needs one of these is handed it from here.

mod disk;

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write},
    time::{SystemTime, UNIX_EPOCH},
};

pub use disk::Disk;

/// What the process was started with.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its variables; those whose bytes are no text are left out.
    pub variables: BTreeMap<String, String>,
    /// The directory that relative paths of the command line start from; absolute.
    pub directory: String,
    /// Which of the standard streams are terminals.
    pub terminal: Terminal,
}

/// Which of the standard streams are terminals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Somebody can answer.
    pub input: bool,
    /// Results are read by eye.
    pub output: bool,
    /// Progress is.
    pub error: bool,
}

impl Session {
    /// Asks the process, once.
    ///
    /// # Errors
    /// When the working directory is gone, or its path is no text.
    pub fn of_process() -> io::Result<Self> {
        let directory = std::env::current_dir()?
            .into_os_string()
            .into_string()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the path of the working directory is not text"))?;
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let terminal = Terminal {
            input: io::stdin().is_terminal(),
            output: io::stdout().is_terminal(),
            error: io::stderr().is_terminal(),
        };
        Ok(Self { variables, directory, terminal })
    }

    /// The arguments of the process.
    pub fn arguments() -> impl Iterator<Item = std::ffi::OsString> {
        std::env::args_os()
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Who runs this, as far as the process knows; for the ledger.
    pub fn user(&self) -> String {
        ["TRANSSHIP_USER", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR", "USER", "LOGNAME"]
            .iter()
            .find_map(|name| self.variable(name))
            .unwrap_or("unknown")
            .to_owned()
    }

    /// Seconds since 1970.
    pub fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Random bytes that nobody can guess.
    ///
    /// # Errors
    /// When the machine has none.
    pub fn random() -> io::Result<[u8; 32]> {
        let mut bytes = [0; 32];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut bytes).map_err(|_| io::Error::other("the machine gives no random bytes"))?;
        Ok(bytes)
    }

    /// All of standard input.
    ///
    /// # Errors
    /// Those of reading.
    pub fn standard_input() -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// One line somebody types; empty at the end of the input.
    ///
    /// # Errors
    /// Those of reading.
    pub fn answer() -> io::Result<String> {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Tells on standard error what happens inside, from this level on. Once in a process.
    pub fn trace(level: tracing::Level) {
        let _ = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).with_max_level(level).try_init();
    }

    /// Standard output, with styles left out unless `color`.
    pub fn output(color: bool) -> Box<dyn Write + Send> {
        if color {
            Box::new(io::BufWriter::new(io::stdout()))
        } else {
            let stripped = anstream::StripStream::new(io::stdout());
            Box::new(io::BufWriter::new(Unstyled { stripped, styled: false }))
        }
    }

    /// Standard error, with styles left out unless `color`.
    pub fn errors(color: bool) -> Box<dyn Write + Send> {
        Box::new(anstream::AutoStream::new(io::stderr(), choice(color)))
    }
}

/// Leaves out styles, once there is any: large results hold none, and are not looked at byte by byte.
struct Unstyled {
    stripped: anstream::StripStream<io::Stdout>,
    styled: bool,
}

impl Write for Unstyled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let control = |b: u8| matches!(b, 0..=8 | 11 | 12 | 14..=31 | 0x7f);
        // Without a way out inside, so that it is done many bytes at a time.
        self.styled |= bytes.iter().fold(false, |any, b| any | control(*b));
        if self.styled { self.stripped.write(bytes) } else { io::stdout().write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

const fn choice(color: bool) -> anstream::ColorChoice {
    if color { anstream::ColorChoice::AlwaysAnsi } else { anstream::ColorChoice::Never }
}
