//! Taking a request in: everything that can be refused is refused before its body is read.

mod coding;

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter::successors;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::budget::{Budget, Exhausted, Reservation};
use super::error::{ProxyError, Reason};
use coding::Coding;

/// The longest pause of a body. A client that sends nothing for so long will not go on.
const BODY_GRACE: Duration = Duration::from_secs(30);
/// The least rate of a body, in bytes a second, where pauses are made up for: what arrives more
/// slowly holds memory that others need. Lines that carry bodies of megabytes are faster.
const BODY_RATE: u64 = 32 << 10;
/// When the memory for bodies is used up, it frees itself within the time of an answer.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(1);
/// Bytes of a refused request's body that are read and forgotten, and how long they may take: nearly
/// all bodies are shorter, and no stranger costs more.
const DISCARDED: usize = 256 << 10;
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// A body and the memory it was given. The reservation lives as long as the body may be sent again.
#[derive(Debug)]
pub(super) struct TakenBody {
    pub bytes: Bytes,
    pub reservation: Reservation,
}

/// What a head says about the body that follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    /// Its length, as it comes.
    length: Option<usize>,
    /// How it is compressed.
    coding: Option<Coding>,
}

/// Checks what the head says about the body.
pub(super) fn check_head(headers: &HeaderMap, max_body: usize) -> Result<Announced, ProxyError> {
    let coding = coding::coding(headers)?;
    // No content type at all is what many scripts send; another one than JSON is a mistake.
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(media_type) = media_type
        && !is_json(media_type)
    {
        let message = format!("the body is `{media_type}`: send `content-type: application/json`");
        return Err(ProxyError::new(Reason::UnsupportedMediaType, message).permanent());
    }
    let Some(length) = headers.get(CONTENT_LENGTH) else {
        return Ok(Announced { length: None, coding });
    };
    let length = length.to_str().ok().and_then(|text| text.parse::<u64>().ok());
    let length = length.ok_or_else(|| {
        ProxyError::new(Reason::InvalidRequest, "`content-length` is not a number").permanent()
    })?;
    match usize::try_from(length) {
        Ok(length) if length <= max_body => Ok(Announced { length: Some(length), coding }),
        _ => Err(too_large(max_body)),
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.to_ascii_lowercase().ends_with("+json")
        // What `curl -d` says when nobody tells it otherwise.
        || essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Reads the body within its limits, and unpacks it if it is compressed.
pub(super) async fn take_body<B>(
    body: B,
    announced: Announced,
    max_body: usize,
    budget: &Budget,
) -> Result<TakenBody, ProxyError>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    let taken = read_body(body, announced.length, max_body, budget).await?;
    match announced.coding {
        None => Ok(taken),
        // Boxed: few bodies are compressed, and every request's future would have room for it.
        Some(coding) => Box::pin(coding::unpack(coding, taken, max_body, budget)).await,
    }
}

async fn read_body<B>(
    mut body: B,
    announced: Option<usize>,
    max_body: usize,
    budget: &Budget,
) -> Result<TakenBody, ProxyError>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    // What is announced is not there yet: only what arrives takes from the budget of all.
    let mut reservation = budget.reserve(0).map_err(full)?;
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut deadline = Instant::now() + BODY_GRACE;
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| {
            ProxyError::new(Reason::RequestTimeout, "the request body arrives too slowly")
        })?;
        let data = match frame {
            None => break,
            Some(Err(error)) => return Err(broken_off(&error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_trailers) => continue,
            },
        };
        deadline = (deadline + time_for(data.len())).min(Instant::now() + BODY_GRACE);
        let so_far = first.len().max(more.len()) + data.len();
        if so_far > max_body {
            return Err(too_large(max_body));
        }
        if first.is_empty() && more.is_empty() {
            reservation.grow_to(so_far).map_err(full)?;
            first = data;
            continue;
        }
        if so_far > more.capacity() {
            // Doubled, so that a body in a thousand pieces is not copied a thousand times.
            let room = (2 * so_far).min(announced.unwrap_or(max_body)).max(so_far);
            reservation.grow_to(room).map_err(full)?;
            more.reserve(room - more.len());
        }
        if !first.is_empty() {
            more.extend_from_slice(&std::mem::take(&mut first));
        }
        more.extend_from_slice(&data);
    }
    let bytes = if more.is_empty() { first } else { more.freeze() };
    Ok(TakenBody { bytes, reservation })
}

/// Reads the body of a request that is refused by its head. hyper closes a connection with an unread
/// body on it without a word, and a client that keeps its connections sees its next request break.
pub(super) async fn discard<B>(headers: &HeaderMap, mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
{
    // Such a client sends nothing before it is told to, which reading would do.
    if headers.contains_key(EXPECT) {
        return;
    }
    let all = async {
        let mut left = DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    // The client hears of the refusal either way.
    let _ = timeout(DISCARD_TIME, all).await;
}

/// Why a body ended in the middle: its client went away and nobody is there to read an answer, or
/// its framing makes no sense and its client waits for one.
fn broken_off(error: &(dyn Error + 'static)) -> ProxyError {
    // That is how hyper tells of chunks that are none; an early end has another kind.
    let malformed = successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData));
    if malformed {
        let message = "the request body's chunks are malformed";
        ProxyError::new(Reason::InvalidRequest, message).permanent()
    } else {
        ProxyError::new(Reason::Cancelled, "the client went away")
    }
}

/// How long that many bytes may take at the least rate.
fn time_for(bytes: usize) -> Duration {
    Duration::from_millis((bytes as u64).saturating_mul(1000) / BODY_RATE)
}

fn too_large(max_body: usize) -> ProxyError {
    let message = format!("the request body is larger than {max_body} bytes (`--max-body-size`)");
    ProxyError::new(Reason::RequestTooLarge, message).permanent()
}

/// The refusal of what the memory for bodies has no room for.
pub(super) fn full(_: Exhausted) -> ProxyError {
    let message = "the gateway's memory for bodies is used up (`--max-buffered-bytes`)";
    ProxyError::new(Reason::Overloaded, message).retry_after(Some(RETRY_WHEN_FULL))
}

#[cfg(test)]
mod tests;
