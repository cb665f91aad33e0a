//! What models and the API do not take.

use serde_json::value::RawValue;

use super::*;
use crate::protocol::model::{Sampling, Thinking};
use crate::protocol::neutral::{Effort, Format, Media, Reasoning, Source, ToolChoice};

fn media(source: Source, media_type: &str, name: Option<&str>) -> Media {
    Media {
        source,
        media_type: Some(media_type.to_owned()),
        name: name.map(str::to_owned),
        detail: None,
        cache: None,
        field: "messages[0].content[0].file".to_owned(),
    }
}

#[test]
fn the_user_speaks_first_and_the_assistants_last_words_are_trimmed() {
    let mut request =
        Request { turns: vec![turn(Role::Assistant, vec![words("Hello")])], ..said("") };
    request.turns.push(turn(Role::User, vec![words("hi")]));
    request.turns.push(turn(Role::Assistant, vec![words("The answer is \n")]));
    let (body, warnings) = written(&request);
    assert_eq!(body["messages"][0], json!({"role": "user", "content": [{"text": "."}]}));
    assert_eq!(body["messages"][3]["content"], json!([{"text": "The answer is"}]));
    assert_eq!(warnings, ["adjusted messages[0]"]);
    let facts = ModelFacts { refuses_prefill: true, ..ModelFacts::default() };
    let refused = try_write(&request, CLAUDE, &facts, Compatibility::Standard).unwrap_err();
    assert_eq!(refused.param, "messages");
}

#[test]
fn a_request_without_words_is_refused_and_one_of_instructions_is_not() {
    let facts = ModelFacts::default();
    let error = try_write(&said(" "), CLAUDE, &facts, Compatibility::Lenient).unwrap_err();
    assert_eq!(error.param, "messages");
    let request =
        Request { turns: vec![turn(Role::System, vec![words("be")])], ..Request::default() };
    assert_eq!(messages(&request), json!([{"role": "user", "content": [{"text": "."}]}]));
}

#[test]
fn vector_23_a_document_gets_a_legal_name_and_a_text_beside_it() {
    let mut request = said("");
    let source = Source::Base64("AAAA".to_owned());
    request.turns[0].parts =
        vec![Part::Document(media(source, "application/pdf", Some("Q3.report.pdf")))];
    let document = json!({"format": "pdf", "name": "Q3 report", "source": {"bytes": "AAAA"}});
    assert_eq!(messages(&request)[0]["content"], json!([{"document": document}, {"text": "."}]));
}

#[test]
fn what_bedrock_cannot_fetch_is_refused() {
    for (source, media_type) in [
        (Source::Url("https://example.com/a.png".to_owned()), "image/png"),
        (Source::File("file-1".to_owned()), "image/png"),
        (Source::Base64("AAAA".to_owned()), "image/tiff"),
    ] {
        let mut request = said("x");
        request.turns[0].parts.push(Part::Image(media(source, media_type, None)));
        let facts = ModelFacts::default();
        let error = try_write(&request, CLAUDE, &facts, Compatibility::Standard).unwrap_err();
        assert_eq!(error.param, "messages[0].content[0].file");
        let (_, warnings) =
            try_write(&request, CLAUDE, &facts, Compatibility::Lenient).expect("lenient");
        assert_eq!(warnings.len(), 1);
    }
}

#[test]
fn sampling_is_kept_within_what_the_api_and_the_model_take() {
    let request = Request {
        temperature: Some(1.7),
        top_p: Some(0.5),
        seed: Some(1),
        presence_penalty: Some(0.0),
        frequency_penalty: Some(0.5),
        max_output_tokens: Some(5000),
        stop: vec![" ".to_owned(), "END".to_owned()],
        ..said("x")
    };
    let facts = ModelFacts {
        one_sampling_parameter: true,
        max_output_tokens: Some(4096),
        ..ModelFacts::default()
    };
    let (body, warnings) = write_for(&request, CLAUDE, &facts);
    let inference = json!({"maxTokens": 4096, "temperature": 1.0, "stopSequences": ["END"]});
    assert_eq!(body["inferenceConfig"], inference);
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/stop_sequence"]));
    let lost = [
        "adjusted max_tokens",
        "adjusted temperature",
        "dropped top_p",
        "dropped seed",
        "dropped frequency_penalty",
    ];
    assert_eq!(warnings, lost);
    let facts = ModelFacts { sampling: Sampling::None, ..ModelFacts::default() };
    let request = Request { temperature: Some(1.0), top_p: Some(1.0), ..said("x") };
    let (body, warnings) = write_for(&request, CLAUDE, &facts);
    assert!(body.get("inferenceConfig").is_none() && warnings.is_empty());
}

