//! Reads a [`Fault`] from text; the grammar is documented in [`crate::simulate`].

use std::{num::NonZeroUsize, str::FromStr, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{Cut, Ending, Fault, GoesOn, Mute, Replacement};

/// Longest wait: a mistyped unit must not look like a hanging simulator for a day.
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// Longest answer, in tokens: some 10 MB of events, built in memory before the first is sent.
const MAX_TOKENS: usize = 100_000;
/// Largest single event: beyond any limit that a client sets, small beside a machine's memory.
const MAX_EVENT: usize = 64 << 20;
/// Event size of a bare `huge`: over the buffer that stream parsers usually allow.
const HUGE: usize = 1 << 20;

/// Every option and its effect, as the command's help shows them.
pub(in crate::simulate) const OPTIONS: [(&str, &str); 27] = [
    ("status=CODE", "an error of this status (300 to 599) in the protocol's shape"),
    ("code=TEXT", "the code of that error"),
    ("type=TEXT", "the type of that error"),
    ("message=TEXT", "the message of that error"),
    ("retry-after=SECONDS|DATE", "this header"),
    ("retry-after-ms=MS", "this header"),
    ("should-retry=true|false", "the header `x-should-retry`"),
    ("header=NAME:VALUE", "any header, in place of the usual value"),
    ("content-type=TEXT", "this header, in place of the usual value"),
    ("reset", "the connection is reset before the headers"),
    ("close", "the connection is closed before the headers"),
    ("silent", "the request is read and never answered"),
    ("body=empty|html", "the body is empty, or a load balancer's page"),
    ("delay=TIME", "before the headers"),
    ("first=TIME", "between the headers and the first event"),
    ("pace=TIME", "between two events"),
    ("cut=N[:end|close|reset]", "after N events the body or the connection ends"),
    ("stall=N", "after N events nothing more comes"),
    ("drip[=BYTES]", "pieces of one byte (or so many), each sent alone"),
    ("garbage=N", "after N events comes one that is no JSON"),
    ("error=N", "after N events comes an error event, and the stream ends"),
    ("huge[=BYTES]", "after the first event comes a big one without content"),
    ("no-end", "the end marker is missing"),
    ("times=N", "only the first N requests with this model and fault suffer"),
    ("words=N", "the text has exactly N tokens"),
    ("reasoning=N", "reasoning of N tokens comes first"),
    (
        "goes-on=truly|restart|paraphrase|repeat|courtesy|mid-word|refuse",
        "how an answer that was begun elsewhere is gone on with",
    ),
];

/// A fault text that does not follow the grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "fault option `{option}`: {problem}; options are separated by `;`: {options}; TIME is 250ms, \
     2s or 1m; N counts events from 0",
    options = OPTIONS.map(|(option, _)| option).join(", ")
)]
pub struct FaultSyntax {
    option: String,
    problem: String,
}

impl FromStr for Fault {
    type Err = FaultSyntax;

    fn from_str(text: &str) -> Result<Self, FaultSyntax> {
        let mut fault = Self::default();
        let mut seen = Vec::new();
        for option in text.split(';').map(str::trim).filter(|option| !option.is_empty()) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (option, None),
            };
            let wrong = |problem| FaultSyntax { option: option.to_owned(), problem };
            if name != "header" && seen.contains(&name) {
                return Err(wrong("is given twice".to_owned()));
            }
            seen.push(name);
            fault.set(name, value).map_err(wrong)?;
        }
        Ok(fault)
    }
}

