import type { Cidr, Family, IpAddress } from '../base/address.js';
import { changesBetween } from '../base/versioned-map.js';
import { FROM_OVERLAY, FROM_UPLINK, TO_UPLINK, type DesiredState } from '../compile/compile.js';
import { OVERLAY_FIELDS, type ConfigRow } from '../compile/config.js';
import type { AttachmentRow, NexthopRow, PolicyState, RouteRow, RuleRow, Verdict } from '../compile/desired.js';
import type { LocalAddress } from '../compile/endpoints/endpoints.js';
import type { Keyed } from '../reconcile/diff.js';
import type { Ledger } from '../reconcile/ledger.js';
import type { AttachmentKey } from '../kernel/attachment-table.js';
import type { RuleKey, TableKey } from '../kernel/policy-tables.js';
import type { RouteKey } from '../kernel/route-table.js';
import { followed, LayeredWish } from './layered-wish.js';
import type { Ledgers } from './ledgers.js';

/**
 * Hands desired states to the ledgers, as rows. What is the same object as in
 * the state before is not looked at again, and of policy and pods only the differences
 * are, so that a change costs what it changes. Map rows of families whose
 * programs are not loaded are left out.
 */
export class Wishes {
  /** What each ledger's wish was made of. */
  readonly #sources = new Map<object, unknown>();
  #policy: PolicyState | undefined;

  readonly #sysctls: LayeredWish<string, string>;
  readonly #attachments: LayeredWish<AttachmentKey, AttachmentRow>;
  readonly #routes: LayeredWish<RouteKey, RouteRow>;
  readonly #local: LayeredWish<IpAddress, number>;

  constructor(
    private readonly ledgers: Ledgers,
    private readonly families: ReadonlySet<Family>,
  ) {
    this.#sysctls = new LayeredWish(ledgers.sysctls);
    this.#attachments = new LayeredWish(ledgers.attachments);
    this.#routes = new LayeredWish(ledgers.routes);
    this.#local = new LayeredWish(ledgers.local);
  }

  want(state: DesiredState): void {
    const { ledgers } = this;
    const { pods } = state;
    this.#sysctls.want(state.sysctls, () => state.sysctls.map(([key, row]) => ({ key, row })), followed(pods.sysctls, (key, row) => [{ key, row }]));
    this.#set(ledgers.config, state.config, () => [{ key: 'config' as const, row: state.config }]);
    if (state.overlayKnown) this.#overlay(state);
    else this.#holdOverlay(state);
    this.#local.want(state.addressesHere, () => state.addressesHere.map((key) => ({ key, row: 0 })).filter(this.#loaded), followed(pods.local, this.#localRows));
    this.#follow(ledgers.endpoints, pods.rows, (key, row) => [{ key, row }]);
    this.#followPolicy(state.policy);
  }

