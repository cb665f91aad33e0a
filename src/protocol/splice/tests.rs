mod properties;

use super::*;

const DELIVERED: &str = "The harbour was quiet that morning. Two boats lay at the pier, and an old man \
                         mended his nets. He did not look up when the";

/// What the client has in the end, by pieces of the new text.
fn join(mode: Mode, delivered: &str, pieces: &[&str]) -> Result<String, Mismatch> {
    let mut splice = Splice::new(mode, delivered);
    let mut whole = delivered.to_owned();
    for piece in pieces {
        splice.push(piece, &mut whole)?;
    }
    splice.finish(&mut whole)?;
    Ok(whole)
}

fn continued(delivered: &str, new: &str) -> Result<String, Mismatch> {
    join(Mode::Continue, delivered, &[new])
}

fn whole(rest: &str) -> String {
    format!("{DELIVERED}{rest}")
}

#[test]
fn a_true_continuation_goes_on() {
    assert_eq!(continued(DELIVERED, " bell rang."), Ok(whole(" bell rang.")));
    assert_eq!(join(Mode::Prefill, DELIVERED, &[" bell", " rang."]), Ok(whole(" bell rang.")));
    assert_eq!(join(Mode::Prefill, "The wor", &["ld is"]), Ok("The world is".into()));
}

#[test]
fn nothing_is_held_longer_than_it_takes() {
    let mut splice = Splice::new(Mode::Continue, DELIVERED);
    let mut out = String::new();
    splice.push(" bell", &mut out).expect("fits");
    assert_eq!(out, " bell", "the delivered text holds no `b` at the beginning of a word but two");
    splice.push(" rang", &mut out).expect("fits");
    assert_eq!(out, " bell rang");
}

#[test]
fn an_answer_that_begins_again_is_trimmed() {
    let again = format!("{DELIVERED} bell rang.");
    for mode in [Mode::Prefill, Mode::Continue, Mode::FromStart] {
        assert_eq!(join(mode, DELIVERED, &[&again]), Ok(whole(" bell rang.")), "{mode:?}");
    }
    let spread = again.replace(' ', "\n ");
    assert_eq!(join(Mode::FromStart, DELIVERED, &[&spread]), Ok(whole("\n bell\n rang.")));
}

#[test]
fn a_repeated_end_is_trimmed() {
    let last = "He did not look up when the bell rang.";
    assert_eq!(continued(DELIVERED, last), Ok(whole(" bell rang.")));
    assert_eq!(
        continued(DELIVERED, "an old man mended his nets. He did not look up when the bell"),
        Ok(whole(" bell"))
    );
    assert_eq!(
        continued(DELIVERED, &format!("Sure, here is the rest:\n\n{last}")),
        Ok(whole(" bell rang."))
    );
    assert_eq!(continued(DELIVERED, &format!("Of course! {last}")), Ok(whole(" bell rang.")));
}

#[test]
fn a_courtesy_is_left_out_where_a_sentence_stands_open() {
    let delivered = "The harbour was quiet that ";
    let text = "Certainly! Continuing where I left off:\n\nmorning.";
    assert_eq!(continued(delivered, text), Ok("The harbour was quiet that morning.".into()));
    // A sentence of the answer's own begins so too.
    let ended = "The harbour was quiet.\n\n";
    let own = "Here is what happened next: a bell rang.";
    assert_eq!(continued(ended, own), Ok(format!("{ended}{own}")));
    let unclear = "Here is the rest of the day: a bell rang.";
    assert_eq!(continued(ended, unclear), Err(Mismatch::Doubtful));
}

#[test]
fn half_a_word_is_joined_where_it_is_known() {
    let delivered = "A gateway routes. Behind the gate";
    assert_eq!(
        continued(delivered, "way there are models."),
        Ok(format!("{delivered}way there are models."))
    );
    assert_eq!(
        continued(DELIVERED, "bell rang."),
        Err(Mismatch::Doubtful),
        "a space, or half a word?"
    );
    let repeated = "Behind the gateway there are models.";
    assert_eq!(
        continued("A gateway routes. Behind the gate", repeated),
        Err(Mismatch::Doubtful),
        "four words of 13 letters"
    );
    let longer = "A gateway routes requests. Somewhere behind the gate";
    assert_eq!(
        continued(longer, "Somewhere behind the gateway there are models."),
        Ok(format!("{longer}way there are models."))
    );
}

