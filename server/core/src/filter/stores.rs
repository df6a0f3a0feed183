//! Filters of stores.

use time::OffsetDateTime;

use super::value::{Pattern, boolean, one_of, time};
use super::{Comparison, Fields, Filter, no_field};
use crate::labels::is_name;
use crate::plugins;
use crate::store::{State, Store};

/// Begins the field of a plugin.
const PLUGINS: &str = "plugins.";
/// Begins the field of a label.
const LABELS: &str = "labels.";

/// A filter of stores; bare text searches id and name.
pub type StoreFilter = Filter<StoreField>;

/// A condition of a store filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreField {
    /// The state.
    State(State),
    /// Whether it runs without a recent backup.
    BackupOverdue(bool),
    /// Whether the cluster differs from what is recorded of it.
    Drifted(bool),
    /// A label by its name; one that the store does not have is empty.
    Label(String, Pattern),
    /// The version of a plugin by its name; empty if the store does not have it.
    Plugin(String, Pattern),
    /// A text field.
    Text(StoreText, Pattern),
    /// A time field.
    Time(StoreTime, Comparison, OffsetDateTime),
}

/// The text fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the fields of the proto's Store")]
pub enum StoreText {
    StoreId,
    DisplayName,
    Engine,
    Plan,
    AdminEmail,
    Host,
    Namespace,
    Reason,
}

/// The time fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the fields of the proto's Store")]
pub enum StoreTime {
    Create,
    Update,
}

impl Fields for StoreField {
    const EXAMPLE: &'static str = "state = READY AND plan = small";

    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        let text = |text| Pattern::read(field, comparison, value).map(|pattern| Self::Text(text, pattern));
        let at = |at| time(field, comparison, value).map(|time| Self::Time(at, comparison, time));
        match field {
            "state" => {
                one_of((field, "STORE_STATE_"), comparison, value, (&State::ALL, State::as_str)).map(Self::State)
            }
            "store_id" => text(StoreText::StoreId),
            "display_name" => text(StoreText::DisplayName),
            "engine" => text(StoreText::Engine),
            "plan" => text(StoreText::Plan),
            "admin_email" => text(StoreText::AdminEmail),
            "host" => text(StoreText::Host),
            "namespace" => text(StoreText::Namespace),
            "reason" => text(StoreText::Reason),
            "backup_overdue" => boolean(field, comparison, value).map(Self::BackupOverdue),
            "drifted" => boolean(field, comparison, value).map(Self::Drifted),
            label if label.strip_prefix(LABELS).is_some_and(is_name) => Pattern::read(field, comparison, value)
                .map(|pattern| Self::Label(label.trim_start_matches(LABELS).to_owned(), pattern)),
            "plugins" if comparison == Comparison::Has && plugins::is_name(value) => {
                Ok(Self::Plugin(value.to_owned(), Pattern::Present))
            }
            "plugins" => Err("plugins can only be compared with :, and with the name of a plugin".to_owned()),
            plugin if plugin.strip_prefix(PLUGINS).is_some_and(plugins::is_name) => {
                Pattern::read(field, comparison, value)
                    .map(|pattern| Self::Plugin(plugin.trim_start_matches(PLUGINS).to_owned(), pattern))
            }
            "create_time" => at(StoreTime::Create),
            "update_time" => at(StoreTime::Update),
            other => Err(no_field(
                other,
                "state, store_id, display_name, engine, plan, admin_email, host, namespace, reason, backup_overdue, drifted, \
                 labels.NAME, plugins, plugins.NAME, create_time, update_time",
            )),
        }
    }
}

impl StoreFilter {
    /// True if it names this state: lists omit DELETED stores unless the filter names that state.
    pub fn names(&self, state: State) -> bool {
        self.mentions(&|field| *field == StoreField::State(state))
    }

    /// True if it compares a field that changes during a store's life.
    pub fn names_changing_fields(&self) -> bool {
        self.mentions(&|field| {
            matches!(
                field,
                StoreField::State(_)
                    | StoreField::BackupOverdue(_)
                    | StoreField::Drifted(_)
                    | StoreField::Label(..)
                    | StoreField::Plugin(..)
                    | StoreField::Text(StoreText::Reason, _)
                    | StoreField::Time(StoreTime::Update, ..)
            )
        })
    }

