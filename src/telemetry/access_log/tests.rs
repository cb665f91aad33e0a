//! Lines that stay lines, and ends that come.

use std::io;
use std::sync::mpsc;

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes nothing until the other end is dropped.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn record<'a>(path: &'a str, request_id: &'a str) -> AccessRecord<'a> {
    AccessRecord {
        time: "2026-01-01T00:00:00.000Z",
        level: "info",
        message: "request",
        request_id,
        method: "POST",
        path,
        status: 200,
        outcome: "success",
        code: None,
        namespace: None,
        consumer: None,
        model: None,
        route: None,
        fallback_route: None,
        target: None,
        provider: None,
        upstream_model: None,
        stream: false,
        attempts: 1,
        failures: &[],
        duration_ms: 1.0,
        provider_ms: None,
        first_token_ms: None,
        input_tokens: None,
        cached_input_tokens: None,
        output_tokens: None,
        reasoning_tokens: None,
        request_bytes: 0,
        response_bytes: 0,
        malformed_events: 0,
        resumes: 0,
    }
}

fn lines(format: LogFormat, records: &[AccessRecord<'_>]) -> Vec<String> {
    let kept = Kept::default();
    let log = AccessLog::start(format, kept.clone());
    for record in records {
        log.write(record);
    }
    log.close();
    let text = String::from_utf8(kept.0.lock().clone()).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn nothing_that_a_client_sends_makes_or_colours_a_line_of_its_own() {
    let forged = "\u{1b}[31m/x\nforged";
    for format in [LogFormat::Json, LogFormat::Text] {
        let lines = lines(format, &[record(forged, forged), record("/plain", "req_1")]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
    }
    let plain = &lines(LogFormat::Text, &[record("/plain", "req_1")])[0];
    assert!(plain.contains(" /plain 200 ") && plain.ends_with(" req_1"), "{plain}");
}

#[test]
fn a_closed_log_takes_no_lines_and_buffers_shrink_after_a_burst() {
    let long = "a".repeat(LINE_KEPT * 4);
    let kept = Kept::default();
    let log = AccessLog::start(LogFormat::Json, kept.clone());
    for _ in 0..100 {
        log.write(&record(&long, "req_1"));
    }
    log.close();
    let written = kept.0.lock().len();
    assert!(written > 100 * long.len());
    log.write(&record("/late", "req_2"));
    assert!(log.shared.buffer.lock().is_empty());
    LINE.with_borrow(|line| assert!(line.capacity() <= 2 * LINE_KEPT, "{}", line.capacity()));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_does_not_hold_the_end() {
    let (reader, stuck) = mpsc::sync_channel(0);
    let log = Arc::new(AccessLog::start(LogFormat::Json, Stuck(stuck)));
    log.write(&record("/", "req_1"));
    Arc::clone(&log).close_within(Duration::from_millis(1)).await;
    drop(reader);
}
