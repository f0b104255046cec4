//! A trail judged by its own hashes and by every checkpoint there is.

use airlock_access::{KeySet, verify_checkpoint, verify_cut};
use airlock_model::TrailCut;
use airlock_store::{BadRecord, Checkpoint, KeptCheckpoint, Reader, StoreError, VerifyReport};
use serde::Serialize;

/// What verification found. Integrity and completeness are judged apart.
#[derive(Debug, Serialize)]
pub struct TrailReport {
    /// What the trail itself and the checkpoints say.
    #[serde(flatten)]
    pub trail: VerifyReport,
    /// The last record that a checkpoint which was given proves, and all before it. What comes after could have been cut off, or
    /// made anew.
    pub proven_to: Option<u64>,
    /// The same by checkpoints that the state directory keeps: no proof against whoever can write there.
    pub kept_to: Option<u64>,
    /// Checkpoints of the state directory that do not count.
    pub bad_checkpoints: Vec<BadCheckpoint>,
    /// Why what came before the trail was not removed by a server, although the trail says so.
    pub bad_cut: Option<String>,
}

/// A checkpoint of the state directory that does not count.
#[derive(Debug, Serialize)]
pub struct BadCheckpoint {
    /// The record that it is kept for.
    pub seq: i64,
    /// What is wrong with it.
    pub why: String,
}

impl TrailReport {
    /// Whether everything is what was written.
    #[must_use]
    pub fn integrity(&self) -> bool {
        self.trail.integrity && self.bad_checkpoints.is_empty() && self.bad_cut.is_none()
    }

    /// The first record that is not, and why.
    #[must_use]
    pub fn first_bad(&self) -> Option<(i64, String)> {
        let record = self.trail.first_bad.as_ref().map(|BadRecord { seq, why }| (*seq, why.to_string()));
        let said = |bad: &BadCheckpoint| (bad.seq, format!("the checkpoint kept for it does not count: {}", bad.why));
        let checkpoint = self.bad_checkpoints.first().map(said);
        let begins = self.trail.cut.as_ref().and_then(|cut| i64::try_from(cut.seq).ok()).unwrap_or_default();
        let cut = self.bad_cut.as_ref().map(|why| (begins, format!("the trail begins behind it, and {why}")));
        record.into_iter().chain(checkpoint).chain(cut).min_by_key(|(seq, _)| *seq)
    }
}

/// Reads the whole trail and judges it, by checkpoints that were `given` and those that are kept beside it, which have to be signed
/// by one of the keys.
///
/// # Errors
/// As [`Reader::verify`].
pub async fn verify_trail(
    reader: &Reader,
    keys: Option<&KeySet>,
    given: Vec<Checkpoint>,
) -> Result<TrailReport, StoreError> {
    // Before the trail: a server goes on and makes more.
    let found = reader.checkpoints().await?;
    let keys = keys.cloned();
    // Hundreds of signatures: nothing for a thread that serves.
    let with = keys.clone();
    let judged = tokio::task::spawn_blocking(move || judge(found, with.as_ref())).await;
    let (kept, bad_checkpoints) =
        judged.map_err(|_| StoreError::Unavailable { cause: "nobody is left to judge the checkpoints".into() })?;
    let all: Vec<_> = given.iter().chain(&kept).copied().collect();
    let trail = reader.verify(all).await?;
    let bad_cut = trail.cut.as_ref().and_then(|cut| judge_cut(cut, keys.as_ref()).err());
    let begins = trail.cut.as_ref().map_or(0, |cut| cut.seq);
    let range = begins..=trail.whole_to;
    let last = |points: &[Checkpoint]| points.iter().map(|at| at.seq).filter(|seq| range.contains(seq)).max();
    let (proven_to, kept_to) = (last(&given), last(&kept));
    Ok(TrailReport { trail, proven_to, kept_to, bad_checkpoints, bad_cut })
}

/// Whether a server removed what came before the trail. Anybody who can write to the file could say so.
fn judge_cut(cut: &TrailCut, keys: Option<&KeySet>) -> Result<(), String> {
    let keys = keys.ok_or("there is no public key to check the cut with")?;
    let said = verify_cut(&cut.signed, keys).map_err(|why| format!("the cut is not signed: {why}"))?;
    if (said.seq, said.hash) == (cut.seq, cut.hash) { Ok(()) } else { Err("another cut was signed".to_owned()) }
}

/// Those that count, and those that do not.
fn judge(found: Vec<Result<KeptCheckpoint, i64>>, keys: Option<&KeySet>) -> (Vec<Checkpoint>, Vec<BadCheckpoint>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for kept in found {
        let (seq, judged) = match kept {
            Err(seq) => (seq, Err("it cannot be read".to_owned())),
            Ok(kept) => (i64::try_from(kept.at.seq).unwrap_or(i64::MAX), judge_one(&kept, keys)),
        };
        match judged {
            Ok(at) => good.push(at),
            Err(why) => bad.push(BadCheckpoint { seq, why }),
        }
    }
    (good, bad)
}

fn judge_one(kept: &KeptCheckpoint, keys: Option<&KeySet>) -> Result<Checkpoint, String> {
    let keys = keys.ok_or("there is no public key to check it with")?;
    let said = verify_checkpoint(&kept.signed, keys).map_err(|why| why.to_string())?;
    if (Checkpoint { seq: said.seq, hash: said.hash }) == kept.at {
        Ok(kept.at)
    } else {
        Err("it is about another record".to_owned())
    }
}
