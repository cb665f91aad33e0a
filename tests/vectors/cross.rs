//! Takes one input to another protocol, as the proxy does.

use bytes::Bytes;
use pilothouse::protocol::dialect::{ClientView, DialectId, TargetView, Undo, Written};
use pilothouse::protocol::hub::{StreamTranslator, translate_reply};
use pilothouse::protocol::neutral::{Compatibility, Crossing, Warning};
use pilothouse::protocol::registry::{Framing, OPERATIONS, Operation};
use pilothouse::protocol::stream::Meaning;
use pilothouse::protocol::usage::Usage;
use pilothouse::provider::{models, registry};
use pilothouse::wire::event_stream::EventStreamParser;
use pilothouse::wire::sse::{FrameKind, SseParser};
use serde_json::{Map, Value, json};

use super::dialect::name;
use super::vector::{InputEvent, Kind, Vector};

/// What became of an input.
pub struct Crossed {
    /// As it stands in the files.
    pub outcome: Value,
    /// The bytes that were written.
    pub text: String,
}

/// Takes a vector's input to `to`.
pub fn cross(vector: &Vector, to: DialectId) -> Crossed {
    match vector.kind {
        Kind::Request => request(vector, to),
        Kind::Reply => reply(vector, to),
        Kind::Stream => stream(vector, to),
        Kind::Elsewhere | Kind::Missing => unreachable!("it has no input"),
    }
}

/// Whom a request is written for, where the vector does not say: model and provider.
fn usual_target(dialect: DialectId) -> (&'static str, &'static str) {
    match dialect {
        DialectId::AnthropicMessages => ("claude-opus-4-5", "anthropic"),
        DialectId::BedrockConverse => ("anthropic.claude-opus-4-5-v1:0", "bedrock"),
        DialectId::Gemini => ("gemini-2.5-flash", "gemini"),
        DialectId::OpenAiChat | DialectId::OpenAiResponses => ("gpt-4.1", "openai"),
        DialectId::OpenAiCompletions => ("davinci-002", "openai"),
    }
}

fn operation(dialect: DialectId) -> &'static Operation {
    OPERATIONS.iter().find(|row| row.dialect == Some(dialect)).unwrap()
}

fn request(vector: &Vector, to: DialectId) -> Crossed {
    let body = vector.input().get().as_bytes();
    let mut request = match vector.from().dialect().read_request(body) {
        Ok(request) => request,
        Err(unreadable) => {
            let outcome =
                json!({"unreadable": {"param": unreadable.param, "message": unreadable.message}});
            return Crossed { outcome, text: String::new() };
        }
    };
    request.betas.clone_from(&vector.client.betas);
    let chosen = vector.targets.get(name(to)).cloned().unwrap_or_default();
    let (model, provider) = usual_target(to);
    let model = chosen.model.as_deref().unwrap_or(model);
    let provider = registry::find(chosen.provider.as_deref().unwrap_or(provider)).unwrap();
    let facts = chosen.facts.as_ref().unwrap_or_else(|| models::facts(model));
    let target = TargetView { model, facts, quirks: &provider.quirks };
    let mut crossing = Crossing::new(Compatibility::Standard);
    match to.dialect().write_request(&request, &target, &mut crossing) {
        Ok(written) => Crossed {
            text: String::from_utf8(written.body.to_vec()).unwrap(),
            outcome: told(to, model, request.stream, &written, &crossing.into_warnings()),
        },
        Err(lost) => Crossed {
            outcome: json!({"refused": {"param": lost.param, "message": lost.message}}),
            text: String::new(),
        },
    }
}

/// A written request, with what is not usual about it.
fn told(
    to: DialectId,
    model: &str,
    stream: bool,
    written: &Written,
    warnings: &[Warning],
) -> Value {
    let mut outcome = Map::new();
    let operation = operation(to);
    if operation.model_in_path() {
        outcome.insert("path".into(), operation.request_path(model, stream).into());
    }
    outcome.insert("body".into(), serde_json::from_slice(&written.body).unwrap());
    if !written.headers.is_empty() {
        let headers = written.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        outcome.insert("headers".into(), headers.collect());
    }
    if !warnings.is_empty() {
        outcome.insert("warnings".into(), warnings.iter().map(ToString::to_string).collect());
    }
    if !written.undo.tool_names.is_empty() {
        outcome.insert("undoToolNames".into(), json!(written.undo.tool_names));
    }
    if let Some(tool) = &written.undo.format_tool {
        outcome.insert("undoFormatTool".into(), json!([tool.name, tool.wrapped_in]));
    }
    outcome.into()
}

