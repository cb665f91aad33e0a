//! What a client makes of the bytes that it was sent.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use crate::protocol::dialect::DialectId;
use crate::protocol::neutral::{Event, Finish};
use crate::protocol::usage::Usage;
use crate::wire::event_stream::EventStreamParser;
use crate::wire::sse::{FrameKind, SseParser};

/// One event of a stream.
#[derive(Debug, Clone)]
pub struct Frame {
    pub name: Option<String>,
    pub data: Bytes,
    pub raw: Bytes,
}

/// The events of a stream.
pub fn frames(api: DialectId, bytes: Bytes) -> Vec<Frame> {
    if api == DialectId::BedrockConverse {
        let mut parser = EventStreamParser::new(1 << 20);
        parser.feed(bytes);
        return std::iter::from_fn(|| {
            let frame = parser.next_frame().expect("sound")?;
            let data = Bytes::copy_from_slice(frame.data());
            Some(Frame { name: frame.event().map(Into::into), data, raw: frame.into_raw() })
        })
        .collect();
    }
    let mut parser = SseParser::new(1 << 20);
    parser.feed(bytes);
    let all = std::iter::from_fn(|| parser.next_frame().expect("short"));
    all.filter(|frame| frame.kind() == FrameKind::Event)
        .map(|frame| Frame {
            name: frame.event().map(Into::into),
            data: frame.data_bytes(),
            raw: frame.into_raw(),
        })
        .collect()
}

/// What a stream says.
#[derive(Debug, Default)]
pub struct Heard {
    pub text: String,
    pub thinking: String,
    pub finishes: Vec<Finish>,
    pub ends: usize,
    pub usage: Option<Usage>,
}

pub fn read(api: DialectId, bytes: &[u8]) -> Heard {
    let mut reader = api.dialect().event_reader();
    let mut events = Vec::new();
    for frame in frames(api, Bytes::copy_from_slice(bytes)) {
        reader.read(frame.name.as_deref(), &frame.data, &mut events).expect("an event of the API");
    }
    reader.close(&mut events);
    let mut heard = Heard::default();
    for event in events {
        match event {
            Event::Text { text, .. } => heard.text.push_str(&text),
            Event::Thinking { text, .. } => heard.thinking.push_str(&text),
            Event::Finish { reason, .. } => heard.finishes.push(reason),
            Event::End => heard.ends += 1,
            Event::Usage(usage) => heard.usage = Some(usage),
            _ => {}
        }
    }
    heard
}

/// Whether ids, indexes and numbers are those of one stream.
pub fn check(api: DialectId, bytes: &[u8]) {
    let all: Vec<(String, Value)> = frames(api, Bytes::copy_from_slice(bytes))
        .into_iter()
        .filter_map(|frame| {
            let value = serde_json::from_slice(&frame.data).ok()?;
            Some((frame.name.unwrap_or_default(), value))
        })
        .collect();
    match api {
        DialectId::OpenAiChat | DialectId::OpenAiCompletions => {
            one_of_each(&all, &["id", "model", "created"]);
        }
        DialectId::Gemini => one_of_each(&all, &["responseId", "modelVersion"]),
        DialectId::AnthropicMessages => check_blocks(&all),
        DialectId::BedrockConverse => check_converse(&all),
        DialectId::OpenAiResponses => check_items(&all),
    }
}

fn one_of_each(all: &[(String, Value)], members: &[&str]) {
    for member in members {
        let values: BTreeSet<String> =
            all.iter().map(|(_, value)| value[*member].to_string()).collect();
        assert_eq!(values.len(), 1, "{member}: {values:?}");
    }
}

fn check_blocks(all: &[(String, Value)]) {
    let (mut open, mut next) = (None, 0);
    let starts = all.iter().filter(|(name, _)| name == "message_start").count();
    assert_eq!(starts, 1);
    for (name, value) in all {
        let index = value["index"].as_u64();
        match &**name {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next)), "{all:?}");
                open = index;
            }
            "content_block_delta" => assert_eq!(open, index, "{all:?}"),
            "content_block_stop" => {
                assert_eq!(open.take(), index, "{all:?}");
                next += 1;
            }
            _ => {}
        }
    }
    assert_eq!(open, None);
}

fn check_converse(all: &[(String, Value)]) {
    let mut next = 0;
    let starts = all.iter().filter(|(name, _)| name == "messageStart").count();
    assert_eq!(starts, 1);
    for (name, value) in all {
        match &**name {
            "contentBlockStart" | "contentBlockDelta" => {
                assert_eq!(value["contentBlockIndex"], next, "{all:?}");
            }
            "contentBlockStop" => {
                assert_eq!(value["contentBlockIndex"], next, "{all:?}");
                next += 1;
            }
            _ => {}
        }
    }
}

fn check_items(all: &[(String, Value)]) {
    let mut items: Vec<String> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut said = String::new();
    for (number, (name, value)) in all.iter().enumerate() {
        assert_eq!(value["sequence_number"], number, "{all:?}");
        if let Some(id) = value["response"]["id"].as_str() {
            ids.insert(id);
        }
        let at = value["output_index"].as_u64().and_then(|at| usize::try_from(at).ok());
        let id = value["item_id"].as_str().or(value["item"]["id"].as_str());
        match (&**name, at) {
            ("response.output_item.added", at) => {
                assert_eq!(at, Some(items.len()), "{all:?}");
                items.push(id.expect("an id").to_owned());
            }
            (_, Some(at)) => assert_eq!(Some(&*items[at]), id, "{all:?}"),
            _ => {}
        }
        if name == "response.output_text.delta" {
            said.push_str(value["delta"].as_str().expect("text"));
        }
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    let (_, last) = all.last().expect("an end");
    let output = last["response"]["output"].as_array().expect("a list");
    let known: Vec<&str> = output.iter().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(known, items);
    let texts = output.iter().filter_map(|item| item["content"][0]["text"].as_str());
    assert_eq!(texts.collect::<String>(), said);
}
