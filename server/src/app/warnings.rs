//! What is insecure in a valid configuration.

use crate::config::{Config, SecretUrl};
use crate::postgres;

/// The warnings about a configuration, for the log and for `storeplane-server config`.
pub fn warnings(config: &Config) -> Vec<String> {
    let database = &config.database;
    let urls = [("database.url", &database.url), ("database.listen_url", &database.listen_url)];
    let unverified = |(key, url): (_, &Option<SecretUrl>)| {
        let why = postgres::unverified(url.as_ref()?.expose())?;
        Some(format!("{key}: {why}"))
    };
    urls.into_iter().filter_map(unverified).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn parse(file: &str) -> Config {
        Config::parse(file, &Overrides::default()).expect("a valid configuration")
    }

    #[test]
    fn warnings_name_the_key_and_no_password() {
        let config = parse("[database]\nurl = 'postgres://u:hunter2@db.test/a'\nlisten_url = 'postgres://localhost/a'");
        let warnings = warnings(&config);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("database.url: ") && !warnings[0].contains("hunter2"), "{warnings:?}");
        assert_eq!(super::warnings(&parse("")), Vec::<String>::new());
    }
}
