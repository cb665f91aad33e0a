//! Streams that go on with another.

use super::*;

const DELIVERED: &str = "{\"name\": \"The old har";

fn begun() -> Interrupted {
    let dialect = Scripted(vec![text(DELIVERED)]);
    let stream = StreamTranslator::new(&dialect, &dialect, Undo::default(), &VIEW, 1);
    let mut stream = stream.recorded(DialectId::OpenAiChat);
    stream.read(None, b"", &mut Vec::new()).expect("read");
    stream.interrupt().expect("text alone")
}

/// What a stream of those events comes to: the last meaning, what is written, and the stream.
fn resumed(events: &[Event], structured: bool) -> (Meaning, String, StreamTranslator) {
    let dialect = Scripted(events.to_vec());
    let mut stream =
        StreamTranslator::resumed(&dialect, Undo::default(), begun(), Mode::Prefill, structured);
    let (mut out, mut last) = (Vec::new(), Meaning::Preamble);
    for _ in events {
        last = stream.read(None, b"", &mut out).expect("read");
    }
    (last, String::from_utf8(out).expect("text"), stream)
}

fn thought() -> Event {
    Event::Thinking { choice: 0, text: "hm".into() }
}

fn refusal() -> Event {
    Event::Refusal { choice: 0, text: "No.".into() }
}

#[test]
fn a_stream_that_is_not_recorded_cannot_be_resumed() {
    let dialect = Scripted(vec![text("a")]);
    let mut stream = StreamTranslator::new(&dialect, &dialect, Undo::default(), &VIEW, 1);
    stream.read(None, b"", &mut Vec::new()).expect("read");
    assert_eq!(stream.interrupt().expect_err("no notes"), Unresumable::Unrecorded);
}

#[test]
fn starts_and_reasoning_of_the_second_are_left_out() {
    let start = Event::Start { id: "2".into(), model: "other".into() };
    let (_, written, _) = resumed(&[start, thought(), text("bour\"}"), finish(Finish::Stop)], true);
    let shown = [text("bour\"}"), finish(Finish::Stop)];
    assert_eq!(written, shown.map(|event| format!("{event:?}\n")).concat());
}

#[test]
fn a_whole_that_is_not_json_does_not_look_finished() {
    let (meaning, written, stream) = resumed(&[text("bour"), finish(Finish::Stop)], true);
    assert_eq!(meaning, Meaning::Mismatch(Mismatch::Malformed));
    assert!(!written.contains("Finish"), "{written}");
    drop(stream);
    // Where the limit came first, the true reason tells.
    let (meaning, ..) = resumed(&[text("bour"), finish(Finish::Length)], true);
    assert_eq!(meaning, Meaning::Finished);
}

#[test]
fn who_refuses_or_says_nothing_goes_on_with_nothing() {
    let (meaning, ..) = resumed(&[refusal()], false);
    assert_eq!(meaning, Meaning::Mismatch(Mismatch::Refused));
    let (meaning, ..) = resumed(&[thought(), finish(Finish::Stop)], false);
    assert_eq!(meaning, Meaning::Mismatch(Mismatch::Silent));
}

#[test]
fn after_a_mismatch_the_next_may_try() {
    let (_, _, mut stream) = resumed(&[refusal()], false);
    let interrupted = stream.interrupt().expect("still text alone");
    assert_eq!(interrupted.transcript().text(), DELIVERED);
}

#[test]
fn a_call_after_the_text_is_passed_on_and_ends_what_can_be_resumed() {
    let (meaning, written, mut stream) = resumed(&[text("bour"), tool("f")], false);
    assert_eq!(meaning, Meaning::Structured);
    assert!(written.contains("bour") && written.contains("ToolStart"), "{written}");
    assert_eq!(stream.interrupt().expect_err("a call"), Unresumable::ToolCall);
}

#[test]
fn the_client_is_told_one_prompt_and_the_log_both() {
    let usage = |input, output| {
        Event::Usage(Usage { input: Some(input), output: Some(output), ..Usage::default() })
    };
    let dialect = Scripted(vec![usage(10, 6), text(DELIVERED)]);
    let stream = StreamTranslator::new(&dialect, &dialect, Undo::default(), &VIEW, 1);
    let mut stream = stream.recorded(DialectId::OpenAiChat);
    for _ in 0..2 {
        stream.read(None, b"", &mut Vec::new()).expect("read");
    }
    let interrupted = stream.interrupt().expect("text alone");
    assert_eq!(interrupted.usage().output, Some(6));
    let next = Scripted(vec![usage(17, 3)]);
    let mut stream =
        StreamTranslator::resumed(&next, Undo::default(), interrupted, Mode::Prefill, false);
    let mut out = Vec::new();
    stream.read(None, b"", &mut out).expect("read");
    assert_eq!(String::from_utf8(out).expect("text"), format!("{:?}\n", usage(10, 9)));
    assert_eq!((stream.usage().input, stream.usage().output), (Some(27), Some(9)));
}
