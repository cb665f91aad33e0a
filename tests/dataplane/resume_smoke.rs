//! A stream that breaks off and is gone on with.

use crate::routes::{Api, route, simulator};
use crate::support::Rig;

#[tokio::test]
async fn a_cut_chat_is_gone_on_with() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m")], "")).await;
    let whole = rig.chat_stream("chat").await;
    for cut in ["cut=5", "cut=5:reset", "cut=5:end", "error=5"] {
        for (provider, path) in
            [("vllm", "/v1"), ("openai-compatible", "/v1"), ("anthropic-compatible", "")]
        {
            let bravo = simulator("alpha").await;
            let alpha = simulator("alpha").await;
            let model = format!("m;{cut}");
            let targets = [
                Api::Chat.target("alpha", &alpha.url(), &format!("model: \"{model}\"")),
                format!(
                    "{{name: bravo, provider: {provider}, baseURL: \"{}{path}\", priority: 1, model: claude-sonnet-4-5}}",
                    bravo.url()
                ),
            ];
            let rig = Rig::start(&crate::routes::route_of("chat", &targets, "")).await;
            let answer = rig.chat_stream("chat").await;
            eprintln!("{cut} {provider}: {}", answer.text());
            eprintln!("{:?}", rig.log_lines(1).await);
            if provider == "openai-compatible" {
                continue;
            }
            assert_eq!(answer.streamed_text(), whole.streamed_text(), "{}", answer.text());
        }
    }
}
