//! Reaping as PID 1 does it. One test alone in its process: the supervisor
//! here takes the status of every child there is.

use std::time::{Duration, Instant};

use harness_guest::supervise::{Orphans, Supervisor};
use harness_proto::Exit;
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};

/// Starts a child that starts a child that outlives both.
const LEAVES_AN_ORPHAN: &str = "(sh -c 'read line < /dev/zero; exit 9' & exit 8); exit $1";

#[test]
fn orphans_are_reaped_and_no_status_is_taken_for_another() {
    // The kernel hands orphans to a subreaper as it does to PID 1.
    set_child_subreaper(Some(getpid())).unwrap();
    let mut supervisor = Supervisor::with_orphans(Orphans::watch().unwrap());
    let deadline = Instant::now() + Duration::from_secs(30);
    let statuses = 0..40_u8;
    let started: Vec<_> = statuses
        .map(|status| {
            let script = if status % 4 == 0 {
                LEAVES_AN_ORPHAN
            } else {
                "exit $1"
            };
            let argv = ["/bin/sh", "-c", script, "sh", &status.to_string()].map(str::to_owned);
            (supervisor.spawn(&argv).unwrap(), status)
        })
        .collect();
    for (id, status) in started {
        let exit = supervisor.wait(deadline, |all| all.process(id).exit());
        assert_eq!(exit.unwrap(), Some(Exit::Status(status.into())));
        supervisor.process(id).kill_group().unwrap();
    }
    // Only looked at, not reaped here: the supervisor must do that, woken by
    // nothing but the ends of the orphans.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let childless = supervisor.wait(deadline, |_| {
        matches!(waitid(WaitId::All, look), Err(Errno::CHILD)).then_some(())
    });
    assert_eq!(childless.unwrap(), Some(()), "a child is left behind");
}
