//! Treatment demands: what organisations register of treatments, each in its own compartment. Read to be decided on, to be sent, and for
//! the organisation's own file and report; never shown over FHIR.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::rows::Kind::{Integer, Text};
use super::rows::{Cell, Fat, Rows};
use super::write_set::WriteSet;
use super::{StorageError, Store, read, write};

/// Records of one person in one centre that are looked at.
const OF_ONE_MAX: i64 = 500;

/// An organisation whose treatments are registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreatmentCentre {
    /// The organisation.
    pub organization_id: String,
    /// The kinds of centre that it is, codes of the register.
    pub centre_types: Vec<String>,
    /// Its id at the register; empty where it hands in the file of a year.
    pub register_id: String,
}

/// One treatment demand as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreatmentDemandRow {
    /// `organization/<id>` whose it is.
    pub compartment: String,
    /// Time-ordered.
    pub id: String,
    /// A keyed name of the dossier.
    pub subject: String,
    /// A keyed name of the response from which it was read.
    pub source: String,
    /// What stands for the person at the register; empty where there is none.
    pub pseudonym: String,
    /// The first day, `2026-03-01`.
    pub started_on: String,
    /// The last day on which the person was seen, as far as is known.
    pub last_seen_on: String,
    /// Whether it is a stay.
    pub residential: bool,
    /// `draft`, `valid`, `refused`, `submitted`, `accepted`, `rejected` or `superseded`.
    pub state: String,
    /// The reference under which it was sent last; empty where it was not sent.
    pub reference: String,
    /// The record as JSON; empty where it was refused.
    pub record: String,
    /// What is wrong with it: a JSON array of codes with the item.
    pub findings: String,
    /// UTC milliseconds.
    pub created_ms: i64,
    /// When it was sent first, UTC milliseconds; 0 where it was not.
    pub sent_ms: i64,
}

/// What a write set changes of treatment demands.
#[derive(Clone, Debug, Default)]
pub struct TreatmentRows {
    /// Those that begin.
    pub demands: Vec<TreatmentDemandRow>,
    /// Those that end: compartment, id and `refused` or `superseded`. What may have been sent is not refused any more.
    pub ended: Vec<(String, String, &'static str)>,
    /// Contacts by which an episode goes on: compartment, id and day.
    pub seen: Vec<(String, String, String)>,
}

pub(super) static PUT_DEMAND: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [
        ("compartment", Text),
        ("id", Text),
        ("subject", Text),
        ("source", Text),
        ("pseudonym", Text),
        ("started_on", Text),
        ("last_seen_on", Text),
        ("residential", Integer),
        ("state", Text),
        ("reference", Text),
        ("record", Text),
        ("findings", Text),
        ("created_ms", Integer),
        ("sent_ms", Integer),
    ];
    Fat::insert("treatment_demand", &columns, "")
});

/// A refused one keeps its day, and nothing of what was answered.
pub(super) static END_DEMAND: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE treatment_demand SET state = q.state, \
         record = CASE WHEN q.state = 'refused' THEN '' ELSE treatment_demand.record END, \
         pseudonym = CASE WHEN q.state = 'refused' THEN '' ELSE treatment_demand.pseudonym END, \
         findings = CASE WHEN q.state = 'refused' THEN '[]' ELSE treatment_demand.findings END FROM ",
        &[("compartment", Text), ("id", Text), ("state", Text)],
        " WHERE treatment_demand.compartment = q.compartment AND treatment_demand.id = q.id \
         AND (q.state <> 'refused' OR treatment_demand.state IN ('draft', 'valid'))",
    )
});

pub(super) static SEE_DEMAND: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE treatment_demand SET last_seen_on = q.day FROM ",
        &[("compartment", Text), ("id", Text), ("day", Text)],
        " WHERE treatment_demand.compartment = q.compartment AND treatment_demand.id = q.id \
         AND treatment_demand.last_seen_on < q.day",
    )
});

