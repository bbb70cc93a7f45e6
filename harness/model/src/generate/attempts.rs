//! What is tried: mostly near what the rules speak of.

use std::net::SocketAddr;

use fastrand::Rng;
use harness_proto::{
    Access, Attempt, Probe, Transport, World,
    probe::{
        Attribute, CreateWay, ExecWay, KernelProbe, MapWay, MountProbe, NodeKind, OpenWay, SendWay,
        SocketWay,
    },
};
use scenarios::{
    NetworkOperation, Rule, Target,
    rule::{FileObject, NetworkTarget, Programs, Subject, Uids},
};

use super::{
    one_of, peers, percent, weighted,
    world::{LABELS, Paths, Thing},
};
use crate::{
    case::{SILENT, doers},
    deed::Deed,
};

/// So many of a hundred are aimed at a rule.
const AIMED: u32 = 86;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Open(Access),
    Create,
    Mkdir,
    Mknod,
    Symlink,
    Unlink,
    Rmdir,
    Rename,
    Link,
    Truncate,
    Change(Attribute),
    Exec,
    Map,
    Mount,
    Connect,
    Send,
    Bind,
    Listen,
    Kernel(KernelProbe),
}

const KINDS: [(u32, Kind); 29] = [
    (14, Kind::Open(Access::Read)),
    (8, Kind::Open(Access::Write)),
    (4, Kind::Open(Access::ReadWrite)),
    (2, Kind::Open(Access::Append)),
    (3, Kind::Open(Access::Truncate)),
    (5, Kind::Open(Access::Create)),
    (8, Kind::Create),
    (5, Kind::Mkdir),
    (2, Kind::Mknod),
    (2, Kind::Symlink),
    (6, Kind::Unlink),
    (3, Kind::Rmdir),
    (12, Kind::Rename),
    (8, Kind::Link),
    (4, Kind::Truncate),
    (2, Kind::Change(Attribute::Mode)),
    (2, Kind::Change(Attribute::Owner)),
    (3, Kind::Change(Attribute::Times)),
    (2, Kind::Change(Attribute::Xattr)),
    (8, Kind::Exec),
    (6, Kind::Map),
    (3, Kind::Mount),
    (3, Kind::Connect),
    (2, Kind::Send),
    (2, Kind::Bind),
    (2, Kind::Listen),
    (1, Kind::Kernel(KernelProbe::PtraceAttach)),
    (1, Kind::Kernel(KernelProbe::InitModule)),
    (1, Kind::Kernel(KernelProbe::CloneUser)),
];

pub(super) fn make(rng: &mut Rng, world: &World, rules: &[Rule], count: usize) -> Vec<Attempt> {
    let places = Places::of(world, rules);
    let doers = doers().len();
    let mut by = 0;
    let attempts = (0..count).map(|_| {
        // Those of one doer in a row are told at once.
        if percent(rng, 35) {
            by = if percent(rng, 30) {
                0
            } else {
                rng.usize(..doers)
            };
        }
        let aimed = !rules.is_empty() && percent(rng, AIMED);
        let probe = if aimed {
            let rule = if percent(rng, 45) {
                &rules[0]
            } else {
                one_of(rng, rules)
            };
            if !rule.scope.is_empty() && percent(rng, 80) {
                by = *one_of(rng, among(&rule.scope[0]));
            }
            aimed_probe(rng, &places, rule)
        } else {
            let kind = weighted(rng, &KINDS);
            let path = places.draw(rng);
            probe(rng, &places, kind, path)
        };
        if matches!(
            probe,
            Probe::Kernel(KernelProbe::BpfMap | KernelProbe::BpfProgram)
        ) {
            // Kernels differ in whether users are refused before a rule is asked.
            by = *one_of(rng, &[0, 3, 4, 6]);
        }
        Attempt { by, probe }
    });
    attempts.collect()
}

