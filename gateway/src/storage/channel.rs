//! Where partners are told what happens: registered by the operator, one channel an organisation or officer.

use sqlx::Row;

use super::{StorageError, Store, read, write};

/// Where somebody is told what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// `organization/<id>` or `dpo/<id>`.
    pub partner: String,
    /// What is spoken there.
    pub kind: ChannelKind,
    /// The base URL of a FHIR server, or a mail address.
    pub address: String,
}

/// What is spoken on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// FHIR messages to the partner's own server: what the partner may see.
    Ehr,
    /// A mail that there is something, and never what.
    Mail,
}

impl ChannelKind {
    /// The code under which it is stored and shown.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ehr => "ehr",
            Self::Mail => "mail",
        }
    }

    /// Reads what `code` wrote.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Ehr, Self::Mail].into_iter().find(|kind| kind.code() == code)
    }
}

impl Store {
    /// Every channel, by partner. One of a kind that this version does not know is left out: nothing leaves on it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn channels(&self) -> Result<Vec<Channel>, StorageError> {
        let sql = "SELECT partner, kind, address FROM channel ORDER BY partner";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).fetch_all(pool).await?;
            let channel = |row: &_| {
                let kind: String = Row::get(row, 1);
                let kind = ChannelKind::from_code(&kind)?;
                Some(Channel { partner: Row::get(row, 0), kind, address: Row::get(row, 2) })
            };
            Ok(rows.iter().filter_map(channel).collect())
        })
    }

    /// Registers a channel, in place of the partner's former one.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_channel(&self, channel: &Channel) -> Result<(), StorageError> {
        let sql = "INSERT INTO channel (partner, kind, address) VALUES ($1, $2, $3) \
                   ON CONFLICT (partner) DO UPDATE SET kind = excluded.kind, address = excluded.address";
        write!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(&channel.partner).bind(channel.kind.code()).bind(&channel.address);
            query.execute(pool).await?;
            Ok(())
        })
    }

    /// Takes a partner's channel away; whether there was one. What waits for the partner stays, and leaves by the next channel.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn remove_channel(&self, partner: &str) -> Result<bool, StorageError> {
        let sql = "DELETE FROM channel WHERE partner = $1";
        write!(&self.database, |pool| { Ok(sqlx::query(sql).bind(partner).execute(pool).await?.rows_affected() == 1) })
    }
}
