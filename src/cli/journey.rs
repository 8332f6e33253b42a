//! An environment on its way to a place: what `diff`, `plan`, `apply`, `status` and `destroy` have in common.

use std::sync::Arc;

use super::{Context, Found, Stop};
use crate::{
    deploy::{self, Outlook, Site},
    diagnostic::{Finding, FindingView, Findings, view},
    environment::{DESTINATION_REQUIRED, Known, Selected},
    image::{Pinned, Reference},
    plan::{Action, Consent, Gate, Goal, Options},
    platform::{DestinationId, Expected, Means, Platform, Verified, connect},
    target::{self, Release, Settings, Target, Unit},
    value::{Application, Keyring, Located, Masked, Name, Spot, Text},
};

/// What is to be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aim {
    /// What the Compose files describe.
    Deploy,
    /// Nothing.
    Destroy,
}

impl Aim {
    pub(super) const fn goal(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Destroy => "destroy",
        }
    }
}

/// What somebody agreed to beforehand, on the command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Agreed {
    /// Only this service; may be given several times.
    #[arg(long = "service", value_name = "NAME")]
    pub(super) services: Vec<String>,
    /// Agree that objects are removed and made anew where they cannot be changed.
    #[arg(long)]
    pub(super) allow_replace: bool,
    /// Take over objects that are there and bear no mark of ours.
    #[arg(long)]
    pub(super) adopt: bool,
}

/// A project that is loaded and pinned.
struct Loaded {
    pinned: Pinned,
    settings: Settings,
    /// Of loading and pinning.
    findings: Findings,
}

/// An environment, its place, and what is to be there.
pub(super) struct Journey<'c> {
    pub(super) context: &'c Context,
    pub(super) selected: Selected,
    pub(super) platform: Box<dyn Platform>,
    pub(super) target: Box<dyn Target>,
    pub(super) destination: DestinationId,
    pub(super) application: Application,
    pub(super) expected: Expected,
    pub(super) gate: Gate,
    aim: Aim,
    loaded: Option<Loaded>,
    /// From `TRANSSHIP_KEY`.
    pub(super) own_key: Option<Keyring>,
}

/// What would happen, before anybody agreed.
pub(super) struct Looked {
    pub(super) outlook: Outlook,
    pub(super) options: Options,
    pub(super) keyring: Keyring,
    /// What is worth knowing, as documents hold it.
    pub(super) findings: Vec<FindingView>,
}

impl<'c> Journey<'c> {
    /// Loads, pins, and connects. Nothing is asked of the place but which one it is.
    pub(super) async fn begin(
        context: &'c Context,
        known: &Known,
        selected: Selected,
        aim: Aim,
    ) -> anyhow::Result<Self> {
        let target = target::of(selected.dialect);
        let Some(destination) = selected.destination.clone() else {
            let words = match &*selected.name {
                "" => "nothing says where the application goes".to_owned(),
                name => format!("nothing says where the environment `{name}` goes"),
            };
            let finding = Finding::new(&DESTINATION_REQUIRED, Masked::words(words), Spot::NOWHERE);
            let help = "say `--context NAME`, or `--output DIRECTORY`, or write it into transship.yaml";
            return Err(Found(finding.help(help).into()).into());
        };
        let (loaded, project) = match (aim, known.application()) {
            // What is to go needs no Compose file that still loads.
            (Aim::Destroy, Some(name)) => (None, name),
            (Aim::Destroy, None) => (None, context.load(&selected).await?.project.name.value.clone()),
            (Aim::Deploy, _) => {
                let loaded = load(context, known, &selected).await?;
                let name = loaded.pinned.project().name.value.clone();
                (Some(loaded), name)
            }
        };
        let means = Means {
            concealed: &context.concealed,
            registries: &context.registries(&selected),
            shown: &|path| context.shown(path),
            variable: &|name| context.session.variable(name).map(str::to_owned),
        };
        let platform = connect(&destination, &selected, &project, means).await?;
        let identity = selected.guards().identity.unwrap_or_default();
        let named = |part: Option<Located<Name>>| part.map(|part| part.value);
        Ok(Self {
            context,
            application: selected.owner(&project),
            expected: Expected { server: named(identity.server), unique: named(identity.unique) },
            gate: Gate::Settled,
            selected,
            platform,
            target,
            destination: DestinationId(destination.name().into()),
            aim,
            loaded,
            own_key: context.own_key(),
        })
    }

    pub(super) const fn aim(&self) -> Aim {
        self.aim
    }

    /// What is wanted, under a content key.
    pub(super) fn goals(&self, keyring: &Keyring) -> Result<Vec<Goal>, Findings> {
        let (release, findings) = self.translated(keyring);
        if findings.has_errors() {
            return Err(findings);
        }
        Ok(vec![Goal { name: self.aim.goal(), release, gate: self.gate }])
    }

    fn translated(&self, keyring: &Keyring) -> (Release, Findings) {
        if let Some(loaded) = &self.loaded {
            let translation = self.target.translate(&loaded.pinned, &loaded.settings, &Unit::default(), keyring);
            (translation.release, translation.findings)
        } else {
            let (origins, concealed) = (Arc::clone(&self.context.origins), Arc::clone(&self.context.concealed));
            let release = Release::nothing(self.application.clone(), self.target.dialect(), origins, concealed);
            (release, Findings::new())
        }
    }

