//! Whatever a model does, the client has the text once, or an error.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const WORDS: &[&str] = &[
    "a",
    "after",
    "again",
    "almost",
    "among",
    "and",
    "at",
    "bank",
    "before",
    "bell",
    "boat",
    "bread",
    "bridge",
    "by",
    "castle",
    "city",
    "cold",
    "day",
    "door",
    "each",
    "evening",
    "field",
    "fire",
    "fog",
    "garden",
    "glass",
    "harbour",
    "he",
    "hill",
    "house",
    "iron",
    "island",
    "it",
    "lamp",
    "letter",
    "light",
    "market",
    "mill",
    "moon",
    "morning",
    "mountain",
    "naïve",
    "of",
    "old",
    "on",
    "paper",
    "path",
    "pier",
    "rain",
    "river",
    "road",
    "roof",
    "room",
    "sail",
    "sea",
    "ship",
    "snow",
    "so",
    "stone",
    "street",
    "table",
    "the",
    "tower",
    "tree",
    "under",
    "über",
    "village",
    "water",
    "winter",
    "wood",
    "x1",
    "日本語",
    "ночь",
    "🙂",
];

fn sentence() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(prop::sample::select(WORDS), 3..10);
    let end = prop::sample::select(&[". ", "! ", "?\n\n", ".\n", ":\n- ", ", "][..]);
    (words, end).prop_map(|(words, end)| words.join(" ") + end)
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(sentence(), 1..8).prop_map(|sentences| sentences.concat())
}

/// The text's first part, up to any character.
fn cut(text: &str, at: Index) -> &str {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(1).collect();
    &text[..places[at.index(places.len())]]
}

fn chunks<'t>(text: &'t str, sizes: &[usize]) -> Vec<&'t str> {
    let (mut rest, mut pieces) = (text, Vec::new());
    for size in sizes.iter().cycle() {
        let Some((at, _)) = rest.char_indices().nth(*size) else { break };
        let (piece, more) = rest.split_at(at);
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

/// Where the last so many words begin.
fn last_words(delivered: &str, words: usize) -> usize {
    let mut begin = delivered.len();
    for word in delivered.split_whitespace().rev().take(words) {
        begin = delivered[..begin].rfind(word).unwrap_or(0);
    }
    begin
}

fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Clone)]
enum Behaviour {
    GoesOn,
    /// As a model that was shown the text without its last white space.
    GoesOnFromTrimmed,
    Restarts,
    Repeats(usize),
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        Just(Behaviour::GoesOn),
        Just(Behaviour::GoesOnFromTrimmed),
        Just(Behaviour::Restarts),
        (1_usize..30).prop_map(Behaviour::Repeats),
    ]
}

fn courtesy() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "",
            "",
            "",
            "Sure, continuing:\n\n",
            "Here is the rest:\n",
            "Of course. ",
            "Certainly! Here's the continuation: ",
            "Okay.\n\n",
        ][..],
    )
}

fn new_text<'t>(text: &'t str, delivered: &str, behaviour: &Behaviour) -> &'t str {
    match behaviour {
        Behaviour::GoesOn => &text[delivered.len()..],
        Behaviour::GoesOnFromTrimmed => &text[delivered.trim_end().len()..],
        Behaviour::Restarts => text,
        Behaviour::Repeats(words) => &text[last_words(delivered, *words)..],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whole_and_undoubled_or_an_error(
        text in text(),
        at: Index,
        behaviour in behaviour(),
        courtesy in courtesy(),
        sizes in prop::collection::vec(1_usize..12, 1..6),
    ) {
        let delivered = cut(&text, at);
        let new = format!("{courtesy}{}", new_text(&text, delivered, &behaviour));
        let joined = join(Mode::Continue, delivered, &chunks(&new, &sizes));
        if let Ok(joined) = joined {
            prop_assert_eq!(normal(&joined), normal(&text), "{:?} after {:?}", new, delivered);
        }
    }

    #[test]
    fn a_prefill_always_fits(
        text in text(),
        at: Index,
        trimmed: bool,
        sizes in prop::collection::vec(1_usize..12, 1..6),
    ) {
        let delivered = cut(&text, at);
        let behaviour = if trimmed { Behaviour::GoesOnFromTrimmed } else { Behaviour::GoesOn };
        let new = new_text(&text, delivered, &behaviour);
        let joined = join(Mode::Prefill, delivered, &chunks(new, &sizes));
        prop_assert_eq!(joined.map(|joined| normal(&joined)), Ok(normal(&text)));
    }

    #[test]
    fn the_same_again_always_fits(
        text in text(),
        at: Index,
        sizes in prop::collection::vec(1_usize..12, 1..6),
    ) {
        let delivered = cut(&text, at);
        let joined = join(Mode::FromStart, delivered, &chunks(&text, &sizes));
        prop_assert_eq!(joined.map(|joined| normal(&joined)), Ok(normal(&text)));
    }

    #[test]
    fn a_long_repetition_always_fits(
        text in prop::collection::vec(sentence(), 10..16).prop_map(|sentences| sentences.concat()),
        at: Index,
        words in 12_usize..30,
        courtesy in courtesy(),
        sizes in prop::collection::vec(1_usize..12, 1..6),
    ) {
        // From the middle on, so that there is much to repeat.
        let middle = (text.len() / 2..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let delivered = &text[..middle + cut(&text[middle..], at).len()];
        let new = format!("{courtesy}{}", new_text(&text, delivered, &Behaviour::Repeats(words)));
        let joined = join(Mode::Continue, delivered, &chunks(&new, &sizes));
        prop_assert_eq!(joined.map(|joined| normal(&joined)), Ok(normal(&text)), "{:?}", new);
    }

    #[test]
    fn another_text_never_passes_for_the_same(text in text(), other in text(), at: Index) {
        let delivered = cut(&text, at);
        prop_assume!(!delivered.trim().is_empty());
        let joined = join(Mode::FromStart, delivered, &[&other]);
        let same = normal(&other).starts_with(&normal(delivered));
        prop_assert_eq!(joined.is_ok(), same);
    }

    #[test]
    fn any_text_is_joined_without_a_panic(delivered: String, new: String, sizes in prop::collection::vec(1_usize..5, 1..4)) {
        for mode in [Mode::Prefill, Mode::Continue, Mode::FromStart] {
            let _ = join(mode, &delivered, &chunks(&new, &sizes));
        }
    }
}
