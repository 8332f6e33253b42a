//! One look at everything that matters to an application.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::{
    MarathonPlace,
    connection::{Connection, Request, app_path},
    live::{Reading, app_address, file_address},
    standing::{self, Deployment},
    store,
};
use crate::{
    plan::Because,
    platform::{Failure, History, Live, Observation, Pending, Preview, Refusal, Scope, UnderWay, codec::encode_onto},
    target::{
        Release, Requirement,
        marathon::{APP, APPLICATION, FILE, SECRET},
    },
    value::{Address, Key},
};

/// How many requests are on their way at once.
const AT_ONCE: usize = 8;

pub(super) async fn observe(place: &MarathonPlace, scope: Scope<'_>) -> Result<Observation, Failure> {
    let identity = place.identified().await?.clone();
    let reader = &place.reader;
    let reading = Reading { application: scope.application, secrets: scope.concealed, store: reader.store.as_deref() };
    let deployments = deployments(reader).await?;
    let mut live: IndexMap<Address, Live> = IndexMap::new();
    let mut fetched: BTreeMap<String, Key> = BTreeMap::new();
    let ours = apps(reader, &format!("{APPLICATION}=={}", scope.application)).await?;
    for app in &ours {
        fetched.extend(reading.fetched(app));
        let one = reading.app(app, &deployments);
        live.insert(one.address.clone(), one);
    }
    if let Some(release) = scope.release {
        for app in others(reader, release, &live).await? {
            let one = reading.app(&app, &deployments);
            live.insert(one.address.clone(), one);
        }
        let files = release.resources.values().filter(|resource| &*resource.address.kind == FILE);
        fetched
            .extend(files.filter_map(|resource| Some((resource.address.name.now()?.to_owned(), resource.key.clone()))));
    }
    let contents: Vec<_> = stream::iter(fetched)
        .map(|(uri, key)| async move { Ok::<_, Failure>((store::read(reader, &uri).await?, uri, key)) })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for (content, uri, key) in contents {
        if let Some(content) = content {
            live.insert(file_address(&uri), reading.file(&uri, key, &content));
        }
    }
    live.sort_unstable_keys();
    let previews = match scope.release {
        Some(release) if scope.preview => previews(reader, release, &live).await?,
        _ => IndexMap::new(),
    };
    let missing = match scope.release {
        Some(release) => missing(reader, release).await?,
        None => Vec::new(),
    };
    let under_way = deployments.iter().map(|one| UnderWay {
        name: one.id.as_str().into(),
        touches: one.apps.iter().map(|id| app_address(id)).collect(),
        ours: None,
    });
    Ok(Observation {
        identity,
        live,
        previews,
        unreadable: Vec::new(),
        under_way: under_way.collect(),
        missing,
        history: History::default(),
    })
}

/// Deployments that go on.
pub(super) async fn deployments(reader: &Connection) -> Result<Vec<Deployment>, Failure> {
    let told = reader.get(&Request::get("/v2/deployments"), "see which deployments go on").await?;
    Ok(standing::deployments(&told.unwrap_or_default()))
}

/// Apps with such labels, with their counts.
pub(super) async fn apps(reader: &Connection, selector: &str) -> Result<Vec<Json>, Failure> {
    let request = Request::get("/v2/apps")
        .query("label", selector)
        .query("embed", "apps.counts")
        .query("embed", "apps.deployments")
        .query("embed", "apps.lastTaskFailure");
    let told = reader.get(&request, "list the apps").await?;
    Ok(told.and_then(|told| told.get("apps").and_then(Json::as_array).cloned()).unwrap_or_default())
}

/// One app, with its counts.
pub(super) async fn app(reader: &Connection, id: &str) -> Result<Option<Json>, Failure> {
    let request = Request::get(app_path(id)).query("embed", "app.counts").query("embed", "app.lastTaskFailure");
    let told = reader.get(&request, &format!("read app {id}")).await?;
    Ok(told.and_then(|mut told| told.get_mut("app").map(Json::take)))
}

