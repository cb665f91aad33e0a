//! What the gateway writes for Google passes the checks of every generation of models.

use super::*;
use crate::protocol::dialect::{Dialect, Quirks, TargetView};
use crate::protocol::gemini::GeminiDialect;
use crate::protocol::neutral::Tool;
use crate::protocol::neutral::{
    Crossing, Effort, Media, Part, Reasoning, Request, ResultPart, Role, Source, SystemText,
    ToolChoice, Turn,
};
use crate::provider::models;

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn call(id: &str) -> Part {
    Part::ToolCall {
        id: id.to_owned(),
        name: "look up".to_owned(),
        arguments: r#"{"a":1}"#.to_owned(),
        state: None,
        cache: None,
    }
}

fn result(id: &str) -> Part {
    let picture = Media {
        source: Source::Base64("AAAA".to_owned()),
        media_type: Some("image/png".to_owned()),
        name: None,
        detail: None,
        cache: None,
        field: String::new(),
    };
    let content = vec![ResultPart::Text("seen".to_owned()), ResultPart::Image(picture)];
    Part::ToolResult { id: id.to_owned(), content, is_error: false, cache: None }
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

/// Everything at once that other APIs allow and Google wants otherwise.
fn awkward() -> Request {
    let schema = json!({"type": "object", "required": ["a", "missing"], "additionalProperties": false,
        "properties": {"a": {"type": ["integer", "null"]}, "b": {"enum": [1, "x"]},
            "c": {"type": "array"}, "d": {"$ref": "#"}, "e": {"oneOf": [{"const": 1}, {}]}}});
    Request {
        system: vec![SystemText { text: "S".to_owned(), cache: None }],
        turns: vec![
            turn(Role::Assistant, vec![text("hello")]),
            turn(Role::User, vec![text(""), text("hi")]),
            turn(Role::Assistant, vec![text("wait")]),
            turn(Role::Assistant, vec![call("1"), call("2")]),
            turn(Role::User, vec![text("go"), result("2")]),
            turn(Role::System, vec![text("M")]),
            turn(Role::User, vec![result("1")]),
            turn(Role::Assistant, vec![text("")]),
            turn(Role::User, vec![text("on")]),
        ],
        tools: vec![Tool {
            name: "look up".to_owned(),
            description: None,
            schema: serde_json::value::to_raw_value(&schema).ok(),
            strict: Some(true),
            cache: None,
        }],
        tool_choice: Some(ToolChoice::Named("look up".to_owned())),
        temperature: Some(9.0),
        seed: Some(i64::MAX),
        max_output_tokens: Some(u64::MAX),
        stop: (0..9).map(|at| at.to_string()).collect(),
        logprobs: Some(99),
        reasoning: Some(Reasoning {
            effort: Some(Effort::None),
            budget: Some(1),
            visible: Some(true),
            ..Reasoning::default()
        }),
        ..Request::default()
    }
}

#[tokio::test]
async fn awkward_requests_are_taken_by_every_generation() {
    for (path, cloud) in [(V1BETA, false), (VERTEX, true)] {
        for model in [
            "gemini-3-pro",
            "gemini-3-flash",
            "gemini-2.5-pro",
            "gemini-2.5-flash",
            "gemini-2.0-flash",
            "other",
        ] {
            let quirks = Quirks { cloud, ..Quirks::COMPATIBLE };
            let target = TargetView { model, facts: models::facts(model), quirks: &quirks };
            let written = GeminiDialect
                .write_request(&awkward(), &target, &mut Crossing::default())
                .expect("crosses");
            let body: Value = serde_json::from_slice(&written.body).expect("JSON");
            let got = ask(&format!("{path}{model}:generateContent"), &body).await;
            assert_eq!(got.status, 200, "{model}: {} {body}", got.text());
        }
    }
}
