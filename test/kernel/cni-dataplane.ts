import { mkdtempSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { EndpointDataplane, LinkRemoval, LinkSpec } from '../../agent/cni/dataplane.js';
import { WITHOUT_EDGE } from '../../agent/compile/config.js';
import type { LocalEndpoint } from '../../agent/compile/desired.js';
import { AttachmentTable } from '../../agent/kernel/attachment-table.js';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { ConfigTable } from '../../agent/kernel/config-table.js';
import { endpointTable, localTable, type EndpointTable, type LocalTable } from '../../agent/kernel/endpoint-tables.js';
import { decisionTable, ruleTable } from '../../agent/kernel/policy-tables.js';
import { deleteLink, listLinks } from '../../agent/kernel/netlink.js';
import { examinePodDevices, podLinkFacts, removePodLink, surveyPodDevices } from '../../agent/kernel/pod-devices.js';
import { addPodLink, upPodLink } from '../../agent/kernel/pod-link.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';

/** A decision table that denies whatever comes, and its only row. */
const DENY = 7n;
const HOST_ALLOWED = 1;

/**
 * The node's dataplane with real links, programs and maps, but without a reconciler:
 * pods whose name begins with `closed` take nothing in, all others are open.
 */
export class KernelDataplane implements EndpointDataplane {
  private readonly links = new Map<string, LinkSpec>();
  /** Does what must not be done: devices are up a moment before policy is. For tests of tests. */
  careless = false;

  private constructor(
    private readonly pinDir: string,
    private readonly object: BpfObject,
    private readonly attachments: AttachmentTable,
    private readonly endpoints: EndpointTable,
    private readonly local: LocalTable,
  ) {}

  static open(): KernelDataplane {
    mountBpffs('/sys/fs/bpf');
    const pinDir = mkdtempSync('/sys/fs/bpf/cni-');
    const object = BpfObject.load({ path: 'build/bpf/canal4.o', pinDir });
    const writes = new WriteCounter();
    const source = { objects: new Map([[4 as const, object]]), writes };
    const programs = ['canal_from_pod', 'canal_to_pod'];
    const attachments = new AttachmentTable({ programs, program: (name) => object.program(name), linkDir: `${pinDir}/links`, tcx: () => false }, writes);
    const config = { fastLocal: true, fastOverlay: false, directVxlan: false, events: false, hostDeny: false, allowVxlan: false, allowIpip: false, allowSpoof: false, services: false };
    const row = { ...config, overlayIfindex: 0, uplinkIfindex: 0, vni: 0, vxlanPort: 0, podMtu: 1450, vtepAddress: undefined, vtepMac: undefined, logRate: 0, ...WITHOUT_EDGE };
    const configTable = new ConfigTable(source);
    succeed(configTable.upsert([{ key: 'config', row }]));
    configTable.write(1);
    const deny = { key: { rows: DENY, protocol: undefined, port: 0, portBits: 0 }, row: { rule: 1n, allow: false, log: false } };
    succeed(ruleTable(source).upsert([deny]));
    succeed(decisionTable(source).upsert([{ key: { table: DENY, classId: 0n }, row: DENY }]));
    return new KernelDataplane(pinDir, object, attachments, endpointTable(source), localTable(source));
  }

  close(): void {
    for (const { name, ifindex } of listLinks()) if (this.links.has(name)) deleteLink(ifindex, name); // absent: success
    this.object.close();
    rmSync(this.pinDir, { recursive: true });
  }

  /** Host devices that this made and that are there. */
  devices(): string[] {
    return listLinks().map(({ name }) => name).filter((name) => this.links.has(name));
  }

  async ready(): Promise<void> {}

  async addLink(spec: LinkSpec): ReturnType<EndpointDataplane['addLink']> {
    this.links.set(spec.hostDevice, spec);
    return addPodLink(spec);
  }

  async enforce(endpoint: LocalEndpoint): Promise<void> {
    if (!this.careless) this.protect(endpoint);
  }

  /** Puts programs and rows in force. */
  private protect(endpoint: LocalEndpoint): void {
    const { ifindex, hostDevice: device, podMac, hostMac } = endpoint;
    const attach = (egress: boolean, program: string) => ({ key: { ifindex, egress }, row: { ifindex, device, egress, program } });
    succeed(this.attachments.upsert([attach(false, 'canal_from_pod'), attach(true, 'canal_to_pod')]));
    const ingressTable = endpoint.pod.startsWith('closed') ? DENY : 0n;
    const row = { ingressTable, egressTable: 0n, flags: HOST_ALLOWED, addr4: endpoint.addresses[0], addr6: undefined, podMac, hostMac };
    succeed(this.endpoints.upsert([{ key: ifindex, row }]));
    succeed(this.local.upsert(endpoint.addresses.map((key) => ({ key, row: ifindex }))));
  }

  async up(endpoint: LocalEndpoint): Promise<void> {
    await upPodLink(this.links.get(endpoint.hostDevice)!);
    if (!this.careless) return;
    await pause(20);
    this.protect(endpoint);
  }

  async remove(link: LinkRemoval): Promise<void> {
    await removePodLink(link);
    if (link.ifindex !== undefined) succeed(this.endpoints.remove([link.ifindex]));
  }

  async inspect(endpoint: LocalEndpoint): ReturnType<EndpointDataplane['inspect']> {
    const facts = await podLinkFacts(endpoint);
    const attached = (egress: boolean): boolean => this.attachments.list().has(this.attachments.keyText({ ifindex: facts.hostIfindex ?? 0, egress }));
    return { ...facts, enforced: attached(false) && attached(true) };
  }

  async survey(): ReturnType<EndpointDataplane['survey']> {
    return surveyPodDevices((name) => this.links.has(name));
  }

  examine(...about: Parameters<EndpointDataplane['examine']>): ReturnType<EndpointDataplane['examine']> {
    return examinePodDevices(...about);
  }
}

function succeed(outcomes: readonly (Error | undefined)[]): void {
  for (const error of outcomes) if (error !== undefined) throw error;
}
