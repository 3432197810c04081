//! The style and the one script of the pages, embedded in the program. `gateway/assets/README.md` says what is from where.

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};

const STYLE: &str = include_str!("../../assets/billing.css");
const HTMX: &str = include_str!("../../assets/htmx.min.js");

/// The style.
pub fn style() -> Response<Body> {
    served(STYLE, "text/css;charset=utf-8")
}

/// htmx.
pub fn script() -> Response<Body> {
    served(HTMX, "text/javascript;charset=utf-8")
}

fn served(text: &'static str, media_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;
    use crate::audit::seal::hex;

    #[test]
    fn the_script_is_the_one_of_the_registry_byte_for_byte() {
        assert_eq!(
            hex(digest(&SHA256, HTMX.as_bytes()).as_ref()),
            "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
        );
    }

    #[test]
    fn the_style_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
