//! A billing clerk's browser, as far as the story needs one: it keeps cookies, follows where it is sent, and sends the forms that pages have.

use std::collections::BTreeMap;
use std::time::Duration;

use connectors::guard::{Guard, Origin};
use connectors::http::HttpClient;
use reqwest::{Method, RequestBuilder, Url, header};
use serde_json::Value;

use super::StoryError;
use super::client::Reply;

/// Who sits there: the billing clerk of CGG Leie.
const CLERK: &str = "guy";
/// A list of a whole month, or a file that is looked at.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const REDIRECTS_MAX: usize = 4;
const BOUNDARY: &str = "wellgate-demo-form";
/// What a check, or an insurer, is waited for.
const TRIES: usize = 600;
const PAUSE: Duration = Duration::from_millis(200);

/// The browser.
pub(super) struct Office {
    http: HttpClient,
    root: String,
    cookies: BTreeMap<String, String>,
    form_token: String,
}

/// A line as a list for a spreadsheet has it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) person: String,
    pub(super) month: String,
    pub(super) day: String,
    pub(super) code: String,
    pub(super) payer: i64,
    pub(super) cents: i64,
    /// The codes of what is wrong with it.
    pub(super) wrong: Vec<String>,
}

/// What a payer was asked for, and what came of it, as the settlement has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) payer: String,
    pub(super) requested: i64,
    pub(super) paid: i64,
    pub(super) refused: i64,
    pub(super) open: i64,
    pub(super) difference: i64,
}

impl Office {
    /// Signs the clerk in, afresh: what sends or hands out something needs that.
    pub(super) async fn open(root: &str) -> Result<Self, StoryError> {
        let unanswered = |cause| StoryError::Unanswered { step: "HTTP client".to_owned(), cause };
        let own: Vec<Origin> = Origin::parse(root).into_iter().collect();
        let http = HttpClient::guarded(Guard::new(&[], &own, true)).map_err(unanswered)?;
        let cookies = BTreeMap::new();
        let mut office = Self { http, root: root.to_owned(), cookies, form_token: String::new() };
        office.sign_in("/sign-in").await?;
        office.sign_in("/step-up?return_to=%2Fbilling").await?;
        let session = office.get("/session").await?;
        session.value["formToken"].as_str().unwrap_or_default().clone_into(&mut office.form_token);
        Ok(office)
    }

    /// To the identity provider, where the clerk says who they are, and back.
    async fn sign_in(&mut self, path: &str) -> Result<(), StoryError> {
        let sent = self.ask(Method::GET, path, |request| request).await?.must_be(303)?;
        let asked = Url::parse(&location(&sent)).map_err(|_| unexpected(&sent, "the address of a provider"))?;
        let mut form: Vec<(String, String)> = asked.query_pairs().into_owned().collect();
        form.push(("subject".to_owned(), CLERK.to_owned()));
        let chosen =
            self.ask(Method::POST, "/sandbox/idp/authorize", |request| request.form(&form)).await?.must_be(303)?;
        let back = location(&chosen);
        self.ask(Method::GET, &back, |request| request).await?.must_be(303)?;
        Ok(())
    }

    /// `GET path`, a page or a file.
    pub(super) async fn get(&mut self, path: &str) -> Result<Reply, StoryError> {
        self.ask(Method::GET, path, |request| request).await?.must_be(200)
    }