/// Apps that stand where the release wants one, and bear no mark of it.
async fn others(reader: &Connection, release: &Release, known: &IndexMap<Address, Live>) -> Result<Vec<Json>, Failure> {
    let wanted: Vec<Pending<'_, Result<Option<Json>, Failure>>> = release
        .resources
        .values()
        .map(|resource| &resource.address)
        .filter(|address| &*address.kind == APP && !known.contains_key(*address))
        .filter_map(|address| Some(Box::pin(app(reader, address.name.now()?)) as Pending<'_, _>))
        .collect();
    let found: Vec<Option<Json>> = stream::iter(wanted).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// What the server says of the definitions, asked as one group without writing. It answers for all of them at once, and
/// looks only at what each says.
async fn previews(
    reader: &Connection,
    release: &Release,
    live: &IndexMap<Address, Live>,
) -> Result<IndexMap<Key, Preview>, Failure> {
    let unasked = || Preview::Local(Because::NoDryRun);
    let mut all: IndexMap<Key, Preview> = release.resources.keys().map(|key| (key.clone(), unasked())).collect();
    let mut keys: Vec<&Key> = Vec::new();
    let mut bodies: Vec<Json> = Vec::new();
    for (key, resource) in release.resources.iter().filter(|(_, resource)| &*resource.address.kind == APP) {
        // What has no name yet is not asked about.
        if let Ok(body) = encode_onto(&resource.body, release, live.get(&resource.address)) {
            keys.push(key);
            bodies.push(body);
        }
    }
    if bodies.is_empty() {
        return Ok(all);
    }
    let path = format!("/v2/groups/{}", reader.group.trim_matches('/'));
    let request = Request::new(reqwest::Method::PUT, path).query("dryRun", "true").json(&json!({"apps": bodies}));
    match reader.send(&request).await?.accepted() {
        Ok(_) => {}
        Err(status) if status.code == 403 => {
            for key in keys {
                all.insert(key.clone(), Preview::Local(Because::Forbidden));
            }
        }
        Err(status) if matches!(status.code, 400 | 422) => {
            let mut told = false;
            for (path, words) in &status.details {
                let Some((number, rest)) = numbered(path) else { continue };
                if let Some(key) = keys.get(number) {
                    told = true;
                    let text = reader.secrets.scrub(&format!("{rest}: {words}"));
                    all.insert((*key).clone(), Preview::Refused(Refusal::Invalid(text)));
                }
            }
            if let (false, Some(key)) = (told, keys.first()) {
                let text = reader.secrets.scrub(&status.words());
                all.insert((*key).clone(), Preview::Refused(Refusal::Invalid(text)));
            }
        }
        Err(status) => return Err(reader.refused(&status, "ask what would become of the apps")),
    }
    Ok(all)
}

/// `/apps(3)/cpus` as the fourth app and `cpus`.
fn numbered(path: &str) -> Option<(usize, String)> {
    let rest = path.trim_start_matches('/').strip_prefix("apps")?;
    let rest = rest.trim_start_matches(['(', '/', '[']);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    Some((number.parse().ok()?, rest.trim_start_matches([')', ']', '/']).to_owned()))
}

/// Secrets of the cluster that must be there and are not; who may not look is taken to have them.
async fn missing(reader: &Connection, release: &Release) -> Result<Vec<Requirement>, Failure> {
    let Some(cluster) = reader.cluster() else { return Ok(Vec::new()) };
    let mut missing = Vec::new();
    for requirement in release.requires.iter().filter(|one| &*one.address.kind == SECRET) {
        let Some(path) = requirement.address.name.now() else { continue };
        let answer = cluster.send(&Request::get(format!("/secrets/v1/secret/default/{path}"))).await?;
        if answer.code == 404 {
            missing.push(requirement.clone());
        }
        // Its value is nobody's business.
        if let Some(value) = answer.body.get("value").and_then(Json::as_str) {
            reader.secrets.conceal(value.as_bytes(), path, crate::value::Sources::NONE);
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_lead_to_their_app() {
        assert_eq!(numbered("/apps(3)/cpus"), Some((3, "cpus".to_owned())));
        assert_eq!(numbered("/apps/0/container/docker"), Some((0, "container/docker".to_owned())));
        assert_eq!(numbered("/id"), None);
    }
}
