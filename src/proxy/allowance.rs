//! What a provider says is left for a key, before it throttles it.
//!
//! OpenAI and those who follow it send `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`,
//! Anthropic `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`.
//! Both speak of the account behind the key and of the model that was asked. It is advice: a key that
//! is nearly out is used after the others, and by itself as ever.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// With fewer requests left than this the next but one is refused.
const FEW_REQUESTS: u64 = 2;
/// With less than one part in this of the tokens left: a large prompt is about that much of the limits
/// of small accounts.
const FEW_TOKENS_ONE_IN: u64 = 50;
/// Where a provider does not say when there is more.
const UNTOLD: Duration = Duration::from_secs(10);
/// Most limits fill up steadily, and what is told is when they will be full, which for limits by the
/// day is tomorrow: after this time one request finds out how it is.
const LONGEST: Duration = Duration::from_secs(60);

/// How much is left for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Enough.
    Plenty,
    /// Next to nothing, for so long.
    Low(Duration),
}

/// One limit, as a provider's headers tell of it.
#[derive(Debug, Clone, Copy)]
struct Names {
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
    counts_tokens: bool,
}

/// Every limit that is known.
const LIMITS: [Names; 6] = [
    Names {
        limit: "x-ratelimit-limit-requests",
        remaining: "x-ratelimit-remaining-requests",
        reset: "x-ratelimit-reset-requests",
        counts_tokens: false,
    },
    Names {
        limit: "x-ratelimit-limit-tokens",
        remaining: "x-ratelimit-remaining-tokens",
        reset: "x-ratelimit-reset-tokens",
        counts_tokens: true,
    },
    Names {
        limit: "anthropic-ratelimit-requests-limit",
        remaining: "anthropic-ratelimit-requests-remaining",
        reset: "anthropic-ratelimit-requests-reset",
        counts_tokens: false,
    },
    Names {
        limit: "anthropic-ratelimit-tokens-limit",
        remaining: "anthropic-ratelimit-tokens-remaining",
        reset: "anthropic-ratelimit-tokens-reset",
        counts_tokens: true,
    },
    Names {
        limit: "anthropic-ratelimit-input-tokens-limit",
        remaining: "anthropic-ratelimit-input-tokens-remaining",
        reset: "anthropic-ratelimit-input-tokens-reset",
        counts_tokens: true,
    },
    Names {
        limit: "anthropic-ratelimit-output-tokens-limit",
        remaining: "anthropic-ratelimit-output-tokens-remaining",
        reset: "anthropic-ratelimit-output-tokens-reset",
        counts_tokens: true,
    },
];

/// What an answer's head says is left; `None` if it says nothing. Of several limits that are nearly
/// reached the one that lasts longest counts.
pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Option<Allowance> {
    let said = LIMITS.iter().filter_map(|names| names.read(headers, now));
    said.reduce(|one, other| match (one, other) {
        (Allowance::Low(one), Allowance::Low(other)) => Allowance::Low(one.max(other)),
        (Allowance::Low(rest), Allowance::Plenty) | (Allowance::Plenty, Allowance::Low(rest)) => {
            Allowance::Low(rest)
        }
        (Allowance::Plenty, Allowance::Plenty) => Allowance::Plenty,
    })
}

impl Names {
    fn read(&self, headers: &HeaderMap, now: SystemTime) -> Option<Allowance> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: &str| text(name)?.parse::<u64>().ok();
        let remaining = number(self.remaining)?;
        let limit = number(self.limit);
        let is_low = if self.counts_tokens {
            remaining < limit.map_or(1, |limit| limit / FEW_TOKENS_ONE_IN)
        } else {
            // Of a limit of one nothing is left after every request.
            remaining < FEW_REQUESTS.min(limit.unwrap_or(FEW_REQUESTS))
        };
        if !is_low {
            return Some(Allowance::Plenty);
        }
        let rest = text(self.reset).and_then(|text| time_left(text, now)).unwrap_or(UNTOLD);
        Some(Allowance::Low(rest.min(LONGEST)))
    }
}

