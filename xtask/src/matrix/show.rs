//! All that is known about one kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
};

use anyhow::Result;
use kernel_matrix::{BootMode, Capability, Kernel, Series, Source, Tier, record::Record};
use serde::Serialize;

/// What is shown.
#[derive(Debug, Serialize)]
pub(super) struct Details {
    series: Series,
    tier: Tier,
    source: BTreeMap<&'static str, String>,
    sha256: String,
    boot_modes: BTreeMap<BootMode, Mode>,
    /// The ELF file in the cache, and the version it gives itself.
    vmlinux: Option<PathBuf>,
    version: Option<String>,
}

#[derive(Debug, Serialize)]
struct Mode {
    parameter: &'static str,
    capabilities: BTreeSet<Capability>,
}

impl Details {
    /// The kernel, and what the cache has of it.
    pub(super) fn new(kernel: &Kernel, cached: Option<(PathBuf, Record)>) -> Self {
        let (vmlinux, version) = cached.map(|(path, record)| (path, record.version)).unzip();
        let modes = BootMode::ALL.map(|mode| {
            let about = Mode {
                parameter: mode.lsm_parameter(),
                capabilities: kernel.capabilities_in(mode),
            };
            (mode, about)
        });
        Self {
            series: kernel.series,
            tier: kernel.tier,
            source: source(kernel),
            sha256: kernel.content().to_string(),
            boot_modes: modes.into(),
            vmlinux,
            version,
        }
    }

    /// For machines.
    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let cached = match &self.vmlinux {
            Some(path) => path.display().to_string(),
            None => format!("no; `cargo xtask matrix fetch {}` gets it", self.series),
        };
        let (series, tier) = (self.series.to_string(), self.tier.to_string());
        let mut fields = vec![("series", &series), ("tier", &tier)];
        fields.extend(self.source.iter().map(|(name, value)| (*name, value)));
        fields.push(("sha256", &self.sha256));
        fields.push(("cached", &cached));
        if let Some(version) = &self.version {
            fields.push(("uname -r", version));
        }
        let mut text = String::new();
        for (name, value) in fields {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<10} {value}");
        }
        for (
            mode,
            Mode {
                parameter,
                capabilities,
            },
        ) in &self.boot_modes
        {
            let names: Vec<_> = capabilities.iter().map(Capability::to_string).collect();
            let able = if names.is_empty() {
                "-".into()
            } else {
                names.join(" ")
            };
            let _ = writeln!(
                text,
                "\n{mode}\n  parameter     {parameter}\n  capabilities  {able}"
            );
        }
        text
    }
}

fn source(kernel: &Kernel) -> BTreeMap<&'static str, String> {
    match &kernel.source {
        Source::Pinned { suite, pin } => BTreeMap::from([
            ("suite", suite.clone()),
            ("package", format!("{} {}", pin.package, pin.version)),
            ("path", format!("{}/{}", pin.archive.name(), pin.path)),
            ("size", format!("{} bytes", pin.size)),
        ]),
        Source::Image { path, version, .. } => BTreeMap::from([
            ("image", path.display().to_string()),
            ("version", version.clone()),
        ]),
    }
}
