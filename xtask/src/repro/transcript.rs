//! What was done, expected and seen in a cell, for a person at a terminal.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::Value;

/// From the files that a run keeps of a cell.
pub(super) fn of(cell: &Path) -> String {
    let read = |name: &str| fs::read_to_string(cell.join(name)).unwrap_or_default();
    render(&read("program.json"), &read("observations.jsonl"))
}

/// One paragraph for each action. Where there is no program nothing was run.
fn render(program: &str, observations: &str) -> String {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    let Some(program) = parse(program) else {
        return String::new();
    };
    let seen: Vec<Value> = observations.lines().filter_map(parse).collect();
    let mut text = String::new();
    let actions = program["actions"].as_array().into_iter().flatten();
    for (index, planned) in actions.enumerate() {
        let phase = planned["phase"].as_str().unwrap_or_default();
        let _ = writeln!(text, "{index:>3} {phase:<8} {}", planned["action"]);
        let _ = writeln!(text, "    {:<8} {}", "expected", planned["expectation"]);
        match seen.get(index) {
            Some(record) => {
                let ms = record["micros"].as_f64().unwrap_or_default() / 1000.0;
                let _ = writeln!(
                    text,
                    "    {:<8} {} ({ms:.1} ms)",
                    "seen", record["observation"]
                );
            }
            None => {
                let _ = writeln!(text, "    {:<8} nothing", "seen");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn each_action_is_shown_with_what_came_of_it() {
        let program = r#"{"actions":[
            {"phase":"control","action":{"probe":"open"},"expectation":{"verdict":"allowed"}},
            {"phase":"steps","action":{"probe":"open"},"expectation":{"verdict":{"denied":"EPERM"}}}]}"#;
        let seen = r#"{"index":0,"observation":{"probed":"allowed"},"micros":1500}"#;
        insta::assert_snapshot!(render(program, seen), @r#"
          0 control  {"probe":"open"}
            expected {"verdict":"allowed"}
            seen     {"probed":"allowed"} (1.5 ms)
          1 steps    {"probe":"open"}
            expected {"verdict":{"denied":"EPERM"}}
            seen     nothing
        "#);
        assert_eq!(render("", ""), "");
    }
}
