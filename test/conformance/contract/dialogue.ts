import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { compare } from 'fast-json-patch';
import { fieldsAt, isFields, listAt, textAt, type Fields } from '../../../agent/apiserver/kube-object.js';
import { normalForm, ownersInOrder, type Normal } from './normal-form.js';
import type { Target } from './target.js';

/** One exchange as it is recorded: what was asked, and the answer in normal form. */
export interface Turn {
  readonly ask: string;
  readonly code: number;
  readonly body?: unknown;
  /** Instead of `body`, where the same object was answered before: what is new, as a JSON patch. */
  readonly changes?: unknown;
  /** metadata.managedFields, where the case asks for them. */
  readonly owners?: unknown;
  readonly events?: unknown;
  readonly warnings?: readonly string[];
}

export interface Answer {
  readonly code: number;
  /** As it came. */
  readonly body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- untyped JSON of any kind
}

export interface AskOptions {
  readonly type?: string;
  readonly accept?: string;
  /** Record managedFields too. */
  readonly owners?: boolean;
  /** What is recorded of the query, where it is another in each run. */
  readonly shown?: string;
  /** Of the answer, this is what is compared. */
  readonly part?: (body: Fields) => unknown;
  /** And of an event. */
  readonly event?: (event: Fields) => Fields;
  /** Bookmarks count too: that after initial events, or any. A server sends others when it likes. */
  readonly bookmarks?: 'initial' | 'all';
  /** The changes begin once so many events have come. */
  readonly after?: number;
  /** A watch without events is not recorded. */
  readonly unlessNone?: boolean;
}

export const MERGE = 'application/merge-patch+json';
export const STRATEGIC = 'application/strategic-merge-patch+json';
export const JSON_PATCH = 'application/json-patch+json';
export const APPLY = 'application/apply-patch+yaml';
export const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

/** The requests of one case with what came of them. */
export class Dialogue {
  readonly turns: Turn[] = [];
  /** Random: cases of many runs may share one cluster. It stands in every name that {@link name} makes. */
  readonly token = randomBytes(3).toString('hex');
  private readonly normal: Normal = normalForm(this.token);
  private readonly seen = new Map<string, Fields>();
  private readonly leftovers: string[] = [];

  /** @param skip ends the case as skipped */
  constructor(
    readonly target: Target,
    private readonly skip: (why: string) => never = (why) => {
      throw new Error(why);
    },
  ) {}

  /** A name that nobody else has, for what is not in a namespace of the case. */
  name(base: string): string {
    return `${base}-${this.token}`;
  }

  get namespace(): string {
    return this.name('contract');
  }

  /** `/api/v1/namespaces/NAMESPACE/RESOURCE...` of the case's own namespace. */
  core(rest: string): string {
    return `/api/v1/namespaces/${this.namespace}/${rest}`;
  }

  apis(groupVersion: string, rest: string): string {
    return `/apis/${groupVersion}/namespaces/${this.namespace}/${rest}`;
  }

  /** Makes the case's namespace, and waits for what controllers put into it. */
  async openNamespace(): Promise<void> {
    await this.quietly('POST', '/api/v1/namespaces', { metadata: { name: this.namespace } });
    this.removeLater(`/api/v1/namespaces/${this.namespace}`);
    if (this.target.embedded) await this.quietly('POST', this.core('serviceaccounts'), { metadata: { name: 'default' } });
    else await this.until(async () => (await this.quietly('GET', this.core('serviceaccounts/default'))).code === 200);
  }

  /** Ends the case, as skipped, with a server that has no initial events in watches. */
  async needsWatchList(): Promise<void> {
    if (!(await this.target.sendsInitialEvents())) this.skip('the server has the feature WatchList off, or an etcd before 3.5.13');
  }

  /** Deletes an object after the case, whatever became of it. */
  removeLater(path: string): void {
    this.leftovers.push(path);
  }

  async close(): Promise<void> {
    for (const path of this.leftovers.reverse()) await this.quietly('DELETE', path);
  }

