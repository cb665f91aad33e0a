//! Identities of Azure.

use std::sync::Arc;

use super::Compiled;
use super::identity::Parts;
use crate::api::{AzureCredentials, Reason};
use crate::compile::finding::Notes;
use crate::compile::{Input, Raw};
use crate::credential::Environment;
use crate::credential::azure::{
    Application, AuthorityHost, Azure, InvalidApplication, OwnIdentity,
};
use crate::provider::Cloud;

/// The application that a store has the secret of, or what the gateway runs as.
pub(super) fn compile(
    raw: &Raw,
    credentials: &AzureCredentials,
    input: Input<'_>,
    notes: &mut Notes,
) -> Compiled {
    let mut parts = Parts::new(raw, "spec.azure", input);
    let tenant = parts.field("tenantId", credentials.tenant_id.as_deref());
    let client = parts.field("clientId", credentials.client_id.as_deref());
    let scope = parts.field("scope", credentials.scope.as_deref());
    let authority = parts.field("authorityHost", credentials.authority_host.as_deref());
    let authority = authority.map(|url| AuthorityHost::parse(url, parts.author())).transpose();
    let authority = authority.unwrap_or_else(|error| {
        tell(&mut parts, error);
        None
    });
    let Some(secret) = &credentials.client_secret else {
        parts.ambient("`tenantId`, `clientId` and `clientSecret`");
        let own = OwnIdentity {
            tenant_id: tenant.map(Into::into),
            client_id: client.map(Into::into),
            authority_host: authority,
        };
        let make = || Azure::of_gateway(own, Environment::of_process(), scope);
        return parts.finish(Cloud::Azure, || Arc::new(make()), notes);
    };
    for (name, field) in [("tenantId", tenant), ("clientId", client)] {
        if field.is_none() {
            parts.fault(Reason::Invalid, name, "is required with `clientSecret`: whose it is");
        }
    }
    let secret = parts.secret("clientSecret", Some(secret));
    let (Some(tenant), Some(client), Some(secret)) = (tenant, client, secret) else {
        return parts.unusable(notes);
    };
    match Application::new(&authority.unwrap_or_default(), tenant, client, secret.expose()) {
        Ok(application) => {
            let make = || Azure::of_application(application, scope);
            parts.finish(Cloud::Azure, || Arc::new(make()), notes)
        }
        Err(error) => {
            tell(&mut parts, error);
            parts.unusable(notes)
        }
    }
}

fn tell(parts: &mut Parts<'_>, error: InvalidApplication) {
    let field = match error {
        InvalidApplication::Tenant => "tenantId",
        InvalidApplication::AuthorityHost => "authorityHost",
    };
    parts.fault(Reason::Invalid, field, error.to_string());
}
