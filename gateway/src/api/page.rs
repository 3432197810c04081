//! The pages that describe the FHIR interface, in the reader's language: one of the system, and one of each type.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};

use super::description::{Description, Subject};
use super::{COLLECTION_PATH, PATH, STYLE_PATH};
use crate::audit::catalogue::{Catalogue, Language};
use crate::error::Failure;

/// The pages' own style, and nothing that runs, is sent or is framed.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'";

/// A page. Text is escaped by the template, by the ending of its name.
#[derive(Template)]
#[template(path = "api/api.html")]
struct Page<'p> {
    language: Language,
    described: &'p Description,
    subject: &'p Subject,
}

impl Page<'_> {
    /// A text of the catalogue.
    fn t(&self, code: &'static str) -> &'static str {
        Catalogue::of(self.language).text("api", code)
    }

    /// What an interaction does; nothing where the catalogue does not know it.
    fn about(&self, interaction: &str) -> &'static str {
        Catalogue::of(self.language).find("api", &format!("interaction-{interaction}")).unwrap_or_default()
    }

    fn title(&self) -> &str {
        if self.subject.name.is_empty() { self.t("system") } else { &self.subject.name }
    }
}

/// The page of a type, or of the system where the name is empty.
pub fn page(described: &Description, name: &str, accept_language: &str) -> Response<Body> {
    let Some(subject) = described.subject(name) else { return Failure::NotFound.into_response() };
    let page = Page { language: Language::preferred(accept_language), described, subject };
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "a page is not rendered");
            return Failure::Internal("a page is not rendered").into_response();
        }
    };
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Language"));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_that_the_template_names_is_there_and_every_text_is_named() {
        let template = include_str!("../../templates/api/api.html");
        let own = include_str!("page.rs");
        let literals =
            |text: &'static str, opening| text.split(opening).skip(1).filter_map(|rest| rest.split('"').next());
        let named: Vec<&str> = literals(template, "self.t(\"").chain(literals(own, "self.t(\"")).collect();
        let texts = Catalogue::of(Language::Dutch);
        for code in &named {
            assert!(texts.find("api", code).is_some(), "{code} has no text");
        }
        for (_, code) in texts.keys().filter(|(kind, _)| *kind == "api") {
            assert!(named.contains(&code) || code.starts_with("interaction-"), "nothing shows {code}");
        }
    }

    #[test]
    fn nothing_of_a_statement_becomes_markup() {
        let evil = "<script>\"'&";
        let operation = json!({"name": evil, "definition": evil, "documentation": format!("GET [base]/{evil}")});
        let served = json!({"type": "Basic", "interaction": [{"code": evil}, {"code": "search-type"}], "operation": [operation],
            "searchParam": [{"name": evil, "type": evil}], "searchInclude": [evil], "versioning": evil});
        let described = Description::of(&json!({"implementation": {"url": evil}, "rest": [{"resource": [served]}]}));
        let page = Page { language: Language::English, described: &described, subject: &described.types[0] };
        let text = page.render().expect("it is rendered");
        assert!(!text.contains("<script") && !text.contains("\"'"), "{text}");
        assert!(text.matches("&#60;script&#62;").count() > 8, "{text}");
    }
}
