//! Streams of providers: read whatever the chunks are, and written for clients of every API.

use std::collections::BTreeMap;

use bytes::Bytes;
use pilothouse::protocol::dialect::{DialectId, Undo};
use pilothouse::protocol::hub::StreamTranslator;
use pilothouse::protocol::neutral::Event;
use pilothouse::protocol::registry::Framing;
use pilothouse::protocol::stream::Meaning;
use pilothouse::wire::event_stream::put_event;
use pilothouse::wire::sse::FrameKind;

use super::frames::{self, Framed, Pieces};
use super::{CLIENT, dialects, operation, seeds, shown, told};

/// What the events of a stream were read as: each, and what its end says.
struct Read {
    frames: Vec<Vec<Event>>,
    closing: Vec<Event>,
    /// How many could not be read. What one of them says before that counts all the same.
    malformed: usize,
}

impl Read {
    fn events(self) -> Vec<Event> {
        self.frames.into_iter().flatten().chain(self.closing).collect()
    }
}

/// Reads a stream, whole and in pieces, and translates it for every client.
pub fn run(id: DialectId, input: &[u8]) {
    let (choice, text) = super::choices(input);
    let bytes = if seeds::is_binary(id) {
        let (events, _) = frames::read_sse(Pieces::whole(text));
        let mut bytes = Vec::new();
        for event in events.iter().filter(|event| event.kind == FrameKind::Event) {
            put_event(&mut bytes, event.name.as_deref().unwrap_or_default(), &event.data);
        }
        bytes
    } else {
        text.to_vec()
    };
    // The frames are the same, so whatever reads them reads the same.
    let whole = framed(id, Pieces::whole(&bytes));
    let cut = framed(id, Pieces::cut(&bytes, choice));
    assert_eq!(whole, cut, "chunks change the events");
    assert_well_formed(id, &read(id, &whole).events());
    pass(id, &whole, choice[0]);
    let (client, left) = super::one_of(&dialects(), choice[1]);
    translate(id, client, &whole, left);
}

fn framed(id: DialectId, pieces: Pieces) -> Vec<Framed> {
    match operation(id).framing {
        Framing::Sse => {
            let (mut frames, rest) = frames::read_sse(pieces);
            frames.extend(rest);
            frames.retain(|frame| frame.kind == FrameKind::Event);
            frames
        }
        Framing::AwsEventStream | Framing::AwsChunks => frames::read_aws(pieces).0,
    }
}

fn read(id: DialectId, frames: &[Framed]) -> Read {
    let mut reader = id.dialect().event_reader();
    let mut read = Read { frames: Vec::new(), closing: Vec::new(), malformed: 0 };
    for frame in frames {
        let mut events = Vec::new();
        let result = reader.read(frame.name.as_deref(), &frame.data, &mut events);
        read.malformed += usize::from(result.is_err());
        read.frames.push(events);
    }
    reader.close(&mut read.closing);
    read
}

/// What [`Event`] promises of every reader.
fn assert_well_formed(id: DialectId, events: &[Event]) {
    let mut finished = Vec::new();
    let mut calls = BTreeMap::new();
    for event in events {
        let wrong = |what: &str| -> ! { panic!("{id:?}: {what}: {event:?} in {events:?}") };
        if choice_of(event).is_some_and(|choice| finished.contains(&choice)) {
            wrong("comes after the end of its answer");
        }
        match event {
            Event::Text { text, .. }
            | Event::Refusal { text, .. }
            | Event::Thinking { text, .. }
                if text.is_empty() =>
            {
                wrong("is empty")
            }
            Event::ToolStart { name, .. } if name.is_empty() => wrong("has no name"),
            Event::ToolStart { choice, call, .. } => {
                let known = calls.insert((choice, call), true);
                assert_eq!(known, None, "{id:?}: begins a call twice: {events:?}");
            }
            Event::ToolArguments { choice, call, text } => {
                let open = calls.get(&(choice, call)) == Some(&true);
                assert!(open && !text.is_empty(), "{id:?}: {event:?} in {events:?}");
            }
            Event::ToolEnd { choice, call } => {
                let known = calls.insert((choice, call), false);
                assert_eq!(known, Some(true), "{id:?}: ends no open call: {events:?}");
            }
            Event::Finish { choice, .. } => finished.push(*choice),
            _ => {}
        }
    }
}

