//! What takes memory or a processor from others: parts of a fault, which the
//! runner ends.

use std::fs;
use std::io::{self, Write as _};

use crate::schedule::{Priority, set_priority};

const PAGE_BYTES: usize = 4096;

/// Become a member of a cgroup and take so much memory there.
pub fn eat(members: &str, bytes: usize) -> io::Result<()> {
    fs::write(members, "0")?;
    let mut eaten = vec![0_u8; bytes];
    // Only what is written to is really taken.
    for page in eaten.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
        std::hint::black_box(&page);
    }
    Ok(())
}

/// Come before all that has no real-time priority, say so, and never rest.
pub fn spin() -> io::Result<std::convert::Infallible> {
    set_priority(Priority::RealTime(1))?;
    let mut out = io::stdout();
    out.write_all(b"{\"type\":\"spinning\"}\n")?;
    out.flush()?;
    loop {
        std::hint::spin_loop();
    }
}
