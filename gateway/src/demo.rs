//! The story of a referral, and of a month that is billed, played over HTTP against a running sandbox and printed for a person.
//!
//! It is a client like any other: what it shows, an EHR sees. Each step says what must come back, and the first that does
//! not ends the story.

mod centre;
mod client;
mod intake;
mod month;
mod office;
mod onward;
mod page;
mod resources;
mod story;

use connectors::http::HttpError;

use centre::Centre;
use client::Client;

use crate::clock::Clock;

/// Why the story broke.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// A step did not go as the story says.
    #[error("{step}: expected {expected}, found {found}")]
    Unexpected {
        /// Who asked for what.
        step: String,
        /// What the story says.
        expected: String,
        /// What came back.
        found: String,
    },
    /// No answer.
    #[error("{step}: {cause}")]
    Unanswered {
        /// Who asked for what.
        step: String,
        /// Why there is none.
        cause: HttpError,
    },
}

/// Plays the story against the sandbox at `root`, for instance `http://127.0.0.1:8080`, with so many contacts in the month that is billed. Where
/// the sandbox stays up, it says at the end what to type next.
///
/// # Errors
/// The first step that did not go as the story says.
pub async fn play(root: &str, stays_up: bool, contacts: usize) -> Result<(), StoryError> {
    let client = Client::arrive(root).await?;
    page::title(root);
    intake::routed(&client).await?;
    let first = story::refused(&client).await?;
    let placed = story::placed(&client).await?;
    let waiting = story::waiting_room(&client, &placed).await?;
    let winner = story::race(&client, &waiting).await?;
    let encounter = story::dossier(&client, &placed, &winner).await?;
    let forwarded = onward::forwarded(&client, &placed, &winner, &encounter).await?;
    onward::closed(&client, &placed, &winner, &encounter, &forwarded).await?;
    onward::withdrawn(&client, &first).await?;
    onward::trail(&client, &first).await?;
    month::billed(&client, root, &Centre::new(contacts, Clock::System.now_ms())).await?;
    page::farewell();
    if stays_up {
        page::go_on(root, &first);
    }
    Ok(())
}
