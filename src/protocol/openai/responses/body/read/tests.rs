use proptest::prelude::*;
use serde_json::{Value, json};

use super::read;
use crate::protocol::Malformed;
use crate::protocol::dialect::{ClientView, Dialect};
use crate::protocol::neutral::{
    Choice, Finish, OpaqueState, Origin, Output, Reply, StandIn, StandInKind,
};
use crate::protocol::openai::ResponsesDialect;
use crate::protocol::usage::Usage;

const CLIENT: ClientView<'_> = ClientView {
    model: "asked",
    request_id: "r1",
    created: 7,
    include_usage: false,
    stand_ins: &[],
};

fn write(reply: &Reply, client: &ClientView<'_>) -> Value {
    let body = ResponsesDialect.write_reply(reply, client);
    serde_json::from_slice(&body).expect("a response is JSON")
}

fn call(name: &str, arguments: &str) -> Output {
    Output::ToolCall { id: "c".into(), name: name.into(), arguments: arguments.into(), state: None }
}

fn reply(output: Vec<Output>, finish: Finish) -> Reply {
    let choices = vec![Choice { index: 0, output, finish: Some(finish) }];
    Reply { choices, ..Reply::default() }
}

#[test]
fn an_answer_comes_back_as_it_was() {
    let state = OpaqueState { origin: Origin::Anthropic, data: "SIG".into(), redacted: false };
    let output = vec![
        Output::Thinking { text: "hm".into(), state: Some(state) },
        Output::Text("Hi".into()),
        call("f", r#"{"a":1}"#),
    ];
    let usage = Usage {
        input: Some(10),
        output: Some(5),
        cached_input: Some(4),
        cache_written: Some(2),
        reasoning: Some(3),
    };
    let reply = Reply { usage, ..reply(output.clone(), Finish::ToolCalls) };
    let written = write(&reply, &CLIENT);
    assert_eq!(written["status"], "completed");
    assert_eq!(written["model"], "asked");
    assert_eq!(written["store"], false);
    assert_eq!(written["usage"]["total_tokens"], 15);
    let ids: Vec<_> = (0..3).map(|i| written["output"][i]["id"].clone()).collect();
    assert_eq!(ids, ["rs_r1_0", "msg_r1_1", "fc_r1_2"]);

    let back = read(written.to_string().as_bytes()).expect("a response");
    assert_eq!(back.choices[0].output, output);
    assert_eq!(back.choices[0].finish, Some(Finish::ToolCalls));
    assert_eq!(back.usage, usage);
}

#[test]
fn every_finish_has_its_status() {
    let refusal = vec![Output::Refusal("no".into())];
    let text = vec![Output::Text("x".into())];
    let cases = [
        (text.clone(), Finish::Stop, "completed", Value::Null),
        (text.clone(), Finish::StopSequence(None), "completed", Value::Null),
        (text.clone(), Finish::Length, "incomplete", json!({"reason": "max_output_tokens"})),
        (text, Finish::Refused, "incomplete", json!({"reason": "content_filter"})),
        (refusal, Finish::Refused, "completed", Value::Null),
    ];
    for (output, finish, status, details) in cases {
        let written = write(&reply(output, finish.clone()), &CLIENT);
        assert_eq!(written["status"], status, "{finish:?}");
        assert_eq!(written["incomplete_details"], details);
        let back = read(written.to_string().as_bytes()).expect("a response");
        let back = back.choices[0].finish.clone();
        let expected = if finish == Finish::StopSequence(None) { Finish::Stop } else { finish };
        assert_eq!(back, Some(expected));
    }
}

#[test]
fn a_call_of_a_stand_in_is_one_of_the_client_s_tool() {
    let stand_in =
        |name: &str, kind| StandIn { name: name.into(), kind, tool: name.into(), namespace: None };
    let in_docs = StandIn {
        name: "docs__search".into(),
        kind: StandInKind::Function,
        tool: "search".into(),
        namespace: Some("docs".into()),
    };
    let stand_ins = [
        stand_in("apply_patch", StandInKind::Custom),
        stand_in("local_shell", StandInKind::LocalShell),
        in_docs,
    ];
    let client = ClientView { stand_ins: &stand_ins, ..CLIENT };
    let output = vec![
        call("apply_patch", r#"{"input":"*** Begin\n"}"#),
        call("apply_patch", "*** bare"),
        call("local_shell", r#"{"command":["ls","-l"],"timeout_ms":5}"#),
        call("f", ""),
        call("docs__search", r#"{"for":1}"#),
    ];
    let written = write(&reply(output, Finish::ToolCalls), &client);
    let output = &written["output"];
    assert_eq!(output[0]["type"], "custom_tool_call");
    assert_eq!(output[0]["input"], "*** Begin\n");
    assert_eq!(output[1]["input"], "*** bare");
    assert_eq!(output[2]["type"], "local_shell_call");
    assert_eq!(output[2]["action"]["type"], "exec");
    assert_eq!(output[2]["action"]["command"], json!(["ls", "-l"]));
    assert_eq!(output[3]["type"], "function_call");
    assert_eq!(output[3]["arguments"], "{}");
    assert!(output[3].get("namespace").is_none());
    assert_eq!(output[4]["type"], "function_call");
    assert_eq!(output[4]["namespace"], "docs");
    assert_eq!(output[4]["name"], "search");
    assert_eq!(output[4]["arguments"], r#"{"for":1}"#);
}

#[test]
fn vector_82_reasoning_in_full_is_reasoning() {
    let body = json!({"output": [{"type": "reasoning", "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}]}]});
    let reply = read(body.to_string().as_bytes()).expect("a response");
    let expected = [Output::Thinking { text: "hm".into(), state: None }];
    assert_eq!(reply.choices[0].output, expected);
}

#[test]
fn arguments_may_be_an_object() {
    let body = json!({"output": [{"type": "function_call", "id": "fc_1", "name": "f",
        "arguments": {"a": 1}}]});
    let reply = read(body.to_string().as_bytes()).expect("a response");
    let Output::ToolCall { id, arguments, .. } = &reply.choices[0].output[0] else {
        panic!("no call");
    };
    assert_eq!((&**id, &**arguments), ("fc_1", r#"{"a":1}"#));
}

#[test]
fn what_is_no_answer_is_not_read_as_one() {
    for body in [
        json!({"status": "failed", "error": {"code": "server_error"}, "output": []}),
        json!({"status": "in_progress", "output": []}),
        json!({"choices": []}),
        json!([]),
    ] {
        assert_eq!(read(body.to_string().as_bytes()).err(), Some(Malformed), "{body}");
    }
}

#[test]
fn vector_89_no_output_is_a_list() {
    let written = write(&reply(Vec::new(), Finish::Stop), &CLIENT);
    assert_eq!(written["output"], json!([]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_malformed(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&body);
    }
}