pub(super) fn demand_rows(set: &WriteSet) -> Rows<'_> {
    fn row(row: &TreatmentDemandRow) -> Vec<Cell<'_>> {
        vec![
            row.compartment.as_str().into(),
            row.id.as_str().into(),
            row.subject.as_str().into(),
            row.source.as_str().into(),
            row.pseudonym.as_str().into(),
            row.started_on.as_str().into(),
            row.last_seen_on.as_str().into(),
            i64::from(row.residential).into(),
            row.state.as_str().into(),
            row.reference.as_str().into(),
            row.record.as_str().into(),
            row.findings.as_str().into(),
            row.created_ms.into(),
            row.sent_ms.into(),
        ]
    }
    set.treatment.demands.iter().map(row).collect()
}

pub(super) fn ended_rows(set: &WriteSet) -> Rows<'_> {
    set.treatment
        .ended
        .iter()
        .map(|(compartment, id, state)| vec![compartment.as_str().into(), id.as_str().into(), (*state).into()])
        .collect()
}

/// Several contacts of one episode in one write: the last of them counts.
pub(super) fn seen_rows(set: &WriteSet) -> Rows<'_> {
    let seen = &set.treatment.seen;
    let is_last = |one: &&(String, String, String)| {
        seen.iter().filter(|other| (&other.0, &other.1) == (&one.0, &one.1)).all(|other| other.2 <= one.2)
    };
    let mut rows: Rows<'_> = seen
        .iter()
        .filter(is_last)
        .map(|(compartment, id, day)| vec![compartment.as_str().into(), id.as_str().into(), day.as_str().into()])
        .collect();
    rows.dedup();
    rows
}

const DEMAND: &str = "SELECT compartment, id, subject, source, pseudonym, started_on, last_seen_on, residential, state, reference, \
                      record, findings, created_ms, sent_ms FROM treatment_demand ";

macro_rules! demand {
    ($row:expr) => {
        TreatmentDemandRow {
            compartment: $row.get(0),
            id: $row.get(1),
            subject: $row.get(2),
            source: $row.get(3),
            pseudonym: $row.get(4),
            started_on: $row.get(5),
            last_seen_on: $row.get(6),
            residential: $row.get::<i64, _>(7) != 0,
            state: $row.get(8),
            reference: $row.get(9),
            record: $row.get(10),
            findings: $row.get(11),
            created_ms: $row.get(12),
            sent_ms: $row.get(13),
        }
    };
}

