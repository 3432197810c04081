//! What a mail says, and what each end of a conversation means. The server here says what a test wants it to say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::*;

/// A mail server that answers by a script: the greeting, and then a reply to each command; after `DATA` to the whole mail. After the last
/// it says nothing more.
struct Scripted {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn start(replies: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let replies: Vec<String> = replies.iter().map(|reply| (*reply).to_owned()).collect();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let Ok(reading) = stream.try_clone() else { return };
            let mut reader = BufReader::new(reading);
            let last = replies.len();
            for (number, reply) in (1..).zip(replies) {
                if stream.write_all(reply.as_bytes()).is_err() {
                    return;
                }
                if number == last {
                    let _ = stream.shutdown(Shutdown::Write);
                }
                let mut said = String::new();
                loop {
                    let begin = said.len();
                    if reader.read_line(&mut said).unwrap_or(0) == 0
                        || !reply.starts_with("354")
                        || &said[begin..] == ".\r\n"
                    {
                        break;
                    }
                }
                hearing.lock().unwrap_or_else(PoisonError::into_inner).push(said);
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn settings(port: u16) -> MailSettings {
    MailSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: MailTls::Plain,
        trusted: None,
        account: None,
        from: "Wellgate <no-reply@gateway.example>".to_owned(),
        gateway_url: "https://gateway.example".to_owned(),
        timeout: Duration::from_secs(20),
    }
}

fn message(language: &str) -> Message {
    let body = json!({"to": "intake@linde.example", "organization": "Praktijk Dé Linde", "language": language,
        "patient": "SECRET", "text": "SECRET"});
    Message { reference: "d-1".to_owned(), kind: "SECRET".to_owned(), body }
}

async fn sent(replies: &[&str]) -> (Outcome, Vec<String>) {
    let server = Scripted::start(replies);
    let connector = NotifyMail::new(settings(server.port)).expect("the settings are right");
    let outcome = connector.send(&message("nl")).await;
    assert!(!format!("{outcome:?}").contains("linde"), "{outcome:?}");
    (outcome, server.heard())
}

const OPENING: [&str; 5] = ["220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"];

#[tokio::test]
async fn what_ends_before_the_mail_is_handed_over_is_tried_again_or_refused() {
    for (at, reply, expected) in [
        (0, "554 no\r\n", ("rejected", "smtp-554")),
        (0, "421 later\r\n", ("retry", "smtp-421")),
        (0, "<html>\r\n", ("retry", "broken")),
        (1, "", ("retry", "broken")),
        (2, "451 later\r\n", ("retry", "smtp-451")),
        (3, "550 nobody linde here\r\n", ("rejected", "smtp-550")),
        (3, "450 busy\r\n", ("retry", "smtp-450")),
        (4, "554 no\r\n", ("rejected", "smtp-554")),
        (4, "250 what?\r\n", ("retry", "not-understood")),
        (4, "", ("retry", "broken")),
    ] {
        let mut replies = OPENING[..at].to_vec();
        if !reply.is_empty() {
            replies.push(reply);
        }
        let (outcome, heard) = sent(&replies).await;
        assert_eq!(outcome.codes(), expected, "{at} {reply}");
        assert!(heard.iter().all(|said| !said.contains("Wellgate")), "nothing of the mail: {heard:?}");
    }
}

#[tokio::test]
async fn what_ends_unclearly_once_the_mail_is_handed_over_is_uncertain() {
    for (reply, expected) in [
        ("250 ok\r\n", ("delivered", "")),
        ("552 too much\r\n", ("rejected", "smtp-552")),
        ("452 later\r\n", ("retry", "smtp-452")),
        ("", ("uncertain", "broken")),
        ("25", ("uncertain", "broken")),
        ("<html>\r\n", ("uncertain", "broken")),
        ("354 more?\r\n", ("uncertain", "not-understood")),
        ("220 hi\r\n", ("uncertain", "not-understood")),
    ] {
        let mut replies = OPENING.to_vec();
        if !reply.is_empty() {
            replies.push(reply);
        }
        assert_eq!(sent(&replies).await.0.codes(), expected, "{reply}");
    }
}

#[tokio::test]
async fn a_reply_without_an_end_is_not_read() {
    let long = "2".repeat(1_000_000);
    let lines = "250-and so on\r\n".repeat(100_000);
    for reply in [long, lines] {
        let mut replies = OPENING.to_vec();
        replies.push(&reply);
        assert_eq!(sent(&replies).await.0.codes(), ("uncertain", "broken"));
    }
}

#[tokio::test]
async fn nobody_who_listens_is_tried_again() {
    let connector = NotifyMail::new(settings(1)).expect("the settings are right");
    assert_eq!(connector.send(&message("nl")).await.codes(), ("retry", "unreachable"));
    assert!(!connector.is_idempotent());
    assert_eq!(connector.inquire("d-1").await, Inquiry::Impossible);
}

#[tokio::test]
async fn a_line_that_is_not_encrypted_carries_no_mail_and_no_password() {
    let inject = "220 go\r\n250 hi\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n";
    for after_hello in [
        vec!["250 hi\r\n"],
        vec!["250-hi\r\n250 STARTTLS\r\n", "454 not now\r\n"],
        vec!["250-hi\r\n250 STARTTLS\r\n", inject],
    ] {
        let mut replies = vec!["220 hi\r\n"];
        replies.extend(after_hello);
        let server = Scripted::start(&replies);
        let account = MailAccount { name: "wellgate".to_owned(), password: "SECRET".to_owned() };
        let settings = MailSettings { tls: MailTls::StartTls, account: Some(account), ..settings(server.port) };
        let connector = NotifyMail::new(settings).expect("the settings are right");
        assert!(!format!("{connector:?}").contains("SECRET"));
        assert_eq!(connector.send(&message("nl")).await.codes(), ("retry", "not-encrypted"), "{replies:?}");
        assert!(
            server.heard().iter().all(|said| !said.contains("AUTH") && !said.contains("MAIL")),
            "{:?}",
            server.heard()
        );
    }
}

#[tokio::test]
async fn what_is_no_notice_is_not_sent() {
    let connector = NotifyMail::new(settings(1)).expect("the settings are right");
    for (member, value) in [
        ("to", json!("nobody")),
        ("to", json!("a@b.example\r\nRCPT TO:<c@d.example>")),
        ("to", json!("é@linde.example")),
        ("to", json!(1)),
        ("organization", json!("")),
        ("organization", json!("x\r\nBcc: c@d.example")),
        ("organization", json!("x".repeat(201))),
    ] {
        let mut message = message("nl");
        message.body[member] = value.clone();
        assert_eq!(connector.send(&message).await.codes(), ("rejected", "no-notice"), "{member}: {value}");
    }
}

#[test]
fn a_mail_says_that_there_is_something_and_nothing_else_in_each_language() {
    let connector = NotifyMail::new(settings(1)).expect("the settings are right");
    for (language, word) in
        [("nl", "staat er iets klaar"), ("fr", "attend"), ("en", "Something waits"), ("de", "staat er iets klaar")]
    {
        let message = message(language);
        let notice = Notice::from_value(&message.body).expect("a notice");
        let letter = connector.letter(&message.reference, &notice).expect("a letter");
        let letter = String::from_utf8(letter).expect("ASCII");
        assert!(letter.contains("Message-ID: <d-1@gateway.example>\r\n"), "{letter}");
        assert!(letter.contains("Auto-Submitted: auto-generated\r\n"), "{letter}");
        assert!(letter.contains("https://gateway.example") && letter.contains(word), "{letter}");
        assert!(!letter.contains("SECRET"), "{letter}");
    }
}

#[test]
fn settings_that_would_show_a_password_or_name_no_sender_are_refused() {
    let account = Some(MailAccount { name: "a".to_owned(), password: "b".to_owned() });
    let refused = |settings| NotifyMail::new(settings).err();
    assert_eq!(refused(MailSettings { account, ..settings(1) }), Some(MailSettingsError::AccountInClear));
    assert_eq!(refused(MailSettings { from: "nobody".to_owned(), ..settings(1) }), Some(MailSettingsError::From));
    let wrong = MailSettings { tls: MailTls::StartTls, trusted: Some(b"x".to_vec()), ..settings(1) };
    assert_eq!(refused(wrong), Some(MailSettingsError::Certificates));
}
