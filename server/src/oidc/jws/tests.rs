use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _,
};
use serde_json::json;

use super::*;

/// A key of 2,048 bits, and what OpenSSL 3 signed with it.
const RSA: &str = "xTxtAMV_IW3CJ9FcMhO60yEJXWDKeKt916Y2jtIMkvLT9the4gh7f422S2WdLrQsweJa_BIVtbfFRNAVeUsfqjLeLwE9uo3vzmSMSc6Xg7K0gqA7ExyGs1-tWjUWmjWFUHAJ9FZCAbS2M-CgG7ZGff4NU7pNKh-qRXaMIUG3XGNprr6NxyR3rc5TC163rQaneTdraxFoC7_5MTiqwIQagUVdfYuJklTA2LSiQ4-QxHhH4DoufCHRWvw10ulJJWTlgfofsHDbCVtbkt8mRJaeegLNTKd9CNemmkM_g8ni-M_fq0_0ySZoe3NPhO7M3iFu6FVt6kQxt2xvnsH4zHVkWQ";
const SIGNED: [(Algorithm, &str); 3] = [
    (
        Algorithm::RS256,
        "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiI3In0.mFQVgrJaTS0DfTr1Jj4Ld70Gnf0DdwhaXPQh-8-ocGr8lY60uUN90nomzy9n_a38dwLSnkqKMnHTCJlyZbi-ki6jcrhkkWlEufLl4iw_LhDtDBmLBI_1y5RBinrxxrbE3FiB7zDU0yVQORdvJKoi00mk895Cs_Usj93PNRT_BDnQC3gbsxB13JzdGLiqZ7DvSc5wSX-HIgwC78br5YsZHqAdBLbcmObButiWPEDC_KD7vsQMFn1vc1T2GntpfLtCQFTqAUgrERbgTxPOx2d0hrAN1f7uvUcLyJBeGgcJoZakiJzy6mq-jGoxpUur7pE74N3TopuZ0044S9N5LiVQlg",
    ),
    (
        Algorithm::PS256,
        "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiI3In0.aJWRwauNofpb41V2Jx46JT9NP2ebzsmGS5K1driIfgcNZefZgbGoVmgINr8gwlLcIXFuQVsAdc6dtBHkl0xN2YEVYaylU_BDg6k6IjQx38tp1Zk0WRTlX9IswUJWSEU43a-wzRelUYCcn5DxawBp8mrzR47CAOGbiuOUnNgbJoCjANjXKvcdMp1x3EJvgZOttjRuWNcuQR3YSRqxRW7UPwQl2125lvYxmjuwMD6FSEzUfs20yaWtamDbK2n9UiAtVlmYwdbc79eDXyrdXQFif90hxiiCMcdsUC-ByzFqof8PWFhAFf60pNdwraLMtPo19akSdQaivWu55EQsoPmyFw",
    ),
    (
        Algorithm::PS512,
        "eyJhbGciOiJQUzUxMiIsImtpZCI6InJzYSJ9.eyJzdWIiOiI3In0.BUZmYENDACXoi4NK9YfrYj6ALmEZL9-yq3Aq_yS6eCdUsaT_jt9NE9fQUt0rxTAzkK80Turhatv2jqPHpoZB7IRWX2P58znAGDHlGlOuxbEI7X2wPjlCeQ-zHatIOpyMTsF3ek4VHmKstY9eBEH7skOGFaIidbJIwa8Sk5tbxHJNOTfpL8qMKuMIsnfCzO4YufOngMoyUNpMjwFc6-36jsz8VXD1F7CuSdgsVcm8PQUrKH1iScP_Ld1t5YCAjerhjrIhRGz28qkex7wzvjExiOVRgikdLUAYuaXs6DMcNKATXFh1Hl2pfVr4HmHmB-MdEkXk4vVky8dR0PPAheAtnw",
    ),
];
const ALL: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

