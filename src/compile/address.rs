//! Where a target is, and by which of a vendor's doors it is asked.

use std::sync::Arc;

use super::endpoints::Ready;
use super::finding::Fault;
use super::service::{self, Place as ServicePlace};
use super::{Input, host};
use crate::api::{Reason, TargetSpec};
use crate::provider::Provider;
use crate::provider::place::Place;
use crate::provider::transport::Transport;
use crate::table::{BaseUrl, BaseUrlError, ObjectName};

/// Where a target is asked, and how.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) base_url: BaseUrl,
    pub(super) transport: &'static Transport,
    pub(super) query: Option<Arc<str>>,
    /// The Service that it is, if it is one, and who serves it.
    pub(super) service: Option<(ObjectName, Vec<Ready>)>,
}

/// The address of a target, at `path` in its object.
pub(super) fn resolve(
    path: &str,
    spec: &TargetSpec,
    provider: &'static Provider,
    namespace: &Arc<str>,
    input: Input<'_>,
) -> Result<Address, Fault> {
    if let Some(service) = &spec.service {
        let ServicePlace { name, base_url, ready } =
            service::place(path, service, provider, namespace, input)?;
        let service = Some((name, ready));
        return Ok(Address { base_url, transport: provider.transport, query: None, service });
    }
    let version = spec.azure.as_ref().and_then(|azure| azure.api_version.as_deref());
    let dated = version.filter(|version| is_dated(version));
    let versioned = provider.dated.filter(|_| dated.is_some());
    if version.is_some() && provider.dated.is_none() {
        let message = format!("provider `{}` has no such versions: remove it", provider.name);
        return Err(Fault::new(
            Reason::UnsupportedValue,
            format!("{path}.azure.apiVersion"),
            message,
        ));
    }
    let template = versioned.map(|dated| dated.template).or(provider.template);
    let base_url = base_url(path, spec, provider, template)?;
    if spec.base_url.is_some() && provider.dated.is_some() {
        check_form(path, &base_url, provider, dated)?;
    }
    host::check_reachable(&base_url, &format!("{path}.baseURL"), input.tenancy)?;
    Ok(Address {
        base_url,
        transport: versioned.map_or(provider.transport, |dated| dated.transport),
        query: version.map(|version| format!("api-version={version}").into()),
        service: None,
    })
}

/// Whether a version is a date, and not the name of a stage.
fn is_dated(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_digit())
}

fn base_url(
    path: &str,
    spec: &TargetSpec,
    provider: &Provider,
    template: Option<&str>,
) -> Result<BaseUrl, Fault> {
    let place = place(spec);
    let filled = match place {
        None => None,
        Some(place) => {
            let filled = template.and_then(|template| place.fill(template));
            let Some(filled) = filled else {
                let message =
                    format!("provider `{}` is not at this cloud: remove it", provider.name);
                let path = format!("{path}.{}", place.field());
                return Err(Fault::new(Reason::UnsupportedValue, path, message));
            };
            Some(filled)
        }
    };
    let path = format!("{path}.baseURL");
    let Some(text) = spec.base_url.as_deref().or(filled.as_deref()).or(provider.base_url) else {
        let name = provider.name;
        let message = match provider.placed_by() {
            None => format!("is required: provider `{name}` has no public address"),
            Some(fields) => format!(
                "is required, or {fields}: provider `{name}` has another address for everyone"
            ),
        };
        return Err(Fault::new(Reason::BaseUrlRequired, path, message));
    };
    text.parse().map_err(|error: BaseUrlError| {
        Fault::new(Reason::Invalid, path.as_str(), error.to_string())
    })
}

fn place(spec: &TargetSpec) -> Option<Place<'_>> {
    let aws = spec.aws.as_ref().map(|aws| Place::Aws { region: &aws.region });
    let azure = spec.azure.as_ref().and_then(|azure| azure.resource.as_deref());
    let azure = azure.map(|resource| Place::Azure { resource });
    let google = spec.google.as_ref();
    let google =
        google.map(|google| Place::Google { project: &google.project, location: &google.location });
    aws.or(azure).or(google)
}

/// Azure's two forms begin at different places, and each answers 404 at the other's.
fn check_form(
    path: &str,
    url: &BaseUrl,
    provider: &Provider,
    dated: Option<&str>,
) -> Result<(), Fault> {
    let ends = |end| url.path().ends_with(end);
    let message = match dated {
        Some(version) if ends("/openai/v1") || ends("/openai") => format!(
            "must be the resource's endpoint, without `/openai`, for the dated `azure.apiVersion` \
             {version}"
        ),
        // What others have put before it may have any path.
        None if provider.owns_host(url.host()) && !ends("/v1") => {
            "must end in `/openai/v1`; for a dated form of the API give `azure.apiVersion`".into()
        }
        _ => return Ok(()),
    };
    Err(Fault::new(Reason::Invalid, format!("{path}.baseURL"), message))
}
