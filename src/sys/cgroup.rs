//! What a container leaves the process of the machine's memory: the limit of its control group.
//!
//! `/proc/self/cgroup` names the groups: `0::/path` under cgroup v2, `n:memory:/path` under cgroup
//! v1. Every group above counts as well. In a container the path may be that of the host, and the
//! mount show the container's group alone; then its root counts.

use std::path::Path;

/// Where the hierarchies are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// The memory limit of the process's control group in bytes, if it has one.
pub(crate) fn memory_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_of(&groups, &|path| std::fs::read_to_string(path).ok())
}

/// The limit for what `/proc/self/cgroup` says, with `read` for the files below the mount.
fn limit_of(groups: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let limit = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            lowest(Path::new(MOUNT), path, "memory.max", read)
        } else if controllers.split(',').any(|c| c == "memory") {
            let mount = Path::new(MOUNT).join("memory");
            lowest(&mount, path, "memory.limit_in_bytes", read)
        } else {
            None
        }
    };
    groups.lines().filter_map(limit).min()
}

/// The lowest limit of a group and of those above it.
fn lowest(
    mount: &Path,
    path: &str,
    file: &str,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Option<u64> {
    // Without the slash in front, or it would replace the mount.
    let group = mount.join(path.trim_start_matches('/'));
    let above = group.ancestors().take_while(|dir| dir.starts_with(mount));
    // No limit is the word "max" under version 2, and a number beyond all memory under version 1.
    let limit = |dir: &Path| read(&dir.join(file))?.trim().parse::<u64>().ok();
    above.filter_map(limit).filter(|bytes| *bytes < 1 << 60).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        limit_of(groups, &read)
    }

    #[test]
    fn version_2_takes_the_lowest_of_all_groups_above() {
        let files = [
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000000\n"),
            ("/sys/fs/cgroup/memory.max", "2000000\n"),
        ];
        assert_eq!(limit("0::/a/b\n", &files), Some(1_000_000));
        assert_eq!(limit("0::/\n", &files), Some(2_000_000));
        assert_eq!(limit("0::/elsewhere/of/the/host\n", &files), Some(2_000_000));
        assert_eq!(limit("0::/a/b\n", &files[..1]), None);
    }

    #[test]
    fn version_1_has_a_hierarchy_for_memory() {
        let files = [
            ("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "536870912\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let groups = "5:cpu,cpuacct:/c\n4:memory:/c\n1:name=systemd:/c\n";
        assert_eq!(limit(groups, &files), Some(512 << 20));
        assert_eq!(limit("4:memory:/\n", &files), None);
        assert_eq!(limit("5:cpu,cpuacct:/c\n", &files), None);
    }

    #[test]
    fn nonsense_is_no_limit() {
        assert_eq!(limit("", &[]), None);
        assert_eq!(limit("memory\n::\n0::\n", &[("/sys/fs/cgroup/memory.max", "lots")]), None);
    }
}