    /// Sends a form of a page; what it leads to is followed, and its address is put before the answer.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<(String, Reply), StoryError> {
        let token = self.form_token.clone();
        let fields = [fields, &[("form_token", token.as_str())]].concat();
        let mut reply = self.ask(Method::POST, path, |request| request.form(&fields)).await?;
        let mut at = path.to_owned();
        for _ in 0..REDIRECTS_MAX {
            if reply.status != 303 {
                return Ok((at, reply.must_be(200)?));
            }
            at = location(&reply);
            reply = self.ask(Method::GET, &at, |request| request).await?;
        }
        Err(unexpected(&reply, "a page"))
    }

    /// Sends a form with a file in it.
    pub(super) async fn give(&mut self, path: &str, (name, content): (&str, &str)) -> Result<Reply, StoryError> {
        let part = |name: &str, content: &str| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
        };
        let body = format!("{}{}--{BOUNDARY}--\r\n", part("form_token", &self.form_token), part(name, content));
        let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let reply = self.ask(Method::POST, path, |request| request.header(header::CONTENT_TYPE, media_type).body(body));
        reply.await?.must_be(200)
    }

    /// Tells a simulated insurer how to answer, or with nothing to answer as it likes.
    pub(super) async fn tell(&mut self, insurer: &str, wish: Option<&Value>) -> Result<(), StoryError> {
        let path = format!("/sandbox/partners/{insurer}/answers");
        let reply = match wish {
            Some(wish) => self.ask(Method::POST, &path, |request| request.body(wish.to_string())).await?,
            None => self.ask(Method::DELETE, &path, |request| request).await?,
        };
        reply.must_be(200)?;
        Ok(())
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Reply, StoryError> {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        let step = format!("the office: {method} {}", path.split('?').next().unwrap_or_default());
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, &format!("{}{path}", self.root));
        let request = with(request.header(header::ACCEPT_LANGUAGE, "en").header(header::COOKIE, cookies.join("; ")));
        let answer = self.http.send(request, ANSWER_BYTES_MAX).await;
        let answer = answer.map_err(|cause| StoryError::Unanswered { step: step.clone(), cause })?;
        let set = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
        for (name, value) in set.filter_map(|cookie| cookie.split(';').next()?.split_once('=')) {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.cookies.retain(|_, value| !value.is_empty());
        Ok(Reply::of(step, &answer))
    }

    /// Lines in a state, as they are handed out for a spreadsheet.
    pub(super) async fn lines(&mut self, state: &str) -> Result<Vec<Listed>, StoryError> {
        let reply = self.get(&format!("/billing/export?format=csv&state={state}&month=")).await?;
        let read = |row: &[String]| {
            let [person, _, month, day, _, code, _, payer, _, amount, _, _, _, _, wrong, id] = row else { return None };
            let payer = payer.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            let wrong = wrong.split_whitespace().map(str::to_owned).collect();
            let [id, person, month, day, code] = [id, person, month, day, code].map(Clone::clone);
            Some(Listed { id, person, month, day, code, payer, cents: cents(amount)?, wrong })
        };
        rows(&reply.text).iter().map(|row| read(row).ok_or_else(|| unexpected(&reply, "a list of lines"))).collect()
    }

    /// The settlement, as it is handed out for a spreadsheet.
    pub(super) async fn settlement(&mut self) -> Result<Vec<Settled>, StoryError> {
        let reply = self.get("/billing/export?list=settlement&format=csv").await?;
        let read = |row: &[String]| {
            let [_, payer, requested, paid, refused, open, difference] = row else { return None };
            let payer = payer.clone();
            let [requested, paid, refused, open] = [requested, paid, refused, open].map(|text| cents(text));
            let difference = cents(difference)?;
            Some(Settled { payer, requested: requested?, paid: paid?, refused: refused?, open: open?, difference })
        };
        rows(&reply.text).iter().map(|row| read(row).ok_or_else(|| unexpected(&reply, "a settlement"))).collect()
    }

    /// Sends the form of a line with some fields typed anew; answers where that leads, with its page.
    pub(super) async fn correct(
        &mut self,
        id: &str,
        typed: &[(&str, String)],
        then: &str,
    ) -> Result<(String, Reply), StoryError> {
        let shown = self.get(&format!("/billing/lines/{id}")).await?;
        let form =
            between(&shown.text, &format!("action=\"/billing/lines/{id}/correct\""), "</form>").unwrap_or_default();
        let mut fields: BTreeMap<String, String> = fields(form).into_iter().collect();
        fields.remove("form_token");
        fields.insert("then".to_owned(), then.to_owned());
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&format!("/billing/lines/{id}/correct"), &fields).await
    }

    /// Decides on a line, for a reason: `write-off`, `credit` or `remove`.
    pub(super) async fn decide(
        &mut self,
        id: &str,
        decision: &str,
        reason: &str,
    ) -> Result<(String, Reply), StoryError> {
        let shown = self.get(&format!("/billing/lines/{id}")).await?;
        let action = format!("/billing/lines/{id}/{decision}");
        let form = between(&shown.text, &format!("action=\"{action}\""), "</form>");
        let seen = form.and_then(|form| fields(form).into_iter().find(|(name, _)| name == "seen"));
        let (_, seen) = seen.ok_or_else(|| unexpected(&shown, "the form of a decision"))?;
        self.post(&action, &[("seen", &seen), ("reason", reason)]).await
    }

    /// Checks a month, and waits until that is done.
    pub(super) async fn check(&mut self, month: &str) -> Result<(), StoryError> {
        self.post("/billing/month/check", &[("month", month)]).await?;
        for _ in 0..TRIES {
            let progress = self.get(&format!("/billing/month/progress?month={month}")).await?;
            if progress.headers.iter().any(|(name, _)| name == "hx-refresh") {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(StoryError::Unexpected {
            step: "the office: the check of a month".to_owned(),
            expected: "an end of it".to_owned(),
            found: "none in time".to_owned(),
        })
    }

    /// Waits until insurers have answered everything that was sent; answers the states of the sendings, the newest first.
    pub(super) async fn answered(&mut self) -> Result<Vec<String>, StoryError> {
        for _ in 0..TRIES {
            let page = self.get("/billing/sendings").await?;
            let states: Vec<String> = page.text.split("class=\"state state-").skip(1).map(word).collect();
            let waits = |state: &String| ["sealing", "sealed", "sent", "acknowledged"].contains(&state.as_str());
            if !states.is_empty() && !states.iter().any(waits) {
                return Ok(states);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(StoryError::Unexpected {
            step: "the office: GET /billing/sendings".to_owned(),
            expected: "answers of the insurers".to_owned(),
            found: "none in time".to_owned(),
        })
    }
}

/// Where an answer leads to; empty where nowhere.
fn location(reply: &Reply) -> String {
    let found = reply.headers.iter().find(|(name, _)| name == "location");
    found.map(|(_, location)| location.clone()).unwrap_or_default()
}

fn unexpected(reply: &Reply, expected: &str) -> StoryError {
    reply.check(false, expected, || reply.text.chars().take(300).collect()).err().unwrap_or(StoryError::Unexpected {
        step: String::new(),
        expected: expected.to_owned(),
        found: String::new(),
    })
}

/// What stands in a page after one text and before another.
pub(super) fn between<'p>(page: &'p str, from: &str, to: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(from)?;
    Some(rest.split_once(to)?.0)
}

/// The fields of a form with the values that it is shown with.
pub(super) fn fields(form: &str) -> Vec<(String, String)> {
    let field = |input: &str| {
        let input = input.split('>').next()?;
        Some((
            between(input, " name=\"", "\"").or(between(input, "name=\"", "\""))?.to_owned(),
            between(input, " value=\"", "\"")?.to_owned(),
        ))
    };
    form.split("<input").skip(1).filter_map(field).collect()
}

/// Letters, digits and `-` at the begin of a text.
fn word(text: &str) -> String {
    text.chars().take_while(|one| one.is_ascii_alphanumeric() || *one == '-').collect()
}

/// The rows of a list without its heads.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes());
    let read = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    reader.records().filter_map(Result::ok).map(read).collect()
}

/// `-12,50` as cents.
fn cents(text: &str) -> Option<i64> {
    let (euros, rest) = text.split_once(',')?;
    let (sign, euros) = euros.strip_prefix('-').map_or((1, euros), |euros| (-1, euros));
    let value = euros.parse::<i64>().ok()?.checked_mul(100)? + rest.parse::<i64>().ok().filter(|_| rest.len() == 2)?;
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_form_are_read_as_they_are_shown() {
        let form = "<input type=\"hidden\" name=\"seen\" value=\"7\">\n<input id=\"field-units\" name=\"units\" value=\"\" maxlength=\"4\">";
        let expected = [("seen", "7"), ("units", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(form), expected);
    }

    #[test]
    fn amounts_of_a_list_are_cents() {
        assert_eq!((cents("-1234,05"), cents("0,00"), cents("-0,50")), (Some(-123_405), Some(0), Some(-50)));
        assert_eq!((cents("12"), cents("1,5"), cents("")), (None, None, None));
    }
}
