//! What the gateway writes for others passes the rules, and what comes back is read.

use super::*;
use crate::protocol::bedrock::ConverseDialect;
use crate::protocol::dialect::{Dialect, Quirks, TargetView};
use crate::protocol::model::{ModelFacts, Thinking};
use crate::protocol::neutral::request::{CacheMark, Effort, Format, Media, Reasoning, Source};
use crate::protocol::neutral::{
    Crossing, Event, OpaqueState, Origin, Part, Request, ResultPart, Role, SystemText, Tool,
    ToolChoice, Turn,
};
use crate::wire::event_stream::EventStreamParser;

fn words(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: Some(CacheMark { ttl: Some("1h".to_owned()) }) }
}

fn document(name: &str) -> Part {
    Part::Document(Media {
        source: Source::Base64("AAAA".to_owned()),
        media_type: Some("application/pdf".to_owned()),
        name: Some(name.to_owned()),
        detail: None,
        cache: None,
        field: String::new(),
    })
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let [id, name, arguments] = [id, name, arguments].map(str::to_owned);
    Part::ToolCall { id, name, arguments, state: None, cache: None }
}

fn result(id: &str, text: &str) -> Part {
    let content = vec![ResultPart::Text(text.to_owned())];
    Part::ToolResult { id: id.to_owned(), content, is_error: true, cache: None }
}

/// All that other APIs let pass and Bedrock does not.
fn untidy() -> Request {
    let thought = |origin| Part::Thinking {
        text: "hm".to_owned(),
        state: Some(OpaqueState { origin, data: "c2ln".to_owned(), redacted: false }),
    };
    let turn = |role, parts| Turn { role, parts };
    let long = "n".repeat(90);
    let tool = Tool {
        name: long.clone(),
        description: Some(String::new()),
        schema: None,
        strict: None,
        cache: Some(CacheMark::default()),
    };
    Request {
        system: vec![SystemText { text: "be brief".to_owned(), cache: Some(CacheMark::default()) }],
        turns: vec![
            turn(Role::Assistant, vec![words("Hello")]),
            turn(Role::User, vec![document("a.b.pdf"), words(" ")]),
            turn(Role::System, vec![words("in the middle")]),
            turn(Role::User, vec![document("a b.pdf"), words("read"), words("it")]),
            turn(Role::Assistant, vec![words("")]),
            turn(
                Role::Assistant,
                vec![
                    thought(Origin::Anthropic),
                    thought(Origin::Gemini),
                    call("call 1", &long, "not json"),
                    call(&"i".repeat(99), "forgotten", "{}"),
                ],
            ),
            turn(Role::User, vec![words("wait"), result(&"i".repeat(99), "")]),
            turn(Role::User, vec![result("call 1", "sunny")]),
            turn(Role::Assistant, vec![words("It is \n")]),
        ],
        tools: vec![tool],
        tool_choice: Some(ToolChoice::Required),
        parallel_tools: Some(false),
        max_output_tokens: Some(5000),
        stop: vec!["\n".to_owned(), "END".to_owned()],
        temperature: Some(1.9),
        top_p: Some(0.5),
        top_k: Some(4),
        seed: Some(1),
        user: Some("someone".to_owned()),
        service_tier: Some("auto".to_owned()),
        betas: vec!["unknown".to_owned(), "context-1m-2025-08-07".to_owned()],
        ..Request::default()
    }
}

fn written(request: &Request, model: &str, facts: &ModelFacts) -> Value {
    let target = TargetView { model, facts, quirks: &Quirks::COMPATIBLE };
    let mut crossing = Crossing::default();
    let written =
        ConverseDialect.write_request(request, &target, &mut crossing).expect("it crosses");
    serde_json::from_slice(&written.body).expect("JSON")
}

#[tokio::test]
async fn untidy_requests_are_tidied_for_every_family() {
    let simulator = start().await;
    let facts = |thinking| ModelFacts { thinking, ..ModelFacts::default() };
    let reasoning = Reasoning { effort: Some(Effort::High), ..Reasoning::default() };
    for model in ["anthropic.claude-sim", "amazon.nova-sim", "meta.llama-sim", "arn-of-unknown"] {
        for thinking in [Thinking::Unknown, Thinking::Budget, Thinking::Effort, Thinking::Never] {
            for reasoning in [None, Some(reasoning.clone())] {
                let request = Request { reasoning, ..untidy() };
                let body = written(&request, model, &facts(thinking));
                let got = post(&simulator, &format!("/model/{model}/converse"), &body).await;
                assert_eq!(got.status, 200, "{model}: {} for {body}", got.text());
            }
        }
    }
}

#[tokio::test]
async fn a_format_passes_natively_and_as_a_tool() {
    let simulator = start().await;
    let schema = serde_json::value::to_raw_value(&json!({"type": "array"})).expect("JSON");
    let (name, description, strict) = ("n".to_owned(), None, None);
    let format = Some(Format::JsonSchema { name, description, schema, strict });
    for lacks_json_schema in [false, true] {
        let request = Request { format: format.clone(), tool_choice: None, ..untidy() };
        let facts = ModelFacts { lacks_json_schema, ..ModelFacts::default() };
        let body = written(&request, "claude", &facts);
        let got = post(&simulator, "/model/claude/converse", &body).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
}

#[tokio::test]
async fn answers_are_read_alike_in_both_ways() {
    let body = json!({"messages": said("use the tool"), "toolConfig": {"tools": tools()},
        "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}});
    let plain = ask("converse", &body).await;
    let reply = ConverseDialect.read_reply(&plain.body).expect("an answer");
    let got = ask("converse-stream", &body).await;
    let mut parser = EventStreamParser::new(1 << 20);
    parser.feed(got.body.into());
    let mut reader = ConverseDialect.event_reader();
    let mut events = Vec::new();
    while let Some(frame) = parser.next_frame().expect("valid") {
        reader.read(frame.event(), frame.data(), &mut events).expect("valid");
    }
    let arguments: String = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolArguments { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let told = format!("{:?}", reply.choices[0].output);
    assert!(told.contains(&format!("{arguments:?}")), "{told} and {arguments}");
    assert!(events.contains(&Event::Usage(reply.usage)));
    assert_eq!(events.last(), Some(&Event::End));
}
