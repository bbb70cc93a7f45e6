//! Opening a file without pause, until there is something on standard input.

use std::io::{self, Write as _};

use harness_proto::storm::{Opener, Opens};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags};

/// Opens between two looks at standard input.
const BATCH: u64 = 64;

/// Say how many opens there were so far: after the first few, when there were
/// as many as were asked for, and at the end.
pub fn storm(opener: &Opener) -> io::Result<()> {
    let mut opens = Opens::default();
    batch(&opener.path, &mut opens);
    say(&opens)?;
    let mut announced = false;
    while !told_to_stop()? {
        batch(&opener.path, &mut opens);
        if !announced && opens.total() >= opener.announce {
            announced = true;
            say(&opens)?;
        }
    }
    say(&opens)
}

fn batch(path: &str, opens: &mut Opens) {
    for _ in 0..BATCH {
        match rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(_) => opens.allowed += 1,
            Err(errno) => *opens.denied.entry(errno.raw_os_error()).or_default() += 1,
        }
    }
}

fn told_to_stop() -> io::Result<bool> {
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(poll(&mut polled, Some(&now))? > 0)
}

fn say(opens: &Opens) -> io::Result<()> {
    let mut stdout = io::stdout();
    serde_json::to_writer(&mut stdout, opens)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}
