//! Compiles `proto/*.proto` with protox, so that no `protoc` has to be installed; and refuses, before anything that
//! needs it fails in words of its own, to build for a system on which servers cannot be broken.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system != "linux") {
        println!(
            "cargo::error=Whitewater stops, kills and watches servers by means of Linux (/proc, parent-death signals), so it \
             builds for Linux only: build it there, or in a container or virtual machine; histories are judged anywhere \
             by `cargo run -p whitewater-checker --example check -- FILE`"
        );
        return Ok(());
    }
    let files = ["proto/kv.proto", "proto/raft.proto", "proto/admin.proto", "proto/etcd.proto"];
    let descriptors = protox::compile(files, ["proto"])?;
    // Values travel as `bytes::Bytes`: an entry is shared by every peer's queue, never copied.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
