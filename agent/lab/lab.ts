import { setMaxListeners } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { Cidr } from '../base/address.js';
import { systemClock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';
import { createLogger, type Logger } from '../base/log.js';
import { createKubeClient, type KubeClient } from '../datastore/client.js';
import { loadConnection } from '../datastore/load-connection.js';
import { embeddedApi, externalApi, type ApiAccess } from './api-access.js';
import type { LabOptions } from './lab-options.js';
import { Controllers } from './controllers/controllers.js';
import { dnsAddress, dnsManifest, servesDns } from './dns/cluster-dns.js';
import { Kubelet } from './kubelet/kubelet.js';
import { boundedClient } from './world/bounded-client.js';
import { Slots } from './world/slots.js';
import { makeCgroup } from './machine/cgroup.js';
import { API_PORT, labBinary, labFiles, LAN_GATEWAY, MAX_NODES, nodeAddress, nodeName } from './machine/layout.js';
import { LabNode } from './machine/lab-node.js';
import { createOutside } from './machine/outside.js';
import { createLan, relayApi, type Lan } from './machine/lan.js';
import { inside, type Place } from './machine/place.js';
import { identify, must, run, type RunOptions, type RunResult } from './machine/process.js';
import { cniConfig, netConf } from './network-config.js';
import { manifestText } from './manifest-text.js';
import { PodAccess } from './pod-access.js';
import { parseAnswers, targetText, type ProbeAnswer, type ProbeSource, type ProbeTarget } from './probe.js';
import { claim, destroy, type LabState } from './state.js';
import { labStatus, type LabStatus } from './status.js';
import { NAMESPACES, NODES, PODS, SERVICES } from './world/resources.js';
import { Caches } from './world/world.js';

/** Pods that are set up at a time: each takes a few forks of this process, which must answer API requests meanwhile. */
const PARALLEL_PODS = 6;
const PARALLEL_REQUESTS = 4;
/** The verifier takes seconds for each agent, also on an idle machine. */
const READY_WITHIN_MS = 120_000;
/** For what changes without an object changing: a process that dies. */
const CHECK_MS = 250;

/** Starts a lab in this process; resolves when its nodes are ready. Whatever it has made is gone again when it throws. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const nodes = options.nodes ?? 2;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES) throw new CanalError('CONFIG', `a lab has 1 to ${MAX_NODES} nodes, not ${nodes}`);
  if (process.getuid?.() !== 0) throw new CanalError('CONFIG', 'a lab needs root: it makes namespaces and cgroups');
  const lab = new Lab(options, claim(options.name, options.dir, identify(process.pid)!));
  try {
    await lab.start(nodes);
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** A running lab: API server, nodes, kubelets, controllers. */
export class Lab {
  readonly name: string;
  readonly dir: string;
  readonly nodes: LabNode[] = [];
  readonly caches = new Caches();
  readonly #options: LabOptions;
  readonly #state: LabState;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #kubelets: Kubelet[] = [];
  readonly #slots = new Slots(PARALLEL_PODS);
  #api: ApiAccess | undefined;
  #client: KubeClient | undefined;
  #controllers: Controllers | undefined;
  #relay: Server | undefined;
  #lan: Lan | undefined;
  #outside: Promise<Place> | undefined;

  constructor(options: LabOptions, state: LabState) {
    setMaxListeners(0, this.#closing.signal);
    this.#options = options;
    this.#state = state;
    this.name = state.name;
    this.dir = state.dir;
    this.#log = createLogger(options.logLevel ?? 'warn', { lab: state.name });
  }

  /** Path of the kubeconfig that reaches the lab's API server from the machine. */
  get kubeconfig(): string {
    return labFiles(this.dir).kubeconfig;
  }

  get client(): KubeClient {
    if (this.#client === undefined) throw new CanalError('INTERNAL', 'the lab has not been started');
    return this.#client;
  }

  /** The nth node, from 1. */
  node(index: number): LabNode {
    const node = this.nodes[index - 1];
    if (node === undefined) throw new CanalError('CONFIG', `lab ${this.name} has ${this.nodes.length} nodes; there is no node ${index}`);
    return node;
  }

  kubelet(index: number): Kubelet {
    return this.#kubelets[this.nodes.indexOf(this.node(index))]!;
  }

  async start(count: number): Promise<void> {
    const say = this.#options.progress ?? (() => undefined);
    makeCgroup(this.#state.cgroup);
    const api = (this.#api = await this.#startApi());
    say(`API server at ${api.endpoint.host}:${api.endpoint.port}`);
    const files = labFiles(this.dir);
    writeFileSync(files.kubeconfig, api.kubeconfig, { mode: 0o600 });
    const connection = await loadConnection({ kubeconfig: files.kubeconfig, env: {}, clock: systemClock });
    this.#client = boundedClient(createKubeClient(connection, systemClock), PARALLEL_REQUESTS);
    await this.#follow();
    const lan = (this.#lan = await createLan(join(this.#state.cgroup, 'lan')));
    this.#relay = await relayApi(lan, api.endpoint);
    this.nodes.push(...(await Promise.all(Array.from({ length: count }, (_, i) => this.#createNode(i + 1, lan, api)))));
    say(`${count} nodes: ${this.nodes.map(({ name, address }) => `${name} ${address}`).join(', ')}`);
    await Promise.all(this.nodes.map((node) => this.#startKubelet(node)));
    if (this.#clusterDns !== undefined) await this.apply(dnsManifest(this.#clusterDns));
    if (this.#options.agent === false) return;
    for (const node of this.nodes) this.startAgent(node);
    await this.#untilReady();
    say('nodes are ready');
    if (this.#clusterDns === undefined) return;
    await this.until('the name server serves', () => servesDns(this.status()));
    say(`DNS at ${this.#clusterDns}`);
  }

  /** Starts a node's agent as `lab up` does; nothing happens where it runs. */
  startAgent(node: LabNode): void {
    node.agent.start(this.#options.agentArgs, this.#options.agentEnv);
  }

  /** Removes every trace of the lab. Can be called at any time, also twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#controllers?.close();
    for (const kubelet of this.#kubelets) kubelet.close();
    this.#relay?.close();
    this.#client?.close();
    await this.#api?.close();
    await destroy(this.name);
  }

  status(): LabStatus {
    return labStatus({ name: this.name, dir: this.dir, kubeconfig: this.kubeconfig, nodes: this.nodes, kubelets: this.#kubelets, caches: this.caches });
  }

  /** Real kubectl against the lab; throws with its words unless it exits 0. */
  kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return must('kubectl', args, { ...options, env: { ...process.env, KUBECONFIG: this.kubeconfig, ...options.env } });
  }

  /** `kubectl apply` of YAML or of objects. */
  async apply(manifest: string | object | readonly object[]): Promise<void> {
    await this.kubectl(['apply', '-f', '-'], { input: typeof manifest === 'string' ? manifest : manifestText([manifest].flat()) });
  }

  /** Runs a command in a pod's namespaces (not in one container's environment). */
  podExec(namespace: string, pod: string, command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const { file, args } = inside(this.#podPlace(namespace, pod), command);
    return run(file, args, options);
  }

  /** A machine on the lab's network that is no node; made when it is first asked for. */
  outside(): Promise<Place> {
    if (this.#lan === undefined) throw new CanalError('INTERNAL', 'the lab has not been started');
    return (this.#outside ??= createOutside(join(this.#state.cgroup, 'outside'), this.#lan));
  }

  /** Where probes and commands run. */
  async placeOf(from: ProbeSource): Promise<Place> {
    if ('outside' in from) return this.outside();
    return 'node' in from ? this.node(from.node).placeIn('probes') : this.#podPlace(from.namespace, from.pod);
  }

  /**
   * Probes targets from a pod, a node or outside, all at once. An address may be `NAMESPACE/POD`.
   * `read` waits for a line from TCP servers too; `ask: 'whoami'` asks the lab's own servers for
   * their pod's name and the address that they see.
   */
  async probe(from: ProbeSource, targets: readonly ProbeTarget[], options: { timeoutMs?: number; read?: boolean; ask?: 'whoami' } = {}): Promise<ProbeAnswer[]> {
    if (targets.length === 0) return [];
    const timeoutMs = options.timeoutMs ?? 1_000;
    const place = await this.placeOf(from);
    const resolved = targets.map((target) => targetText({ ...target, address: this.#addressOf(target.address) }));
    const { file, args } = inside(place, [labBinary(), 'probe', ...(options.ask === 'whoami' ? ['--whoami'] : options.read === true ? ['--read'] : []), String(timeoutMs), ...resolved]);
    const { stdout, stderr } = await run(file, args, { timeoutMs: timeoutMs + 10_000 });
    const answers = parseAnswers(stdout);
    if (answers.length !== targets.length) throw new CanalError('KERNEL', `probe failed: ${stderr.trim()}`);
    return answers;
  }

  /** Resolves when `holds` does, which is asked after every change of an object and now and then. Throws CanalError after `timeoutMs`. */
  async until(what: string, holds: () => boolean, timeoutMs = 30_000): Promise<void> {
    const stops: (() => void)[] = [];
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new CanalError('INTERNAL', `${what}: not within ${timeoutMs} ms`)), timeoutMs);
      const check = (): void => (holds() ? resolve() : undefined);
      const again = setInterval(check, CHECK_MS);
      stops.push(() => clearTimeout(timer), () => clearInterval(again), ...this.caches.entries().map(([, cache]) => cache.onChange(check)));
      check();
    }).finally(() => stops.forEach((stop) => stop()));
  }

  /** Resolves when all pods of a namespace (of all by default) are ready, and there is at least one. */
  async podsReady(namespace?: string, timeoutMs = 30_000): Promise<void> {
    await this.until('pods are ready', () => {
      const pods = this.status().pods.filter((pod) => namespace === undefined || pod.namespace === namespace);
      return pods.length > 0 && pods.every((pod) => pod.ready || pod.phase === 'Succeeded');
    }, timeoutMs);
  }

  #podPlace(namespace: string, pod: string): Place {
    const sandbox = this.#kubelets.map((kubelet) => kubelet.worker(namespace, pod)?.sandbox).find((one) => one !== undefined);
    if (sandbox === undefined) throw new CanalError('CONFIG', `pod ${namespace}/${pod} does not run in this lab`);
    return sandbox.place;
  }

  #addressOf(target: string): string {
    const [, namespace, pod] = /^([^/]+)\/([^/]+)$/.exec(target) ?? [];
    if (namespace === undefined || pod === undefined) return target;
    const address = this.caches.pods.get(`${namespace}/${pod}`)?.status?.podIP;
    if (address === undefined) throw new CanalError('CONFIG', `pod ${target} has no address`);
    return address;
  }

  async #startApi(): Promise<ApiAccess> {
    if (this.#options.kubeconfig !== undefined) return externalApi(this.#options.kubeconfig);
    return embeddedApi({
      dataDir: labFiles(this.dir).api,
      serviceCidr: this.#serviceCidr,
      port: this.#options.apiPort ?? 0,
      podRuntime: new PodAccess(() => this.#kubelets),
      log: this.#log,
    });
  }

  async #follow(): Promise<void> {
    const common = { client: this.client, clock: systemClock, log: this.#log };
    const embedded = this.#options.kubeconfig === undefined;
    // A real cluster has its own controllers.
    await this.caches.follow({ ...common, signal: this.#closing.signal }, embedded ? undefined : [NAMESPACES, NODES, PODS, SERVICES]);
    if (embedded) this.#controllers = new Controllers({ ...common, caches: this.caches, podCidr: Cidr.parse(this.podCidr)!, api: { address: LAN_GATEWAY, port: API_PORT } });
  }

  get podCidr(): string {
    const text = this.#options.podCidr ?? '10.42.0.0/16';
    if (Cidr.parse(text) === undefined) throw new CanalError('CONFIG', `--pod-cidr ${text}: no CIDR`);
    return text;
  }

  get #serviceCidr(): string {
    return this.#options.serviceCidr ?? '10.43.0.0/16';
  }

  get #clusterDns(): string | undefined {
    return this.#options.dns === true ? dnsAddress(this.#serviceCidr, this.#options.kubeconfig) : undefined;
  }

  async #createNode(index: number, lan: Lan, api: ApiAccess): Promise<LabNode> {
    const name = nodeName(index);
    const files = labFiles(this.dir);
    const node = await LabNode.create({
      name,
      address: nodeAddress(index),
      cgroup: join(this.#state.cgroup, name),
      lan,
      kubeconfig: api.nodeKubeconfig,
      agentLog: files.agentLog(name),
      clusterDns: this.#clusterDns,
    });
    for (const { path, content } of this.#options.nodeFiles?.(name, index) ?? [netConf(this.podCidr), cniConfig()]) node.write(path, content);
    return node;
  }

  async #startKubelet(node: LabNode): Promise<void> {
    const podDirectory = labFiles(this.dir).pods;
    mkdirSync(podDirectory, { recursive: true });
    const kubelet = new Kubelet({ node, podDirectory, slots: this.#slots, client: this.client, caches: this.caches, clock: systemClock, log: this.#log.child({ node: node.name }) });
    this.#kubelets.push(kubelet);
    await kubelet.start();
  }

  async #untilReady(): Promise<void> {
    const failed = (): LabNode | undefined => this.nodes.find((node) => node.agent.pid === undefined);
    await this.until('nodes are ready', () => failed() !== undefined || this.status().nodes.every((node) => node.ready), READY_WITHIN_MS);
    const dead = failed();
    if (dead !== undefined) throw new CanalError('INTERNAL', `the agent of ${dead.name} has ended:\n${dead.agent.lastWords()}`);
  }
}