/// The answer that an event is part of.
fn choice_of(event: &Event) -> Option<u32> {
    match event {
        Event::Text { choice, .. }
        | Event::Refusal { choice, .. }
        | Event::Thinking { choice, .. }
        | Event::ThinkingState { choice, .. }
        | Event::ThinkingEnd { choice }
        | Event::ToolStart { choice, .. }
        | Event::ToolArguments { choice, .. }
        | Event::ToolEnd { choice, .. }
        | Event::Finish { choice, .. } => Some(*choice),
        Event::Start { .. } | Event::Usage(_) | Event::Ping | Event::End | Event::Error(_) => None,
    }
}

/// Reads a stream as it passes to a client of the same API.
fn pass(id: DialectId, frames: &[Framed], choices: u8) {
    let mut reader = operation(id).answers.stream(usize::from(choices % 3));
    for frame in frames {
        let _ = reader.read(frame.name.as_deref(), &frame.data);
        let _ = (reader.finished(), reader.structured(), reader.usage());
    }
}

/// What a client is sent is a stream of its own API, and is finished only if the provider's was.
fn translate(from: DialectId, to: DialectId, frames: &[Framed], choices: u8) {
    // Whoever has one answer alone cannot ask for two.
    let choices = if told::can_choose(to) { usize::from(choices % 3) } else { 1 };
    let (provider, client) = (from.dialect(), to.dialect());
    let all = read(from, frames).frames;
    let unasked = all.iter().flatten().filter_map(choice_of).any(|choice| choice > 0);
    if unasked && !told::can_choose(to) {
        // A provider that gives several answers where one was asked for has no right way.
        return;
    }
    let mut translator = StreamTranslator::new(provider, client, Undo::default(), &CLIENT, choices);
    let mut out = Vec::new();
    let mut taken = 0;
    let mut over = false;
    for frame in frames {
        taken += 1;
        match translator.read(frame.name.as_deref(), &frame.data, &mut out) {
            Ok(Meaning::End | Meaning::Error(_)) => over = true,
            Err(_) if translator.structured() => over = true,
            Ok(_) | Err(_) => {}
        }
        if over {
            break;
        }
    }
    if !over {
        translator.close(&mut out);
    }
    let finished = translator.finished();
    if finished {
        translator.end(&mut out);
    }
    let sent = read(to, &written(to, &out));
    assert_eq!(sent.malformed, 0, "{from:?} to {to:?}: cannot be read: {}", shown(&out));
    let events = sent.events();
    assert_well_formed(to, &events);
    let ended = events.contains(&Event::End);
    assert!(finished || !ended, "{from:?} to {to:?}: a cut stream looks whole: {}", shown(&out));
    if finished {
        let said = read(from, &frames[..taken]).events().into_iter();
        let said: Vec<Event> = said.take_while(|event| !is_last(event)).collect();
        told::assert_same(to, &told::by_stream(&said), &told::by_stream(&events));
    }
}

/// Whether nothing counts that comes after this event.
fn is_last(event: &Event) -> bool {
    matches!(event, Event::End | Event::Error(_))
}

/// The frames that a client was sent: whole ones only.
fn written(to: DialectId, out: &[u8]) -> Vec<Framed> {
    let bytes = Pieces::from(vec![Bytes::copy_from_slice(out)]);
    match operation(to).framing {
        Framing::Sse => {
            let (frames, rest) = frames::read_sse(bytes);
            assert!(rest.is_none(), "{to:?}: half a frame: {}", shown(out));
            frames.into_iter().filter(|frame| frame.kind == FrameKind::Event).collect()
        }
        Framing::AwsEventStream | Framing::AwsChunks => {
            let (frames, end) = frames::read_aws(bytes);
            assert_eq!(end, Ok(()), "{to:?}: {}", shown(out));
            frames
        }
    }
}
