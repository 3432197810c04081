//! The statements of a write set on PostgreSQL, several in one where nothing depends on their order: a statement costs a way to the server
//! and back whatever it writes.
//!
//! The parts of one statement see the tables as they were before it, and run in no order that anybody promises
//! (<https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING>). So only those come together that know one table
//! each, and none that another of them knows. What two transactions could wait for of each other is locked by the preconditions before.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgConnection};

use super::statements::Statement;

/// Runs the statements in their order, but for those that come together.
///
/// # Errors
/// Whatever the database says of one of them.
pub(super) async fn run_postgres(
    connection: &mut PgConnection,
    statements: &[Statement<'_>],
) -> Result<(), sqlx::Error> {
    let mut rest = statements;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(apart(rest).max(1));
        if let [only] = now {
            only.fat.run_postgres(connection, &only.rows).await?;
        } else {
            let mut query = sqlx::query(AssertSqlSafe(text(now)));
            for statement in now {
                query = statement.fat.bind_postgres(query, &statement.rows);
            }
            query.execute(&mut *connection).await?;
        }
        rest = later;
    }
    Ok(())
}

/// How many of the first statements know one table each, and each another.
fn apart(statements: &[Statement<'_>]) -> usize {
    let is_of_its_own = |n: usize| {
        let table = statements[n].fat.table();
        table.is_some() && statements[..n].iter().all(|earlier| earlier.fat.table() != table)
    };
    (0..statements.len()).take_while(|n| is_of_its_own(*n)).count()
}

fn text(statements: &[Statement<'_>]) -> String {
    let (mut text, mut parameters) = ("WITH ".to_owned(), 0);
    for (n, statement) in statements.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}s{n} AS ({})", statement.fat.postgres_from(parameters + 1));
        parameters += statement.fat.parameters();
    }
    text.push_str(" SELECT 1");
    text
}
