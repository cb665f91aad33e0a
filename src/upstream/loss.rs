//! What a request that got no answer left behind: whether sending it once more is the same request
//! or a second one, which the provider would work on, and bill, again.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing of it was written.
    Unsent,
    /// The HTTP/2 server says that it did not process it, and serves on (RFC 9113 section 8.7).
    Refused,
    /// The HTTP/2 server says that it did not process it, and will take no more (the same section).
    GoneAway,
    /// The connection broke; how far the request got, nobody knows.
    Broken,
    /// Anything else.
    Other,
}

/// A peer that had closed an idle connection before the request came says so within one round trip,
/// which this is well above; a connection that breaks later took a request that was being worked on.
const ROUND_TRIP: Duration = Duration::from_secs(1);

impl Loss {
    pub(super) fn of(error: &hyper::Error) -> Self {
        if error.is_canceled() || error.is_closed() {
            return Self::Unsent;
        }
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                return Self::on_http2(error);
            }
            if let Some(error) = error.downcast_ref::<std::io::Error>()
                && matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
            {
                return Self::Broken;
            }
            cause = error.source();
        }
        if error.is_incomplete_message() { Self::Broken } else { Self::Other }
    }

    /// A GOAWAY is reported only to the streams after the last one that the server processed, and to
    /// those that were never opened.
    fn on_http2(error: &h2::Error) -> Self {
        match error.is_remote() {
            true if error.is_go_away() => Self::GoneAway,
            true if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Self::Refused,
            _ => Self::Other,
        }
    }

    /// Whether the connection takes no further request.
    pub(super) fn ends_connection(self) -> bool {
        matches!(self, Self::Unsent | Self::GoneAway | Self::Broken)
    }

    /// Whether the request may be sent once more, `after` this long on a connection that was `reused`.
    pub(super) fn is_harmless(self, reused: bool, after: Duration) -> bool {
        match self {
            Self::Unsent | Self::Refused | Self::GoneAway => true,
            Self::Broken => reused && after < ROUND_TRIP,
            Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_worked_on_is_not_repeated() {
        let (soon, late) = (Duration::from_millis(20), Duration::from_secs(5));
        assert!(Loss::Broken.is_harmless(true, soon));
        assert!(!Loss::Broken.is_harmless(true, late));
        assert!(!Loss::Broken.is_harmless(false, soon));
        assert!(!Loss::Other.is_harmless(true, soon));
    }

    #[test]
    fn what_was_not_processed_is_repeated_at_any_time() {
        for loss in [Loss::Unsent, Loss::Refused, Loss::GoneAway] {
            assert!(loss.is_harmless(false, Duration::from_secs(60)), "{loss:?}");
        }
    }

    #[test]
    fn our_own_resets_are_not_taken_for_the_servers() {
        assert_eq!(Loss::on_http2(&h2::Reason::REFUSED_STREAM.into()), Loss::Other);
    }
}
