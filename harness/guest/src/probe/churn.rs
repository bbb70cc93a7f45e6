//! Things that come and go.

use std::path::Path;

use harness_proto::probe::{Churn, ExecWay, SocketWay, Transport};
use harness_proto::{PROBE_PATH, Verdict};
use rustix::fs::{AtFlags, CWD, Mode};

use super::{connect, execute, verdict};

const CGROUPS: &str = "/sys/fs/cgroup";

/// One of them, each time that it is called.
pub(super) fn once(of: &Churn) -> impl FnMut() -> Verdict {
    let mut number = 0_u32;
    move || {
        number += 1;
        match of {
            Churn::Processes => execute::execute(PROBE_PATH, ExecWay::default()),
            Churn::Cgroups => {
                let name = format!("churn-{}-{number}", std::process::id());
                let path = Path::new(CGROUPS).join(name);
                let made = rustix::fs::mkdirat(CWD, &path, Mode::from_raw_mode(0o755));
                let gone = || rustix::fs::unlinkat(CWD, &path, AtFlags::REMOVEDIR);
                verdict(made.and_then(|()| gone()))
            }
            Churn::Connections { address } => {
                connect::connect(Transport::Tcp, *address, SocketWay::default())
            }
        }
    }
}
