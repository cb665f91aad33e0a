//! Until when all tries together may take: as long as the route says, or until the client gives up.

use std::time::{Duration, Instant};

use http::HeaderMap;

/// What official SDKs say of their own patience, in seconds: the Python SDKs how long they wait
/// between two bytes, the JavaScript ones how long for the head of the answer. Until the answer
/// begins both are the same.
const PATIENCE: &[&str] = &["x-stainless-read-timeout", "x-stainless-timeout"];

/// The moment at which nobody waits for an answer any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    /// When.
    pub at: Instant,
    /// The client will have gone by then: it is not the target's fault, however small its patience.
    pub is_clients: bool,
    /// What says so: a field of the route, or a header of the client.
    pub name: &'static str,
}

impl Deadline {
    /// The deadline of a request that began at `started`, on a route with that limit.
    pub fn new(started: Instant, limit: Duration, headers: &HeaderMap) -> Self {
        match patience(headers).filter(|(patience, _)| *patience < limit) {
            Some((patience, name)) => Self { at: started + patience, is_clients: true, name },
            None => Self { at: started + limit, is_clients: false, name: "timeouts.request" },
        }
    }

    /// The deadline for going on with a stream that broke off now: the client sees that it lives.
    pub fn to_resume(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, is_clients: false, name: "timeouts.request" }
    }

    /// Whether it has passed.
    pub fn is_over(self) -> bool {
        Instant::now() >= self.at
    }
}

/// The least of what the client says it waits, and where it says so. What is no time above zero says
/// nothing.
fn patience(headers: &HeaderMap) -> Option<(Duration, &'static str)> {
    let said = PATIENCE.iter().filter_map(|name| {
        let seconds: f64 = headers.get(*name)?.to_str().ok()?.trim().parse().ok()?;
        Some((Duration::try_from_secs_f64(seconds).ok()?, *name))
    });
    said.filter(|(time, _)| !time.is_zero()).min()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    fn left(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let started = Instant::now();
        let deadline = Deadline::new(started, LIMIT, &map);
        deadline.is_clients.then(|| deadline.at - started)
    }

    #[test]
    fn the_client_is_waited_for_as_long_as_it_waits() {
        assert_eq!(left(&[("x-stainless-read-timeout", "30")]), Some(Duration::from_secs(30)));
        assert_eq!(left(&[("x-stainless-read-timeout", "2.5")]), Some(Duration::from_millis(2500)));
        assert_eq!(left(&[("x-stainless-timeout", "7")]), Some(Duration::from_secs(7)));
        let both = [("x-stainless-timeout", "7"), ("x-stainless-read-timeout", "5.0")];
        assert_eq!(left(&both), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_patience_longer_than_the_routes_limit_or_without_sense_changes_nothing() {
        assert_eq!(left(&[]), None);
        for value in ["600", "601", "0", "-1", "NaN", "inf", "1e300", "NOT_GIVEN", "None", "", "5s"]
        {
            assert_eq!(left(&[("x-stainless-read-timeout", value)]), None, "{value}");
        }
        // What the Python SDK of Anthropic sends beside a limit for the whole client.
        let beside = [("x-stainless-timeout", "NOT_GIVEN"), ("x-stainless-read-timeout", "9")];
        assert_eq!(left(&beside), Some(Duration::from_secs(9)));
    }
}