#[test]
fn several_answers_and_log_probabilities_are_refused() {
    let facts = ModelFacts::default();
    for request in
        [Request { choices: Some(2), ..said("x") }, Request { logprobs: Some(0), ..said("x") }]
    {
        assert!(try_write(&request, CLAUDE, &facts, Compatibility::Standard).is_err());
    }
}

#[test]
fn each_family_is_told_to_think_in_its_own_words() {
    let request = |effort| Request {
        reasoning: Some(Reasoning { effort: Some(effort), ..Reasoning::default() }),
        ..said("x")
    };
    let extra = |model, thinking, effort| {
        let facts = ModelFacts { thinking, ..ModelFacts::default() };
        write_for(&request(effort), model, &facts).0["additionalModelRequestFields"].take()
    };
    let (gpt, oss) = ("openai.gpt-5", "openai.gpt-oss-120b-1:0");
    let unknown = Thinking::Unknown;
    let cases = [
        (
            CLAUDE,
            Thinking::Effort,
            Effort::XHigh,
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}),
        ),
        (CLAUDE, Thinking::Effort, Effort::None, json!({"thinking": {"type": "disabled"}})),
        (CLAUDE, unknown, Effort::None, Value::Null),
        (
            NOVA,
            unknown,
            Effort::Max,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        ),
        (gpt, unknown, Effort::Minimal, json!({"reasoning": {"effort": "minimal"}})),
        (oss, unknown, Effort::Medium, json!({"reasoning_effort": "medium"})),
        ("meta.llama3", unknown, Effort::High, Value::Null),
        (CLAUDE, Thinking::Never, Effort::High, Value::Null),
    ];
    for (model, thinking, effort, expected) in cases {
        assert_eq!(extra(model, thinking, effort), expected, "{model} {effort:?}");
    }
}

#[test]
fn thinking_is_left_out_where_the_thoughts_behind_calls_are_lost() {
    let mut request = said("x");
    request.reasoning = Some(Reasoning { budget: Some(2000), ..Reasoning::default() });
    request.turns.push(turn(Role::Assistant, vec![call("a", "f", "{}")]));
    request.turns.push(turn(Role::User, vec![result("a", "r")]));
    let facts = ModelFacts { thinking: Thinking::Budget, ..ModelFacts::default() };
    let (body, warnings) = write_for(&request, CLAUDE, &facts);
    assert_eq!(body.get("additionalModelRequestFields"), None);
    assert_eq!(warnings, ["dropped thinking"]);
}

fn wants(schema: &str) -> Request {
    let schema = RawValue::from_string(schema.to_owned()).expect("JSON");
    let (name, description, strict) = ("n".to_owned(), None, None);
    Request { format: Some(Format::JsonSchema { name, description, schema, strict }), ..said("x") }
}

#[test]
fn a_tool_stands_for_the_format_where_the_model_lacks_it() {
    let facts = ModelFacts { lacks_json_schema: true, ..ModelFacts::default() };
    let written = |request: &Request| {
        let (written, _) =
            try_write(request, CLAUDE, &facts, Compatibility::Standard).expect("fits");
        let body: Value = serde_json::from_slice(&written.body).expect("JSON");
        (body["toolConfig"].clone(), written.undo.format_tool)
    };
    let (config, undo) = written(&wants(r#"{"type":"array","items":{}}"#));
    let spec = &config["tools"][0]["toolSpec"];
    assert_eq!(spec["inputSchema"]["json"]["properties"]["values"]["type"], "array");
    assert_eq!(config["toolChoice"]["tool"]["name"], "json_tool_call");
    let undo = undo.expect("a tool");
    assert_eq!((&*undo.name, undo.wrapped_in.as_deref()), ("json_tool_call", Some("values")));
    // Beside the client's own tools it is not forced.
    let mut request = wants(r#"{"type":"object"}"#);
    request.tools.push(tool("f"));
    let (config, undo) = written(&request);
    assert_eq!((config.get("toolChoice"), undo.expect("a tool").wrapped_in), (None, None));
}

#[test]
fn one_call_at_a_time_is_claudes_own_parameter() {
    let mut request = said("x");
    request.tools.push(tool("f"));
    request.parallel_tools = Some(false);
    let choice = |request: &Request| {
        written(request).0["additionalModelRequestFields"]["tool_choice"].take()
    };
    assert_eq!(choice(&request), json!({"type": "auto", "disable_parallel_tool_use": true}));
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(choice(&request), json!({"disable_parallel_tool_use": true}));
    let (_, warnings) = write_for(&request, NOVA, &ModelFacts::default());
    assert_eq!(warnings, ["dropped parallel_tool_calls"]);
}

#[test]
fn labels_that_the_api_would_refuse_are_left_out() {
    let mut request = said("x");
    request.user = Some("u".repeat(300));
    for (name, value) in [("team", "a b"), ("bad", "emoji 🙂")] {
        request.metadata.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(written(&request).0["requestMetadata"], json!({"team": "a b"}));
}