    /// Evaluates the filter for a store, with the same result as the database.
    pub fn matches(&self, store: &Store) -> bool {
        let field = |field: &StoreField| match field {
            StoreField::State(state) => store.state == *state,
            StoreField::BackupOverdue(overdue) => store.is_backup_overdue() == *overdue,
            StoreField::Drifted(drifted) => store.is_drifted() == *drifted,
            StoreField::Label(name, pattern) => pattern.matches(store.spec.labels.get(name).map_or("", String::as_str)),
            StoreField::Plugin(name, pattern) => {
                pattern.matches(store.spec.plugins.get(name).map_or("", |plugin| plugin.version.as_str()))
            }
            StoreField::Text(text, pattern) => pattern.matches(text.of(store)),
            StoreField::Time(StoreTime::Create, comparison, time) => comparison.holds(store.created_at, *time),
            StoreField::Time(StoreTime::Update, comparison, time) => comparison.holds(store.updated_at, *time),
        };
        let contains =
            |text: &str| store.id.as_str().contains(text) || store.spec.display_name.to_lowercase().contains(text);
        self.holds(&field, &contains)
    }
}

impl StoreText {
    fn of(self, store: &Store) -> &str {
        match self {
            Self::StoreId => store.id.as_str(),
            Self::DisplayName => &store.spec.display_name,
            Self::Engine => &store.spec.engine,
            Self::Plan => &store.spec.plan,
            Self::AdminEmail => &store.spec.admin_email,
            Self::Host => &store.placement.host,
            Self::Namespace => &store.placement.namespace,
            Self::Reason => store.failure.as_ref().map_or("", |failure| failure.reason.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: StoreText, value: &str) -> StoreFilter {
        Filter::Field(StoreField::Text(text, Pattern::Exactly(value.into())))
    }

    #[test]
    fn or_binds_more_tightly_than_and() {
        let filter = StoreFilter::parse("engine = woocommerce state = READY OR state = STORE_STATE_FAILED");
        assert_eq!(
            filter.expect("good"),
            Filter::And(vec![
                text(StoreText::Engine, "woocommerce"),
                Filter::Or(vec![
                    Filter::Field(StoreField::State(State::Ready)),
                    Filter::Field(StoreField::State(State::Failed))
                ]),
            ])
        );
    }

    #[test]
    fn bare_words_and_quoted_text_search() {
        assert_eq!(StoreFilter::parse("coffee"), Ok(Filter::Text("coffee".into())));
        assert_eq!(StoreFilter::parse("\"a \\\" b\""), Ok(Filter::Text("a \" b".into())));
        assert_eq!(
            StoreFilter::parse("\"or\" 'x*'"),
            Ok(Filter::And(vec![Filter::Text("or".into()), Filter::Text("x*".into())]))
        );
        assert_eq!(StoreFilter::parse("-my-shop"), Ok(Filter::Not(Box::new(Filter::Text("my-shop".into())))));
        assert_eq!(StoreFilter::parse(" \t"), Ok(Filter::All));
    }

    #[test]
    fn every_documented_field_is_supported() {
        for good in [
            "state : READY",
            "store_id = tea*",
            "display_name : \"green tea\"",
            "engine != woocommerce",
            "plan = small",
            "admin_email = \"*@example.com\"",
            "host : shops.example.com",
            "namespace = store-tea",
            "reason : *",
            "NOT reason:IMAGE_PULL_FAILED",
            "backup_overdue : true",
            "drifted = true",
            "labels.cost-center = 42 AND labels.env : *",
            "plugins : gift-cards AND NOT plugins.gift-cards = 1.2*",
            "create_time >= \"2026-11-01T00:00:00Z\" AND update_time < '2026-12-01T00:00:00+01:00'",
        ] {
            StoreFilter::parse(good).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
    }

    #[test]
    fn deleted_stores_are_listed_only_if_filter_names_them() {
        assert!(StoreFilter::parse("NOT state = DELETED").expect("good").names(State::Deleted));
        assert!(!StoreFilter::parse("state = READY").expect("good").names(State::Deleted));
    }

    #[test]
    fn mutable_fields_are_identified() {
        for (filter, changes) in [
            ("reason : *", true),
            ("backup_overdue = true", true),
            ("drifted = false", true),
            ("state = READY", true),
            ("update_time > '2026-01-01T00:00:00Z'", true),
            ("plugins:faq", true),
            ("plan = small", false),
        ] {
            assert_eq!(StoreFilter::parse(filter).expect("good").names_changing_fields(), changes, "{filter}");
        }
    }

    #[test]
    fn unsupported_syntax_is_rejected_with_its_position() {
        for (bad, said) in [
            ("state >", "no value after \"state\" (at character 1)"),
            ("state > READY", "state can only be compared with =, != and : (at character 1)"),
            ("state = SLEEPY", "state must be one of"),
            ("backup_overdue = yes", "backup_overdue must be one of: true, false (at character 1)"),
            ("backup_overdue > false", "backup_overdue can only be compared with =, != and : (at character 1)"),
            ("price = 3", "has no field \"price\""),
            ("plugins = faq", "plugins can only be compared with :, and with the name of a plugin (at character 1)"),
            ("plugins : *", "plugins can only be compared with :"),
            ("labels.Env = a", "has no field \"labels.Env\""),
            ("a.b = 3", "has no field \"a.b\""),
            ("(", "ends unexpectedly"),
            ("(tea", "a parenthesis that is never closed (at character 1)"),
            ("tea )", "has an unexpected \")\""),
            ("a OR", "ends unexpectedly"),
            ("NOT", "ends unexpectedly"),
            ("= x", "has an unexpected \"=\""),
            ("tea \"", "a quotation mark that is never closed (at character 5)"),
            (
                "state = READY or state = FAILED",
                "has \"or\" in lower case: write OR, or quote it to search for it (at character 15)",
            ),
            ("tea and coffee", "has \"and\" in lower case"),
            ("not tea", "has \"not\" in lower case"),
            ("has(x)", "has the function \"has(...)\": functions are not supported (at character 1)"),
            ("Green*", "searches for \"Green*\": a search cannot contain \"*\""),
            ("display_name = \"a*b\"", "can have \"*\" only at the beginning and at the end"),
            ("create_time : *", "create_time can only be compared with"),
            ("create_time > yesterday", "must be an RFC 3339 time"),
            ("state : *", "state must be one of"),
            ("!", "the operators are"),
            ("a, b", "the operators are"),
            (&"(".repeat(50), "is nested more than 20 levels deep"),
            (&"x".repeat(1001), "must be at most 1000 bytes"),
            (&"x ".repeat(21), "has more than 20 terms"),
        ] {
            let error = StoreFilter::parse(bad).expect_err(bad).to_string();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }

    #[test]
    fn all_filter_errors_are_reported_together() {
        let error = StoreFilter::parse("state = SLEEPY AND (price = 3 OR plan < small) (").expect_err("bad");
        insta::assert_snapshot!(error.0.join("\n"), @r#"
        state must be one of: PROVISIONING, READY, UPDATING, DEGRADED, FAILED, DELETING, DELETED (at character 1)
        has no field "price"; the fields are state, store_id, display_name, engine, plan, admin_email, host, namespace, reason, backup_overdue, drifted, labels.NAME, plugins, plugins.NAME, create_time, update_time (at character 21)
        plan can only be compared with =, != and : (at character 34)
        ends unexpectedly
        "#);
    }

    mod fuzz {
        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::StoreFilter;

        /// What filters consist of, and what they must not contain.
        const WORDS: [&str; 26] = [
            "state",
            "store_id",
            "create_time",
            "price",
            "=",
            "!=",
            ">=",
            ":",
            "AND",
            "OR",
            "NOT",
            "-",
            "(",
            ")",
            "\"",
            "\"a b\"",
            "READY",
            "tea",
            "t*",
            "2026-01-02T03:04:05Z",
            ",",
            "\\",
            "and",
            "\u{1f375}",
            "backup_overdue",
            "true",
        ];

        #[test]
        fn filters_are_bounded_and_their_errors_too() {
            let words = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..40);
            let texts = prop_oneof!["\\PC{0,60}", any::<String>(), words.prop_map(|words| words.join(" "))];
            check("filter", &texts, |text| {
                let parsed = StoreFilter::parse(&text);
                if let Err(error) = &parsed {
                    prop_assert!(!error.0.is_empty() && error.to_string().len() <= 40 * 1024, "{error}");
                }
                let terms = text.split_whitespace().filter(|word| !WORDS[8..15].contains(word)).count();
                prop_assert!(
                    parsed.is_err() || text.trim().is_empty() || terms <= 3 * 20,
                    "{terms} terms are accepted"
                );
                Ok(Outcome::of(&parsed))
            });
        }
    }
}
