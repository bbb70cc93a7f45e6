//! `adapter.toml` as a person writes it.

use std::collections::BTreeMap;

use harness_proto::hosted::Cut;
use scenarios::{FileOperation, KernelOperation, Mode, NetworkOperation, schema::Errno};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Map;
use toml::Spanned;

use crate::ability::{ObjectKind, SubjectKind};

/// An agent that is not of this project: what goes into the guest, how rules
/// are written, how it is run, and what it can express.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdapterFile {
    /// The name of its folder; a part of the names of cells and files: lower
    /// case, digits and hyphens.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// One line for people.
    pub title: String,
    /// What it does to what rules are about.
    #[serde(default)]
    pub kind: Kind,
    /// What goes into the guest.
    #[serde(default)]
    pub guest: Guest,
    /// Where and how rules are written.
    pub policy: Option<Policy>,
    /// How it is run.
    pub run: Run,
    /// How it denies.
    pub denial: Option<Denial>,
    /// Which of its lines are events; without this its events are not looked
    /// at, and each scenario that asks for some says so.
    pub events: Option<Events>,
    /// What it can express.
    #[serde(default)]
    pub can: Can,
}

/// What an agent does to what rules are about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It is given each scenario's rules.
    #[default]
    Rules,
    /// It takes no rules. It runs, and everything must be allowed as it is
    /// without it.
    Idle,
}

/// What goes into the guest.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Guest {
    /// LSMs that are active besides those of the boot mode.
    #[serde(default)]
    pub lsms: Vec<String>,
    /// The Debian suite that has the packages.
    #[schemars(with = "Option<String>")]
    pub suite: Option<Spanned<String>>,
    /// Packages whose files the guest has; those they need are named, too. None
    /// of their scripts is run.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Other files.
    #[serde(default, rename = "file")]
    pub files: Vec<File>,
}

/// A file of the guest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct File {
    /// In the adapter's folder.
    #[schemars(with = "Option<String>")]
    pub from: Option<Spanned<String>>,
    /// An executable that `cargo xtask build` makes, instead.
    pub built: Option<Built>,
    /// Absolute path in the guest.
    #[schemars(with = "String")]
    pub to: Spanned<String>,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

/// An executable of this project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Built {
    /// The reference agent.
    Aegisbpf,
    /// Loads LSM programs that do nothing.
    NullLsm,
}

/// Where and how rules are written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// Absolute path in the guest.
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    /// A template in the adapter's folder, in Jinja's language.
    #[schemars(with = "String")]
    pub template: Spanned<String>,
}

/// How an agent is run. Commands are words, and there is no shell.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Run {
    /// Folders that are made first.
    #[serde(default)]
    pub folders: Vec<String>,
    /// Commands that must succeed first, in order.
    #[serde(default)]
    pub before: Vec<Vec<String>>,
    /// The process that goes on, if there is one.
    pub daemon: Option<Daemon>,
    /// Commands that must succeed once the daemon is ready.
    #[serde(default)]
    pub after: Vec<Vec<String>>,
    /// How another policy comes into force.
    #[serde(default)]
    pub reload: Reload,
    /// Commands that must succeed when it stops, once the daemon has ended.
    #[serde(default)]
    pub stop: Vec<Vec<String>>,
    /// Commands that end its enforcement; it has been stopped then.
    #[serde(default)]
    pub detach: Vec<Vec<String>>,
}

/// A process that goes on, in the foreground.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Daemon {
    /// Program and arguments.
    pub command: Vec<String>,
    /// What a line of its output has in it once it is ready.
    pub ready: String,
    /// The signal that makes it end.
    #[serde(default)]
    pub stop: Stop,
}

/// A signal that makes a daemon end.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
pub enum Stop {
    /// 15
    #[default]
    SIGTERM,
    /// 2
    SIGINT,
}

/// How another policy comes into force.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// By these commands.
    Commands(Vec<Vec<String>>),
    /// By stopping it and starting it anew.
    #[default]
    Restart,
}

/// How an agent denies.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Denial {
    /// The errno that a denied operation gets: any of these.
    pub errno: Vec<Errno>,
}

/// Which lines are events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Events {
    /// Where the lines are.
    #[serde(default)]
    pub from: From,
    /// All of these are in the line.
    pub contains: Vec<String>,
    /// Fields that each such event has, in the words of the reference agent.
    #[serde(default)]
    pub says: Map<String, serde_json::Value>,
    /// Fields that are cut out of the line.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, CutText>")]
    pub fields: BTreeMap<String, Cut>,
}

/// Where an agent's lines are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// What the daemon says, on either output.
    #[default]
    Daemon,
    /// The kernel's log.
    Kernel,
}

/// See [`Cut`].
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is looked at")]
struct CutText {
    /// What stands before it, for the first time.
    after: String,
    /// What follows it.
    before: String,
}

/// What an agent can express. What is not named here it cannot, and a scenario
/// that asks for it is not expressible, which is neither passed nor failed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Can {
    /// Modes it can be run in.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// Operations on files.
    #[serde(default)]
    pub file: Vec<FileOperation>,
    /// Rules about files that name no operation.
    #[serde(default)]
    pub file_default: bool,
    /// Rules about executing.
    #[serde(default)]
    pub exec: bool,
    /// Operations on sockets.
    #[serde(default)]
    pub network: Vec<NetworkOperation>,
    /// Rules about the network that name no operation.
    #[serde(default)]
    pub network_default: bool,
    /// Operations on the kernel.
    #[serde(default)]
    pub kernel: Vec<KernelOperation>,
    /// How objects are named.
    #[serde(default)]
    pub objects: Vec<ObjectKind>,
    /// By what subjects are told apart.
    #[serde(default)]
    pub scope: Vec<SubjectKind>,
    /// Other abilities.
    #[serde(default)]
    pub also: Vec<Also>,
}

/// Other abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Also {
    /// Rules that leave subjects alone.
    Except,
    /// Programs that no rule holds for.
    NeverDeny,
    /// Rules that only report while others deny.
    AuditRule,
    /// Rules that end the process.
    KillRule,
    /// Rules that hold for descriptors that are older than them.
    RevokeHeld,
}

/// The JSON schema of `adapter.toml`.
pub fn schema() -> Schema {
    schema_for!(AdapterFile)
}
