//! How a request ends that no target answered.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Failover;
use super::exhausted::exhausted;
use crate::proxy::attempt::Failure;
use crate::proxy::classify::Class;
use crate::proxy::error::{ProxyError, Reason};
use crate::proxy::trail::Asked;

/// How a request ends that no target answered.
pub(in crate::proxy) enum Unanswered {
    /// With a target's own refusal, which is the caller's to see.
    PassedOn { class: Class, status: StatusCode, headers: HeaderMap, body: Bytes },
    /// With an error of the gateway's own.
    Error(ProxyError),
}

impl Failover {
    pub(super) fn unanswered(&mut self) -> Unanswered {
        if let Some((refusal, asked)) = self.refusal.take() {
            return self.passed_on(refusal, Some(asked));
        }
        let summary = self.context.trail.summary();
        let error = exhausted(&summary, &self.stages, &self.failed, self.deadline);
        Unanswered::Error(error.about(self.untranslatable.take()))
    }

    /// Shows the caller a failure that `asked` told, if anybody was asked.
    pub(super) fn passed_on(&self, failure: Failure, asked: Option<Asked>) -> Unanswered {
        match failure.passed_on {
            Some(answer) => {
                // Somebody else may have been asked since.
                if asked.is_some() {
                    self.context.trail.with(|steps| steps.last = asked);
                }
                let (status, headers, body) = *answer;
                Unanswered::PassedOn { class: failure.class, status, headers, body }
            }
            None => {
                let summary = self.context.trail.summary();
                let message =
                    format!("{summary} (route `{}`)", self.stages[0].resolved.route.label);
                let error = ProxyError::new(Reason::InvalidRequest, message).permanent();
                Unanswered::Error(error.about(failure.param))
            }
        }
    }
}
