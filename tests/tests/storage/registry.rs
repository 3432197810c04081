//! Who is registered, and the settings of an installation.

use gateway::storage::registry::{Client, ClientKeys, Organization, Pool, Practitioner, RegistryRows};

use crate::world::{NOW_MS, open, stores};

fn texts<const N: usize>(texts: [&str; N]) -> [String; N] {
    texts.map(str::to_owned)
}

#[tokio::test]
async fn what_is_registered_reads_back_and_changes_in_place() {
    for (kind, _, store) in stores().await {
        assert_eq!(store.registry().await.expect("it answers"), RegistryRows::default(), "{kind}");
        let [id, name, organization_kind] = texts(["0012", "Praktijk É", "elp"]);
        let cbe = Some("0400000000".to_owned());
        let mut organization = Organization { id, name, kind: organization_kind, cbe, nihdi: None, active: true };
        let [id, name, pool_kind, region] = texts(["p", "Pool", "elp", "Gent"]);
        let mut pool = Pool { id, name, kind: pool_kind, region };
        let [id, organization_id] = texts(["0012-ehr", "0012"]);
        let purposes = texts(["TREAT", "HPAYMT"]).to_vec();
        let mut client = Client {
            id,
            organization_id,
            purposes,
            active: true,
            person_app: false,
            keys: Some(ClientKeys::Inline("{\"keys\":[]}".to_owned())),
            scopes: "system/*.rs".to_owned(),
        };
        let [id, organization_id, name] = texts(["007", "0012", "An"]);
        let mut practitioner = Practitioner {
            id,
            organization_id,
            name,
            nihdi: Some("19110101801".to_owned()),
            role: "care".to_owned(),
            active: true,
        };
        for round in 0..2 {
            store.put_organization(&organization, NOW_MS).await.expect("it is written");
            store.put_pool(&pool).await.expect("it is written");
            store.put_members("0012", &texts(["p", "q"])[round..]).await.expect("it is written");
            store.put_client(&client).await.expect("it is written");
            store.put_practitioner(&practitioner).await.expect("it is written");
            let mut rows = store.registry().await.expect("it answers");
            rows.members.sort();
            let pools = &["p", "q"][round..];
            let expected = RegistryRows {
                subscribers: Vec::new(),
                organizations: vec![organization.clone()],
                pools: vec![pool.clone()],
                members: pools.iter().map(|pool| ("0012".to_owned(), (*pool).to_owned())).collect(),
                clients: vec![client.clone()],
                practitioners: vec![practitioner.clone()],
                channels: Vec::new(),
                staff: Vec::new(),
                treatment_centres: Vec::new(),
                revoked_tokens: Vec::new(),
            };
            assert_eq!(rows, expected, "{kind} {round}");
            (organization.active, organization.cbe, organization.nihdi) = (false, None, Some("12345678".to_owned()));
            "Elders".clone_into(&mut pool.region);
            (client.active, client.purposes, client.person_app) = (false, Vec::new(), true);
            client.keys = Some(ClientKeys::Url("https://ehr.example.org/jwks.json".to_owned()));
            (practitioner.active, practitioner.nihdi, practitioner.role) = (false, None, "accounting".to_owned());
        }
        // Its own compartment begins once, whatever is changed later.
        let own = store.record_facts("organization/0012").await.expect("it answers").expect("it began");
        assert_eq!((own.custodian.as_str(), own.epoch), ("organization/0012", 1), "{kind}");
    }
}

#[tokio::test]
async fn of_replicas_that_start_at_once_all_keep_the_setting_of_one() {
    for (kind, url, store) in stores().await {
        let other = open(&url).await;
        let (one, two) = tokio::join!(store.setting_or("secret", "one"), other.setting_or("secret", "two"));
        let (one, two) = (one.expect("it answers"), two.expect("it answers"));
        assert_eq!(one, two, "{kind}");
        assert_eq!(store.setting("secret").await.expect("it answers"), Some(one), "{kind}");
        assert_eq!(store.setting("none").await.expect("it answers"), None, "{kind}");
        store.put_setting("secret", "three").await.expect("it is written");
        assert_eq!(other.setting("secret").await.expect("it answers").as_deref(), Some("three"), "{kind}");
    }
}

#[tokio::test]
async fn an_assertion_is_good_once_and_a_token_taken_back_stays_so_until_it_ends() {
    for (kind, url, store) in stores().await {
        let other = open(&url).await;
        let end = NOW_MS + 1_000;
        let (one, two) = tokio::join!(store.is_first_use("c", "1", end), other.is_first_use("c", "1", end));
        let first = [one.expect("it answers"), two.expect("it answers")];
        assert_eq!(first.iter().filter(|first| **first).count(), 1, "{kind}: of two at once one is the first");
        assert!(store.is_first_use("other", "1", end).await.expect("it answers"), "{kind}: ids are a client's own");
        for _ in 0..2 {
            store.revoke_token("t", end).await.expect("it is written");
        }
        let revoked = async || other.registry().await.expect("it answers").revoked_tokens;
        assert_eq!(revoked().await, ["t"], "{kind}");
        assert_eq!(
            store.forget_tokens(end + 60_000).await.expect("it answers"),
            0,
            "{kind}: another clock may be behind"
        );
        assert!(!store.is_first_use("c", "1", end).await.expect("it answers"), "{kind}");
        assert_eq!(store.forget_tokens(end + 60_001).await.expect("it answers"), 3, "{kind}");
        assert_eq!(revoked().await, Vec::<String>::new(), "{kind}");
    }
}
