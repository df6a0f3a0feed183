//! The session's cookie, and the check that its request comes from the dashboard's own pages.
//!
//! Browsers add cookies to requests that other pages cause. Ours is `SameSite=Strict`; besides, a request counts as the
//! user's only if the browser states an origin that is the server's own. Over https the cookie has the prefix `__Host-`, so that no other
//! host can set it; over http, where there is no such protection, it has another name, which https ignores.

use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Uri};
use url::Url;

/// Whether browsers say from where a request comes: `same-origin`, `same-site`, `cross-site` or `none`.
pub(crate) const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How the browser reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Encrypted.
    Https,
    /// In plain text: on the same machine, or in a network without TLS.
    Http,
}

/// A cookie of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// The session.
    Session,
    /// A sign-in in progress. The provider's redirect must carry it, hence `SameSite=Lax`.
    Login,
}

/// The request does not come from a page of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossOrigin;

impl Scheme {
    /// That of a URL.
    pub fn of(url: &str) -> Self {
        if url.starts_with("https:") { Self::Https } else { Self::Http }
    }
}

impl Cookie {
    /// Its name.
    pub fn name(self, scheme: Scheme) -> &'static str {
        match (self, scheme) {
            (Self::Session, Scheme::Https) => "__Host-storeplane",
            (Self::Session, Scheme::Http) => "storeplane",
            (Self::Login, Scheme::Https) => "__Host-storeplane-login",
            (Self::Login, Scheme::Http) => "storeplane-login",
        }
    }

    /// Its value in a request.
    pub fn read(self, scheme: Scheme, headers: &HeaderMap) -> Option<&str> {
        let name = self.name(scheme);
        let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = pairs.flat_map(|pairs| pairs.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// `Set-Cookie` for a value; `None` removes it. The session's ends with the browser.
    pub fn set(self, scheme: Scheme, value: Option<&str>) -> String {
        let site = if self == Self::Session { "Strict" } else { "Lax" };
        let secure = if scheme == Scheme::Https { "; Secure" } else { "" };
        let age = match (self, value) {
            (_, None) => "; Max-Age=0",
            (Self::Login, Some(_)) => "; Max-Age=600",
            (Self::Session, Some(_)) => "",
        };
        format!("{}={}; Path=/; HttpOnly; SameSite={site}{secure}{age}", self.name(scheme), value.unwrap_or_default())
    }
}

/// The scheme of the page that sent this request, which must be one of this server's: at the host that the request names, or
/// at `public_url`.
pub fn own_page(headers: &HeaderMap, uri: &Uri, public_url: Option<&str>) -> Result<Scheme, CrossOrigin> {
    if headers.get(FETCH_SITE).is_some_and(|site| site.as_bytes() != b"same-origin") {
        return Err(CrossOrigin);
    }
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).ok_or(CrossOrigin)?;
    if public_url == Some(origin) {
        return Ok(Scheme::of(origin));
    }
    let url = Url::parse(origin).map_err(|_| CrossOrigin)?;
    let is_origin = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == origin;
    let host = uri.authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok())).ok_or(CrossOrigin)?;
    // A host and a port only: a URL with a user or a path names another host than its text does.
    if host.contains(['@', '/', '\\', '?', '#']) {
        return Err(CrossOrigin);
    }
    let named = Url::parse(&format!("{}://{host}", url.scheme())).map_err(|_| CrossOrigin)?;
    if is_origin && named.origin() == url.origin() { Ok(Scheme::of(origin)) } else { Err(CrossOrigin) }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(uri: &str, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request")
    }

    #[test]
    fn only_own_pages_may_use_the_cookie() {
        use Scheme::{Http, Https};
        let host = ("host", "shops.example.com");
        let own = ("origin", "https://shops.example.com");
        for (uri, headers, expected) in [
            ("/", vec![host, own], Ok(Https)),
            ("/", vec![host, own, ("sec-fetch-site", "same-origin")], Ok(Https)),
            ("/", vec![("host", "SHOPS.example.com:443"), own], Ok(Https)),
            ("https://shops.example.com/", vec![own], Ok(Https)),
            ("/", vec![("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")], Ok(Http)),
            ("/", vec![("host", "internal:8080"), ("origin", "https://public.example.com")], Ok(Https)),
            ("/", vec![host], Err(CrossOrigin)),
            ("/", vec![own], Err(CrossOrigin)),
            ("/", vec![host, own, ("sec-fetch-site", "same-site")], Err(CrossOrigin)),
            ("/", vec![host, own, ("sec-fetch-site", "cross-site")], Err(CrossOrigin)),
            ("/", vec![host, own, ("sec-fetch-site", "none")], Err(CrossOrigin)),
            ("/", vec![host, ("origin", "https://evil.example.com")], Err(CrossOrigin)),
            ("/", vec![host, ("origin", "https://shops.example.com.evil.example")], Err(CrossOrigin)),
            ("/", vec![host, ("origin", "https://shops.example.com:444")], Err(CrossOrigin)),
            ("/", vec![host, ("origin", "null")], Err(CrossOrigin)),
            ("/", vec![host, ("origin", "https://shops.example.com/")], Err(CrossOrigin)),
            ("/", vec![("host", "a@shops.example.com"), ("origin", "ftp://shops.example.com")], Err(CrossOrigin)),
        ] {
            let request = request(uri, &headers);
            let found = own_page(request.headers(), request.uri(), Some("https://public.example.com"));
            assert_eq!(found, expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn cookies_are_for_one_host_and_one_scheme() {
        let set = Cookie::Session.set(Scheme::Https, Some("x"));
        assert_eq!(set, "__Host-storeplane=x; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(Cookie::Session.set(Scheme::Http, Some("x")), "storeplane=x; Path=/; HttpOnly; SameSite=Strict");
        let login = Cookie::Login.set(Scheme::Https, Some("x"));
        assert_eq!(login, "__Host-storeplane-login=x; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=600");
        assert!(Cookie::Login.set(Scheme::Https, None).ends_with("Max-Age=0"));
        let headers = request("/", &[("cookie", "a=b; storeplane=plain;__Host-storeplane=safe"), ("cookie", "c=d")]);
        let read = |cookie: Cookie, scheme| cookie.read(scheme, headers.headers()).map(str::to_owned);
        assert_eq!(read(Cookie::Session, Scheme::Https).as_deref(), Some("safe"));
        assert_eq!(read(Cookie::Session, Scheme::Http).as_deref(), Some("plain"));
        assert_eq!(read(Cookie::Login, Scheme::Https), None);
    }

    mod fuzz {
        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::*;

        #[test]
        fn session_is_read_from_its_own_cookie_only() {
            let names = prop::sample::select(vec![
                "storeplane",
                "__Host-storeplane",
                "Storeplane",
                "storeplane-login",
                "a",
                "",
                "xstoreplane",
            ]);
            let pairs = prop::collection::vec((names, "[ -~]{0,12}"), 0..6);
            check("cookie", &(pairs, "[;= ]{0,3}"), |(pairs, between)| {
                let header: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value};{between}")).collect();
                let header = header.concat();
                let Ok(value) = header.parse() else { return Ok(Outcome::Refused) };
                let headers = HeaderMap::from_iter([(COOKIE, value)]);
                let read = Cookie::Session.read(Scheme::Https, &headers);
                if let Some(value) = read {
                    prop_assert!(header.contains(&format!("__Host-storeplane={value}")), "{header}: {value}");
                    prop_assert!(!value.contains(';'), "{value}");
                    let again =
                        HeaderMap::from_iter([(COOKIE, format!("__Host-storeplane={value}").parse().expect("ASCII"))]);
                    prop_assert_eq!(Cookie::Session.read(Scheme::Https, &again), Some(value));
                }
                Ok(if read.is_some() { Outcome::Accepted } else { Outcome::Refused })
            });
        }

        #[test]
        fn only_own_pages_are_accepted() {
            let hosts = || {
                prop::sample::select(vec![
                    "a.example",
                    "b.example",
                    "a.example:443",
                    "a.example.",
                    "[::1]:8080",
                    "a@b.example",
                    "",
                ])
            };
            let origin =
                (prop::sample::select(vec!["https://", "http://", "null", "ftp://", ""]), hosts(), "[/?#@a-z]{0,2}");
            let origin =
                prop_oneof![origin.prop_map(|(scheme, host, end)| format!("{scheme}{host}{end}")), "[ -~]{0,20}"];
            check("origin", &(origin, hosts()), |(origin, host)| {
                let mut headers = HeaderMap::new();
                let (Ok(sent), Ok(to)) = (origin.parse(), host.parse()) else { return Ok(Outcome::Refused) };
                headers.insert("origin", sent);
                headers.insert("host", to);
                let own = own_page(&headers, &Uri::from_static("/"), None);
                let without = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
                let bare = |text: &str| text.trim_end_matches(":443").to_ascii_lowercase();
                prop_assert!(own.is_err() || without.map(bare) == Some(bare(host)), "{origin} at {host}");
                Ok(Outcome::of(&own))
            });
        }
    }
}
