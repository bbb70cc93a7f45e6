//! Downloads from a server that misbehaves.

use std::{fs, path::PathBuf};

use kernel_matrix::{
    Digest, Silent,
    fetch::{self, Download, FetchError},
    http::{Answer, Http, Transport, TransportError},
};
use tempfile::TempDir;

use crate::server::{Behaviour, Server};

/// Real requests without the pauses between tries.
#[derive(Default)]
pub(crate) struct Impatient(Http);

impl Transport for Impatient {
    fn get(&self, url: &str, from: u64) -> Result<Answer, TransportError> {
        self.0.get(url, from)
    }

    fn pause(&self, _: u32) {}
}

struct Case {
    folder: TempDir,
    content: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            content: (0..100_000_u32).flat_map(u32::to_le_bytes).collect(),
        }
    }

    fn destination(&self) -> PathBuf {
        self.folder.path().join("downloads/file.deb")
    }

    fn part(&self) -> PathBuf {
        fetch::part_of(&self.destination())
    }

    fn put_part(&self, content: &[u8]) {
        fs::create_dir_all(self.part().parent().expect("has one")).expect("a folder");
        fs::write(self.part(), content).expect("written");
    }

    fn server(&self, behaviours: &[Behaviour]) -> Server {
        Server::start(&self.content, behaviours)
    }

    fn fetch(&self, servers: &[&Server]) -> Result<(), FetchError> {
        let urls: Vec<_> = servers
            .iter()
            .map(|server| format!("{}/pool/file.deb", server.url))
            .collect();
        let download = Download {
            subject: "test",
            urls: &urls,
            size: self.content.len() as u64,
            sha256: Digest::of(&self.content),
            destination: &self.destination(),
        };
        fetch::fetch(&Impatient::default(), &download, &Silent)
    }

    /// It worked, and nothing else is left.
    fn assert_complete(&self, result: Result<(), FetchError>) {
        result.expect("fetched");
        assert!(fs::read(self.destination()).expect("there") == self.content);
        assert!(!self.part().exists());
    }

    /// It did not, and nothing is there that could be taken for the file.
    fn assert_nothing(&self) {
        assert!(!self.destination().exists());
        assert!(!self.part().exists());
    }
}

#[test]
fn a_file_is_fetched_once_and_then_kept() {
    let case = Case::new();
    let server = case.server(&[]);
    case.assert_complete(case.fetch(&[&server]));
    case.assert_complete(case.fetch(&[&server]));
    assert_eq!(server.requests(), [0]);
}

#[test]
fn a_kept_file_that_was_damaged_is_fetched_again() {
    let case = Case::new();
    let server = case.server(&[]);
    case.assert_complete(case.fetch(&[&server]));
    fs::write(case.destination(), "damaged").expect("written");
    case.assert_complete(case.fetch(&[&server]));
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let case = Case::new();
    let server = case.server(&[Behaviour::Cut(1000), Behaviour::Cut(500), Behaviour::Good]);
    case.assert_complete(case.fetch(&[&server]));
    assert_eq!(server.requests(), [0, 1000, 1500]);
}

#[test]
fn the_part_of_an_earlier_run_is_resumed() {
    let case = Case::new();
    case.put_part(&case.content[..12_345]);
    let server = case.server(&[]);
    case.assert_complete(case.fetch(&[&server]));
    assert_eq!(server.requests(), [12_345]);
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let case = Case::new();
    case.put_part(&case.content[..12_345]);
    let server = case.server(&[Behaviour::IgnoresRanges]);
    case.assert_complete(case.fetch(&[&server]));
}

#[test]
fn a_damaged_part_costs_one_more_download_and_no_more() {
    let case = Case::new();
    case.put_part(b"of another file");
    let server = case.server(&[]);
    case.assert_complete(case.fetch(&[&server]));
    assert_eq!(server.requests(), [15, 0]);
}

#[test]
fn a_part_that_is_too_long_is_thrown_away() {
    let case = Case::new();
    case.put_part(&[case.content.clone(), b"more".to_vec()].concat());
    let server = case.server(&[]);
    case.assert_complete(case.fetch(&[&server]));
}

#[test]
fn a_corrupt_file_is_deleted_and_both_digests_are_named() {
    for behaviour in [Behaviour::Corrupt, Behaviour::TooLong] {
        let case = Case::new();
        let server = case.server(&[behaviour]);
        let error = case.fetch(&[&server]).expect_err("corrupt");
        let FetchError::Corrupt {
            expected, actual, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_ne!(expected, actual);
        let message = error.to_string();
        for part in [expected.to_string(), actual.to_string(), "--mirror".into()] {
            assert!(message.contains(&part), "{message}");
        }
        case.assert_nothing();
        assert_eq!(server.requests(), [0]);
    }
}

#[test]
fn a_file_that_is_gone_is_reported_with_what_to_do() {
    let case = Case::new();
    let server = case.server(&[Behaviour::Status(404)]);
    let error = case.fetch(&[&server]).expect_err("gone");
    assert!(
        matches!(error, FetchError::Gone { status: 404, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("matrix update"), "{error}");
    assert_eq!(server.requests(), [0]);
    case.assert_nothing();
}

#[test]
fn the_next_mirror_is_asked_when_the_first_has_not_got_it() {
    let case = Case::new();
    let (first, second) = (case.server(&[Behaviour::Status(404)]), case.server(&[]));
    case.assert_complete(case.fetch(&[&first, &second]));
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let case = Case::new();
    let server = case.server(&[Behaviour::Status(503), Behaviour::Status(429)]);
    case.assert_complete(case.fetch(&[&server]));
    assert_eq!(server.requests(), [0, 0, 0]);
}

#[test]
fn a_server_that_stays_in_trouble_is_given_up() {
    let case = Case::new();
    let server = case.server(&vec![Behaviour::Status(500); 10]);
    let error = case.fetch(&[&server]).expect_err("given up");
    assert!(error.to_string().contains("HTTP 500 (4 tries)"), "{error}");
    assert_eq!(server.requests().len(), 4);
    case.assert_nothing();
}

#[test]
fn what_came_before_the_end_is_kept_for_the_next_run() {
    let case = Case::new();
    let mut behaviours = vec![Behaviour::Cut(1000)];
    behaviours.extend(vec![Behaviour::Status(500); 10]);
    let server = case.server(&behaviours);
    case.fetch(&[&server]).expect_err("given up");
    assert!(!case.destination().exists());
    assert_eq!(fs::read(case.part()).expect("kept"), case.content[..1000]);
}

#[test]
fn nobody_listening_is_an_error_that_names_the_address() {
    let case = Case::new();
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x.deb", listener.local_addr().expect("bound"));
    drop(listener);
    let download = Download {
        subject: "test",
        urls: std::slice::from_ref(&url),
        size: 1,
        sha256: Digest::of(b"x"),
        destination: &case.destination(),
    };
    let error = fetch::fetch(&Impatient::default(), &download, &Silent).expect_err("nobody");
    assert!(error.to_string().contains(&url), "{error}");
}
