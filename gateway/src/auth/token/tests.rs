//! Every way in which a token must be refused, then what is accepted and remembered.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::super::{Interaction, Issuer, TokenGrant};
use super::*;
use crate::config::TokenAlgorithm;

const NOW_S: i64 = 1_772_366_400;
const NOW_MS: i64 = NOW_S * 1_000;
const ISSUER: &str = "https://login.example.org";
const AUDIENCE: &str = "https://gateway.example.org/fhir";
const ALL: [TokenAlgorithm; 4] =
    [TokenAlgorithm::Es256, TokenAlgorithm::Es384, TokenAlgorithm::Rs256, TokenAlgorithm::Rs384];

struct Bench {
    secret: Vec<u8>,
    issuer: Issuer,
    verifier: Verifier,
}

fn bench() -> Bench {
    let secret = Issuer::generate_key().expect("a key can be made");
    let issuer = Issuer::new(ISSUER, AUDIENCE, &secret).expect("the key is good");
    let verifier = Verifier::new(ISSUER, AUDIENCE, Duration::from_secs(30), keys(&issuer));
    Bench { secret, issuer, verifier }
}

fn keys(issuer: &Issuer) -> KeySet {
    KeySet::from_jwks(issuer.jwks(), &ALL).expect("the issuer's key is usable")
}

impl Bench {
    fn kid(&self) -> String {
        let jwks: Value = serde_json::from_str(self.issuer.jwks()).expect("JSON");
        jwks["keys"][0]["kid"].as_str().expect("a name").to_owned()
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid() })
    }

    /// Signs any header and claims, however wrong, with the right key.
    fn sign(&self, header: &Value, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
        let key = EncodingKey::from_ec_der(&self.secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::ES256).expect("signed");
        format!("{message}.{signature}")
    }

    fn verify_claims(&self, claims: &Value) -> Result<Arc<TokenClaims>, TokenError> {
        self.verifier.verify(&self.sign(&self.header(), &claims.to_string()), NOW_MS)
    }

    fn verify_with(&self, name: &str, value: Value) -> Result<Arc<TokenClaims>, TokenError> {
        let mut claims = claims();
        claims[name] = value;
        self.verify_claims(&claims)
    }

    fn verify_header(&self, name: &str, value: Value) -> Result<Arc<TokenClaims>, TokenError> {
        let mut header = self.header();
        header[name] = value;
        self.verifier.verify(&self.sign(&header, &claims().to_string()), NOW_MS)
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": NOW_S + 300, "nbf": NOW_S, "iat": NOW_S, "jti": "1",
        "client_id": "cgg-noord-ehr", "organization": "cgg-noord", "practitioner": "p-1",
        "purpose_of_use": "TREAT", "scope": "system/Patient.rs"
    })
}

#[test]
fn what_is_not_a_token_is_refused() {
    let bench = bench();
    let good = bench.sign(&bench.header(), &claims().to_string());
    let long = format!("{good}{}", "A".repeat(TOKEN_BYTES_MAX));
    let parts: Vec<&str> = good.split('.').collect();
    let (no_signature, four_parts, padded) =
        (format!("{}.{}", parts[0], parts[1]), format!("{good}."), format!("{good}="));
    for token in
        ["", ".", "..", "...", "a.b.c", "é.é.é", &no_signature, &four_parts, &padded, &format!(" {good}"), &long]
    {
        assert!(bench.verifier.verify(token, NOW_MS).is_err(), "{token}");
    }
}

