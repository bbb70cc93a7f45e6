//! A small webhook-driven API with workers and metrics, as it stands behind the
//! proxy.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What it does; one thing may be wrong.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    pub(crate) verifies_signatures: bool,
    pub(crate) wants_signatures: bool,
    pub(crate) refuses_stale: bool,
    pub(crate) takes_webhooks: bool,
    pub(crate) jobs_fail: bool,
    pub(crate) works: bool,
    pub(crate) has_metrics: bool,
    pub(crate) debug: bool,
    /// Which release it says it is.
    pub(crate) version: String,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            verifies_signatures: true,
            wants_signatures: true,
            refuses_stale: true,
            takes_webhooks: true,
            jobs_fail: false,
            works: true,
            has_metrics: true,
            debug: false,
            version: "2.0".into(),
        }
    }
}

/// It runs until it is dropped.
pub(crate) struct App {
    pub(crate) port: u16,
    stopped: Arc<AtomicBool>,
}

#[derive(Default)]
struct Counts {
    queued: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

struct Shared {
    behaviour: Behaviour,
    key: String,
    counts: Arc<Counts>,
    jobs: Sender<()>,
}

impl App {
    pub(crate) fn start(behaviour: &Behaviour, key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let (jobs, queue) = channel();
        // One that was there before, so that there is something to work on.
        counts.queued.fetch_add(1, Ordering::SeqCst);
        jobs.send(()).unwrap();
        if behaviour.works {
            let (counts, fails) = (Arc::clone(&counts), behaviour.jobs_fail);
            thread::spawn(move || work(&queue, &counts, fails));
        } else {
            // A queue that nobody reads.
            std::mem::forget(queue);
        }
        let shared = Shared {
            behaviour: behaviour.clone(),
            key: key.into(),
            counts,
            jobs,
        };
        let end = Arc::clone(&stopped);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let _ = serve(stream, &shared);
            }
        });
        Self { port, stopped }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn work(queue: &Receiver<()>, counts: &Counts, fails: bool) {
    while queue.recv().is_ok() {
        counts.queued.fetch_sub(1, Ordering::SeqCst);
        let of = if fails { &counts.failed } else { &counts.done };
        of.fetch_add(1, Ordering::SeqCst);
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut signature) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "x-signature" => value.trim().clone_into(&mut signature),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ').skip(1);
    let (status, text) = match words.next() {
        Some("/metrics") if shared.behaviour.has_metrics => (200, metrics(&shared.counts)),
        Some("/webhook") => (webhook(shared, &signature, &body), String::new()),
        Some(path) if path.starts_with("/api/") => (200, api(shared)),
        _ => (404, String::new()),
    };
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn api(shared: &Shared) -> String {
    let debug = if shared.behaviour.debug {
        ",\"debug\":true"
    } else {
        ""
    };
    let version = &shared.behaviour.version;
    format!("{{\"jobs\":[],\"version\":\"{version}\"{debug}}}")
}

fn metrics(counts: &Counts) -> String {
    let value = |count: &AtomicU64| count.load(Ordering::SeqCst);
    format!(
        "jobs_queued {}\njobs_done_total {}\njobs_failed_total {}\n",
        value(&counts.queued),
        value(&counts.done),
        value(&counts.failed)
    )
}

/// The status.
fn webhook(shared: &Shared, signature: &str, body: &[u8]) -> u16 {
    let behaviour = &shared.behaviour;
    if !behaviour.takes_webhooks {
        return 500;
    }
    let pairs = signature.split(',').filter_map(|pair| pair.split_once('='));
    let field = |wanted: &str| {
        let mut own = pairs.clone().filter(|(name, _)| *name == wanted);
        own.next().map(|(_, value)| value.to_owned())
    };
    match (field("t"), field("v1")) {
        (Some(at), Some(hex)) => {
            if behaviour.verifies_signatures && !is_of(&shared.key, &at, body, &hex) {
                return 401;
            }
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_secs();
            let age = now.saturating_sub(at.parse().unwrap_or(0));
            if behaviour.refuses_stale && age > 300 {
                return 401;
            }
        }
        _ if behaviour.wants_signatures => return 401,
        _ => {}
    }
    shared.counts.queued.fetch_add(1, Ordering::SeqCst);
    let _ = shared.jobs.send(());
    202
}

fn is_of(key: &str, at: &str, body: &[u8], hex: &str) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let digits = mac.finalize().into_bytes();
    let digits: Vec<String> = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat() == hex
}
