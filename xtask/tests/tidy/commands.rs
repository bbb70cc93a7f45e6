//! Every `cargo xtask …` that the documents and workflows name exists.

use clap::Command;

use crate::tree;

const PREFIX: &str = "cargo xtask";

/// Whether commands in this file are meant for readers or machines of today.
fn is_checked(name: &str) -> bool {
    let document = !name.contains('/') || name.starts_with("docs/");
    (document
        && std::path::Path::new(name)
            .extension()
            .is_some_and(|e| e == "md"))
        || name.starts_with(".github/")
        || name == ".ci/run"
}

/// The commands in a text: after the prefix, to the end of the code span or
/// of the shell command.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in join_continued(text).lines() {
        // A comment of a script or workflow says what it likes.
        if line.trim_start().starts_with("# ") {
            continue;
        }
        let mut rest = without_expressions(line);
        while let Some(at) = rest.find(PREFIX) {
            rest = rest[at + PREFIX.len()..].to_owned();
            let end = rest
                .find(['`', ';', '&', '>', '#', '"', '\''])
                .unwrap_or(rest.len());
            found.push(rest[..end].to_owned());
        }
    }
    found
}

fn join_continued(text: &str) -> String {
    text.replace("\\\n", " ")
}

/// A line with `${{ … }}` and `$VARIABLE`s replaced by a word.
fn without_expressions(line: &str) -> String {
    let mut result = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${{") {
        result.push_str(before);
        result.push('X');
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    result + rest
}

/// What is wrong with a command, without its prefix.
fn problem(words: &str, root: &Command) -> Option<String> {
    let plain = words.replace(['[', ']', '(', ')', '…', ','], " ");
    let mut words = plain.split_whitespace().peekable();
    let mut command = root;
    while let Some(sub) = words.peek().and_then(|word| {
        command
            .get_subcommands()
            .find(|sub| sub.get_name() == *word)
    }) {
        command = sub;
        words.next();
    }
    let name = command.get_name();
    if let Some(word) = words.peek()
        && command.has_subcommands()
        && word.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Some(format!("`{name}` has no `{word}`"));
    }
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
            continue;
        };
        let (flag, mut value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (flag, None),
        };
        if flag == "help" {
            continue;
        }
        let Some(arg) = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(flag))
        else {
            return Some(format!("`{name}` has no `--{flag}`"));
        };
        if arg.get_action().takes_values() && value.is_none() {
            value = words.next();
        }
        let possible = arg.get_possible_values();
        // `a|b` in a synopsis names several values; capitals are placeholders.
        for value in value.into_iter().flat_map(|value| value.split('|')) {
            let literal = value.starts_with(|c: char| c.is_ascii_lowercase());
            if literal && !possible.is_empty() && !possible.iter().any(|p| p.matches(value, false))
            {
                return Some(format!("`{name} --{flag}` does not take `{value}`"));
            }
        }
    }
    None
}

#[test]
fn every_command_that_is_written_down_exists() {
    let root = xtask::cli::command();
    let mut seen = 0;
    let mut problems = Vec::new();
    for file in tree::files().iter().filter(|file| is_checked(&file.name)) {
        for command in file.text().map(|text| commands(&text)).unwrap_or_default() {
            seen += 1;
            if let Some(problem) = problem(&command, &root) {
                problems.push(format!("{}: {PREFIX}{command}: {problem}", file.name));
            }
        }
    }
    assert!(seen > 5, "only {seen} commands found; where did they go?");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn commands_that_do_not_exist_are_found() {
    let root = Command::new("xtask").subcommand(
        Command::new("e2e")
            .arg(clap::Arg::new("json").long("json").num_args(0))
            .arg(
                clap::Arg::new("tier")
                    .long("tier")
                    .value_parser(["smoke", "pr"]),
            ),
    );
    let check = |text: &str, expected: Option<&str>| {
        let found: Vec<_> = commands(text)
            .iter()
            .filter_map(|command| problem(command, &root))
            .collect();
        assert_eq!(found.first().map(String::as_str), expected, "{text}");
    };
    check("Run `cargo xtask e2e --json` now", None);
    check("`cargo xtask e2e [--tier smoke|pr] [--json]…`", None);
    check("`cargo xtask …` and `cargo xtask`", None);
    check("run: cargo xtask e2e --tier ${{ matrix.tier }}", None);
    check(
        "cargo xtask e2e --tier pr && cargo xtask gone",
        Some("`xtask` has no `gone`"),
    );
    check("`cargo xtask e2e --jsn`", Some("`e2e` has no `--jsn`"));
    check(
        "cargo xtask e2e \\\n  --gone",
        Some("`e2e` has no `--gone`"),
    );
    check(
        "`cargo xtask e2e --tier=nightly`",
        Some("`e2e --tier` does not take `nightly`"),
    );
}