#[test]
fn a_sign_is_followed_by_what_follows_it_elsewhere() {
    let delivered = "One, two, three, four,";
    assert_eq!(continued(delivered, "five"), Ok(format!("{delivered} five")));
    assert_eq!(continued("a,b,c,d,", "e"), Ok("a,b,c,d,e".into()));
    assert_eq!(continued("One, two,", "three"), Err(Mismatch::Doubtful));
}

#[test]
fn a_short_accidental_overlap_is_none() {
    let delivered = "It was on the table, next to the ";
    assert_eq!(continued(delivered, "theory of it."), Ok(format!("{delivered}theory of it.")));
    let code = "fn a() {\n    one();\n}\n";
    assert_eq!(continued(code, "}\n"), Ok(format!("{code}}}\n")));
    // A word that comes twice is one too many, most likely.
    assert_eq!(continued(delivered, "the table."), Err(Mismatch::Doubtful));
}

#[test]
fn songs_are_not_guessed_at() {
    let delivered = "Row, row, row your boat. Row, row, row your boat. ";
    assert_eq!(continued(delivered, "Row, row, row your boat. Gently"), Err(Mismatch::Doubtful));
}

#[test]
fn other_words_are_a_mismatch() {
    let other = "The harbour was quiet that day. Three boats lay there.";
    assert_eq!(join(Mode::FromStart, DELIVERED, &[other]), Err(Mismatch::Differs));
    assert_eq!(continued(DELIVERED, other), Err(Mismatch::Differs));
    let alike = "The harbour was still on that day.";
    assert_eq!(continued(DELIVERED, alike), Err(Mismatch::Differs));
    assert_eq!(join(Mode::FromStart, DELIVERED, &["The harbour"]), Err(Mismatch::Shorter));
    assert_eq!(join(Mode::FromStart, DELIVERED, &[]), Err(Mismatch::Shorter));
}

#[test]
fn a_sentence_does_not_begin_in_the_midst_of_another() {
    let open = "The harbour was quiet and two boats lay in it beside the";
    assert_eq!(continued(open, "Some vessels were there. It was calm."), Err(Mismatch::Doubtful));
    let dripped: Vec<String> = "Some vessels".chars().map(String::from).collect();
    let dripped: Vec<&str> = dripped.iter().map(String::as_str).collect();
    assert_eq!(join(Mode::Continue, open, &dripped), Err(Mismatch::Doubtful));
    assert_eq!(continued(open, " I think"), Ok(format!("{open} I think")));
    let german = "Im Hafen war es still, zwei Boote lagen am Ufer neben dem";
    assert_eq!(
        continued(german, " Kran und rosteten."),
        Ok(format!("{german} Kran und rosteten."))
    );
}

#[test]
fn white_space_between_the_two_comes_once() {
    let join = |delivered: &str, new: &str| join(Mode::Prefill, delivered, &[new]);
    assert_eq!(join("one ", " two"), Ok("one two".into()));
    assert_eq!(join("one\n\n", "\n\ntwo"), Ok("one\n\ntwo".into()));
    assert_eq!(join("one\n\n", "two"), Ok("one\n\ntwo".into()));
    assert_eq!(join("one\n", "    two"), Ok("one\n    two".into()));
    assert_eq!(join("one\n    ", "\n    two"), Ok("one\n    two".into()));
}

#[test]
fn a_text_that_was_complete_needs_nothing() {
    assert_eq!(join(Mode::Prefill, "All of it.", &[]), Ok("All of it.".into()));
    assert_eq!(continued("All of it.", "\n"), Ok("All of it.\n".into()));
}

#[test]
fn nothing_delivered_takes_everything() {
    for mode in [Mode::Prefill, Mode::Continue, Mode::FromStart] {
        assert_eq!(join(mode, "", &["Sure", ", so"]), Ok("Sure, so".into()));
    }
}
