//! A client of OpenAI's responses.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::chat::openai_error;
use super::client::{
    Ask, Call, Client, Event, Finish, LIMIT, PICTURE, View, With, call, list, number, push, schema,
    text, tools,
};
use crate::answer::Answer;

pub struct Responses;

impl Client for Responses {
    fn name(&self) -> &'static str {
        "Responses"
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/v1/responses".to_owned()
    }

    fn body(&self, ask: &Ask, model: &str) -> Value {
        let mut message = json!({"type": "message", "role": "user",
            "content": [{"type": "input_text", "text": ask.said}]});
        if ask.with == With::Picture {
            let url = format!("data:image/png;base64,{PICTURE}");
            push(&mut message, "content", json!({"type": "input_image", "image_url": url}));
        }
        let mut body = json!({"model": model, "instructions": "Be brief.", "input": [message],
            "max_output_tokens": LIMIT, "store": false,
            "include": ["reasoning.encrypted_content"]});
        if ask.stream {
            body["stream"] = true.into();
        }
        if ask.has_tools() {
            body["tools"] = tools()
                .into_iter()
                .map(|(name, description, parameters)| {
                    json!({"type": "function", "name": name, "description": description,
                        "parameters": parameters, "strict": true})
                })
                .collect();
        }
        if ask.with == With::Form {
            body["text"] = json!({"format": {"type": "json_schema", "name": "weather",
                "schema": schema(), "strict": true}});
        }
        if ask.with == With::Thinking {
            body["reasoning"] = json!({"effort": "low", "summary": "auto"});
        }
        body
    }

    fn go_on(&self, body: &mut Value, answer: &Value, returned: &[(Call, &str)]) {
        for item in list(answer, "/output") {
            push(body, "input", item.clone());
        }
        for (call, said) in returned {
            let item = json!({"type": "function_call_output", "call_id": call.id, "output": said});
            push(body, "input", item);
        }
    }

    fn read(&self, answer: &Value) -> View {
        assert_eq!(text(answer, "/object"), "response", "{answer}");
        assert_eq!(text(answer, "/status"), "completed", "{answer}");
        let mut view = View {
            input: number(answer, "/usage/input_tokens"),
            output: number(answer, "/usage/output_tokens"),
            ..View::default()
        };
        for item in list(answer, "/output") {
            match text(item, "/type") {
                "message" => {
                    for part in list(item, "/content") {
                        assert_eq!(text(part, "/type"), "output_text", "{item}");
                        view.text += text(part, "/text");
                    }
                }
                "reasoning" => {
                    let summary = list(item, "/summary").iter().map(|part| text(part, "/text"));
                    let content = list(item, "/content").iter().map(|part| text(part, "/text"));
                    view.reasoning.extend(summary.chain(content));
                }
                "function_call" => {
                    view.finish = Finish::Calls;
                    view.calls.push(call(
                        text(item, "/call_id"),
                        text(item, "/name"),
                        text(item, "/arguments"),
                    ));
                }
                other => panic!("an item of type {other}: {item}"),
            }
        }
        view
    }

    fn assemble(&self, events: &[Event]) -> Value {
        let mut pieces: BTreeMap<u64, String> = BTreeMap::new();
        for (number_of, event) in events.iter().enumerate() {
            assert_eq!(text(&event.data, "/type"), event.name);
            assert_eq!(number(&event.data, "/sequence_number"), number_of as u64);
            if let "response.output_text.delta" | "response.function_call_arguments.delta" =
                event.name.as_str()
            {
                let index = number(&event.data, "/output_index");
                *pieces.entry(index).or_default() += text(&event.data, "/delta");
            }
        }
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names.first(), Some(&"response.created"));
        assert_eq!(names.last(), Some(&"response.completed"));
        let count = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
        let response = events.last().unwrap().data["response"].clone();
        let items = list(&response, "/output");
        assert_eq!(count("response.output_item.added"), items.len());
        assert_eq!(count("response.output_item.done"), items.len());
        for (index, item) in items.iter().enumerate() {
            let whole = match text(item, "/type") {
                "message" => text(item, "/content/0/text"),
                "function_call" => text(item, "/arguments"),
                _ => continue,
            };
            assert_eq!(pieces.get(&(index as u64)).map(String::as_str), Some(whole));
        }
        response
    }

    fn broken(&self, events: &[Event]) -> (String, String) {
        let (last, rest) = events.split_last().unwrap();
        let ends = ["response.completed", "response.incomplete"];
        assert!(!events.iter().any(|one| ends.contains(&&*one.name)), "{events:?}");
        assert_eq!((&*last.name, text(&last.data, "/type")), ("error", "error"), "{last:?}");
        let deltas = rest.iter().filter(|one| one.name == "response.output_text.delta");
        let text_so_far = deltas.map(|one| text(&one.data, "/delta")).collect();
        (text_so_far, text(&last.data, "/message").to_owned())
    }

    fn error(&self, answer: &Answer) -> String {
        openai_error(answer)
    }
}
