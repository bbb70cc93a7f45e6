//! Rules of the repository that no compiler checks.

mod commands;
mod dependencies;
mod files;
mod hosts;
mod size;
mod threat_model;
mod tree;
mod vocabulary;
