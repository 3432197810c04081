//! `GET /billing`: what a clerk sees first.

use axum::body::Body;
use axum::http::Response;

use super::VIEW;
use super::desk::{Desk, Stopped};
use super::pages::WorkPage;
use crate::fhir::exchange::Exchange;

/// `GET /billing`
pub async fn work(exchange: Exchange) -> Response<Body> {
    shown(exchange).await.unwrap_or_else(|stopped| stopped)
}

async fn shown(exchange: Exchange) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let found = desk.work().await;
    let (items, states) = desk.or_stopped(found).await?;
    let page = WorkPage { shell: desk.shell.clone(), items, states };
    Ok(desk.show("list=work", &page).await)
}
