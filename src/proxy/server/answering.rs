//! The body of an answer on its way into hyper.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::patience::Turn;
use super::silence::Running;

/// Largest piece handed out at a time over HTTP/2, which is a frame of usual size. What is handed
/// out stays in memory until the client opens its window, even after the stream was reset.
const PIECE: usize = 16 << 10;

/// A body, counted as running on its connection until it has ended. Over HTTP/2 it tells when the
/// client has to take something, and hands out small pieces.
#[derive(Debug)]
pub(super) struct Answering<B> {
    body: B,
    /// The rest of what the body gave.
    rest: Bytes,
    /// Of the HTTP/2 stream.
    turn: Option<Arc<Turn>>,
    _running: Running,
}

impl<B> Answering<B> {
    pub(super) fn new(body: B, running: Running) -> Self {
        Self { body, rest: Bytes::new(), turn: Turn::current(), _running: running }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        Frame::data(self.rest.split_to(self.rest.len().min(PIECE)))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(turn) = self.turn.clone() else { return Pin::new(&mut self.body).poll_frame(cx) };
        turn.asked();
        if self.rest.is_empty() {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                ended_or_pending => return ended_or_pending,
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        turn.handed_out();
        Poll::Ready(Some(Ok(self.piece())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    /// hyper asks before the first piece, when there is no rest.
    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}
