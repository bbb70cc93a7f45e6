//! A storm as an action of the guest, and what of it is repeated as teeth.

use harness_proto::{Action, FloodedFile, Probe, Round, Storm};
use scenarios::schema::{self, StormAgent};

use super::{Expansion, READY_MS};
use crate::expectation::Expectation;

/// Opens with which the teeth show that a file can be opened.
const TEETH_OPENS: u32 = 1000;

/// What must be allowed without the agent, and with the rules removed.
pub(super) fn tooth(storm: &schema::Storm) -> Probe {
    Probe::Flood {
        open: FloodedFile {
            path: storm.open.clone(),
        },
        times: TEETH_OPENS,
    }
}

impl Expansion<'_> {
    pub(super) fn storm(&mut self, storm: &schema::Storm) -> Result<(), &'static str> {
        let agent = self.running.clone().ok_or("storms, but no agent runs")?;
        let decided = self.adapter.decided();
        let decided =
            decided.ok_or("counts policies by their denials, which this agent does not tell")?;
        let reload = self.adapter.reload();
        let round = match storm.agent {
            StormAgent::GoesOn => Round::Swap {
                signal: reload.signal,
                answer: reload.answer,
                applied: reload.applied,
            },
            StormAgent::IsKilled { within_us, seed } => Round::Kill {
                signal: reload.signal,
                within_us,
                seed,
                argv: self.adapter.start(self.last_start.0, &self.last_start.1),
                ready: self.adapter.ready(),
            },
        };
        let mut policies = Vec::new();
        for without in &storm.without {
            let policy = self.policy(without, None);
            if !policy.blanks.is_empty() {
                return Err("storms with rules about what only the guest knows");
            }
            policies.push(policy.content);
        }
        let action = Action::Storm(Box::new(Storm {
            path: storm.open.clone(),
            openers: storm.openers,
            opens: storm.opens,
            rounds: storm.rounds,
            round,
            policy_path: self.adapter.policy_path().into(),
            policies,
            agent,
            decided,
            round_deadline_ms: READY_MS,
            deadline_ms: u64::from(storm.deadline_s) * 1000,
        }));
        self.push(
            action,
            Expectation::Storm {
                errno: storm.errno,
                rounds: storm.rounds,
                generations: storm.generations,
            },
        );
        Ok(())
    }
}
