//! The settings of a store that its chart is told, and its versions: what UPDATE changes.

use serde::{Deserialize, Serialize};

use crate::host_name::ServedDomains;
use crate::plugins::{self, Plugins};
use crate::smtp::{self, Smtp};
use crate::wire::wire_enum;

wire_enum! {
    /// What a shop is for.
    #[derive(Default)]
    pub enum Environment {
        /// Customers.
        #[default]
        Production = "PRODUCTION",
        /// Tests: the chart keeps it from reaching customers, whatever its data says.
        Staging = "STAGING",
    }
}

/// The installed versions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Versions {
    /// The Helm chart's, which is the version of the engine.
    pub chart: String,
    /// The shop software's, according to the chart.
    pub app: String,
    /// `sha256:` and the digest of the chart's files; empty if it was not recorded.
    #[serde(default)]
    pub digest: String,
    /// That of the schema of the shop's database, according to the chart; empty if it declares none.
    #[serde(default)]
    pub schema: String,
}

impl Versions {
    /// The series of the database server, such as `mariadb-11.8`: what follows the first `+` of the schema. Empty if the chart does not say.
    pub fn database(&self) -> &str {
        self.schema.split_once('+').map_or("", |(_, database)| database)
    }
}

/// What a store's chart is told by callers, and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The shop's name.
    pub display_name: String,
    /// The size: a plan of the engine.
    pub plan: String,
    /// Administrator's e-mail address.
    pub admin_email: String,
    /// What the shop is for.
    pub environment: Environment,
    /// The custom domains to which the shop answers.
    #[serde(default)]
    pub domains: ServedDomains,
    /// The versions of chart and shop software.
    pub versions: Versions,
    /// The mail server; `None` for that of the engine's values.
    #[serde(default)]
    pub smtp: Option<Box<Smtp>>,
    /// Its plugins.
    #[serde(default)]
    pub plugins: Plugins,
}

/// A setting that changes: its name, and its value before and after.
pub type Difference = (&'static str, String, String);

impl Settings {
    /// What differs from these settings in the others.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let (before, after_texts) = (self.texts(), after.texts());
        let all = before.into_iter().zip(after_texts).map(|((name, before), (_, after))| (name, before, after));
        let mut differing: Vec<_> = all.filter(|(_, before, after)| before != after).collect();
        let password = smtp::password_change(self.smtp.as_deref(), after.smtp.as_deref());
        differing.extend(password.map(|(before, after)| ("smtp.password", before.to_owned(), after.to_owned())));
        differing
    }

    /// Name and value of each setting, always the same names in the same order.
    fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = vec![
            ("display_name", self.display_name.clone()),
            ("admin_email", self.admin_email.clone()),
            ("plan", self.plan.clone()),
            ("environment", self.environment.as_str().to_owned()),
            ("primary_domain", self.domains.primary_text().to_owned()),
            ("chart_version", self.versions.chart.clone()),
            ("plugins", plugins::text(&self.plugins)),
        ];
        texts.extend(smtp::texts(self.smtp.as_deref()));
        texts
    }
}
