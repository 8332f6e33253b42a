//! `transship explain`.

use clap::Args;

use super::{Context, Exit, Stop};
use crate::{
    diagnostic::{codes, nearest},
    report::ExplainDocument,
    target::{self, Disposition},
};

/// What it understands.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  transship explain unknown-key
  transship explain services.web.ports
  transship explain --coverage")]
pub struct Arguments {
    /// Name of a finding, or path of an attribute.
    #[arg(value_name = "CODE|PATH", required_unless_present_any = ["coverage", "codes"])]
    about: Option<String>,
    /// Count what becomes of all attributes.
    #[arg(long)]
    coverage: bool,
    /// List every finding there is.
    #[arg(long)]
    codes: bool,
}

fn tables() -> Vec<(&'static str, &'static [Disposition])> {
    target::all().map(|target| (target.dialect().name(), target.dispositions())).collect()
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let document = match &arguments.about {
        _ if arguments.coverage => ExplainDocument::of_coverage(&tables()),
        None => ExplainDocument::of_codes(codes()),
        Some(about) => match codes().find(|code| code.name == about) {
            Some(code) => ExplainDocument::of_codes([code]),
            None => ExplainDocument::of_attribute(about, &tables()),
        },
    };
    if document.is_empty() {
        let about = arguments.about.as_deref().unwrap_or_default();
        let stop = Stop::new(Exit::Failed, format!("`{about}` is neither a finding nor an attribute"));
        return Err(match nearest(about, codes().map(|code| code.name)) {
            Some(near) => stop.help(format!("did you mean `{near}`?")),
            None => stop.help("`transship explain --codes` lists all findings"),
        }
        .into());
    }
    if context.output.json() {
        context.output.document(&document)?;
    } else {
        context.output.result(&document.text())?;
    }
    Ok(Exit::Done)
}
