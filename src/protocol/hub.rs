//! From one chat-like API to another: whole answers and streams, and what a request's writing has to
//! have undone in them.

mod resumption;
mod tally;
mod undo;

use bytes::Bytes;

use super::Malformed;
use super::continuation::Mode;
use super::dialect::{ClientView, Dialect, DialectId, EventReader, EventWriter, Undo};
use super::neutral::Event;
use super::splice::Mismatch;
use super::stream::Meaning;
use super::transcript::{Interrupted, LeftOut, Transcript, Unresumable};
use super::usage::Usage;
use resumption::{Mute, Resumption};
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
    /// What the client has, if somebody may have to go on with it.
    transcript: Option<Transcript>,
    /// Set where the client has the beginning from somebody else.
    resumption: Option<Box<Resumption>>,
    /// What it said does not fit what the client has: it is no whole answer, whatever else it says.
    mismatched: bool,
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
            transcript: None,
            resumption: None,
            mismatched: false,
            read: Vec::new(),
        }
    }

    /// Notes what a client of this API gets, so that somebody else can go on with it.
    #[must_use]
    pub fn recorded(mut self, client: DialectId) -> Self {
        self.transcript = Some(Transcript::new(client));
        self
    }

    /// A translator for one stream that goes on with another. `structured` if the whole text has to
    /// be JSON.
    pub fn resumed(
        provider: &dyn Dialect,
        undo: Undo,
        interrupted: Interrupted,
        mode: Mode,
        structured: bool,
    ) -> Self {
        let Interrupted { writer, transcript } = interrupted;
        let resumption = Resumption::new(&transcript, mode, structured);
        Self {
            reader: provider.event_reader(),
            writer,
            undoing: Undoing::new(undo),
            tally: Tally::new(1),
            transcript: Some(transcript),
            resumption: Some(Box::new(resumption)),
            mismatched: false,
            read: Vec::new(),
        }
    }

    /// Takes out what somebody else needs to go on with the stream. After that, nothing of it is
    /// written here.
    pub fn interrupt(&mut self) -> Result<Interrupted, Unresumable> {
        let transcript = self.transcript.as_ref().ok_or(Unresumable::Unrecorded)?;
        transcript.resumable()?;
        let left_out = self.resumption.as_ref().map_or_else(LeftOut::default, |it| it.left_out());
        let mut transcript = self.transcript.take().ok_or(Unresumable::Unrecorded)?;
        transcript.settle(self.tally.usage(), left_out);
        let writer = std::mem::replace(&mut self.writer, Box::new(Mute));
        Ok(Interrupted { writer, transcript })
    }

    /// Bytes that are kept for somebody who may have to go on with it.
    pub fn kept(&self) -> usize {
        self.transcript.as_ref().map_or(0, Transcript::size)
    }

    /// Keeps nothing any longer.
    pub fn forget(&mut self) {
        self.transcript = None;
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
        if !self.tally.end() {
            return;
        }
        if let (Some(resumption), Some(transcript)) = (&self.resumption, &self.transcript)
            && let Some(usage) =
                resumption.estimated(self.tally.usage(), transcript.delivered_tokens())
        {
            self.writer.write(&Event::Usage(usage), out);
        }
        self.writer.write(&Event::End, out);
    }

    /// Whether every choice has finished.
    pub fn finished(&self) -> bool {
        self.tally.finished() && !self.mismatched
    }

    /// Whether something is open in which no event may be left out.
    pub fn structured(&self) -> bool {
        self.tally.structured()
    }

    /// Token counts so far, those of tries before this one included.
    pub fn usage(&self) -> Usage {
        let said = self.tally.usage();
        self.resumption.as_ref().map_or(said, |resumption| resumption.spent(said))
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
                    if let Err(mismatch) = self.deliver(event, &mut meaning, out) {
                        self.mismatched = true;
                        return Meaning::Mismatch(mismatch);
                    }
                }
            }
        }
        meaning
    }

    fn deliver(
        &mut self,
        event: Event,
        meaning: &mut Meaning,
        out: &mut Vec<u8>,
    ) -> Result<(), Mismatch> {
        let Self { undoing, tally, writer, transcript, resumption, .. } = self;
        let mut result = Ok(());
        undoing.undo(event, &mut |event| {
            tally.note(&event, meaning);
            let Some(resumption) = resumption else {
                if let Some(transcript) = transcript {
                    transcript.note(&event);
                }
                writer.write(&event, out);
                return;
            };
            let mut new = Vec::new();
            if result.is_ok() {
                result = resumption.admit(event, &mut |event| new.push(event));
            }
            for event in new {
                if result.is_ok() {
                    result = resumption.check(&event, transcript.as_ref());
                }
                if result.is_ok() {
                    if let Some(transcript) = transcript {
                        transcript.note(&event);
                    }
                    writer.write(&event, out);
                }
            }
        });
        result
    }
}

#[cfg(test)]
mod tests;