/// Where something is tried.
struct Places {
    /// Paths of rules.
    aimed: Vec<String>,
    /// Paths of the world.
    there: Vec<String>,
    /// Files of the world.
    files: Vec<String>,
    /// Programs of the world.
    programs: Vec<String>,
    root: String,
}

impl Places {
    fn of(world: &World, rules: &[Rule]) -> Self {
        let paths = Paths::of(world);
        let programs = paths.all(&[Thing::Program]);
        let files = paths.all(&[Thing::File, Thing::Program]);
        let there = paths.0.into_iter().map(|(path, _)| path);
        let inside = |path: &String| path.starts_with(&world.root);
        let aimed = rules.iter().flat_map(paths_of).filter(inside);
        Self {
            aimed: aimed.collect(),
            there: there.skip(1).collect(),
            files,
            programs,
            root: world.root.clone(),
        }
    }

    /// The same, but not the root of the world: it is unmounted in the end.
    fn draw_inside(&self, rng: &mut Rng) -> String {
        let path = self.draw(rng);
        if path == self.root {
            format!("{path}/a")
        } else {
            path
        }
    }

    /// What a rule names, what is beneath or around it, what is there, or
    /// what may have come to be there.
    fn draw(&self, rng: &mut Rng) -> String {
        let base = if !self.aimed.is_empty() && percent(rng, 60) {
            one_of(rng, &self.aimed)
        } else if self.there.is_empty() {
            return format!("/srv/{}", one_of(rng, &LABELS));
        } else {
            one_of(rng, &self.there)
        };
        let label = one_of(rng, &LABELS);
        match rng.u32(..10) {
            0 | 1 => format!("{base}/{label}"),
            2 => match base.rsplit_once('/') {
                Some((folder, _)) if folder.matches('/').count() >= 2 => {
                    format!("{folder}/{label}")
                }
                _ => base.clone(),
            },
            3 => match base.rsplit_once('/') {
                Some((folder, _)) if folder.matches('/').count() >= 3 => folder.to_owned(),
                _ => base.clone(),
            },
            _ => base.clone(),
        }
    }
}

/// Some doers that a subject may mean.
fn among(subject: &Subject) -> &'static [usize] {
    match (&subject.program, &subject.cgroup, &subject.uid) {
        (Some(_), ..) => &[3, 6],
        (_, Some(_), _) => &[4, 5, 6],
        (.., Some(Uids::One(1001))) => &[1, 5],
        (.., Some(Uids::One(1002))) => &[2],
        (.., Some(Uids::One(_))) => &[0, 3, 4],
        _ => &[1, 2, 5],
    }
}

/// Those that a rule names.
fn paths_of(rule: &Rule) -> Vec<String> {
    match &rule.target {
        Target::File { object, .. } => match object {
            FileObject::Path(path) | FileObject::Subtree(path) | FileObject::InodeOf(path) => {
                vec![path.clone()]
            }
        },
        Target::Exec(programs) => match programs {
            Programs::Path(path) | Programs::Subtree(path) | Programs::Sha256Of(path) => {
                vec![path.clone()]
            }
            Programs::AllBut(paths) => paths.clone(),
        },
        Target::Network(_) | Target::Kernel(_) => Vec::new(),
    }
}

