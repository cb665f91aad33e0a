//! One compiled target of a route.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery, Scheme, Uri};

use super::{Endpoints, HealthCheck, KeyPool, Parameters, TargetRetry, Timeouts};
use crate::balance::affinity::Mark;
use crate::protocol::model::{Corrections, ModelFacts};
use crate::protocol::neutral::Compatibility;
use crate::provider::transport::Transport;
use crate::provider::{Provider, models};
use crate::state::{BreakerPolicy, TargetLimits, TargetState};

/// The bounds of a limit that nobody set. A first token takes some seconds at busy providers and
/// well under a minute at slow models; a whole reply that takes ten minutes is what official SDKs
/// wait for at most.
const FIRST_TOKEN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
const RESPONSE: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(600));

/// One target of a route.
#[derive(Debug)]
pub struct Target {
    /// Its name in the route.
    pub name: Arc<str>,
    /// Lower is tried first.
    pub priority: i32,
    /// Share within its tier; 0 is reached by `x-backend` only.
    pub weight: u32,
    /// What tells it from others when sessions are divided.
    pub mark: Mark,
    /// How to reach it, or why it cannot be reached.
    pub resolution: Resolution,
}

/// Whether everything a target refers to was found and allowed.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives in the `Arc` of its target, once each")]
pub enum Resolution {
    /// It can be asked.
    Ready(Upstream),
    /// It cannot; the message names the object and the field.
    Unresolved {
        /// A reason of the closed set that status conditions use.
        reason: &'static str,
        /// What is wrong, and with which field.
        message: Arc<str>,
    },
}

/// Everything needed to ask a target.
#[derive(Debug)]
pub struct Upstream {
    /// The vendor's row in the registry.
    pub provider: &'static Provider,
    /// How the vendor's door differs from the API that is spoken through it.
    pub transport: &'static Transport,
    /// Where requests go.
    pub base_url: BaseUrl,
    /// Who serves it, where it is a Service whose endpoints are known: they are asked in place of the
    /// host of `base_url`.
    pub endpoints: Option<Endpoints>,
    /// What the query of every request holds, such as `api-version=2024-10-21`.
    pub query: Option<Arc<str>>,
    /// The model to ask for, as the vendor spells it; `None` asks for the name that the client used.
    pub model: Option<Arc<str>>,
    /// The keys to ask with; `None` asks without authentication.
    pub keys: Option<Arc<KeyPool>>,
    /// Limits in time.
    pub timeouts: Timeouts,
    /// When a request is tried again here.
    pub retry: TargetRetry,
    /// When its breaker opens.
    pub breaker: BreakerPolicy,
    /// How much may be asked of it.
    pub limits: TargetLimits,
    /// What is changed in the request.
    pub parameters: Parameters,
    /// What becomes of fields that its protocol has no place for.
    pub compatibility: Compatibility,
    /// What the route knows better of its models than the data does.
    pub corrections: Corrections,
    /// How its health is asked after, if it is.
    pub health_check: Option<HealthCheck>,
    /// What is remembered of it across tables.
    pub state: Arc<TargetState>,
}