impl Store {
    /// Registers an organisation as a treatment centre, or changes what is registered; without a kind it is none any more.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_treatment_centre(&self, centre: &TreatmentCentre) -> Result<(), StorageError> {
        let put = "INSERT INTO treatment_centre (organization_id, centre_types, register_id) VALUES ($1, $2, $3) \
                   ON CONFLICT (organization_id) DO UPDATE SET centre_types = excluded.centre_types, \
                   register_id = excluded.register_id";
        let drop = "DELETE FROM treatment_centre WHERE organization_id = $1";
        write!(&self.database, |pool| {
            if centre.centre_types.is_empty() {
                sqlx::query(drop).bind(&centre.organization_id).execute(pool).await?;
                return Ok(());
            }
            let types = centre.centre_types.join(" ");
            sqlx::query(put).bind(&centre.organization_id).bind(types).bind(&centre.register_id).execute(pool).await?;
            Ok(())
        })
    }

    /// Every treatment centre, by id.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn treatment_centres(&self) -> Result<Vec<TreatmentCentre>, StorageError> {
        let sql = "SELECT organization_id, centre_types, register_id FROM treatment_centre ORDER BY organization_id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).fetch_all(pool).await?;
            let centre = |row: &_| TreatmentCentre {
                organization_id: Row::get(row, 0),
                centre_types: Row::get::<String, _>(row, 1).split_whitespace().map(str::to_owned).collect(),
                register_id: Row::get(row, 2),
            };
            Ok(rows.iter().map(centre).collect())
        })
    }

    /// What an organisation registered of one person, by the dossier or by the pseudonym (empty where there is none), oldest first; what
    /// others took the place of is not among it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn treatment_demands_of(
        &self,
        compartment: &str,
        subject: &str,
        pseudonym: &str,
    ) -> Result<Vec<TreatmentDemandRow>, StorageError> {
        let sql = format!(
            "{DEMAND} WHERE compartment = $1 AND (subject = $2 OR (pseudonym <> '' AND pseudonym = $3)) \
             AND state <> 'superseded' ORDER BY id LIMIT {OF_ONE_MAX}"
        );
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(subject).bind(pseudonym);
            Ok(query.fetch_all(pool).await?.iter().map(|row| demand!(row)).collect())
        })
    }

    /// What has not left yet of what any organisation registered from one dossier.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn unsent_treatment_demands(&self, subject: &str) -> Result<Vec<TreatmentDemandRow>, StorageError> {
        let sql = format!(
            "{DEMAND} WHERE subject = $1 AND state IN ('draft', 'valid') ORDER BY compartment, id LIMIT {OF_ONE_MAX}"
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(subject).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| demand!(row)).collect())
        })
    }

    /// Up to so many of an organisation's treatments that began in a year, after an id, by id; without what others took the place of.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn treatment_year(
        &self,
        compartment: &str,
        year: u16,
        (after, count): (&str, u32),
    ) -> Result<Vec<TreatmentDemandRow>, StorageError> {
        let sql = format!(
            "{DEMAND} WHERE compartment = $1 AND started_on >= $2 AND started_on < $3 AND id > $4 \
             AND state <> 'superseded' ORDER BY id LIMIT CAST($5 AS BIGINT)"
        );
        let (from, until) = (format!("{year:04}-01-01"), format!("{:04}-01-01", year.saturating_add(1)));
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(from).bind(until).bind(after);
            let rows = query.bind(i64::from(count)).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| demand!(row)).collect())
        })
    }

    /// Takes a treatment demand to be sent under a reference: from then on it counts as sent, and a refusal comes too late for it. None
    /// where it must not be sent: it is incomplete, refused, accepted already, or another took its place.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn take_treatment_demand(
        &self,
        compartment: &str,
        id: &str,
        (reference, now_ms): (&str, i64),
    ) -> Result<Option<TreatmentDemandRow>, StorageError> {
        let take = "UPDATE treatment_demand SET state = 'submitted', reference = $3, \
                    sent_ms = CASE WHEN sent_ms = 0 THEN $4 ELSE sent_ms END \
                    WHERE compartment = $1 AND id = $2 AND state IN ('valid', 'submitted', 'rejected')";
        let taken = write!(&self.database, |pool| {
            let query = sqlx::query(take).bind(compartment).bind(id).bind(reference).bind(now_ms);
            query.execute(pool).await?.rows_affected()
        });
        if taken == 0 {
            return Ok(None);
        }
        let sql = format!("{DEMAND} WHERE compartment = $1 AND id = $2");
        // By the connection that wrote: another may not have it yet.
        write!(&self.database, |pool| {
            let row = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(id).fetch_optional(pool).await?;
            Ok(row.map(|row| demand!(row)))
        })
    }

    /// Notes what the register said of what was sent under a reference: `accepted` or `rejected`, with its code. An answer to an
    /// earlier attempt counts for nothing. Answers whether it counted.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn settle_treatment_demand(
        &self,
        compartment: &str,
        id: &str,
        reference: &str,
        (state, findings): (&'static str, &str),
    ) -> Result<bool, StorageError> {
        let sql = "UPDATE treatment_demand SET state = $4, findings = $5 \
                   WHERE compartment = $1 AND id = $2 AND reference = $3 AND state = 'submitted'";
        write!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(compartment).bind(id).bind(reference).bind(state).bind(findings);
            Ok(query.execute(pool).await?.rows_affected() > 0)
        })
    }
}
