import {
  DomainCertificateState,
  DomainDnsState,
  DomainOwnershipState,
  type StoreDomain,
} from '@/gen/storeplane/v1/domain_service_pb';

/** One aspect of a domain, as people read it. */
export interface Aspect {
  name: 'Ownership' | 'DNS' | 'Certificate';
  text: string;
  color: string;
  /** What was observed; empty if nothing was. */
  message: string;
}

const OWNERSHIP: Record<DomainOwnershipState, [string, string]> = {
  [DomainOwnershipState.UNSPECIFIED]: ['Unknown', 'gray'],
  [DomainOwnershipState.PENDING]: ['Waiting for the TXT record or the file', 'yellow'],
  [DomainOwnershipState.VERIFIED]: ['Verified', 'teal'],
  [DomainOwnershipState.FAILED]: ['Not verified', 'red'],
};

const DNS: Record<DomainDnsState, [string, string]> = {
  [DomainDnsState.UNSPECIFIED]: ['Unknown', 'gray'],
  [DomainDnsState.UNKNOWN]: ['Not checked yet', 'gray'],
  [DomainDnsState.POINTS_HERE]: ['Points here', 'teal'],
  [DomainDnsState.ELSEWHERE]: ['Points elsewhere', 'red'],
  [DomainDnsState.MISSING]: ['No address records', 'red'],
};

const CERTIFICATE: Record<DomainCertificateState, [string, string]> = {
  [DomainCertificateState.UNSPECIFIED]: ['Unknown', 'gray'],
  [DomainCertificateState.NONE]: ['None', 'gray'],
  [DomainCertificateState.PENDING]: ['Pending', 'yellow'],
  [DomainCertificateState.READY]: ['Valid', 'teal'],
  [DomainCertificateState.FAILED]: ['Failed', 'red'],
};

/** The aspects of a domain, each with its own state. */
export function aspects({ ownership, dns, certificate }: StoreDomain): Aspect[] {
  const [owned, ownedColor] = OWNERSHIP[ownership?.state ?? 0] ?? OWNERSHIP[0];
  const [points, pointsColor] = DNS[dns?.state ?? 0] ?? DNS[0];
  const [secured, securedColor] = CERTIFICATE[certificate?.state ?? 0] ?? CERTIFICATE[0];
  return [
    { name: 'Ownership', text: owned, color: ownedColor, message: ownership?.message ?? '' },
    { name: 'DNS', text: points, color: pointsColor, message: dns?.message ?? '' },
    { name: 'Certificate', text: secured, color: securedColor, message: certificate?.message ?? '' },
  ];
}

/** Why a domain should not become the primary one yet; `undefined` if nothing is known that speaks against it. */
export function primaryRisk({ domain, dns, certificate }: StoreDomain): string | undefined {
  if (dns?.state !== DomainDnsState.POINTS_HERE) {
    return `The DNS records of ${domain} don't point here. Customers can't reach the shop until they do.`;
  }
  const { state } = certificate ?? {};
  if (state === DomainCertificateState.PENDING || state === DomainCertificateState.FAILED) {
    return `${domain} has no valid certificate yet. Browsers warn customers until it has one.`;
  }
  return undefined;
}
