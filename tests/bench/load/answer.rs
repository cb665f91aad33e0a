//! Reads one HTTP/1.1 answer as it arrives: is it a 200, where does it end, how many events.

use std::io::{Error, Result};

/// Where in the answer the next byte is.
#[derive(Default)]
enum Position {
    #[default]
    Head,
    /// A body of known length, with so many bytes to come.
    Length(usize),
    /// The size line of a chunk.
    Size,
    /// Inside a chunk, with so many bytes to come (its line end included).
    Chunk(usize),
    /// After the chunk of size 0.
    Trailer,
    End,
}

/// An answer in the making. An event ends with a blank line; the parser looks at nothing else of
/// the content.
#[derive(Default)]
pub(crate) struct Answer {
    position: Position,
    /// A head or size line whose end has not arrived.
    partial: Vec<u8>,
    last_byte: u8,
}

impl Answer {
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.position, Position::End)
    }

    /// Takes what was read and returns how many events ended in it.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<usize> {
        let mut events = 0;
        while !bytes.is_empty() {
            match self.position {
                Position::Head => {
                    let Some(head) = self.take_until(&mut bytes, b"\r\n\r\n") else { break };
                    self.position = after_head(&head)?;
                }
                Position::Size => {
                    let Some(line) = self.take_until(&mut bytes, b"\r\n") else { break };
                    self.position = after_size(&line)?;
                }
                Position::Trailer => {
                    if self.take_until(&mut bytes, b"\r\n").is_none() {
                        break;
                    }
                    self.position = Position::End;
                }
                Position::Length(left) => {
                    let taken = left.min(bytes.len());
                    bytes = &bytes[taken..];
                    self.position =
                        if taken == left { Position::End } else { Position::Length(left - taken) };
                }
                Position::Chunk(left) => {
                    let taken = left.min(bytes.len());
                    events += self.count_events(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    self.position =
                        if taken == left { Position::Size } else { Position::Chunk(left - taken) };
                }
                Position::End => return Err(Error::other("bytes after the end of the answer")),
            }
        }
        Ok(events)
    }

    /// What precedes `end`, once it has arrived whole; `bytes` goes on behind it.
    fn take_until(&mut self, bytes: &mut &[u8], end: &[u8]) -> Option<Vec<u8>> {
        let known = self.partial.len();
        self.partial.extend_from_slice(bytes);
        let found = memchr::memmem::find(&self.partial, end)?;
        *bytes = &bytes[found + end.len() - known..];
        let mut taken = std::mem::take(&mut self.partial);
        taken.truncate(found);
        Some(taken)
    }

    /// Blank lines in `data`. A chunk's own line end is `\r\n`, which never makes one.
    fn count_events(&mut self, data: &[u8]) -> usize {
        let ended = memchr::memchr_iter(b'\n', data)
            .filter(|&at| if at == 0 { self.last_byte == b'\n' } else { data[at - 1] == b'\n' })
            .count();
        self.last_byte = data.last().copied().unwrap_or(self.last_byte);
        ended
    }
}

fn after_head(head: &[u8]) -> Result<Position> {
    let head = str::from_utf8(head).map_err(Error::other)?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(Error::other(head.to_owned()));
    }
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            return value.trim().parse().map(Position::Length).map_err(Error::other);
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Position::Size);
        }
    }
    Err(Error::other("an answer without a length"))
}

fn after_size(line: &[u8]) -> Result<Position> {
    let line = str::from_utf8(line).map_err(Error::other)?;
    match usize::from_str_radix(line.trim(), 16).map_err(Error::other)? {
        0 => Ok(Position::Trailer),
        size => Ok(Position::Chunk(size + 2)),
    }
}