#[test]
fn the_header_chooses_neither_algorithm_nor_key() {
    let bench = bench();
    for algorithm in ["none", "None", "HS256", "HS384", "ES384", "RS256", "PS256", "EdDSA", "", "ES256 "] {
        assert!(bench.verify_header("alg", json!(algorithm)).is_err(), "{algorithm}");
    }
    for name in ["jku", "x5u"] {
        let refused = bench.verify_header(name, json!("https://evil.example.org/keys"));
        assert_eq!(refused, Err(TokenError::HeaderNotAccepted(name)));
    }
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
    assert_eq!(bench.verify_header("jwk", jwk), Err(TokenError::HeaderNotAccepted("jwk")));
    assert_eq!(bench.verify_header("x5c", json!(["AA=="])), Err(TokenError::HeaderNotAccepted("x5c")));
    assert_eq!(bench.verify_header("crit", json!(["exp"])), Err(TokenError::HeaderNotAccepted("crit")));
    assert_eq!(bench.verify_header("b64", json!(false)), Err(TokenError::HeaderNotAccepted("b64")));
}

#[test]
fn a_key_name_must_be_that_of_a_known_key() {
    let bench = bench();
    for name in ["", "other", "../../etc/passwd", "' OR 1=1 --"] {
        assert_eq!(bench.verify_header("kid", json!(name)), Err(TokenError::KeyUnknown), "{name}");
    }
    assert_eq!(bench.verify_header("kid", Value::Null), Err(TokenError::KeyUnknown));
    assert!(bench.verify_header("kid", json!(["a"])).is_err());
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let bench = bench();
    let jwks: Value = serde_json::from_str(bench.issuer.jwks()).expect("JSON");
    let x = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().expect("a text")).expect("base64");
    let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
    header.kid = Some(bench.kid());
    let forged = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&x)).expect("signed");
    assert_eq!(bench.verifier.verify(&forged, NOW_MS), Err(TokenError::AlgorithmNotAccepted));
}

#[test]
fn a_changed_token_is_refused() {
    let bench = bench();
    let good = bench.sign(&bench.header(), &claims().to_string());
    assert!(bench.verifier.verify(&good, NOW_MS).is_ok());
    let mut other = claims();
    other["organization"] = json!("cgg-zuid");
    let parts: Vec<&str> = good.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(other.to_string()), parts[2]);
    assert_eq!(bench.verifier.verify(&forged, NOW_MS), Err(TokenError::SignatureWrong));
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(bench.verifier.verify(&unsigned, NOW_MS), Err(TokenError::SignatureWrong));
}

#[test]
fn a_missing_claim_is_a_refusal() {
    let bench = bench();
    for name in ["iss", "aud", "exp", "nbf", "client_id", "organization", "purpose_of_use", "scope"] {
        let mut without = claims();
        without.as_object_mut().expect("an object").remove(name);
        assert_eq!(bench.verify_claims(&without), Err(TokenError::ClaimMissing(name)));
        let null = bench.verify_with(name, Value::Null);
        assert_eq!(null, Err(TokenError::ClaimMissing(name)));
    }
}

#[test]
fn times_are_whole_numbers() {
    let bench = bench();
    let wrong = [
        json!((NOW_S + 300).to_string()),
        json!(1_772_366_700.5),
        json!(1.772_366_7e9),
        json!(-1),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(SECONDS_MAX + 1),
        json!(true),
    ];
    for value in wrong {
        for name in ["exp", "nbf", "iat"] {
            assert_eq!(bench.verify_with(name, value.clone()), Err(TokenError::ClaimInvalid(name)), "{value}");
        }
    }
    assert!(bench.verify_with("exp", json!([NOW_S])).is_err());
    let huge = claims().to_string().replace(&(NOW_S + 300).to_string(), "1e400");
    assert!(bench.verifier.verify(&bench.sign(&bench.header(), &huge), NOW_MS).is_err());
}

#[test]
fn a_claim_that_occurs_twice_is_refused() {
    let bench = bench();
    for name in ["aud", "exp", "organization", "scope"] {
        let twice = claims().to_string().replacen('{', &format!("{{\"{name}\":\"x\","), 1);
        assert_eq!(bench.verifier.verify(&bench.sign(&bench.header(), &twice), NOW_MS), Err(TokenError::Malformed));
    }
}

