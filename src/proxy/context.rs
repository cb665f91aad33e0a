//! What every try of a request has to know of it, apart from what is asked.

use std::sync::Arc;
use std::time::SystemTime;

use super::Gateway;
use super::exchange::Exchange;
use super::resolve::Resolved;
use super::trail::Trail;
use crate::protocol::dialect::ClientView;
use crate::protocol::registry::ProtocolId;
use crate::table::Caller;

/// What every try of a request has to know of it. Outlives the handler: tries go on behind a stream
/// that has begun.
#[derive(Debug)]
pub(super) struct Context {
    pub gateway: Arc<Gateway>,
    pub request_id: Arc<str>,
    /// The protocol that the client speaks.
    pub protocol: ProtocolId,
    pub caller: Option<Arc<Caller>>,
    pub trail: Arc<Trail>,
}

impl Context {
    pub fn of(exchange: &Exchange) -> Self {
        Self {
            gateway: Arc::clone(&exchange.gateway),
            request_id: Arc::clone(&exchange.request_id),
            protocol: exchange.protocol,
            caller: exchange.caller.clone(),
            trail: Arc::clone(&exchange.trail),
        }
    }

    /// What a writer of answers must know of the request. `model` is the one that was asked.
    pub fn client_view<'a>(&'a self, resolved: &'a Resolved, model: &'a str) -> ClientView<'a> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let request = resolved.neutral().and_then(|request| request.as_ref().ok());
        ClientView {
            model,
            request_id: &self.request_id,
            created: now.unwrap_or_default().as_secs(),
            include_usage: resolved.facts.include_usage,
            stand_ins: request.map_or(&[], |request| &request.stand_ins),
        }
    }
}
