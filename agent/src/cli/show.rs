//! Answers for people.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    control::{Applied, Response},
    held::Held,
    hex::Hex,
    history::{Entry, Event, Kept, State},
    policy::{Policy, canonical, model},
    signature::time,
};

/// An answer.
pub(super) fn answer(answer: &Response, dry_run: bool) -> String {
    match answer {
        Response::Applied(applied) => applied_policy(applied, dry_run),
        Response::Done(entry_) => entry(entry_),
        Response::Status(state) => status(state),
        // Which `aegisbpf health` asks for and shows.
        Response::Health(_) => String::new(),
        Response::History(entries) => entries.iter().map(entry).collect(),
        Response::Text(text) => text.clone(),
        Response::Refused(refusal) => refusal.reason.clone(),
    }
}

fn applied_policy(applied: &Applied, dry_run: bool) -> String {
    let mut text = String::new();
    for warning in &applied.warnings {
        let _ = writeln!(text, "{warning}");
    }
    if let Some(rehearsal) = &applied.rehearsal {
        let kib = rehearsal.map_bytes.div_ceil(1024);
        let _ = writeln!(
            text,
            "maps: about {kib} KiB, beside those in force until the switch"
        );
        let _ = writeln!(text, "hooks: {}", rehearsal.hooks.join(" "));
        let kernel = if rehearsal.kernel_asked {
            "this kernel's objects and hooks"
        } else {
            "paths by stat; no daemon runs, so not whether this kernel has the hooks"
        };
        let _ = writeln!(
            text,
            "checked: lint, digest, signature, counter, limits, {kernel}; not the verifier and the canary"
        );
    }
    let digest = applied
        .policy
        .map(|digest| digest.to_string())
        .unwrap_or_default();
    let _ = match applied.generation {
        _ if dry_run => writeln!(text, "{digest}  would be applied"),
        Some(generation) => writeln!(text, "{digest}  in force, generation {generation}"),
        None => writeln!(text, "{digest}  stored for the next start: no daemon runs"),
    };
    if let Some(held) = &applied.held {
        text += &descriptors(held);
    }
    if let Some(confirm_by) = applied.confirm_by {
        let _ = writeln!(
            text,
            "taken back at {} unless you run `aegisbpf policy confirm`",
            time(confirm_by)
        );
    }
    text
}

/// What was open already: nothing where nothing was.
fn descriptors(held: &Held) -> String {
    let mut text = String::new();
    let Held {
        found,
        revoked,
        unseen,
        listed,
    } = held;
    if *found > 0 {
        let _ = writeln!(
            text,
            "{found} open before a rule, {revoked} of them revoked:\n{:>8} {:>5}  {:<6}  {:<16}  {:<10}  rule",
            "pid", "fd", "held", "command", "opened to"
        );
    }
    for one in listed {
        let held = match one.held {
            model::Held::Keep => "keep",
            model::Held::Revoke => "revoke",
        };
        let (command, rule) = (&one.command, &one.rule);
        let operations = one.operations.join(",");
        let _ = writeln!(
            text,
            "{:>8} {:>5}  {held:<6}  {command:<16}  {operations:<10}  {rule}",
            one.pid, one.fd
        );
    }
    let rest = found - (listed.len() as u64).min(*found);
    if rest > 0 {
        let _ = writeln!(text, "and {rest} more, not listed");
    }
    if *unseen > 0 {
        let _ = writeln!(
            text,
            "{unseen} processes or descriptors could not be looked into"
        );
    }
    text
}

fn status(state: &State) -> String {
    let mut text = match &state.current {
        Some(kept) => format!("{}{}\n", kept.policy, signer(kept)),
        None => "no policy is stored: the next start reads the policy file\n".to_owned(),
    };
    if let Some(pending) = &state.pending {
        let _ = writeln!(
            text,
            "taken back at {} unless confirmed",
            time(pending.confirm_by)
        );
    }
    if let Some(floor) = &state.floor {
        let _ = writeln!(
            text,
            "the next signed policy needs a counter above {}",
            floor.counter
        );
    }
    text
}

fn entry(entry: &Entry) -> String {
    let short = |digest: &Hex<32>| digest.to_string()[..12].to_owned();
    let what = match &entry.event {
        Event::Applied {
            policy,
            live,
            confirm_by,
        } => {
            let verb = if *live { "applied" } else { "stored" };
            let until = confirm_by.map(|at| format!(" to be confirmed by {}", time(at)));
            let until = until.unwrap_or_default();
            format!("{verb} {}{}{until}", short(&policy.policy), signer(policy))
        }
        Event::Confirmed => "confirmed".into(),
        Event::RolledBack { policy, reason } => {
            format!("rolled back to {}: {reason}", short(&policy.policy))
        }
        Event::Reset { reason } => format!("reset: {reason}"),
        Event::Refused { policy, reason } => {
            let policy = policy.as_ref().map(short).unwrap_or_default();
            format!("refused {policy}: {}", reason.replace('\n', " "))
        }
    };
    let Entry {
        sequence, operator, ..
    } = entry;
    format!(
        "{sequence:>4}  {}  uid {} pid {}  {what}\n",
        time(entry.time),
        operator.uid,
        operator.pid
    )
}

fn signer(kept: &Kept) -> String {
    let signer = kept.signer.as_ref().zip(kept.signed.as_ref());
    signer.map_or(String::new(), |(name, signed)| {
        format!(
            "  signed by {name:?} with counter {}",
            signed.statement.counter
        )
    })
}

/// What a policy adds to another one, takes away and changes: canonical lines
/// after `+` and `-`.
pub(super) fn difference(old: &Policy, new: &Policy) -> String {
    let lines = |policy: &Policy| -> BTreeMap<String, String> {
        let rules = policy.rules.iter();
        let rules = rules.map(|rule| (rule.id.clone(), canonical::line(rule)));
        let exempt = policy.never_deny.iter().map(|path| {
            let path = path.as_path().display();
            (format!("\0{path}"), format!("never-deny {path}"))
        });
        rules.chain(exempt).collect()
    };
    let (old_lines, new_lines) = (lines(old), lines(new));
    let mut text = String::new();
    for (id, line) in &old_lines {
        if new_lines.get(id) != Some(line) {
            let _ = writeln!(text, "- {line}");
            if let Some(line) = new_lines.get(id) {
                let _ = writeln!(text, "+ {line}");
            }
        }
    }
    for (id, line) in &new_lines {
        if !old_lines.contains_key(id) {
            let _ = writeln!(text, "+ {line}");
        }
    }
    if text.is_empty() && old != new {
        return "the same rules in another order\n".into();
    }
    text
}

#[cfg(test)]
mod tests;
