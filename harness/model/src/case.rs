//! One case: a world, a policy, and what is tried in that order.

use harness_proto::{Attempt, Batched, Probe, RunAs, World};
use scenarios::Rule;
use serde::{Deserialize, Serialize};

/// Folder of the worlds.
pub const WORLDS: &str = "/model";
/// A copy of the probe that is no part of any world.
pub const OTHER_PROGRAM: &str = "/srv/model-other";
/// Cgroups that doers are in.
pub const CGROUPS: [&str; 2] = ["/model-a", "/model-a/inner"];

/// Ports that something listens at, on every address, by TCP and UDP.
pub const LISTENING: [u16; 2] = [7001, 7002];
/// A port that nothing listens at.
pub const SILENT: u16 = 7003;
/// Ports that are free to be taken.
pub const FREE: [u16; 3] = [7101, 7102, 7103];

/// What kernels differ in, as far as rules depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// The content of a program can be asked for.
    pub content: bool,
    /// Making a user namespace is asked about.
    pub user_namespaces: bool,
}

impl Abilities {
    /// Everything.
    pub const ALL: Self = Self {
        content: true,
        user_namespaces: true,
    };
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What there is before.
    pub world: World,
    /// The policy, in force before anything is tried.
    pub rules: Vec<Rule>,
    /// What is tried; the doers are those of [`doers`].
    pub attempts: Vec<Attempt>,
}

impl Case {
    /// The same with its world at another place.
    ///
    /// # Panics
    /// Never: cases can always be written and read again.
    pub fn moved_to(&self, root: &str) -> Self {
        let text = serde_json::to_string(self).expect("a case has string keys");
        let ends = ["/", "\""];
        let moved = ends.iter().fold(text, |text, end| {
            text.replace(
                &format!("{}{end}", self.world.root),
                &format!("{root}{end}"),
            )
        });
        serde_json::from_str(&moved).expect("only paths have changed")
    }
}

/// What came of an attempt, or must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// The kernel did it.
    Allowed,
    /// It refused with this errno.
    Denied(i32),
    /// Who tried was ended by this signal.
    Killed(i32),
    /// Something before it did not work: no verdict.
    NoVerdict,
}

impl Came {
    /// As the guest writes it.
    pub fn from_code(code: i16) -> Self {
        match code {
            Batched::BROKEN => Self::NoVerdict,
            0 => Self::Allowed,
            1.. => Self::Denied(code.into()),
            _ => Self::Killed((-code).into()),
        }
    }

    /// Whether the kernel did not do it.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Denied(_) | Self::Killed(_))
    }
}

/// Who tries things, the same in every case. The first one is what the runner
/// is, whom no rule about all programs or about the kernel may reach.
pub fn doers() -> Vec<RunAs> {
    let user = |id| RunAs {
        uid: Some(id),
        gid: Some(id),
        ..RunAs::default()
    };
    let program = Some(OTHER_PROGRAM.to_owned());
    let cgroup = |at: usize| Some(CGROUPS[at].to_owned());
    vec![
        RunAs::default(),
        user(1001),
        user(1002),
        RunAs {
            program: program.clone(),
            ..RunAs::default()
        },
        RunAs {
            cgroup: cgroup(0),
            ..RunAs::default()
        },
        RunAs {
            cgroup: cgroup(1),
            ..user(1001)
        },
        RunAs {
            program,
            cgroup: cgroup(1),
            ..RunAs::default()
        },
    ]
}

/// What a probe is called in tables.
pub fn kind_of(probe: &Probe) -> String {
    let value = serde_json::to_value(probe).unwrap_or_default();
    let name = value.as_object().and_then(|one| one.keys().next().cloned());
    name.unwrap_or_default()
}