fn keys(keys: &Value) -> Keys {
    Keys::parse(json!({"keys": keys}).to_string().as_bytes()).expect("a key set")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An elliptic key: its JWK, and a function that signs.
fn elliptic(algorithm: &'static EcdsaSigningAlgorithm, curve: &str) -> (Value, impl Fn(&str) -> String + use<>) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
    let (x, y) = {
        let point = &pair.public_key().as_ref()[1..];
        point.split_at(point.len() / 2)
    };
    let jwk = json!({"kty": "EC", "crv": curve, "kid": "k", "use": "sig", "x": encode(x), "y": encode(y)});
    (jwk, move |message| encode(pair.sign(&random, message.as_bytes()).expect("a signature")))
}

fn token(header: &Value, sign: impl Fn(&str) -> String) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(r#"{"sub":"7"}"#));
    let signature = sign(&signed);
    format!("{signed}.{signature}")
}

fn verify(token: &str, keys: &Keys) -> Result<Map<String, Value>, JwtError> {
    let token = Unverified::parse(token, &ALL)?;
    token.verify(keys.find(&token.key_id, token.algorithm).ok_or(JwtError::UnknownKey)?)
}

#[test]
fn rsa_signatures_of_openssl_are_verified() {
    let keys = keys(&json!([{"kty": "RSA", "kid": "rsa", "n": RSA, "e": "AQAB"}]));
    for (algorithm, token) in SIGNED {
        assert_eq!(verify(token, &keys).map(|claims| claims["sub"].clone()), Ok(json!("7")), "{algorithm:?}");
        let other = token.replace("eyJzdWIiOiI3In0", &encode(r#"{"sub":"8"}"#));
        assert_eq!(verify(&other, &keys), Err(JwtError::Signature), "{algorithm:?}");
        assert!(Unverified::parse(token, &[Algorithm::ES256]).is_err(), "only configured algorithms are accepted");
    }
    let short = Keys::parse(br#"{"keys":[{"kty":"RSA","kid":"rsa","n":"xTxtAMV_IW3CJ9FcMhO60yEJ","e":"AQAB"}]}"#);
    assert_eq!(verify(SIGNED[0].1, &short.expect("a key set")), Err(JwtError::Signature), "short keys verify nothing");
}

#[test]
fn elliptic_signatures_are_verified() {
    for (algorithm, curve, name) in
        [(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", "ES256"), (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", "ES384")]
    {
        let (jwk, sign) = elliptic(algorithm, curve);
        let good = token(&json!({"alg": name, "kid": "k"}), &sign);
        assert!(verify(&good, &keys(&json!([jwk]))).is_ok(), "{name}");
        let (stranger, _) = elliptic(algorithm, curve);
        assert_eq!(verify(&good, &keys(&json!([stranger]))), Err(JwtError::Signature), "{name}");
    }
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": encode(pair.public_key())});
    let good = token(&json!({"alg": "EdDSA", "kid": "k"}), |message| encode(pair.sign(message.as_bytes())));
    assert!(verify(&good, &keys(&json!([jwk]))).is_ok());
}

#[test]
fn header_selects_only_among_published_keys() {
    let (jwk, sign) = elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256");
    let published = keys(&json!([jwk]));
    let (own_jwk, own_sign) = elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256");
    // The classic attack: the public key, which everyone knows, as the secret of a MAC.
    let mac = |message: &str| {
        let secret = jwk["x"].as_str().expect("text").as_bytes();
        encode(ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), message.as_bytes()))
    };
    let none = |_: &str| String::new();
    let header = |change: Value| {
        let mut header = json!({"alg": "ES256", "kid": "k", "typ": "JWT"});
        for (name, value) in change.as_object().expect("an object") {
            header[name] = value.clone();
        }
        header
    };
    assert!(verify(&token(&header(json!({})), &sign), &published).is_ok());
    assert!(verify(&token(&header(json!({"typ": "at+JWT"})), &sign), &published).is_ok());
    for (token, expected) in [
        (token(&header(json!({"alg": "none"})), none), JwtError::Algorithm),
        (token(&header(json!({"alg": "None"})), none), JwtError::Algorithm),
        (token(&header(json!({"alg": "HS256"})), mac), JwtError::Algorithm),
        (token(&header(json!({})), none), JwtError::Signature),
        (token(&header(json!({})), mac), JwtError::Signature),
        (token(&header(json!({"alg": "ES384"})), &sign), JwtError::UnknownKey),
        (token(&header(json!({"alg": "RS256"})), &sign), JwtError::UnknownKey),
        (token(&header(json!({"kid": null})), &sign), JwtError::KeyId),
        (token(&header(json!({"kid": ""})), &sign), JwtError::KeyId),
        (token(&header(json!({"kid": "other"})), &sign), JwtError::UnknownKey),
        (token(&header(json!({"jwk": own_jwk})), &own_sign), JwtError::Signature),
        (token(&header(json!({"jku": "https://evil.example/keys"})), &own_sign), JwtError::Signature),
        (token(&header(json!({"x5c": ["MIIB"]})), &own_sign), JwtError::Signature),
        (token(&header(json!({"typ": "logout+jwt"})), &sign), JwtError::Type),
        (token(&header(json!({"crit": ["b64"], "b64": false})), &sign), JwtError::Type),
        ("ey.ey".to_owned(), JwtError::Malformed),
        ("a.b.c".to_owned(), JwtError::Malformed),
        (format!("{}=", token(&header(json!({})), &sign)), JwtError::Malformed),
        (format!("{}.{}", "ey".repeat(LENGTH_MAX), "x.y"), JwtError::Malformed),
    ] {
        assert_eq!(verify(&token, &published), Err(expected), "{token:.120}");
    }
}

#[test]
fn only_keys_for_signatures_are_read() {
    let (good, sign) = elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256");
    let signed = token(&json!({"alg": "ES256", "kid": "k"}), &sign);
    for (change, usable) in [
        (json!({}), true),
        (json!({"alg": "ES256", "key_ops": ["verify"], "x5t": "unknown members are ignored"}), true),
        (json!({"alg": "ES384"}), false),
        (json!({"use": "enc"}), false),
        (json!({"key_ops": ["sign"]}), false),
        (json!({"kid": null}), false),
        (json!({"crv": "P-384"}), false),
        (json!({"x": "AA"}), false),
        (json!({"kty": "oct", "k": "c2VjcmV0"}), false),
    ] {
        let mut jwk = good.clone();
        for (name, value) in change.as_object().expect("an object") {
            jwk[name] = value.clone();
        }
        // A key of an unknown kind does not hide the others.
        let found = verify(&signed, &keys(&json!([{"kty": "new"}, 7, jwk])));
        assert_eq!(found.is_ok(), usable, "{change}");
    }
    assert!(Keys::parse(b"[]").is_err());
}

#[test]
fn form_tells_signed_tokens_from_ours() {
    assert!(SIGNED.iter().all(|(_, token)| is_jwt(token)));
    for other in ["", "spt_0123456789", "ey", "ey.ey", "ey.e y.x", "ey..x", "Basic ey.ey.x", "ey.ey.x.x"] {
        assert!(!is_jwt(other), "{other}");
    }
}

mod fuzz {
    use proptest::prelude::*;
    use storeplane_fuzz::{Outcome, check};

    use super::*;

    /// Arbitrary text, tokens around arbitrary claims, and signed tokens with one changed character.
    fn tokens() -> impl Strategy<Value = String> {
        let around = (any::<String>(), any::<String>())
            .prop_map(|(header, claims)| format!("{}.{}.{}", encode(header), encode(claims), encode([7; 64])));
        let known = any::<String>()
            .prop_map(|claims| format!("{}.{}.AA", encode(r#"{"alg":"RS256","kid":"rsa"}"#), encode(claims)));
        let changed = (0..SIGNED.len(), any::<prop::sample::Index>(), "[A-Za-z0-9._-]").prop_map(|(of, at, letter)| {
            let mut token = SIGNED[of].1.to_owned();
            let at = at.index(token.len());
            token.replace_range(at..=at, &letter);
            token
        });
        prop_oneof![any::<String>(), around, known, changed]
    }

    #[test]
    fn only_signed_tokens_are_accepted() {
        let key = json!({"kty": "RSA", "kid": "rsa", "n": RSA, "e": "AQAB"});
        let published = keys(&json!([key]));
        check("JWT", &tokens(), |token| {
            let verified = verify(&token, &published);
            prop_assert!(verified.is_err() || SIGNED.iter().any(|(_, signed)| *signed == token), "{token} is accepted");
            Ok(Outcome::of(&verified))
        });
    }

    #[test]
    fn key_sets_are_read_without_panics() {
        let text =
            || prop_oneof![any::<String>(), "[A-Za-z0-9_-]{0,90}", Just("AQAB".to_owned()), Just(RSA.to_owned())];
        let kinds = prop::sample::select(vec!["RSA", "EC", "OKP", "oct"]);
        let curves = prop::sample::select(vec!["P-256", "P-384", "Ed25519", "P-521"]);
        let key = (kinds, curves, text(), text(), text(), text()).prop_map(
            |(kty, crv, n, e, x, y)| json!({"kty": kty, "crv": crv, "kid": "k", "n": n, "e": e, "x": x, "y": y}),
        );
        let sets = prop::collection::vec(key, 0..4).prop_map(|keys| json!({"keys": keys}).to_string());
        check("JWKS", &prop_oneof![any::<String>(), sets], |json| {
            let parsed = Keys::parse(json.as_bytes());
            if let Ok(keys) = &parsed {
                // None of these keys signed it.
                let token = SIGNED[0].1.replace("InJzYSJ9", "ImsifQ");
                prop_assert!(verify(&token, keys).is_err());
            }
            let usable = parsed.as_ref().is_ok_and(|keys| !keys.is_empty());
            Ok(if usable { Outcome::Accepted } else { Outcome::Refused })
        });
    }
}
