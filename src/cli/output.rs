//! Results on standard output; progress, warnings and questions on standard error.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

use super::arguments::{Format, Global};
use crate::{
    diagnostic::{Findings, Severity, Style, render},
    session::{Session, Terminal},
    value::{Origins, Secrets},
};

/// Where this run writes.
pub(super) struct Output {
    results: Mutex<Box<dyn Write + Send>>,
    errors: Mutex<Box<dyn Write + Send>>,
    /// Form of results.
    pub(super) format: Format,
    /// Colours on standard error.
    style: Style,
    /// Colours on standard output.
    pub(super) color: bool,
    pub(super) quiet: bool,
    pub(super) terminal: Terminal,
}

impl Output {
    pub(super) fn new(session: &Session, global: &Global) -> Self {
        let wanted = !global.no_color && session.variable("NO_COLOR").is_none();
        let forced = session.variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let dumb = session.variable("TERM") == Some("dumb");
        let color = |terminal: bool| wanted && (forced || (terminal && !dumb));
        let least = match (global.quiet, global.verbose) {
            (true, _) => Severity::Error,
            (false, 0) => Severity::Warning,
            (false, _) => Severity::Info,
        };
        let width = session.variable("COLUMNS").and_then(|text| text.parse().ok()).unwrap_or(120);
        Self {
            results: Mutex::new(Session::output(color(session.terminal.output))),
            errors: Mutex::new(Session::errors(color(session.terminal.error))),
            format: global.format,
            style: Style { color: color(session.terminal.error), width, least },
            color: color(session.terminal.output),
            quiet: global.quiet,
            terminal: session.terminal,
        }
    }

    pub(super) fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// A piece of the result.
    pub(super) fn result(&self, text: &str) -> io::Result<()> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.write_all(text.as_bytes())?;
        results.flush()
    }

    /// The result as a document.
    pub(super) fn document(&self, document: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(document)?;
        text.push('\n');
        Ok(self.result(&text)?)
    }

    /// A line for people, left out when quiet.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// A line for people that is always shown.
    pub(super) fn say(&self, text: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can be told that nobody can be told.
        let _ = writeln!(errors, "{text}");
    }

    /// A question without a line end.
    pub(super) fn ask(&self, text: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write!(errors, "{text}").and_then(|()| errors.flush());
    }

    /// Findings, to standard error.
    pub(super) fn findings(&self, findings: &Findings, origins: &Origins, secrets: &Secrets) {
        let text = render(findings, origins, secrets, self.style);
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = errors.write_all(text.as_bytes());
    }

    /// An error that is no finding.
    pub(super) fn error(&self, message: &str, help: Option<&str>) {
        let (start, end) = if self.style.color { ("\u{1b}[1;91m", "\u{1b}[0m") } else { ("", "") };
        self.say(&format!("{start}error{end}: {message}"));
        if let Some(help) = help {
            self.say(&format!("  = help: {help}"));
        }
    }
}