/// Something that a rule speaks of, or that its guards must not let be done.
fn aimed_probe(rng: &mut Rng, places: &Places, rule: &Rule) -> Probe {
    let deeds: Vec<Deed> = match &rule.target {
        Target::File { operations, .. } if operations.is_empty() => Deed::ON_FILES.to_vec(),
        Target::File { operations, .. } => operations.iter().map(|one| (*one).into()).collect(),
        Target::Exec(_) => Deed::OF_PROGRAMS.to_vec(),
        Target::Network(network) => return aimed_peer(rng, network),
        Target::Kernel(operations) => {
            let deed = Deed::from(*one_of(rng, operations));
            let kind = kind_for(rng, deed);
            return probe(rng, places, kind, places.root.clone());
        }
    };
    let mut named = paths_of(rule);
    named.retain(|path| path.starts_with(&places.root));
    if matches!(
        rule.target,
        Target::Exec(Programs::AllBut(_) | Programs::Sha256Of(_))
    ) && !places.programs.is_empty()
        && percent(rng, 80)
    {
        // What it leaves out, or what is like it.
        named = vec![one_of(rng, &places.programs).clone()];
    }
    let mut path = if named.is_empty() {
        places.draw(rng)
    } else {
        one_of(rng, &named).clone()
    };
    let beneath = format!("{path}/");
    let deed = *one_of(rng, &deeds);
    let of_files = !matches!(
        deed,
        Deed::Create | Deed::Delete | Deed::Rename | Deed::Attributes
    );
    let among = if of_files {
        &places.files
    } else {
        &places.there
    };
    let beneath: Vec<&String> = among
        .iter()
        .filter(|one| one.starts_with(&beneath))
        .collect();
    if !beneath.is_empty() && percent(rng, 60) {
        path.clone_from(*one_of(rng, &beneath));
    } else if percent(rng, 10) {
        path = format!("{path}/{}", one_of(rng, &LABELS));
    }
    if percent(rng, 12)
        && let Some((folder, _)) = path.rsplit_once('/')
        && folder.starts_with(&format!("{}/", places.root))
    {
        let kind = one_of(rng, &[Kind::Rename, Kind::Rmdir, Kind::Mount]);
        return probe(rng, places, *kind, folder.to_owned());
    }
    let kind = kind_for(rng, deed);
    if matches!(kind, Kind::Rename | Kind::Link) && percent(rng, 30) {
        // The other way round.
        let to = path;
        path = places.draw(rng);
        return match kind {
            Kind::Rename => Probe::Rename {
                from: path,
                to,
                exchange: percent(rng, 15),
            },
            _ => Probe::Link { from: path, to },
        };
    }
    probe(rng, places, kind, path)
}

/// Something with an address near those of a rule.
fn aimed_peer(rng: &mut Rng, network: &NetworkTarget) -> Probe {
    let named = |one| network.operations.is_empty() || network.operations.contains(&one);
    let all = [
        (NetworkOperation::Connect, Kind::Connect),
        (NetworkOperation::Send, Kind::Send),
        (NetworkOperation::Bind, Kind::Bind),
        (NetworkOperation::Listen, Kind::Listen),
    ];
    let kinds: Vec<Kind> = all
        .into_iter()
        .filter(|(one, _)| named(*one))
        .map(|(_, kind)| kind)
        .collect();
    let kind = *one_of(rng, &kinds);
    let local = matches!(kind, Kind::Bind | Kind::Listen);
    let address = peers::aimed(rng, network, local);
    of_peer(rng, kind, address)
}

fn of_peer(rng: &mut Rng, kind: Kind, address: SocketAddr) -> Probe {
    let transport = *one_of(rng, &[Transport::Tcp, Transport::Udp]);
    match kind {
        Kind::Send => {
            let ways = [
                SendWay::Sendto,
                SendWay::Sendmsg,
                SendWay::Sendmmsg,
                SendWay::FastOpen,
            ];
            let by = match *one_of(rng, &ways) {
                // Whether a peer that does not answer is waited for is not
                // what is asked about.
                SendWay::FastOpen if address.port() == SILENT => SendWay::Sendto,
                by => by,
            };
            Probe::Send { address, by }
        }
        Kind::Bind => Probe::Bind { transport, address },
        Kind::Listen => Probe::Listen {
            address: Some(address),
        },
        _ => Probe::Connect {
            transport,
            address,
            by: SocketWay::default(),
        },
    }
}

