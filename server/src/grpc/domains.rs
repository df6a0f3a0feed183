//! DomainService.

use storeplane_core::command::StoreRef;
use storeplane_core::store::Store;
use storeplane_core::store_domain::command::DomainInput;
use storeplane_core::store_domain::{
    Aspect, CertificateState, DnsRecord, DnsState, OwnershipState, StoreDomain, VerificationFile, secret_name,
    verification_record,
};
use storeplane_proto::v1;
use storeplane_proto::v1::domain_service_server::DomainService;
use storeplane_proto::v1::{
    CreateDomainRequest, DeleteDomainRequest, GetDomainRequest, ListDomainsRequest, ListDomainsResponse,
    VerifyDomainRequest,
};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller, note_store};
use super::convert::timestamp;
use super::status;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl DomainService for ApiHandler {
    async fn create_domain(&self, request: Request<CreateDomainRequest>) -> Answer<v1::StoreDomain> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let CreateDomainRequest { store_id, domain, request_id, store_uid, validate_only } = request.into_inner();
        note_store(&store_id);
        let input = DomainInput { store_id, store_uid, domain, request_id };
        let created = self.finish(async move { service.create_domain(&caller, &input, validate_only).await });
        Ok(Response::new(self.domain_message(created.await?)))
    }

    async fn get_domain(&self, request: Request<GetDomainRequest>) -> Answer<v1::StoreDomain> {
        let caller = caller(&request)?;
        let GetDomainRequest { store_id, domain, store_uid } = request.into_inner();
        note_store(&store_id);
        let input = DomainInput { store_id, store_uid, domain, request_id: String::new() };
        let found = self.service.domain(&caller, &input).await.map_err(|error| status::port(&error))?;
        Ok(Response::new(self.domain_message(found)))
    }

    async fn list_domains(&self, request: Request<ListDomainsRequest>) -> Answer<ListDomainsResponse> {
        let caller = caller(&request)?;
        let ListDomainsRequest { store_id, store_uid } = request.into_inner();
        note_store(&store_id);
        let wanted = StoreRef::check(&store_id, &store_uid).map_err(|refusal| status::refusal(&refusal))?;
        let (store, domains) = self.service.domains(&caller, &wanted).await.map_err(|error| status::port(&error))?;
        let domains = domains.into_iter().map(|domain| self.domain_message((store.clone(), domain))).collect();
        Ok(Response::new(ListDomainsResponse { domains }))
    }

    async fn verify_domain(&self, request: Request<VerifyDomainRequest>) -> Answer<v1::StoreDomain> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let VerifyDomainRequest { store_id, domain, store_uid } = request.into_inner();
        note_store(&store_id);
        let input = DomainInput { store_id, store_uid, domain, request_id: String::new() };
        let checked = self.finish(async move { service.verify_domain(&caller, &input).await });
        Ok(Response::new(self.domain_message(checked.await?)))
    }

    async fn delete_domain(&self, request: Request<DeleteDomainRequest>) -> Answer<v1::StoreDomain> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let DeleteDomainRequest { store_id, domain, request_id, store_uid } = request.into_inner();
        note_store(&store_id);
        let input = DomainInput { store_id, store_uid, domain, request_id };
        let deleted = self.finish(async move { service.delete_domain(&caller, &input).await });
        Ok(Response::new(self.domain_message(deleted.await?)))
    }
}

impl ApiHandler {
    fn domain_message(&self, (store, domain): (Store, StoreDomain)) -> v1::StoreDomain {
        let served = store.spec.domains.names.contains(&domain.name);
        let mut verification = verification_record(&domain.name, &domain.token);
        let mut file = self.service.verification_file(&domain);
        if domain.token.is_empty() {
            verification.value.clear();
            if let Some(file) = &mut file {
                file.line.clear();
            }
        }
        let addresses = self.service.address_records(&store, &domain.name);
        v1::StoreDomain {
            verification_record: Some(record(verification)),
            verification_file: file.map(|VerificationFile { url, line }| v1::VerificationFile { url, line }),
            address_records: addresses.into_iter().map(record).collect(),
            served,
            primary: store.spec.domains.primary.as_ref() == Some(&domain.name),
            removing: domain.removing,
            create_time: Some(timestamp(domain.created_at)),
            expire_time: domain.expires_at().map(timestamp),
            store_id: store.id.into(),
            store_uid: store.uid.to_string(),
            ownership: Some(ownership(&domain.status.ownership)),
            dns: Some(dns(&domain.status.dns)),
            certificate: Some(certificate(&domain)),
            domain: domain.name.to_string(),
        }
    }
}

fn record(DnsRecord { kind, name, value }: DnsRecord) -> v1::DnsRecord {
    v1::DnsRecord { r#type: kind.to_owned(), name, value }
}

fn ownership(aspect: &Aspect<OwnershipState>) -> v1::DomainOwnership {
    let state = match aspect.state {
        OwnershipState::Pending => v1::DomainOwnershipState::Pending,
        OwnershipState::Verified => v1::DomainOwnershipState::Verified,
        OwnershipState::Failed => v1::DomainOwnershipState::Failed,
    };
    v1::DomainOwnership {
        state: state.into(),
        reason: aspect.reason.clone(),
        message: aspect.message.clone(),
        last_transition_time: Some(timestamp(aspect.since)),
        check_time: aspect.checked_at.map(timestamp),
    }
}

fn dns(aspect: &Aspect<DnsState>) -> v1::DomainDns {
    let state = match aspect.state {
        DnsState::Unknown => v1::DomainDnsState::Unknown,
        DnsState::PointsHere => v1::DomainDnsState::PointsHere,
        DnsState::Elsewhere => v1::DomainDnsState::Elsewhere,
        DnsState::Missing => v1::DomainDnsState::Missing,
    };
    v1::DomainDns {
        state: state.into(),
        reason: aspect.reason.clone(),
        message: aspect.message.clone(),
        last_transition_time: Some(timestamp(aspect.since)),
        check_time: aspect.checked_at.map(timestamp),
    }
}

fn certificate(domain: &StoreDomain) -> v1::DomainCertificate {
    let aspect = &domain.status.certificate;
    let state = match aspect.state {
        CertificateState::None => v1::DomainCertificateState::None,
        CertificateState::Pending => v1::DomainCertificateState::Pending,
        CertificateState::Ready => v1::DomainCertificateState::Ready,
        CertificateState::Failed => v1::DomainCertificateState::Failed,
    };
    v1::DomainCertificate {
        state: state.into(),
        reason: aspect.reason.clone(),
        message: aspect.message.clone(),
        last_transition_time: Some(timestamp(aspect.since)),
        check_time: aspect.checked_at.map(timestamp),
        expire_time: domain.status.certificate_expires_at.map(timestamp),
        secret: secret_name(&domain.name),
    }
}
