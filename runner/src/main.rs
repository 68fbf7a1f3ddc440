//! Whitewater's one binary (in progress).

mod clock;
mod command {
    pub(crate) mod exec_node;
}
mod dice;
mod exit;
mod process;
mod proxy;

fn main() {}
