//! Errors of providers, and what clients are told of them.

use http::StatusCode;
use pilothouse::protocol::Protocol;
use pilothouse::protocol::error::ErrorView;
use pilothouse::protocol::registry::{Framing, OPERATIONS, ProtocolId};

use super::frames::{self, Pieces};
use super::shown;

/// Reads an error body by every protocol, and tells every client of it.
pub fn run(input: &[u8]) {
    let ([first, second], body) = super::choices(input);
    let status = StatusCode::from_u16(400 + u16::from(first) % 200).expect("a status");
    for provider in protocols() {
        let facts = provider.read_error(body);
        let param = (second % 2 == 0).then_some("messages[0]");
        let view = ErrorView {
            status,
            code: "provider_failed",
            message: &facts.message,
            param,
            request_id: "req-1",
        };
        for operation in OPERATIONS {
            let client = operation.protocol.protocol();
            let told = client.write_error(&view);
            assert!(serde_json::from_slice::<serde_json::Value>(&told).is_ok(), "{}", shown(&told));
            let read = client.read_error(&told).message;
            assert!(
                facts.message.is_empty() || read == facts.message,
                "{}: said {:?}, read {read:?}",
                operation.name,
                facts.message
            );
            // Nobody hears of an error in the middle of what is not streamed.
            if !operation.streams {
                continue;
            }
            let in_band = Pieces::whole(&operation.answers.in_band_error(&view));
            match operation.framing {
                Framing::Sse => assert_eq!(frames::read_sse(in_band).1, None, "half a frame"),
                Framing::AwsEventStream | Framing::AwsChunks => {
                    assert_eq!(frames::read_aws(in_band).1, Ok(()));
                }
            }
        }
    }
}

fn protocols() -> Vec<&'static dyn Protocol> {
    let mut rows: Vec<ProtocolId> = OPERATIONS.iter().map(|row| row.protocol).collect();
    rows.sort_unstable_by_key(|id| id.as_str());
    rows.dedup();
    rows.into_iter().map(ProtocolId::protocol).collect()
}
