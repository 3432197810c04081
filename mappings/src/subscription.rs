//! Subscriptions of R4 in the shape of the backport of R5's topics: what a Subscription asks for, and what is not served.
//!
//! <https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/>. What would not be kept exactly is refused, with the element named.

use serde_json::{Value, json};

/// The topics, each with the kind of notice that it tells of.
pub const TOPICS: [(&str, &str); 4] = [
    ("https://wellgate.example/fhir/SubscriptionTopic/waiting-room", "waiting-room"),
    ("https://wellgate.example/fhir/SubscriptionTopic/task-status", "status"),
    ("https://wellgate.example/fhir/SubscriptionTopic/feedback", "feedback"),
    ("https://wellgate.example/fhir/SubscriptionTopic/consent-withdrawn", "consent-withdrawn"),
];
/// The extension that holds what notifications are signed with. It is taken out of the resource before that is kept.
pub const SECRET_EXTENSION: &str = "https://wellgate.example/fhir/StructureDefinition/subscription-secret";
const FILTER_EXTENSION: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria";
const CONTENT_EXTENSION: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content";
const HEARTBEAT_EXTENSION: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period";
/// The longest address.
pub const ENDPOINT_CHARACTERS_MAX: usize = 500;
/// A secret that is shorter could be guessed from one notification.
const SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 32..=128;

/// What a Subscription asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whether it is to be told, or only kept.
    pub is_off: bool,
    /// The kind of notice.
    pub kind: &'static str,
    /// `Organization/<id>` or `HealthcareService/<id>` of the only waiting room; empty for every room.
    pub room: String,
    /// Where.
    pub endpoint: String,
    /// `empty` or `id-only`.
    pub content: &'static str,
    /// What to sign with from now on; none where it stays what it is.
    pub secret: Option<String>,
}

/// Without what is signed with.
impl std::fmt::Debug for Wanted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { is_off, kind, room, content, .. } = self;
        write!(formatter, "Wanted(off: {is_off}, {kind}, {room:?}, {content})")
    }
}

/// What is wrong: the element, a code of issue-type, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The element.
    pub expression: String,
    /// A code of issue-type.
    pub code: &'static str,
    /// What is wrong.
    pub details: String,
}

fn wrong(expression: impl Into<String>, code: &'static str, details: impl Into<String>) -> Wrong {
    Wrong { expression: expression.into(), code, details: details.into() }
}

/// The topic of a kind of notice.
pub fn topic(kind: &str) -> &'static str {
    TOPICS.iter().find(|(_, of)| *of == kind).map_or("", |(topic, _)| topic)
}

/// Reads a Subscription whose structure is that of R4.
///
/// # Errors
/// The first element that is not served.
pub fn read(subscription: &Value) -> Result<Wanted, Wrong> {
    let is_off = match text(subscription, "/status") {
        "requested" => false,
        "off" => true,
        _ => {
            let details = "whether it is active is the gateway's to say: send requested to be told, or off";
            return Err(wrong("Subscription.status", "value", details));
        }
    };
    let kind = TOPICS.iter().find(|(topic, _)| *topic == text(subscription, "/criteria")).map(|(_, kind)| *kind);
    let kind = kind.ok_or_else(|| {
        let topics: Vec<&str> = TOPICS.iter().map(|(topic, _)| *topic).collect();
        wrong("Subscription.criteria", "value", format!("must be one of the topics {}", topics.join(", ")))
    })?;
    if subscription.get("end").is_some() {
        let details = "a subscription ends when it is off or deleted: leave the end out";
        return Err(wrong("Subscription.end", "not-supported", details));
    }
    if text(subscription, "/channel/type") != "rest-hook" {
        return Err(wrong("Subscription.channel.type", "not-supported", "only rest-hook is served"));
    }
    if subscription.pointer("/channel/header").is_some() {
        let details = "no headers are sent: what stands here could be read. Notifications are signed instead";
        return Err(wrong("Subscription.channel.header", "not-supported", details));
    }
    if !matches!(text(subscription, "/channel/payload"), "" | "application/fhir+json" | "application/json") {
        return Err(wrong("Subscription.channel.payload", "not-supported", "must be application/fhir+json"));
    }
    Ok(Wanted {
        is_off,
        kind,
        room: room(subscription, kind)?,
        endpoint: endpoint(subscription)?,
        content: content(subscription)?,
        secret: secret(subscription)?,
    })
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn extensions<'v>(subscription: &'v Value, pointer: &str) -> Vec<(usize, &'v str, &'v Value)> {
    let all = subscription.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    all.iter().enumerate().map(|(n, one)| (n, text(one, "/url"), one)).collect()
}

