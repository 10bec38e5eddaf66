/** How much a cluster holds while it is measured. */
export interface Size {
  /** NetworkPolicies on each pod; 0: none, not isolated. */
  readonly policies: number;
  /** Over all policies, distinct; at least one a policy. */
  readonly cidrs: number;
  /** 0: none, and pods are asked at their own addresses; else through the service listed last. At least 2. */
  readonly services: number;
  /** Name of what is there already and not made for the run; the numbers are 0 then. */
  readonly found?: string;
}

/** As people read it, and as `scenario` in the JSON. */
export function sizeName({ policies, cidrs, services, found }: Size): string {
  if (found !== undefined) return found;
  const policy = policies === 0 ? 'no policy' : `${counted(policies, 'policy', 'policies')}, ${counted(cidrs, 'CIDR', 'CIDRs')}`;
  return services === 0 ? policy : `${policy}, ${services} services`;
}

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
