//! A secret goes to the server and nowhere else: not into the evidence, even
//! when the server sends it back, and not into what is said when something
//! fails.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use evidence::{
    Checklist,
    bundle::Files,
    collect::{Request, collect},
    sign::SecretKey,
};

const SECRET: &str = "b33f\"quoted\"-and-long-enough";

/// Answers every request with all that it was sent, in the body and a header.
fn echo(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let token = head
        .lines()
        .find_map(|line| line.strip_prefix("authorization: "))
        .unwrap_or("none")
        .to_owned();
    let all = format!("{head}{head}");
    write!(
        reader.get_mut(),
        "HTTP/1.1 200 OK\r\nx-seen: {token}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{all}",
        all.len()
    )
}

fn collected(folder: &Path, request: &str) -> Files {
    let text = format!(
        "version = 1\nid = \"a\"\ntitle = \"A\"\n[subject.image]\nwhat = \"it\"\nfile = \"image\"\n\
         [evidence.api]\nhttp = {{ request = [{request}] }}\n[[item]]\nid = \"a\"\narea = \"A\"\n\
         text = \"A\"\nowner = \"A\"\npass = \"A\"\nfail = \"A\"\n[[item.predicate]]\n\
         evidence = \"api\"\nmax_age = \"1day\"\nabout = [\"image\"]\n\
         http = [{{ request = \"a\", status = [200] }}]\n"
    );
    let checklist = Checklist::parse("c.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let request = Request {
        checklist: &checklist,
        checklist_text: &text,
        folder,
        previous: None,
        waivers: Vec::new(),
        key: &SecretKey::from_seed([1; 32]),
        progress: &|_| {},
    };
    collect(&request).unwrap()
}

fn has(files: &Files, text: &str) -> bool {
    let mut all = files.values();
    all.any(|bytes| String::from_utf8_lossy(bytes).contains(text))
}

#[test]
fn a_secret_is_sent_and_never_written_down() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = echo(stream);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("image"), "image").unwrap();
    fs::write(folder.path().join("token"), format!("{SECRET}\n")).unwrap();
    let asked = |kept: usize| {
        let request = format!(
            "{{ name = \"a\", url = \"{url}\", method = \"POST\", body = \"{{}}\", \
             secret_headers = {{ authorization = {{ file = \"token\", before = \"Bearer \" }} }}, \
             keep_headers = [\"x-seen\"], keep_body = {kept}, times = 2, \
             signed = {{ header = \"x-signature\", key = {{ file = \"token\" }} }} }}"
        );
        collected(folder.path(), &request)
    };
    // However much is kept: a secret that is cut in the middle is not half kept.
    let whole = asked(4096);
    assert!(
        has(&whole, "Bearer [secret]"),
        "the server's answer was kept"
    );
    assert!(has(&whole, "x-signature"), "it was signed");
    for kept in (0..400).step_by(7) {
        let files = asked(kept);
        for part in [SECRET, "b33f", "quoted", "long-enough"] {
            assert!(!has(&files, part), "{part} with {kept} bytes kept");
        }
    }
}

#[test]
fn a_secret_that_is_not_there_or_a_service_that_is_not_is_missing_evidence() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("image"), "image").unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    fs::write(folder.path().join("token"), SECRET).unwrap();
    let check = |secret: &str, expected: &str| {
        let request = format!(
            "{{ name = \"a\", url = \"http://{free}/\", \
             secret_headers = {{ authorization = {secret} }} }}"
        );
        let files = collected(folder.path(), &request);
        assert!(has(&files, expected), "{expected}: {files:?}");
        assert!(!has(&files, "b33f"));
    };
    check("{ file = \"gone\" }", "cannot read");
    check("{ file = \"empty\" }", "the secret of `empty` is empty");
    check(
        "{ env = \"AEGISBPF_TEST_UNSET\" }",
        "the environment variable `AEGISBPF_TEST_UNSET` has no secret: set it",
    );
    check("{ file = \"token\" }", "{\"nothing\":");
}
