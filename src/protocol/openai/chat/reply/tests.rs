use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::neutral::{OpaqueState, Origin};
use crate::protocol::usage::Usage;

const CLIENT: ClientView<'static> = ClientView {
    model: "asked",
    request_id: "r1",
    created: 7,
    include_usage: false,
    stand_ins: &[],
};

fn read_json(body: &Value) -> Result<Reply, Malformed> {
    read(body.to_string().as_bytes())
}

fn choice(choice: &Value) -> Choice {
    read_json(&json!({"choices": [choice]})).expect("an answer").choices.remove(0)
}

fn of(output: Vec<Output>, finish: Option<Finish>, usage: Usage) -> Reply {
    let choices = vec![Choice { index: 0, output, finish }];
    Reply { id: "i".to_owned(), model: "m".to_owned(), choices, usage, service_tier: None }
}

fn written(reply: &Reply) -> Value {
    serde_json::from_slice(&write(reply, &CLIENT)).expect("JSON")
}

fn call(id: &str, arguments: &str) -> Output {
    let (id, arguments) = (id.to_owned(), arguments.to_owned());
    Output::ToolCall { id, name: "f".to_owned(), arguments, state: None }
}

#[test]
fn vector_74_counts_include_the_cache() {
    let usage = Usage {
        input: Some(130),
        output: Some(5),
        cached_input: Some(90),
        cache_written: Some(20),
        reasoning: None,
    };
    assert_eq!(
        written(&of(vec![], None, usage))["usage"],
        json!({"prompt_tokens": 130, "completion_tokens": 5, "total_tokens": 135,
            "prompt_tokens_details": {"cached_tokens": 90, "cache_write_tokens": 20}})
    );
}

#[test]
fn vectors_77_and_78_unknown_counts_are_left_out() {
    let usage =
        Usage { input: Some(10), output: Some(120), reasoning: Some(100), ..Usage::default() };
    assert_eq!(
        written(&of(vec![], None, usage))["usage"],
        json!({"prompt_tokens": 10, "completion_tokens": 120, "total_tokens": 130,
            "completion_tokens_details": {"reasoning_tokens": 100}})
    );
    let absurd = Usage { input: Some(u64::MAX), output: Some(1), ..Usage::default() };
    assert_eq!(written(&of(vec![], None, absurd))["usage"]["total_tokens"], json!(u64::MAX));
}

#[test]
fn vectors_88_and_89_an_empty_answer_has_its_choice() {
    let body = written(&of(vec![], Some(Finish::Refused), Usage::default()));
    assert_eq!(
        body["choices"],
        json!([{"index": 0, "finish_reason": "content_filter", "logprobs": null,
            "message": {"role": "assistant", "content": "", "refusal": null}}])
    );
    assert_eq!((&body["model"], &body["created"]), (&json!("asked"), &json!(7)));
}

#[test]
fn vector_90_choices_keep_their_numbers() {
    let said =
        |index: u32| json!({"index": index, "message": {"content": "a"}, "finish_reason": "stop"});
    let reply = read_json(&json!({"choices": [said(1), said(0)]})).expect("an answer");
    let body = written(&reply);
    let indexes: Vec<&Value> =
        body["choices"].as_array().expect("some").iter().map(|c| &c["index"]).collect();
    assert_eq!(indexes, [&json!(0), &json!(1)]);
}

#[test]
fn vector_91_cut_arguments_are_kept() {
    let body =
        written(&of(vec![call("a", "{\"x\": \"un")], Some(Finish::Length), Usage::default()));
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], "{\"x\": \"un");
    assert_eq!(choice["message"]["content"], Value::Null);
}

#[test]
fn vector_100_a_refusal_is_one() {
    let choice =
        choice(&json!({"message": {"content": null, "refusal": "no"}, "finish_reason": "stop"}));
    assert_eq!(choice.output, [Output::Refusal("no".to_owned())]);
    assert_eq!(choice.finish, Some(Finish::Refused));
}

#[test]
fn a_call_without_arguments_or_id_gets_them() {
    let body = written(&of(vec![call("", ""), call("", "")], None, Usage::default()));
    let calls = &body["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], "{}");
    assert!(calls[0]["id"].as_str().is_some_and(|id| id.starts_with("call_") && id.len() <= 40));
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn an_answer_is_read_back_as_it_was() {
    let state = |origin, redacted| Some(OpaqueState { origin, data: "s".to_owned(), redacted });
    let output = vec![
        Output::Thinking { text: "hm".to_owned(), state: state(Origin::Anthropic, false) },
        Output::Thinking { text: String::new(), state: state(Origin::Anthropic, true) },
        Output::Thinking { text: "oh".to_owned(), state: state(Origin::OpenAi, false) },
        Output::Text("so".to_owned()),
        Output::ToolCall {
            id: "a".to_owned(),
            name: "f".to_owned(),
            arguments: "{ }".to_owned(),
            state: state(Origin::Gemini, false),
        },
    ];
    let usage =
        Usage { input: Some(3), output: Some(1), cached_input: Some(2), ..Usage::default() };
    let reply = of(output.clone(), Some(Finish::ToolCalls), usage);
    let body = write(&reply, &CLIENT);
    let again = read(&body).expect("an answer");
    assert_eq!(again.choices[0].output, output);
    assert_eq!((&again.choices[0].finish, again.usage), (&Some(Finish::ToolCalls), usage));
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["choices"][0]["message"]["reasoning_content"], "hmoh");
}

#[test]
fn deviations_of_known_servers_are_read() {
    let finish = |reason: Value, calls: Value| {
        choice(&json!({"finish_reason": reason, "message": {"content": "a", "tool_calls": calls}}))
            .finish
    };
    let called = json!([{"id": 5, "function": {"name": "f", "arguments": {"a": 1}}}]);
    assert_eq!(finish(json!("stop"), called.clone()), Some(Finish::ToolCalls));
    assert_eq!(finish(json!(null), called.clone()), Some(Finish::ToolCalls));
    assert_eq!(finish(json!(""), json!(null)), None);
    assert_eq!(finish(json!("eos"), json!([])), Some(Finish::Stop));
    let of_vllm = choice(
        &json!({"finish_reason": "stop", "stop_reason": "END", "message": {"content": "a"}}),
    );
    assert_eq!(of_vllm.finish, Some(Finish::StopSequence(Some("END".to_owned()))));
    let with_object = choice(&json!({"message": {"tool_calls": called}}));
    assert_eq!(with_object.output, [call("", r#"{"a":1}"#)]);
    let of_mistral = choice(&json!({"message": {"content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "so"}]}}));
    let thought = Output::Thinking { text: "hm".to_owned(), state: None };
    assert_eq!(of_mistral.output, [thought, Output::Text("so".to_owned())]);
    assert!(read_json(&json!({"choices": [{"finish_reason": "error", "message": {}}]})).is_err());
    assert!(read_json(&json!({"choices": []})).is_err());
    assert!(read_json(&json!({"error": {"message": "no"}})).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(body: Vec<u8>) {
        let _ = read(&body);
    }

    #[test]
    fn arbitrary_members_do_not_panic(
        member in "content|refusal|tool_calls|reasoning|thinking_blocks|function_call",
        value in "\\[?\\{?\"?[a-z:\",]{0,9}\"?\\}?\\]?|null|-1|1e400|\\[\\{\\}\\]",
    ) {
        let _ = read(format!(r#"{{"choices":[{{"message":{{"{member}":{value}}}}}]}}"#).as_bytes());
    }
}
