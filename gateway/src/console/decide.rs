//! What ends a line: given up as uncollectable, taken back by a credit note, taken out before it was sent. Each with its reason.

use axum::body::Body;
use axum::http::Response;

use super::correct::seen;
use super::desk::{Desk, Stopped, see_other};
use super::{CORRECT, CREDIT, WRITE_OFF};
use crate::access::caller::Act;
use crate::fhir::exchange::Exchange;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is not asked for any more.
    WriteOff,
    /// It is taken back.
    Credit,
    /// It is not sent at all.
    Remove,
}

impl Decision {
    const fn act(self) -> Act {
        match self {
            Self::WriteOff => WRITE_OFF,
            Self::Credit => CREDIT,
            // Nothing leaves by it, and nothing that an insurer has changes.
            Self::Remove => CORRECT,
        }
    }
}

/// `POST /billing/lines/[id]/write-off`, `…/credit` and `…/remove`
pub async fn decide(exchange: Exchange, (id, decision): (String, Decision), body: Body) -> Response<Body> {
    decided(exchange, &id, decision, body).await.unwrap_or_else(|stopped| stopped)
}

async fn decided(exchange: Exchange, id: &str, decision: Decision, body: Body) -> Result<Response<Body>, Stopped> {
    let (desk, fields) = Desk::posted(exchange, body, decision.act()).await?;
    let row = seen(&desk, id, &fields).await;
    let row = desk.or_stopped(row).await?;
    let (books, reason, ids) = (desk.books(), fields.get("reason"), std::slice::from_ref(&row.id));
    let (at, done) = match decision {
        Decision::WriteOff => (books.write_off(ids, reason).await.map(|()| row.id.clone()), "written-off"),
        Decision::Remove => (books.take_out(ids, reason).await.map(|()| row.id.clone()), "removed"),
        Decision::Credit => (books.credit(&row.id, reason).await.map(|note| note.id), "credited"),
    };
    let at = desk.or_stopped(at).await?;
    Ok(see_other(&format!("/billing/lines/{at}?done={done}")))
}
