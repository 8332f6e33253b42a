//! A plan that was kept, as people read it before they approve it.

use std::fmt::Write as _;

use super::{Paint, plan::heading};
use crate::plan::{Consequence, SavedChange, SavedPlan, effect_words};

/// A kept plan for people: what `plan` showed when it was made.
pub fn saved_text(plan: &SavedPlan, paint: Paint) -> String {
    let mut out = String::new();
    for stage in &plan.stages {
        out.push_str(&heading(&plan.application, &plan.environment, &stage.server, stage.base, paint));
        for change in &stage.changes {
            saved_change(&mut out, change, paint);
        }
        if !stage.changes.is_empty() {
            out.push('\n');
        }
    }
    let changes: usize = plan.stages.iter().map(|stage| stage.changes.len()).sum();
    let count = match changes {
        0 => "no changes".to_owned(),
        1 => "1 change".to_owned(),
        more => format!("{more} changes"),
    };
    let _ = writeln!(out, "{count}; plan {}, made by transship {}", plan.id, plan.tool);
    out
}

fn saved_change(out: &mut String, change: &SavedChange, paint: Paint) {
    let sign = match change.action.as_str() {
        "create" => paint.green("+"),
        "delete" | "retire" => paint.red("-"),
        "replace" => paint.red("±"),
        "rerun" => paint.yellow("↻"),
        _ => paint.yellow("~"),
    };
    // That nothing restarts is worth saying of what runs.
    let quiet = change.effect == effect_words(Consequence::Nothing) && !change.resource.ends_with("/workload");
    let effect = if quiet { String::new() } else { format!("  {}", paint.dim(&change.effect)) };
    let _ = writeln!(out, "{sign} {}{effect}", paint.bold(&change.address));
    for difference in &change.differences {
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let line = match (&difference.before, &difference.after) {
            (None, Some(after)) => paint.green(&format!("+ {after}")),
            (Some(before), None) => paint.red(&format!("- {before}")),
            (before, after) => format!("{} → {}", paint.red(&side(before)), paint.green(&side(after))),
        };
        let _ = writeln!(out, "    {}: {line}", difference.path);
        if let Some(place) = &difference.place {
            let _ = writeln!(out, "        {}", paint.dim(place));
        }
    }
    for cause in &change.causes {
        let _ = writeln!(out, "    {}", paint.dim(cause));
    }
}
