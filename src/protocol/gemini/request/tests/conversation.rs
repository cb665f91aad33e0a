//! Turns for a target.

use super::*;

fn contents(request: &Request, facts: &ModelFacts) -> Value {
    write(request, facts)["contents"].take()
}

fn parallel() -> Request {
    said(vec![
        user(vec![text("weather?")]),
        model(vec![call("a", "f", r#"{"z":1,"b":2}"#), call("b", "g", "")]),
        user(vec![text("go"), result("b", "2"), result("a", r#"{"t":1.0}"#)]),
    ])
}

#[test]
fn vector_36_results_stand_first_and_in_the_order_of_the_calls() {
    let expected = json!([
        {"role": "user", "parts": [{"text": "weather?"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {"z": 1, "b": 2}}},
            {"functionCall": {"name": "g", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"t": 1.0}}},
            {"functionResponse": {"name": "g", "response": {"output": "2"}}},
            {"text": "go"}]}]);
    assert_eq!(contents(&parallel(), &vertex_2_5()), expected);
}

#[test]
fn vector_37_vertex_2_5_is_sent_no_ids() {
    assert!(!contents(&parallel(), &vertex_2_5()).to_string().contains("\"id\""));
}

#[test]
fn vector_38_gemini_3_is_sent_ids_on_calls_and_results() {
    let contents = contents(&parallel(), &gemini_3());
    assert_eq!(contents[1]["parts"][0]["functionCall"]["id"], "a");
    assert_eq!(contents[2]["parts"][0]["functionResponse"]["id"], "a");
    assert_eq!(contents[2]["parts"][1]["functionResponse"]["id"], "b");
}

#[test]
fn vector_39_calls_of_another_model_skip_the_check() {
    let contents = contents(&parallel(), &gemini_3());
    let signature = |at: usize| contents[1]["parts"][at]["thoughtSignature"].clone();
    assert_eq!(signature(0), "skip_thought_signature_validator");
    assert_eq!(signature(1), Value::Null, "the first call of a step alone");
}

#[test]
fn a_signature_comes_back_in_its_place() {
    let own = || Some(state(Origin::Gemini, "c2ln"));
    let turns = |parts| said(vec![user(vec![text("hi")]), model(parts)]);
    let thought = |text: &str| Part::Thinking { text: text.to_owned(), state: own() };
    let signed =
        json!({"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "c2ln"});
    let cases = [
        (vec![signed_call("a", "f", "", own())], json!([signed])),
        // Clients whose calls have no place for a signature keep it before the call.
        (vec![thought(""), call("a", "f", "")], json!([signed])),
        (vec![thought("hm"), call("a", "f", "")], json!([{"text": "hm", "thought": true}, signed])),
        (
            vec![thought("hm"), text("x")],
            json!([{"text": "hm", "thought": true, "thoughtSignature": "c2ln"}, {"text": "x"}]),
        ),
        (vec![text("x"), thought("")], json!([{"text": "x", "thoughtSignature": "c2ln"}])),
    ];
    for (parts, expected) in cases {
        assert_eq!(contents(&turns(parts), &gemini_3())[1]["parts"], expected);
    }
}

#[test]
fn foreign_reasoning_is_left_out() {
    let foreign = Some(state(Origin::Anthropic, "x"));
    let request = said(vec![
        user(vec![text("hi")]),
        model(vec![
            Part::Thinking { text: "hm".to_owned(), state: foreign },
            Part::Thinking { text: "plain".to_owned(), state: None },
            text("yes"),
        ]),
        user(vec![text("go")]),
    ]);
    let (body, warnings) = write_with(&request, &gemini_3(), &Quirks::COMPATIBLE).expect("crosses");
    assert_eq!(body["contents"][1]["parts"], json!([{"text": "yes"}]));
    assert_eq!(warnings, ["code=dropped;param=messages[1].content[0]"]);
}

#[test]
fn vector_1_and_2_arguments_that_are_no_object_are_empty() {
    for (arguments, warnings) in [("", 0), ("null", 0), ("[1,2]", 1), ("not json", 1)] {
        let request = said(vec![user(vec![text("hi")]), model(vec![call("a", "f", arguments)])]);
        let (body, warned) =
            write_with(&request, &vertex_2_5(), &Quirks::COMPATIBLE).expect("crosses");
        let args = &body["contents"][1]["parts"][0]["functionCall"]["args"];
        assert_eq!((args, warned.len()), (&json!({}), warnings), "{arguments}");
    }
}

#[test]
fn vector_5_and_6_all_instructions_survive() {
    let middle = Turn { role: Role::System, parts: vec![text("M")] };
    let mut request = said(vec![user(vec![text("a")]), middle, user(vec![text("b")])]);
    request.system = vec![system("S")];
    let (body, warnings) = write_with(&request, &gemini_3(), &Quirks::COMPATIBLE).expect("crosses");
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "S"}, {"text": "M"}]}));
    let merged = json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]);
    assert_eq!(body["contents"], merged, "neighbours are joined across it");
    assert_eq!(warnings, ["code=adjusted;param=messages[1]"]);
}

