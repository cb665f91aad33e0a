//! Whole answers of providers: read, and written for clients of every API.

use pilothouse::protocol::dialect::DialectId;
use pilothouse::protocol::neutral::{Choice, Finish, Output, Reply};

use super::{CLIENT, dialects, operation, shown, told};

/// Reads an answer, as it is passed on and as it is translated.
pub fn run(id: DialectId, input: &[u8]) {
    let ([first, second], body) = super::choices(input);
    let answers = operation(id).answers;
    let _ = answers.read_reply(body);
    let _ = answers.read_tail(&body[usize::from(first).min(body.len())..]);
    let Ok(reply) = id.dialect().read_reply(body) else { return };
    let (client, _) = super::one_of(&dialects(), second);
    write(&reply, client);
}

/// What is written is an answer of the client's own API, for the pass-through path too.
fn write(reply: &Reply, client: DialectId) {
    let dialect = client.dialect();
    let body = dialect.write_reply(reply, &CLIENT);
    let again = dialect
        .read_reply(&body)
        .unwrap_or_else(|_| panic!("{client:?}: an answer that cannot be read: {}", shown(&body)));
    let passed = operation(client).answers.read_reply(&body);
    let passed = passed.unwrap_or_else(|_| panic!("{client:?}: no answer: {}", shown(&body)));
    assert_eq!(passed.error, None, "{client:?}: {}", shown(&body));

    told::assert_same(client, &told::by_reply(reply), &told::by_reply(&again));
    // What was said once can be said again without loss.
    let repeated = read_again(&again, client);
    assert_eq!(outputs(&again), outputs(&repeated), "{client:?}: {}", shown(&body));
}

fn read_again(reply: &Reply, client: DialectId) -> Reply {
    let body = client.dialect().write_reply(reply, &CLIENT);
    let again = client.dialect().read_reply(&body);
    again.unwrap_or_else(|_| panic!("{client:?}: an answer that cannot be read: {}", shown(&body)))
}

type Said<'r> = (u32, &'r [Output], Option<&'r Finish>);

fn outputs(reply: &Reply) -> Vec<Said<'_>> {
    reply.choices.iter().map(said).collect()
}

fn said(choice: &Choice) -> Said<'_> {
    (choice.index, &choice.output, choice.finish.as_ref())
}
