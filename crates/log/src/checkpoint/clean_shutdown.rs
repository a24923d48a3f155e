//! The marker that a broker shut down with all its logs flushed.

use std::io;

use host::Disk;

/// The marker's name in the data directory.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// Whether the marker is in `directory`; it is gone, durably, when this returns.
///
/// That is before any log is loaded: were it deleted after, a crash in between would let the next start believe in a clean
/// shutdown and skip recovery (KAFKA-10471).
///
/// # Errors
/// Of the disk.
pub async fn take_clean_shutdown(disk: &Disk, directory: &str) -> io::Result<bool> {
    let clean = is_clean_shutdown(disk, directory);
    if clean {
        disk.delete(&format!("{directory}/{CLEAN_SHUTDOWN}"))?;
        disk.sync_dir(directory).await?;
    }
    Ok(clean)
}

/// Whether the marker is in `directory`.
pub fn is_clean_shutdown(disk: &Disk, directory: &str) -> bool {
    disk.exists(&format!("{directory}/{CLEAN_SHUTDOWN}"))
}

/// Leaves the marker in `directory`, when all logs are flushed and all checkpoints are written.
///
/// # Errors
/// Of the disk.
pub async fn write_clean_shutdown(disk: &Disk, directory: &str) -> io::Result<()> {
    disk.write_atomically(&format!("{directory}/{CLEAN_SHUTDOWN}"), b"0\n").await
}
