//! An HTTP server on this machine that misbehaves as it is told.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// How one request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// As asked, ranges included.
    Good,
    /// The whole file, whatever range was asked for.
    IgnoresRanges,
    /// As asked, but the connection ends after so many bytes of the body.
    Cut(usize),
    /// Another file of the same length.
    Corrupt,
    /// The file with something after it.
    TooLong,
    /// Only a status.
    Status(u16),
}

/// The server; it stops listening to anyone when the test process ends.
pub(crate) struct Server {
    /// Its address, to which a path can be appended.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<u64>>>,
}

impl Server {
    /// Serve `content` under every path. Requests are answered in the ways
    /// given, in order, and as they should be after that.
    pub(crate) fn start(content: &[u8], behaviours: &[Behaviour]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let content = content.to_vec();
        let mut behaviours: VecDeque<_> = behaviours.iter().cloned().collect();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let behaviour = behaviours.pop_front().unwrap_or(Behaviour::Good);
                // A client that has gone away is the client's business.
                let _ = answer(stream, &content, &behaviour, &seen);
            }
        });
        Self { url, requests }
    }

    /// The first byte that each request so far has asked for.
    pub(crate) fn requests(&self) -> Vec<u64> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

fn answer(
    mut stream: TcpStream,
    content: &[u8],
    behaviour: &Behaviour,
    seen: &Mutex<Vec<u64>>,
) -> std::io::Result<()> {
    let mut from = 0;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().expect("a number");
        }
        if line.is_empty() {
            break;
        }
    }
    seen.lock().expect("not poisoned").push(from as u64);
    let total = content.len();
    let (status, body) = match behaviour {
        Behaviour::Status(status) => (*status, Vec::new()),
        Behaviour::IgnoresRanges => (200, content.to_vec()),
        Behaviour::TooLong => (200, [content, b"and more"].concat()),
        Behaviour::Corrupt => (
            if from > 0 { 206 } else { 200 },
            content[from..].iter().map(|byte| !byte).collect(),
        ),
        Behaviour::Good | Behaviour::Cut(_) if from > total => (416, Vec::new()),
        Behaviour::Good | Behaviour::Cut(_) => {
            (if from > 0 { 206 } else { 200 }, content[from..].to_vec())
        }
    };
    let range = match status {
        206 => format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1),
        _ => String::new(),
    };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
        body.len()
    )?;
    let end = match behaviour {
        Behaviour::Cut(after) => body.len().min(*after),
        _ => body.len(),
    };
    stream.write_all(&body[..end])
}