impl Upstream {
    /// What a model takes there.
    pub fn facts(&self, model: &str) -> Cow<'static, ModelFacts> {
        let known = models::facts(model);
        if self.corrections == Corrections::default() {
            Cow::Borrowed(known)
        } else {
            Cow::Owned(self.corrections.apply(known))
        }
    }

    /// The model to ask for, where the client's name for it is `asked`.
    pub fn model_for<'a>(&'a self, asked: &'a str) -> Cow<'a, str> {
        match &self.model {
            Some(model) => Cow::Borrowed(model),
            None => self.transport.spelling.spell(asked),
        }
    }

    /// Whether there is another server to ask than the one that was asked.
    pub fn has_siblings(&self) -> bool {
        self.endpoints.as_ref().is_some_and(|endpoints| endpoints.members.len() > 1)
    }

    /// Until when it or every endpoint was asked to be left alone, whatever it is asked with.
    pub fn throttled_until(&self, now: Instant) -> Option<Instant> {
        let endpoints = self.endpoints.as_ref();
        self.state
            .resting_until(now)
            .or_else(|| endpoints.and_then(|endpoints| endpoints.resting_until(now)))
    }

    /// Until when it, every key of its or every endpoint, was asked to be left alone; `None` if it may be asked.
    pub fn resting_until(&self, now: Instant) -> Option<Instant> {
        let keys = self.keys.as_ref();
        self.throttled_until(now)
            .or_else(|| keys.and_then(|keys| keys.rested_at(self.limited_model(), now)))
    }

    /// How long the first output of a stream may take, of a model that was asked to reason or not:
    /// what is set, else what the target usually needs.
    pub fn first_token_limit(&self, reasons: bool) -> Duration {
        let (floor, ceiling) = FIRST_TOKEN;
        self.timeouts.first_token.unwrap_or_else(|| {
            // Reasoning may take as long and show nothing.
            let floor = if reasons { ceiling } else { floor };
            self.state.usual_first_token.limit(floor, ceiling)
        })
    }

    /// How long a plain reply may take: what is set, else what the target usually needs.
    pub fn response_limit(&self) -> Duration {
        let (floor, ceiling) = RESPONSE;
        self.timeouts.response.unwrap_or_else(|| self.state.usual_reply.limit(floor, ceiling))
    }

    /// The model for which a provider that throttles a key does so.
    pub fn limited_model(&self) -> &Arc<str> {
        &self.state.identity().model
    }
}

impl Target {
    /// How to reach it, if it can be reached.
    pub fn upstream(&self) -> Option<&Upstream> {
        match &self.resolution {
            Resolution::Ready(upstream) => Some(upstream),
            Resolution::Unresolved { .. } => None,
        }
    }
}

/// A provider's base URL: what that vendor's own SDK takes, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    path: Box<str>,
}

/// Why a text is no base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URI at all.
    #[error("is not a URL")]
    Malformed,
    /// Neither http nor https.
    #[error("must begin with `https://` or `http://`")]
    Scheme,
    /// Credentials in a URL end up in logs.
    #[error("must not hold a user name or password: use `credentialRef`")]
    UserInfo,
    /// A query would be lost when paths are appended.
    #[error("must not hold a query or a fragment")]
    Query,
}

impl BaseUrl {
    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Host and, if given, port, as they stand in the `host` header.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host without port; IPv6 addresses without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, the scheme's own if none is given.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// The path that every request path is appended to; empty or beginning with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The origin-form target of a request: `suffix` (which begins with `/`, and may hold a query of
    /// its own) after this path.
    pub fn request_target(&self, suffix: &str, query: Option<&str>) -> Option<PathAndQuery> {
        let mut target = String::with_capacity(
            self.path.len() + suffix.len() + query.map_or(0, |query| query.len() + 1),
        );
        target.push_str(&self.path);
        target.push_str(suffix);
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            target.push(if suffix.contains('?') { '&' } else { '?' });
            target.push_str(query);
        }
        PathAndQuery::try_from(target).ok()
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('#') {
            return Err(BaseUrlError::Query);
        }
        let parts = text.parse::<Uri>().map_err(|_| BaseUrlError::Malformed)?.into_parts();
        let scheme = parts.scheme.ok_or(BaseUrlError::Scheme)?;
        if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
            return Err(BaseUrlError::Scheme);
        }
        let authority = parts.authority.ok_or(BaseUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(BaseUrlError::UserInfo);
        }
        if authority.host().is_empty() {
            return Err(BaseUrlError::Malformed);
        }
        let path_and_query = parts.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        if path_and_query.query().is_some() {
            return Err(BaseUrlError::Query);
        }
        let path = path_and_query.path().trim_end_matches('/').into();
        Ok(Self { scheme, authority, path })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}
