//! What Azure puts around OpenAI's API.

use http::StatusCode;
use serde_json::json;

use crate::simulate::{
    answer::{Answer, Refusal, to_json},
    endpoint::Ask,
};

/// A dated API needs its date; the v1 API takes none.
pub(super) fn check_version(ask: &Ask<'_>, dated: bool) -> Result<(), Refusal> {
    let version = ask.query.split('&').find_map(|pair| pair.strip_prefix("api-version="));
    let date = |version: &str| {
        let date = version.strip_suffix("-preview").unwrap_or(version);
        date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    match version {
        Some(version) if dated && date(version) => Ok(()),
        None | Some("preview") if !dated => Ok(()),
        None => Err(Refusal::new(StatusCode::NOT_FOUND, "Resource not found").with_code("404")),
        Some(_) => Err(Refusal::invalid("API version not supported").with_code("BadRequest")),
    }
}

/// A stream begins with what the filters of content say of the prompt.
pub(super) fn with_filter_results(answer: Answer) -> Answer {
    match answer {
        Answer::Events(mut frames) => {
            let first = json!({"choices": [], "created": 0, "id": "", "model": "", "object": "",
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]});
            frames.insert(0, &[b"data: ", &*to_json(&first), b"\n\n"].concat());
            Answer::Events(frames)
        }
        plain @ (Answer::Plain(_) | Answer::Metrics(_) | Answer::Counted(..)) => plain,
    }
}