/// A filter that is not understood would tell more than was asked for.
fn room(subscription: &Value, kind: &str) -> Result<String, Wrong> {
    let mut room = String::new();
    for (n, url, extension) in extensions(subscription, "/_criteria/extension") {
        let expression = format!("Subscription.criteria.extension[{n}]");
        let wanted = text(extension, "/valueString").strip_prefix("Task?owner=").unwrap_or_default();
        let is_room = ["Organization/", "HealthcareService/"].iter().any(|before| wanted.starts_with(before));
        if url != FILTER_EXTENSION || kind != "waiting-room" || !is_room || !room.is_empty() {
            let details = "one filter is served, and for the waiting room only: Task?owner=HealthcareService/[id] or \
                           Task?owner=Organization/[id]";
            return Err(wrong(expression, "not-supported", details));
        }
        wanted.clone_into(&mut room);
    }
    Ok(room)
}

fn endpoint(subscription: &Value) -> Result<String, Wrong> {
    let endpoint = text(subscription, "/channel/endpoint");
    if endpoint.is_empty() {
        return Err(wrong("Subscription.channel.endpoint", "required", "says where it is told"));
    }
    if endpoint.chars().count() > ENDPOINT_CHARACTERS_MAX {
        let details = format!("has at most {ENDPOINT_CHARACTERS_MAX} characters");
        return Err(wrong("Subscription.channel.endpoint", "too-long", details));
    }
    Ok(endpoint.to_owned())
}

fn content(subscription: &Value) -> Result<&'static str, Wrong> {
    let base = "Subscription.channel.payload.extension";
    let mut found = None;
    for (n, url, extension) in extensions(subscription, "/channel/_payload/extension") {
        let code = ["empty", "id-only"].into_iter().find(|code| *code == text(extension, "/valueCode"));
        if url != CONTENT_EXTENSION || code.is_none() || found.is_some() {
            let details = "backport-payload-content once, with empty or id-only: resources are read, and never sent";
            return Err(wrong(format!("{base}[{n}]"), "not-supported", details));
        }
        found = code;
    }
    found.ok_or_else(|| wrong(base, "required", "says by backport-payload-content what is sent: empty or id-only"))
}

fn secret(subscription: &Value) -> Result<Option<String>, Wrong> {
    let mut found = None;
    for (n, url, extension) in extensions(subscription, "/channel/extension") {
        let expression = format!("Subscription.channel.extension[{n}]");
        if url == HEARTBEAT_EXTENSION {
            return Err(wrong(expression, "not-supported", "no heartbeats are sent: ask $status"));
        }
        if url != SECRET_EXTENSION {
            continue;
        }
        let secret = text(extension, "/valueString");
        let is_plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
        if found.is_some() || !is_plain || !SECRET_CHARACTERS.contains(&secret.len()) {
            let details = format!(
                "a secret is there once, with {} to {} visible characters of ASCII: make it by openssl rand -hex 32",
                SECRET_CHARACTERS.start(),
                SECRET_CHARACTERS.end()
            );
            return Err(wrong(expression, "value", details));
        }
        found = Some(secret.to_owned());
    }
    Ok(found)
}

