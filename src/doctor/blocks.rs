//! What virt-9p left in the profiles of guests: damaged, stale, or forgotten.

use std::collections::BTreeSet;
use std::io;

use crate::apparmor::block::{self, Damage};
use crate::apparmor::files::{PROFILES, StoreError, TEMPORARY};
use crate::apparmor::store;
use crate::doctor::{CheckLine, Subject};
use crate::domain::Uuid;
use crate::host::{Root, guests};

/// A guest's profile, as far as it matters here.
enum State {
    /// Without a trace of ours.
    Plain,
    /// With a block that can be edited.
    Block,
    /// It cannot be edited.
    Bad(StoreError),
}

/// Looks at every profile of libvirt's directory: a damaged block is one line, stale ones together.
pub fn lines(root: &Root) -> Vec<CheckLine> {
    let names = match root.names(PROFILES) {
        Ok(names) => names,
        Err(error) => return vec![CheckLine::not_looked_at(Subject::Profiles, FIT, &error)],
    };
    let profiles: Vec<(Uuid, State)> = names
        .iter()
        .filter_map(|name| {
            let uuid = Uuid::of_profile(name)?;
            let state = state(root, &uuid);
            Some((uuid, state))
        })
        .collect();
    let mut lines = fit(&profiles);
    lines.push(stale(&profiles, guests::running(root)));
    lines.push(leftovers(&names));
    lines
}

const FIT: &str = "that the profiles of guests can be edited";

fn state(root: &Root, uuid: &Uuid) -> State {
    let content = match store::read(root, uuid) {
        Ok(content) => content.unwrap_or_default(),
        Err(error) => return State::Bad(error),
    };
    if !block::has_block(&content) {
        return State::Plain;
    }
    match block::edit(&content, uuid, "") {
        Ok(_) => State::Block,
        Err(damage) => State::Bad(StoreError::Damaged(store::profile(root, uuid), damage)),
    }
}

fn fit(profiles: &[(Uuid, State)]) -> Vec<CheckLine> {
    let lines: Vec<CheckLine> = profiles
        .iter()
        .filter_map(|(_, state)| match state {
            State::Bad(StoreError::Io(_, _, error)) => {
                Some(CheckLine::not_looked_at(Subject::Profiles, FIT, error))
            }
            State::Bad(
                error @ StoreError::Damaged(
                    _,
                    Damage::NoEnd(_) | Damage::NoBegin(_) | Damage::Foreign(_),
                ),
            ) => Some(CheckLine::fail(
                Subject::Profiles,
                FIT,
                format!("{error}: {}", error.help()),
            )),
            // It may be the profile of a guest without shares, which starts all the same.
            State::Bad(error) => Some(CheckLine::warn(
                Subject::Profiles,
                FIT,
                format!("{error}: {}", error.help()),
            )),
            State::Plain | State::Block => None,
        })
        .collect();
    if lines.is_empty() {
        vec![CheckLine::pass(Subject::Profiles, FIT)]
    } else {
        lines
    }
}

fn stale(profiles: &[(Uuid, State)], running: io::Result<Vec<(Uuid, u32)>>) -> CheckLine {
    let what = "that only running guests have shares in their profiles";
    let blocks: Vec<&Uuid> = profiles
        .iter()
        .filter(|(_, state)| matches!(state, State::Block))
        .map(|(uuid, _)| uuid)
        .collect();
    // Without blocks it does not matter what runs.
    let running = match running {
        Err(error) if !blocks.is_empty() => {
            return CheckLine::not_looked_at(Subject::Profiles, what, &error);
        }
        running => running.unwrap_or_default(),
    };
    let mut alive = BTreeSet::new();
    alive.extend(running.iter().map(|(uuid, _)| uuid.as_str()));
    let stale: Vec<String> = blocks
        .iter()
        .filter(|uuid| !alive.contains(uuid.as_str()))
        .map(|uuid| format!("{PROFILES}/libvirt-{uuid}"))
        .collect();
    if stale.is_empty() {
        return CheckLine::pass(Subject::Profiles, what);
    }
    CheckLine::warn(
        Subject::Profiles,
        what,
        format!(
            "the guest is not running, as after a crash of the host; nothing is open by that, and its next start or stop fixes it: {}",
            stale.join(", ")
        ),
    )
}

fn leftovers(names: &[String]) -> CheckLine {
    let what = "for temporary files that a crash left";
    let left: Vec<String> = names
        .iter()
        .filter(|name| name.starts_with(TEMPORARY))
        .map(|name| crate::text::visible(&format!("{PROFILES}/{name}")))
        .collect();
    if left.is_empty() {
        return CheckLine::pass(Subject::Profiles, what);
    }
    CheckLine::warn(
        Subject::Profiles,
        what,
        format!(
            "no parser reads them, and the guest's next start or stop removes them: {}",
            left.join(", ")
        ),
    )
}
