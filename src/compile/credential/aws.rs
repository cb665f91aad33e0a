//! Identities of AWS.

use std::sync::Arc;

use super::Compiled;
use super::identity::Parts;
use crate::api::{AwsCredentials, KeySource, Reason};
use crate::compile::finding::Notes;
use crate::compile::{Input, Raw};
use crate::credential::aws::{AccessKey, Aws, Role, host};
use crate::provider::Cloud;
use crate::table::SecretText;

/// The name of sessions, where a store gives none.
const SESSION_NAME: &str = "pilothouse";

/// What an identity is made of that has to be read.
pub(super) fn sources(spec: &AwsCredentials) -> Vec<&KeySource> {
    [&spec.access_key_id, &spec.secret_access_key, &spec.session_token]
        .into_iter()
        .flatten()
        .collect()
}

/// The identity of a store, if it can be used.
pub(super) fn compile(
    raw: &Raw,
    spec: &AwsCredentials,
    input: Input<'_>,
    notes: &mut Notes,
) -> Compiled {
    let mut parts = Parts::new(raw, "spec.aws", input);
    let region = parts.field("region", spec.region.as_deref());
    // It becomes part of the host that keys are sent to.
    if region.is_some_and(|region| !host::is_region(region)) {
        parts.fault(Reason::Invalid, "region", "must be a region's name, such as `us-east-1`");
    }
    let key = access_key(spec, &mut parts);
    let role = spec.assume_role.as_ref().map(|role| Role {
        arn: role.role_arn.clone(),
        external_id: role.external_id.clone(),
        session_name: role.session_name.clone().unwrap_or_else(|| SESSION_NAME.to_owned()),
    });
    if let Some(role) = &role {
        parts.field("assumeRole.roleArn", Some(&role.arn));
        parts.field("assumeRole.externalId", role.external_id.as_deref());
        parts.field("assumeRole.sessionName", Some(&role.session_name));
    }
    let make = || -> Arc<dyn crate::credential::Identity> {
        Arc::new(Aws::new(region.map(Into::into), key, role))
    };
    parts.finish(Cloud::Aws, make, notes)
}

fn access_key<'a>(spec: &AwsCredentials, parts: &mut Parts<'a>) -> Option<AccessKey<'a>> {
    let is_given = spec.access_key_id.is_some();
    if is_given != spec.secret_access_key.is_some() {
        let missing = if is_given { "secretAccessKey" } else { "accessKeyId" };
        let message = "is missing: set `accessKeyId` and `secretAccessKey` together";
        parts.fault(Reason::Invalid, missing, message);
    } else if !is_given && spec.session_token.is_some() {
        let message = "goes with `accessKeyId` and `secretAccessKey`: set them too";
        parts.fault(Reason::Invalid, "sessionToken", message);
    } else if !is_given {
        parts.ambient("`accessKeyId` and `secretAccessKey`");
    }
    let id = text(parts, "accessKeyId", spec.access_key_id.as_ref());
    let secret = text(parts, "secretAccessKey", spec.secret_access_key.as_ref());
    let session_token = text(parts, "sessionToken", spec.session_token.as_ref());
    Some(AccessKey { id: id?, secret: secret?, session_token })
}

/// A secret that consists of what AWS's keys and tokens consist of.
fn text<'a>(parts: &mut Parts<'a>, name: &str, source: Option<&KeySource>) -> Option<&'a str> {
    let text = parts.secret(name, source).map(SecretText::expose)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "the value holds characters that AWS's keys never do: is it the key itself?";
        parts.fault(Reason::InvalidKey, name, message);
    }
    Some(text)
}
