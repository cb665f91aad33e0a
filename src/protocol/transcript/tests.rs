//! Streams of every API that break anywhere and are gone on with by every other, as their clients
//! read them.

mod barred;
mod client;
mod vendor;

use proptest::prelude::*;

use super::*;
use crate::protocol::continuation::Mode;
use crate::protocol::dialect::{ClientView, Undo};
use crate::protocol::hub::StreamTranslator;
use crate::protocol::neutral::{Finish, OpaqueState, Origin};
use crate::protocol::registry::OPERATIONS;
use crate::protocol::stream::Meaning;
use client::{Frame, frames};

const ALL: [DialectId; 6] = [
    DialectId::OpenAiChat,
    DialectId::OpenAiCompletions,
    DialectId::OpenAiResponses,
    DialectId::AnthropicMessages,
    DialectId::BedrockConverse,
    DialectId::Gemini,
];

/// As the first provider answers.
const FIRST: ClientView<'static> = ClientView {
    model: "first",
    request_id: "p1",
    created: 1000,
    include_usage: true,
    stand_ins: &[],
};
const SECOND: ClientView<'static> =
    ClientView { model: "second", request_id: "p2", created: 3000, ..FIRST };
/// As the gateway knows the request.
const GATEWAY: ClientView<'static> =
    ClientView { model: "asked", request_id: "gw", created: 2000, ..FIRST };

fn text_event(text: &str) -> Event {
    Event::Text { choice: 0, text: text.into() }
}

fn usage(input: u64, output: u64) -> Event {
    Event::Usage(Usage { input: Some(input), output: Some(output), ..Usage::default() })
}

fn start(id: &str, model: &str) -> Event {
    Event::Start { id: id.into(), model: model.into() }
}

/// Reasoning, signed or not.
fn thinking(signed: bool) -> Vec<Event> {
    let state = OpaqueState { origin: Origin::Anthropic, data: "sig".into(), redacted: false };
    let mut events = vec![
        Event::Thinking { choice: 0, text: "Let me ".into() },
        Event::Thinking { choice: 0, text: "think.".into() },
    ];
    events.extend(signed.then_some(Event::ThinkingState { choice: 0, state }));
    events.push(Event::ThinkingEnd { choice: 0 });
    events
}

/// A whole answer, as a provider of that API sends it.
fn answer(
    api: DialectId,
    view: &ClientView<'_>,
    thoughts: Option<bool>,
    texts: &[&str],
) -> Vec<Frame> {
    let id = match api {
        DialectId::OpenAiResponses => format!("resp_{}", view.request_id),
        DialectId::AnthropicMessages => format!("msg_{}", view.request_id),
        _ => format!("id-{}", view.request_id),
    };
    let mut events = vec![start(&id, view.model), usage(11, 1)];
    events.extend(thoughts.into_iter().flat_map(thinking));
    events.extend(texts.iter().map(|text| text_event(text)));
    events.push(Event::Finish { choice: 0, reason: Finish::Stop });
    events.push(usage(20, 7));
    events.push(Event::End);
    let mut writer = api.dialect().event_writer(view);
    let mut out = Vec::new();
    for event in &events {
        writer.write(event, &mut out);
    }
    frames(api, out.into())
}

/// What a client was sent before the break, and what is needed to go on. `None` if the answer had
/// finished.
type Broken = Option<(Vec<u8>, Result<Interrupted, Unresumable>)>;

fn broken_direct(api: DialectId, sent: &[Frame]) -> Broken {
    let operation = OPERATIONS.iter().find(|row| row.dialect == Some(api)).expect("has one");
    let mut reader = operation.answers.stream(1);
    let (mut notes, mut bytes) = (Notes::default(), Vec::new());
    for frame in sent {
        let read = reader.read_noting(frame.name.as_deref(), &frame.data, Some(&mut notes));
        if matches!(read, Ok(Meaning::Error(_))) {
            break;
        }
        assert!(read.is_ok(), "{read:?}");
        notes.passed(frame.name.as_deref(), &frame.data);
        bytes.extend_from_slice(&frame.raw);
    }
    let interrupted = notes.interrupted(api.dialect(), &GATEWAY, reader.usage());
    (!reader.finished()).then_some((bytes, interrupted))
}

