//! One decision: which lists speak of what is tried, and which of their rules
//! is the strongest.
//!
//! What no list speaks of, which is nearly everything, is decided by one word
//! of [`crate::maps`], a bit for the object and a bit for its folder.

use aegisbpf_abi::{
    Active, Domain, Effect, Event, Key, Operation, Operations, Reference, RuleList,
    active::flag,
    file::DEPTH,
    key::Kind,
    verdict::{Decision, Request},
};
use aya_ebpf::helpers::generated::bpf_send_signal;

use crate::{
    ALLOW, DENY, emit,
    kernel::{Dentry, Inode},
    maps::{Filter, filter, may_be_listed},
    subject::aegisbpf_subjects,
    weigh::{aegisbpf_exempt, aegisbpf_find, aegisbpf_weigh},
};

const SIGKILL: u32 = 9;

/// A list that speaks of an attempt.
#[derive(Clone, Copy, Default)]
pub(crate) struct Listed {
    /// Its key.
    key: Key,
    /// What it can decide about, and its flags; 0 when there is none.
    operations: u32,
}

impl Listed {
    /// The list of a key.
    #[inline(always)]
    pub(crate) fn find(active: Active, key: Key) -> Self {
        let operations = aegisbpf_find(key.a, key.b, key.tail(active.slot())) as u32;
        Self { key, operations }
    }

    #[inline(always)]
    fn has(&self, flag: u32) -> bool {
        self.operations & flag != 0
    }

    #[inline(always)]
    fn weigh(&self, active: Active, request: Request, subjects: u64) -> Decision {
        if self.operations & request.operations().0 == 0 {
            return Decision::NONE;
        }
        let tail = self.key.tail(active.slot());
        Decision(aegisbpf_weigh(
            self.key.a, self.key.b, tail, request.0, subjects,
        ))
    }
}

/// The lists that speak of one attempt.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lists {
    /// Of the object, or of the address.
    pub(crate) object: Listed,
    /// Of the place, or of the network around an address.
    pub(crate) place: Listed,
    /// Of the nearest folder above that has rules about its subtree.
    pub(crate) subtree: Listed,
    /// Of the whole domain.
    pub(crate) domain: Listed,
    /// The path was deeper than [`DEPTH`], or could not be looked up.
    pub(crate) too_deep: bool,
}

impl Lists {
    /// Whether a rule of some list can decide about one of these.
    #[inline(always)]
    pub(crate) fn may_decide(&self, requested: Operations) -> bool {
        let operations = self.object.operations
            | self.place.operations
            | self.subtree.operations
            | self.domain.operations;
        self.too_deep | (operations & requested.0 != 0)
    }
}

/// The lists that speak of a file: an inode, if there is one, at a name.
#[inline(always)]
pub(crate) fn lists_of_file(
    active: Active,
    subtree: Subtree,
    inode: Option<Inode>,
    dentry: Dentry,
) -> Lists {
    let mut lists = Lists {
        subtree: subtree.list,
        too_deep: subtree.too_deep,
        ..Lists::default()
    };
    let Some(filter) = filter(active) else {
        lists.too_deep = true;
        return lists;
    };
    let folder = dentry.parent();
    if list_of_inode(active, filter, folder.inode()).has(RuleList::FOLDER) {
        let place = folder.inode().object().place(dentry.name_hash());
        lists.place = Listed::find(active, place);
    }
    if let Some(inode) = inode {
        lists.object = list_of_inode(active, filter, inode);
    }
    lists
}

/// What is known of the folders above a file.
#[derive(Clone, Copy, Default)]
pub(crate) struct Subtree {
    list: Listed,
    too_deep: bool,
}

/// The list of the nearest folder around a dentry that has rules about its
/// subtree. A hook asks this before anything else: to the verifier, all that
/// is not known alike by now would be another way through the loop.
#[inline(always)]
pub(crate) fn subtree_around(active: Active, dentry: Dentry) -> Subtree {
    let mut subtree = Subtree::default();
    if !active.has(flag::SUBTREES) {
        return subtree;
    }
    let Some(filter) = filter(active) else {
        subtree.too_deep = true;
        return subtree;
    };
    let mut folder = dentry.parent();
    let mut level = 0;
    while level < DEPTH as u32 {
        let inode = folder.inode();
        if inode_may_be_listed(active, filter, inode) {
            let found = Listed::find(active, inode.object());
            if found.has(RuleList::SUBTREE) {
                subtree.list = found;
                return subtree;
            }
        }
        let parent = folder.parent();
        if parent.0 == folder.0 {
            return subtree;
        }
        folder = parent;
        level += 1;
    }
    subtree.too_deep = true;
    subtree
}

