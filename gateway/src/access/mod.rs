//! Who asks, and may this pass? Token, scope, visibility, decision and audit come together here.

pub mod caller;
pub mod draft;
pub mod inquiry;

pub use caller::Caller;
pub use draft::Draft;
