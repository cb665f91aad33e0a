//! What is left when nobody may be asked as things are: to wait for a moment, or to ask for less.

use std::sync::Arc;
use std::time::Instant;

use super::{Failover, verdict};
use crate::proxy::attempt::Failure;
use crate::proxy::trail::Asked;

impl Failover {
    /// Waits for a target that asked to be left alone for a moment, where nobody else can be asked.
    pub(super) async fn wait_for_someone(&mut self) -> bool {
        let Some((index, until)) = self.stage().soonest().filter(|_| self.may_try()) else {
            return false;
        };
        let resolved = Arc::clone(&self.stage().resolved);
        let upstream = resolved.route.targets[index].upstream();
        let Some(upstream) = upstream else { return false };
        let wait = verdict::after_rest(until.saturating_duration_since(Instant::now()));
        let too_long = self.waited + wait > upstream.retry.max_retry_after + verdict::REST_JITTER;
        let Some(_permit) = upstream.state.retry_budget.wait().filter(|_| !too_long) else {
            return false;
        };
        if Instant::now() + wait >= self.deadline.at {
            return false;
        }
        self.waited += wait;
        tokio::time::sleep(wait).await;
        true
    }

    /// The prompt is longer than a model's context: routes that were named for that are asked, or
    /// targets whose models may take more. The same model is not asked again anywhere.
    pub(super) fn too_long(&mut self, at: usize, index: usize, failure: Failure, asked: Asked) {
        let resolved = Arc::clone(&self.stages[at].resolved);
        self.stages[at].give_up(index);
        let first = self.refusal.is_none();
        self.refusal = Some((failure, asked));
        let Some(upstream) = resolved.route.targets[index].upstream() else { return };
        let longer = &self.stages[0].resolved.longer;
        if first && !longer.is_empty() {
            self.to_come = longer.iter().cloned().collect();
            (0..resolved.route.targets.len()).for_each(|index| self.stages[at].give_up(index));
            return;
        }
        if first {
            self.to_come.clear();
        }
        let model = upstream.model_for(&resolved.model);
        self.stages[at].keep_longer(&model, upstream.facts(&model).context_tokens);
    }
}
