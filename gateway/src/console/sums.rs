//! `/billing/settlement` and `/billing/figures`: what was paid, refused and is open, to the cent, and amounts by state and month.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::Response;

use super::VIEW;
use super::chart::{chart, states};
use super::desk::{Desk, Stopped};
use super::pages::{FiguresPage, SettlementPage};
use super::view::{Apart, MonthState, Settled};
use crate::billing::states::{LineState, SendingState};
use crate::error::Failure;
use crate::fhir::exchange::Exchange;
use crate::storage::billing::{LineCount, LineFilter};

/// Settled sendings that are held to their lines.
const SENDINGS: u32 = 100;
/// Months that are drawn.
const MONTHS: usize = 12;

/// `GET /billing/settlement`
pub async fn settlement(exchange: Exchange) -> Response<Body> {
    settlement_shown(exchange).await.unwrap_or_else(|stopped| stopped)
}

async fn settlement_shown(exchange: Exchange) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let found = found(&desk).await;
    let (settled, apart) = desk.or_stopped(found).await?;
    let page = SettlementPage { shell: desk.shell.clone(), settled, apart };
    Ok(desk.show("list=settlement", &page).await)
}

async fn found(desk: &Desk) -> Result<(Vec<Settled>, Vec<Apart>), Failure> {
    Ok((settled(desk).await?, apart(desk).await?))
}

/// Each month and destination that was asked for something, the newest month first.
pub(super) async fn settled(desk: &Desk) -> Result<Vec<Settled>, Failure> {
    let (store, compartment) = (&desk.exchange.app.store, desk.caller.organization());
    let counts = store.claim_counts(&compartment, &LineFilter::default()).await?;
    let rows = summed(&counts).into_iter().map(|(payer, settled)| Settled { payer: desk.insurer(payer), ..settled });
    Ok(rows.collect())
}

fn summed(counts: &[LineCount]) -> Vec<(i64, Settled)> {
    let mut sums: BTreeMap<(i64, i64), Settled> = BTreeMap::new();
    for count in counts {
        let Some(state) = LineState::from_code(&count.state) else { continue };
        if state.is_open() || matches!(state, LineState::Exported | LineState::Void) {
            continue;
        }
        let sum = sums.entry((-count.month, count.payer)).or_insert_with(|| Settled {
            month: count.month,
            payer: String::new(),
            requested_cents: 0,
            paid_cents: 0,
            refused_cents: 0,
            open_cents: 0,
        });
        sum.requested_cents += count.amount_cents;
        sum.paid_cents += count.paid_cents;
        match state {
            LineState::Refused | LineState::Corrected | LineState::Uncollectable => {
                sum.refused_cents += count.amount_cents;
            }
            _ if state.is_under_way() => sum.open_cents += count.amount_cents,
            _ => {}
        }
    }
    sums.into_iter().map(|((_, payer), settled)| (payer, settled)).collect()
}

/// Settled sendings of which the insurer says something else than their lines do.
async fn apart(desk: &Desk) -> Result<Vec<Apart>, Failure> {
    let (store, compartment) = (&desk.exchange.app.store, desk.caller.organization());
    let states = [SendingState::Settled.code(), SendingState::PartlySettled.code()];
    let mut apart = Vec::new();
    for sending in store.sendings(&compartment, &states, ("", SENDINGS)).await? {
        let filter = LineFilter { sending: sending.id.clone(), ..LineFilter::default() };
        let counts = store.claim_counts(&compartment, &filter).await?;
        for total in store.sending_totals(&compartment, &sending.id).await? {
            let of_payer = counts.iter().filter(|count| count.payer == total.payer);
            let paid_cents: i64 = of_payer.map(|count| count.paid_cents).sum();
            if paid_cents != total.accepted_cents {
                apart.push(Apart {
                    sending: sending.id.clone(),
                    number: format!("{}/{}", sending.year, sending.number),
                    payer: desk.insurer(total.payer),
                    told_cents: total.accepted_cents,
                    paid_cents,
                });
            }
        }
    }
    Ok(apart)
}

/// `GET /billing/figures`
pub async fn figures(exchange: Exchange) -> Response<Body> {
    figures_shown(exchange).await.unwrap_or_else(|stopped| stopped)
}

async fn figures_shown(exchange: Exchange) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let page = figures_page(&desk).await;
    let page = desk.or_stopped(page).await?;
    Ok(desk.show("list=figures", &page).await)
}

async fn figures_page(desk: &Desk) -> Result<FiguresPage, Failure> {
    let (store, compartment) = (&desk.exchange.app.store, desk.caller.organization());
    let counts = store.claim_counts(&compartment, &LineFilter::default()).await?;
    let months: BTreeSet<i64> = counts.iter().map(|count| count.month).collect();
    let mut months: Vec<i64> = months.into_iter().rev().take(MONTHS).collect();
    months.reverse();
    let amounts: Vec<MonthState> = counts
        .into_iter()
        .map(|count| MonthState { month: count.month, state: count.state, cents: count.amount_cents })
        .collect();
    let chart = chart(desk.shell.words, &months, &amounts);
    let has = |state: &&str| amounts.iter().any(|amount| amount.state == *state);
    let states = states().filter(has).map(str::to_owned).collect();
    Ok(FiguresPage { shell: desk.shell.clone(), chart, months, states, amounts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(state: &str, payer: i64, amount_cents: i64, paid_cents: i64) -> LineCount {
        let (state, channel) = (state.to_owned(), "efact".to_owned());
        LineCount { state, month: 202_603, channel, payer, lines: 1, amount_cents, paid_cents }
    }

    #[test]
    fn every_cent_that_was_asked_for_is_paid_refused_or_open() {
        let counts = [
            count("paid", 131, 500, 500),
            count("refused", 131, 300, 0),
            count("corrected", 131, 200, 0),
            count("uncollectable", 131, 100, 0),
            count("sent", 131, 50, 0),
            count("credited", 131, 70, 70),
            // The credit note of it, which was paid too.
            count("paid", 131, -70, -70),
            // What was never asked for is not in it.
            count("draft", 131, 9_999, 0),
            count("void", 131, 9_999, 0),
            count("exported", 131, 9_999, 0),
            count("paid", 300, 10, 10),
        ];
        let summed = summed(&counts);
        let sums: Vec<_> = summed
            .iter()
            .map(|(payer, one)| (*payer, one.requested_cents, one.paid_cents, one.refused_cents, one.open_cents))
            .collect();
        assert_eq!(sums, [(131, 1_150, 500, 600, 50), (300, 10, 10, 0, 0)]);
        assert!(summed.iter().all(|(_, one)| one.difference_cents() == 0));
    }

    #[test]
    fn a_line_that_was_paid_something_else_than_it_asked_for_does_not_reconcile() {
        let summed = summed(&[count("paid", 131, 500, 499)]);
        assert_eq!(summed.first().map(|(_, one)| one.difference_cents()), Some(1));
    }
}
