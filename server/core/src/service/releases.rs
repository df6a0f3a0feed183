//! Lists the helm releases of the cluster.

use super::Service;
use crate::error::PortError;
use crate::identity::Caller;
use crate::query::{ReleasePage, ReleaseQuery};
use crate::release::ReleaseScope;

impl Service {
    /// A page of the releases that the caller may see, and which releases the list covers.
    pub async fn releases(
        &self,
        caller: &Caller,
        query: &ReleaseQuery,
    ) -> Result<(ReleasePage, ReleaseScope), PortError> {
        let inventory = self.releases.inventory().await?;
        let platform = self.platform_tenant.as_ref();
        let visible = inventory.releases.into_iter().filter(|release| release.is_visible_to(&caller.access, platform));
        let scope = if caller.access.sees_platform(platform) { inventory.scope } else { ReleaseScope::Tenant };
        Ok((query.select(visible), scope))
    }
}
