use proptest::prelude::*;
use serde_json::{Value, json};

use super::read;
use crate::protocol::neutral::{
    Effort, Format, OpaqueState, Origin, Part, Request, ResultPart, Role, Source, StandIn,
    StandInKind, ToolChoice,
};

fn request(body: &Value) -> Request {
    read(body.to_string().as_bytes()).expect("a valid request")
}

fn refusal(body: &Value) -> String {
    read(body.to_string().as_bytes()).expect_err("an invalid request").to_string()
}

fn input(items: &Value) -> Request {
    request(&json!({"model": "m", "input": items}))
}

fn texts(parts: &[Part]) -> Vec<&str> {
    let text = |part: &'_ Part| matches!(part, Part::Text { .. });
    assert!(parts.iter().all(text), "{parts:?}");
    let texts = parts.iter().map(|part| match part {
        Part::Text { text, .. } => &**text,
        _ => "",
    });
    texts.collect()
}

#[test]
fn the_shortest_request_is_one_message() {
    let request = input(&json!("Hi"));
    assert_eq!(request.turns.len(), 1);
    assert_eq!(texts(&request.turns[0].parts), ["Hi"]);
    assert!(request.beyond.is_empty());
}

#[test]
fn leading_instructions_are_the_system_s_and_later_ones_stay() {
    let request = request(&json!({
        "instructions": "A",
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "B"}]},
            {"role": "user", "content": "hi"},
            {"type": "message", "role": "system", "content": "C"},
        ],
    }));
    let system: Vec<_> = request.system.iter().map(|system| &*system.text).collect();
    assert_eq!(system, ["A", "B"]);
    assert_eq!(request.turns[1].role, Role::System);
}

#[test]
fn vector_52_an_assistant_s_item_without_a_type_is_a_message() {
    let request = input(&json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": []}]},
    ]));
    assert_eq!(request.turns[1].role, Role::Assistant);
    assert_eq!(texts(&request.turns[1].parts), ["b"]);
}

#[test]
fn vector_53_an_output_may_be_missing() {
    for output in [json!({}), json!({"output": null})] {
        let mut item = json!({"type": "function_call_output", "call_id": "c"});
        item.as_object_mut().expect("an object").extend(output.as_object().expect("one").clone());
        let request = input(&json!([item]));
        let Part::ToolResult { id, content, .. } = &request.turns[0].parts[0] else {
            panic!("no result");
        };
        assert_eq!((&**id, content.len()), ("c", 0));
    }
}

