//! Commands of rollouts: as received, and after validation.

use time::{Duration, OffsetDateTime};

use super::waves::{DEFAULT, Size, divide};
use super::window::Window;
use super::{Budget, Counts, OnFailure, Progress, Rollout, Target};
use crate::command::plugins::check_names;
use crate::command::{Idempotency, StoreUpdate, UpdateStoreInput};
use crate::error::DomainError;
use crate::filter::{Filter, StoreFilter};
use crate::identity::Caller;
use crate::ids::RolloutId;
use crate::validate::{Check, DISPLAY_NAME_MAX};

/// The fields that a rollout changes: those that can have the same value in many stores.
const CHANGEABLE: &str = "engine_version, plan, environment, deletion_protection, labels.NAME, backup_policy, backup_policy.every, \
     backup_policy.keep_days, backup_policy.keep_weekly, plugins";
/// Maximum number of waves.
const WAVES_MAX: usize = 20;
/// Maximum parallelism.
const PARALLELISM_MAX: u32 = 100;
const PARALLELISM_DEFAULT: u32 = 4;
const SOAK_DEFAULT: Duration = Duration::minutes(10);
const SOAK_MAX: Duration = Duration::days(7);

/// CreateRollout as received.
#[derive(Debug, Clone, Default)]
pub struct CreateRolloutInput {
    /// Its name; may be empty.
    pub display_name: String,
    /// Which stores; `*` for all.
    pub filter: String,
    /// The new values of fields and the mask that names them.
    pub update: UpdateStoreInput,
    /// What is recorded for each store is applied again.
    pub reapply: bool,
    /// All waves up to each: a number, or a share in percent; `None` if neither was set.
    pub waves: Vec<Option<SizeInput>>,
    /// 0 for the default.
    pub parallelism: i32,
    /// Number of stores that may fail.
    pub budget_stores: Option<i32>,
    /// Share of the stores that may fail, in percent.
    pub budget_percent: Option<i32>,
    /// `None` for the default.
    pub soak: Option<Duration>,
    /// Start and end of the window.
    pub window: Option<(String, String)>,
    /// `None` if the value is unknown.
    pub on_failure: Option<OnFailure>,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// The size of a wave as received.
#[derive(Debug, Clone, Copy)]
pub enum SizeInput {
    /// Number of stores.
    Stores(i32),
    /// Share of all stores, in percent.
    Percent(i32),
}

/// CreateRollout after validation.
#[derive(Debug, Clone)]
pub struct CreateRollout {
    /// The rollout without waves: they follow from the number of stores.
    pub rollout: Rollout,
    /// The requested sizes of its waves.
    pub sizes: Vec<Size>,
    /// Which stores.
    pub filter: StoreFilter,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl CreateRollout {
    /// The rollout of this many stores.
    pub fn of(self, stores: u32) -> Rollout {
        let counts = Counts { pending: stores, ..Counts::default() };
        Rollout { waves: divide(&self.sizes, stores), counts, ..self.rollout }
    }
}

impl CreateRolloutInput {
    /// Validates everything and reports all violations.
    pub fn check(self, id: RolloutId, caller: &Caller, now: OffsetDateTime) -> Result<CreateRollout, DomainError> {
        let mut check = Check::default();
        check.text("rollout.display_name", &self.display_name, DISPLAY_NAME_MAX);
        let filter = self.filter(&mut check);
        let target = self.target(&mut check);
        let sizes = self.sizes(&mut check);
        let parallelism = match u32::try_from(self.parallelism) {
            Ok(0) => PARALLELISM_DEFAULT,
            Ok(number) if number <= PARALLELISM_MAX => number,
            _ => {
                check.fail("rollout.parallelism", format!("must be from 1 to {PARALLELISM_MAX}"));
                PARALLELISM_DEFAULT
            }
        };
        let budget = self.budget(&mut check);
        let soak = self.soak.unwrap_or(SOAK_DEFAULT);
        if soak.is_negative() || soak > SOAK_MAX {
            check.fail("rollout.soak", "must be from 0 seconds to 7 days");
        }
        let window = self.window(&mut check);
        match self.on_failure {
            None => check.fail("rollout.on_failure", "must be PAUSE or ROLL_BACK"),
            Some(OnFailure::RollBack) if target.as_ref().is_some_and(|target| !target.is_reversible()) => check.fail(
                "rollout.on_failure",
                "must be PAUSE: only engine_version, plan, environment and plugins have revisions to which stores can return",
            ),
            Some(_) => {}
        }
        let request = check.optional("request_id", &self.request_id);
        let idempotency = Idempotency::of(
            request,
            "CreateRollout",
            &[&format!("{:?}", Self { request_id: String::new(), ..self.clone() })],
        );
        let rollout = |target| Rollout {
            id,
            tenant: caller.tenant().clone(),
            display_name: self.display_name,
            filter: self.filter,
            target,
            waves: Vec::new(),
            parallelism,
            budget,
            soak,
            window,
            on_failure: self.on_failure.unwrap_or_default(),
            progress: Progress::begin(),
            counts: Counts::default(),
            created_by: caller.name.clone(),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        check.finish(filter.zip(target).map(|(filter, target)| CreateRollout {
            rollout: rollout(target),
            sizes,
            filter,
            idempotency,
        }))
    }

    fn filter(&self, check: &mut Check) -> Option<StoreFilter> {
        match self.filter.trim() {
            // Nothing should change all stores by mistake.
            "" => {
                check.fail("rollout.filter", "must not be empty; * names all stores");
                None
            }
            "*" => Some(Filter::All),
            _ => check.part("rollout", |part| StoreFilter::check(part, &self.filter)),
        }
    }

    fn target(&self, check: &mut Check) -> Option<Target> {
        let (mask, field) = (&self.update.update_mask, "rollout.target.update_mask");
        if self.reapply {
            if !mask.is_empty() {
                check.fail(field, "must be empty with reapply");
            }
            return Some(Target::Reapply);
        }
        let is_changeable = |path: &str| {
            ["engine_version", "plan", "environment", "deletion_protection", "backup_policy", "plugins"].contains(&path)
                || path.starts_with("labels.")
                || path.starts_with("backup_policy.")
        };
        if mask.is_empty() || !mask.iter().all(|path| is_changeable(path)) {
            check.fail(
                field,
                format!("must name only fields that a rollout can change, and at least one: {CHANGEABLE}"),
            );
            return None;
        }
        let values = check.part("rollout.target", |part| self.values(part));
        Some(Target::Update { mask: mask.clone(), values: Box::new(values) })
    }

    /// Plugins are versions for the stores that have them: the same list for all would remove others.
    fn values(&self, check: &mut Check) -> StoreUpdate {
        let mut values = self.update.values(check);
        if let Some(plugins) = values.plugins.take() {
            check_names(check, &plugins);
            if plugins.is_empty() {
                check.fail("store.plugins", "must name at least one plugin");
            }
            values.plugin_versions = plugins;
        }
        values
    }

    fn sizes(&self, check: &mut Check) -> Vec<Size> {
        if self.waves.is_empty() {
            return DEFAULT.to_vec();
        }
        if self.waves.len() > WAVES_MAX {
            check.fail("rollout.waves", format!("must be at most {WAVES_MAX}"));
        }
        let size = |input: &Option<SizeInput>| match *input {
            Some(SizeInput::Stores(stores)) => {
                u32::try_from(stores).ok().filter(|stores| *stores > 0).map(Size::Stores)
            }
            Some(SizeInput::Percent(percent)) => {
                u32::try_from(percent).ok().filter(|percent| (1..=100).contains(percent)).map(Size::Percent)
            }
            None => None,
        };
        let sizes: Option<Vec<_>> = self.waves.iter().map(size).collect();
        if sizes.is_none() {
            check.fail("rollout.waves", "must each have `stores` of 1 or more, or `percent` from 1 to 100");
        }
        let sizes = sizes.unwrap_or_default();
        let grows = sizes.windows(2).all(|pair| match pair {
            [Size::Stores(one), Size::Stores(next)] | [Size::Percent(one), Size::Percent(next)] => one < next,
            _ => true,
        });
        if !grows {
            check.fail("rollout.waves", "must grow: each names all stores up to it");
        }
        sizes
    }

    fn budget(&self, check: &mut Check) -> Budget {
        let mut number = |field: &str, given: Option<i32>, max: u32| {
            let number = given.map(|given| u32::try_from(given).ok().filter(|number| *number <= max));
            if number == Some(None) {
                check.fail(field, format!("must be from 0 to {max}"));
            }
            number.flatten()
        };
        Budget {
            stores: number("rollout.failure_budget.stores", self.budget_stores, i32::MAX.unsigned_abs()),
            percent: number("rollout.failure_budget.percent", self.budget_percent, 100),
        }
    }

    fn window(&self, check: &mut Check) -> Option<Window> {
        let (start, end) = self.window.as_ref()?;
        let mut minute = |field: &str, text: &str| {
            let minute = Window::minute(text);
            if minute.is_none() {
                check.fail(field, Window::RULE);
            }
            minute
        };
        let (start, end) = (minute("rollout.window.start", start), minute("rollout.window.end", end));
        let window = start.zip(end).map(|(start, end)| Window { start, end })?;
        if window.start == window.end {
            check.fail("rollout.window.end", "must differ from the start");
        }
        Some(window)
    }
}

/// PauseRollout, ResumeRollout or AbortRollout after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutCommand {
    /// Which rollout.
    pub id: RolloutId,
    /// The etag that it must have.
    pub etag: Option<String>,
}

impl RolloutCommand {
    /// Validates everything and reports all violations.
    pub fn check(rollout_id: &str, etag: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let id = check.required("rollout_id", rollout_id);
        check.finish(id.map(|id| Self { id, etag: Some(etag).filter(|etag| !etag.is_empty()).map(str::to_owned) }))
    }
}

#[cfg(test)]
mod tests;
