//! A client of Amazon Bedrock's Converse.

use serde_json::{Value, json};

use super::client::{
    Ask, Call, Client, Event, Finish, LIMIT, PICTURE, View, With, append, list, number, push,
    schema, text, tools,
};
use crate::answer::Answer;

pub struct Converse;

impl Client for Converse {
    fn name(&self) -> &'static str {
        "Bedrock Converse"
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let operation = if stream { "converse-stream" } else { "converse" };
        format!("/model/{model}/{operation}")
    }

    fn body(&self, ask: &Ask, _model: &str) -> Value {
        let mut message = json!({"role": "user", "content": [{"text": ask.said}]});
        if ask.with == With::Picture {
            let image = json!({"image": {"format": "png", "source": {"bytes": PICTURE}}});
            push(&mut message, "content", image);
        }
        let mut body = json!({"messages": [message], "system": [{"text": "Be brief."}],
            "inferenceConfig": {"maxTokens": LIMIT}});
        if ask.has_tools() {
            let specs: Vec<_> = tools()
                .into_iter()
                .map(|(name, description, schema)| {
                    json!({"toolSpec": {"name": name, "description": description,
                        "inputSchema": {"json": schema}}})
                })
                .collect();
            body["toolConfig"] = json!({"tools": specs});
        }
        if ask.with == With::Form {
            let schema = json!({"name": "weather", "schema": schema().to_string()});
            body["outputConfig"] = json!({"textFormat": {"type": "json_schema",
                "structure": {"jsonSchema": schema}}});
        }
        if ask.with == With::Thinking {
            body["additionalModelRequestFields"] =
                json!({"thinking": {"type": "enabled", "budget_tokens": 2000}});
        }
        body
    }

    fn go_on(&self, body: &mut Value, answer: &Value, returned: &[(Call, &str)]) {
        push(body, "messages", answer["output"]["message"].clone());
        let results: Vec<_> = returned
            .iter()
            .map(|(call, said)| {
                json!({"toolResult": {"toolUseId": call.id, "content": [{"text": said}],
                    "status": "success"}})
            })
            .collect();
        push(body, "messages", json!({"role": "user", "content": results}));
    }

    fn read(&self, answer: &Value) -> View {
        assert_eq!(text(answer, "/output/message/role"), "assistant", "{answer}");
        let (input, output) =
            (number(answer, "/usage/inputTokens"), number(answer, "/usage/outputTokens"));
        assert_eq!(number(answer, "/usage/totalTokens"), input + output, "{answer}");
        let mut view = View {
            input,
            output,
            finish: match text(answer, "/stopReason") {
                "end_turn" => Finish::Stop,
                "tool_use" => Finish::Calls,
                other => panic!("finished by {other}: {answer}"),
            },
            ..View::default()
        };
        for block in list(answer, "/output/message/content") {
            view.text += text(block, "/text");
            view.reasoning += text(block, "/reasoningContent/reasoningText/text");
            if let Some(called) = block.get("toolUse") {
                view.calls.push(Call {
                    id: Some(text(called, "/toolUseId").to_owned()),
                    name: text(called, "/name").to_owned(),
                    arguments: called["input"].clone(),
                });
            }
        }
        view
    }

    fn assemble(&self, events: &[Event]) -> Value {
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names.first(), Some(&"messageStart"));
        assert!(names.ends_with(&["messageStop", "metadata"]), "{names:?}");
        let mut whole = json!({"output": {"message": {"role": "assistant", "content": []}}});
        let mut open = None;
        for Event { name, data } in events {
            let content = whole["output"]["message"]["content"].as_array_mut().unwrap();
            match name.as_str() {
                "contentBlockStart" | "contentBlockDelta" => {
                    let index = number(data, "/contentBlockIndex");
                    if index == content.len() as u64 {
                        assert_eq!(open, None, "one block at a time");
                        content.push(json!({}));
                    }
                    assert_eq!(index + 1, content.len() as u64, "{events:?}");
                    open = Some(index);
                    add(content.last_mut().unwrap(), data);
                }
                "contentBlockStop" => {
                    assert_eq!(open.take(), Some(number(data, "/contentBlockIndex")));
                    close(content.last_mut().unwrap());
                }
                "messageStop" => whole["stopReason"] = data["stopReason"].clone(),
                "metadata" => whole["usage"] = data["usage"].clone(),
                "messageStart" => assert_eq!(data["role"], "assistant"),
                other => panic!("an event {other}"),
            }
        }
        assert_eq!(open, None);
        whole
    }

    fn broken(&self, events: &[Event]) -> (String, String) {
        let (last, rest) = events.split_last().unwrap();
        assert!(!events.iter().any(|one| one.name == "messageStop"), "{events:?}");
        assert!(last.name.ends_with("Exception"), "{last:?}");
        let so_far = rest.iter().map(|one| text(&one.data, "/delta/text")).collect();
        (so_far, text(&last.data, "/message").to_owned())
    }

    fn error(&self, answer: &Answer) -> String {
        let kind = answer.header("x-amzn-errortype");
        assert!(kind.ends_with("Exception"), "SDKs find the error by `{kind}`: {answer:?}");
        text(&answer.json(), "/message").to_owned()
    }
}

fn add(block: &mut Value, data: &Value) {
    if let Some(start) = data.pointer("/start/toolUse") {
        block["toolUse"] = start.clone();
    }
    if let Some(delta) = data.pointer("/delta/text") {
        append(block, "text", delta.as_str().unwrap());
    }
    if let Some(delta) = data.pointer("/delta/toolUse/input") {
        append(&mut block["toolUse"], "input", delta.as_str().unwrap());
    }
    for name in ["text", "signature"] {
        if let Some(delta) = data.pointer(&format!("/delta/reasoningContent/{name}")) {
            let delta = delta.as_str().unwrap();
            append(&mut block["reasoningContent"]["reasoningText"], name, delta);
        }
    }
}

/// The input of a call is read when its block ends.
fn close(block: &mut Value) {
    let Some(input) = block.pointer_mut("/toolUse") else { return };
    let partial = text(input, "/input").to_owned();
    input["input"] =
        if partial.is_empty() { json!({}) } else { serde_json::from_str(&partial).unwrap() };
}
