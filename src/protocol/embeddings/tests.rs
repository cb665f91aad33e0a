use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::protocol::neutral::Compatibility;

fn read(body: &Value) -> Result<Request, Unreadable> {
    ClientApi::OpenAi.read(body.to_string().as_bytes()).expect("an API that is read")
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("text {at}")).collect()
}

struct Planned {
    calls: Vec<(String, Value)>,
    counts: Vec<usize>,
    warnings: Vec<String>,
}

fn plan_with(
    api: EmbeddingsId,
    model: &str,
    body: &Value,
    raw: &Value,
) -> Result<Planned, CannotCross> {
    let request = read(body).expect("a request");
    let raw = raw.as_object().cloned().unwrap_or_default();
    let mut crossing = Crossing::new(Compatibility::Standard);
    let ask = Ask { request: &request, model, raw: &raw };
    let plan = plan(api, &ask, &mut crossing)?;
    let json = |body: &Bytes| serde_json::from_slice(body).expect("JSON");
    Ok(Planned {
        counts: plan.calls.iter().map(|call| call.count).collect(),
        calls: plan.calls.iter().map(|call| (call.path.to_string(), json(&call.body))).collect(),
        warnings: crossing.into_warnings().iter().map(ToString::to_string).collect(),
    })
}

fn planned(api: EmbeddingsId, model: &str, body: &Value) -> Planned {
    plan_with(api, model, body, &Value::Null).expect("calls")
}

