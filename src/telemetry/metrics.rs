//! What Prometheus sees.

use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// Seconds. Plain replies of models take from a tenth of a second to minutes.
const DURATIONS: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Seconds. First tokens come within a few seconds, or something is wrong.
const FIRST_TOKENS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 60.0];

/// Every metric that requests feed, registered once. Label values come from resources and closed
/// sets, never from what a client sends.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests that ended, by what became of them.
    pub requests: IntCounterVec,
    /// From the request's head to the last byte of its answer.
    pub duration: HistogramVec,
    /// From the request's head to the first generated output of a stream.
    pub first_token: HistogramVec,
    /// Tries at targets, by what became of them.
    pub attempts: IntCounterVec,
    /// Tokens, as the targets report them.
    pub tokens: IntCounterVec,
    /// Breakers that opened.
    pub breaker_opened: IntCounterVec,
    /// Streams that broke off, by whether somebody else went on.
    pub resumes: IntCounterVec,
    /// Stream events that were left out because they could not be read.
    pub malformed_events: IntCounter,
    /// Requests running now.
    pub in_flight: IntGauge,
    /// Requests that wait for room at a target now.
    pub queued: IntGauge,
    /// Bytes of bodies held in memory now.
    pub buffered_bytes: IntGauge,
    /// Client connections open now.
    pub connections: IntGauge,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Only if two metrics of this file had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let metric = HistogramVec::new(options, labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let malformed_events = IntCounter::new(
            "pilothouse_malformed_events_total",
            "Stream events left out because they could not be read.",
        )?;
        registry.register(Box::new(malformed_events.clone()))?;
        Ok(Self {
            requests: counters(
                "pilothouse_requests_total",
                "Requests that ended, by what became of them.",
                &["route", "operation", "status", "outcome"],
            )?,
            duration: histogram(
                "pilothouse_request_duration_seconds",
                "From a request's head to the last byte of its answer.",
                DURATIONS,
                &["route", "operation", "stream"],
            )?,
            first_token: histogram(
                "pilothouse_first_token_seconds",
                "From a request's head to the first generated output of its stream.",
                FIRST_TOKENS,
                &["route", "target"],
            )?,
            attempts: counters(
                "pilothouse_attempts_total",
                "Tries at targets, by what became of them.",
                &["route", "target", "outcome"],
            )?,
            tokens: counters(
                "pilothouse_tokens_total",
                "Tokens as targets report them; input includes cached input.",
                &["route", "target", "kind"],
            )?,
            breaker_opened: counters(
                "pilothouse_breaker_opened_total",
                "Circuit breakers that opened.",
                &["route", "target"],
            )?,
            resumes: counters(
                "pilothouse_stream_resumes_total",
                "Streams that broke off, by whether another target went on (resumed, failed, \
                 impossible).",
                &["route", "outcome"],
            )?,
            malformed_events,
            in_flight: gauge("pilothouse_in_flight_requests", "Requests running now.")?,
            queued: gauge(
                "pilothouse_queued_requests",
                "Requests waiting now, because every target that is well is full.",
            )?,
            buffered_bytes: gauge(
                "pilothouse_buffered_bytes",
                "Bytes of request and reply bodies held in memory now.",
            )?,
            connections: gauge("pilothouse_client_connections", "Client connections open now.")?,
            registry,
        })
    }

    /// Everything in Prometheus' text format (version 0.0.4).
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }

    /// The media type of [`Metrics::render`].
    pub const MEDIA_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";
}

/// One of what a gauge counts, until it is dropped, even by a panic.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    /// Counts one more.
    pub fn by(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Seconds for a histogram.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_given_back_by_a_panic_too() {
        let gauge = IntGauge::new("open", "open").expect("a name");
        let counted = gauge.clone();
        let panicked = std::thread::spawn(move || {
            let _open = Counted::by(&counted);
            assert_eq!(counted.get(), 2, "a panic while one is counted");
        });
        panicked.join().expect_err("it panics");
        assert_eq!(gauge.get(), 0);
    }
}
