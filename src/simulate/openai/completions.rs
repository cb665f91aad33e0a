//! POST /v1/completions, the older text endpoint.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    chat::{Stop, StreamOptions},
    finish_reason, now, read, usage,
};
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    frames::Frames,
    prompt::Prompt,
    reply::{Reply, Usage},
    tokens,
};

/// `max_tokens` when none is given; OpenAI's own default.
const DEFAULT_LIMIT: usize = 16;

#[derive(Debug, Deserialize)]
struct Request {
    prompt: Option<Input>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<usize>,
    max_tokens: Option<usize>,
    stop: Option<Stop>,
    echo: Option<bool>,
}

/// Text or token ids, one or many; also the input of embeddings.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a string, an array of strings, or arrays of token ids")]
pub(super) enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

impl Input {
    /// Each text with its count of tokens. Token ids are shown as numbers.
    pub(super) fn into_texts(self) -> Vec<(String, usize)> {
        let counted = |text: String| {
            let count = tokens::count(&text);
            (text, count)
        };
        let shown = |ids: Vec<u32>| {
            let shown: Vec<_> = ids.iter().map(u32::to_string).collect();
            (shown.join(" "), ids.len())
        };
        match self {
            Self::Text(text) => vec![counted(text)],
            Self::Texts(texts) => texts.into_iter().map(counted).collect(),
            Self::Tokens(ids) => vec![shown(ids)],
            Self::TokenLists(lists) => lists.into_iter().map(shown).collect(),
        }
    }
}

pub(in crate::simulate) fn answer(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let request: Request = read(ask)?;
    let stream = request.stream == Some(true);
    if request.stream_options.is_some() && !stream {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::field("stream_options", message));
    }
    let Some(prompt) = request.prompt else {
        return Err(Refusal::field("prompt", "you must provide a prompt"));
    };
    let include_usage = request.stream_options.and_then(|options| options.include_usage);
    let stops = request.stop.map_or_else(Vec::new, Stop::into_list);
    let mut sum = Usage::default();
    let mut choices = Vec::new();
    for (text, tokens) in prompt.into_texts() {
        sum.input += tokens;
        let echoed = if request.echo == Some(true) { text.clone() } else { String::new() };
        let (said, written) = begun(&text);
        let prompt = Prompt {
            said: said.to_owned(),
            prefill: written.map(str::to_owned),
            stops: stops.clone(),
            limit: Some(request.max_tokens.unwrap_or(ask.fault.words.unwrap_or(DEFAULT_LIMIT))),
            tokens,
            ..Prompt::default()
        };
        for choice in 0..request.n.unwrap_or(1) {
            let mut reply = ask.reply(&prompt, choice)?;
            sum.output += reply.usage.output;
            reply.text.insert_str(0, &echoed);
            choices.push(reply);
        }
    }
    Ok(if stream {
        Answer::Events(frames(ask, &choices, sum, include_usage == Some(true)))
    } else {
        let choices = choices.iter().enumerate();
        let choices = choices.map(|(i, r)| choice(i, &r.text, Some(finish_reason(&r.finish))));
        let mut whole = object(ask, now(), &choices.collect::<Vec<_>>());
        whole["usage"] = usage(sum);
        Answer::json(&whole)
    })
}

/// Splits a prompt that ends in the beginning of its own answer, however short.
fn begun(text: &str) -> (&str, Option<&str>) {
    let may_begin = text.match_indices('Y').filter(|(at, _)| *at > 0);
    let split = may_begin.map(|(at, _)| text.split_at(at)).find(|(said, written)| {
        let answer = format!("You said: \"{said}\". ");
        answer.starts_with(written) || written.starts_with(&answer)
    });
    split.map_or((text, None), |(said, written)| (said, Some(written)))
}

fn frames(ask: &Ask<'_>, replies: &[Reply], sum: Usage, include_usage: bool) -> Frames {
    let mut frames = Frames::for_events(sum.output + replies.len() + 2);
    let created = now();
    let mut chunk = |choices: &[Value], usage: Value| {
        let mut chunk = object(ask, created, choices);
        if include_usage {
            chunk["usage"] = usage;
        }
        frames.data(&chunk);
    };
    for (index, reply) in replies.iter().enumerate() {
        for token in tokens::tokens(&reply.text) {
            chunk(&[choice(index, token, None)], Value::Null);
        }
        let finish = finish_reason(&reply.finish);
        chunk(&[choice(index, "", Some(finish))], Value::Null);
    }
    if include_usage {
        chunk(&[], usage(sum));
    }
    frames.end_marker_follows();
    frames.raw(b"data: [DONE]\n\n");
    frames
}

fn object(ask: &Ask<'_>, created: u64, choices: &[Value]) -> Value {
    json!({"id": ask.id("cmpl-", 0), "object": "text_completion", "created": created,
        "model": ask.model, "system_fingerprint": format!("fp_{}", ask.provider.name),
        "choices": choices})
}

fn choice(index: usize, text: &str, finish: Option<&str>) -> Value {
    json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish})
}