impl Fault {
    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        match name {
            "status" => self.status = Some(status(value)?),
            "code" => self.code = Some(text(value)?),
            "type" => self.kind = Some(text(value)?),
            "message" => self.message = Some(text(value)?),
            "retry-after" => self.header(header::RETRY_AFTER, needed(value)?)?,
            "retry-after-ms" => {
                let name = HeaderName::from_static("retry-after-ms");
                self.header(name, needed(value)?)?;
            }
            "should-retry" => {
                let name = HeaderName::from_static("x-should-retry");
                self.header(name, needed(value)?)?;
            }
            "content-type" => self.header(header::CONTENT_TYPE, needed(value)?)?,
            "header" => {
                let (name, value) = needed(value)?.split_once(':').ok_or("needs NAME:VALUE")?;
                let name = name.trim().parse().map_err(|_| "names no legal header")?;
                self.header(name, value.trim())?;
            }
            "reset" => self.mute(Mute::Reset, value)?,
            "close" => self.mute(Mute::Close, value)?,
            "silent" => self.mute(Mute::Silent, value)?,
            "body" => {
                self.body = Some(match needed(value)? {
                    "empty" => Replacement::Empty,
                    "html" => Replacement::Html,
                    _ => return Err("needs `empty` or `html`".to_owned()),
                });
            }
            "delay" => self.delay = time(value)?,
            "first" => self.first = time(value)?,
            "pace" => self.pace = time(value)?,
            "cut" => self.cut(cut(needed(value)?)?)?,
            "stall" => self.cut(Cut { after: number(value)?, how: Ending::Stall })?,
            "drip" => {
                let bytes = value.map_or(Ok(1), |_| number(value))?;
                self.drip = Some(NonZeroUsize::new(bytes).ok_or("needs at least one byte")?);
            }
            "garbage" => self.garbage = Some(number(value)?),
            "error" => self.error = Some(number(value)?),
            "huge" => {
                self.huge = Some(at_most(MAX_EVENT, value.map_or(Ok(HUGE), |_| number(value))?)?);
            }
            "no-end" => {
                bare(value)?;
                self.no_end = true;
            }
            "times" => {
                self.times = Some(needed(value)?.parse().map_err(|_| NOT_A_NUMBER)?);
            }
            "words" => self.words = Some(at_most(MAX_TOKENS, number(value)?)?),
            "reasoning" => self.reasoning = Some(at_most(MAX_TOKENS, number(value)?)?),
            "goes-on" => self.goes_on = goes_on(needed(value)?)?,
            _ => return Err("is not known".to_owned()),
        }
        Ok(())
    }

    fn header(&mut self, name: HeaderName, value: &str) -> Result<(), String> {
        let value = HeaderValue::from_str(value).map_err(|_| "is no legal header value")?;
        self.headers.push((name, value));
        Ok(())
    }

    fn mute(&mut self, mute: Mute, value: Option<&str>) -> Result<(), String> {
        bare(value)?;
        match self.refusal.replace(mute) {
            None => Ok(()),
            Some(_) => Err("only one of `reset`, `close` and `silent` can happen".to_owned()),
        }
    }

    fn cut(&mut self, cut: Cut) -> Result<(), String> {
        match self.cut.replace(cut) {
            None => Ok(()),
            Some(_) => Err("only one of `cut` and `stall` can happen".to_owned()),
        }
    }
}

const NOT_A_NUMBER: &str = "needs a whole number";

fn needed(value: Option<&str>) -> Result<&str, String> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| "needs a value".to_owned())
}

fn bare(value: Option<&str>) -> Result<(), String> {
    value.map_or(Ok(()), |_| Err("takes no value".to_owned()))
}

fn text(value: Option<&str>) -> Result<String, String> {
    needed(value).map(str::to_owned)
}

fn number(value: Option<&str>) -> Result<usize, String> {
    needed(value)?.parse().map_err(|_| NOT_A_NUMBER.to_owned())
}

fn at_most(limit: usize, number: usize) -> Result<usize, String> {
    if number <= limit { Ok(number) } else { Err(format!("is over the limit of {limit}")) }
}

fn status(value: Option<&str>) -> Result<StatusCode, String> {
    // Below 300 there is no error to show, and hyper sends 1xx by itself.
    let code = needed(value)?.parse().ok().filter(|code| (300..600).contains(code));
    code.and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| "needs a status from 300 to 599".to_owned())
}

fn time(value: Option<&str>) -> Result<Duration, String> {
    parse_time(needed(value)?)
}

/// Reads `250ms`, `2s` or `1m`, up to an hour.
pub(in crate::simulate) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let count: u64 = digits.parse().map_err(|_| "needs a time such as `250ms`, `2s` or `1m`")?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err("needs a unit: `ms`, `s` or `m`".to_owned()),
    };
    let time = Duration::from_millis(count.saturating_mul(milliseconds));
    if time <= MAX_WAIT { Ok(time) } else { Err("is over an hour".to_owned()) }
}

