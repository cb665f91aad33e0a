//! What a target's failure means: for the target, for its key, and for the request.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};

use super::headers::names;
use crate::protocol::error::ErrorFacts;
use crate::state::BreakerPolicy;

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It answered.
    Success,
    /// The target is at fault: no connection, an error of its own, too slow, garbage.
    Failure,
    /// Too slow: a failure that is answered with 504 if nothing better comes.
    TimedOut,
    /// The target asks to be left alone for a while.
    Throttled,
    /// The target has more to do than it can (529): it, and not one of its keys, asks to be left
    /// alone, and mostly not for long.
    Overloaded,
    /// The target refuses the gateway's key.
    CredentialFault,
    /// The gateway has no token that it could show the target, which was not asked.
    Unproven,
    /// The target does not have the model that the route configured, or fails in a way that the
    /// route calls permanent.
    Permanent,
    /// The request is at fault: every target would refuse it.
    ClientFault,
    /// The prompt is longer than the model's context.
    TooLong,
    /// The content was refused by policy.
    Refused,
    /// The gateway has as many connections to that provider, or as many bytes of answers in memory,
    /// as it may: nobody's fault there.
    Exhausted,
    /// What was to go on with a text does not fit it.
    Mismatch,
    /// The request cannot be said in the target's protocol: the target was not asked.
    Untranslatable,
    /// The client went away.
    Cancelled,
}

impl Class {
    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::TimedOut => "timeout",
            Self::Throttled => "throttled",
            Self::Overloaded => "overloaded",
            Self::CredentialFault => "credential_fault",
            Self::Unproven => "unproven",
            Self::Permanent => "permanent_failure",
            Self::ClientFault => "client_fault",
            Self::TooLong => "too_long",
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Mismatch => "mismatch",
            Self::Untranslatable => "untranslatable",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it stays as it is until a person does something.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::CredentialFault | Self::Permanent)
    }

    /// Whether the same request in other words might fare better.
    pub fn is_about_the_request(self) -> bool {
        matches!(self, Self::ClientFault | Self::TooLong | Self::Mismatch)
    }

    /// Whether another target may be asked after this.
    pub fn fails_over(self) -> bool {
        match self {
            Self::Failure
            | Self::TimedOut
            | Self::Throttled
            | Self::Overloaded
            | Self::CredentialFault
            | Self::Unproven
            | Self::Exhausted
            | Self::Mismatch
            | Self::Untranslatable
            | Self::Permanent => true,
            Self::Success | Self::ClientFault | Self::TooLong | Self::Refused | Self::Cancelled => {
                false
            }
        }
    }
}

// What providers say is read by `code` and `type` wherever it changes what others get: a message may
// repeat what the client sent, and a client must not be able to rest a key or open a breaker by
// writing the right words into its request. Where a provider has no code for it, the beginning of
// the message is the provider's own. Texts that only decide about the request itself may stand
// anywhere in it.

/// Codes and types that say that the account behind a key cannot pay. They come as 400, 402, 403
/// and 429, and another key may still work.
const EMPTY_ACCOUNT: &[&str] =
    &["insufficient_quota", "credit_balance_exhausted", "billing_error", "billing_not_active"];
/// ... that the key is not valid, under a status that does not say so.
const BAD_KEY: &[&str] = &["invalid_api_key", "authentication_error"];
/// How messages of that kind begin where there is no code: Anthropic's, Gemini's.
const ACCOUNT_MESSAGES: &[&str] = &["your credit balance is too low", "api key not valid"];
/// ... that the model or deployment does not exist, or not for this account.
const NO_MODEL: &[&str] = &["model_not_found", "deploymentnotfound", "resourcenotfoundexception"];
/// How messages begin that name a missing model.
const MODEL_MESSAGES: &[&str] = &["model", "the model", "publisher model"];
/// AWS's word for what an identity may not do, and how its messages begin if that is to use this
/// model: the identity itself is in order.
const DENIED: &[&str] = &["accessdeniedexception"];
const DENIED_MODEL: &[&str] = &["you don't have access to the model", "user: arn:"];
/// ... that the prompt is too long.
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "prompt is too long",
    "maximum context length",
    "input is too long",
    "too many total text bytes",
    "exceeds the maximum number of tokens",
    "exceed context limit",
];
/// ... that the content was refused by policy.
const REFUSED: &[&str] =
    &["content_policy_violation", "content_filter", "responsibleaipolicyviolation", "moderation"];

fn mentions_any(facts: &ErrorFacts, needles: &[&str]) -> bool {
    needles.iter().any(|needle| facts.mentions(needle))
}

/// Whether `code` or `type` is one of `words`.
fn says(facts: &ErrorFacts, words: &[&str]) -> bool {
    let is = |text: &str| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    is(&facts.code) || is(&facts.kind)
}

