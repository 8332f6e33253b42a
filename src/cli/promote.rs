//! `transship promote`.

use std::path::Path;

use clap::Args;

use super::{
    Context, Exit, Found, Stop,
    arguments::{To, Where},
};
use crate::{
    diagnostic::Findings,
    image::{
        Failure, PinMode, Reference,
        promote::{self, PromoteRequest},
    },
    report::PromoteDocument,
};

/// What it understands.
#[derive(Args, Debug)]
#[command(
    long_about = "Copy the images of an environment to another registry, or give them further tags where they are: \
                  exactly the digests that the lock holds, for all their platforms, with signatures and attestations, \
                  without an engine and without a disk. All content is copied before the first tag is set; what is \
                  there is not sent again, so that a promotion that broke off goes on where it was.",
    after_help = "Examples:
  transship promote production --to registry.example.com/live --tag 1.4.2 --tag latest
  transship promote production --to registry.example.com/live --source-tags --dry-run
  transship promote staging --to registry.example.com/shop --tag stable --service web --yes"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Tag that each image gets; may be given several times. Default: the tag it has.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Also the tags that git has at the commit that is checked out.
    #[arg(long)]
    source_tags: bool,
    /// Only the images of this service; may be given several times.
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// Show what would be done, and end.
    #[arg(long)]
    dry_run: bool,
    /// Nobody needs to be asked.
    #[arg(short = 'y', long)]
    yes: bool,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(to) = context.global.to.iter().find_map(To::registry) else {
        let stop = Stop::new(Exit::Usage, "where to is not said");
        return Err(stop.help("name registry and path: `--to registry.example.com/shop`").into());
    };
    let known = context.known()?;
    let selected = context.selected(&known, arguments.place.environment.as_deref())?;
    let application = context.load(&selected).await?;
    context.judge(Some(&selected), application.findings.clone())?;
    let services = &application.project.services;
    if let Some(name) = arguments.services.iter().find(|name| !services.contains_key(name.as_str())) {
        let message = format!("--service: there is no service `{name}`");
        return Err(Stop::unknown_service(message, services.keys()).into());
    }
    let mut tags: Vec<Box<str>> = arguments.tags.iter().map(|tag| tag.as_str().into()).collect();
    if arguments.source_tags {
        let (fit, unfit) = promote::source_tags(Path::new(&selected.directory)).await.map_err(|f| found(vec![f]))?;
        for tag in unfit {
            context
                .output
                .note(&format!("warning: the git tag `{tag}` cannot be the tag of an image, and is left out"));
        }
        if fit.is_empty() && tags.is_empty() {
            let stop = Stop::new(Exit::Failed, "git has no tag at this commit");
            return Err(stop.help("tag the commit, or name a tag with `--tag`").into());
        }
        tags.extend(fit);
    }
    tags.sort();
    tags.dedup();
    let file = context.lock_file(&known)?;
    // What was tested is what the lock holds: nothing else is promoted.
    let resolution = context.pin(&selected, &application.project, file.lock.as_ref(), &PinMode::Locked).await?;
    let wanted = |path: &str| {
        let of =
            |name: &String| path.strip_prefix("services.").is_some_and(|rest| rest.starts_with(&format!("{name}.")));
        arguments.services.is_empty() || arguments.services.iter().any(of)
    };
    let images: Vec<_> = resolution
        .pinned
        .images()
        .filter(|(path, _)| wanted(path))
        .filter_map(|(_, image)| Some((Reference::parse(&image.written).ok()?, image.digest.clone())))
        .collect();
    let settings = context.image_settings(&selected);
    let registries = context.registries(&selected);
    let request = PromoteRequest { images: &images, to, tags: &tags, settings: &settings, registries: &registries };
    let progress = context.doing("looking at both sides");
    let promotion = promote::plan(request).await.map_err(found)?;
    drop(progress);
    let planned = PromoteDocument::new(to, &promotion, None);
    if !context.output.json() {
        context.output.result(&planned.text(context.paint()))?;
    }
    if arguments.dry_run || promotion.is_done() {
        if context.output.json() {
            context.output.document(&planned)?;
        } else if promotion.is_done() {
            context.output.result("everything is there\n")?;
        }
        return Ok(Exit::Done);
    }
    context.agreed(arguments.yes, "")?;
    let progress = context.doing("copying images");
    let copied = promote::copy(request, &promotion, &|line| progress.tell(line)).await;
    drop(progress);
    match copied {
        Ok(copied) => {
            let done = PromoteDocument::new(to, &promotion, Some(copied));
            if context.output.json() {
                context.output.document(&done)?;
            } else {
                context.output.result(&format!("{}\n", done.summary()))?;
            }
            Ok(Exit::Done)
        }
        Err((failures, copied)) => {
            context.output.findings(&findings(failures), &context.origins, &context.concealed);
            let (exit, words) = if copied.tags == 0 {
                (Exit::Failed, "no tag was set: what people pull there is what it was")
            } else {
                (Exit::PartWay, "some tags are set and others are not")
            };
            Err(Stop::new(exit, words).help("run the same again: what is there is not sent again").into())
        }
    }
}

fn findings(failures: Vec<Failure>) -> Findings {
    let mut findings = Findings::new();
    for failure in failures {
        findings.extend(failure.into());
    }
    findings
}

fn found(failures: Vec<Failure>) -> Found {
    Found(findings(failures))
}