#[test]
fn another_issuer_or_audience_is_refused() {
    let bench = bench();
    for issuer in [json!("https://login.example.org/"), json!("HTTPS://LOGIN.EXAMPLE.ORG"), json!("")] {
        assert_eq!(bench.verify_with("iss", issuer), Err(TokenError::IssuerWrong));
    }
    assert_eq!(bench.verify_with("iss", json!([ISSUER])), Err(TokenError::ClaimInvalid("iss")));
    for audience in [json!("https://other"), json!(["https://other"]), json!([]), json!("")] {
        assert_eq!(bench.verify_with("aud", audience), Err(TokenError::AudienceWrong));
    }
    assert_eq!(bench.verify_with("aud", json!({ "a": AUDIENCE })), Err(TokenError::ClaimMissing("aud")));
    assert!(bench.verify_with("aud", json!(["https://other", AUDIENCE])).is_ok());
}

#[test]
fn an_identity_is_one_visible_text() {
    let bench = bench();
    let wrong = [json!(""), json!("a b"), json!("a\n"), json!("é"), json!(7), json!(["a"]), json!("a".repeat(256))];
    for value in wrong {
        for name in ["client_id", "organization", "practitioner", "jti"] {
            assert_eq!(bench.verify_with(name, value.clone()), Err(TokenError::ClaimInvalid(name)), "{value}");
        }
    }
    for purpose in [json!([]), json!(["TREAT", "HPAYMT"]), json!([["TREAT"]]), json!({}), json!("")] {
        let refused = bench.verify_with("purpose_of_use", purpose);
        assert_eq!(refused, Err(TokenError::ClaimInvalid("purpose_of_use")));
    }
    assert_eq!(bench.verify_with("scope", json!(["system/*.rs"])), Err(TokenError::ClaimInvalid("scope")));
    assert_eq!(bench.verify_with("azp", json!("another-client")), Err(TokenError::ClaimInvalid("azp")));
}

#[test]
fn times_are_checked_on_every_call_with_the_leeway() {
    let bench = bench();
    let token = bench.sign(&bench.header(), &claims().to_string());
    let at = |seconds: i64| bench.verifier.verify(&token, NOW_MS + seconds * 1_000).map(|_| ());
    assert_eq!(at(-31), Err(TokenError::NotYetValid));
    assert_eq!(at(-30), Ok(()));
    assert_eq!(at(329), Ok(()));
    assert_eq!(at(330), Err(TokenError::Expired));
    assert_eq!(at(-31), Err(TokenError::NotYetValid), "remembered, and still checked");
}

#[test]
fn a_good_token_says_who_calls() {
    let bench = bench();
    let claims = bench.verify_claims(&claims()).expect("a good token");
    assert_eq!(claims.client_id, "cgg-noord-ehr");
    assert_eq!(claims.organization_id, "cgg-noord");
    assert_eq!(claims.practitioner_id.as_deref(), Some("p-1"));
    assert_eq!(claims.purpose, "TREAT");
    assert_eq!(claims.expires_at_ms, NOW_MS + 300_000);
    assert!(claims.scopes.permits("Patient", Interaction::Read));
    assert_eq!(
        bench.verify_with("purpose_of_use", json!(["TREAT"])).map(|claims| claims.purpose.clone()),
        Ok("TREAT".into())
    );
}