fn broken_translated(api: DialectId, provider: DialectId, sent: &[Frame]) -> Broken {
    let (provider, client) = (provider.dialect(), api.dialect());
    let translator = StreamTranslator::new(provider, client, Undo::default(), &GATEWAY, 1);
    let mut translator = translator.recorded(api);
    let mut bytes = Vec::new();
    for frame in sent {
        translator.read(frame.name.as_deref(), &frame.data, &mut bytes).expect("an event");
    }
    (!translator.finished()).then(|| (bytes, translator.interrupt()))
}

/// Goes on with a stream, to its end; gives back what all tries cost.
fn go_on(
    interrupted: Interrupted,
    provider: DialectId,
    mode: Mode,
    sent: &[Frame],
    bytes: &mut Vec<u8>,
) -> Usage {
    let dialect = provider.dialect();
    let mut translator =
        StreamTranslator::resumed(dialect, Undo::default(), interrupted, mode, false);
    for frame in sent {
        let meaning = translator.read(frame.name.as_deref(), &frame.data, bytes).expect("read");
        assert!(!matches!(meaning, Meaning::Mismatch(_) | Meaning::Error(_)), "{meaning:?}");
    }
    translator.close(bytes);
    assert!(translator.finished());
    translator.end(bytes);
    translator.usage()
}

fn api() -> impl Strategy<Value = DialectId> {
    prop::sample::select(&ALL[..])
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-zé日\"\\\\\n .,]{1,9}", 1..12)
}

#[derive(Debug, Clone)]
struct Case {
    client: DialectId,
    /// `None` passes as bytes.
    first: Option<DialectId>,
    second: DialectId,
    third: DialectId,
    thoughts: Option<bool>,
    second_thoughts: Option<bool>,
    texts: Vec<String>,
    cuts: (prop::sample::Index, prop::sample::Index),
    again: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let apis = (api(), prop::option::of(api()), api(), api());
    let thoughts = (prop::option::of(any::<bool>()), prop::option::of(any::<bool>()));
    (apis, thoughts, texts(), any::<(prop::sample::Index, prop::sample::Index)>(), any::<bool>())
        .prop_map(|((client, first, second, third), thoughts, texts, cuts, again)| Case {
            client,
            first,
            second,
            third,
            thoughts: thoughts.0,
            second_thoughts: thoughts.1,
            texts,
            cuts,
            again,
        })
}

/// What a model says that is asked to go on in this way.
fn rest<'t>(text: &'t str, delivered: &str, mode: Mode) -> &'t str {
    match mode {
        Mode::FromStart => text,
        _ => &text[delivered.trim_end().len()..],
    }
}

