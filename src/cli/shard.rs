//! Which share of a work is this process's: as asked, or as a task of a Cloud Run job.

use anyhow::bail;

use crate::cli::variable;
use crate::system::Shard;

/// The shard that was asked for; without one that of a task of a Cloud Run job with several of them.
///
/// # Errors
/// When the variables of such a task are no numbers of a shard.
pub(super) fn shard_or_task(asked: Option<Shard>) -> anyhow::Result<Option<Shard>> {
    if asked.is_some() {
        return Ok(asked);
    }
    let (index, count) = (variable("CLOUD_RUN_TASK_INDEX")?, variable("CLOUD_RUN_TASK_COUNT")?);
    let (index, count) = match (index, count) {
        (Some(index), Some(count)) => (index, count),
        (None, None) => return Ok(None),
        // Each task would do the work of all.
        _ => bail!("of CLOUD_RUN_TASK_INDEX and CLOUD_RUN_TASK_COUNT one is set and the other is not"),
    };
    let shard: Shard = format!("{index}/{count}")
        .parse()
        .map_err(|reason| anyhow::anyhow!("CLOUD_RUN_TASK_INDEX and CLOUD_RUN_TASK_COUNT: {reason}"))?;
    Ok(Some(shard).filter(|shard| shard.count > 1))
}