#[test]
fn a_person_is_named_by_one_reference_under_either_name_of_the_claim() {
    let bench = bench();
    let named = |value: Value| bench.verify_with("fhir_user", value).map(|claims| claims.fhir_user.clone());
    assert_eq!(bench.verify_claims(&claims()).map(|claims| claims.fhir_user.clone()), Ok(None));
    assert_eq!(named(json!("Patient/1")), Ok(Some(FhirUser::Patient("1".to_owned()))));
    let smart = bench.verify_with("fhirUser", json!("RelatedPerson/2")).map(|claims| claims.fhir_user.clone());
    assert_eq!(smart, Ok(Some(FhirUser::RelatedPerson("2".to_owned()))));
    for wrong in
        [json!("Practitioner/1"), json!("1"), json!(["Patient/1"]), json!({}), json!("https://x.example/Patient/1")]
    {
        assert_eq!(named(wrong.clone()), Err(TokenError::ClaimInvalid("fhir_user")), "{wrong}");
    }
    let mut both = claims();
    (both["fhir_user"], both["fhirUser"]) = (json!("Patient/1"), json!("Patient/2"));
    assert_eq!(bench.verify_claims(&both), Err(TokenError::ClaimInvalid("fhirUser")));
}

#[test]
fn a_verified_token_is_remembered_until_the_keys_change() {
    let bench = bench();
    let grant = TokenGrant {
        client_id: "c",
        organization_id: "o",
        practitioner_id: None,
        fhir_user: None,
        purpose: "TREAT",
        scope: "system/*.rs",
        certificate: None,
        lifetime_seconds: 300,
    };
    let token = bench.issuer.issue(&grant, "1", NOW_MS).expect("signed");
    let first = bench.verifier.verify(&token, NOW_MS).expect("a good token");
    let second = bench.verifier.verify(&token, NOW_MS).expect("a good token");
    assert!(Arc::ptr_eq(&first, &second), "the second answer is the remembered one");
    assert!(!bench.verifier.replace_keys(keys(&bench.issuer)), "the same keys change nothing");
    let other = Issuer::new(ISSUER, AUDIENCE, &Issuer::generate_key().expect("a key")).expect("a good key");
    assert!(bench.verifier.replace_keys(keys(&other)));
    assert_eq!(bench.verifier.verify(&token, NOW_MS), Err(TokenError::KeyUnknown));
}

#[test]
fn a_restarted_issuer_has_the_same_key_name() {
    let bench = bench();
    let again = Issuer::new(ISSUER, AUDIENCE, &bench.secret).expect("the key is good");
    assert_eq!(again.jwks(), bench.issuer.jwks());
    assert!(Issuer::new(ISSUER, AUDIENCE, b"not a key").is_err());
}

#[test]
fn es384_and_rsa_tokens_are_accepted_where_they_are_configured() {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};

    let random = aws_lc_rs::rand::SystemRandom::new();
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).expect("a key");
    let rsa: aws_lc_rs::encoding::Pkcs8V1Der<'_> =
        KeyPair::generate(KeySize::Rsa2048).and_then(|key| key.as_der()).expect("a key");
    // The library signs with PKCS#1, which PKCS#8 holds behind 26 bytes for a key of this size.
    let rsa = &rsa.as_ref()[26..];
    let cases = [
        (Algorithm::ES384, TokenAlgorithm::Es384, EncodingKey::from_ec_der(p384.as_ref())),
        (Algorithm::RS256, TokenAlgorithm::Rs256, EncodingKey::from_rsa_der(rsa)),
        (Algorithm::RS384, TokenAlgorithm::Rs384, EncodingKey::from_rsa_der(rsa)),
    ];
    for (algorithm, configured, key) in cases {
        let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, algorithm).expect("a public key");
        jwk.common.key_id = Some("k".to_owned());
        let jwks = json!({ "keys": [jwk] }).to_string();
        let keys = KeySet::from_jwks(&jwks, &[configured]).expect("usable");
        let verifier = Verifier::new(ISSUER, AUDIENCE, Duration::ZERO, keys);
        let mut header = jsonwebtoken::Header::new(algorithm);
        header.kid = Some("k".to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &key).expect("signed");
        assert!(verifier.verify(&token, NOW_MS).is_ok(), "{algorithm:?}");
        assert!(KeySet::from_jwks(&jwks, &[TokenAlgorithm::Es256]).is_err(), "{algorithm:?}");
    }
}
