//! etcd as the bundled server's rival: how a member is started.
//!
//! The server is an unmodified etcd, 3.4 or later, with its defaults (fsync on, heartbeat 100 ms, election
//! timeout 1 s): what it would be in production.

use std::env;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use whitewater_processes::Refusal;

/// The program's name, looked for on PATH.
const PROGRAM: &str = "etcd";

/// The etcd on PATH, or what to do about its absence.
pub(crate) fn program() -> Result<PathBuf, Refusal> {
    find(PROGRAM, &env::var_os("PATH").unwrap_or_default()).ok_or_else(|| {
        Refusal::Environment(
            "no `etcd` on PATH: install it (Debian and Ubuntu: `apt-get install etcd-server`) or add its folder to PATH"
                .into(),
        )
    })
}

/// The first executable file called `name` in the folders of `search_path`.
fn find(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    let candidates = env::split_paths(search_path).map(|folder| folder.join(name));
    candidates.into_iter().find(|path| path.is_file() && access(path, AccessFlags::X_OK).is_ok())
}

/// Where the members of one cluster listen: every member has its own address, and all use the same
/// two ports.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    /// Address of n1, n2, ….
    pub(crate) hosts: Vec<IpAddr>,
    /// Port for clients.
    pub(crate) client_port: u16,
    /// Port for the other members.
    pub(crate) peer_port: u16,
}

impl Members {
    /// The command line of member `node`, counted from 0, of a new cluster. The same one restarts it:
    /// once the data folder exists, etcd reads the members from there.
    pub(crate) fn arguments(&self, node: usize, data_dir: &Path) -> Vec<OsString> {
        let peer_url =
            |node: usize| format!("http://{}", SocketAddr::new(self.hosts[node], self.peer_port));
        let client_url = format!("http://{}", SocketAddr::new(self.hosts[node], self.client_port));
        let members: Vec<String> = (0..self.hosts.len())
            .map(|other| format!("n{}={}", other + 1, peer_url(other)))
            .collect();
        let mut arguments: Vec<OsString> = vec!["--data-dir".into(), data_dir.into()];
        let options = [
            ("--name", format!("n{}", node + 1)),
            ("--listen-client-urls", client_url.clone()),
            ("--advertise-client-urls", client_url),
            ("--listen-peer-urls", peer_url(node)),
            ("--initial-advertise-peer-urls", peer_url(node)),
            ("--initial-cluster", members.join(",")),
            ("--initial-cluster-state", "new".into()),
        ];
        arguments.extend(options.into_iter().flat_map(|(flag, value)| [flag.into(), value.into()]));
        arguments
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_member_is_told_its_own_addresses_and_all_members() {
        let hosts = vec!["127.9.9.1".parse().unwrap(), "127.9.9.2".parse().unwrap()];
        let members = Members { hosts, client_port: 2379, peer_port: 2380 };
        let arguments = members.arguments(1, Path::new("/data/n2"));
        let arguments: Vec<_> =
            arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(
            arguments.join(" "),
            "--data-dir /data/n2 --name n2 --listen-client-urls http://127.9.9.2:2379 \
             --advertise-client-urls http://127.9.9.2:2379 --listen-peer-urls http://127.9.9.2:2380 \
             --initial-advertise-peer-urls http://127.9.9.2:2380 \
             --initial-cluster n1=http://127.9.9.1:2380,n2=http://127.9.9.2:2380 --initial-cluster-state new"
        );
    }

    #[test]
    fn the_first_executable_on_the_path_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str, mode| {
            let path = folder.path().join(name).join("server");
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let plain = program("plain", 0o644);
        let (first, second) = (program("first", 0o755), program("second", 0o755));
        let folders = [&plain, &first, &second].map(|path| path.parent().unwrap());
        let search_path = env::join_paths(folders).unwrap();
        assert_eq!(find("server", &search_path), Some(first));
        assert_eq!(find("absent", &search_path), None);
        assert_eq!(find("server", OsStr::new("")), None);
    }
}
