//! What is insecure in a valid configuration.

use crate::backups;
use crate::config::{Config, SecretUrl, StorageKind};
use crate::postgres;

/// The warnings about a configuration, for the log and for `storeplane-server config`.
pub fn warnings(config: &Config) -> Vec<String> {
    let database = &config.database;
    let urls = [("database.url", &database.url), ("database.listen_url", &database.listen_url)];
    let unverified = |(key, url): (_, &Option<SecretUrl>)| {
        let why = postgres::unverified(url.as_ref()?.expose())?;
        Some(format!("{key}: {why}"))
    };
    urls.into_iter().filter_map(unverified).chain(key_beside_backups(config)).collect()
}

fn key_beside_backups(config: &Config) -> Option<String> {
    let backups = &config.backups;
    let volume =
        backups.volume.as_ref().filter(|_| backups.storage == StorageKind::Volume && backups.key_file.is_none())?;
    let file = backups::volume::generated_key_file(volume);
    Some(format!(
        "backups.key_file: is not set, so the key that encrypts backups is {}, beside them: whoever can read the volume can read them, \
         and whoever loses it loses both",
        file.display()
    ))
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

    #[test]
    fn key_on_the_volume_of_the_backups_is_a_warning() {
        let volume = "[backups.volume]\npath = '/backups'\nlisten = '127.0.0.1:1'\nurl = 'http://b.test'";
        for (keys, warned) in [
            ("storage = 'volume'", true),
            ("storage = 'volume'\nkey_file = '/keys/key'", false),
            ("storage = 'none'", false),
        ] {
            let warnings = warnings(&parse(&format!("[backups]\n{keys}\n{volume}")));
            let found =
                warnings.iter().any(|it| it.starts_with("backups.key_file: ") && it.contains("/backups/key.txt"));
            assert_eq!((found, warnings.len()), (warned, usize::from(warned)), "{keys}: {warnings:?}");
        }
    }
}
