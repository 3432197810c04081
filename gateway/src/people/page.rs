//! Pages: HTML without a script, whose texts come from the catalogues and whose every other text is escaped here.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use crate::audit::catalogue::{Catalogue, Language};
use crate::markup::escape;

/// Nothing but the pages' own style, and forms to the gateway itself; nowhere within a frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;\
    background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse}\
    th,td{text-align:left;padding:.25rem 1rem .25rem 0}form{margin:.5rem 0}button{font:inherit;padding:.4rem .9rem}\
    input{font:inherit;padding:.35rem}:focus-visible{outline:3px solid #1a5fb4}";

/// A page under way.
#[derive(Debug)]
pub struct Page {
    language: Language,
    title: &'static str,
    body: String,
}

impl Page {
    /// A page whose title is this text of the catalogue; where there is a text `<title>-why`, it is the first paragraph.
    pub fn new(language: Language, title: &'static str) -> Self {
        let mut page = Self { language, title, body: String::new() };
        if let Some(why) = Catalogue::of(language).find("page", &format!("{title}-why")) {
            let _ = write!(page.body, "<p>{}</p>", escape(why));
        }
        page
    }

    /// A text of the catalogue, escaped.
    pub fn text(&self, code: &str) -> String {
        escape(Catalogue::of(self.language).text("page", code))
    }

    /// Begins a part.
    #[must_use]
    pub fn with_heading(mut self, code: &str) -> Self {
        let _ = write!(self.body, "<h2>{}</h2>", self.text(code));
        self
    }

    /// A paragraph of the catalogue.
    #[must_use]
    pub fn with_paragraph(mut self, code: &str) -> Self {
        let _ = write!(self.body, "<p>{}</p>", self.text(code));
        self
    }

    /// A link with a text of the catalogue.
    #[must_use]
    pub fn with_link(mut self, path: &str, code: &str) -> Self {
        let _ = write!(self.body, "<p><a href=\"{}\">{}</a></p>", escape(path), self.text(code));
        self
    }

    /// A table; the head of each row is a text of the catalogue, the rest is anybody's.
    #[must_use]
    pub fn with_table(mut self, rows: &[(&str, String)]) -> Self {
        self.body.push_str("<table>");
        for (code, text) in rows {
            let _ = write!(self.body, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", self.text(code), escape(text));
        }
        self.body.push_str("</table>");
        self
    }

    /// A form of hidden fields with one button, whose label is given as it is.
    #[must_use]
    pub fn with_button(mut self, action: &str, fields: &[(&str, &str)], label: &str) -> Self {
        self.open_form(action, fields);
        let _ = write!(self.body, "<button>{}</button></form>", escape(label));
        self
    }

    /// A form with one field to type into; label and button are texts of the catalogue.
    #[must_use]
    pub fn with_field(
        mut self,
        action: &str,
        hidden: &[(&str, &str)],
        (name, code, button): (&str, &str, &str),
    ) -> Self {
        self.open_form(action, hidden);
        let _ = write!(
            self.body,
            "<label>{} <input name=\"{}\" autocomplete=\"off\" required maxlength=\"64\"></label> <button>{}</button></form>",
            self.text(code),
            escape(name),
            self.text(button)
        );
        self
    }

    fn open_form(&mut self, action: &str, fields: &[(&str, &str)]) {
        let _ = write!(self.body, "<form method=\"post\" action=\"{}\">", escape(action));
        for (name, value) in fields {
            let _ = write!(self.body, "<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value));
        }
    }

    fn finish(&self) -> String {
        let (language, title) = (self.language.code(), self.text(self.title));
        format!(
            "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\"><title>{title} - Wellgate</title>\
             <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/pages.css\"></head>\
             <body><main><h1>{title}</h1>{}</main></body></html>",
            self.body
        )
    }
}

/// A page as an answer.
pub fn html(status: StatusCode, page: &Page) -> Response<Body> {
    let mut response = Response::new(Body::from(page.finish()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`: with that a browser says of its own page's form that it comes from nowhere.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The style of every page.
pub(super) fn style() -> Response<Body> {
    let mut response = Response::new(Body::from(STYLE));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_that_is_put_into_a_page_becomes_markup() {
        let evil = "<script>\"'&\u{7}";
        let page = Page::new(Language::English, "account")
            .with_table(&[("name", evil.to_owned())])
            .with_link(evil, "to-account")
            .with_button(evil, &[(evil, evil)], evil)
            .with_field(evil, &[], (evil, "code", "link"));
        let text = page.finish();
        assert!(!text.contains("<script") && !text.contains('\u{7}') && !text.contains("\"'"), "{text}");
        assert_eq!(text.matches("&lt;script&gt;&quot;&#39;&amp; ").count(), 8, "{text}");
    }
}