    /// The place as the environment names it, or a refusal.
    pub(super) async fn verified(&self) -> anyhow::Result<Verified> {
        let progress = self.context.doing("connecting");
        let identity = self.platform.identify().await?;
        drop(progress);
        Ok(Verified::check(identity, &self.expected)?)
    }

    /// The content key, as far as there is one.
    pub(super) async fn keyring(&self) -> anyhow::Result<Keyring> {
        if let Some(own) = &self.own_key {
            return Ok(own.clone());
        }
        let content = deploy::content_key(self.platform.ledger(), &self.application).await?;
        Ok(Keyring { content, seal: None })
    }

    /// What planning and applying are told of the place.
    pub(super) fn site(&self, options: Options) -> Site<'_> {
        Site {
            platform: &*self.platform,
            target: &*self.target,
            destination: self.destination.clone(),
            application: self.application.clone(),
            options,
            origins: Arc::clone(&self.context.origins),
            concealed: Arc::clone(&self.context.concealed),
        }
    }

    /// What is wanted, with everything that was found on the way told.
    pub(super) fn wanted(&self, keyring: &Keyring) -> anyhow::Result<(Release, Findings)> {
        let (release, translation) = self.translated(keyring);
        let mut findings = self.loaded.as_ref().map(|loaded| loaded.findings.clone()).unwrap_or_default();
        findings.extend(translation);
        let findings = self.context.judge(Some(&self.selected), findings)?;
        Ok((release, findings))
    }

    /// Verifies the place, looks, and plans.
    pub(super) async fn look(&self, agreed: &Agreed) -> anyhow::Result<Looked> {
        self.verified().await?;
        let keyring = self.keyring().await?;
        let (release, findings) = self.wanted(&keyring)?;
        let only = self.only(&agreed.services, &release)?;
        let goals = [Goal { name: self.aim.goal(), release, gate: self.gate }];
        let progress = self.context.doing("looking at what is there");
        let mut options = Options { consents: Vec::new(), only };
        let mut outlook = self.site(options.clone()).look(&goals, &keyring).await?;
        drop(progress);
        options.consents = consents(&outlook, agreed);
        if !options.consents.is_empty() {
            // What is there is the same; only what may be done with it is not.
            outlook.plan = self.site(options.clone()).plan(&goals, &outlook.seen, &keyring);
        }
        let findings = view(&findings, &self.context.origins);
        Ok(Looked { outlook, options, keyring, findings })
    }

    fn only(&self, services: &[String], release: &Release) -> anyhow::Result<Option<Vec<Name>>> {
        if services.is_empty() {
            return Ok(None);
        }
        let known: Vec<&Name> = match &self.loaded {
            Some(loaded) => loaded.pinned.project().services.keys().collect(),
            None => Vec::new(),
        };
        let is_known = |name: &&String| !known.iter().any(|known| ***known == ***name);
        if let Some(unknown) = services.iter().find(is_known) {
            let message = format!("--service: there is no service `{unknown}` in {}", release.application);
            return Err(Stop::unknown_service(message, known).into());
        }
        Ok(Some(services.iter().map(|name| name.as_str().into()).collect()))
    }
}

/// What of what the plan needs was agreed to.
fn consents(outlook: &Outlook, agreed: &Agreed) -> Vec<Consent> {
    let mut given: Vec<Consent> = Vec::new();
    for need in outlook.plan.changes().flat_map(|change| &change.needs) {
        let yes = match need {
            Consent::Replace => agreed.allow_replace,
            Consent::Adopt(_) => agreed.adopt,
            _ => false,
        };
        if yes && !given.contains(need) {
            given.push(need.clone());
        }
    }
    given
}

async fn load(context: &Context, known: &Known, selected: &Selected) -> anyhow::Result<Loaded> {
    let application = context.load(selected).await?;
    let resolution = context.resolve(known, selected, &application.project).await?;
    let pinned = resolution.pinned;
    let pull = pull_secret(context, selected, &pinned).await?;
    let settings = selected.settings(&pinned.project().name.value, pull);
    Ok(Loaded { pinned, settings, findings: application.findings })
}

/// The credentials of this machine, for the place to pull with, where the environment asks for that.
async fn pull_secret(context: &Context, selected: &Selected, pinned: &Pinned) -> anyhow::Result<Option<Located<Text>>> {
    let Some(asked) = selected.wants_credentials() else { return Ok(None) };
    let images: Vec<Reference> =
        pinned.references().iter().filter_map(|reference| Reference::parse(reference).ok()).collect();
    let registries = context.registries(selected);
    let text = registries.pull_secret(&images, &context.concealed).await.map_err(|failure| Found(failure.into()))?;
    if text.is_none() {
        context.output.note("note: no credentials are kept here for the registries of the images; the place gets none");
    }
    Ok(text.map(|text| Located::new(text, asked)))
}

impl Context {
    /// `TRANSSHIP_KEY`.
    pub(super) fn own_key(&self) -> Option<Keyring> {
        self.session.variable("TRANSSHIP_KEY").map(Keyring::from_text)
    }
}

/// Whether anything would be written or waited for.
pub(super) fn has_work(looked: &Looked) -> bool {
    looked.outlook.plan.changes().any(|change| !matches!(change.action, Action::Keep { .. }))
}
