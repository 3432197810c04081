//! The bytes of files and answers: sealed in parts, so that neither is in memory whole, and no number is on a disk.

use std::io::{self, Write};

use sqlx::Row;

use crate::storage::{StorageError, Store, read, write};

/// Bytes of a part before it is sealed.
const PART_BYTES: usize = 512 * 1024;

/// Collects what a writer writes into parts; whoever writes hands them on between two invoices.
#[derive(Debug, Default)]
pub struct PartWriter {
    waiting: Vec<u8>,
}

impl PartWriter {
    /// The parts that are full.
    pub fn full(&mut self) -> Option<Vec<u8>> {
        (self.waiting.len() >= PART_BYTES).then(|| std::mem::take(&mut self.waiting))
    }

    /// What is left at the end; may be empty.
    pub fn rest(self) -> Vec<u8> {
        self.waiting
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Store {
    /// Keeps a sealed part of what belongs to a sending or an answer, in place of one that is there.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_billing_part(
        &self,
        (compartment, owner): (&str, &str),
        (attempt, part): (i64, i64),
        sealed: &str,
    ) -> Result<(), StorageError> {
        let sql = "INSERT INTO billing_part (compartment, owner, attempt, part, sealed) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (compartment, owner, attempt, part) DO UPDATE SET sealed = excluded.sealed";
        write!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(compartment).bind(owner).bind(attempt).bind(part).bind(sealed);
            query.execute(pool).await?;
            Ok(())
        })
    }

    /// One sealed part, from 0 on; none after the last.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn billing_part(
        &self,
        (compartment, owner): (&str, &str),
        (attempt, part): (i64, i64),
    ) -> Result<Option<String>, StorageError> {
        let sql =
            "SELECT sealed FROM billing_part WHERE compartment = $1 AND owner = $2 AND attempt = $3 AND part = $4";
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(compartment).bind(owner).bind(attempt).bind(part);
            Ok(query.fetch_optional(pool).await?.map(|row| row.get(0)))
        })
    }

    /// Removes the parts of an attempt from one on: of a file that was not written to its end, or is written anew.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn drop_billing_parts(
        &self,
        (compartment, owner): (&str, &str),
        (attempt, from): (i64, i64),
    ) -> Result<(), StorageError> {
        let sql = "DELETE FROM billing_part WHERE compartment = $1 AND owner = $2 AND attempt = $3 AND part >= $4";
        write!(&self.database, |pool| {
            sqlx::query(sql).bind(compartment).bind(owner).bind(attempt).bind(from).execute(pool).await?;
            Ok(())
        })
    }
}