/// The filter knows an object by its number: what else is in its key is read
/// only for the few that it lets through.
#[inline(always)]
fn inode_may_be_listed(active: Active, filter: &Filter, inode: Inode) -> bool {
    may_be_listed(filter, active, &Key::object(inode.number(), 0, 0))
}

#[inline(always)]
fn list_of_inode(active: Active, filter: &Filter, inode: Inode) -> Listed {
    if !inode_may_be_listed(active, filter, inode) {
        return Listed::default();
    }
    let object = inode.object();
    let found = Listed::find(active, object);
    if found.operations == 0 && active.has(flag::INODE_NUMBERS) {
        return Listed::find(active, object.inode_number());
    }
    found
}

/// The verdict on an attempt, reported and carried out. `describe` fills in
/// what was operated on.
#[inline(always)]
pub(crate) fn conclude(
    active: Active,
    lists: &Lists,
    request: Request,
    describe: impl FnOnce(&mut Event),
) -> i32 {
    finish(active, decision(active, lists, request), describe)
}

/// The verdict on an attempt.
#[inline(always)]
pub(crate) fn decision(active: Active, lists: &Lists, request: Request) -> Decision {
    let subjects = aegisbpf_subjects(u64::from(active.slot()));
    let mut decision = lists.object.weigh(active, request, subjects);
    decision = decision.or(lists.place.weigh(active, request, subjects));
    decision = decision.or(lists.subtree.weigh(active, request.beneath(), subjects));
    if lists.domain.operations & request.operations().0 != 0 {
        let mut request = request;
        if active.has(flag::ALL_PROGRAMS)
            && lists.domain.key.kind == Kind::Domain as u32
            && lists.object.key.kind == Kind::Object as u32
        {
            let key = lists.object.key;
            let tail = key.tail(active.slot());
            let exempt = aegisbpf_exempt(key.a, key.b, tail, Domain::Exec as u64);
            request = request.exempt(exempt);
        }
        decision = decision.or(lists.domain.weigh(active, request, subjects));
    }
    if lists.too_deep {
        let closed = active.has(flag::FILES_CLOSED);
        decision = decision.or(without_rule(
            closed,
            Reference::TOO_DEEP,
            request.operations(),
        ));
    }
    decision
}

/// What becomes of an attempt that the rules cannot be held against.
#[inline(always)]
pub(crate) fn without_rule(closed: bool, why: Reference, operations: Operations) -> Decision {
    let effect = if closed {
        Effect::Deny
    } else {
        Effect::WouldDeny
    };
    Decision::new(effect as u32, why, operations)
}

/// Report a decision and carry it out.
#[inline(always)]
pub(crate) fn finish(active: Active, decision: Decision, describe: impl FnOnce(&mut Event)) -> i32 {
    if decision.effect() == Effect::None as u32 {
        return ALLOW;
    }
    emit::report(active, decision, |event| {
        emit::by_helpers(event);
        describe(event);
    });
    if decision.effect() == Effect::Kill as u32 {
        // SAFETY: a helper on a number. Should it fail, the operation is
        // denied all the same.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    if decision.denies() { DENY } else { ALLOW }
}

/// Decide about a file and say so. `what` says which inode it has, if any, and
/// which operations it is about.
#[inline(always)]
pub(crate) fn file(
    active: Active,
    dentry: Dentry,
    what: impl FnOnce() -> (Option<Inode>, Operations),
) -> i32 {
    let subtree = subtree_around(active, dentry);
    let (inode, operations) = what();
    let lists = lists_of_file(active, subtree, inode, dentry);
    if !lists.may_decide(operations) {
        return ALLOW;
    }
    conclude_file(active, &lists, inode, dentry, operations)
}

/// The same when the lists are known.
#[inline(always)]
pub(crate) fn conclude_file(
    active: Active,
    lists: &Lists,
    inode: Option<Inode>,
    dentry: Dentry,
    operations: Operations,
) -> i32 {
    conclude(active, lists, Request::new(operations), |event| {
        describe_file(event, inode, dentry);
    })
}

/// Say which file an event is about.
#[inline(always)]
pub(crate) fn describe_file(event: &mut Event, inode: Option<Inode>, dentry: Dentry) {
    if let Some(inode) = inode {
        let object = inode.object();
        event.inode = object.a;
        event.device = object.c;
    }
    dentry.read_name(&mut event.text);
}

/// Decide about something that has no object.
#[inline(always)]
pub(crate) fn domain(operation: Operation) -> i32 {
    let Some(active) = crate::maps::active() else {
        return ALLOW;
    };
    let lists = Lists {
        domain: Listed::find(active, Key::domain(operation.domain() as u8)),
        ..Lists::default()
    };
    if !lists.may_decide(operation.alone()) {
        return ALLOW;
    }
    conclude(active, &lists, Request::new(operation.alone()), |_| {})
}
