//! Secrets: read where the checklist says, and struck out of all that a server
//! sends back.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::service::secret::Secret;

/// What stands in the evidence where a server repeated a secret.
const STRUCK: &str = "[secret]";

/// Those that were used for a piece of evidence.
pub(super) struct Secrets {
    folder: PathBuf,
    known: Vec<String>,
}

impl Secrets {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            known: Vec::new(),
        }
    }

    /// The secret, without what stands before it. Errors name the place, never
    /// the content.
    pub(super) fn read(&mut self, secret: &Secret) -> Result<String, String> {
        let text = match (&secret.env, &secret.file) {
            (Some(name), None) => std::env::var(name)
                .map_err(|_| format!("the environment variable `{name}` has no secret: set it"))?,
            (None, Some(path)) => {
                let path = self.folder.join(path);
                let read = std::fs::read_to_string(&path);
                let text =
                    read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            _ => return Err("a secret comes from either `env` or `file`".into()),
        };
        if text.is_empty() {
            let place = secret.env.as_ref().or(secret.file.as_ref());
            let place = place.map_or("", String::as_str);
            return Err(format!("the secret of `{place}` is empty"));
        }
        // As it is, as HTTP may carry it, and as JSON writes it.
        let in_json = serde_json::to_string(&text).unwrap_or_default();
        let in_json = in_json.trim_matches('"').to_owned();
        self.known
            .extend([in_json, STANDARD.encode(&text), text.clone()]);
        self.known
            .sort_by_key(|known| std::cmp::Reverse(known.len()));
        Ok(text)
    }

    /// The text without any secret.
    pub(super) fn strike(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            text = text.replace(secret, STRUCK);
        }
        text
    }

    /// The longest, so that enough is read to find it whole.
    pub(super) fn longest(&self) -> usize {
        self.known.first().map_or(0, String::len)
    }

    pub(super) fn are_in(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        self.known.iter().any(|secret| text.contains(secret))
    }
}
