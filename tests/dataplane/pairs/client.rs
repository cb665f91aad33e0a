//! What a client does, whichever API it speaks: it asks, reads the answer, and goes on.

use pilothouse::wire::event_stream::EventStreamParser;
use serde_json::{Value, json};

use crate::answer::Answer;

/// The smallest picture: one pixel.
pub const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// The most tokens of an answer; more than any thinking budget that a target is given.
pub const LIMIT: u64 = 9000;

/// What is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask {
    pub said: &'static str,
    pub stream: bool,
    pub with: With,
}

/// What a request has beside words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum With {
    #[default]
    Nothing,
    Tools,
    Picture,
    /// The answer has a form.
    Form,
    /// Reasoning, and tools.
    Thinking,
}

impl Ask {
    pub fn of(said: &'static str, with: With) -> Self {
        Self { said, stream: false, with }
    }

    pub fn streamed(self, stream: bool) -> Self {
        Self { stream, ..self }
    }

    pub fn has_tools(&self) -> bool {
        matches!(self.with, With::Tools | With::Thinking)
    }
}

/// A function that may be called: its name, what it does, and its schema.
pub fn tools() -> [(&'static str, &'static str, Value); 2] {
    let of = |name: &str, kind: &str| {
        json!({"type": "object", "properties": {name: {"type": kind}}, "required": [name],
            "additionalProperties": false})
    };
    [
        ("get_weather", "The weather of a city", of("city", "string")),
        ("get_time", "The time of a zone", of("zone", "integer")),
    ]
}

/// What a structured answer has to look like.
pub fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"},
        "degrees": {"type": "integer"}}, "required": ["city", "degrees"],
        "additionalProperties": false})
}

/// An answer as every API can tell it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    pub text: String,
    pub reasoning: String,
    pub calls: Vec<Call>,
    pub finish: Finish,
    pub input: u64,
    pub output: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub id: Option<String>,
    pub name: String,
    pub arguments: Value,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Finish {
    #[default]
    Stop,
    Calls,
}

/// A client-facing API. Everything that the API promises is asserted where it is read.
pub trait Client: Sync {
    /// As the guide has it.
    fn name(&self) -> &'static str;
    fn path(&self, model: &str, stream: bool) -> String;
    fn body(&self, ask: &Ask, model: &str) -> Value;
    /// The same conversation with `answer` and what the called functions returned.
    fn go_on(&self, body: &mut Value, answer: &Value, returned: &[(Call, &str)]);
    /// A whole answer.
    fn read(&self, answer: &Value) -> View;
    /// A whole answer out of a stream, as SDKs put it together.
    fn assemble(&self, events: &[Event]) -> Value;
    /// What the stream said before it broke, and its error.
    fn broken(&self, events: &[Event]) -> (String, String);
    /// The message of an error.
    fn error(&self, answer: &Answer) -> String;
    /// The path and the body are those of the operation that has no tools and the like.
    fn is_chat(&self) -> bool {
        true
    }
}

/// One event of a stream.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    /// `Null` of `[DONE]`.
    pub data: Value,
}

/// The events of a stream, in either framing.
pub fn events(answer: &Answer) -> Vec<Event> {
    let kind = answer.header("content-type");
    if kind.starts_with("text/event-stream") {
        let frames = answer.text().split("\n\n").filter(|frame| !frame.trim().is_empty());
        return frames.filter_map(server_sent).collect();
    }
    assert_eq!(kind, "application/vnd.amazon.eventstream", "{answer:?}");
    let mut parser = EventStreamParser::new(1 << 20);
    parser.feed(answer.body.clone());
    let mut events = Vec::new();
    while let Some(frame) = parser.next_frame().unwrap() {
        let data = serde_json::from_slice(frame.data()).unwrap();
        events.push(Event { name: frame.event().unwrap().to_owned(), data });
    }
    parser.finish().unwrap();
    events
}

fn server_sent(frame: &str) -> Option<Event> {
    let field = |name: &str| {
        let lines = frame.lines().filter_map(|line| line.strip_prefix(name));
        lines.map(str::trim_start).collect::<String>()
    };
    let (name, data) = (field("event:"), field("data:"));
    let data = match data.as_str() {
        "" => return None,
        "[DONE]" => Value::Null,
        data => serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {frame}")),
    };
    Some(Event { name, data })
}

/// A member as text; empty if it is missing.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A member as a number, which it must be.
pub fn number(value: &Value, pointer: &str) -> u64 {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("no number at {pointer} in {value}"))
}

/// The elements of a list; none if it is missing.
pub fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Adds an element to a list, which it makes if there is none.
pub fn push(value: &mut Value, name: &str, element: Value) {
    match &mut value[name] {
        Value::Array(list) => list.push(element),
        missing => *missing = json!([element]),
    }
}

/// Adds text to a member, which it makes if there is none.
pub fn append(value: &mut Value, name: &str, more: &str) {
    let so_far = value[name].as_str().unwrap_or_default();
    value[name] = format!("{so_far}{more}").into();
}

/// A call of whichever name, its arguments read.
pub fn call(id: &str, name: &str, arguments: &str) -> Call {
    let arguments = serde_json::from_str(arguments)
        .unwrap_or_else(|error| panic!("{error} in the arguments of {name}: {arguments}"));
    Call { id: Some(id.to_owned()), name: name.to_owned(), arguments }
}
