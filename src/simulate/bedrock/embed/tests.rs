use serde_json::{Value, json};

use crate::simulate::{
    Flavor, Simulator,
    tests::client::{Got, post},
};

const TITAN: &str = "amazon.titan-embed-text-v2%3A0";
const COHERE: &str = "cohere.embed-english-v3";

async fn invoke(model: &str, body: &Value) -> Got {
    let builder = Simulator::builder().name("alpha").provider(Flavor::Bedrock);
    let simulator = builder.start().await.expect("a free port");
    post(&simulator, &format!("/model/{model}/invoke"), body).await
}

#[tokio::test]
async fn each_maker_answers_in_its_own_shape_and_the_head_tells_the_tokens() {
    let got = invoke(TITAN, &json!({"inputText": "one two", "dimensions": 256})).await;
    assert_eq!(got.header("x-amzn-bedrock-input-token-count"), Some("2"));
    let answer = got.json();
    assert_eq!(
        (&answer["inputTextTokenCount"], &answer["embeddingsByType"]["float"]),
        (&json!(2), &answer["embedding"])
    );
    let texts = json!({"texts": ["one two", "three"], "input_type": "search_query"});
    let got = invoke(COHERE, &texts).await;
    assert_eq!(got.header("x-amzn-bedrock-input-token-count"), Some("3"));
    assert_eq!(got.json()["embeddings"][1].as_array().map(Vec::len), Some(1024));
    let mut by_type = texts.clone();
    by_type["embedding_types"] = json!(["float"]);
    let answer = invoke(COHERE, &by_type).await.json();
    assert_eq!(answer["embeddings"]["float"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_the_makers_refuse_is_refused() {
    let cohere = |members: Value| {
        let mut body = json!({"texts": ["a"], "input_type": "search_query"});
        body.as_object_mut().expect("one").extend(members.as_object().expect("one").clone());
        body
    };
    let cases = [
        (TITAN, json!({"inputText": ""})),
        (TITAN, json!({"inputText": ["a"]})),
        (TITAN, json!({"inputText": "a", "dimensions": 300})),
        (TITAN, json!({"inputText": "a", "model": "m"})),
        ("amazon.titan-embed-text-v1", json!({"inputText": "a", "dimensions": 256})),
        (COHERE, json!({"texts": ["a"]})),
        (COHERE, cohere(json!({"texts": vec!["a"; 97]}))),
        (COHERE, cohere(json!({"input_type": "query"}))),
        (COHERE, cohere(json!({"output_dimension": 256}))),
        (COHERE, cohere(json!({"model": "m"}))),
    ];
    for (model, body) in cases {
        let got = invoke(model, &body).await;
        assert_eq!(got.status, 400, "{model} {body}: {}", got.text());
        assert_eq!(got.header("x-amzn-errortype"), Some("ValidationException"));
    }
}
