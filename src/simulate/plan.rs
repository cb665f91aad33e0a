//! Which tools are called, where that was fixed beforehand.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{prompt::Tool, reply::Call};

/// Calls in their order, each to be made once.
#[derive(Debug)]
pub(super) struct Plan(Mutex<VecDeque<Call>>);

impl Plan {
    pub(super) fn new(calls: impl IntoIterator<Item = Call>) -> Self {
        Self(Mutex::new(calls.into_iter().collect()))
    }

    /// The next call, if a request that offers these tools can be answered with it.
    pub(super) fn next(&self, offered: &[Tool]) -> Option<Call> {
        let mut calls = self.0.lock();
        let next = calls.front()?;
        let offers = offered.iter().any(|tool| tool.name == next.name);
        offers.then(|| calls.pop_front())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_made_in_their_order_where_their_tool_is_offered() {
        let call = |name: &str| Call { name: name.to_owned(), arguments: "{}".to_owned() };
        let tool = |name: &str| Tool { name: name.to_owned(), schema: serde_json::Value::Null };
        let plan = Plan::new([call("write"), call("read")]);
        assert_eq!(plan.next(&[tool("read")]), None);
        assert_eq!(plan.next(&[tool("read"), tool("write")]), Some(call("write")));
        assert_eq!(plan.next(&[tool("read"), tool("write")]), Some(call("read")));
        assert_eq!(plan.next(&[tool("read"), tool("write")]), None);
    }
}
