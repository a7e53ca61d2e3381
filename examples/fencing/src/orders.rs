//! [`Orders`]: a table that knows the last number given to an order, and the fencing token of the
//! lock under which that was last read or written.
//!
//! A lock that was lost may have been another's since. That other one has a greater token, and its
//! first statement puts it into the row, before anything is read. From then on every statement with
//! a smaller token changes nothing. Whether to write is decided in the statement that writes, so
//! nothing comes in between.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

/// The first statement under a lock: leaves the token in the row, and reads. No row is returned if
/// a greater token was there.
pub(crate) const READ: &str = "
    UPDATE orders SET fencing_token = ?2
    WHERE path = ?1 AND fencing_token <= ?2
    RETURNING last_number";

/// Any later one: changes no row if a greater token is there by now.
pub(crate) const WRITE: &str = "
    UPDATE orders SET last_number = ?3, fencing_token = ?2
    WHERE path = ?1 AND fencing_token <= ?2";

/// The same two without a check.
const READ_UNCHECKED: &str = "SELECT last_number FROM orders WHERE path = ?1 AND ?2";
const WRITE_UNCHECKED: &str = "UPDATE orders SET last_number = ?3 WHERE path = ?1 AND ?2";

/// A connection to the database.
pub(crate) struct Orders {
    connection: Connection,
    read: &'static str,
    write: &'static str,
}

impl Orders {
    /// Makes the table, with one row for that path.
    pub(crate) fn create(file: &Path, path: &str) -> rusqlite::Result<()> {
        let connection = Connection::open(file)?;
        connection.execute_batch(
            "CREATE TABLE orders (
                path TEXT PRIMARY KEY,
                last_number INTEGER NOT NULL DEFAULT 0,
                fencing_token INTEGER NOT NULL DEFAULT 0
            )",
        )?;
        connection.execute("INSERT INTO orders (path) VALUES (?1)", [path]).map(|_| ())
    }

    pub(crate) fn open(file: &Path, with_tokens: bool) -> rusqlite::Result<Self> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        let (read, write) = if with_tokens { (READ, WRITE) } else { (READ_UNCHECKED, WRITE_UNCHECKED) };
        Ok(Self { connection, read, write })
    }

    /// The last number that was given. `None` if a greater token was seen.
    pub(crate) fn read(&self, path: &str, token: u64) -> rusqlite::Result<Option<u64>> {
        self.connection.query_one(self.read, params![path, token], |row| row.get(0)).optional()
    }

    /// Gives that number. `false` if a greater token was seen.
    pub(crate) fn write(&self, path: &str, token: u64, number: u64) -> rusqlite::Result<bool> {
        Ok(self.connection.execute(self.write, params![path, token, number])? == 1)
    }
}

#[cfg(test)]
mod tests;