fn goes_on(value: &str) -> Result<GoesOn, String> {
    Ok(match value {
        "truly" => GoesOn::Truly,
        "restart" => GoesOn::Restart,
        "paraphrase" => GoesOn::Paraphrase,
        "repeat" => GoesOn::Repeat,
        "courtesy" => GoesOn::Courtesy,
        "mid-word" => GoesOn::MidWord,
        "refuse" => GoesOn::Refuse,
        _ => {
            return Err(
                "needs `truly`, `restart`, `paraphrase`, `repeat`, `courtesy`, `mid-word` \
                        or `refuse`"
                    .to_owned(),
            );
        }
    })
}

fn cut(value: &str) -> Result<Cut, String> {
    let (after, how) = match value.split_once(':') {
        None => (value, Ending::Close),
        Some((after, "end")) => (after, Ending::End),
        Some((after, "close")) => (after, Ending::Close),
        Some((after, "reset")) => (after, Ending::Reset),
        Some(_) => return Err("ends in `end`, `close` or `reset`".to_owned()),
    };
    Ok(Cut { after: number(Some(after))?, how })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Fault {
        text.parse().expect("a legal fault")
    }

    #[test]
    fn reads_every_option() {
        let fault = parse(
            "status=429; code=c; type=t; message=no more; retry-after=2; retry-after-ms=1500; \
             should-retry=false; header=location: http://x/; header=a:b; content-type=text/plain; \
             body=html; delay=1ms; first=2s; pace=1m; cut=3:reset; drip; garbage=1; error=0; huge; \
             no-end; times=2; words=9; reasoning=4; goes-on=mid-word; silent",
        );
        assert_eq!(fault.status, Some(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(fault.message.as_deref(), Some("no more"));
        let names: Vec<_> = fault.headers.iter().map(|(name, _)| name.as_str()).collect();
        let expected =
            ["retry-after", "retry-after-ms", "x-should-retry", "location", "a", "content-type"];
        assert_eq!(names, expected);
        assert_eq!(fault.first, Duration::from_secs(2));
        assert_eq!(fault.pace, Duration::from_secs(60));
        assert_eq!(fault.cut, Some(Cut { after: 3, how: Ending::Reset }));
        assert_eq!(fault.drip, NonZeroUsize::new(1));
        assert_eq!(fault.huge, Some(HUGE));
        assert_eq!(fault.refusal, Some(Mute::Silent));
        assert_eq!(fault.goes_on, GoesOn::MidWord);
        assert!(fault.no_end);
    }

    #[test]
    fn an_empty_text_is_healthy() {
        assert_eq!(parse(" ; "), Fault::default());
    }

    #[test]
    fn a_cut_closes_unless_told() {
        assert_eq!(parse("cut=2").cut, Some(Cut { after: 2, how: Ending::Close }));
        assert_eq!(parse("stall=2").cut, Some(Cut { after: 2, how: Ending::Stall }));
    }

    #[test]
    fn a_wrong_option_is_named_and_the_grammar_explained() {
        for (text, option, problem) in [
            ("status=200", "status=200", "300 to 599"),
            ("stutas=500", "stutas=500", "not known"),
            ("delay=5", "delay=5", "unit"),
            ("delay=2m;delay=1m", "delay=1m", "twice"),
            ("delay=61m", "delay=61m", "over an hour"),
            ("cut=1;stall=2", "stall=2", "only one of"),
            ("reset;silent", "silent", "only one of"),
            ("no-end=1", "no-end=1", "no value"),
            ("words=many", "words=many", "whole number"),
            ("words=1000000", "words=1000000", "limit"),
            ("drip=0", "drip=0", "at least one"),
            ("header=nonsense", "header=nonsense", "NAME:VALUE"),
            ("cut=1:softly", "cut=1:softly", "ends in"),
            ("goes-on=well", "goes-on=well", "`truly`"),
        ] {
            let error = text.parse::<Fault>().expect_err(text).to_string();
            assert!(error.contains(&format!("`{option}`")), "{error}");
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("cut=N[:end|close|reset]"), "{error}");
        }
    }

    #[test]
    fn healing_keeps_length_and_pace() {
        let healed = parse("status=503;times=1;words=9;pace=5ms").healed();
        assert_eq!(healed, parse("words=9;pace=5ms"));
    }
}