fn run(case: &Case) -> Result<(), TestCaseError> {
    let Case { client, .. } = *case;
    let texts: Vec<&str> = case.texts.iter().map(String::as_str).collect();
    let whole = texts.concat();
    let sent = answer(case.first.unwrap_or(client), &FIRST, case.thoughts, &texts);
    let sent = &sent[..case.cuts.0.index(sent.len())];
    let broken = match case.first {
        None => broken_direct(client, sent),
        Some(provider) => broken_translated(client, provider, sent),
    };
    let Some((mut bytes, interrupted)) = broken else { return Ok(()) };
    let before = client::read(client, &bytes);
    let interrupted = match interrupted {
        Ok(interrupted) => interrupted,
        Err(Unresumable::Reasoning) => {
            prop_assert!(before.text.is_empty() && client != DialectId::OpenAiChat);
            return Ok(());
        }
        Err(Unresumable::Ended) => {
            prop_assert_eq!(before.text, whole);
            return Ok(());
        }
        Err(why) => return Err(TestCaseError::fail(why.to_string())),
    };
    let delivered = interrupted.transcript().text().to_owned();
    prop_assert_eq!(&before.text, &delivered);
    let shown = interrupted.transcript().has_output();
    let mode = if case.again { Mode::FromStart } else { Mode::Prefill };
    let rest = rest(&whole, &delivered, mode);
    if shown && rest.trim().is_empty() && case.second_thoughts.is_some() {
        // To think and to say nothing is no end that can be believed.
        return Ok(());
    }
    let pieces: Vec<&str> = rest.split_inclusive(' ').collect();
    let next = answer(case.second, &SECOND, case.second_thoughts, &pieces);
    let spent = go_on(interrupted, case.second, mode, &next, &mut bytes);
    let after = client::read(client, &bytes);
    prop_assert_eq!(normal(&after.text), normal(&whole), "after {:?}", delivered);
    prop_assert!(after.text.starts_with(&delivered));
    prop_assert_eq!(&after.finishes, &[Finish::Stop]);
    prop_assert_eq!(after.ends, 1);
    if shown {
        prop_assert_eq!(&after.thinking, &before.thinking);
    }
    client::check(client, &bytes);
    prop_assert!(spent.output >= Some(7) && spent.input >= Some(20), "{:?}", spent);
    if let Some(Usage { input: Some(input), .. }) = after.usage {
        // The first's own count, or the second's without what was added for it to go on.
        prop_assert!(input == 11 || (1..=20).contains(&input), "one prompt: {}", input);
    }
    Ok(())
}

fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_resumed_stream_is_one_stream(case in case()) {
        run(&case)?;
    }

    #[test]
    fn a_resumed_stream_can_be_resumed(case in case()) {
        let (client, first) = (case.client, case.first.unwrap_or(case.client));
        let whole = case.texts.concat();
        let texts: Vec<&str> = case.texts.iter().map(String::as_str).collect();
        let sent = answer(first, &FIRST, None, &texts);
        let sent = &sent[..case.cuts.0.index(sent.len())];
        let broken = match case.first {
            None => broken_direct(client, sent),
            Some(provider) => broken_translated(client, provider, sent),
        };
        let Some((mut bytes, Ok(interrupted))) = broken else { return Ok(()) };
        let delivered = interrupted.transcript().text().to_owned();
        let pieces: Vec<&str> = rest(&whole, &delivered, Mode::Prefill).split_inclusive(' ').collect();
        let next = answer(case.second, &SECOND, None, &pieces);
        let mut second = StreamTranslator::resumed(
            case.second.dialect(), Undo::default(), interrupted, Mode::Prefill, false,
        );
        for frame in &next[..case.cuts.1.index(next.len())] {
            second.read(frame.name.as_deref(), &frame.data, &mut bytes).expect("an event");
        }
        if second.finished() {
            return Ok(());
        }
        let Ok(interrupted) = second.interrupt() else { return Ok(()) };
        let delivered = interrupted.transcript().text().to_owned();
        prop_assert_eq!(&client::read(client, &bytes).text, &delivered);
        let last = answer(case.third, &SECOND, None, &[rest(&whole, &delivered, Mode::FromStart)]);
        go_on(interrupted, case.third, Mode::FromStart, &last, &mut bytes);
        let after = client::read(client, &bytes);
        prop_assert_eq!(normal(&after.text), normal(&whole));
        prop_assert_eq!((&after.finishes[..], after.ends), (&[Finish::Stop][..], 1));
        client::check(client, &bytes);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let mut transcript = Transcript::new(DialectId::OpenAiChat);
    let event = text_event(&"x".repeat(1000));
    for _ in 0..=MAX_TRANSCRIPT / 1000 {
        transcript.note(&event);
    }
    assert_eq!((transcript.resumable(), transcript.size()), (Err(Unresumable::TooLong), 0));

    let mut notes = Notes::default();
    for _ in 0..=MAX_TRANSCRIPT / 1000 {
        notes.passed(None, &[b' '; 1000]);
    }
    assert_eq!((notes.barred, notes.size()), (Some(Unresumable::TooLong), 0));
}