fn begins(facts: &ErrorFacts, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| {
        let start = facts.message.get(..phrase.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(phrase))
    })
}

/// Whether the body was an error of the provider's API, and not a page of something before it.
fn is_structured(facts: &ErrorFacts) -> bool {
    !facts.code.is_empty() || !facts.kind.is_empty()
}

/// Classifies an answer that is no success. `configured` is the upstream model where the route
/// names one; a model that the client chose is the client's fault.
pub fn classify(
    status: StatusCode,
    facts: &ErrorFacts,
    configured: Option<&str>,
    policy: &BreakerPolicy,
) -> Class {
    if policy.permanent_status_codes.contains(&status.as_u16())
        || policy.permanent_patterns.iter().any(|pattern| facts.mentions(pattern))
    {
        return Class::Permanent;
    }
    match status.as_u16() {
        401 | 402 => Class::CredentialFault,
        403 if says(facts, NO_MODEL) => missing(facts, configured),
        403 if says(facts, DENIED) && begins(facts, DENIED_MODEL) => match configured {
            Some(_) => Class::Permanent,
            None => Class::ClientFault,
        },
        403 if mentions_any(facts, REFUSED) => Class::Refused,
        403 if is_structured(facts) => Class::CredentialFault,
        // A firewall in front of the provider.
        403 => Class::Failure,
        404 => missing(facts, configured),
        429 if says(facts, EMPTY_ACCOUNT) => Class::CredentialFault,
        429 => Class::Throttled,
        529 => Class::Overloaded,
        408 | 409 | 424 => Class::Failure,
        400..=499 => client_fault(facts, configured),
        // 5xx; and 1xx, 3xx, which no API of this kind answers with. Redirects are never followed:
        // they would carry the key to wherever they point.
        _ => Class::Failure,
    }
}

/// Something does not exist: the model, something that the request names, or the whole API.
fn missing(facts: &ErrorFacts, configured: Option<&str>) -> Class {
    let is_model = says(facts, NO_MODEL)
        || configured.is_some_and(|model| begins(facts, MODEL_MESSAGES) && facts.mentions(model));
    match configured {
        Some(_) if is_model => Class::Permanent,
        _ if is_model || is_structured(facts) => Class::ClientFault,
        // No error of an API: the base URL is wrong, or its server is not what it was.
        _ => Class::Failure,
    }
}

fn client_fault(facts: &ErrorFacts, configured: Option<&str>) -> Class {
    if says(facts, EMPTY_ACCOUNT) || says(facts, BAD_KEY) || begins(facts, ACCOUNT_MESSAGES) {
        Class::CredentialFault
    } else if says(facts, NO_MODEL) && configured.is_some() {
        Class::Permanent
    } else if mentions_any(facts, TOO_LONG) {
        Class::TooLong
    } else if mentions_any(facts, REFUSED) {
        Class::Refused
    } else {
        Class::ClientFault
    }
}

/// Classifies an error that came inside a stream or under a status of success: there is no status,
/// only type and code.
pub fn classify_in_band(
    facts: &ErrorFacts,
    configured: Option<&str>,
    policy: &BreakerPolicy,
) -> Class {
    let status = match &*facts.kind {
        "overloaded_error" => 529,
        "rate_limit_error" | "rate_limit_exceeded" | "throttlingException" => 429,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "invalid_request_error" | "validationException" => 400,
        "serviceUnavailableException" => 503,
        _ => match &*facts.code {
            "rate_limit_exceeded" | "slow_down" => 429,
            "insufficient_quota" => 402,
            code => code.parse().ok().filter(|code| (400..600).contains(code)).unwrap_or(500),
        },
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    classify(status, facts, configured, policy)
}

/// How long the target asks to be left alone: `retry-after-ms`, else `retry-after` in seconds or as
/// a date (RFC 9110, section 10.2.3).
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    /// A day: beyond that a clock is wrong somewhere, or an account is closed.
    const LONGEST: f64 = 86_400.0;

    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let seconds = number(names::RETRY_AFTER_MS.as_str())
        .map(|ms| ms / 1000.0)
        .or_else(|| number("retry-after"))
        .or_else(|| {
            let date = jiff::fmt::rfc2822::parse(text("retry-after")?).ok()?;
            let then = date.timestamp().as_second();
            let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
            i64::try_from(now).ok().map(|now| {
                #[allow(clippy::cast_precision_loss, reason = "a difference of seconds")]
                let left = (then - now) as f64;
                left
            })
        })?;
    seconds.is_finite().then(|| Duration::from_secs_f64(seconds.clamp(0.0, LONGEST)))
}

#[cfg(test)]
mod tests;
