//! Compiles `proto/*.proto` with protox, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["proto/kv.proto", "proto/raft.proto", "proto/admin.proto", "proto/etcd.proto"];
    let descriptors = protox::compile(files, ["proto"])?;
    // Values travel as `bytes::Bytes`: an entry is shared by every peer's queue, never copied.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
