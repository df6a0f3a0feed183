//! Filters of stores.

use super::{Comparison, Fields, Filter, no_field, one_of, only_equal};
use crate::store::{State, Store};

/// A filter of stores; a text searches id and name.
pub type StoreFilter = Filter<StoreField>;

/// What a filter says of a store: this field has exactly this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreField {
    /// What it is doing.
    State(State),
    /// The engine's name.
    Engine(String),
    /// The plan's name.
    Plan(String),
    /// The store's id.
    StoreId(String),
    /// The shop's name.
    DisplayName(String),
}

impl Fields for StoreField {
    const EXAMPLE: &'static str = "state = READY AND engine = woocommerce";

    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        let text = || value.to_owned();
        let read = match field {
            "state" => one_of(field, &State::ALL, State::as_str, value).map(Self::State)?,
            "engine" => Self::Engine(text()),
            "plan" => Self::Plan(text()),
            "store_id" => Self::StoreId(text()),
            "display_name" => Self::DisplayName(text()),
            other => return Err(no_field(other, "state, engine, plan, store_id, display_name")),
        };
        only_equal(field, comparison).map(|()| read)
    }
}

impl StoreFilter {
    /// True if it says something about this state: lists leave DELETED out unless they are asked for it.
    pub fn names(&self, state: State) -> bool {
        self.mentions(&|field| *field == StoreField::State(state))
    }

    /// True if it says something about any state.
    pub fn names_states(&self) -> bool {
        self.mentions(&|field| matches!(field, StoreField::State(_)))
    }

    /// True if a store matches. The same as the database's answer.
    pub fn matches(&self, store: &Store) -> bool {
        let field = |field: &StoreField| match field {
            StoreField::State(state) => store.state == *state,
            StoreField::Engine(engine) => store.spec.engine == *engine,
            StoreField::Plan(plan) => store.spec.plan == *plan,
            StoreField::StoreId(id) => store.id.as_str() == id,
            StoreField::DisplayName(name) => store.spec.display_name == *name,
        };
        let contains =
            |text: &str| store.id.as_str().contains(text) || store.spec.display_name.to_lowercase().contains(text);
        self.holds(&field, &contains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn or_binds_more_tightly_than_and() {
        let filter = StoreFilter::parse("engine = woocommerce state = READY OR state = FAILED").expect("good");
        assert_eq!(
            filter,
            Filter::And(vec![
                Filter::Field(StoreField::Engine("woocommerce".into())),
                Filter::Or(vec![
                    Filter::Field(StoreField::State(State::Ready)),
                    Filter::Field(StoreField::State(State::Failed))
                ]),
            ])
        );
    }

    #[test]
    fn words_and_quotes_search() {
        assert_eq!(StoreFilter::parse("coffee"), Ok(Filter::Text("coffee".into())));
        assert_eq!(StoreFilter::parse("\"a \\\" b\""), Ok(Filter::Text("a \" b".into())));
        assert_eq!(StoreFilter::parse("-my-shop"), Ok(Filter::Not(Box::new(Filter::Text("my-shop".into())))));
        assert_eq!(StoreFilter::parse(" \t"), Ok(Filter::All));
    }

    #[test]
    fn only_a_filter_that_names_deleted_lists_it() {
        assert!(StoreFilter::parse("NOT state = DELETED").expect("good").names(State::Deleted));
        assert!(!StoreFilter::parse("state = READY").expect("good").names(State::Deleted));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for bad in [
            "state >",
            "state > READY",
            "state = SLEEPY",
            "price = 3",
            "(",
            ")",
            "a OR",
            "NOT",
            "= x",
            "\"",
            "state =",
            "a AND",
            "state : READY",
            &"(".repeat(50),
            &"x".repeat(1001),
            "!",
        ] {
            let error = StoreFilter::parse(bad).expect_err(bad);
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let error = StoreFilter::parse("state = SLEEPY AND (price = 3 OR plan < small) (").expect_err("bad");
        assert_eq!(
            error.0,
            [
                "state must be one of: PROVISIONING, READY, UPDATING, DEGRADED, FAILED, DELETING, DELETED",
                "has no field \"price\"; the fields are state, engine, plan, store_id, display_name",
                "plan can be compared with = and != only",
                "ends in the middle",
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = StoreFilter::parse(&text);
        }
    }
}
