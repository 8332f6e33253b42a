//! The command line: one file per command, each with what it understands and what it does. No logic lives
//! here that a user of the library would miss.

mod apply;
mod arguments;
mod check;
mod completions;
mod compose;
mod config;
mod destroy;
mod diff;
mod environments;
mod exit;
mod explain;
mod journey;
mod lock;
mod output;
mod plan;
mod progress;
mod promote;
mod render;
mod show;
mod stages;
mod status;
mod writing;

use std::{
    ffi::OsString,
    io,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Parser as _;
use tokio::{runtime, sync::watch};

pub use arguments::Arguments;
pub use exit::Exit;

use self::{
    arguments::{Command, Global, To},
    exit::{Found, Stop, of_failure},
    output::Output,
};
use crate::{
    environment::{Flags, Known, Selected, find, select},
    image::Registries,
    platform::Failure,
    remote::Parts,
    report::{self, ErrorDocument},
    session::{Disk, Session},
    value::{Origins, Secrets},
};

/// Runs the command that the process was started for, and gives its exit code.
pub fn main() -> u8 {
    run(Session::arguments()).code()
}

fn run(arguments: impl Iterator<Item = OsString>) -> Exit {
    let session = match Session::of_process() {
        Ok(session) => session,
        Err(error) => {
            let _ = Session::errors(false)
                .write_all(format!("error: the working directory is not there: {error}\n").as_bytes());
            return Exit::Failed;
        }
    };
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&session, &error),
    };
    match arguments.global.verbose {
        0 => {}
        1 => Session::trace(tracing::Level::INFO),
        _ => Session::trace(tracing::Level::DEBUG),
    }
    let context = Context {
        output: Output::new(&session, &arguments.global),
        global: arguments.global,
        session,
        writing: AtomicBool::new(false),
        stop: watch::Sender::new(false),
        origins: Origins::new(),
        concealed: Arc::new(Secrets::default()),
        parts: OnceLock::new(),
        asked: Mutex::default(),
    };
    let mut threads = match arguments.command {
        // Over before two threads have started.
        Command::Config(_) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = match threads.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            context.output.error(&format!("no threads can be started: {error}"), None);
            return Exit::Failed;
        }
    };
    let exit = runtime.block_on(async {
        let work = async {
            let exit = dispatch(&context, arguments.command).await;
            let exit = exit.unwrap_or_else(|error| context.explain_error(&error));
            context.tell_of_registries();
            exit
        };
        tokio::pin!(work);
        let signal = tokio::select! {
            exit = &mut work => return exit,
            signal = interrupted() => signal,
        };
        if !context.writing.load(Ordering::Relaxed) {
            context.output.say("interrupted; nothing was changed");
            return signal;
        }
        // What is being written is finished, noted down, and the lock given back; a second signal ends it at once.
        context.output.say("interrupted: ending after this step; once more to end at once");
        let _ = context.stop.send(true);
        tokio::select! {
            exit = &mut work => if exit == Exit::Interrupted { signal } else { exit },
            signal = interrupted() => signal,
        }
    });
    runtime.shutdown_background();
    exit
}

/// Help and version are results; anything else is a mistake in the command line.
fn usage(session: &Session, error: &clap::Error) -> Exit {
    let color = |terminal: bool| terminal && session.variable("NO_COLOR").is_none();
    let (mut stream, terminal, exit) = if error.use_stderr() {
        (Session::errors(color(session.terminal.error)), session.terminal.error, Exit::Usage)
    } else {
        (Session::output(color(session.terminal.output)), session.terminal.output, Exit::Done)
    };
    let text = error.render();
    let text = if color(terminal) { text.ansi().to_string() } else { text.to_string() };
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    exit
}

#[cfg(unix)]
async fn interrupted() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut keyboard), Ok(mut end)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = keyboard.recv() => Exit::Interrupted,
        _ = end.recv() => Exit::Terminated,
    }
}

#[cfg(not(unix))]
async fn interrupted() -> Exit {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Exit::Interrupted,
        Err(_) => std::future::pending().await,
    }
}

async fn dispatch(context: &Context, command: Command) -> anyhow::Result<Exit> {
    let registry = context.global.to.iter().find_map(To::registry);
    if let (Some(name), false) = (registry, matches!(command, Command::Promote(_))) {
        let message = format!("--to: `{name}` is a registry, and only `promote` goes to one");
        return Err(Stop::new(Exit::Usage, message).into());
    }
    if context.global.to.len() > 1 && !matches!(command, Command::Check(_)) {
        return Err(Stop::new(Exit::Usage, "--to: several targets are only understood by `check`").into());
    }
    match command {
        Command::Compose(arguments) => compose::run(context, &arguments).await,
        Command::Config(arguments) => config::run(context, &arguments).await,
        Command::Lock(arguments) => lock::run(context, &arguments).await,
        Command::Promote(arguments) => promote::run(context, &arguments).await,
        Command::Render(arguments) => render::run(context, &arguments).await,
        Command::Check(arguments) => check::run(context, &arguments).await,
        Command::Diff(arguments) => diff::run(context, &arguments).await,
        Command::Plan(arguments) => plan::run(context, &arguments).await,
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Apply(arguments) => apply::run(context, &arguments).await,
        Command::Status(arguments) => status::run(context, &arguments).await,
        Command::Destroy(arguments) => destroy::run(context, &arguments).await,
        Command::Environments(arguments) => environments::run(context, &arguments),
        Command::Explain(arguments) => explain::run(context, &arguments),
        Command::Completions(arguments) => completions::run(context, &arguments),
    }
}

