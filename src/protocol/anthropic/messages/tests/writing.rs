use serde_json::json;

use super::*;
use crate::protocol::dialect::Betas;
use crate::protocol::model::Sampling;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{CacheMark, SystemText, ToolChoice};

#[test]
fn vector_1_no_arguments_are_an_empty_object() {
    for arguments in ["", "null", " "] {
        let mut request = question();
        request.turns.push(turn(Role::Assistant, vec![call("a", arguments)]));
        request.turns.push(turn(Role::User, vec![result("a", "r")]));
        let sent = send(&request);
        assert_eq!(sent.body["messages"][1]["content"][0]["input"], json!({}));
        assert!(sent.warnings.is_empty(), "{arguments:?}");
    }
}

#[test]
fn vector_2_arguments_that_are_no_object_are_left_out_with_a_warning() {
    for arguments in ["[1,2]", "not json", "3"] {
        let mut request = question();
        request.turns.push(turn(Role::Assistant, vec![call("a", arguments)]));
        let sent = send(&request);
        assert_eq!(sent.body["messages"][1]["content"][0]["input"], json!({}));
        assert_eq!(sent.warnings, ["code=adjusted;param=arguments"]);
    }
}

#[test]
fn vector_3_results_and_words_are_one_turn_in_the_order_of_the_calls() {
    let mut request = question();
    request.turns.extend([
        turn(Role::Assistant, vec![call("a", "{}"), call("b.1", "{}")]),
        turn(Role::User, vec![result("b.1", "B")]),
        turn(Role::User, vec![text("go"), result("a", "A")]),
    ]);
    let messages = send(&request).body["messages"].clone();
    assert_eq!(
        messages[2],
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "A"},
            {"type": "tool_result", "tool_use_id": "b_1", "content": "B"},
            {"type": "text", "text": "go"},
        ]})
    );
    assert_eq!(messages[1]["content"][1]["id"], "b_1", "the same on both sides");
    assert_eq!(messages.as_array().map(Vec::len), Some(3));
}

#[test]
fn vector_4_instructions_between_results_do_not_part_them() {
    let mut request = question();
    request.turns.extend([
        turn(Role::Assistant, vec![call("a", "{}"), call("b", "{}")]),
        turn(Role::User, vec![result("a", "A")]),
        turn(Role::System, vec![text("x")]),
        turn(Role::User, vec![result("b", "B")]),
    ]);
    let facts = ModelFacts { system_turns: true, ..ModelFacts::default() };
    let sent = send_to(&request, &facts);
    assert_eq!(sent.body["system"], "x");
    assert_eq!(sent.body["messages"][2]["content"].as_array().map(Vec::len), Some(2));
    assert_eq!(sent.warnings, ["code=adjusted;param=messages"]);
}

