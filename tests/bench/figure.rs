//! The figures: what each is called, how gateway and baseline are set against each other, and
//! what the gateway aims at.

use serde::Serialize;

/// One line of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Figure {
    RequestRate,
    RequestCpu,
    RequestCores,
    EventCpu,
    EventGapP99,
    OneP50,
    OneP99,
    RateP50,
    RateP99,
    TranslatedCpu,
    TranslatedEventCpu,
    IdleMemory,
    LoadedMemory,
}

/// What the gateway's figure is read against.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The gateway's value as a multiple of the baseline's.
    Ratio,
    /// The gateway's value as a multiple of its own where nothing is translated.
    RatioTo(Figure),
    /// Both values less what there is without a proxy.
    Added,
    /// The value by itself.
    Plain,
}

/// What the gateway aims at.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    ValueAtMost(f64),
}

impl Figure {
    pub(crate) const ALL: [Self; 13] = [
        Self::RequestRate,
        Self::RequestCpu,
        Self::RequestCores,
        Self::EventCpu,
        Self::EventGapP99,
        Self::OneP50,
        Self::OneP99,
        Self::RateP50,
        Self::RateP99,
        Self::TranslatedCpu,
        Self::TranslatedEventCpu,
        Self::IdleMemory,
        Self::LoadedMemory,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::RequestRate => "2 KB requests a second, one core, 64 connections",
            Self::RequestCpu => "CPU µs for each such request",
            Self::RequestCores => "cores in use meanwhile",
            Self::EventCpu => "CPU µs for each event, 100 streams 5 ms apart",
            Self::EventGapP99 => "µs between two such events, p99",
            Self::OneP50 => "µs added, one connection, p50",
            Self::OneP99 => "µs added, one connection, p99",
            Self::RateP50 => "µs added, 5,000 requests a second, p50",
            Self::RateP99 => "µs added, 5,000 requests a second, p99",
            Self::TranslatedCpu => "CPU µs for each request, Messages to chat completions",
            Self::TranslatedEventCpu => "CPU µs for each event, Messages from chat completions",
            Self::IdleMemory => "MiB resident, idle",
            Self::LoadedMemory => "MiB resident, after the load",
        }
    }

    pub(crate) fn reading(self) -> Reading {
        match self {
            Self::RequestRate | Self::RequestCpu | Self::EventCpu => Reading::Ratio,
            Self::TranslatedCpu => Reading::RatioTo(Self::RequestCpu),
            Self::TranslatedEventCpu => Reading::RatioTo(Self::EventCpu),
            Self::OneP50 | Self::OneP99 | Self::RateP50 | Self::RateP99 => Reading::Added,
            Self::RequestCores | Self::EventGapP99 | Self::IdleMemory | Self::LoadedMemory => {
                Reading::Plain
            }
        }
    }

    /// The aims of the first release; the best other gateway measured this way reaches 0.29, 1.45
    /// and 25 MiB.
    pub(crate) fn target(self) -> Option<Target> {
        match self {
            Self::RequestRate => Some(Target::RatioAtLeast(0.55)),
            Self::EventCpu => Some(Target::RatioAtMost(1.3)),
            Self::LoadedMemory => Some(Target::ValueAtMost(25.0)),
            _ => None,
        }
    }

    /// Whether it means anything without a proxy: times and rates of the path do, a proxy's CPU
    /// and memory do not.
    pub(crate) fn is_of_the_path(self) -> bool {
        self.reading() == Reading::Added || matches!(self, Self::RequestRate | Self::EventGapP99)
    }

    pub(crate) fn decimals(self) -> usize {
        match self {
            Self::RequestRate | Self::EventGapP99 => 0,
            Self::RequestCores => 2,
            _ => 1,
        }
    }
}

impl Target {
    /// Whether the median of the ratio or of the value, whichever it is about, reaches it.
    pub(crate) fn is_met(self, ratio: Option<f64>, value: f64) -> bool {
        match self {
            Self::RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
            Self::RatioAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::ValueAtMost(most) => value <= most,
        }
    }

    pub(crate) fn show(self) -> String {
        match self {
            Self::RatioAtLeast(least) => format!(">= {least} x"),
            Self::RatioAtMost(most) => format!("<= {most} x"),
            Self::ValueAtMost(most) => format!("<= {most}"),
        }
    }
}