#[test]
fn a_request_is_read_and_a_wrong_member_is_named() {
    let request = read(&json!({"model": "m", "input": "a", "user": "u"})).expect("a request");
    assert_eq!(request.input, Input::Texts(vec!["a".into()]));
    assert!(!request.base64 && request.beyond.is_empty());
    let request = read(&json!({"input": ["a", "b"], "encoding_format": "base64", "dimensions": 9,
        "input_type": "query", "truncate": "END"}))
    .expect("a request");
    assert_eq!((request.base64, request.dimensions), (true, Some(9)));
    assert_eq!(request.purpose, Some(Purpose::Query));
    assert_eq!(request.beyond, ["truncate"]);
    for (members, field) in [
        (json!({}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": ["a", ""]}), "input[1]"),
        (json!({"input": ["a", 7]}), "input[1]"),
        (json!({"input": texts(2049)}), "input"),
        (json!({"input": "a", "dimensions": 0}), "dimensions"),
        (json!({"input": "a", "dimensions": "many"}), "dimensions"),
        (json!({"input": "a", "encoding_format": "hex"}), "encoding_format"),
    ] {
        assert_eq!(read(&members).expect_err("wrong").param, field, "{members}");
    }
}

#[test]
fn tokens_cannot_cross() {
    for input in [json!([1, 2, 3]), json!([[1, 2], [3]])] {
        let lost = plan_with(EmbeddingsId::Gemini, "m", &json!({"input": input}), &Value::Null);
        assert_eq!(lost.err().expect("refused").param, "input", "{input}");
    }
}

#[test]
fn gemini_is_asked_for_a_hundred_texts_at_a_time() {
    let body = json!({"input": texts(201), "dimensions": 256, "input_type": "search_query"});
    let planned = planned(EmbeddingsId::Gemini, "gemini-embedding-001", &body);
    assert_eq!(planned.counts, [100, 100, 1]);
    let (path, last) = &planned.calls[2];
    assert_eq!(path, "/models/gemini-embedding-001:batchEmbedContents");
    assert_eq!(
        *last,
        json!({"requests": [{"model": "models/gemini-embedding-001",
            "content": {"parts": [{"text": "text 200"}]},
            "outputDimensionality": 256, "taskType": "RETRIEVAL_QUERY"}]})
    );
}

#[test]
fn vertex_is_asked_by_the_model() {
    let body = json!({"input": ["a", "b"], "dimensions": 64});
    let planned_for = |model: &str| planned(EmbeddingsId::Vertex, model, &body);
    let old = planned_for("text-embedding-005");
    assert_eq!(old.counts, [2]);
    let (path, body) = &old.calls[0];
    assert_eq!(path, "/publishers/google/models/text-embedding-005:predict");
    let parameters = json!({"autoTruncate": false, "outputDimensionality": 64});
    let instances = json!([{"content": "a"}, {"content": "b"}]);
    assert_eq!(*body, json!({"instances": instances, "parameters": parameters}));
    let first = planned_for("gemini-embedding-001");
    assert_eq!(first.counts, [1, 1]);
    assert!(first.calls[1].0.ends_with("gemini-embedding-001:predict"));
    let second = planned_for("gemini-embedding-2");
    assert_eq!(second.counts, [1, 1]);
    let (path, body) = &second.calls[1];
    assert!(path.ends_with("gemini-embedding-2:embedContent"));
    assert_eq!(body["content"]["parts"][0]["text"], "b");
    assert_eq!(body["embedContentConfig"], parameters);
}

#[test]
fn batches_keep_to_a_count_and_to_tokens() {
    let sizes = |texts: &[String], count, tokens| -> Vec<usize> {
        batches(texts, count, tokens).iter().map(|run| run.len()).collect()
    };
    assert_eq!(sizes(&texts(5), 2, 1000), [2, 2, 1]);
    let long = vec!["word ".repeat(100), "a".into(), "b".into()];
    assert_eq!(sizes(&long, 10, 50), [1, 2], "what is too long alone goes alone");
    assert!(sizes(&[], 10, 10).is_empty());
}

#[test]
fn titan_is_asked_text_by_text_and_cohere_by_96() {
    let body = json!({"input": texts(97), "dimensions": 512});
    let titan = planned(EmbeddingsId::Bedrock, "amazon.titan-embed-text-v2:0", &body);
    assert_eq!(titan.calls.len(), 97);
    assert_eq!(titan.calls[0].0, "/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_eq!(titan.calls[96].1, json!({"inputText": "text 96", "dimensions": 512}));
    let cohere = planned(EmbeddingsId::Bedrock, "us.cohere.embed-v4:0", &body);
    assert_eq!(cohere.counts, [96, 1]);
    assert_eq!(
        cohere.calls[1].1,
        json!({"texts": ["text 96"], "input_type": "search_document", "truncate": "NONE",
            "embedding_types": ["float"], "output_dimension": 512})
    );
}

#[test]
fn what_a_model_of_bedrock_cannot_do_is_refused_by_name() {
    let refused = |model: &str, members: Value| {
        let mut body = json!({"input": "a"});
        body.as_object_mut().expect("an object").extend(members.as_object().expect("one").clone());
        plan_with(EmbeddingsId::Bedrock, model, &body, &Value::Null).err().map(|lost| lost.param)
    };
    let dimensions = || Some("dimensions".to_owned());
    assert_eq!(refused("amazon.titan-embed-text-v2:0", json!({"dimensions": 300})), dimensions());
    assert_eq!(refused("amazon.titan-embed-text-v1", json!({"dimensions": 256})), dimensions());
    assert_eq!(refused("cohere.embed-english-v3", json!({"dimensions": 256})), dimensions());
    assert_eq!(refused("cohere.embed-english-v3", json!({"dimensions": 1024})), None);
    assert_eq!(refused("amazon.nova-pro-v1:0", json!({})), Some("model".into()));
}

#[test]
fn losses_are_told_and_a_routes_own_members_are_merged() {
    let body = json!({"input": "a", "input_type": "clustering", "truncate": "END"});
    let titan = planned(EmbeddingsId::Bedrock, "amazon.titan-embed-text-v2:0", &body);
    assert_eq!(titan.warnings, ["code=dropped;param=truncate", "code=dropped;param=input_type"]);
    let raw = json!({"normalize": false});
    let titan = plan_with(
        EmbeddingsId::Bedrock,
        "amazon.titan-embed-text-v2:0",
        &json!({"input": ["a", "b"]}),
        &raw,
    )
    .expect("calls");
    assert!(titan.calls.iter().all(|(_, body)| body["normalize"] == false));
    let raw = json!({"taskType": "CODE_RETRIEVAL_QUERY"});
    let gemini =
        plan_with(EmbeddingsId::Gemini, "m", &json!({"input": ["a", "b"]}), &raw).expect("calls");
    let requests = gemini.calls[0].1["requests"].as_array().expect("a list");
    assert!(requests.iter().all(|one| one["taskType"] == "CODE_RETRIEVAL_QUERY"));
}

fn embedded(api: EmbeddingsId, headers: &HeaderMap, body: &str) -> Option<(String, Option<u64>)> {
    let read = api.api().read(headers, body.as_bytes()).ok()?;
    let vectors: Vec<&str> = read.vectors.iter().map(|raw| raw.get()).collect();
    Some((vectors.join(" "), read.tokens))
}

#[test]
fn every_providers_answer_is_read() {
    let none = HeaderMap::new();
    let counted = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-amzn-bedrock-input-token-count"),
        http::HeaderValue::from_static("9"),
    )]);
    let cases = [
        (
            EmbeddingsId::Gemini,
            &none,
            r#"{"embeddings":[{"values":[1.0,2]},{"values":[3]}]}"#,
            "[1.0,2] [3]",
            None,
        ),
        (
            EmbeddingsId::Gemini,
            &none,
            r#"{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":4}}"#,
            "[1]",
            Some(4),
        ),
        (
            EmbeddingsId::Vertex,
            &none,
            r#"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":2.0}}},
                {"embeddings":{"values":[2],"statistics":{"token_count":3}}}]}"#,
            "[1] [2]",
            Some(5),
        ),
        (
            EmbeddingsId::Vertex,
            &none,
            r#"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":4}}"#,
            "[1]",
            Some(4),
        ),
        (
            EmbeddingsId::Bedrock,
            &counted,
            r#"{"embedding":[1],"embeddingsByType":{"float":[1]},"inputTextTokenCount":2}"#,
            "[1]",
            Some(2),
        ),
        (EmbeddingsId::Bedrock, &counted, r#"{"embeddings":[[1],[2]]}"#, "[1] [2]", Some(9)),
        (EmbeddingsId::Bedrock, &none, r#"{"embeddings":{"float":[[1],[2]]}}"#, "[1] [2]", None),
    ];
    for (api, headers, body, vectors, tokens) in cases {
        assert_eq!(embedded(api, headers, body), Some((vectors.to_owned(), tokens)), "{body}");
    }
    for garbage in ["{}", "[]", r#"{"embeddings":7}"#] {
        assert_eq!(embedded(EmbeddingsId::Bedrock, &none, garbage), None, "{garbage}");
        assert_eq!(embedded(EmbeddingsId::Gemini, &none, garbage), None, "{garbage}");
    }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

#[test]
fn numbers_pass_as_they_came_and_base64_is_of_little_endian_floats() {
    let mut writer = AnswerWriter::new(false);
    writer.push(&raw("[0.10000000000000001, -2e-3]")).expect("numbers");
    let answer: Bytes = writer.finish("m", 3);
    let text = std::str::from_utf8(&answer).expect("text");
    assert!(text.contains("[0.10000000000000001, -2e-3]"), "{text}");
    let mut writer = AnswerWriter::new(true);
    writer.push(&raw("[1, -2.5]")).expect("numbers");
    writer.push(&raw("[0]")).expect("numbers");
    let answer: Value = serde_json::from_slice(&writer.finish("a \"b\"", 3)).expect("JSON");
    assert_eq!(
        answer,
        json!({"object": "list", "model": "a \"b\"",
            "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAIMA="},
                {"object": "embedding", "index": 1, "embedding": "AAAAAA=="}],
            "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    );
}

#[test]
fn what_is_no_vector_is_not_passed_on() {
    for text in ["[]", "7", r#"["a"]"#, "[1e300]", "[[1]]", "null", r#"{"a":1}"#] {
        assert_eq!(AnswerWriter::new(false).push(&raw(text)), Err(Malformed), "{text}");
    }
}

#[test]
fn googles_own_requests_are_for_the_targets_model() {
    let readdressed = |api: ClientApi, body: &'static str| {
        let object = Object::parse(Bytes::from_static(body.as_bytes())).expect("an object");
        let changed = api.readdress(&object, "new").expect("it can be changed");
        changed.map(|text| String::from_utf8(text.to_vec()).expect("text"))
    };
    let batch =
        r#"{"requests": [{"model":"models/old","content":{"parts":[{"text":"a"}]}},{"x":1}]}"#;
    assert_eq!(
        readdressed(ClientApi::GeminiBatch, batch).as_deref(),
        Some(
            r#"{"requests": [{"model":"models/new","content":{"parts":[{"text":"a"}]}},{"x":1}]}"#
        )
    );
    assert_eq!(
        readdressed(ClientApi::GeminiOne, r#"{"model":"models/old","content":{}}"#).as_deref(),
        Some(r#"{"model":"models/new","content":{}}"#)
    );
    assert_eq!(readdressed(ClientApi::GeminiOne, r#"{"content":{}}"#), None);
    assert_eq!(readdressed(ClientApi::OpenAi, r#"{"model":"old"}"#), None);
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd_to_be_read(bytes: Vec<u8>, members: String) {
        let _ = ClientApi::OpenAi.read(&bytes);
        let _ = ClientApi::OpenAi.read(format!("{{\"input\":{members}}}").as_bytes());
        for api in [EmbeddingsId::Bedrock, EmbeddingsId::Gemini, EmbeddingsId::Vertex] {
            let _ = api.api().read(&HeaderMap::new(), &bytes);
        }
    }

    #[test]
    fn every_text_is_asked_for_once_and_in_order(
        texts in prop::collection::vec("[a-z ]{1,40}", 1..300),
    ) {
        let request = Request { input: Input::Texts(texts.clone()), ..Request::default() };
        let raw = Map::new();
        for (api, model) in [
            (EmbeddingsId::Gemini, "m"),
            (EmbeddingsId::Vertex, "text-embedding-005"),
            (EmbeddingsId::Bedrock, "cohere.embed-v4:0"),
        ] {
            let mut crossing = Crossing::default();
            let ask = Ask { request: &request, model, raw: &raw };
            let plan = plan(api, &ask, &mut crossing).expect("calls");
            let count: usize = plan.calls.iter().map(|call| call.count).sum();
            prop_assert_eq!(count, texts.len());
        }
    }
}
