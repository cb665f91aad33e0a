//! Dialects of the tests' own, so that only the hub itself is looked at.

mod resumed;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::protocol::dialect::{DialectId, FormatTool, Quirks, TargetView, Unreadable, Written};
use crate::protocol::error::ErrorFacts;
use crate::protocol::neutral::{
    CannotCross, Choice, Crossing, Finish, MediaKind, Output, Reply, Request,
};

/// Reads events given by their number in a script, and writes them as they print.
struct Scripted(Vec<Event>);

struct Script(Vec<Event>);

impl EventReader for Script {
    fn read(
        &mut self,
        _name: Option<&str>,
        _data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        events.push(self.0.remove(0));
        Ok(())
    }

    fn close(&mut self, _events: &mut Vec<Event>) {}
}

struct Printing;

impl EventWriter for Printing {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        let mut line = String::new();
        writeln!(line, "{event:?}").expect("a string");
        out.extend_from_slice(line.as_bytes());
    }
}

impl Dialect for Scripted {
    fn id(&self) -> DialectId {
        DialectId::OpenAiChat
    }

    fn read_request(&self, _body: &[u8]) -> Result<Request, Unreadable> {
        Ok(Request::default())
    }

    fn wants_bytes(&self, _kind: MediaKind, _quirks: &Quirks) -> bool {
        false
    }

    fn write_request(
        &self,
        _request: &Request,
        _target: &TargetView<'_>,
        _crossing: &mut Crossing,
    ) -> Result<Written, CannotCross> {
        Ok(Written::default())
    }

    fn read_reply(&self, _body: &[u8]) -> Result<Reply, Malformed> {
        let call = |name: &str, arguments: &str| Output::ToolCall {
            id: "c".into(),
            name: name.into(),
            arguments: arguments.into(),
            state: None,
        };
        let choice = |output| Choice { output, finish: Some(Finish::ToolCalls), index: 0 };
        Ok(Reply {
            choices: vec![
                choice(vec![call("format", "{\"values\":[2, 1.50]}")]),
                choice(vec![call("short", "{}")]),
            ],
            ..Reply::default()
        })
    }

    fn write_reply(&self, reply: &Reply, _client: &ClientView<'_>) -> Bytes {
        Bytes::from(format!("{:?}", reply.choices))
    }

    fn event_reader(&self) -> Box<dyn EventReader> {
        Box::new(Script(self.0.clone()))
    }

    fn event_writer(&self, _client: &ClientView<'_>) -> Box<dyn EventWriter> {
        Box::new(Printing)
    }
}

const VIEW: ClientView<'_> =
    ClientView { model: "m", request_id: "r", created: 1, include_usage: false, stand_ins: &[] };

fn undo(wrapped_in: Option<&str>) -> Undo {
    let wrapped_in = wrapped_in.map(str::to_owned);
    Undo {
        tool_names: BTreeMap::from([("short".into(), "a long name".into())]),
        format_tool: Some(FormatTool { name: "format".into(), wrapped_in }),
        ..Undo::default()
    }
}

/// What a stream of those events comes to: each meaning, the events written, whether it finished.
fn run(events: &[Event], undo: Undo) -> (Vec<Meaning>, String, bool) {
    let dialect = Scripted(events.to_vec());
    let mut stream = StreamTranslator::new(&dialect, &dialect, undo, &VIEW, 1);
    let mut out = Vec::new();
    let meanings = events.iter().map(|_| stream.read(None, b"", &mut out).expect("read"));
    let meanings = meanings.collect();
    (meanings, String::from_utf8(out).expect("text"), stream.finished())
}

fn text(text: &str) -> Event {
    Event::Text { choice: 0, text: text.into() }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

fn tool(name: &str) -> Event {
    Event::ToolStart { choice: 0, call: 0, id: "c".into(), name: name.into(), state: None }
}

fn arguments(text: &str) -> Event {
    Event::ToolArguments { choice: 0, call: 0, text: text.into() }
}

const TOOL_END: Event = Event::ToolEnd { choice: 0, call: 0 };

#[test]
fn an_end_before_the_finish_is_not_passed_on() {
    let (meanings, written, finished) = run(&[text("a"), Event::End], Undo::default());
    assert_eq!(meanings, [Meaning::Output, Meaning::End]);
    assert!(!finished);
    assert!(!written.contains("End"), "{written}");
}

#[test]
fn an_error_is_the_callers_to_tell() {
    let facts = ErrorFacts { code: "overloaded".into(), ..ErrorFacts::default() };
    let (meanings, written, finished) =
        run(&[text("a"), Event::Error(facts.clone())], Undo::default());
    assert_eq!(meanings, [Meaning::Output, Meaning::Error(facts)]);
    assert!(!finished && !written.contains("Error"), "{written}");
}

#[test]
fn a_finished_stream_ends_once() {
    let dialect = Scripted(vec![text("a"), finish(Finish::Stop), Event::End]);
    let mut stream = StreamTranslator::new(&dialect, &dialect, Undo::default(), &VIEW, 1);
    let mut out = Vec::new();
    for _ in 0..3 {
        stream.read(None, b"", &mut out).expect("read");
    }
    stream.end(&mut out);
    let written = String::from_utf8(out).expect("text");
    assert_eq!(written.matches("End").count(), 1, "{written}");
}

#[test]
fn a_format_tool_is_text_and_ends_with_stop() {
    let events = [
        tool("format"),
        arguments("{\"a\":"),
        arguments("1}"),
        TOOL_END,
        finish(Finish::ToolCalls),
    ];
    let (meanings, written, _) = run(&events, undo(None));
    let shown = [text("{\"a\":"), text("1}"), finish(Finish::Stop)];
    assert_eq!(written, shown.map(|event| format!("{event:?}\n")).concat());
    assert_eq!(meanings[1], Meaning::Output);
}

#[test]
fn a_wrapped_format_is_unwrapped_when_it_is_whole() {
    let events = [
        tool("format"),
        arguments("{\"values\":[1,"),
        arguments("2]}"),
        TOOL_END,
        finish(Finish::ToolCalls),
    ];
    let (_, written, _) = run(&events, undo(Some("values")));
    let shown = [text("[1,2]"), finish(Finish::Stop)];
    assert_eq!(written, shown.map(|event| format!("{event:?}\n")).concat());
}

#[test]
fn shortened_names_come_back_and_their_finish_stays() {
    let events = [tool("short"), arguments("{}"), TOOL_END, finish(Finish::ToolCalls)];
    let (_, written, _) = run(&events, undo(None));
    let shown = [tool("a long name"), arguments("{}"), TOOL_END, finish(Finish::ToolCalls)];
    assert_eq!(written, shown.map(|event| format!("{event:?}\n")).concat());
}

#[test]
fn whole_answers_are_undone_too() {
    let dialect = Scripted(Vec::new());
    let translated =
        translate_reply(&dialect, &dialect, &undo(Some("values")), &VIEW, b"{}").expect("read");
    let body = String::from_utf8(translated.body.to_vec()).expect("text");
    assert!(body.contains("Text(\"[2, 1.50]\")") && body.contains("Some(Stop)"), "{body}");
    assert!(body.contains("a long name") && body.contains("Some(ToolCalls)"), "{body}");
}
