use super::*;
use crate::error::DomainError;
use crate::smtp::password_change;

fn server() -> SmtpInput {
    SmtpInput {
        host: "smtp.example.com".into(),
        encryption: Some(Encryption::StartTls),
        username: "shop".into(),
        password: SecretText::new("hunter2"),
        from_address: "shop@example.com".into(),
        from_name: "Käse & mehr".into(),
        port: 0,
    }
}

fn checked(input: &SmtpInput) -> Result<SmtpChange, Vec<String>> {
    let mut check = Check::default();
    let change = SmtpInput::check(Some(input), &mut check);
    check.finish(Some(change)).map_err(fields)
}

fn fields(error: DomainError) -> Vec<String> {
    let DomainError::Invalid(violations) = error else { panic!("{error:?}") };
    let names = violations.into_iter().map(|it| it.field.replace("store.smtp.", ""));
    names.collect()
}

fn applied(input: &SmtpInput, before: Option<&Smtp>) -> Result<Option<Smtp>, Vec<String>> {
    let mut change = checked(input)?;
    change.name_secret("store-smtp-2".into());
    let mut check = Check::default();
    let smtp = change.apply(&mut check, before);
    check.finish(Some(smtp)).map_err(fields)
}

#[test]
fn each_setting_is_validated_and_all_violations_are_reported() {
    for host in ["smtp.example.com", "xn--mnchen-3ya.de", "mail.relay.svc.cluster.local", "192.0.2.25", "10.1.2.3"] {
        assert!(checked(&SmtpInput { host: host.into(), ..server() }).is_ok(), "{host}");
    }
    let long = format!("{}.de", "a".repeat(64));
    for host in [
        "",
        "localhost",
        "a.localhost",
        "mail",
        "Smtp.example.com",
        "-a.de",
        "a..de",
        "a.de.",
        "a b.de",
        "a.de:25",
        "1.2.3",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "größe.de",
        &long,
    ] {
        assert_eq!(checked(&SmtpInput { host: host.into(), ..server() }), Err(vec!["host".into()]), "{host:?}");
    }
    let all = SmtpInput {
        host: "mail".into(),
        port: 65536,
        encryption: None,
        username: "a\nb".into(),
        password: SecretText::new("x".repeat(LOGIN_MAX + 1)),
        from_address: "shop".into(),
        from_name: "a\nb".into(),
    };
    let expected = ["host", "encryption", "port", "username", "password", "from_address", "from_name"];
    assert_eq!(checked(&all), Err(expected.map(str::to_owned).to_vec()));
    assert_eq!(checked(&SmtpInput { port: -1, ..server() }), Err(vec!["port".into()]));
    let anonymous = SmtpInput { username: String::new(), ..server() };
    assert_eq!(checked(&anonymous), Err(vec!["username".into()]), "a password without a user name");
}

#[test]
fn port_is_the_usual_one_of_the_encryption() {
    for (encryption, usual) in [(Encryption::None, 25), (Encryption::StartTls, 587), (Encryption::Tls, 465)] {
        for (port, expected) in [(0, usual), (2525, 2525), (65535, 65535)] {
            let change = checked(&SmtpInput { encryption: Some(encryption), port, ..server() });
            assert!(matches!(change, Ok(SmtpChange::Set(Smtp { port, .. }, _)) if port == expected), "{change:?}");
        }
    }
}

#[test]
fn empty_message_removes_the_mail_server() {
    let empty = SmtpInput { encryption: Some(Encryption::StartTls), ..SmtpInput::default() };
    assert_eq!(checked(&empty), Ok(SmtpChange::Remove));
    let mut check = Check::default();
    assert_eq!(SmtpInput::check(None, &mut check), SmtpChange::Remove);
    let before = applied(&server(), None).expect("valid");
    assert_eq!(SmtpChange::Remove.apply(&mut check, before.as_ref()), None);
    assert!(check.finish(Some(())).is_ok());
}

#[test]
fn password_is_kept_only_for_the_same_server_and_user() {
    let before = applied(&server(), None).expect("valid").expect("a server");
    assert_eq!((before.secret.as_str(), before.has_password()), ("store-smtp-2", true));
    let without = SmtpInput { password: SecretText::default(), ..server() };
    let renamed = SmtpInput { from_name: "Tea".into(), from_address: String::new(), ..without.clone() };
    let kept = applied(&renamed, Some(&before)).expect("valid").expect("a server");
    assert_eq!((kept.secret.as_str(), kept.from_name.as_str()), ("store-smtp-2", "Tea"));
    for other in [
        SmtpInput { host: "smtp.example.org".into(), ..without.clone() },
        SmtpInput { port: 2525, ..without.clone() },
        SmtpInput { encryption: Some(Encryption::None), port: 587, ..without.clone() },
        SmtpInput { username: "other".into(), ..without.clone() },
    ] {
        assert_eq!(applied(&other, Some(&before)), Err(vec!["password".into()]), "{other:?}");
    }
    assert_eq!(applied(&without, None), Err(vec!["password".into()]));
    let anonymous = SmtpInput { username: String::new(), ..without };
    assert!(applied(&anonymous, Some(&before)).expect("valid").is_some_and(|smtp| !smtp.has_password()));
}

#[test]
fn password_is_in_no_text() {
    let mut change = checked(&server()).expect("valid");
    change.name_secret("store-smtp-1".into());
    assert_eq!(change.login().map(|(username, _)| username), Some("shop"));
    assert!(!format!("{change:?} {} {:?}", change.field(), server()).contains("hunter2"));
    let mut check = Check::default();
    let (before, after) = (change.apply(&mut check, None), applied(&server(), None).expect("valid"));
    assert_eq!(password_change(None, before.as_ref()), Some(("", "set")));
    assert_eq!(password_change(before.as_ref(), after.as_ref()), Some(("set", "changed")));
    assert_eq!(password_change(after.as_ref(), None), Some(("set", "")));
    assert_eq!(password_change(after.as_ref(), after.as_ref()), None);
}
