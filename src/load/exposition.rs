//! Reading the few lines of a page of metrics that are wanted, in the text format of Prometheus
//! (version 0.0.4) or in that of OpenMetrics (1.0):
//!
//! ```text
//! # TYPE vllm:num_requests_waiting gauge
//! vllm:num_requests_waiting{engine="0",model_name="llama"} 3.0 1700000000000
//! ```
//!
//! A page is read as it comes and never held. What is no sample of a name that is wanted is passed
//! over, whatever it is: the page is another program's, and most of it is nobody's business here.

use std::mem;

use crate::state::LoadReport;

/// Names of gauges, by what they count. A server has one of each kind; label sets (models, engines)
/// are added up.
const WAITING: [&str; 5] = [
    "vllm:num_requests_waiting",
    "sglang:num_queue_reqs",
    // Without the colon, which is left to recording rules, in versions from 0.5.4.
    "sglang_num_queue_reqs",
    "llamacpp:requests_deferred",
    "tgi_queue_size",
];
const RUNNING: [&str; 5] = [
    "vllm:num_requests_running",
    "sglang:num_running_reqs",
    "sglang_num_running_reqs",
    "llamacpp:requests_processing",
    "tgi_batch_current_size",
];

/// A longer line is passed over: no sample of a gauge has labels of that length.
const LONGEST_LINE: usize = 16 << 10;

/// Reads a page in pieces.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
    /// What is still to come of a line that is too long.
    is_skipping: bool,
    waiting: Option<f64>,
    running: Option<f64>,
}

impl Reader {
    /// Reads the next piece, cut anywhere.
    pub(super) fn read(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            if self.begun.len() + text.len() > LONGEST_LINE {
                self.begun.clear();
                self.is_skipping = true;
            }
            if !self.is_skipping {
                if ends && self.begun.is_empty() {
                    self.take(text);
                    continue;
                }
                self.begun.extend_from_slice(text);
            }
            if ends {
                self.end_line();
            }
        }
    }

    /// What the whole page says; `None` if it says nothing of a queue.
    pub(super) fn finish(mut self) -> Option<LoadReport> {
        self.end_line();
        Some(LoadReport { waiting: count(self.waiting?), running: self.running.map(count) })
    }

    fn end_line(&mut self) {
        let line = mem::take(&mut self.begun);
        if !mem::take(&mut self.is_skipping) {
            self.take(&line);
        }
    }

    fn take(&mut self, line: &[u8]) {
        let Some((name, rest)) = std::str::from_utf8(line).ok().and_then(named) else { return };
        let sum = if WAITING.contains(&name) {
            &mut self.waiting
        } else if RUNNING.contains(&name) {
            &mut self.running
        } else {
            return;
        };
        if let Some(value) = value(rest) {
            *sum = Some(sum.unwrap_or_default() + value);
        }
    }
}

/// The name that a line begins with, and the rest of it.
fn named(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_ascii_start();
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    Some(line.split_at(end))
}

/// The value behind the labels, if it is one that a count can have. What follows it (a time, an
/// exemplar) does not matter.
fn value(rest: &str) -> Option<f64> {
    let rest = rest.trim_ascii_start();
    let rest = match rest.strip_prefix('{') {
        Some(labels) => after_labels(labels)?,
        None => rest,
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// What follows the labels, whose values may hold any character.
fn after_labels(labels: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let end = labels.bytes().position(|byte| {
        let ends = byte == b'}' && !quoted;
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some(&labels[end + 1..])
}

/// A part of a request is one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps to bounds")]
fn count(sum: f64) -> u32 {
    sum.ceil() as u32
}

#[cfg(test)]
mod tests;
