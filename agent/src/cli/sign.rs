//! Statements, signatures and keys.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{at, internal, now, offer, print, unreadable};
use crate::{
    control::Refusal,
    exit_code::ExitCode,
    hex::Hex,
    paths,
    policy::{self, parse},
    signature::{
        self, KeyId, Offered, SecretKey, Signed, Statement, Trust, statement::key_id, time,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Print the bytes that are to be signed, for a key management service.
    #[command(
        after_help = "Example:\n  aegisbpf policy statement policy.yaml --name production \
                      --counter 42 --expires 30d --key 0123… > statement"
    )]
    Statement {
        #[command(flatten)]
        about: About,
        /// Id of the key that will sign, as `keygen` shows it.
        #[arg(long, value_name = "ID")]
        key: KeyId,
    },
    /// Sign a policy with a key file; writes FILE.sig.
    #[command(
        after_help = "Example:\n  aegisbpf policy sign policy.yaml --name production \
                      --counter 42 --expires 30d --key ops.key"
    )]
    Sign {
        #[command(flatten)]
        about: About,
        /// The key file, as `keygen` makes it.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Join a statement with the signature that was made of it elsewhere; writes
    /// FILE.sig.
    #[command(after_help = "Example:\n  aegisbpf policy attach policy.yaml \
                      --statement statement --signature signature")]
    Attach {
        /// The policy (YAML).
        file: PathBuf,
        /// What `statement` printed.
        #[arg(long, value_name = "FILE")]
        statement: PathBuf,
        /// 64 bytes.
        #[arg(long, value_name = "FILE")]
        signature: PathBuf,
    },
    /// Say whether a signed policy would be believed here, now.
    #[command(after_help = "Example:\n  aegisbpf policy verify policy.yaml")]
    Verify {
        /// The policy (YAML).
        file: PathBuf,
        /// The signature file.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// The keys that are believed.
        #[arg(long, value_name = "FILE", default_value = paths::TRUST)]
        trust: PathBuf,
    },
    /// Make a secret key in a new file, and print its public half and id.
    #[command(after_help = "Example:\n  aegisbpf policy keygen ops.key")]
    Keygen {
        /// The new file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct About {
    /// The policy (YAML).
    file: PathBuf,
    /// What the policy is for; trust files can say which names they take.
    #[arg(long)]
    name: String,
    /// Never lower than that of the policy before.
    #[arg(long)]
    counter: u64,
    /// From when it may be applied; now when absent.
    #[arg(long, value_name = "MOMENT", value_parser = humantime::parse_rfc3339)]
    not_before: Option<SystemTime>,
    /// How long it may be applied.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires: Duration,
}

pub(super) fn run(verb: Verb, as_json: bool) -> Result<(), Refusal> {
    match verb {
        Verb::Statement { about, key } => {
            let bytes = statement(&about, key)?.to_bytes();
            let mut out = io::stdout().lock();
            if out.is_terminal() {
                let problem = "these bytes are for a file or a program: redirect them";
                return Err(Refusal::new(ExitCode::Usage, problem));
            }
            out.write_all(&bytes)
                .and_then(|()| out.flush())
                .map_err(internal)
        }
        Verb::Sign { about, key } => {
            let key = SecretKey::read(&key).map_err(|error| at(&key, error))?;
            let statement = statement(&about, key_id(&key.public()))?;
            write(&about.file, &key.sign(statement).map_err(Refusal::policy)?)
        }
        Verb::Attach {
            file,
            statement,
            signature,
        } => {
            let read = |path: &Path| fs::read(path).map_err(|error| at(path, error));
            let malformed = |path: &Path, problem: String| {
                Refusal::policy(format!("{}: {problem}", path.display()))
            };
            let bytes = read(&statement)?;
            let bytes =
                Statement::from_bytes(&bytes).map_err(|error| malformed(&statement, error))?;
            let signed = read(&signature)?.try_into().map_err(|bytes: Vec<u8>| {
                malformed(
                    &signature,
                    format!("has {} bytes instead of 64", bytes.len()),
                )
            })?;
            let signed = Signed {
                statement: bytes,
                signature: Hex(signed),
            };
            write(&file, &signed)
        }
        Verb::Verify {
            file,
            signature,
            trust,
        } => {
            let trust = Trust::read(&trust).map_err(Refusal::policy)?;
            verify(&file, signature.as_deref(), &trust, as_json)
        }
        Verb::Keygen { file } => {
            let key = SecretKey::create(&file).map_err(|error| at(&file, error))?;
            let public = key.public();
            let (id, public) = (key_id(&public), Hex(public.to_bytes()));
            if as_json {
                print(&json!({ "public": public, "id": id }).to_string())
            } else {
                print(&format!("public = \"{public}\"  # id {id}"))
            }
        }
    }
}

fn statement(about: &About, key: KeyId) -> Result<Statement, Refusal> {
    let text = parse::read_text(&about.file).map_err(unreadable)?;
    let policy = policy::parse(&about.file, &text).map_err(unreadable)?;
    let since = |moment: SystemTime| moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let not_before = about
        .not_before
        .map_or(now().at, |moment| since(moment).as_secs());
    let statement = Statement {
        name: about.name.clone(),
        key,
        counter: about.counter,
        not_before,
        expires: not_before.saturating_add(about.expires.as_secs()),
        policy: Hex(policy::digest(&policy)),
        text: Hex(Sha256::digest(text).into()),
    };
    statement.check().map_err(Refusal::policy)?;
    Ok(statement)
}

fn write(file: &Path, signed: &Signed) -> Result<(), Refusal> {
    let mut path = file.as_os_str().to_owned();
    path.push(".sig");
    let path = PathBuf::from(path);
    fs::write(&path, signed.to_text()).map_err(|error| at(&path, error))
}

fn verify(
    file: &Path,
    signature: Option<&Path>,
    trust: &Trust,
    as_json: bool,
) -> Result<(), Refusal> {
    let offered = offer(file, signature)?;
    let policy = policy::parse(file, &offered.text).map_err(unreadable)?;
    let signature = offered
        .signature
        .ok_or_else(|| Refusal::policy(format!("{} has no signature beside it", file.display())))?;
    let offered = Offered {
        text: offered.text.as_bytes(),
        policy: Hex(policy::digest(&policy)),
        signature: signature.as_bytes(),
    };
    let (signed, signer) = signature::verify(offered, trust, Some(now().at), None)
        .map_err(|error| Refusal::policy(format!("the signature is refused: {error}")))?;
    let statement = signed.statement;
    if as_json {
        return print(&json!({ "signer": signer, "statement": statement }).to_string());
    }
    print(&format!(
        "signed by {signer:?} for {:?} with counter {}, to be applied until {}",
        statement.name,
        statement.counter,
        time(statement.expires)
    ))
}
