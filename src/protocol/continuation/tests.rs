use serde_json::value::RawValue;

use super::*;
use crate::protocol::dialect::Quirks;
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::Reasoning;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::openai::chat::vendor;

fn asked() -> Request {
    let part = Part::Text { text: "Tell me a story.".into(), cache: None };
    Request {
        turns: vec![Turn { role: Role::User, parts: vec![part] }],
        max_output_tokens: Some(100),
        ..Request::default()
    }
}

fn said(turn: &Turn) -> &str {
    match &turn.parts[..] {
        [Part::Text { text, .. }] => text,
        parts => panic!("{parts:?}"),
    }
}

fn mode(
    request: &Request,
    dialect: DialectId,
    model: &str,
    quirks: &Quirks,
) -> Result<Mode, Unresumable> {
    let refuses_prefill = model.contains("4-6");
    let facts = ModelFacts { refuses_prefill, ..ModelFacts::default() };
    best_mode(request, "Once", dialect, &TargetView { model, facts: &facts, quirks })
}

#[test]
fn a_prefill_is_for_models_that_take_one() {
    use DialectId::{AnthropicMessages, BedrockConverse, Gemini, OpenAiChat, OpenAiResponses};
    let plain = &Quirks::COMPATIBLE;
    let cases = [
        (AnthropicMessages, "claude-sonnet-4-5", plain, Mode::Prefill),
        (AnthropicMessages, "claude-opus-4-6", plain, Mode::Continue),
        (AnthropicMessages, "kimi-k2", plain, Mode::Continue),
        (BedrockConverse, "eu.anthropic.claude-haiku-4-5-v1:0", plain, Mode::Prefill),
        (BedrockConverse, "amazon.nova-pro", plain, Mode::Continue),
        (OpenAiChat, "gpt-5", &vendor::OPENAI, Mode::Continue),
        (OpenAiChat, "llama", &vendor::VLLM, Mode::Prefill),
        (OpenAiChat, "mistral-large", &vendor::MISTRAL, Mode::Prefill),
        (OpenAiResponses, "gpt-5", &vendor::OPENAI, Mode::Continue),
        (Gemini, "gemini-3-pro", plain, Mode::Continue),
    ];
    for (dialect, model, quirks, expected) in cases {
        assert_eq!(mode(&asked(), dialect, model, quirks), Ok(expected), "{model}");
    }
}

#[test]
fn claude_takes_no_prefill_when_it_thinks() {
    let reasoning = Some(Reasoning { budget: Some(2000), ..Reasoning::default() });
    let request = Request { reasoning, ..asked() };
    let model = "claude-sonnet-4-5";
    let best = mode(&request, DialectId::AnthropicMessages, model, &Quirks::COMPATIBLE);
    assert_eq!(best, Ok(Mode::Continue));
}

#[test]
fn structured_output_goes_on_by_prefill_alone() {
    let request = Request { format: Some(Format::JsonObject), ..asked() };
    let best = |quirks| mode(&request, DialectId::OpenAiChat, "m", quirks);
    assert_eq!(best(&vendor::OPENAI), Err(Unresumable::Structured));
    assert_eq!(best(&vendor::VLLM), Ok(Mode::Prefill));
    assert_eq!(next_mode(&request, Mode::Prefill), None);
    assert_eq!(next_mode(&asked(), Mode::Continue), Some(Mode::FromStart));
    assert_eq!(next_mode(&asked(), Mode::FromStart), None);
    let next = continuation(&request, "{\"a\": ", Mode::Prefill, DialectId::OpenAiChat);
    assert!(next.format.is_none() && next.system[0].text.contains("JSON"));
}

#[test]
fn a_prefill_ends_with_the_words_so_far() {
    let next = continuation(&asked(), "Once upon \n", Mode::Prefill, DialectId::AnthropicMessages);
    let last = &next.turns[1];
    assert_eq!((last.role, said(last)), (Role::Assistant, "Once upon"));
    assert_eq!(next.max_output_tokens, Some(100 - text_tokens("Once upon")));
}

#[test]
fn words_that_the_client_began_with_are_gone_on_with() {
    let mut request = asked();
    let part = Part::Text { text: "Well, ".into(), cache: None };
    request.turns.push(Turn { role: Role::Assistant, parts: vec![part] });
    let next = continuation(&request, "once", Mode::Prefill, DialectId::AnthropicMessages);
    assert_eq!((next.turns.len(), said(&next.turns[1])), (2, "Well, once"));
}

#[test]
fn a_completion_goes_on_in_its_prompt() {
    let next = continuation(&asked(), " Once", Mode::Prefill, DialectId::OpenAiCompletions);
    assert_eq!((next.turns.len(), said(&next.turns[0])), (1, "Tell me a story. Once"));
}

#[test]
fn a_continuation_shows_the_words_and_asks_for_the_last_of_them() {
    let text = "Once upon a time there was a fox, and the fox had a friend who ";
    let next = continuation(&asked(), text, Mode::Continue, DialectId::OpenAiChat);
    let roles: Vec<Role> = next.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
    assert_eq!(said(&next.turns[1]), text.trim_end());
    let wish = said(&next.turns[2]);
    assert!(wish.ends_with("\n\nfox, and the fox had a friend who"), "{wish}");
}

#[test]
fn from_the_start_is_the_request_itself() {
    let next = continuation(&asked(), "Once", Mode::FromStart, DialectId::OpenAiChat);
    assert_eq!((next.turns.len(), next.max_output_tokens), (1, Some(100)));
}

#[test]
fn a_limit_never_comes_to_nothing() {
    let request = Request { max_output_tokens: Some(3), ..asked() };
    let words: Vec<String> = (0..40).map(|number| format!("word {number}")).collect();
    let text = &words.join(" ");
    for mode in [Mode::Prefill, Mode::Continue] {
        let next = continuation(&request, text, mode, DialectId::OpenAiChat);
        assert_eq!(next.max_output_tokens, Some(1));
    }
}

#[test]
fn last_words_stand_there_once() {
    let song = "la la la la la la la la la la la la la la la la and so on it went, la la la la la la la \
                la la la la la la la";
    let last = anchor(song);
    assert_eq!(song.matches(last).count(), 1, "{last}");
    assert!(song.ends_with(last));
    assert_eq!(anchor("short"), "short");
    let unbroken = "é".repeat(1000);
    assert!(anchor(&unbroken).len() <= ANCHOR_LIMIT);
}

#[test]
fn what_is_more_than_one_text_is_not_asked_for_again() {
    let with = |field: &str| Request {
        beyond: vec![Beyond {
            field: field.into(),
            essential: false,
            value: None::<Box<RawValue>>,
        }],
        ..asked()
    };
    assert_eq!(check(&asked()), Ok(()));
    assert_eq!(check(&Request { choices: Some(2), ..asked() }), Err(Unresumable::Choices));
    assert_eq!(check(&Request { logprobs: Some(0), ..asked() }), Err(Unresumable::Logprobs));
    assert_eq!(check(&with("tools[0]")), Err(Unresumable::HostedTool));
    assert_eq!(check(&with("audio")), Err(Unresumable::Media));
    assert_eq!(check(&with("metadata.x")), Ok(()));
}

#[test]
fn what_a_provider_keeps_is_its_own() {
    let stored = |body: &'static [u8]| is_stored(&Object::parse(body.into()).expect("an object"));
    assert!(stored(br#"{"store":true}"#));
    for body in [&b"{}"[..], br#"{"store":false}"#, br#"{"store":null}"#] {
        assert!(!stored(body));
    }
}
