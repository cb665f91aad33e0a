//! A stream that goes on with another target than the one that began it, or begins without any.

use super::breaking::Break;
use super::clock::Clock;
use super::{Source, Step, StreamBody};
use crate::proxy::attempt::Answer;
use crate::proxy::classify::Class;
use crate::proxy::error::Reason;
use crate::proxy::failover::{Answered, Failover, Unanswered};

impl StreamBody {
    /// The search behind the stream is over.
    pub(super) fn found(
        &mut self,
        failover: Box<Failover>,
        answer: Result<Answered, Unanswered>,
    ) -> Step {
        self.source = Source::Nothing;
        match answer {
            Ok(Answered {
                answer: Answer::Stream { held, progress, events, .. },
                guard,
                provider_time,
            }) => {
                self.clock = Clock::new(guard.timeouts(), progress);
                self.exchange.provider_time = Some(provider_time);
                self.exchange.response_bytes += held.len() as u64;
                self.source = Source::Events(events, guard);
                self.failover = Some(failover).filter(|failover| failover.may_resume());
                if self.broke.take().is_some() {
                    self.exchange.resumes += 1;
                    self.count_resume("resumed");
                }
                self.progressed(progress);
                if held.is_empty() { Step::Again } else { Step::Send(held) }
            }
            // Whoever is asked for a stream answers with one, or has failed.
            Ok(_) => self.break_off(Break::of(
                Reason::Internal,
                Class::Failure,
                "an answer that is no stream came too late",
            )),
            Err(unanswered) => {
                let how = match self.broke.take() {
                    Some(broke) => {
                        self.count_resume("failed");
                        let tries = self.exchange.trail.summary();
                        let message =
                            format!("{}; nobody else could go on: {tries}", broke.message);
                        Break { message, ..broke }
                    }
                    None => unanswered.into(),
                };
                self.break_off(how)
            }
        }
    }

    /// The stream broke off: somebody else goes on with it, if that can be.
    pub(super) fn interrupted(&mut self, how: Break) -> Step {
        let failover = self.failover.take().filter(|_| how.may_be_mended());
        let (Source::Events(events, attempt), Some(failover)) = (&mut self.source, failover) else {
            return self.break_off(how);
        };
        let interrupted = match failover.interrupt(events) {
            Ok(interrupted) => interrupted,
            Err(why) => {
                self.count_resume("impossible");
                let message = format!("{}; nobody else can go on: {why}", how.message);
                return self.break_off(Break { message, ..how });
            }
        };
        attempt.record_failure(how.class, &how.message);
        let name = attempt.target_name().to_owned();
        self.exchange.trail.failed(&name, how.class.as_str());
        self.take_counts();
        self.others = self.exchange.usage;
        self.source = Source::Search(failover.resume(interrupted));
        self.clock = Clock::searching();
        self.broke = Some(how);
        Step::Again
    }

    fn count_resume(&self, outcome: &str) {
        let route = self.exchange.route.as_ref().map_or("", |route| &*route.label);
        self.exchange.gateway.metrics.resumes.with_label_values(&[route, outcome]).inc();
    }
}
