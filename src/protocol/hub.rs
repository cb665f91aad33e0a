//! From one chat-like API to another: whole answers and streams, and what a request's writing has to
//! have undone in them.

mod tally;
mod undo;

use bytes::Bytes;

use super::Malformed;
use super::dialect::{ClientView, Dialect, EventReader, EventWriter, Undo};
use super::neutral::Event;
use super::stream::Meaning;
use super::usage::Usage;
use tally::Tally;
use undo::{Undoing, undo_in_reply};

/// A whole answer in another API.
#[derive(Debug)]
pub struct Translated {
    /// As the client gets it.
    pub body: Bytes,
    /// What it cost.
    pub usage: Usage,
}

/// Translates a provider's whole answer, which is no error.
pub fn translate_reply(
    provider: &dyn Dialect,
    client: &dyn Dialect,
    undo: &Undo,
    view: &ClientView<'_>,
    body: &[u8],
) -> Result<Translated, Malformed> {
    let mut reply = provider.read_reply(body)?;
    undo_in_reply(undo, &mut reply);
    Ok(Translated { usage: reply.usage, body: client.write_reply(&reply, view) })
}

/// Translates one stream, event by event.
pub struct StreamTranslator {
    reader: Box<dyn EventReader>,
    writer: Box<dyn EventWriter>,
    undoing: Undoing,
    tally: Tally,
    /// Kept for its room.
    read: Vec<Event>,
}

impl std::fmt::Debug for StreamTranslator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamTranslator").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl StreamTranslator {
    /// A translator for one stream of so many choices.
    pub fn new(
        provider: &dyn Dialect,
        client: &dyn Dialect,
        undo: Undo,
        view: &ClientView<'_>,
        choices: usize,
    ) -> Self {
        Self {
            reader: provider.event_reader(),
            writer: client.event_writer(view),
            undoing: Undoing::new(undo),
            tally: Tally::new(choices),
            read: Vec::new(),
        }
    }

    /// Translates one event: what the client is sent for it is appended to `out`.
    ///
    /// An end before every choice has finished is reported and not passed on, and so is an error:
    /// both are the caller's to tell.
    pub fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Meaning, Malformed> {
        let mut read = std::mem::take(&mut self.read);
        let result = self.reader.read(name, data, &mut read);
        let meaning = self.pass_on(&mut read, out);
        self.read = read;
        result.map(|()| meaning)
    }

    /// The provider has closed the stream. Whether it is a whole answer, [`Self::finished`] says.
    pub fn close(&mut self, out: &mut Vec<u8>) -> Meaning {
        let mut read = std::mem::take(&mut self.read);
        self.reader.close(&mut read);
        let meaning = self.pass_on(&mut read, out);
        self.read = read;
        meaning
    }

    /// Ends a finished stream for the client, unless that was done.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.tally.end() {
            self.writer.write(&Event::End, out);
        }
    }

    /// Whether every choice has finished.
    pub fn finished(&self) -> bool {
        self.tally.finished()
    }

    /// Whether something is open in which no event may be left out.
    pub fn structured(&self) -> bool {
        self.tally.structured()
    }

    /// Token counts so far.
    pub fn usage(&self) -> Usage {
        self.tally.usage()
    }

    fn pass_on(&mut self, read: &mut Vec<Event>, out: &mut Vec<u8>) -> Meaning {
        let mut meaning = Meaning::Preamble;
        for event in read.drain(..) {
            match event {
                Event::Error(facts) => return Meaning::Error(facts),
                Event::End => {
                    self.tally.close();
                    if self.tally.finished() {
                        self.end(out);
                    }
                    return Meaning::End;
                }
                event => {
                    let (tally, writer) = (&mut self.tally, &mut self.writer);
                    self.undoing.undo(event, &mut |event| {
                        tally.note(&event, &mut meaning);
                        writer.write(&event, out);
                    });
                }
            }
        }
        meaning
    }
}

#[cfg(test)]
mod tests;
