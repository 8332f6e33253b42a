//! What happens while it happens, on standard error: a line that moves on a terminal, plain lines elsewhere,
//! nothing when quiet.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use crate::platform::{Event, Progress, What};

/// Something that takes longer than a blink.
pub(super) struct Watch<'c> {
    context: &'c Context,
    bar: Option<ProgressBar>,
    /// The last plain line, so that none is written twice.
    last: Mutex<String>,
}

impl Context {
    /// Begins to tell about something. It ends when the value is dropped.
    pub(super) fn doing(&self, what: &str) -> Watch<'_> {
        let moving = self.output.terminal.error && !self.output.quiet && !self.output.json();
        let bar = moving.then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.to_owned());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Watch { context: self, bar, last: Mutex::new(String::new()) }
    }
}

impl Watch<'_> {
    /// A line about what is done now.
    pub(super) fn tell(&self, text: String) {
        self.line(text);
    }

    fn line(&self, text: String) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == text {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| self.context.output.note(&text)),
            None => self.context.output.note(&text),
        }
        *last = text;
    }
}

impl Progress for Watch<'_> {
    fn event(&self, event: Event) {
        let subject = event.key.as_ref().map(ToString::to_string).unwrap_or_default();
        match event.what {
            What::Doing(words) => match &self.bar {
                Some(bar) => bar.set_message(words.to_string()),
                None => self.line(words.to_string()),
            },
            What::Called(address) => self.line(format!("  {address}: sent")),
            What::Moving { ready, wanted, text } => {
                let text = if text.is_empty() { String::new() } else { format!(" ({text})") };
                let words = format!("{subject}: {ready} of {wanted} ready{text}");
                match &self.bar {
                    Some(bar) => bar.set_message(words),
                    None => self.line(format!("  {words}")),
                }
            }
            What::Settled => self.line(format!("  {subject}: done")),
            What::Failed(reason) => {
                self.line(format!("  {subject}: {} ({})", reason.text, reason.code));
                for log in &reason.logs {
                    self.line(format!("    | {log}"));
                }
                if !reason.remedy.is_empty() {
                    self.line(format!("    = help: {}", reason.remedy));
                }
            }
            What::Skipped(words) => self.line(format!("  {subject}: left out, {words}")),
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
