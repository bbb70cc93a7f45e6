//! Who tries, and whether a rule means them.

use harness_proto::{PROBE_PATH, RunAs};
use scenarios::rule::{Subject, Uids};

use super::tree::{NodeId, Tree, Walker};

/// Somebody who tries.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) walker: Walker,
    program: NodeId,
    cgroup: String,
}

const ROOT: Walker = Walker { user: 0, group: 0 };

impl Who {
    pub(super) fn of(run_as: &RunAs, tree: &Tree) -> Self {
        let program = run_as.program.as_deref().unwrap_or(PROBE_PATH);
        Self {
            walker: Walker {
                user: run_as.uid.unwrap_or(0),
                group: run_as.gid.unwrap_or(0),
            },
            program: node_at(tree, program),
            cgroup: run_as.cgroup.clone().unwrap_or_else(|| "/".into()),
        }
    }

    /// The same once it has executed another program.
    pub(super) fn running(&self, program: NodeId) -> Self {
        Self {
            program,
            ..self.clone()
        }
    }

    fn is(&self, subject: &Meant) -> bool {
        subject
            .program
            .is_none_or(|program| program == self.program)
            && subject.cgroup.as_ref().is_none_or(|cgroup| {
                self.cgroup == *cgroup || self.cgroup.starts_with(&format!("{cgroup}/"))
            })
            && subject
                .users
                .is_none_or(|(first, last)| (first..=last).contains(&self.walker.user))
    }
}

/// A subject, with the program that it meant when the policy was applied.
#[derive(Debug, Clone)]
struct Meant {
    program: Option<NodeId>,
    cgroup: Option<String>,
    users: Option<(u32, u32)>,
}

impl Meant {
    fn of(subject: &Subject, tree: &Tree) -> Self {
        Self {
            program: subject.program.as_deref().map(|path| node_at(tree, path)),
            cgroup: subject.cgroup.clone(),
            users: subject.uid.as_ref().map(|users| match users {
                Uids::One(user) => (*user, *user),
                Uids::Range(text) => range(text),
            }),
        }
    }
}

/// The scope of a rule and its exceptions.
#[derive(Debug, Clone)]
pub(super) struct Whom {
    scope: Vec<Meant>,
    except: Vec<Meant>,
}

impl Whom {
    pub(super) fn of(scope: &[Subject], except: &[Subject], tree: &Tree) -> Self {
        let all = |subjects: &[Subject]| subjects.iter().map(|one| Meant::of(one, tree)).collect();
        Self {
            scope: all(scope),
            except: all(except),
        }
    }

    pub(super) fn includes(&self, who: &Who) -> bool {
        let any = |subjects: &[Meant]| subjects.iter().any(|one| who.is(one));
        (self.scope.is_empty() || any(&self.scope)) && !any(&self.except)
    }
}

fn node_at(tree: &Tree, path: &str) -> NodeId {
    let end = tree.walk(ROOT, path, true).ok();
    let spot = end.and_then(|end| end.seen);
    spot.expect("a case names only programs that are there")
        .node
}

/// Both ends of "1-2".
pub(super) fn range<T: std::str::FromStr>(text: &str) -> (T, T) {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => (first, last),
        _ => panic!("a case has the range {text:?}"),
    }
}
