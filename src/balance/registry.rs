//! (skeleton) THE table of strategies.
#![allow(missing_docs)]
use super::{Candidate, Strategy, Turn};
#[derive(Debug)]
pub struct StrategyRow {
    pub name: &'static str,
    pub summary: &'static str,
    pub strategy: &'static dyn Strategy,
}
#[derive(Debug)]
struct First;
impl Strategy for First {
    fn pick(&self, c: &[Candidate], _: Turn) -> Option<usize> {
        c.iter().position(|c| c.weight > 0)
    }
}
pub static STRATEGIES: &[StrategyRow] = &[
    StrategyRow { name: "Weighted", summary: "", strategy: &First },
    StrategyRow { name: "RoundRobin", summary: "", strategy: &First },
    StrategyRow { name: "LeastConnections", summary: "", strategy: &First },
    StrategyRow { name: "FastestResponse", summary: "", strategy: &First },
];
pub const DEFAULT: &str = "Weighted";
pub fn find(name: &str) -> Option<&'static StrategyRow> {
    STRATEGIES.iter().find(|row| row.name == name)
}
