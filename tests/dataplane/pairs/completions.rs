//! A client of OpenAI's legacy completions.

use serde_json::{Value, json};

use super::chat::openai_error;
use super::client::{Ask, Call, Client, Event, Finish, LIMIT, View, list, number, text};
use crate::answer::Answer;

pub struct Completions;

impl Client for Completions {
    fn name(&self) -> &'static str {
        "Completions (legacy)"
    }

    fn is_chat(&self) -> bool {
        false
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/v1/completions".to_owned()
    }

    fn body(&self, ask: &Ask, model: &str) -> Value {
        let mut body = json!({"model": model, "prompt": ask.said, "max_tokens": LIMIT});
        if ask.stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    }

    fn go_on(&self, _body: &mut Value, answer: &Value, _returned: &[(Call, &str)]) {
        panic!("a completion is no conversation: {answer}");
    }

    fn read(&self, answer: &Value) -> View {
        let [choice] = list(answer, "/choices") else { panic!("one choice: {answer}") };
        assert_eq!(text(choice, "/finish_reason"), "stop", "{answer}");
        View {
            text: text(choice, "/text").to_owned(),
            finish: Finish::Stop,
            input: number(answer, "/usage/prompt_tokens"),
            output: number(answer, "/usage/completion_tokens"),
            ..View::default()
        }
    }

    fn assemble(&self, events: &[Event]) -> Value {
        let (last, chunks) = events.split_last().unwrap();
        assert_eq!(last.data, Value::Null, "the end marker is last");
        let mut whole = json!({"choices": [{"text": ""}]});
        for chunk in chunks {
            let chunk = &chunk.data;
            assert_eq!(text(chunk, "/object"), "text_completion", "{chunk}");
            if chunk["usage"].is_object() {
                whole["usage"] = chunk["usage"].clone();
            }
            for choice in list(chunk, "/choices") {
                let joined =
                    format!("{}{}", text(&whole, "/choices/0/text"), text(choice, "/text"));
                whole["choices"][0]["text"] = joined.into();
                if choice["finish_reason"].is_string() {
                    whole["choices"][0]["finish_reason"] = choice["finish_reason"].clone();
                }
            }
        }
        whole
    }

    fn broken(&self, events: &[Event]) -> (String, String) {
        let (last, chunks) = events.split_last().unwrap();
        let ended = |one: &Event| {
            one.data.is_null()
                || one.data.pointer("/choices/0/finish_reason").is_some_and(Value::is_string)
        };
        assert!(!events.iter().any(ended), "it has not ended: {events:?}");
        let pieces = chunks.iter().map(|one| text(&one.data, "/choices/0/text"));
        (pieces.collect(), text(&last.data, "/error/message").to_owned())
    }

    fn error(&self, answer: &Answer) -> String {
        openai_error(answer)
    }
}
