use proptest::prelude::*;

use super::*;

fn prompt(said: &str) -> Prompt {
    Prompt { said: said.to_owned(), parallel: true, ..Prompt::default() }
}

fn text(prompt: &Prompt, words: Option<usize>) -> String {
    Reply::to(prompt, &Fault { words, ..Fault::default() }, "alpha", 0).text
}

#[test]
fn only_the_signature_depends_on_the_server() {
    let fault = Fault::default();
    let one = Reply::to(&prompt("hi"), &fault, "alpha", 0).text;
    let two = Reply::to(&prompt("hi"), &fault, "beta", 0).text;
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
    let reply = Reply::to(&Prompt { stops, ..prompt("hi") }, &Fault::default(), "alpha", 0);
    assert_eq!(reply.finish, Finish::Sequence("answer".to_owned()));
}

#[test]
fn reasoning_is_part_of_the_output_and_of_the_limit() {
    let fault = Fault { reasoning: Some(5), words: Some(9), ..Fault::default() };
    let reply = Reply::to(&Prompt { limit: Some(7), ..prompt("hi") }, &fault, "alpha", 0);
    assert_eq!((reply.usage.output, reply.usage.reasoning), (7, 5));
    assert_eq!(reply.finish, Finish::Length);
}

proptest! {
    #[test]
    fn words_are_counted_exactly(said in "[ -~]{0,300}", words in 0_usize..400) {
        prop_assert_eq!(tokens::count(&text(&prompt(&said), Some(words))), words);
    }
}
