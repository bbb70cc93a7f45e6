//! The subjects that the rules of a policy tell apart, a bit each.

use aegisbpf_abi::{Key, SUBJECTS, Subject};

use super::{Image, ImageError, Objects};
use crate::{canary, policy::model};

/// What a subject of the policy stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResolvedSubject {
    /// Object of its program.
    pub program: Option<Key>,
    /// Id and depth of its cgroup.
    pub cgroup: Option<(u64, u32)>,
}

impl Image {
    pub(super) fn never_deny(&mut self, programs: &[Key]) -> Result<u64, ImageError> {
        programs.iter().try_fold(0, |bits, program| {
            let subject = Subject {
                program: *program,
                program_mask: u64::MAX,
                ..Subject::default()
            };
            Ok(bits | self.subject_bit(subject, "never-deny")?)
        })
    }

    pub(super) fn subject_bits(
        &mut self,
        subjects: &[model::Subject],
        objects: &Objects,
        rule: &str,
    ) -> Result<u64, ImageError> {
        subjects.iter().try_fold(0, |bits, subject| {
            let resolved = objects.subjects.get(subject).copied().unwrap_or_default();
            Ok(bits | self.subject_bit(of(subject, resolved), rule)?)
        })
    }

    /// Whoever has the name of the canary: a name that anybody can take, and
    /// that only ever denies more.
    pub(super) fn canary_subject(&mut self) -> Result<u64, ImageError> {
        let mut name = [0; 16];
        name[..canary::COMMAND.len()].copy_from_slice(canary::COMMAND.as_bytes());
        let (first, last) = name.split_at(8);
        let word = |half: &[u8]| u64::from_ne_bytes(half.try_into().unwrap_or_default());
        let subject = Subject {
            command: [word(first), word(last)],
            command_mask: u64::MAX,
            ..Subject::default()
        };
        self.subject_bit(subject, canary::RULE)
    }

    fn subject_bit(&mut self, subject: Subject, rule: &str) -> Result<u64, ImageError> {
        let count = self.subjects.count as usize;
        let known = self.subjects.list[..count]
            .iter()
            .position(|known| *known == subject);
        let index = match known {
            Some(index) => index,
            None if count == SUBJECTS => {
                return Err(ImageError::Subjects {
                    rule: rule.to_owned(),
                });
            }
            None => {
                self.subjects.list[count] = subject;
                self.subjects.count += 1;
                count
            }
        };
        Ok(1 << index)
    }
}

fn of(subject: &model::Subject, resolved: ResolvedSubject) -> Subject {
    let mut found = Subject::default();
    if let Some(program) = resolved.program {
        found.program = program;
        found.program_mask = u64::MAX;
    }
    if let Some((cgroup, level)) = resolved.cgroup {
        found.cgroup = cgroup;
        found.cgroup_mask = u64::MAX;
        found.cgroup_level = level;
    }
    if let Some((first, last)) = subject.uid {
        found.first_uid = first;
        found.last_uid = last;
    }
    if let Some(namespace) = subject.mount_namespace {
        found.mount_namespace = namespace;
        found.mount_namespace_mask = u32::MAX;
    }
    found
}
