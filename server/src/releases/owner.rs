//! To whom a namespace and its releases belong.

use std::collections::HashMap;

use storeplane_core::ids::StoreUid;
use storeplane_core::release::Ownership;

use crate::kube::OwnedNamespace;
use crate::postgres::LiveStore;

/// The live stores by namespace.
#[derive(Debug)]
pub struct Owners<'a> {
    instance: &'a str,
    stores: HashMap<&'a str, &'a LiveStore>,
}

/// To whom a namespace belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceOwner<'a> {
    /// A store.
    Store(&'a LiveStore),
    /// This control plane, but no store.
    Orphan {
        /// Its labels.
        namespace: &'a OwnedNamespace,
        /// The store's uid, from the namespace or from a release in it.
        store_uid: Option<StoreUid>,
    },
    /// Not managed by this control plane.
    Foreign,
}

/// The store of a namespace, as far as known; texts are empty if unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordedOwner<'a> {
    /// The store's id.
    pub id: &'a str,
    /// The store's uid.
    pub uid: Option<StoreUid>,
    /// The store's tenant.
    pub tenant: &'a str,
}

impl<'a> Owners<'a> {
    /// The owners among these stores, for the control plane with this instance name.
    pub fn new(instance: &'a str, live: &'a [LiveStore]) -> Self {
        Self { instance, stores: live.iter().map(|store| (store.namespace.as_str(), store)).collect() }
    }

    /// True if a namespace has our labels but belongs to no store.
    pub fn is_orphan(&self, namespace: &OwnedNamespace) -> bool {
        let is_ours = namespace.instance.as_deref() == Some(self.instance);
        is_ours && matches!(self.of(namespace, std::iter::empty()), NamespaceOwner::Orphan { .. })
    }

    /// The owner of a namespace, given the uids on its releases. Our namespaces are labelled; one that lost its labels may still
    /// have a store's release.
    pub fn of<'n>(&self, namespace: &'n OwnedNamespace, mut uids: impl Iterator<Item = StoreUid>) -> NamespaceOwner<'n>
    where
        'a: 'n,
    {
        if namespace.instance.as_ref().is_some_and(|of| of != self.instance) {
            return NamespaceOwner::Foreign;
        }
        let store_uid = namespace.store_uid.or_else(|| uids.next());
        if namespace.instance.is_none() && store_uid.is_none() {
            return NamespaceOwner::Foreign;
        }
        let store = self.stores.get(namespace.name.as_str()).filter(|store| Some(store.uid) == store_uid);
        store.map_or(NamespaceOwner::Orphan { namespace, store_uid }, |store| NamespaceOwner::Store(store))
    }
}

impl<'a> NamespaceOwner<'a> {
    /// To whom a release in the namespace belongs, given the uid on its record.
    pub fn of_release(&self, name: &str, uid: Option<StoreUid>) -> Ownership {
        match self {
            Self::Store(store) if store.release == name => Ownership::Store,
            Self::Store(_) => Ownership::Orphan,
            // In a namespace without our labels, only a release with a store's uid is ours.
            Self::Orphan { namespace, .. } if namespace.instance.is_some() || uid.is_some() => Ownership::Orphan,
            Self::Orphan { .. } | Self::Foreign => Ownership::Foreign,
        }
    }

    /// The store, as far as known.
    pub fn store(&self) -> RecordedOwner<'a> {
        match self {
            Self::Store(store) => RecordedOwner { id: &store.store_id, uid: Some(store.uid), tenant: &store.tenant },
            Self::Orphan { namespace, store_uid } => {
                let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
                RecordedOwner { id: text(&namespace.store_id), uid: *store_uid, tenant: text(&namespace.tenant) }
            }
            Self::Foreign => RecordedOwner::default(),
        }
    }
}
