//! Who asks, and may this pass? Token, scope, visibility, decision and audit come together here.

mod about;
pub mod attempts;
pub mod caller;
pub mod draft;
pub mod inquiry;
pub mod person;
mod rested;
pub mod session;
mod teams;
mod version;

pub(crate) use attempts::attempts;
pub use caller::Caller;
pub use draft::Draft;