#[test]
fn vector_5_later_instructions_follow_the_first() {
    let mut request = question();
    request.system = vec![SystemText { text: "A".into(), cache: None }];
    request.turns.push(turn(Role::System, vec![text("B")]));
    let system = json!([{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]);
    assert_eq!(send(&request).body["system"], system);
    let facts = ModelFacts { system_turns: true, ..ModelFacts::default() };
    let sent = send_to(&request, &facts);
    assert_eq!(sent.body["system"], "A");
    assert_eq!(sent.body["messages"][1]["role"], "system", "where a model takes them");
    assert!(sent.warnings.is_empty());
}

#[test]
fn vector_7_and_8_nothing_empty_is_sent() {
    let mut request = question();
    let image = media(Source::Base64("iVBORw0K".into()), None);
    request.turns.push(turn(Role::Assistant, vec![text("")]));
    request.turns.push(turn(Role::User, vec![text(" "), Part::Image(image)]));
    let expected = json!([{"role": "user", "content": [
        {"type": "text", "text": "hi"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
    ]}]);
    assert_eq!(send(&request).body["messages"], expected);
    let empty = Request { turns: vec![user("")], ..Request::default() };
    let facts = ModelFacts::default();
    let refused = send_as(&empty, &facts, &Quirks::COMPATIBLE, Compatibility::Lenient);
    assert_eq!(refused.err().expect("nothing to answer").param, "messages");
}

#[test]
fn vector_10_no_more_than_four_marks() {
    let mark = || Some(CacheMark { ttl: Some("1h".into()) });
    let mut request = question();
    request.system = vec![SystemText { text: "A".into(), cache: mark() }];
    request.tools = vec![tool("f", "{}"), tool("g", "{}")];
    request.tools[1].cache = mark();
    request.turns[0].parts = (0..4)
        .map(|_| Part::Text { text: "t".into(), cache: Some(CacheMark::default()) })
        .collect();
    let sent = send(&request);
    assert_eq!(sent.text.matches("cache_control").count(), 4);
    assert_eq!(sent.body["system"][0]["cache_control"]["ttl"], "1h");
    assert_eq!(sent.body["messages"][0]["content"][1]["cache_control"], ephemeral());
    assert_eq!(sent.body["messages"][0]["content"][2].get("cache_control"), None);
    assert_eq!(sent.warnings, ["code=dropped;param=cache_control"]);
}

#[test]
fn vector_14_and_15_schemas_stay_as_they_were_written() {
    let schema = r#"{"type":"object","properties":{"bB":{"type":"string"},"aA":{"x-y":[1.0]}},"additionalProperties":true}"#;
    let mut request = question();
    request.tools = vec![tool("f", schema), tool("g", r#"{"properties":{"b":{},"a":{}}}"#)];
    let sent = send(&request);
    assert!(sent.text.contains(schema), "{}", sent.text);
    assert_eq!(sent.body["tools"][1]["input_schema"]["type"], "object");
    assert!(sent.text.contains(r#""b":{},"a":{}"#));
}

#[test]
fn vector_17_and_18_one_call_at_a_time_is_said_with_the_choice() {
    let mut request = question();
    request.parallel_tools = Some(false);
    assert_eq!(send(&request).body.get("tool_choice"), None);
    request.tools = vec![tool("f", "{}")];
    let auto = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(send(&request).body["tool_choice"], auto);
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(send(&request).body["tool_choice"], json!({"type": "none"}));
}

#[test]
fn allowed_tools_are_the_only_ones_offered() {
    let mut request = question();
    request.tools = vec![tool("f", "{}"), tool("g", "{}")];
    request.tool_choice = Some(ToolChoice::Allowed { names: vec!["g".into()], required: true });
    let body = send(&request).body;
    assert_eq!(body["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
}

#[test]
fn names_the_api_does_not_take_are_changed_and_can_be_undone() {
    let mut request = question();
    request.tools = vec![tool("ns.f", "{}"), tool("ns:f", "{}")];
    request.tool_choice = Some(ToolChoice::Named("ns.f".into()));
    let sent = send(&request);
    let undo = &sent.written.undo.tool_names;
    let names: Vec<&str> =
        (0..2).filter_map(|at| sent.body["tools"][at]["name"].as_str()).collect();
    assert_eq!((&*undo[names[0]], &*undo[names[1]]), ("ns.f", "ns:f"));
    assert_eq!(sent.body["tool_choice"]["name"], names[0]);
}

#[test]
fn vector_26_there_is_always_a_limit() {
    let mut request = question();
    assert_eq!(send(&request).body["max_tokens"], 4096);
    let facts = ModelFacts { max_output_tokens: Some(64), ..ModelFacts::default() };
    assert_eq!(send_to(&request, &facts).body["max_tokens"], 64);
    request.max_output_tokens = Some(100);
    assert_eq!(send(&request).body["max_tokens"], 100, "vector 25");
    let sent = send_to(&request, &facts);
    assert_eq!(sent.body["max_tokens"], 64);
    assert_eq!(sent.warnings, ["code=adjusted;param=max_tokens"]);
}

#[test]
fn vector_28_and_29_clouds_get_what_they_take() {
    const BETAS: Betas = Betas {
        known: &["interleaved-thinking-2025-05-14", "tool-search-tool-2025-10-19"],
        renamed: &[("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19")],
    };
    let mut request = question();
    request.betas = vec!["interleaved-thinking-2025-05-14".into(), "unknown-x".into()];
    let value = Some(raw("{}"));
    request.beyond = vec![Beyond { field: "context_management".into(), essential: false, value }];
    let facts = ModelFacts::default();
    request.betas.push("advanced-tool-use-2025-11-20".into());
    let cloud = Quirks { cloud: true, betas: Some(&BETAS), ..Quirks::COMPATIBLE };
    let sent = send_as(&request, &facts, &cloud, Compatibility::Standard).expect("can be said");
    assert_eq!(sent.body.get("context_management"), None);
    let lost = ["context_management", "anthropic-beta"];
    assert_eq!(sent.warnings, lost.map(|param| format!("code=dropped;param={param}")));
    let betas = "interleaved-thinking-2025-05-14,tool-search-tool-2025-10-19".to_owned();
    assert_eq!(sent.written.headers[1], ("anthropic-beta", betas));
    assert_eq!(send(&request).body["context_management"], json!({}), "Anthropic itself");
}

#[test]
fn tools_of_anthropic_go_back_to_it_and_nowhere_else() {
    let mut request = question();
    request.tools = vec![tool("f", "{}")];
    let beyond = |kind: &str| Beyond {
        field: "tools[0]".into(),
        essential: true,
        value: Some(raw(&json!({"type": kind, "name": "w"}).to_string())),
    };
    request.beyond = vec![beyond("web_search_20250305")];
    assert_eq!(send(&request).body["tools"][0]["type"], "web_search_20250305");
    request.beyond = vec![beyond("web_search_preview_2025_03_11")];
    let facts = ModelFacts::default();
    let refused = send_as(&request, &facts, &Quirks::COMPATIBLE, Compatibility::Standard);
    assert_eq!(refused.err().expect("not its own").param, "tools[0]");
}

#[test]
fn vector_51_sampling_goes_only_to_models_that_take_it() {
    let mut request = question();
    request.temperature = Some(0.2);
    let facts = ModelFacts { sampling: Sampling::None, ..ModelFacts::default() };
    let sent = send_to(&request, &facts);
    assert_eq!(sent.body.get("temperature"), None);
    assert_eq!(sent.warnings, ["code=dropped;param=temperature"]);
    request.temperature = Some(1.0);
    assert!(send_to(&request, &facts).warnings.is_empty(), "the default is no loss");
    request.temperature = Some(1.5);
    request.top_p = Some(0.5);
    let facts = ModelFacts { one_sampling_parameter: true, ..ModelFacts::default() };
    let sent = send_to(&request, &facts);
    assert_eq!((&sent.body["temperature"], sent.body.get("top_p")), (&json!(1.0), None));
    assert_eq!(sent.warnings, ["code=adjusted;param=temperature", "code=dropped;param=top_p"]);
}

#[test]
fn what_has_no_place_is_dropped_or_refused() {
    let mut request = question();
    request.seed = Some(1);
    request.presence_penalty = Some(0.0);
    request.frequency_penalty = Some(1.0);
    request.verbosity = Some("low".into());
    request.user = Some("someone@example.com".into());
    request.stop = vec!["\n".into(), "END".into()];
    let sent = send(&request);
    let expected = [
        "code=dropped;param=seed",
        "code=dropped;param=frequency_penalty",
        "code=adjusted;param=stop",
    ];
    assert_eq!(sent.warnings, expected);
    assert_eq!(sent.body["stop_sequences"], json!(["END"]));
    assert_eq!(sent.body.get("metadata"), None);
    for (request, param) in [
        (Request { choices: Some(2), ..question() }, "n"),
        (Request { logprobs: Some(0), ..question() }, "logprobs"),
    ] {
        let facts = ModelFacts::default();
        let refused = send_as(&request, &facts, &Quirks::COMPATIBLE, Compatibility::Standard);
        assert_eq!(refused.err().expect("refused").param, param);
    }
}

#[test]
fn a_begun_answer_is_continued_only_by_models_that_can() {
    let mut request = question();
    request.turns.push(turn(Role::Assistant, vec![text("Well, \n")]));
    let body = send(&request).body;
    assert_eq!(body["messages"][1]["content"][0]["text"], "Well,");
    let facts = ModelFacts { refuses_prefill: true, ..ModelFacts::default() };
    let refused = send_as(&request, &facts, &Quirks::COMPATIBLE, Compatibility::Standard);
    assert_eq!(refused.err().expect("refused").param, "messages");
}

#[test]
fn media_go_where_the_api_takes_them() {
    let source = |part: Part| {
        let request = Request { turns: vec![turn(Role::User, vec![part])], ..Request::default() };
        let facts = ModelFacts::default();
        send_as(&request, &facts, &Quirks::COMPATIBLE, Compatibility::Standard)
            .map(|sent| sent.body["messages"][0]["content"][0].clone())
            .map_err(|refused| refused.param)
    };
    let url = |url: &str| Part::Image(media(Source::Url(url.into()), None));
    let by_url = json!({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}});
    assert_eq!(source(url("https://a/b.png")), Ok(by_url));
    assert_eq!(source(url("https://a/b.PDF?x")).expect("a document")["type"], "document");
    let field = Err("messages[0].content[0]".to_owned());
    assert_eq!(source(url("gs://a/b.png")), field);
    assert_eq!(source(Part::Image(media(Source::File("file-1".into()), None))), field);
    assert_eq!(source(Part::Audio(media(Source::Base64(String::new()), None))), field);
    let jpg = source(Part::Image(media(Source::Base64("x".into()), Some("image/jpg"))));
    assert_eq!(jpg.expect("a picture")["source"]["media_type"], "image/jpeg");
    let bitmap = Part::Image(media(Source::Base64("x".into()), Some("image/bmp")));
    assert_eq!(source(bitmap), field.clone());
    let mut request = question();
    let picture = Part::Image(media(Source::Url("https://a/b".into()), None));
    request.turns.push(turn(Role::System, vec![picture]));
    let facts = ModelFacts::default();
    let refused = send_as(&request, &facts, &Quirks::COMPATIBLE, Compatibility::Standard);
    assert_eq!(refused.err().map(|refused| refused.param), field.err());
    let text = Part::Document(media(Source::Base64("aGk=".into()), Some("text/markdown")));
    assert_eq!(source(text).expect("a document")["source"]["data"], "hi");
}
