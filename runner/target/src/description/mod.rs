//! The description of a server that is not ours: one TOML file, read into a value or into one line that says what is
//! wrong with it.
//!
//! Nothing here starts or asks anything. What the keys mean is said where they stand, and the JSON schema for editors is
//! made of the same words. A description that was read is sound in itself: every place in it can be filled in, every
//! pattern compiles, and what it says of clients and status is whole. Whether it is *true* only a run can tell.

mod check;
mod client;
mod document;
mod flaw;
mod key_lines;
mod notation;

mod read;
mod status;

pub use client::{
    Client, Codes, Condition, ErrorRule, EtcdClient, EtcdReads, HttpClient, HttpRequest, Means,
    Offer, Reading, ResponseRule, RunClient, RunRequest, ShimClient, To,
};
pub use document::{
    Build, Commands, Description, Files, Kind, ListEntry, Lists, Order, Promises, Times,
};
pub use flaw::Flaw;
pub(crate) use key_lines::line_of;
pub use notation::{Arguments, Pattern, Stop, Text, Time};
pub use read::{DESCRIPTION_BYTES_MAX, read, schema};
pub use status::{HttpStatus, LogStatus, RunStatus, StatusSource, Statuses, Told};