  #overlay(state: DesiredState): void {
    const { ledgers } = this;
    this.#attachments.want(state.attachments, () => state.attachments.map(keyed), followed(state.pods.attachments, (_ifindex, rows) => rows.map(keyed)));
    this.#routesBesideStrangers(state);
    this.#set(ledgers.links, state.links, () => state.links.map((row) => ({ key: row.name, row })));
    this.#set(ledgers.addresses, state.addresses, () => state.addresses.map(keyed));
    this.#follow(ledgers.fdb, state.fdb, (_mac, row) => [keyed(row)]);
    this.#follow(ledgers.neighbours, state.neighbours, (_address, row) => [keyed(row)]);
    this.#follow(ledgers.nexthops, state.nexthops, this.#nexthopRows);
    this.#set(ledgers.outside, state.outside, () => state.outside.map(({ ifindex, address4, address6 }) => ({ key: ifindex, row: { address4, address6 } })));
    this.#set(ledgers.nomasq, state.nomasq, () => state.nomasq.map((key) => ({ key, row: 0 as const })).filter(this.#loaded));
  }

  /** Routes to strangers' devices stay as they are, as long as there are any. */
  #routesBesideStrangers(state: DesiredState): void {
    const { routes, peerRoutes, pods, strangers } = state;
    const layers = [followed(peerRoutes, routeRows), followed(pods.routes, routeRows)];
    if (strangers.size === 0) return this.#routes.want(routes, () => routes.map(keyed), ...layers);
    const held = [...this.ledgers.routes.actual().values()].filter(({ row }) => strangers.has(row.ifindex));
    this.#routes.want(held, () => [...held, ...routes.map(keyed)], ...layers);
  }

  /** Leaves alone what a predecessor, or this agent before, made of the overlay; in shared tables, what is no pod's. */
  #holdOverlay(state: DesiredState): void {
    const { ledgers } = this;
    const { attachments } = state.pods;
    for (const ledger of [ledgers.links, ledgers.addresses, ledgers.fdb, ledgers.neighbours, ledgers.nexthops, ledgers.outside, ledgers.nomasq]) {
      ledger.hold();
      this.#sources.delete(ledger);
    }
    this.#sources.delete(ledgers.config);
    this.#routes.forget();
    this.#attachments.forget();
    const others = <K, R extends { readonly ifindex: number }>(rows: ReadonlyMap<string, Keyed<K, R>>): Keyed<K, R>[] => [...rows.values()].filter(({ row }) => !attachments.has(row.ifindex));
    ledgers.routes.want([...allRoutes(state), ...others(ledgers.routes.actual())]);
    ledgers.attachments.want([
      ...[...state.attachments, ...[...attachments.values()].flat()].map(keyed),
      ...others(ledgers.attachments.actual()).filter(({ row }) => OVERLAY_PROGRAMS.has(row.program)),
    ]);
    const config = ledgers.config.actual().get('config')?.row;
    if (config !== undefined) {
      const held = Object.fromEntries(OVERLAY_FIELDS.map((field) => [field, config[field]])) as Partial<ConfigRow>;
      ledgers.config.want([{ key: 'config', row: { ...state.config, ...held } }]);
    }
  }

  #followPolicy(policy: PolicyState): void {
    const { rules, tables, peers, cidrs } = this.ledgers;
    const before = this.#policy;
    const none = new Map<never, never>();
    follow(rules, before?.rows, policy.rows, ruleRows);
    const entries = new EntryChanges();
    if (before === undefined) tables.want([...policy.tables].flatMap(([table, now]) => [...entries.of(table, none, now).put]));
    else for (const [table, was, is] of changesBetween(before.tables, policy.tables)) tables.patch(...arrays(entries.of(table, was ?? none, is ?? none)));
    follow(peers, before?.peers, policy.peers, (_text, { address, classId }) => [{ key: address, row: classId }].filter(this.#loaded));
    follow(cidrs, before?.cidrs, policy.cidrs, (_text, { cidr, classId }) => [{ key: cidr, row: classId }].filter(this.#loaded));
    this.#policy = policy;
  }

  /** Makes a wish that was one version of a map into another, or into all of it. */
  #follow<K, V, Key, Row>(ledger: Ledger<Key, Row>, now: ReadonlyMap<K, V>, rowsOf: (key: K, value: V) => Keyed<Key, Row>[]): void {
    follow(ledger, this.#sources.get(ledger) as ReadonlyMap<K, V> | undefined, now, rowsOf);
    this.#sources.set(ledger, now);
  }

  #set<Key, Row>(ledger: Ledger<Key, Row>, source: unknown, rows: () => Iterable<Keyed<Key, Row>>): void {
    if (this.#sources.get(ledger) === source) return;
    ledger.want(rows());
    this.#sources.set(ledger, source);
  }

  readonly #localRows = (_text: string, { address, ifindex }: LocalAddress): Keyed<IpAddress, number>[] => [{ key: address, row: ifindex }].filter(this.#loaded);

  readonly #nexthopRows = (_text: string, { cidr, nexthop }: { readonly cidr: Cidr; readonly nexthop: NexthopRow }): Keyed<Cidr, NexthopRow>[] => [{ key: cidr, row: nexthop }].filter(this.#loaded);

  readonly #loaded = ({ key }: { readonly key: { readonly family: Family } }): boolean => this.families.has(key.family);
}

/** A row that has its key among its fields. */
const keyed = <T>(row: T): Keyed<T, T> => ({ key: row, row });

const routeRows = (_text: string, row: RouteRow): Keyed<RouteKey, RouteRow>[] => [keyed(row)];

const allRoutes = ({ routes, peerRoutes, pods }: DesiredState): Keyed<RouteRow, RouteRow>[] => [...routes, ...peerRoutes.values(), ...pods.routes.values()].map(keyed);

const OVERLAY_PROGRAMS: ReadonlySet<string> = new Set([FROM_OVERLAY, FROM_UPLINK, TO_UPLINK]);

function follow<K, V, Key, Row>(ledger: Ledger<Key, Row>, before: ReadonlyMap<K, V> | undefined, now: ReadonlyMap<K, V>, rowsOf: (key: K, value: V) => Keyed<Key, Row>[]): void {
  if (before === undefined) return ledger.want([...now].flatMap(([key, value]) => rowsOf(key, value)));
  for (const [key, was, is] of changesBetween(before, now)) {
    ledger.patch(is === undefined ? [] : rowsOf(key, is), was === undefined ? [] : rowsOf(key, was).map((row) => row.key));
  }
}

const ruleRows = (rows: bigint, list: readonly RuleRow[]): Keyed<RuleKey, Verdict>[] => list.map(({ verdict, ...at }) => ({ key: { rows, ...at }, row: verdict }));

interface Entries {
  readonly put: Keyed<TableKey, bigint>[];
  readonly gone: TableKey[];
}

/** What is other in tables' entries. A class may be new to hundreds of tables: its id is made a text once. */
class EntryChanges {
  readonly #texts = new Map<bigint, string>();

  of(table: bigint, before: ReadonlyMap<bigint, bigint>, now: ReadonlyMap<bigint, bigint>): Entries {
    const changes: Entries = { put: [], gone: [] };
    const tableText = `${table}/`;
    for (const [classId, , rows] of changesBetween(before, now)) {
      const key = { table, classId, text: tableText + this.#text(classId) };
      if (rows === undefined) changes.gone.push(key);
      else changes.put.push({ key, row: rows });
    }
    return changes;
  }

  #text(classId: bigint): string {
    let text = this.#texts.get(classId);
    if (text === undefined) this.#texts.set(classId, (text = String(classId)));
    return text;
  }
}

const arrays = ({ put, gone }: Entries): [Keyed<TableKey, bigint>[], TableKey[]] => [put, gone];
