//! The policy as it is written: the types that YAML is read into and that the
//! published JSON Schema is made of. [`super::parse`] turns them into the model.

use std::{borrow::Cow, fmt};

use aegisbpf_abi::{Operation, Operations};
use schemars::{
    JsonSchema, Schema, SchemaGenerator, json_schema, schema_for,
    transform::{RecursiveTransform, Transform as _},
};
use serde::{
    Deserialize,
    de::{self, Deserializer, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{
    model::{AbsolutePath, Action, Held, MAX_RULES, Protocol},
    network::Network,
};

/// Bytes of the longest rule id.
pub const MAX_ID: usize = 128;

/// A policy of version 1.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "AegisBPF policy")]
pub(super) struct Document {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    #[serde(rename = "version")]
    _version: u64,
    /// Programs that no rule denies anything, as the files they are when the
    /// policy is applied.
    #[serde(default)]
    pub never_deny: Vec<AbsolutePath>,
    /// Of the rules with the strongest action that apply, the first is named.
    #[schemars(extend("maxItems" = MAX_RULES))]
    pub rules: Vec<RuleText>,
}

/// One rule: exactly one of `file`, `exec`, `network` and `kernel`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Rule")]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [
        { "required": ["file"] }, { "required": ["exec"] },
        { "required": ["network"] }, { "required": ["kernel"] },
    ],
    "if" = { "required": ["held"], "properties": { "held": { "const": "revoke" } } },
    "then" = { "required": ["file"], "properties": { "file": { "properties": {
        "operations": { "contains": { "enum": ["read", "write"] } } } } } },
))]
pub(super) struct RuleText {
    /// Unique in the policy; events name it.
    #[schemars(with = "String", length(min = 1, max = 128), extend("pattern" = r"^\P{Cc}+$"))]
    pub id: Spanned<String>,
    /// What becomes of an operation to which it applies.
    #[serde(default)]
    pub action: Action,
    /// About files and folders.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "FileText")]
    pub file: Option<FileText>,
    /// About programs: executing them and mapping them executable.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "ExecText")]
    pub exec: Option<ExecText>,
    /// About sockets.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "NetworkText")]
    pub network: Option<NetworkText>,
    /// About the kernel itself.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "KernelText")]
    pub kernel: Option<KernelText>,
    /// What becomes of descriptors that were open before the rule.
    #[serde(default)]
    pub held: Held,
    /// Whose operations: of any of these subjects. Everyone's when absent.
    #[serde(default)]
    pub scope: OneOrMore<SubjectText>,
    /// Whose operations it leaves alone: of any of these subjects.
    #[serde(default)]
    pub except: OneOrMore<SubjectText>,
}

/// Exactly one of `path`, `subtree`, and `inode` with `device`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "File")]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{ "required": ["path"] }, { "required": ["subtree"] }, { "required": ["inode"] }],
    "dependentRequired" = { "inode": ["device"], "device": ["inode"] },
))]
pub(super) struct FileText {
    /// The file at a path, and whatever gets its place.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "AbsolutePath")]
    pub path: Option<AbsolutePath>,
    /// A folder and everything beneath it.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "AbsolutePath")]
    pub subtree: Option<AbsolutePath>,
    /// An inode's number, wherever it is named.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "u64")]
    pub inode: Option<u64>,
    /// The device of the inode's file system, as `major:minor`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", extend("pattern" = "^[0-9]+:[0-9]+$"))]
    pub device: Option<String>,
    /// All operations on files when absent.
    #[serde(default = "all_on_files")]
    pub operations: OnFiles,
}

/// Exactly one of these.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Exec")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct ExecText {
    /// The file at a path, and whatever gets its place.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "AbsolutePath")]
    pub path: Option<AbsolutePath>,
    /// Everything beneath a folder.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "AbsolutePath")]
    pub subtree: Option<AbsolutePath>,
    /// Every file with this SHA-256 of its content.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", extend("pattern" = "^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
    /// Everything but these: an allow-list.
    #[serde(default)]
    pub all_but: OneOrMore<AbsolutePath>,
}

/// Sockets and addresses.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Network")]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkText {
    /// An address, or a network as 10.0.0.0/8: the peer's for `connect` and
    /// `send`, the local one for `bind` and `listen`.
    pub address: Network,
    /// A port or a range of them; all when absent.
    #[serde(default)]
    pub ports: Range<{ u16::MAX as u32 }>,
    /// Both when absent.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Protocol")]
    pub protocol: Option<Protocol>,
    /// `connect` and `send` when absent.
    #[serde(default = "to_peers")]
    pub operations: OnSockets,
}

/// The kernel itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Kernel")]
#[serde(deny_unknown_fields)]
pub(super) struct KernelText {
    /// Which; there is no default.
    pub operations: OperationsIn<{ Operations::KERNEL.0 }>,
}

/// Who tries: all that is given must hold, and something must be given.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Subject")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("minProperties" = 1))]
pub(super) struct SubjectText {
    /// The process's program, as the file it was when the policy was applied.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "AbsolutePath")]
    pub program: Option<AbsolutePath>,
    /// This cgroup and those beneath it: a path from the root of cgroup v2.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "AbsolutePath")]
    pub cgroup: Option<AbsolutePath>,
    /// A user or a range of them.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Range<{ u32::MAX }>")]
    pub uid: Option<Range<{ u32::MAX }>>,
    /// Number of the mount namespace, as `readlink /proc/PID/ns/mnt` shows it.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "u32", extend("maximum" = u32::MAX))]
    pub mount_namespace: Option<u32>,
}