#[test]
fn what_the_model_did_in_one_go_is_one_turn() {
    let request = input(&json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gAAA"},
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{ \"x\": 1 }"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b",
            "output": [{"type": "input_text", "text": "2"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA=="}]},
        {"role": "user", "content": "go"},
    ]));
    let shape: Vec<_> = request.turns.iter().map(|turn| (turn.role, turn.parts.len())).collect();
    assert_eq!(shape, [(Role::Assistant, 4), (Role::User, 2), (Role::User, 1)]);
    let Part::Thinking { text, state } = &request.turns[0].parts[0] else {
        panic!("no reasoning");
    };
    let own = OpaqueState { origin: Origin::OpenAi, data: "gAAA".into(), redacted: false };
    assert_eq!((&**text, state.as_ref()), ("hm", Some(&own)));
    let Part::ToolCall { arguments, .. } = &request.turns[0].parts[3] else {
        panic!("no call");
    };
    assert_eq!(arguments, "{ \"x\": 1 }");
    let Part::ToolResult { content, .. } = &request.turns[1].parts[1] else {
        panic!("no result");
    };
    assert!(matches!(&content[1], ResultPart::Image(media)
        if media.source == Source::Base64("AA==".into())
            && media.media_type.as_deref() == Some("image/png")
            && media.field == "input[5].output[1].image_url"));
}

#[test]
fn a_call_s_state_comes_back_to_the_call() {
    let request = input(&json!([
        {"type": "reasoning", "summary": [], "encrypted_content": "pilothouse-call:pilothouse:gemini:SIG"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    ]));
    let [Part::ToolCall { state, .. }] = &*request.turns[0].parts else {
        panic!("{:?}", request.turns);
    };
    let signature = OpaqueState { origin: Origin::Gemini, data: "SIG".into(), redacted: false };
    assert_eq!(state.as_ref(), Some(&signature));
}

#[test]
fn what_codex_sends_is_read() {
    let request = request(&json!({
        "model": "gpt-5.2-codex",
        "instructions": "You are a coding agent.",
        "input": [{"type": "message", "role": "user",
            "content": [{"type": "input_text", "text": "fix it"}]},
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** \"x\""},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
            {"type": "local_shell_call", "call_id": "c2", "status": "completed",
                "action": {"type": "exec", "command": ["ls"]}},
            {"type": "function_call_output", "call_id": "c2", "output": "a.rs"}],
        "tools": [
            {"type": "function", "name": "shell", "description": "d", "strict": false,
                "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}},
            {"type": "custom", "name": "apply_patch", "description": "Edits files.",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
            {"type": "local_shell"},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": true,
        "reasoning": {"effort": "xhigh", "summary": "auto"},
        "store": false,
        "stream": true,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "text": {"verbosity": "low"},
        "client_metadata": {"a": "b"},
    }));
    let kinds = [("apply_patch", StandInKind::Custom), ("local_shell", StandInKind::LocalShell)];
    let stand_ins = kinds.map(|(name, kind)| StandIn {
        name: name.into(),
        kind,
        tool: name.into(),
        namespace: None,
    });
    assert_eq!(request.stand_ins, stand_ins);
    let names: Vec<_> = request.tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["shell", "apply_patch", "local_shell"]);
    assert!(request.tools[1].description.as_ref().expect("given").contains("start: x"));
    let Part::ToolCall { arguments, .. } = &request.turns[1].parts[0] else {
        panic!("no call");
    };
    let arguments: Value = serde_json::from_str(arguments).expect("JSON");
    assert_eq!(arguments, json!({"input": "*** \"x\""}));
    let lost: Vec<_> = request.beyond.iter().map(|b| (&*b.field, b.essential)).collect();
    assert_eq!(lost, [("tools[1].format", false)]);
    let reasoning = request.reasoning.expect("given");
    assert_eq!((reasoning.effort, reasoning.visible), (Some(Effort::XHigh), Some(true)));
    assert_eq!(request.verbosity.as_deref(), Some("low"));
    assert!(request.stream);
}

#[test]
fn vector_15_a_schema_keeps_its_text() {
    let schema = r#"{ "type":"object", "properties": {"b":{}, "a":{"minimum": 1.0}} }"#;
    let body = format!(
        r#"{{"input":"x","tools":[{{"type":"function","name":"f","parameters":{schema}}}],
            "text":{{"format":{{"type":"json_schema","name":"o","schema":{schema}}}}}}}"#
    );
    let request = read(body.as_bytes()).expect("valid");
    assert_eq!(request.tools[0].schema.as_ref().expect("given").get(), schema);
    assert!(matches!(request.format, Some(Format::JsonSchema { schema: read, .. })
        if read.get() == schema));
}

#[test]
fn stored_things_are_refused_with_what_to_do() {
    for (member, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!({"id": "c"})),
        ("prompt", json!({"id": "p"})),
        ("background", json!(true)),
    ] {
        let mut body = json!({"input": "x"});
        body[member] = value;
        let message = refusal(&body);
        assert!(message.starts_with(&format!("`{member}` ")), "{message}");
        assert!(message.contains("stored here"), "{message}");
    }
    let reference = refusal(&json!({"input": [{"type": "item_reference", "id": "i"}]}));
    assert!(reference.starts_with("`input[0]` refers to an item"), "{reference}");
    let harmless = json!({"input": "x", "background": false, "store": true, "conversation": null});
    assert!(request(&harmless).beyond.is_empty());
}

/// As Codex offers its tools to models that it knows.
#[test]
fn tools_of_namespaces_are_functions_of_both_names() {
    let function = |name| json!({"type": "function", "name": name, "parameters": {}});
    let request = request(&json!({
        "input": [
            {"type": "additional_tools", "role": "developer", "tools": [
                {"type": "namespace", "name": "functions", "description": "", "tools": [
                    {"type": "custom", "name": "exec", "description": "Runs code."},
                    function("wait"),
                ]},
                {"type": "namespace", "name": "mcp__docs__", "description": "All pages.",
                    "tools": [function("search")]},
            ]},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "x"},
            {"type": "custom_tool_call", "call_id": "1", "namespace": "functions", "name": "exec",
                "input": "text(1)"},
            {"type": "custom_tool_call_output", "call_id": "1", "output": "1"},
            {"type": "function_call", "call_id": "2", "namespace": "mcp__docs__", "name": "search",
                "arguments": "{}"},
            {"type": "function_call_output", "call_id": "2", "output": "found"},
        ],
        "tools": [function("search"), {"type": "web_search"}],
        "tool_choice": {"type": "custom", "name": "exec"},
    }));
    let names: Vec<_> = request.tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["functions__exec", "functions__wait", "mcp__docs__search", "search"]);
    let stand_ins: Vec<_> = request
        .stand_ins
        .iter()
        .map(|one| (&*one.name, one.kind, one.namespace.as_deref(), &*one.tool))
        .collect();
    let (function, custom) = (StandInKind::Function, StandInKind::Custom);
    let expected = [
        ("functions__exec", custom, Some("functions"), "exec"),
        ("functions__wait", function, Some("functions"), "wait"),
        ("mcp__docs__search", function, Some("mcp__docs__"), "search"),
    ];
    assert_eq!(stand_ins, expected);
    let called = request.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| match part {
        Part::ToolCall { name, .. } => Some(&**name),
        _ => None,
    });
    assert!(called.eq(["functions__exec", "mcp__docs__search"]));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("functions__exec".into())));
    let system: Vec<_> = request.system.iter().map(|system| &*system.text).collect();
    assert_eq!(system, ["Be brief.", "Tools named `mcp__docs__…`: All pages."]);
}

