import type { StoreResource } from '@/gen/storeplane/v1/store_service_pb';

/** A Kubernetes object with the objects that it controls. */
export interface ResourceNode {
  resource: StoreResource;
  children: StoreResource[];
}

const KIND_ORDER = [
  'Namespace',
  'StatefulSet',
  'Deployment',
  'CronJob',
  'Job',
  'PersistentVolumeClaim',
  'Service',
  'Ingress',
  'Pod',
];

/** Workloads first, each with its pods; what has no controller in the list stands by itself. */
export function resourceTree(resources: readonly StoreResource[]): ResourceNode[] {
  const nodes = new Map(resources.map((resource) => [`${resource.kind}/${resource.name}`, node(resource)]));
  const roots: ResourceNode[] = [];
  for (const each of nodes.values()) {
    const owner = nodes.get(each.resource.owner);
    if (owner && owner !== each) owner.children.push(each.resource);
    else roots.push(each);
  }
  return roots.sort((a, b) => rank(a.resource) - rank(b.resource) || compareNames(a.resource, b.resource));
}

function node(resource: StoreResource): ResourceNode {
  return { resource, children: [] };
}

function rank({ kind }: StoreResource): number {
  const at = KIND_ORDER.indexOf(kind);
  return at === -1 ? KIND_ORDER.length : at;
}

function compareNames(a: StoreResource, b: StoreResource): number {
  return a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name);
}
