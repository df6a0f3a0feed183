//! The calls for custom domains.

use storeplane_proto::v1;
use tonic::Response;

use crate::calls::identify;
use crate::client::{Client, patiently};
use crate::error::Error;

impl Client {
    /// Adds a domain to a store, and returns the DNS records to create. A missing request id is generated.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `DOMAIN_ALREADY_EXISTS`, `DOMAIN_LIMIT_EXCEEDED`, `DOMAINS_UNSUPPORTED`, `NOT_UPDATABLE`.
    pub async fn create_domain(&self, mut request: v1::CreateDomainRequest) -> Result<v1::StoreDomain, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut domains, request) = (self.domains.clone(), request.clone());
            async move { domains.create_domain(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Returns a domain of a store.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `DOMAIN_NOT_FOUND`.
    pub async fn get_domain(&self, store_id: &str, domain: &str) -> Result<v1::StoreDomain, Error> {
        let (store_id, domain) = (store_id.to_owned(), domain.to_owned());
        let request = v1::GetDomainRequest { store_id, domain, ..v1::GetDomainRequest::default() };
        let call = || {
            let (mut domains, request) = (self.domains.clone(), request.clone());
            async move { domains.get_domain(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// The domains of a store, by name.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`.
    pub async fn list_domains(&self, store_id: &str) -> Result<Vec<v1::StoreDomain>, Error> {
        let request = v1::ListDomainsRequest { store_id: store_id.to_owned(), ..v1::ListDomainsRequest::default() };
        let call = || {
            let (mut domains, request) = (self.domains.clone(), request.clone());
            async move { domains.list_domains(request).await.map(Response::into_inner) }
        };
        Ok(patiently(call).await?.domains)
    }

    /// Checks a domain now.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `DOMAIN_NOT_FOUND`.
    pub async fn verify_domain(&self, store_id: &str, domain: &str) -> Result<v1::StoreDomain, Error> {
        let (store_id, domain) = (store_id.to_owned(), domain.to_owned());
        let request = v1::VerifyDomainRequest { store_id, domain, ..v1::VerifyDomainRequest::default() };
        let call = || {
            let (mut domains, request) = (self.domains.clone(), request.clone());
            async move { domains.verify_domain(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Removes a domain. One that was verified is `DOMAIN_NOT_FOUND` once the shop no longer answers to it.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `DOMAIN_NOT_FOUND`.
    pub async fn delete_domain(&self, store_id: &str, domain: &str) -> Result<v1::StoreDomain, Error> {
        let (store_id, domain) = (store_id.to_owned(), domain.to_owned());
        let mut request = v1::DeleteDomainRequest { store_id, domain, ..v1::DeleteDomainRequest::default() };
        identify(&mut request.request_id);
        let call = || {
            let (mut domains, request) = (self.domains.clone(), request.clone());
            async move { domains.delete_domain(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }
}
