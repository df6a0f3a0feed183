import type { StoreEvent } from '@/gen/storeplane/v1/event_pb';

/** A Kubernetes object, as it was last seen. */
export interface Resource {
  kind: string;
  name: string;
  phase: string;
  ready: number;
  desired: number;
  children: Resource[];
}

const ORDER = ['StatefulSet', 'Deployment', 'PersistentVolumeClaim', 'Ingress', 'Pod'];

export function isReady({ ready, desired }: Resource): boolean {
  return ready >= desired;
}

/** The objects of the rollout that was seen last, pods below the workload that made them. */
export function resourcesOf(events: StoreEvent[]): Resource[] {
  const changes = events.filter((event) => event.type === 'RESOURCE_CHANGED');
  const rollout = changes.at(-1)?.operationId;
  const latest = new Map<string, Resource>();
  for (const { operationId, details } of changes) {
    const { kind = '', name = '', phase = '', ready = '', desired = '' } = details;
    if (operationId !== rollout || !kind) continue;
    latest.set(`${kind} ${name}`, { kind, name, phase, ready: Number(ready), desired: Number(desired), children: [] });
  }
  const all = [...latest.values()].sort(
    (a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.name.localeCompare(b.name),
  );
  return all.filter((resource) => {
    const owner = resource.kind === 'Pod' && longest(all.filter((each) => isOwner(each, resource)));
    if (owner) owner.children.push(resource);
    return !owner;
  });
}

/** `web-database-0` belongs to `web-database`, though `web` would do as well. */
function longest(owners: Resource[]): Resource | undefined {
  return owners.sort((a, b) => b.name.length - a.name.length)[0];
}

/** Pods are called after their workload: `web-5d9c7-x2x8v`, `database-0`. */
function isOwner({ kind, name }: Resource, pod: Resource): boolean {
  const rest = pod.name.startsWith(`${name}-`) ? pod.name.slice(name.length + 1) : '';
  if (kind === 'StatefulSet') return /^\d+$/.test(rest);
  return kind === 'Deployment' && /^[a-z0-9]+-[a-z0-9]+$/.test(rest);
}