/// The channel without its secret; none where it has none.
pub fn channel_without_secret(subscription: &Value) -> Option<Value> {
    let mut channel = subscription.get("channel")?.clone();
    let extensions = channel.get_mut("extension")?.as_array_mut()?;
    let before = extensions.len();
    extensions.retain(|extension| extension.get("url") != Some(&json!(SECRET_EXTENSION)));
    let (is_changed, is_empty) = (extensions.len() < before, extensions.is_empty());
    if is_empty && let Some(members) = channel.as_object_mut() {
        members.remove("extension");
    }
    is_changed.then_some(channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn asked() -> Value {
        json!({
            "resourceType": "Subscription", "status": "requested", "reason": "test",
            "criteria": "https://wellgate.example/fhir/SubscriptionTopic/waiting-room",
            "_criteria": {"extension": [{"url": FILTER_EXTENSION, "valueString": "Task?owner=HealthcareService/elp"}]},
            "channel": {
                "extension": [{"url": SECRET_EXTENSION, "valueString": SECRET}],
                "type": "rest-hook", "endpoint": "https://ehr.example/hook", "payload": "application/fhir+json",
                "_payload": {"extension": [{"url": CONTENT_EXTENSION, "valueCode": "id-only"}]},
            },
        })
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let wanted = read(&asked()).expect("it is served");
        assert_eq!((wanted.is_off, wanted.kind, wanted.content), (false, "waiting-room", "id-only"));
        assert_eq!((wanted.room.as_str(), wanted.secret.as_deref()), ("HealthcareService/elp", Some(SECRET)));
        assert!(!format!("{wanted:?}").contains(SECRET));
        for (topic, kind) in TOPICS {
            assert_eq!(super::topic(kind), topic);
        }
    }

    #[test]
    fn what_would_not_be_kept_exactly_is_refused_by_its_element() {
        let filter = |url: &str, text: &str| json!([{"url": url, "valueString": text}]);
        let content = |code: &str| json!([{"url": CONTENT_EXTENSION, "valueCode": code}]);
        let channel = "Subscription.channel";
        for (pointer, value, expression) in [
            ("/status", json!("active"), "Subscription.status".to_owned()),
            ("/criteria", json!("Task?status=requested"), "Subscription.criteria".to_owned()),
            ("/channel/type", json!("email"), format!("{channel}.type")),
            ("/channel/payload", json!("application/fhir+xml"), format!("{channel}.payload")),
            ("/channel/endpoint", json!(""), format!("{channel}.endpoint")),
            ("/channel/endpoint", json!("x".repeat(501)), format!("{channel}.endpoint")),
            ("/channel/_payload/extension", content("full-resource"), format!("{channel}.payload.extension[0]")),
            ("/channel/_payload/extension", json!([]), format!("{channel}.payload.extension")),
            ("/channel/extension/0/valueString", json!("too-short"), format!("{channel}.extension[0]")),
            ("/channel/extension/0/valueString", json!(format!("{SECRET} é")), format!("{channel}.extension[0]")),
            ("/channel/extension/0/url", json!(HEARTBEAT_EXTENSION), format!("{channel}.extension[0]")),
            (
                "/_criteria/extension",
                filter(FILTER_EXTENSION, "Task?owner=Patient/1"),
                "Subscription.criteria.extension[0]".to_owned(),
            ),
            (
                "/_criteria/extension",
                filter("urn:other", "Task?owner=Organization/1"),
                "Subscription.criteria.extension[0]".to_owned(),
            ),
        ] {
            let mut changed = asked();
            *changed.pointer_mut(pointer).expect("it is there") = value.clone();
            assert_eq!(read(&changed).expect_err("refused").expression, expression, "{pointer}: {value}");
        }
        let mut changed = asked();
        changed["end"] = json!("2030-01-01T00:00:00Z");
        assert_eq!(read(&changed).expect_err("refused").expression, "Subscription.end");
        let mut changed = asked();
        changed["channel"]["header"] = json!(["Authorization: Bearer x"]);
        assert_eq!(read(&changed).expect_err("refused").expression, "Subscription.channel.header");
    }

    #[test]
    fn a_secret_is_taken_out_and_everything_else_stays() {
        let channel = channel_without_secret(&asked()).expect("there was one");
        assert!(!channel.to_string().contains(SECRET) && channel.get("extension").is_none(), "{channel}");
        assert_eq!(channel["endpoint"], "https://ehr.example/hook");
        let mut two = asked();
        two["channel"]["extension"].as_array_mut().expect("a list").push(json!({"url": "urn:other"}));
        assert_eq!(channel_without_secret(&two).expect("there was one")["extension"], json!([{"url": "urn:other"}]));
        let mut none = asked();
        none["channel"] = channel;
        assert_eq!(channel_without_secret(&none), None);
    }
}