/// One of the ways to do it.
fn kind_for(rng: &mut Rng, deed: Deed) -> Kind {
    let kinds: &[Kind] = match deed {
        Deed::Read => &[Kind::Open(Access::Read), Kind::Open(Access::ReadWrite)],
        Deed::Write => &[
            Kind::Open(Access::Write),
            Kind::Open(Access::ReadWrite),
            Kind::Open(Access::Append),
            Kind::Open(Access::Create),
            Kind::Create,
        ],
        Deed::Create => &[
            Kind::Create,
            Kind::Mkdir,
            Kind::Mknod,
            Kind::Symlink,
            Kind::Open(Access::Create),
        ],
        Deed::Delete => &[Kind::Unlink, Kind::Rmdir, Kind::Rename],
        Deed::Link => &[Kind::Link],
        Deed::Truncate => &[Kind::Truncate, Kind::Open(Access::Truncate)],
        Deed::Attributes => &[
            Kind::Change(Attribute::Mode),
            Kind::Change(Attribute::Owner),
            Kind::Change(Attribute::Times),
            Kind::Change(Attribute::Xattr),
            Kind::Change(Attribute::AbsentXattr),
        ],
        Deed::Ptrace => &[
            Kind::Kernel(KernelProbe::PtraceAttach),
            Kind::Kernel(KernelProbe::PtraceSeize),
            Kind::Kernel(KernelProbe::PtraceTraceme),
            Kind::Kernel(KernelProbe::ProcessVmRead),
            Kind::Kernel(KernelProbe::PidfdGetfd),
        ],
        Deed::ModuleLoad => &[
            Kind::Kernel(KernelProbe::InitModule),
            Kind::Kernel(KernelProbe::FinitModule),
        ],
        Deed::Kexec => &[
            Kind::Kernel(KernelProbe::KexecLoad),
            Kind::Kernel(KernelProbe::KexecFileLoad),
        ],
        Deed::Bpf => &[
            Kind::Kernel(KernelProbe::BpfMap),
            Kind::Kernel(KernelProbe::BpfProgram),
        ],
        Deed::UserNamespace => &[Kind::Kernel(KernelProbe::CloneUser)],
        Deed::Mount => &[Kind::Mount],
        Deed::Exec => &[Kind::Exec],
        Deed::MmapExec => &[Kind::Map],
        _ => &[Kind::Rename],
    };
    *one_of(rng, kinds)
}

fn probe(rng: &mut Rng, places: &Places, kind: Kind, path: String) -> Probe {
    match kind {
        Kind::Open(access) => Probe::Open {
            path,
            access,
            by: OpenWay::default(),
            cwd: None,
        },
        Kind::Create => Probe::Create {
            path,
            by: CreateWay::default(),
        },
        Kind::Mkdir => Probe::Mkdir { path },
        Kind::Mknod => Probe::Mknod {
            path,
            kind: NodeKind::File,
        },
        Kind::Symlink => Probe::Symlink {
            target: places.draw(rng),
            path,
        },
        Kind::Unlink => Probe::Unlink { path },
        Kind::Rmdir => Probe::Rmdir { path },
        Kind::Rename => Probe::Rename {
            from: path,
            to: places.draw(rng),
            exchange: percent(rng, 15),
        },
        Kind::Link => Probe::Link {
            from: path,
            to: places.draw(rng),
        },
        Kind::Truncate => Probe::Truncate { path },
        Kind::Change(attribute) => Probe::Change { path, attribute },
        Kind::Exec => Probe::Exec {
            path,
            by: ExecWay::default(),
        },
        Kind::Map => Probe::MapExec {
            path,
            by: MapWay::default(),
        },
        Kind::Connect | Kind::Send => {
            let address = peers::peer(rng, false);
            of_peer(rng, kind, address)
        }
        Kind::Bind | Kind::Listen => {
            let address = peers::peer(rng, true);
            of_peer(rng, kind, address)
        }
        Kind::Kernel(probe) => Probe::Kernel(probe),
        Kind::Mount => Probe::Mount(match rng.u32(..3) {
            0 => MountProbe::Tmpfs {
                at: places.draw_inside(rng),
            },
            1 => MountProbe::Bind {
                from: path,
                to: places.draw_inside(rng),
            },
            _ => MountProbe::Umount {
                at: places.draw_inside(rng),
            },
        }),
    }
}
