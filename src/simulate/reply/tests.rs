use proptest::prelude::*;

use super::super::prompt::Earlier;
use super::*;

fn prompt(said: &str) -> Prompt {
    Prompt { said: said.to_owned(), parallel: true, ..Prompt::default() }
}

fn text(prompt: &Prompt, words: Option<usize>) -> String {
    Reply::to(prompt, &Fault { words, ..Fault::default() }, "alpha", 0).expect("an answer").text
}

#[test]
fn only_the_signature_depends_on_the_server() {
    let fault = Fault::default();
    let one = Reply::to(&prompt("hi"), &fault, "alpha", 0).expect("an answer").text;
    let two = Reply::to(&prompt("hi"), &fault, "beta", 0).expect("an answer").text;
    assert_eq!(one.replace("alpha", "beta"), two);
    assert!(one.ends_with("alpha."));
}

#[test]
fn a_long_prompt_is_not_repeated_whole() {
    assert!(text(&prompt(&"long ".repeat(1000)), None).len() < 1000);
}

#[test]
fn a_foreign_prefill_is_ignored() {
    let foreign = Prompt { prefill: Some("Once upon".to_owned()), ..prompt("hi") };
    assert_eq!(text(&foreign, None), text(&prompt("hi"), None));
}

#[test]
fn the_earliest_stop_wins() {
    let stops = ["test", "answer", ""].map(str::to_owned).to_vec();
    let reply = Reply::to(&Prompt { stops, ..prompt("hi") }, &Fault::default(), "alpha", 0)
        .expect("an answer");
    assert_eq!(reply.finish, Finish::Sequence("answer".to_owned()));
}

#[test]
fn reasoning_is_part_of_the_output_and_of_the_limit() {
    let fault = Fault { reasoning: Some(5), words: Some(9), ..Fault::default() };
    let reply = Reply::to(&Prompt { limit: Some(7), ..prompt("hi") }, &fault, "alpha", 0)
        .expect("an answer");
    assert_eq!((reply.usage.output, reply.usage.reasoning), (7, 5));
    assert_eq!(reply.finish, Finish::Length);
}

/// What follows the first words of an answer, asked for by a prefill and by a wish.
fn gone_on(goes_on: GoesOn) -> [Result<String, Refusal>; 2] {
    let whole = text(&prompt("hi"), None);
    let written = "You said: \"hi\". This answer comes from a simulated";
    assert!(whole.starts_with(written));
    let prefilled = Prompt { prefill: Some(written.to_owned()), ..prompt("hi") };
    let earlier = Some(Earlier { said: "hi".to_owned(), written: written.to_owned() });
    let wish = "Your last message was cut off. Its last words are:\n\nfrom a simulated";
    let wished = Prompt { earlier, ..prompt(wish) };
    let fault = Fault { goes_on, ..Fault::default() };
    [prefilled, wished].map(|prompt| Reply::to(&prompt, &fault, "alpha", 0).map(|reply| reply.text))
}

#[test]
fn an_answer_that_was_begun_is_gone_on_with_as_the_fault_says() {
    let [prefilled, wished] = gone_on(GoesOn::Truly).map(|text| text.expect("an answer"));
    assert!(prefilled.starts_with(" provider and"), "{prefilled}");
    assert!(wished.starts_with("from a simulated provider and"), "{wished}");
    for (how, prefilled, wished) in [
        (GoesOn::Restart, "You said: \"hi\". This", "You said: \"hi\". This"),
        (GoesOn::Paraphrase, " provider and", "These were your words"),
        (GoesOn::Repeat, " provider and", "This answer comes from a simulated provider"),
        (GoesOn::Courtesy, " provider and", "Sure, here is the rest:\n\nfrom a simulated provider"),
        (GoesOn::MidWord, " provider and", " provider and"),
    ] {
        let texts = gone_on(how).map(|text| text.expect("an answer"));
        for (text, beginning) in texts.iter().zip([prefilled, wished]) {
            assert!(text.starts_with(beginning), "{how:?}: {text}");
        }
    }
    assert!(gone_on(GoesOn::Refuse).iter().all(Result::is_err));
}

proptest! {
    #[test]
    fn words_are_counted_exactly(said in "[ -~]{0,300}", words in 0_usize..400) {
        prop_assert_eq!(tokens::count(&text(&prompt(&said), Some(words))), words);
    }
}
