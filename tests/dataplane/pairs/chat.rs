//! A client of OpenAI's chat completions.

use serde_json::{Map, Value, json};

use super::client::{
    Ask, Call, Client, Event, Finish, LIMIT, PICTURE, View, With, call, list, number, push, schema,
    text, tools,
};
use crate::answer::Answer;

pub struct Chat;

impl Client for Chat {
    fn name(&self) -> &'static str {
        "Chat completions"
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/v1/chat/completions".to_owned()
    }

    fn body(&self, ask: &Ask, model: &str) -> Value {
        let mut content = json!([{"type": "text", "text": ask.said}]);
        if ask.with == With::Picture {
            let url = format!("data:image/png;base64,{PICTURE}");
            content = json!([content[0], {"type": "image_url", "image_url": {"url": url}}]);
        }
        let messages = json!([{"role": "system", "content": "Be brief."},
            {"role": "user", "content": content}]);
        let mut body =
            json!({"model": model, "messages": messages, "max_completion_tokens": LIMIT});
        if ask.stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        if ask.has_tools() {
            body["tools"] = tools()
                .into_iter()
                .map(|(name, description, parameters)| {
                    json!({"type": "function", "function": {"name": name,
                        "description": description, "parameters": parameters}})
                })
                .collect();
        }
        if ask.with == With::Form {
            body["response_format"] = json!({"type": "json_schema",
                "json_schema": {"name": "weather", "schema": schema(), "strict": true}});
        }
        if ask.with == With::Thinking {
            body["reasoning_effort"] = "low".into();
        }
        body
    }

    fn go_on(&self, body: &mut Value, answer: &Value, returned: &[(Call, &str)]) {
        push(body, "messages", answer["choices"][0]["message"].clone());
        for (call, said) in returned {
            let message = json!({"role": "tool", "tool_call_id": call.id, "content": said});
            push(body, "messages", message);
        }
    }

    fn read(&self, answer: &Value) -> View {
        let [choice] = list(answer, "/choices") else { panic!("one choice: {answer}") };
        let calls = list(choice, "/message/tool_calls").iter().map(|one| {
            assert_eq!(text(one, "/type"), "function", "{one}");
            call(text(one, "/id"), text(one, "/function/name"), text(one, "/function/arguments"))
        });
        assert_eq!(text(choice, "/message/role"), "assistant", "{answer}");
        View {
            text: text(choice, "/message/content").to_owned(),
            reasoning: text(choice, "/message/reasoning_content").to_owned(),
            calls: calls.collect(),
            finish: match text(choice, "/finish_reason") {
                "stop" => Finish::Stop,
                "tool_calls" => Finish::Calls,
                other => panic!("finished by {other}: {answer}"),
            },
            input: number(answer, "/usage/prompt_tokens"),
            output: number(answer, "/usage/completion_tokens"),
        }
    }

    fn assemble(&self, events: &[Event]) -> Value {
        let (last, chunks) = events.split_last().unwrap();
        assert_eq!(last.data, Value::Null, "the end marker is last");
        let mut whole = json!({"choices": [{"index": 0, "message": {}}]});
        let mut finishes = 0;
        for chunk in chunks {
            let chunk = &chunk.data;
            // The first of Azure's is about the prompt alone.
            if chunk["prompt_filter_results"].is_array() {
                continue;
            }
            assert_eq!(text(chunk, "/object"), "chat.completion.chunk", "{chunk}");
            if chunk["usage"].is_object() {
                whole["usage"] = chunk["usage"].clone();
            }
            for choice in list(chunk, "/choices") {
                assert_eq!(finishes, 0, "nothing follows the finish reason: {chunk}");
                let message = whole["choices"][0]["message"].as_object_mut().unwrap();
                accumulate(message, choice["delta"].as_object().unwrap());
                if choice["finish_reason"].is_string() {
                    finishes += 1;
                    whole["choices"][0]["finish_reason"] = choice["finish_reason"].clone();
                }
            }
        }
        assert_eq!(finishes, 1);
        whole
    }

    fn broken(&self, events: &[Event]) -> (String, String) {
        let (last, chunks) = events.split_last().unwrap();
        let ended = |one: &Event| {
            one.data.is_null()
                || one.data.pointer("/choices/0/finish_reason").is_some_and(Value::is_string)
        };
        assert!(!events.iter().any(ended), "it has not ended: {events:?}");
        let pieces = chunks.iter().map(|one| text(&one.data, "/choices/0/delta/content"));
        (pieces.collect(), text(&last.data, "/error/message").to_owned())
    }

    fn error(&self, answer: &Answer) -> String {
        openai_error(answer)
    }
}

/// The message of an error in OpenAI's shape.
pub fn openai_error(answer: &Answer) -> String {
    let body = answer.json();
    assert!(body["error"]["type"].is_string(), "{body}");
    assert!(body["error"].get("param").is_some() && body["error"].get("code").is_some(), "{body}");
    text(&body, "/error/message").to_owned()
}

/// Adds a delta to a message as OpenAI's SDK for Python does: texts and numbers add up, but for
/// `index` and `type`, and the elements of lists find each other by `index`.
fn accumulate(whole: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (name, more) in delta {
        let so_far = whole.entry(name).or_insert(Value::Null);
        match (&mut *so_far, more) {
            (Value::Null, Value::Array(more)) => {
                *so_far = json!([]);
                accumulate_list(so_far.as_array_mut().unwrap(), more);
            }
            (Value::Null, more) => *so_far = more.clone(),
            (_, Value::Null) => {}
            (so_far, more) if name == "index" || name == "type" => *so_far = more.clone(),
            (Value::String(so_far), Value::String(more)) => so_far.push_str(more),
            (Value::Object(so_far), Value::Object(more)) => accumulate(so_far, more),
            (Value::Array(so_far), Value::Array(more)) => accumulate_list(so_far, more),
            (Value::Number(so_far), Value::Number(more)) => {
                *so_far = (so_far.as_u64().unwrap() + more.as_u64().unwrap()).into();
            }
            (so_far, more) => panic!("{name}: {more} does not add to {so_far}"),
        }
    }
}

fn accumulate_list(whole: &mut Vec<Value>, more: &[Value]) {
    for entry in more {
        let index = usize::try_from(number(entry, "/index")).unwrap();
        match whole.get_mut(index) {
            Some(known) => accumulate(known.as_object_mut().unwrap(), entry.as_object().unwrap()),
            None => whole.insert(index, entry.clone()),
        }
    }
}
