//! The memory of processes.

/// Makes the allocator of a program use one arena. With several, memory grows for an hour until each arena has room
/// for all large messages, and hides what a program keeps.
pub(crate) const ONE_ARENA: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

/// Returns the resident memory of a process, in bytes.
pub(crate) fn of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.parse::<u64>().unwrap() << 10
}

/// Returns bytes in megabytes, with a digit after the point.
pub(crate) fn in_megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
