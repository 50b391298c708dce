//! The container: its id, as cgroups and mounts betray it.

use opentelemetry::Value;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceDetector;

/// `container.id` (Linux), from the control group (version 1, and version 2 with the host's
/// namespace) or from the mounts that container runtimes make.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContainerDetector;

impl ResourceDetector for ContainerDetector {
    fn detect(&self) -> Resource {
        super::of([("container.id", id().map(Value::from))])
    }
}

/// The id of the container that this process runs in.
pub(super) fn id() -> Option<String> {
    super::read("/proc/self/cgroup")
        .and_then(|cgroup| from_cgroup(&cgroup))
        .or_else(|| super::read("/proc/self/mountinfo").and_then(|mounts| from_mounts(&mounts)))
}

/// The innermost part that is an id, of a path like `/docker/<id>`, `…/cri-containerd-<id>.scope`,
/// `…/crio-<id>`.
fn from_cgroup(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        path.rsplit('/').find_map(|part| {
            let part = part.strip_suffix(".scope").unwrap_or(part);
            // `…:cri-containerd:<id>` where systemd does not manage the groups.
            container_id(part.rsplit(['-', ':']).next()?)
        })
    })
}

/// Runtimes mount `hostname`, `hosts` or `resolv.conf` from a folder that is named by the container.
fn from_mounts(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        // The fourth field is the mount's root within its file system.
        let root = line.split(' ').nth(3)?;
        let (folder, file) = root.rsplit_once('/')?;
        if !matches!(file, "hostname" | "hosts" | "resolv.conf") {
            return None;
        }
        let folder = folder.strip_suffix("/userdata").unwrap_or(folder);
        let (parent, id) = folder.rsplit_once('/')?;
        // `…/sandboxes/<id>` is the pod's, not the container's.
        let kind = parent.rsplit('/').next()?;
        (kind == "containers" || kind.ends_with("-containers")).then_some(())?;
        container_id(id)
    })
}

fn container_id(text: &str) -> Option<String> {
    let hex = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hex && text.len() == 64).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f3c1bd0a4e7968243f1c0de5f3c1bd0a4e7968243f1c0de5f3c1bd0a4e79682";

    #[test]
    fn from_cgroup_given_each_runtimes_path_returns_the_id() {
        for path in [
            format!("12:memory:/docker/{ID}"),
            format!("0::/docker/{ID}"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("3:cpu:/kubepods/besteffort/podaa-bb/{ID}"),
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("0::/kubepods.slice/crio-{ID}.scope"),
            format!("0::/user.slice/libpod-{ID}.scope"),
            format!(
                "1:name=systemd:/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}"
            ),
            format!("0::/docker/{ID}/init"),
            format!("0::/docker/{}/docker/{ID}", ID.replace('5', "6")),
            format!("4:pids:/\n3:cpu:/ecs/task/{ID}"),
        ] {
            assert_eq!(from_cgroup(&path).as_deref(), Some(ID), "{path}");
        }
    }

    #[test]
    fn from_cgroup_outside_of_containers_returns_none() {
        let short = &ID[..63];
        let upper = ID.to_uppercase();
        for path in [
            "0::/".to_owned(),
            "0::/user.slice/user-0.slice/session-1.scope".to_owned(),
            format!("0::/docker/{short}"),
            format!("0::/docker/{upper}"),
            "nonsense".to_owned(),
            String::new(),
        ] {
            assert_eq!(from_cgroup(&path), None, "{path}");
        }
    }

    #[test]
    fn from_mounts_given_each_runtimes_mounts_returns_the_id() {
        for root in [
            format!("/var/lib/docker/containers/{ID}/hostname"),
            format!("/docker/containers/{ID}/resolv.conf"),
            format!("/containers/storage/overlay-containers/{ID}/userdata/hosts"),
        ] {
            let mounts = format!(
                "22 27 0:21 / /proc rw - proc proc rw\n641 613 254:1 {root} /etc/x rw,relatime - ext4 /dev/vda1 rw\n"
            );
            assert_eq!(from_mounts(&mounts).as_deref(), Some(ID), "{root}");
        }
    }

    #[test]
    fn from_mounts_given_a_pods_sandbox_or_other_mounts_returns_none() {
        for root in [
            format!("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname"),
            format!("/var/lib/docker/containers/{ID}/secrets"),
            "/".to_owned(),
            "/etc/hosts".to_owned(),
        ] {
            let mounts = format!("641 613 254:1 {root} /etc/x rw - ext4 /dev/vda1 rw");
            assert_eq!(from_mounts(&mounts), None, "{root}");
        }
        assert_eq!(from_mounts("\n \nx"), None);
    }
}