  /** Asks and records. */
  async ask(method: string, path: string, body?: unknown, options: AskOptions = {}): Promise<Answer> {
    const response = await this.send(method, path, body, options);
    const answer = await whole(response);
    const asked = `${method} ${this.asked(path, options)}${options.type === undefined ? '' : ` (${options.type})`}${options.accept === undefined ? '' : ` accepting ${options.accept}`}`;
    this.turns.push({ ask: asked, code: answer.code, ...this.recorded(answer, options), ...warningsOf(response, this.normal) });
    return answer;
  }

  /** Asks without recording: what prepares or cleans up. */
  async quietly(method: string, path: string, body?: unknown, options: AskOptions = {}): Promise<Answer> {
    return whole(await this.send(method, path, body, options));
  }

  /** Watches until `count` events have come, making changes once the watch is open, and records the events. */
  async watch(path: string, count: number, change: () => Promise<void> = async () => undefined, options: AskOptions = {}): Promise<Fields[]> {
    const response = await this.send('GET', path, undefined, options);
    const asked = `WATCH ${this.asked(path, options)}`;
    if (response.statusCode !== 200) {
      const answer = await whole(response);
      this.turns.push({ ask: asked, code: answer.code, ...this.recorded(answer, options) });
      return [];
    }
    const events: Fields[] = [];
    const arriving = eventsOf(response, count, events, (event) => event['type'] !== 'BOOKMARK' || options.bookmarks === 'all' || (options.bookmarks === 'initial' && fieldsAt(event, 'object', 'metadata')['annotations'] !== undefined));
    if (options.after !== undefined) await this.until(async () => events.length >= (options.after ?? 0));
    await change();
    await arriving;
    if (options.unlessNone === true && events.length === 0) return [];
    this.turns.push({ ask: asked, code: 200, events: events.map((event) => this.normal.value(withoutOwners(options.event?.(event) ?? event))) });
    return events;
  }

  /** Asks again until it is so; controllers of a real cluster take their time. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + 30_000;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error('gave up waiting for what the case depends on');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  private asked(path: string, { shown }: AskOptions): string {
    return this.normal.text(shown === undefined ? path : `${path.replace(/\?.*/, '')} for ${shown}`);
  }

  private send(method: string, path: string, body: unknown, { type = 'application/json', accept = 'application/json' }: AskOptions): Promise<IncomingMessage> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return this.target.send(method, path, { accept, ...(text === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(text)) }) }, text);
  }

  /** The answer in normal form, or what changed since the same object was answered last. */
  private recorded({ body }: Answer, { owners, part }: AskOptions): Pick<Turn, 'body' | 'changes' | 'owners'> {
    if (!isFields(body)) return { body: typeof body === 'string' ? this.normal.text(body) : (body as unknown) };
    if (part !== undefined) return { body: this.normal.value(part(body)) };
    const now = this.normal.value(withoutOwners(body)) as Fields;
    const owned = owners === true ? { owners: this.normal.value(ownersInOrder(listAt(body, 'metadata', 'managedFields') as Fields[])) } : {};
    const name = textAt(body, 'metadata', 'name');
    if (name === '') return { body: now };
    const key = `${String(body['kind'])} ${name}`;
    const before = this.seen.get(key);
    this.seen.set(key, now);
    return { ...(before === undefined ? { body: now } : { changes: compare(before, now) }), ...owned };
  }
}

function withoutOwners(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOwners);
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, child]) => (name === 'managedFields' ? [] : [[name, withoutOwners(child)]])));
}

function warningsOf(response: IncomingMessage, normal: Normal): Pick<Turn, 'warnings'> {
  const { warning } = response.headers as { warning?: string | string[] };
  return warning === undefined ? {} : { warnings: [warning].flat().map((text) => normal.text(text)) };
}

async function whole(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  return { code: response.statusCode ?? 0, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text };
}

/** Collects events until there are enough, then hangs up. An ERROR is the last. */
async function eventsOf(response: IncomingMessage, count: number, events: Fields[], counts: (event: Fields) => boolean): Promise<void> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    events.push(...lines.flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Fields])).filter(counts));
    if (events.length >= count || events.some((event) => event['type'] === 'ERROR')) break;
  }
  // More may have come at once.
  events.splice(count);
  response.destroy();
}

/** The object of an answer, for a change that is sent back. */
export function bodyOf(answer: Answer): Fields {
  return fieldsAt({ body: answer.body as unknown }, 'body');
}