/// What every command is handed.
struct Context {
    session: Session,
    global: Global,
    output: Output,
    /// Whether something is being written, so that an interruption has to be waited for.
    writing: AtomicBool,
    /// Tells whoever writes to end.
    stop: watch::Sender<bool>,
    origins: Arc<Origins>,
    concealed: Arc<Secrets>,
    /// What the application has in repositories and registries.
    parts: OnceLock<Parts>,
    /// The registries that are asked in this run.
    asked: Mutex<Vec<Registries>>,
}

impl Context {
    fn flags(&self) -> Flags {
        self.global.flags()
    }

    /// Colours of results.
    const fn paint(&self) -> report::Paint {
        report::Paint(self.output.color)
    }

    /// The settings file and the environments there are.
    fn known(&self) -> anyhow::Result<Known> {
        Ok(find(&self.flags(), &self.session.directory, &Disk, &self.origins).map_err(Found)?)
    }

    /// The environment that is meant.
    fn selected(&self, known: &Known, positional: Option<&str>) -> anyhow::Result<Selected> {
        let flag = self.global.environment.as_deref();
        if let (Some(one), Some(other)) = (positional, flag)
            && one != other
        {
            let message = format!("two environments are named: `{one}` and, with -e, `{other}`");
            return Err(Stop::new(Exit::Usage, message).help("name one of them").into());
        }
        let named = positional.or(flag);
        let (variables, here) = (&self.session.variables, &self.session.directory);
        let mut selected = select(known, named, &self.flags(), variables, here, &self.origins).map_err(Found)?;
        if selected.request.files.iter().any(|path| path == "-") {
            selected.request.standard_input = Some(Session::standard_input()?);
        }
        Ok(selected)
    }

    /// Says why a command ended, and gives the code.
    fn explain_error(&self, error: &anyhow::Error) -> Exit {
        if error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|io| io.kind() == io::ErrorKind::BrokenPipe)
        {
            // Whoever reads has seen enough.
            return Exit::Done;
        }
        let (exit, message, help, findings) = if let Some(found) = error.downcast_ref::<Found>() {
            (Exit::Failed, None, None, Some(&found.0))
        } else if let Some(stop) = error.downcast_ref::<Stop>() {
            (stop.exit, Some(stop.message.to_string()), stop.help.as_ref().map(ToString::to_string), None)
        } else if let Some(failure) = error.downcast_ref::<Failure>() {
            (of_failure(failure), Some(failure.reason.to_string()), None, None)
        } else {
            (Exit::Failed, Some(self.concealed.scrub(&format!("{error:#}")).to_string()), None, None)
        };
        if let Some(findings) = findings {
            self.output.findings(findings, &self.origins, &self.concealed);
        }
        if let Some(message) = &message {
            self.output.error(message, help.as_deref());
        }
        if self.output.json() {
            let findings =
                findings.map(|findings| crate::diagnostic::view(findings, &self.origins)).unwrap_or_default();
            let document = ErrorDocument::new(exit.code(), message, help, findings);
            let _ = self.output.document(&document);
        }
        exit
    }

    /// Raises warnings where asked, shows what remains, and ends the command when an error is among it.
    fn judge(
        &self,
        selected: Option<&Selected>,
        mut findings: crate::diagnostic::Findings,
    ) -> anyhow::Result<crate::diagnostic::Findings> {
        self.weigh(selected, &mut findings);
        if findings.has_errors() {
            return Err(Found(findings).into());
        }
        self.output.findings(&findings, &self.origins, &self.concealed);
        Ok(findings)
    }

    /// Leaves out what the environment accepts, and raises warnings where asked.
    fn weigh(&self, selected: Option<&Selected>, findings: &mut crate::diagnostic::Findings) {
        if let Some(selected) = selected {
            selected.silence(findings);
        }
        if self.global.strict {
            findings.retain_mut(|finding| {
                if finding.severity == crate::diagnostic::Severity::Warning {
                    finding.severity = crate::diagnostic::Severity::Error;
                }
                true
            });
        }
    }
}

/// JSON Schemas of every document this command line prints, by file name.
pub fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    let mut all = report::schemas();
    all.push(("provenance", schemars::schema_for!(crate::compose::ProvenanceDocument).to_value()));
    all.push(("transship.yaml", crate::environment::schema()));
    all
}
