//! How a provider's events become what the client is sent: as they came, or in another protocol.

use bytes::Bytes;

use super::batch::without_null_usage;
use super::framing::Frame;
use crate::protocol::Malformed;
use crate::protocol::dialect::ClientView;
use crate::protocol::hub::StreamTranslator;
use crate::protocol::registry::Operation;
use crate::protocol::stream::{Meaning, StreamReader};
use crate::protocol::transcript::{Interrupted, Notes, Unresumable};
use crate::protocol::usage::Usage;

/// How a provider's events become what the client is sent.
pub(in crate::proxy) enum Passage {
    /// Both sides speak the same: the bytes as they came.
    Direct {
        reader: Box<dyn StreamReader>,
        operation: &'static Operation,
        /// Usage was asked for by the gateway: the caller must not see it.
        hide_usage: bool,
        /// What has to be known to go on with it, if somebody may have to.
        notes: Option<Box<Notes>>,
    },
    /// Each event is written anew.
    Translated(Box<StreamTranslator>),
}

/// One event: what it means, and what the client is sent for it. What an event said before the part
/// of it that is an error, or that cannot be read, is sent too.
pub(super) struct Passed {
    pub meaning: Result<Meaning, Malformed>,
    pub bytes: Bytes,
}

impl Passage {
    pub(in crate::proxy) fn direct(
        operation: &'static Operation,
        choices: usize,
        hide_usage: bool,
    ) -> Self {
        let reader = operation.answers.stream(choices);
        Self::Direct { reader, operation, hide_usage, notes: None }
    }

    /// Notes what the client gets, so that somebody else can go on with it, where the API of
    /// `client` has a neutral form.
    pub(in crate::proxy) fn recorded(self, client: &Operation) -> Self {
        let Some(dialect) = client.dialect else { return self };
        match self {
            Self::Direct { reader, operation, hide_usage, .. } => {
                Self::Direct { reader, operation, hide_usage, notes: Some(Box::default()) }
            }
            Self::Translated(translator) => {
                Self::Translated(Box::new(translator.recorded(dialect)))
            }
        }
    }

    /// Takes out what somebody else needs to go on with the stream. `view` is that of the client's
    /// request.
    pub(super) fn interrupt(&mut self, view: &ClientView<'_>) -> Result<Interrupted, Unresumable> {
        match self {
            Self::Direct { reader, operation, notes, .. } => {
                let dialect = operation.dialect.ok_or(Unresumable::Unrecorded)?.dialect();
                let notes = notes.as_deref().ok_or(Unresumable::Unrecorded)?;
                notes.interrupted(dialect, view, reader.usage())
            }
            Self::Translated(translator) => translator.interrupt(),
        }
    }

    /// Bytes that are kept for somebody who may have to go on with it.
    pub(super) fn kept(&self) -> usize {
        match self {
            Self::Direct { notes, .. } => notes.as_ref().map_or(0, |notes| notes.size()),
            Self::Translated(translator) => translator.kept(),
        }
    }

    /// Keeps nothing any longer.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Direct { notes, .. } => *notes = None,
            Self::Translated(translator) => translator.forget(),
        }
    }

    pub(super) fn pass(&mut self, frame: Frame) -> Passed {
        match self {
            Self::Direct { .. } if frame.is_silent() => {
                Passed { meaning: Ok(Meaning::Preamble), bytes: frame.into_raw() }
            }
            Self::Direct { reader, hide_usage, notes, .. } => {
                let (name, data) = (frame.event(), frame.data());
                let meaning = reader.read_noting(name, data, notes.as_deref_mut());
                if let (Some(notes), Ok(meaning)) = (notes, &meaning)
                    && !matches!(meaning, Meaning::Error(_) | Meaning::End)
                {
                    notes.passed(name, data);
                }
                let bytes = match &meaning {
                    Err(_) | Ok(Meaning::Error(_)) => Bytes::new(),
                    Ok(Meaning::End) if !reader.finished() => Bytes::new(),
                    Ok(Meaning::UsageOnly) if *hide_usage => Bytes::new(),
                    Ok(_) if *hide_usage => without_null_usage(frame),
                    Ok(_) => frame.into_raw(),
                };
                Passed { meaning, bytes }
            }
            // The client's own protocol may have no such thing; the gateway keeps it awake itself.
            Self::Translated(_) if frame.is_silent() => {
                Passed { meaning: Ok(Meaning::Preamble), bytes: Bytes::new() }
            }
            Self::Translated(translator) => {
                let mut out = Vec::new();
                let meaning = translator.read(frame.event(), frame.data(), &mut out);
                Passed { meaning, bytes: out.into() }
            }
        }
    }

    /// What is left when the provider closes; `rest` is a frame without its blank line. Only of a
    /// finished stream.
    pub(super) fn close(&mut self, rest: Option<Frame>) -> Bytes {
        match self {
            Self::Direct { reader, operation, hide_usage, .. } => {
                let Some(rest) = rest else {
                    return if reader.finished() { self.end() } else { Bytes::new() };
                };
                let meaning = reader.read(rest.event(), rest.data());
                if !reader.finished() {
                    return Bytes::new();
                }
                // The last words and the reason of the end may stand in it.
                let shown = match meaning {
                    Ok(Meaning::End) => return [&rest.into_raw()[..], b"\n\n"].concat().into(),
                    Ok(Meaning::UsageOnly) if *hide_usage => None,
                    Ok(Meaning::Error(_)) | Err(_) => None,
                    Ok(_) => Some(rest.into_raw()),
                };
                let shown = shown.map_or_else(Vec::new, |raw| [&raw[..], b"\n\n"].concat());
                [&shown, operation.answers.end_marker()].concat().into()
            }
            Self::Translated(translator) => {
                let mut out = Vec::new();
                if let Some(rest) = rest {
                    // What cannot be read of it is not needed of a stream that has finished.
                    let _ = translator.read(rest.event(), rest.data(), &mut out);
                }
                translator.close(&mut out);
                if translator.finished() {
                    translator.end(&mut out);
                }
                out.into()
            }
        }
    }

    /// What ends a finished stream whose end marker does not come.
    pub(super) fn end(&mut self) -> Bytes {
        match self {
            Self::Direct { operation, .. } => Bytes::from_static(operation.answers.end_marker()),
            Self::Translated(translator) => {
                let mut out = Vec::new();
                translator.end(&mut out);
                out.into()
            }
        }
    }

    pub(super) fn finished(&self) -> bool {
        match self {
            Self::Direct { reader, .. } => reader.finished(),
            Self::Translated(translator) => translator.finished(),
        }
    }

    pub(super) fn structured(&self) -> bool {
        match self {
            Self::Direct { reader, .. } => reader.structured(),
            Self::Translated(translator) => translator.structured(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        match self {
            Self::Direct { reader, .. } => reader.usage(),
            Self::Translated(translator) => translator.usage(),
        }
    }
}