fn undo(vector: &Vector) -> Undo {
    Undo { tool_names: vector.undo.clone(), ..Undo::default() }
}

fn view(vector: &Vector) -> ClientView<'static> {
    ClientView {
        model: "asked-for",
        request_id: "req-1",
        created: 1_800_000_000,
        include_usage: vector.client.include_usage,
        stand_ins: &[],
    }
}

fn reply(vector: &Vector, to: DialectId) -> Crossed {
    let body = vector.input().get().as_bytes();
    let (from, to) = (vector.from().dialect(), to.dialect());
    match translate_reply(from, to, &undo(vector), &view(vector), body) {
        Ok(translated) => Crossed {
            text: String::from_utf8(translated.body.to_vec()).unwrap(),
            outcome: json!({
                "body": serde_json::from_slice::<Value>(&translated.body).unwrap(),
                "usage": counts(translated.usage),
            }),
        },
        Err(_) => Crossed { outcome: json!({"malformed": true}), text: String::new() },
    }
}

fn stream(vector: &Vector, to: DialectId) -> Crossed {
    let events: Vec<InputEvent> = serde_json::from_str(vector.input().get()).unwrap();
    let (from, client) = (vector.from().dialect(), to.dialect());
    let choices = vector.client.choices.unwrap_or(1);
    let mut translator = StreamTranslator::new(from, client, undo(vector), &view(vector), choices);
    let mut out = Vec::new();
    let end = run(&mut translator, &events, &mut out);
    Crossed {
        outcome: json!({
            "events": read(operation(to).framing, &out),
            "end": end,
            "usage": counts(translator.usage()),
        }),
        text: String::from_utf8_lossy(&out).into_owned(),
    }
}

/// How the stream ended: what is not finished gets an error from the proxy.
fn run(translator: &mut StreamTranslator, events: &[InputEvent], out: &mut Vec<u8>) -> Value {
    for InputEvent { event, data } in events {
        // `[DONE]` and its like are no JSON, so vectors hold them as texts.
        let text = serde_json::from_str::<String>(data.get());
        let data = text.unwrap_or_else(|_| data.get().to_owned());
        match translator.read(event.as_deref(), data.as_bytes(), out) {
            Ok(Meaning::Error(facts)) => {
                return json!({"error": {
                    "type": facts.kind, "code": facts.code, "message": facts.message,
                }});
            }
            Ok(_) => {}
            Err(_) => return json!("malformed"),
        }
    }
    translator.close(out);
    if !translator.finished() {
        return json!("cut");
    }
    translator.end(out);
    json!("finished")
}

fn read(framing: Framing, bytes: &[u8]) -> Vec<Value> {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut events = Vec::new();
    match framing {
        Framing::Sse => {
            let mut parser = SseParser::new(usize::MAX);
            parser.feed(bytes);
            while let Some(frame) = parser.next_frame().unwrap() {
                events.push(match frame.kind() {
                    FrameKind::Comment => {
                        json!({"comment": String::from_utf8_lossy(frame.raw()).trim()})
                    }
                    FrameKind::Event => event(frame.event(), frame.data()),
                });
            }
            assert_eq!(parser.held(), 0, "only whole frames are written");
        }
        Framing::AwsEventStream | Framing::AwsChunks => {
            let mut parser = EventStreamParser::new(usize::MAX);
            parser.feed(bytes);
            while let Some(frame) = parser.next_frame().unwrap() {
                events.push(event(frame.event(), frame.data()));
            }
            assert_eq!(parser.held(), 0, "only whole frames are written");
        }
    }
    events
}

fn event(name: Option<&str>, data: &[u8]) -> Value {
    let data =
        serde_json::from_slice(data).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(data)));
    match name {
        Some(name) => json!({"event": name, "data": data}),
        None => json!({"data": data}),
    }
}

fn counts(usage: Usage) -> Value {
    let counts = [
        ("input", usage.input),
        ("output", usage.output),
        ("cachedInput", usage.cached_input),
        ("cacheWritten", usage.cache_written),
        ("reasoning", usage.reasoning),
    ];
    counts
        .into_iter()
        .filter_map(|(name, count)| Some((name.to_owned(), count?.into())))
        .collect::<Map<_, _>>()
        .into()
}
