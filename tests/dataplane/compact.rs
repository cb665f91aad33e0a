//! `/v1/responses/compact`, which OpenAI and Azure alone have.

use http::StatusCode;

use crate::routes::{Api, route_of, simulator};
use crate::scripted::Scripted;
use crate::support::Rig;

const BODY: &str = r#"{"model":"chat","input":[{"role":"user","content":"hello"}]}"#;
const COMPACTED: &str = r#"{"id":"resp_1","object":"response.compaction","created_at":1,"output":[{"type":"compaction","id":"cmp_1","encrypted_content":"c2VhbGVk"}],"usage":{"input_tokens":40,"output_tokens":10,"total_tokens":50}}"#;

#[tokio::test]
async fn a_conversation_is_compacted_by_those_who_can() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{COMPACTED}",
        COMPACTED.len()
    );
    let wrong = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    for provider in ["openai", "azure-openai"] {
        let line = "POST /v1/responses/compact HTTP/1.1\r\n";
        let upstream = Scripted::refusing(line, &answer, wrong).await;
        let compatible = simulator("compatible").await;
        let targets = [
            Api::Chat.target("compatible", &compatible.url(), "priority: 0"),
            format!(
                "{{name: own, provider: {provider}, baseURL: \"{}/v1\", priority: 1, model: m}}",
                upstream.origin
            ),
        ];
        let rig = Rig::start(&route_of("chat", &targets, "")).await;
        let answer = rig.post("/v1/responses/compact", BODY).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.text(), COMPACTED);
        assert_eq!(answer.headers["x-used-provider"], "own");
        assert_eq!((compatible.count(), upstream.requests()), (0, 1));
        let log = rig.log_lines(1).await;
        assert_eq!((&log[0]["input_tokens"], &log[0]["output_tokens"]), (&40.into(), &10.into()));
    }
}

#[tokio::test]
async fn a_route_without_such_a_target_says_so_in_openais_words() {
    let alpha = simulator("alpha").await;
    for api in [Api::Chat, Api::Messages] {
        let rig = Rig::start(&api.route("chat", &[("alpha", &alpha, "m")], "")).await;
        let answer = rig.post("/v1/responses/compact", BODY).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "invalid_request", "{answer:?}");
        assert!(answer.text().contains("/v1/responses/compact"), "{answer:?}");
        assert_eq!(answer.headers["x-should-retry"], "false");
    }
    assert_eq!(alpha.count(), 0);
}
