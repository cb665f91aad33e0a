//! Signature Version 4.

use std::fmt::Display;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as calculate};
use aws_sigv4::sign::v4::SigningParams;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::credential::{IdentityError, Outgoing};

/// What a signature is good for, beside the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'static str,
}

/// Signs a request. Covered are method, path, query, body, and the headers that mean something to
/// the service: what stands between may change the others.
pub(super) fn sign(
    outgoing: Outgoing<'_>,
    key: &Credentials,
    scope: Scope<'_>,
    now: SystemTime,
) -> Result<(), IdentityError> {
    let Outgoing { authority, request, .. } = outgoing;
    for name in ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
        request.headers_mut().remove(name);
    }
    request.headers_mut().remove(AUTHORIZATION);
    let mut covered = vec![("host", authority)];
    for (name, value) in request.headers().iter().filter(|(name, _)| is_covered(name)) {
        covered.push((name.as_str(), value.to_str().map_err(unsignable)?));
    }
    // The scheme is not covered.
    let uri = format!("https://{authority}{}", request.uri());
    let identity = key.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(unsignable)?
        .into();
    let (method, body) = (request.method().as_str(), SignableBody::Bytes(request.body()));
    let signable = SignableRequest::new(method, uri, covered.into_iter(), body);
    let signed = calculate(signable.map_err(unsignable)?, &params).map_err(unsignable)?;
    let (headers, _) = signed.into_parts().0.into_parts();
    for header in headers {
        let mut value = HeaderValue::from_str(header.value()).map_err(|_| {
            IdentityError::Unsignable("its key holds characters that no HTTP header can".into())
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}

fn is_covered(name: &HeaderName) -> bool {
    name == CONTENT_TYPE || name.as_str().starts_with("x-amz")
}

fn unsignable(error: impl Display) -> IdentityError {
    IdentityError::Unsignable(error.to_string().into())
}
