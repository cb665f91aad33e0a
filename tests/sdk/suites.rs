//! The tests that the official Python packages bring along, for the endpoints that are served.
//!
//! They were written against a mock of the vendor's API. What of them cannot pass is listed, with the
//! reasons, in `suites/`.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use crate::gateway::{Gateway, PROVIDER_KEY};
use crate::target::{self, Api};
use crate::{KEY, packages, run_command, say, unless_missing};

/// The tests of `package` against a target that speaks `target`.
async fn run(package: Api, target: Api) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let name = format!("the tests of the package {}", package.name());
    let needed = packages::python(&sources)
        .and_then(|python| packages::suites(&sources).map(|suites| (python, suites)));
    let Some((python, suites)) = unless_missing(&name, needed) else { return };
    let simulator = target::simulator(PROVIDER_KEY).start().await.expect("a free port");
    let gateway = Gateway::for_any_model(&simulator.url(), target, KEY).await;
    let path = if package == Api::OpenAi { "/v1" } else { "" };
    let described = json!({
        "url": format!("{}{path}", gateway.url()), "key": KEY, "suite": package.name(),
        "sources": suites, "target": target.name(),
    });
    let mut command = Command::new(python);
    command.arg(sources.join("suite.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    let said = run_command(&name, command, &described).await;
    for line in said.lines().filter(|line| line.starts_with("SUITE ")) {
        say(line);
    }
}

macro_rules! suites {
    ($($package:ident: $api:ident;)*) => {$(
        mod $package {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn against_openai() {
                run(Api::$api, Api::OpenAi).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn against_anthropic() {
                run(Api::$api, Api::Anthropic).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn against_gemini() {
                run(Api::$api, Api::Gemini).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn against_bedrock() {
                run(Api::$api, Api::Bedrock).await;
            }
        }
    )*};
}

suites! {
    openai: OpenAi;
    anthropic: Anthropic;
}