#[test]
fn a_tool_that_is_declared_again_is_what_was_declared_last() {
    let search = |said| json!({"type": "function", "name": "search", "description": said});
    let found = json!({"type": "tool_search_output", "call_id": "1", "tools": [search("b")]});
    let request = request(&json!({"input": [found], "tools": [search("a")]}));
    let [tool] = &*request.tools else { panic!("{:?}", request.tools) };
    assert_eq!(tool.description.as_deref(), Some("a"));

    let namespace = json!({"type": "namespace", "name": "a", "tools": [search("c")]});
    let plain = json!({"type": "function", "name": "a__search"});
    let message = refusal(&json!({"input": "x", "tools": [namespace, plain]}));
    assert!(message.starts_with("`tools[1]` is `a__search` for models"), "{message}");
}

#[test]
fn hosted_tools_beside_others_are_a_harmless_loss() {
    let request = request(&json!({
        "input": "x",
        "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}, {"type": "shell"}],
    }));
    let lost: Vec<_> = request.beyond.iter().map(|b| (&*b.field, b.essential)).collect();
    // A tool that the client runs is waited for.
    assert_eq!(lost, [("tools[2].shell", true), ("tools[0].web_search", false)]);
}

#[test]
fn hosted_tools_alone_are_essential_and_named() {
    let request = request(&json!({
        "input": "x",
        "tools": [{"type": "web_search"}, {"type": "mcp", "server_label": "s"}],
        "tool_choice": {"type": "web_search"},
        "max_tool_calls": 2,
    }));
    let lost: Vec<_> = request.beyond.iter().map(|b| (&*b.field, b.essential)).collect();
    let expected =
        [("tools[0].web_search", true), ("tools[1].mcp", true), ("tool_choice.type", true)];
    assert_eq!(lost, expected);
}

#[test]
fn tool_choices_of_every_kind_are_read() {
    let named = ToolChoice::Named("f".into());
    let cases = [
        (json!("required"), ToolChoice::Required),
        (json!({"type": "function", "name": "f"}), named.clone()),
        (json!({"type": "custom", "name": "f"}), named),
        (
            json!({"type": "allowed_tools", "mode": "required",
                "tools": [{"type": "function", "name": "f"}]}),
            ToolChoice::Allowed { names: vec!["f".into()], required: true },
        ),
    ];
    for (choice, expected) in cases {
        let request = request(&json!({"input": "x", "tool_choice": choice}));
        assert_eq!(request.tool_choice, Some(expected));
    }
}

#[test]
fn a_field_that_is_wrong_is_named() {
    let cases = [
        (json!({}), "`input` is missing"),
        (json!({"input": 1}), "`input` must be a string or a list"),
        (json!({"input": [1]}), "`input[0]` must be an object"),
        (json!({"input": [{"content": "x"}]}), "`input[0].role` is missing"),
        (json!({"input": [{"role": "boss", "content": "x"}]}), "`input[0].role` must be"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}),
            "`input[0].content[0].text` must be a string",
        ),
        (
            json!({"input": [{"role": "user",
                "content": [{"type": "input_image", "image_url": "ftp://x"}]}]}),
            "`input[0].content[0].image_url` must be a URL",
        ),
        (json!({"input": "x", "temperature": "hot"}), "`temperature` must be a number"),
        (json!({"input": "x", "reasoning": {"effort": "much"}}), "`reasoning.effort` must be one"),
        (json!({"input": "x", "tools": [{"type": "function"}]}), "`tools[0].name` is missing"),
        (json!({"input": "x", "tools": {}}), "`tools` must be a list"),
    ];
    for (body, expected) in cases {
        let message = refusal(&body);
        assert!(message.starts_with(expected), "{message}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(message|reasoning|function_call|custom|user|x)".prop_map(Value::from),
    ];
    let names = "(type|role|content|text|input|output|tools|name|call_id|summary|format)";
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&body);
    }

    #[test]
    fn any_json_is_read_or_refused_by_name(body in any_json(), input in any_json()) {
        let mut body = body;
        if let Some(members) = body.as_object_mut() {
            members.insert("input".into(), input);
        }
        if let Err(unreadable) = read(body.to_string().as_bytes()) {
            prop_assert!(!unreadable.param.is_empty());
        }
    }
}
