//! A client of Google's generateContent.

use serde_json::{Value, json};

use super::client::{
    Ask, Call, Client, Event, Finish, LIMIT, PICTURE, View, With, list, number, push, schema, text,
    tools,
};
use crate::answer::Answer;

pub struct Gemini;

impl Client for Gemini {
    fn name(&self) -> &'static str {
        "Gemini generateContent"
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        format!("/v1beta/models/{model}:{method}")
    }

    fn body(&self, ask: &Ask, _model: &str) -> Value {
        let mut content = json!({"role": "user", "parts": [{"text": ask.said}]});
        if ask.with == With::Picture {
            let picture = json!({"inlineData": {"mimeType": "image/png", "data": PICTURE}});
            push(&mut content, "parts", picture);
        }
        let mut body = json!({"contents": [content],
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {"maxOutputTokens": LIMIT}});
        if ask.has_tools() {
            let functions: Vec<_> = tools()
                .into_iter()
                .map(|(name, description, schema)| {
                    json!({"name": name, "description": description,
                        "parametersJsonSchema": schema})
                })
                .collect();
            body["tools"] = json!([{"functionDeclarations": functions}]);
        }
        let config = &mut body["generationConfig"];
        if ask.with == With::Form {
            config["responseMimeType"] = "application/json".into();
            config["responseJsonSchema"] = schema();
        }
        if ask.with == With::Thinking {
            config["thinkingConfig"] = json!({"thinkingLevel": "LOW", "includeThoughts": true});
        }
        body
    }

    fn go_on(&self, body: &mut Value, answer: &Value, returned: &[(Call, &str)]) {
        push(body, "contents", answer["candidates"][0]["content"].clone());
        let results: Vec<_> = returned
            .iter()
            .map(|(call, said)| {
                let mut result = json!({"name": call.name, "response": {"output": said}});
                if let Some(id) = &call.id {
                    result["id"] = id.as_str().into();
                }
                json!({"functionResponse": result})
            })
            .collect();
        push(body, "contents", json!({"role": "user", "parts": results}));
    }

    fn read(&self, answer: &Value) -> View {
        let [candidate] = list(answer, "/candidates") else { panic!("one candidate: {answer}") };
        assert_eq!(text(candidate, "/finishReason"), "STOP", "{answer}");
        assert_eq!(text(candidate, "/content/role"), "model", "{answer}");
        let counts = &answer["usageMetadata"];
        let counted = |name: &str| counts[name].as_u64().unwrap_or_default();
        let mut view = View {
            input: number(counts, "/promptTokenCount"),
            output: counted("candidatesTokenCount") + counted("thoughtsTokenCount"),
            ..View::default()
        };
        for part in list(candidate, "/content/parts") {
            let said = text(part, "/text");
            if part["thought"] == true {
                view.reasoning += said;
            } else {
                view.text += said;
            }
            if let Some(called) = part.get("functionCall") {
                view.finish = Finish::Calls;
                view.calls.push(Call {
                    id: called["id"].as_str().map(str::to_owned),
                    name: text(called, "/name").to_owned(),
                    arguments: called["args"].clone(),
                });
            }
        }
        view
    }

    fn assemble(&self, events: &[Event]) -> Value {
        let mut whole = json!({"candidates": [{"content": {"role": "model", "parts": []}}]});
        for Event { data, .. } in events {
            assert_eq!(whole["candidates"][0]["finishReason"], Value::Null, "it has ended");
            let parts = list(data, "/candidates/0/content/parts").iter();
            // Google refuses to have such a part sent back.
            let empty = json!({"text": ""});
            for part in parts.filter(|part| **part != empty) {
                push(&mut whole["candidates"][0]["content"], "parts", part.clone());
            }
            if let Some(reason) = data.pointer("/candidates/0/finishReason") {
                whole["candidates"][0]["finishReason"] = reason.clone();
            }
            if data["usageMetadata"].is_object() {
                whole["usageMetadata"] = data["usageMetadata"].clone();
            }
        }
        whole
    }

    fn broken(&self, events: &[Event]) -> (String, String) {
        let (last, rest) = events.split_last().unwrap();
        let ended = |one: &Event| one.data.pointer("/candidates/0/finishReason").is_some();
        assert!(!events.iter().any(ended), "{events:?}");
        let parts = rest.iter().flat_map(|one| list(&one.data, "/candidates/0/content/parts"));
        let so_far = parts.map(|part| text(part, "/text")).collect();
        (so_far, text(&last.data, "/error/message").to_owned())
    }

    fn error(&self, answer: &Answer) -> String {
        let body = answer.json();
        assert_eq!(number(&body, "/error/code"), u64::from(answer.status.as_u16()), "{body}");
        assert!(body["error"]["status"].is_string(), "{body}");
        text(&body, "/error/message").to_owned()
    }
}
