//! A client of Anthropic's messages.

use serde_json::{Value, json};

use super::client::{
    Ask, Call, Client, Event, Finish, LIMIT, PICTURE, View, With, append, list, number, push,
    schema, text, tools,
};
use crate::answer::Answer;

pub struct Messages;

impl Client for Messages {
    fn name(&self) -> &'static str {
        "Messages"
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/v1/messages".to_owned()
    }

    fn body(&self, ask: &Ask, model: &str) -> Value {
        let mut message = json!({"role": "user", "content": [{"type": "text", "text": ask.said}]});
        if ask.with == With::Picture {
            let source = json!({"type": "base64", "media_type": "image/png", "data": PICTURE});
            push(&mut message, "content", json!({"type": "image", "source": source}));
        }
        let mut body = json!({"model": model, "max_tokens": LIMIT, "system": "Be brief.",
            "messages": [message]});
        if ask.stream {
            body["stream"] = true.into();
        }
        if ask.has_tools() {
            body["tools"] = tools()
                .into_iter()
                .map(|(name, description, schema)| {
                    json!({"name": name, "description": description, "input_schema": schema})
                })
                .collect();
        }
        if ask.with == With::Form {
            body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema()}});
        }
        if ask.with == With::Thinking {
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
        }
        body
    }

    fn go_on(&self, body: &mut Value, answer: &Value, returned: &[(Call, &str)]) {
        let turn = json!({"role": "assistant", "content": answer["content"]});
        push(body, "messages", turn);
        let results: Vec<_> = returned
            .iter()
            .map(|(call, said)| {
                json!({"type": "tool_result", "tool_use_id": call.id, "content": said})
            })
            .collect();
        push(body, "messages", json!({"role": "user", "content": results}));
    }

    fn read(&self, answer: &Value) -> View {
        assert_eq!(text(answer, "/type"), "message", "{answer}");
        assert_eq!(text(answer, "/role"), "assistant", "{answer}");
        let mut view = View {
            input: number(answer, "/usage/input_tokens"),
            output: number(answer, "/usage/output_tokens"),
            finish: match text(answer, "/stop_reason") {
                "end_turn" => Finish::Stop,
                "tool_use" => Finish::Calls,
                other => panic!("finished by {other}: {answer}"),
            },
            ..View::default()
        };
        for block in list(answer, "/content") {
            match text(block, "/type") {
                "text" => view.text += text(block, "/text"),
                "thinking" => view.reasoning += text(block, "/thinking"),
                "tool_use" => view.calls.push(Call {
                    id: Some(text(block, "/id").to_owned()),
                    name: text(block, "/name").to_owned(),
                    arguments: block["input"].clone(),
                }),
                other => panic!("a block of type {other}: {answer}"),
            }
        }
        view
    }

    fn assemble(&self, events: &[Event]) -> Value {
        assert_eq!(events.first().unwrap().name, "message_start");
        assert_eq!(events.last().unwrap().name, "message_stop");
        let mut whole = Value::Null;
        let mut open = None;
        for Event { name, data } in events {
            assert_eq!(text(data, "/type"), name);
            match name.as_str() {
                "message_start" => whole = data["message"].clone(),
                "content_block_start" => {
                    assert_eq!(open, None, "one block at a time");
                    assert_eq!(number(data, "/index"), list(&whole, "/content").len() as u64);
                    open = Some(number(data, "/index"));
                    push(&mut whole, "content", data["content_block"].clone());
                }
                "content_block_delta" => {
                    assert_eq!(open, Some(number(data, "/index")));
                    let block = whole["content"].as_array_mut().unwrap().last_mut().unwrap();
                    add(block, &data["delta"]);
                }
                "content_block_stop" => {
                    assert_eq!(open.take(), Some(number(data, "/index")));
                    close(whole["content"].as_array_mut().unwrap().last_mut().unwrap());
                }
                "message_delta" => {
                    whole["stop_reason"] = data["delta"]["stop_reason"].clone();
                    for (name, count) in data["usage"].as_object().unwrap() {
                        whole["usage"][name] = count.clone();
                    }
                }
                "message_stop" | "ping" => {}
                other => panic!("an event {other}"),
            }
        }
        assert_eq!(open, None);
        whole
    }

    fn broken(&self, events: &[Event]) -> (String, String) {
        let (last, rest) = events.split_last().unwrap();
        let ends = ["message_delta", "message_stop"];
        assert!(!events.iter().any(|one| ends.contains(&&*one.name)), "{events:?}");
        assert_eq!((&*last.name, text(&last.data, "/type")), ("error", "error"), "{last:?}");
        let so_far = rest.iter().map(|one| text(&one.data, "/delta/text")).collect();
        (so_far, text(&last.data, "/error/message").to_owned())
    }

    fn error(&self, answer: &Answer) -> String {
        let body = answer.json();
        assert_eq!(body["type"], "error", "{body}");
        assert!(body["error"]["type"].is_string(), "{body}");
        text(&body, "/error/message").to_owned()
    }
}

fn add(block: &mut Value, delta: &Value) {
    let (field, more) = match text(delta, "/type") {
        "text_delta" => ("text", text(delta, "/text")),
        "thinking_delta" => ("thinking", text(delta, "/thinking")),
        "signature_delta" => ("signature", text(delta, "/signature")),
        "input_json_delta" => ("partial_json", text(delta, "/partial_json")),
        other => panic!("a delta of type {other}: {delta}"),
    };
    append(block, field, more);
}

/// The input of a call is read when its block ends.
fn close(block: &mut Value) {
    let Some(partial) = block.as_object_mut().unwrap().remove("partial_json") else { return };
    let partial = partial.as_str().unwrap();
    block["input"] =
        if partial.is_empty() { json!({}) } else { serde_json::from_str(partial).unwrap() };
}
