//! The published schema of policies: it is the one of these sources, and it
//! agrees with the parser.

use std::{env, fs, path::Path};

use aegisbpf::policy::{parse, schema::json_schema};
use serde_json::Value;

/// Every form a rule, an object, a subject and a number can take.
const EVERY_FORM: &str = r#"
version: 1
never-deny: [/usr/sbin/sshd]
rules:
  - id: shadow
    action: audit
    file: { path: /etc/shadow, operations: [read, write] }
  - id: secrets
    action: deny
    file: { subtree: /srv/secrets }
    scope: [ { cgroup: /tenant-a, uid: 1000-1999 }, { mount-namespace: 4026531840 } ]
    except: [ { program: /usr/sbin/backup }, { uid: 0 } ]
    held: revoke
  - id: one-inode
    action: kill
    file: { inode: 4711, device: "8:1", operations: [read] }
    held: keep
  - id: nc
    exec: { path: /usr/bin/nc.openbsd }
  - id: home
    exec: { subtree: /home }
  - id: content
    exec: { sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }
  - id: only
    exec: { all-but: [/usr/bin/true, /usr/bin/false] }
    scope: [ { cgroup: /ci } ]
  - id: metadata
    network: { address: 169.254.169.254, ports: 80, protocol: tcp, operations: [connect, send] }
  - id: inside
    network: { address: "fd00::/8", ports: "8000-8999", protocol: udp, operations: [bind, listen] }
  - id: everywhere
    network: { address: 0.0.0.0/0 }
  - id: kernel
    kernel:
      operations: [ptrace, module-load, kexec, bpf, mount, user-namespace, raw-device]
"#;

fn json(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).expect("YAML that is also JSON")
}

fn valid_in_both(yaml: &str) -> (bool, bool) {
    let schema = jsonschema::validator_for(json_schema().as_value()).expect("a schema");
    (
        parse(Path::new("p"), yaml).is_ok(),
        schema.is_valid(&json(yaml)),
    )
}

#[test]
fn the_published_schema_is_the_one_of_these_sources() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/policy.schema.json");
    let current = json_schema().to_value();
    if env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, format!("{current:#}\n")).unwrap();
    }
    let published: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        published, current,
        "run this test once with UPDATE_SCHEMA=1 and look at the difference"
    );
}

#[test]
fn every_form_is_valid_for_parser_and_schema() {
    assert_eq!(valid_in_both(EVERY_FORM), (true, true));
    assert_eq!(valid_in_both("version: 1\nrules: []"), (true, true));
}

#[test]
fn mistakes_are_invalid_for_parser_and_schema() {
    let whole = [
        "rules: []",
        "version: 1",
        "version: 2\nrules: []",
        "version: 1\nrules: []\nextra: 1",
        "version: 1\nrules: []\nnever-deny: [sshd]",
        "version: 1\nrules: []\nnever-deny: null",
        "version: 1\nrules: null",
    ];
    let rules = [
        "{ file: { path: /x } }",
        "{ id: '', file: { path: /x } }",
        "{ id: \"a\\nb\", file: { path: /x } }",
        "{ id: a }",
        "{ id: a, deny: { open: { path: /x } } }",
        "{ id: a, file: { path: /x }, exec: { path: /x } }",
        "{ id: a, file: { path: /x }, exec: null }",
        "{ id: a, file: { path: /x }, action: allow }",
        "{ id: a, file: { path: /x }, action: null }",
        "{ id: a, file: { path: / } }",
        "{ id: a, file: { path: x } }",
        "{ id: a, file: { path: null } }",
        "{ id: a, file: {} }",
        "{ id: a, file: { path: /x, subtree: /x } }",
        "{ id: a, file: { path: /x, inode: null } }",
        "{ id: a, file: { inode: 1 } }",
        "{ id: a, file: { path: /x, device: '8:1' } }",
        "{ id: a, file: { path: /x, inode: 1, device: '8:1' } }",
        "{ id: a, file: { inode: 1, device: '8-1' } }",
        "{ id: a, file: { inode: -1, device: '8:1' } }",
        "{ id: a, file: { path: /x, operations: [] } }",
        "{ id: a, file: { path: /x, operations: null } }",
        "{ id: a, file: { path: /x, operations: read } }",
        "{ id: a, file: { path: /x, operations: [read, read] } }",
        "{ id: a, file: { path: /x, operations: [connect] } }",
        "{ id: a, file: { path: /x, operations: [exec] }, held: revoke }",
        "{ id: a, exec: { path: /x }, held: revoke }",
        "{ id: a, exec: {} }",
        "{ id: a, exec: { path: /x, all-but: [/x] } }",
        "{ id: a, exec: { all-but: [] } }",
        "{ id: a, exec: { sha256: abcd } }",
        "{ id: a, exec: { path: /x, operations: [exec] } }",
        "{ id: a, network: { ports: 1 } }",
        "{ id: a, network: { address: example.org } }",
        "{ id: a, network: { address: 10.0.0.1, ports: 65536 } }",
        "{ id: a, network: { address: 10.0.0.1, ports: -1 } }",
        "{ id: a, network: { address: 10.0.0.1, ports: '' } }",
        "{ id: a, network: { address: 10.0.0.1, ports: null } }",
        "{ id: a, network: { address: 10.0.0.1, ports: 1-2-3 } }",
        "{ id: a, network: { address: 10.0.0.1, protocol: sctp } }",
        "{ id: a, network: { address: 10.0.0.1, operations: [read] } }",
        "{ id: a, kernel: {} }",
        "{ id: a, kernel: { operations: [reboot] } }",
        "{ id: a, file: { path: /x }, scope: [] }",
        "{ id: a, file: { path: /x }, scope: null }",
        "{ id: a, file: { path: /x }, scope: [{}] }",
        "{ id: a, file: { path: /x }, scope: [null] }",
        "{ id: a, file: { path: /x }, except: [{ uid: root }] }",
        "{ id: a, file: { path: /x }, except: [{ uid: 4294967296 }] }",
        "{ id: a, file: { path: /x }, except: [{ uid: 0, program: null }] }",
        "{ id: a, file: { path: /x }, except: [{ mount-namespace: 4294967296 }] }",
        "{ id: a, file: { path: /x }, except: { uid: 0 } }",
    ];
    let whole = whole.map(ToOwned::to_owned).into_iter();
    let wrong = whole.chain(rules.map(|rule| format!("version: 1\nrules: [{rule}]")));
    for text in wrong {
        assert_eq!(valid_in_both(&text), (false, false), "{text}");
    }
}