/// Seconds in the units of times. `ms` is tried before `m`, with which it begins.
const UNITS: [(&str, f64); 5] =
    [("ms", 0.001), ("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];

/// A time as OpenAI (`6m0s`, `120ms`), Anthropic (RFC 3339) or others (seconds) write it.
fn time_left(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(SystemTime::from(moment).duration_since(now).unwrap_or_default());
    }
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at(digits);
        let (unit, scale) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        seconds += number.parse::<f64>().ok()? * scale;
        rest = &after[unit.len()..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    /// 2026-05-01T12:00:00Z.
    const NOW: u64 = 1_777_636_800;

    fn said(headers: &[(&'static str, &'static str)]) -> Option<Allowance> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        read(&map, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn low(seconds: u64) -> Allowance {
        Allowance::Low(Duration::from_secs(seconds))
    }

    #[test]
    fn few_requests_are_little() {
        let requests = |remaining, reset| {
            said(&[
                ("x-ratelimit-remaining-requests", remaining),
                ("x-ratelimit-reset-requests", reset),
            ])
        };
        assert_eq!(requests("1", "20s"), Some(low(20)));
        assert_eq!(
            requests("0", "1m30s"),
            Some(low(60)),
            "longer than a minute is looked at again"
        );
        assert_eq!(requests("0", "soon"), Some(low(10)));
        assert_eq!(requests("2", "20s"), Some(Allowance::Plenty));
        assert_eq!(requests("-1", "20s"), None);
        let one = [("x-ratelimit-limit-requests", "1"), ("x-ratelimit-remaining-requests", "0")];
        assert_eq!(said(&one), Some(low(10)));
        assert_eq!(said(&[]), None);
    }

    #[test]
    fn one_part_in_fifty_of_the_tokens_is_little() {
        let tokens = |remaining| {
            said(&[
                ("x-ratelimit-limit-tokens", "30000"),
                ("x-ratelimit-remaining-tokens", remaining),
                ("x-ratelimit-reset-tokens", "7"),
            ])
        };
        assert_eq!(tokens("599"), Some(low(7)));
        assert_eq!(tokens("600"), Some(Allowance::Plenty));
        assert_eq!(said(&[("x-ratelimit-remaining-tokens", "1")]), Some(Allowance::Plenty));
        assert_eq!(said(&[("x-ratelimit-remaining-tokens", "0")]), Some(low(10)));
    }

    #[test]
    fn any_of_anthropics_limits_can_be_the_one() {
        let others = [
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "8000"),
        ];
        assert_eq!(said(&others), Some(Allowance::Plenty));
        let input = [
            ("anthropic-ratelimit-input-tokens-limit", "30000"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-05-01T12:00:42Z"),
        ];
        assert_eq!(said(&[&others[..], &input].concat()), Some(low(42)));
        let past = [
            input[0],
            input[1],
            ("anthropic-ratelimit-input-tokens-reset", "2020-01-01T00:00:00Z"),
        ];
        assert_eq!(said(&past), Some(low(0)));
    }

    #[test]
    fn times_are_read_in_all_their_forms() {
        let left = |text| time_left(text, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
        let millis = |text| left(text).map(|time| time.as_millis());
        assert_eq!(millis("1s"), Some(1_000));
        assert_eq!(millis("6m0s"), Some(360_000));
        assert_eq!(millis("120ms"), Some(120));
        assert_eq!(millis("2m59.56s"), Some(179_560));
        assert_eq!(millis("1h1m1s"), Some(3_661_000));
        assert_eq!(millis("1d2h"), Some(93_600_000));
        assert_eq!(millis("3.5"), Some(3_500));
        for text in ["", "s", "5x", "m5", "-1", "NaN", "inf", "1e300h"] {
            assert_eq!(left(text), None, "{text}");
        }
    }
}
