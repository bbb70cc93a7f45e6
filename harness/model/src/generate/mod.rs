//! A case from a seed, the same on every machine.
//!
//! Not proptest's strategies: what is wanted is many attempts for one policy,
//! most of them near what its rules speak of, and a failing case is tried again
//! in a machine, many candidates in one boot, which a shrinker that asks one
//! question after the other cannot do.
//!
//! | module | holds |
//! | --- | --- |
//! | `world` | folders, files, links, programs, mounts |
//! | `policy` | rules about them |
//! | `peers` | addresses, for rules and attempts |
//! | `attempts` | what is tried |

mod attempts;
mod peers;
mod policy;
mod world;

use fastrand::Rng;
use harness_proto::mixed;

use crate::case::{Abilities, Case, WORLDS};

/// How many attempts a case has.
pub const ATTEMPTS: usize = 120;

/// The case of this number in a run with this seed.
pub fn case(seed: u64, number: u64, able: Abilities) -> Case {
    let mut rng = Rng::with_seed(mixed(seed ^ mixed(number)));
    let root = format!("{WORLDS}/{number}");
    let world = world::make(&mut rng, &root);
    let rules = policy::make(&mut rng, &world, able, number);
    let attempts = attempts::make(&mut rng, &world, &rules, ATTEMPTS);
    Case {
        world,
        rules,
        attempts,
    }
}

/// One of several.
fn one_of<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

/// True so many times of a hundred.
fn percent(rng: &mut Rng, times: u32) -> bool {
    rng.u32(..100) < times
}

/// The thing whose weight is drawn.
fn weighted<T: Copy>(rng: &mut Rng, all: &[(u32, T)]) -> T {
    let sum: u32 = all.iter().map(|(weight, _)| weight).sum();
    let mut drawn = rng.u32(..sum);
    for (weight, thing) in all {
        if drawn < *weight {
            return *thing;
        }
        drawn -= weight;
    }
    all[0].1
}

#[cfg(test)]
mod tests;
