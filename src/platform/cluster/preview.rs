//! What the server says would become of a resource, without anything being written.

use super::{
    connection::{Connection, Request},
    fault::is_untypable,
    fields::MANAGER,
    kind::Kind,
    live::Reading,
};
use crate::{
    plan::Because,
    platform::{Failure, Live, Owner, Preview, Refusal, codec::encode_onto},
    target::{Release, Resource},
    value::Masked,
};

/// A server-side apply of an object.
pub(super) fn apply(kind: &Kind, namespace: Option<&str>, name: &str, body: &serde_json::Value) -> Request {
    // Values that others set are taken over: the plan showed each of them, and the version of the object is
    // checked, so nothing is overwritten that was not seen.
    Request::new(http::Method::PATCH, kind.object(namespace, name))
        .query("fieldManager", MANAGER)
        .query("force", "true")
        .query("fieldValidation", "Strict")
        .content_type("application/apply-patch+yaml")
        .json(body)
}

/// Asks the server what would become of a resource.
pub(super) async fn preview(
    reader: &Connection,
    reading: &Reading<'_>,
    kind: &Kind,
    release: &Release,
    resource: &Resource,
    live: Option<&Live>,
) -> Result<Preview, Failure> {
    if let Some(live) = live
        && matches!(live.owner, Owner::Application(_) | Owner::Tool(_))
    {
        return Ok(Preview::Refused(Refusal::Foreign(live.owner.clone())));
    }
    let (Some(name), Ok(body)) = (resource.address.name.now(), encode_onto(&resource.body, release, live)) else {
        // A name that carries a secret's content is known once the application's key is.
        return Ok(Preview::Local(Because::Offline));
    };
    let request = apply(kind, resource.address.scope.as_deref(), name, &body).query("dryRun", "All");
    Ok(match reader.send(&request).await?.accepted() {
        Ok(object) => Preview::Server(reading.body(&object, kind)),
        Err(status) if status.is_no_right() => Preview::Local(Because::Forbidden),
        Err(status) if is_untypable(status.code, &status.message) => Preview::Refused(status.refusal(reading.secrets)),
        Err(status) if status.code >= 500 || status.code == 429 => {
            return Err(reader.refused(&status, &format!("ask what would become of {}", resource.address)));
        }
        // What admits objects may refuse to be asked.
        Err(status) if status.code == 400 && status.message.contains("does not support dry run") => {
            Preview::Local(Because::NoDryRun)
        }
        Err(status) if status.is_outrun() => {
            Preview::Refused(Refusal::Invalid(Masked::words("somebody changed it while it was looked at; plan again")))
        }
        Err(status) => Preview::Refused(status.refusal(reading.secrets)),
    })
}
