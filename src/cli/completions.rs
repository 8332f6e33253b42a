//! `transship completions`.

use clap::{Args, CommandFactory as _};

use super::{Context, Exit};

/// What it understands.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  transship completions bash > /etc/bash_completion.d/transship")]
pub struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "transship", &mut text);
    context.output.result(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}