/// The schema that is published.
pub fn json_schema() -> Schema {
    let mut schema = schema_for!(Document);
    // What may be absent may still not be `null`.
    let without_null = |part: &mut Schema| {
        if part.get("default").is_some_and(Value::is_null) {
            part.remove("default");
        }
    };
    RecursiveTransform(without_null).transform(&mut schema);
    schema
}

/// A field that may be absent, but not `null`: half a line must not widen a
/// rule.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

type OnFiles = OperationsIn<{ Operations::FILE.0 }>;
type OnSockets = OperationsIn<{ Operations::PEER.0 | Operations::LOCAL.0 }>;

fn all_on_files() -> OnFiles {
    OperationsIn(Operations::FILE)
}

fn to_peers() -> OnSockets {
    OperationsIn(Operations::PEER)
}

/// A list that may be absent, but not empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<T>", bound(deserialize = "T: Deserialize<'de>"))]
#[schemars(inline, extend("minItems" = 1))]
pub(super) struct OneOrMore<T>(pub Vec<T>);

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> TryFrom<Vec<T>> for OneOrMore<T> {
    type Error = &'static str;

    fn try_from(list: Vec<T>) -> Result<Self, Self::Error> {
        if list.is_empty() {
            return Err("the list is empty: name at least one, or leave the field out");
        }
        Ok(Self(list))
    }
}

/// A list of operations out of a set.
#[derive(Debug)]
pub(super) struct OperationsIn<const SET: u32>(pub Operations);

impl<const SET: u32> OperationsIn<SET> {
    fn names() -> Vec<&'static str> {
        Operations(SET).iter().map(Operation::name).collect()
    }

    fn find<E: de::Error>(name: &str) -> Result<Operations, E> {
        let found = Operation::ALL.into_iter().find(|one| one.name() == name);
        match found {
            Some(one) if Operations(SET).has(one) => Ok(one.alone()),
            Some(_) => Err(E::custom(format!(
                "`{name}` is no operation of this kind of rule, which has {}",
                Self::names().join(", ")
            ))),
            None => Err(E::custom(unknown("operation", name, &Self::names()))),
        }
    }
}

impl<'de, const SET: u32> Deserialize<'de> for OperationsIn<SET> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names<const SET: u32>;

        impl<'de, const SET: u32> Visitor<'de> for Names<SET> {
            type Value = OperationsIn<SET>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                let names = OperationsIn::<SET>::names().join(", ");
                write!(to, "a list of operations out of {names}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut set = Operations::NONE;
                while let Some(OperationName::<SET>(one)) = list.next_element()? {
                    if !set.and(one).is_empty() {
                        return Err(de::Error::custom("an operation is named twice"));
                    }
                    set = set.with(one);
                }
                if set.is_empty() {
                    return Err(de::Error::custom("the list of operations is empty"));
                }
                Ok(OperationsIn(set))
            }
        }

        from.deserialize_seq(Names)
    }
}

/// One of them; a type of its own so that a mistake shows where it is.
struct OperationName<const SET: u32>(Operations);

impl<'de, const SET: u32> Deserialize<'de> for OperationName<SET> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name<const SET: u32>;

        impl<const SET: u32> Visitor<'_> for Name<SET> {
            type Value = OperationName<SET>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("the name of an operation")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                OperationsIn::<SET>::find(name).map(OperationName)
            }
        }

        from.deserialize_str(Name)
    }
}

impl<const SET: u32> JsonSchema for OperationsIn<SET> {
    fn schema_name() -> Cow<'static, str> {
        format!("Operations{SET}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "enum": Self::names() },
            "minItems": 1,
            "uniqueItems": true,
        })
    }
}

/// Numbers from 0 to `MAX`, both ends included: `443` or `"8000-8999"`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range<const MAX: u32> {
    pub first: u32,
    pub last: u32,
}

impl<const MAX: u32> Default for Range<MAX> {
    fn default() -> Self {
        Self {
            first: 0,
            last: MAX,
        }
    }
}

impl<'de, const MAX: u32> Deserialize<'de> for Range<MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Ends<const MAX: u32>;

        impl<const MAX: u32> Visitor<'_> for Ends<MAX> {
            type Value = Range<MAX>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    to,
                    "a number from 0 to {MAX}, or a range such as \"100-199\""
                )
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let number = |part: &str| {
                    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
                    let number = part.parse().ok();
                    number
                        .filter(|number| digits && *number <= MAX)
                        .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(text), &self))
                };
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    let message = format!("the range {text:?} is empty: write {last}-{first}");
                    return Err(E::custom(message));
                }
                Ok(Range { first, last })
            }
        }

        from.deserialize_any(Ends)
    }
}

impl<const MAX: u32> JsonSchema for Range<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("RangeTo{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "integer", "minimum": 0, "maximum": MAX },
            { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$" },
        ] })
    }
}

/// What to say of a name that is none of those that are known.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let closest = known
        .iter()
        .map(|one| (strsim::normalized_damerau_levenshtein(name, one), one))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let hint = closest.map_or(String::new(), |(_, one)| format!(": did you mean `{one}`?"));
    format!(
        "unknown {what} `{name}`{hint} (known: {})",
        known.join(", ")
    )
}
