//! What this agent's lines and its health can say. A field that the agent
//! gets is added here, before a scenario can ask for it; one that it loses is
//! noticed by `xtask/tests/tidy`.

use crate::adapter::vocabulary::{Field, Line, Shape, Vocabulary};

pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    tag: "type",
    lines: &[
        line("ready", &[READY]),
        line("denial", &[NUMBERED, DENIAL]),
        line("canary", &[NUMBERED, CANARY]),
        line("dismissed", &[NUMBERED]),
        line("unresolved", &[NUMBERED, UNRESOLVED]),
        line("policy", &[POLICY]),
        line("degraded", &[DEGRADED]),
        line("recovered", &[RECOVERED]),
        line("loss", &[COUNTERS]),
        line("stopped", &[STOPPED, COUNTERS]),
    ],
    health: HEALTH,
    applied: &[field("applied", Shape::Table(APPLIED))],
};

const READY: &[Field] = &[
    field("mode", Shape::Word(&["enforce", "audit"])),
    field("domains", Shape::Table(DOMAINS)),
    field("policy_digest", Shape::Text),
    field("adopted", Shape::Flag),
    field("generation", Shape::Number),
    field("rules", Shape::Number),
    field("fallback_reason", Shape::Text),
    field("unseen", Shape::List),
    field("held", Shape::Table(HELD_COUNT)),
];

const HELD_COUNT: &[Field] = &[
    field("found", Shape::Number),
    field("revoked", Shape::Number),
    field("unseen", Shape::Number),
];

const HELD: &[Field] = &[
    field("found", Shape::Number),
    field("revoked", Shape::Number),
    field("unseen", Shape::Number),
    field(
        "listed",
        Shape::Rows(&[
            field("pid", Shape::Number),
            field("fd", Shape::Number),
            field("command", Shape::Text),
            field("rule", Shape::Rule),
            field("operations", Shape::List),
            field("held", Shape::Word(&["keep", "revoke"])),
        ]),
    ),
];

const APPLIED: &[Field] = &[
    field("policy", Shape::Text),
    field("generation", Shape::Number),
    field("warnings", Shape::List),
    field("confirm_by", Shape::Number),
    field("held", Shape::Table(HELD)),
    field(
        "rehearsal",
        Shape::Table(&[
            field("map-bytes", Shape::Number),
            field("hooks", Shape::List),
            field("kernel-asked", Shape::Flag),
        ]),
    ),
    field("changes", Shape::Text),
];

const NUMBERED: &[Field] = &[
    field("ring", Shape::Word(&["denials", "audits"])),
    field("seq", Shape::Number),
];

const DENIAL: &[Field] = &[
    field("lost_before", Shape::Number),
    field("time_unix_ns", Shape::Number),
    field("domain", DOMAIN),
    field("operation", OPERATION),
    field("rule", Shape::Rule),
    field("reason", Shape::Word(&["too-deep", "unreadable"])),
    field("verdict", VERDICT),
    field("mode", Shape::Word(&["enforce", "audit", "fallback"])),
    field("pid", Shape::Number),
    field("tid", Shape::Number),
    field("uid", Shape::Number),
    field("gid", Shape::Number),
    field("cgroup", Shape::Number),
    field("command", Shape::Text),
    field("generation", Shape::Number),
    field(
        "file",
        Shape::Table(&[
            field("name", Shape::Text),
            field("inode", Shape::Number),
            field("device", Shape::Text),
        ]),
    ),
    field(
        "peer",
        Shape::Table(&[field("address", Shape::Text), field("port", Shape::Number)]),
    ),
];

const CANARY: &[Field] = &[field("domain", DOMAIN), field("verdict", VERDICT)];

const UNRESOLVED: &[Field] = &[
    field("operation", Shape::Word(&["open", "exec"])),
    field("path", Shape::Text),
    field("pid", Shape::Number),
    field("mode", Shape::Word(&["fallback"])),
];

const POLICY: &[Field] = &[
    field("result", Shape::Word(&["applied", "refused"])),
    field("policy_digest", Shape::Text),
    field("generation", Shape::Number),
    field("reason", Shape::Text),
    field("held", Shape::Table(HELD_COUNT)),
];

const DEGRADED: &[Field] = &[
    field("operation", OPERATION),
    field("domain", DOMAIN),
    field("reason", Shape::Text),
    field("detached", Shape::List),
];

const RECOVERED: &[Field] = &[field("generation", Shape::Number)];

const TENANT: &[Field] = &[
    field("denied", Shape::Number),
    field("killed", Shape::Number),
    field("audited", Shape::Number),
];

const STOPPED: &[Field] = &[
    field("delivered_denials", Shape::Number),
    field("delivered_audits", Shape::Number),
];

const COUNTERS: &[Field] = &[
    field("denials", Shape::Number),
    field("denials_lost", Shape::Number),
    field("audits", Shape::Number),
    field("audits_lost", Shape::Number),
    field("unreadable", Shape::Number),
    field("in_flight_lost", Shape::Number),
];

const HEALTH: &[Field] = &[
    field("healthy", Shape::Flag),
    field(
        "daemon",
        Shape::Table(&[field("running", Shape::Flag), field("pid", Shape::Number)]),
    ),
    field("domains", Shape::Table(DOMAINS)),
    field("generation", Shape::Number),
    field("policy_digest", Shape::Text),
    field("links", Shape::List),
    field("maps", Shape::List),
    field("counters", Shape::Table(COUNTERS)),
    field("tenants", Shape::Named(TENANT)),
    field(
        "canary",
        Shape::Table(&[
            field("every_ms", Shape::Number),
            field("degraded", Shape::Flag),
        ]),
    ),
    field("held", Shape::Table(HELD)),
    field("checks", Shape::List),
];

const DOMAINS: &[Field] = &[
    field("file", STATE),
    field("exec", STATE),
    field("network", STATE),
    field("kernel", STATE),
];

const DOMAIN: Shape = Shape::Word(&["file", "exec", "network", "kernel"]);
const STATE: Shape = Shape::Word(&["enforce", "audit", "fallback", "off"]);
const VERDICT: Shape = Shape::Word(&["denied", "killed", "would-deny", "audited"]);
const OPERATION: Shape = Shape::Word(&[
    "read",
    "write",
    "create",
    "delete",
    "rename",
    "link",
    "truncate",
    "attributes",
    "exec",
    "mmap-exec",
    "connect",
    "bind",
    "listen",
    "send",
    "ptrace",
    "module-load",
    "kexec",
    "bpf",
    "mount",
    "user-namespace",
    "raw-device",
]);

const fn line(kind: &'static str, fields: &'static [&'static [Field]]) -> Line {
    Line { kind, fields }
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape }
}
