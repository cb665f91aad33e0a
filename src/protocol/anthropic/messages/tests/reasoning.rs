use serde_json::json;

use super::*;
use crate::protocol::model::{EffortWord, Thinking};
use crate::protocol::neutral::{Effort, OpaqueState, Origin, Reasoning, ToolChoice};

fn effort(effort: Effort) -> Request {
    let reasoning = Some(Reasoning { effort: Some(effort), ..Reasoning::default() });
    Request { reasoning, max_output_tokens: Some(32_000), ..question() }
}

fn facts(thinking: Thinking) -> ModelFacts {
    ModelFacts { thinking, ..ModelFacts::default() }
}

#[test]
fn effort_becomes_a_word_or_a_budget() {
    let cases = [
        (Effort::Minimal, "low", 1024),
        (Effort::Low, "low", 1024),
        (Effort::Medium, "medium", 2048),
        (Effort::High, "high", 4096),
        (Effort::XHigh, "xhigh", 8192),
        (Effort::Max, "max", 16384),
    ];
    for (wanted, word, budget) in cases {
        let body = send_to(&effort(wanted), &facts(Thinking::Effort)).body;
        assert_eq!(body["thinking"], json!({"type": "adaptive"}));
        assert_eq!(body["output_config"], json!({"effort": word}));
        let body = send_to(&effort(wanted), &facts(Thinking::Budget)).body;
        assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": budget}));
        assert_eq!(body.get("output_config"), None);
    }
    let mut few = facts(Thinking::Effort);
    few.efforts = [Effort::Low, Effort::Medium, Effort::High].map(EffortWord).into();
    assert_eq!(send_to(&effort(Effort::XHigh), &few).body["output_config"]["effort"], "high");
}

#[test]
fn no_thinking_is_said_where_it_can_be() {
    let none = effort(Effort::None);
    assert_eq!(send(&none).body["thinking"], json!({"type": "disabled"}));
    assert_eq!(send_to(&none, &facts(Thinking::Never)).body.get("thinking"), None);
    let always = ModelFacts { thinking_always: true, ..facts(Thinking::Effort) };
    let sent = send_to(&none, &always);
    assert_eq!(sent.body["output_config"], json!({"effort": "low"}));
    assert_eq!(sent.warnings, ["code=adjusted;param=reasoning_effort"]);
    let sent = send_to(&effort(Effort::High), &facts(Thinking::Never));
    assert_eq!(sent.warnings, ["code=dropped;param=reasoning_effort"]);
}

#[test]
fn a_budget_becomes_a_word_where_only_words_are_known() {
    let mut request = effort(Effort::Low);
    for (budget, word) in
        [(16_384, "max"), (8192, "xhigh"), (5000, "high"), (2048, "medium"), (1024, "low")]
    {
        request.reasoning = Some(Reasoning { budget: Some(budget), ..Reasoning::default() });
        let body = send_to(&request, &facts(Thinking::Effort)).body;
        assert_eq!(body["output_config"]["effort"], word);
        let body = send(&request).body;
        assert_eq!(body["thinking"]["budget_tokens"], budget, "as it was said");
    }
}

#[test]
fn vector_16_thinking_by_budget_forces_no_tool() {
    let mut request = effort(Effort::High);
    request.tools = vec![tool("f", "{}")];
    request.tool_choice = Some(ToolChoice::Required);
    let sent = send_to(&request, &facts(Thinking::Budget));
    assert_eq!(sent.body["tool_choice"], json!({"type": "auto"}));
    assert_eq!(sent.warnings, ["code=adjusted;param=tool_choice"]);
    request.reasoning = None;
    let body = send_to(&request, &facts(Thinking::Budget)).body;
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
}

#[test]
fn vector_50_a_budget_without_room_is_left_out() {
    let mut request = effort(Effort::High);
    request.max_output_tokens = Some(800);
    let sent = send_to(&request, &facts(Thinking::Budget));
    assert_eq!(sent.body.get("thinking"), None);
    assert_eq!(sent.warnings, ["code=dropped;param=reasoning_effort"]);
    request.max_output_tokens = Some(2000);
    let body = send_to(&request, &facts(Thinking::Budget)).body;
    assert_eq!(body["thinking"]["budget_tokens"], 1999);
}

#[test]
fn thinking_takes_no_sampling() {
    let mut request = effort(Effort::High);
    (request.temperature, request.top_k, request.top_p) = (Some(0.2), Some(4), Some(0.99));
    let sent = send_to(&request, &facts(Thinking::Budget));
    assert_eq!(sent.warnings, ["code=dropped;param=temperature", "code=dropped;param=top_k"]);
    assert_eq!(sent.body["top_p"], 0.99);
}

#[test]
fn an_answer_begun_without_thinking_goes_on_without() {
    let mut request = effort(Effort::High);
    request.turns.push(turn(Role::Assistant, vec![call("a", "{}")]));
    request.turns.push(turn(Role::User, vec![result("a", "r")]));
    let sent = send_to(&request, &facts(Thinking::Budget));
    assert_eq!(sent.body.get("thinking"), None);
    assert_eq!(sent.warnings, ["code=dropped;param=reasoning_effort"]);
    let body = send_to(&request, &facts(Thinking::Effort)).body;
    assert_eq!(body["thinking"]["type"], "adaptive");
    request.turns[1].parts.insert(0, thought(Origin::Anthropic, "s", false));
    let body = send_to(&request, &facts(Thinking::Budget)).body;
    assert_eq!(body["thinking"]["type"], "enabled");
}

fn thought(origin: Origin, data: &str, redacted: bool) -> Part {
    let state = Some(OpaqueState { origin, data: data.into(), redacted });
    Part::Thinking { text: String::new(), state }
}

#[test]
fn vector_45_own_reasoning_goes_back_and_foreign_does_not() {
    let mut request = question();
    let signature = "Eq+/=\u{1F600} ";
    request.turns.push(turn(
        Role::Assistant,
        vec![
            thought(Origin::Anthropic, signature, false),
            thought(Origin::Anthropic, "r", true),
            thought(Origin::Gemini, "g", false),
            Part::Thinking { text: "t".into(), state: None },
            text("a"),
        ],
    ));
    request.turns.push(user("more"));
    let sent = send(&request);
    let expected = json!([
        {"type": "thinking", "thinking": "", "signature": signature},
        {"type": "redacted_thinking", "data": "r"},
        {"type": "text", "text": "a"},
    ]);
    assert_eq!(sent.body["messages"][1]["content"], expected);
    assert_eq!(sent.warnings, ["code=dropped;param=thinking"]);
}
