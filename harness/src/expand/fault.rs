//! Faults as actions of the guest.

use harness_proto::{Action, Exit, Fault};

use super::{EXIT_MS, Expansion};
use crate::expectation::{Blame, Expectation};

/// A killed hog, a filled disk: nothing takes longer unless it is stuck.
const FAULT_MS: u64 = 30_000;
const SIGKILL: i32 = 9;

/// What a fault is called.
pub(super) fn called<'a>(name: Option<&'a str>, fault: &Fault) -> &'a str {
    name.unwrap_or(fault.kind())
}

/// The guest has to be able to do it, whoever the agent is.
pub(super) fn injecting(name: Option<&str>, fault: &Fault, process: &str) -> (Action, Expectation) {
    let action = Action::Inject {
        name: called(name, fault).into(),
        fault: fault.clone(),
        process: process.into(),
        deadline_ms: FAULT_MS,
    };
    (action, Expectation::Done(Blame::Harness))
}

pub(super) fn lifting(name: &str) -> (Action, Expectation) {
    let action = Action::Lift { name: name.into() };
    (action, Expectation::Done(Blame::Harness))
}

impl Expansion<'_> {
    pub(super) fn fault(&mut self, name: Option<&str>, fault: &Fault) -> Result<(), &'static str> {
        let called = called(name, fault);
        if self.faults.iter().any(|known| known == called) {
            return Err("is a fault of a name that one in place has: give it a `name`");
        }
        let process = match (&self.running, fault.is_of_process()) {
            (Some(running), true) => running.clone(),
            (None, true) => return Err("is a fault of the agent, but no agent runs"),
            (_, false) => String::new(),
        };
        let (action, expectation) = injecting(name, fault, &process);
        self.push(action, expectation);
        self.faults.push(called.into());
        if *fault == Fault::OutOfMemory {
            self.gone(Exit::Signal(SIGKILL), None)?;
        }
        Ok(())
    }

    pub(super) fn lift(&mut self, name: &str) -> Result<(), &'static str> {
        let place = self.faults.iter().position(|known| known == name);
        let place = place.ok_or("lifts a fault that is not in place")?;
        self.faults.remove(place);
        let (action, expectation) = lifting(name);
        self.push(action, expectation);
        Ok(())
    }

    /// The last one first: it may be on top of another.
    pub(super) fn lift_all(&mut self) {
        while let Some(name) = self.faults.pop() {
            let (action, expectation) = lifting(&name);
            self.push(action, expectation);
        }
    }

    pub(super) fn ends(&mut self, exit: i32, says: &str) -> Result<(), &'static str> {
        self.gone(Exit::Status(exit), Some(says.into()))
    }

    /// Wait until the agent is gone, which nobody asked it to be.
    fn gone(&mut self, exit: Exit, says: Option<String>) -> Result<(), &'static str> {
        let name = self.running.take().ok_or("ends, but no agent runs")?;
        self.ended = Some(name.clone());
        let action = Action::AwaitExit {
            name,
            deadline_ms: EXIT_MS,
        };
        self.push(action, Expectation::Ended { exit, says });
        Ok(())
    }
}
