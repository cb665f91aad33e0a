//! One line a request, written off the request's path.
//!
//! A request appends its line to a buffer; a thread of its own writes the buffer out. So a slow
//! reader of the log never slows a request, and a line costs no system call and wakes nobody.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use tokio::time::timeout;

use super::log::LogFormat;

/// Longest time a line waits in the buffer: a person who watches the log does not notice it, and at
/// 30,000 requests a second it saves as many system calls.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// Lines beyond this are dropped and counted: about 100,000 requests that nobody reads about.
const BUFFER_LIMIT: usize = 32 * 1024 * 1024;
/// A buffer of so many bytes is written out at once: a few hundred lines, so that waking the writer
/// costs a request next to nothing, and both buffers stay small however busy the gateway is.
const FLUSH_AT: usize = 128 * 1024;
/// What buffers keep after a burst.
const KEPT: usize = 2 * FLUSH_AT;
/// What a thread keeps for its next line; most lines are shorter than 1 KiB.
const LINE_KEPT: usize = 16 * 1024;

thread_local! {
    /// Lines are made up here, so that no request waits for another's line.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is logged of a request. Fields that do not apply are left out.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names are the log's own and described in the guide")]
pub struct AccessRecord<'a> {
    pub time: &'a str,
    pub level: &'static str,
    pub message: &'static str,
    pub request_id: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// The route whose target was asked last, where it is not `route`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_model: Option<&'a str>,
    pub stream: bool,
    pub attempts: u32,
    /// `target: what happened` of every try that did not answer, and of every endpoint that was left
    /// for another within a try.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub failures: &'a [String],
    pub duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Events that were left out of the stream because they could not be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub malformed_events: u32,
    /// How often another target went on where a stream had broken off.
    #[serde(skip_serializing_if = "is_zero")]
    pub resumes: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The log of requests.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    format: LogFormat,
    off: AtomicBool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    buffer: Mutex<Vec<u8>>,
    dropped: AtomicU64,
    ended: Mutex<bool>,
    wake: Condvar,
}

impl AccessLog {
    /// Starts the log; its lines go to `sink`.
    pub fn start(format: LogFormat, mut sink: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || ours.run(&mut sink))
            .ok();
        Self { shared, format, off: AtomicBool::new(writer.is_none()), writer: Mutex::new(writer) }
    }

    /// A log that writes nothing.
    pub fn off() -> Self {
        Self {
            shared: Arc::default(),
            format: LogFormat::Json,
            off: AtomicBool::new(true),
            writer: Mutex::new(None),
        }
    }

    /// Adds a request's line.
    pub fn write(&self, record: &AccessRecord<'_>) {
        if self.off.load(Ordering::Relaxed) {
            return;
        }
        LINE.with_borrow_mut(|line| {
            match self.format {
                // Only a map key that is no string could fail, and there is none.
                LogFormat::Json => drop(serde_json::to_writer(&mut *line, record)),
                LogFormat::Text => write_text(line, record),
            }
            line.push(b'\n');
            self.shared.add(line);
            line.clear();
            line.shrink_to(LINE_KEPT);
        });
    }

    /// Lines lost because nobody read the log.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes out what is buffered and ends the log. Blocks until its reader has taken everything.
    pub fn close(&self) {
        self.off.store(true, Ordering::Relaxed);
        let Some(writer) = self.writer.lock().take() else { return };
        *self.shared.ended.lock() = true;
        self.shared.wake.notify_all();
        // A panic of the writer was printed by its own thread.
        let _ = writer.join();
    }

    /// Like [`AccessLog::close`], but a reader that takes nothing delays the end by `limit` at most.
    pub async fn close_within(self: Arc<Self>, limit: Duration) {
        let closing = tokio::task::spawn_blocking(move || self.close());
        if timeout(limit, closing).await.is_err() {
            tracing::warn!("nobody reads the access log: its last lines are lost");
        }
    }
}

impl Shared {
    fn add(&self, line: &[u8]) {
        let mut buffer = self.buffer.lock();
        if buffer.len() >= BUFFER_LIMIT {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = buffer.len();
        buffer.extend_from_slice(line);
        let filled = before < FLUSH_AT && buffer.len() >= FLUSH_AT;
        drop(buffer);
        if filled {
            // Under the lock, so that the writer is not between looking and waiting.
            let _looking = self.ended.lock();
            self.wake.notify_one();
        }
    }

    fn run(&self, sink: &mut impl Write) {
        let mut batch = Vec::new();
        loop {
            let ended = {
                let mut ended = self.ended.lock();
                if !*ended && self.buffer.lock().len() < FLUSH_AT {
                    self.wake.wait_for(&mut ended, FLUSH_EVERY);
                }
                *ended
            };
            std::mem::swap(&mut batch, &mut *self.buffer.lock());
            // A closed standard output (`| head`) is no reason to stop serving.
            let _ = sink.write_all(&batch).and_then(|()| sink.flush());
            batch.clear();
            batch.shrink_to(KEPT);
            if ended {
                return;
            }
        }
    }
}

/// What clients chose is escaped: a line stays a line, whatever they send.
fn write_text(buffer: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let _ = write!(
        buffer,
        "{} {} {} {} {} {:.1}ms {}",
        record.time,
        record.method,
        record.path.escape_debug(),
        record.status,
        record.outcome,
        record.duration_ms,
        record.request_id.escape_debug(),
    );
    let named = [
        ("consumer", record.consumer),
        ("model", record.model),
        ("route", record.route),
        ("target", record.target),
        ("code", record.code),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            let _ = write!(buffer, " {name}={value:?}");
        }
    }
    if record.attempts > 1 {
        let _ = write!(buffer, " attempts={}", record.attempts);
    }
    for failure in record.failures {
        let _ = write!(buffer, " failed={failure:?}");
    }
    if let (Some(input), Some(output)) = (record.input_tokens, record.output_tokens) {
        let _ = write!(buffer, " tokens={input}+{output}");
    }
}

#[cfg(test)]
mod tests;
