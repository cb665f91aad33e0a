use serde_json::{Value, json};

use super::{V1BETA, VERTEX, ask};

fn one(text: &str) -> Value {
    json!({"model": "models/m", "content": {"parts": [{"text": text}]}})
}

async fn length(path: &str, body: &Value, pointer: &str) -> usize {
    let got = ask(path, body).await;
    assert_eq!(got.status, 200, "{path}: {}", got.text());
    got.json().pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
}

#[tokio::test]
async fn each_method_has_its_own_shape() {
    let body = json!({"content": one("a")["content"], "outputDimensionality": 8});
    assert_eq!(length(&format!("{V1BETA}m:embedContent"), &body, "/embedding/values").await, 8);
    let body = json!({"requests": [one("a"), one("b")]});
    let path = format!("{V1BETA}m:batchEmbedContents");
    assert_eq!(length(&path, &body, "/embeddings").await, 2);
    assert_eq!(length(&path, &body, "/embeddings/1/values").await, 3072);
    let body = json!({"instances": [{"content": "a", "task_type": "CLUSTERING"}, {"content": "b"}],
        "parameters": {"autoTruncate": false}});
    let path = format!("{VERTEX}text-embedding-005:predict");
    assert_eq!(length(&path, &body, "/predictions/1/embeddings/values").await, 768);
    let config = json!({"outputDimensionality": 8, "autoTruncate": false});
    let body = json!({"content": one("a")["content"], "embedContentConfig": config});
    let path = format!("{VERTEX}gemini-embedding-2:embedContent");
    assert_eq!(length(&path, &body, "/embedding/values").await, 8);
}

#[tokio::test]
async fn what_google_refuses_is_refused() {
    let batch = |one: Value| json!({"requests": [one]});
    let with = |name: &str, value: Value| {
        let mut one = one("a");
        one[name] = value;
        batch(one)
    };
    let cases = [
        ("m:batchEmbedContents", json!({"requests": vec![one("a"); 101]}), "at most 100"),
        ("m:batchEmbedContents", json!({"requests": []}), "must not be empty"),
        ("m:batchEmbedContents", batch(one("")), "not specified"),
        ("m:batchEmbedContents", with("model", json!("models/other")), "must match"),
        ("m:batchEmbedContents", with("taskType", json!("SEARCH")), "task_type"),
        ("m:batchEmbedContents", with("dimensions", json!(8)), "Cannot find field"),
        ("m:batchEmbedContents", with("outputDimensionality", json!(9000)), "must be from"),
    ];
    for (path, body, words) in cases {
        let got = ask(&format!("{V1BETA}{path}"), &body).await;
        assert!(got.status == 400 && got.text().contains(words), "{words}: {}", got.text());
    }
    let two = json!({"instances": [{"content": "a"}, {"content": "b"}]});
    let got = ask(&format!("{VERTEX}gemini-embedding-001:predict"), &two).await;
    assert!(got.status == 400 && got.text().contains("Max allowed: 1"), "{}", got.text());
    let long = json!({"instances": vec![json!({"content": "a ".repeat(2001)}); 10]});
    let got = ask(&format!("{VERTEX}text-embedding-005:predict"), &long).await;
    assert!(got.status == 400 && got.text().contains("20010"), "{}", got.text());
}
