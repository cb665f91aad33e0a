//! One request on, one answer back, both as streams.

use std::io::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::pool::Pool;

/// Sends the request to the pool's upstream. An error ends the client's connection, which the
/// load generator counts.
pub(crate) async fn forward(
    request: Request<Incoming>,
    pool: Arc<Pool>,
) -> Result<Response<Returning>, Error> {
    let (mut parts, body) = request.into_parts();
    if parts.version == Version::HTTP_2 {
        // HTTP/2 carries the host in the URI; HTTP/1.1 wants a header and a bare path.
        parts.headers.insert(HOST, HeaderValue::from_static("upstream"));
        parts.uri = origin_form(&parts.uri);
        parts.version = Version::HTTP_11;
    }
    strip_connection_headers(&mut parts.headers);

    let mut connection = pool.take().await?;
    let answer =
        connection.send_request(Request::from_parts(parts, body)).await.map_err(Error::other)?;
    let (mut parts, body) = answer.into_parts();
    strip_connection_headers(&mut parts.headers);
    Ok(Response::from_parts(parts, Returning { body, lease: Some((connection, pool)) }))
}

fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map(Uri::from).unwrap_or_default()
}

fn strip_connection_headers(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}

/// An answer's body that gives its connection back at the last byte. Dropped earlier, it drops
/// the connection too: the rest of the answer is still on it.
pub(crate) struct Returning {
    body: Incoming,
    lease: Option<(SendRequest<Incoming>, Arc<Pool>)>,
}

impl Body for Returning {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if matches!(frame, None | Some(Ok(_)))
            && self.body.is_end_stream()
            && let Some((connection, pool)) = self.lease.take()
        {
            pool.put(connection);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
