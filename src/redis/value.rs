//! [`Value`]: what the server answered.

/// The answer to a command. An error is no value but a [`Failure`](super::error::Failure).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::redis) enum Value {
    /// Nothing: a bulk string or a list that is not there.
    Nil,
    /// A number.
    Int(i64),
    /// A bulk string: any bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A simple string, such as `OK`.
    Text(String),
}
