//! Durations in the format of Gateway API's GEP-2257: `30s`, `1m30s`, `500ms`.
//!
//! Stricter than Go's: no sign, no fraction, at most four parts of five digits each. So every
//! duration has a length that a CEL rule can afford, and reads the same everywhere.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds in each unit, from the longest; `m` must be tried after `ms` when reading.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What GEP-2257 allows: parts and digits in a part.
const MAX_PARTS: usize = 4;
const MAX_DIGITS: usize = 5;
const MAX_NUMBER: u64 = 99_999;

/// A length of time, in whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no duration: write up to four numbers with a unit of `h`, `m`, `s` or `ms`, as in `1m30s`"
)]
pub struct DurationError;

impl Duration {
    /// No time at all, which turns a limit off where that is allowed.
    pub const ZERO: Self = Self(time::Duration::ZERO);

    /// The largest one that can be written: 99999 hours, 99999 minutes and so on.
    pub const MAX: Self = Self(time::Duration::from_millis(MAX_NUMBER * 3_661_001));

    /// As the standard library has it.
    pub fn get(self) -> time::Duration {
        self.0
    }

    /// Whether it is `0s`, however that was written.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

/// Rounds down to whole milliseconds and caps at [`Duration::MAX`]: there is no shorter unit and
/// no longer text.
impl From<time::Duration> for Duration {
    fn from(duration: time::Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(time::Duration::from_millis(millis)).min(Self::MAX)
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rest = text;
        let mut millis = 0;
        let mut parts = 0;
        while !rest.is_empty() || parts == 0 {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=MAX_DIGITS).contains(&digits) || parts == MAX_PARTS {
                return Err(DurationError);
            }
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError)?;
            millis += number.parse::<u64>().map_err(|_| DurationError)? * scale;
            parts += 1;
            rest = after;
        }
        // The same unit twice can come to more than can be written.
        Ok(Self(time::Duration::from_millis(millis)).min(Self::MAX))
    }
}

/// The shortest usual spelling: `1m30s`, not `90s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0s");
        }
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        for (unit, scale) in UNITS {
            // Past 99999 hours a part would need a sixth digit; what is left goes on in minutes.
            let count = (rest / scale).min(MAX_NUMBER);
            rest -= count * scale;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format_args!("`{text}` {error}")))
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            // Four parts of five digits and a unit of two letters.
            "maxLength": 28,
            "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(text: &str) -> Option<u128> {
        text.parse::<Duration>().ok().map(|duration| duration.get().as_millis())
    }

    #[test]
    fn reads_every_unit_and_sums_parts() {
        assert_eq!(millis("250ms"), Some(250));
        assert_eq!(millis("30s"), Some(30_000));
        assert_eq!(millis("5m"), Some(300_000));
        assert_eq!(millis("1h2m3s4ms"), Some(3_723_004));
        assert_eq!(millis("1s1s"), Some(2_000));
        assert_eq!(millis("0s"), Some(0));
        let longest = Duration::MAX.get().as_millis();
        assert_eq!(millis("99999h99999m99h99945ms"), Some(longest), "more cannot be written");
    }

    #[test]
    fn refuses_what_the_schema_refuses() {
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "1d", "100000s", "1h1h1h1h1h", "1S", "٣s"]
        {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn is_written_the_usual_way() {
        let written = |ms| Duration::from(time::Duration::from_millis(ms)).to_string();
        assert_eq!(written(0), "0s");
        assert_eq!(written(90_000), "1m30s");
        assert_eq!(written(1_500), "1s500ms");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0..=MAX_NUMBER * 3_661_001) {
            let duration = Duration::from(time::Duration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse::<Duration>(), Ok(duration));
        }

        #[test]
        fn agrees_with_the_pattern_of_the_schema(text in "[0-9hms]{0,30}") {
            let pattern = regex_like(&text);
            prop_assert_eq!(text.parse::<Duration>().is_ok(), pattern);
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = text.parse::<Duration>();
        }
    }

    /// The schema's pattern, written out by hand: greedy reading is unambiguous because no unit
    /// begins with a digit.
    fn regex_like(text: &str) -> bool {
        let mut parts = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            rest = &rest[digits..];
            let Some(after) = ["ms", "h", "m", "s"].iter().find_map(|unit| {
                rest.strip_prefix(unit).filter(|after| {
                    after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit())
                })
            }) else {
                return false;
            };
            if !(1..=5).contains(&digits) {
                return false;
            }
            parts += 1;
            rest = after;
        }
        (1..=4).contains(&parts)
    }
}
