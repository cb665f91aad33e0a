//! What every try of a request has to know of it, apart from what is asked.

use std::sync::Arc;

use super::Gateway;
use super::exchange::Exchange;
use super::trail::Trail;
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
}
