//! Who does what next. Cells of a machine that is ready come first, so that
//! no more machines are kept than there are workers; a worker without a cell
//! boots the next machine; all share the cells of the last ones.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    cell::{Cell, Group},
    interrupt::Interrupt,
    vm::Snapshot,
};

/// A machine that is ready, with the cells that it has still to run.
pub(super) struct OpenGroup {
    pub(super) snapshot: Box<dyn Snapshot>,
    pub(super) cells: VecDeque<Cell>,
}

/// What a worker does next.
pub(super) enum Task {
    Boot(Group, Vec<Cell>),
    Cell(Arc<Started>, Cell),
}

/// The saved machine of a group; it goes when its last cell has ended.
pub(super) struct Started {
    pub(super) snapshot: Box<dyn Snapshot>,
}

pub(super) struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: VecDeque<(Group, Vec<Cell>)>,
    booting: usize,
    open: VecDeque<(Arc<Started>, VecDeque<Cell>)>,
}

impl Schedule {
    pub(super) fn new(groups: Vec<(Group, Vec<Cell>)>) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: groups.into(),
                booting: 0,
                open: VecDeque::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// The next task; `None` when there is none and none will come.
    pub(super) fn next(&self, interrupt: &Interrupt) -> Option<Task> {
        let mut state = self.state();
        loop {
            if interrupt.requested() {
                return None;
            }
            if let Some(task) = state.cell() {
                return Some(task);
            }
            if let Some((group, cells)) = state.waiting.pop_front() {
                state.booting += 1;
                return Some(Task::Boot(group, cells));
            }
            if state.booting == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A [`Task::Boot`] has ended, with a machine or without.
    pub(super) fn booted(&self, group: Option<OpenGroup>) {
        let mut state = self.state();
        state.booting -= 1;
        if let Some(OpenGroup { snapshot, cells }) = group {
            state
                .open
                .push_back((Arc::new(Started { snapshot }), cells));
        }
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cell(&mut self) -> Option<Task> {
        while let Some((started, cells)) = self.open.front_mut() {
            if let Some(cell) = cells.pop_front() {
                return Some(Task::Cell(Arc::clone(started), cell));
            }
            self.open.pop_front();
        }
        None
    }
}