#[test]
fn vector_7_and_8_what_is_empty_is_left_out() {
    let request = said(vec![
        user(vec![text(""), image(Source::Base64("AAAA".to_owned()), Some("image/jpg"))]),
        model(vec![text("")]),
        user(vec![text("go")]),
    ]);
    let expected = json!([{"role": "user", "parts": [
        {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}}, {"text": "go"}]}]);
    assert_eq!(contents(&request, &gemini_3()), expected);
}

#[test]
fn vector_41_a_picture_in_a_bucket_needs_a_known_type() {
    let url = |url: &str| said(vec![user(vec![image(Source::Url(url.to_owned()), None)])]);
    let expected = json!({"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x.png"}});
    assert_eq!(contents(&url("gs://b/x.png"), &gemini_3())[0]["parts"][0], expected);
    for unknown in ["gs://b/x", "https://host.example/x", "s3://b/x.png"] {
        let error = write_with(&url(unknown), &gemini_3(), &Quirks::COMPATIBLE)
            .expect_err("of an unknown type");
        assert_eq!(error.param, "messages[0].content[0].image_url", "{unknown}");
    }
    let fetches_nothing = Quirks { image_urls: false, ..Quirks::COMPATIBLE };
    let web = url("https://host.example/x.png");
    write_with(&web, &gemini_3(), &fetches_nothing).expect_err("fetches nothing");
}

#[test]
fn vector_42_a_conversation_of_instructions_alone_says_nothing() {
    let mut request = said(Vec::new());
    request.system = vec![system("S")];
    let expected = json!([{"role": "user", "parts": [{"text": " "}]}]);
    assert_eq!(contents(&request, &gemini_3()), expected);
}

#[test]
fn pictures_that_a_function_returned_go_inside_or_behind() {
    let Part::Image(media) = image(Source::Base64("AAAA".to_owned()), Some("image/png")) else {
        unreachable!("made so");
    };
    let request = said(vec![
        user(vec![text("look")]),
        model(vec![call("a", "f", "")]),
        user(vec![Part::ToolResult {
            id: "a".to_owned(),
            content: vec![ResultPart::Text("seen".to_owned()), ResultPart::Image(media)],
            is_error: true,
            cache: None,
        }]),
    ]);
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let response = json!({"error": "seen"});
    assert_eq!(
        contents(&request, &gemini_3())[2]["parts"],
        json!([{"functionResponse":
            {"id": "a", "name": "f", "response": response, "parts": [picture]}}])
    );
    assert_eq!(
        contents(&request, &vertex_2_5())[2]["parts"],
        json!([{"functionResponse": {"name": "f", "response": response}}, picture])
    );
}

#[test]
fn a_result_of_no_call_is_refused() {
    let request = said(vec![user(vec![result("gone", "1")])]);
    let error =
        write_with(&request, &gemini_3(), &Quirks::COMPATIBLE).expect_err("answers nothing");
    assert_eq!(error.param, "messages[0].content[0]");
}

#[test]
fn a_call_has_one_result_right_after_it() {
    let asked = || model(vec![call("a", "f", "{}")]);
    let twice =
        vec![user(vec![text("hi")]), asked(), user(vec![result("a", "1"), result("a", "")])];
    let late = vec![
        user(vec![text("hi")]),
        asked(),
        user(vec![text("wait")]),
        model(vec![text("I do")]),
        user(vec![result("a", "1")]),
    ];
    for (turns, field) in [(twice, "messages[2].content[1]"), (late, "messages[4].content[0]")] {
        for facts in [gemini_3(), vertex_2_5()] {
            let error = write_with(&said(turns.clone()), &facts, &Quirks::COMPATIBLE);
            assert_eq!(error.expect_err("a result too many").param, field);
        }
    }
    // Some servers give all calls of an answer one id: each result is that of the next call.
    let calls = model(vec![call("a", "f", "{}"), call("a", "g", "{}")]);
    let turns = vec![user(vec![text("hi")]), calls, user(vec![result("a", "1"), result("a", "2")])];
    let parts = contents(&said(turns), &vertex_2_5())[2]["parts"].take();
    let names = ["f", "g"].map(Value::from);
    assert_eq!([0, 1].map(|at| parts[at]["functionResponse"]["name"].clone()), names);
}

#[test]
fn the_model_never_speaks_first_and_last_only_where_it_may() {
    let request = said(vec![model(vec![text("I am")])]);
    let roles: Vec<Value> = contents(&request, &gemini_3())
        .as_array()
        .expect("a list")
        .iter()
        .map(|content| content["role"].clone())
        .collect();
    assert_eq!(roles, ["user", "model"]);
    let strict = ModelFacts { refuses_prefill: true, ..ModelFacts::default() };
    write_with(&request, &strict, &Quirks::COMPATIBLE).expect_err("a prefill");
}
