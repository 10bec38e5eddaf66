import { createReadStream } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { feedNode, given, nodes, shellOn } from '../cluster.js';

const DIR = '/run/canal-cni-test';
const NETNS = 'canal-cni-test';

/** A network of its own beside the pods', so that GC finds only what is made here. */
const conflist = (version: string): string => JSON.stringify({
  cniVersion: version, name: 'canal-cni-test',
  plugins: [{ type: 'canal', ipam: { type: 'host-local', ranges: [[{ subnet: '10.253.253.0/28' }]] } }],
});

/** The reference client of the CNI project, at a node's plugin. */
export function cni(): void {
  let node = '';
  /** @returns what it printed and, last, its exit status */
  const tool = (verb: string): Promise<string> => shellOn(node, `CNI_PATH=/opt/cni/bin NETCONFPATH=${DIR} ${DIR}/cnitool ${verb} canal-cni-test /run/netns/${NETNS} 2>&1; echo "exit $?"`);
  const configure = (version: string): Promise<string> => shellOn(node, `printf '%s' '${conflist(version)}' >${DIR}/10-test.conflist`);
  /** As libcni calls it, with the list of who lives. */
  const collect = (valid?: string): Promise<string> => {
    const config = `{"cniVersion":"1.1.0","name":"canal-cni-test","type":"canal","ipam":{"type":"host-local","ranges":[[{"subnet":"10.253.253.0/28"}]]}${valid === undefined ? '' : `,"cni.dev/valid-attachments":${valid}`}}`;
    return shellOn(node, `printf '%s' '${config}' | CNI_COMMAND=GC CNI_PATH=/opt/cni/bin /opt/cni/bin/canal 2>&1; echo "exit $?"`);
  };
  const others = (): Promise<string> => shellOn(node, 'cd /var/lib/canal/endpoints && grep -L canal-cni-test $(ls) /dev/null || true');
  const records = (): Promise<string> => shellOn(node, `grep -l canal-cni-test /var/lib/canal/endpoints/* 2>/dev/null | wc -l`);

  beforeAll(async () => {
    node = (await nodes())[0]!.name;
    await shellOn(node, `mkdir -p ${DIR} && ip netns add ${NETNS} && ip netns add ${NETNS}-2`);
    for (const [name, path] of [['cnitool', given.cnitool], ['cni-client', given.cniClient]] as const) {
      if (path !== '') await feedNode(node, ['sh', '-c', `cat >${DIR}/${name} && chmod +x ${DIR}/${name}`], createReadStream(path));
    }
  });
  afterAll(() => shellOn(node, `ip netns delete ${NETNS} 2>/dev/null; ip netns delete ${NETNS}-2 2>/dev/null; rm -rf ${DIR} /var/lib/cni/networks/canal-cni-test`));

  it.runIf(given.cnitool !== '').each(['0.3.1', '0.4.0', '1.0.0', '1.1.0'])('attaches and detaches as CNI %s, and a second DEL succeeds', async (version) => {
    await configure(version);
    const added = await tool('add');
    expect(added).toContain(`"cniVersion": "${version}"`);
    expect(added).toMatch(/exit 0$/);
    expect(await shellOn(node, `ip netns exec ${NETNS} ip -br addr show eth0`)).toContain('10.253.253.');
    if (version !== '0.3.1') expect(await tool('check')).toMatch(/exit 0$/);
    expect(await tool('del')).toMatch(/exit 0$/);
    expect(await tool('del')).toMatch(/exit 0$/);
    expect(await records()).toBe('0');
  });

  it.runIf(given.cnitool !== '')('CHECK finds what was taken away behind its back', async () => {
    await configure('1.0.0');
    await tool('add');
    await shellOn(node, `ip netns exec ${NETNS} ip addr flush dev eth0`);
    const checked = await tool('check');
    expect(checked).toContain('is not on eth0');
    expect(checked).toMatch(/exit 1$/);
    await tool('del');
  });

  it.runIf(given.cnitool !== '')('STATUS of CNI 1.1 says ready, and GC takes what nobody claims', async () => {
    await configure('1.1.0');
    expect(await tool('status')).toMatch(/exit 0$/);
    const before = await others();
    await tool('add');
    expect(await records()).toBe('1');
    // No list at all must not free everything; cnitool sends none, but its libcni detaches itself what it had attached before.
    expect(await collect()).toContain('valid-attachments: not set');
    expect(await records()).toBe('1');
    expect(await collect('null')).toMatch(/exit 0$/);
    expect(await records()).toBe('0');
    expect(await others()).toBe(before); // pods of the cluster stay
  });

  /** The clients that runtimes are made of. @returns what it printed and, last, its exit status */
  const client = (...words: readonly string[]): Promise<string> => shellOn(node, `${DIR}/cni-client ${words.join(' ')} 2>&1; echo "exit $?"`);

  it.runIf(given.cniClient !== '')("libcni and containerd's client read the node's own configuration: STATUS in CNI 1.1, and ready", async () => {
    const own = await client('/etc/cni/net.d', 'libcni', 'status');
    expect(own).toContain('cniVersion 1.1.0');
    expect(own).toMatch(/exit 0$/);
    expect(await client('/etc/cni/net.d', 'containerd', 'status')).toMatch(/exit 0$/);
  });

  it.runIf(given.cniClient !== '')('STATUS says not ready, and why, where an ADD could not be served', async () => {
    await shellOn(node, `mkdir -p ${DIR}/wrong && printf '%s' '{"cniVersion":"1.1.0","name":"canal-cni-test","plugins":[{"type":"canal","ipam":{"type":"host-local","subnet":"usePodCidrIPv6"}}]}' >${DIR}/wrong/10-test.conflist`);
    for (const runtime of ['libcni', 'containerd']) {
      const said = await client(`${DIR}/wrong`, runtime, 'status');
      expect(said).toContain('no pod CIDR');
      expect(said).toMatch(/exit 1$/);
    }
  });

  it.runIf(given.cniClient !== '')("of what containerd's client attached, GC by libcni keeps what lives and frees the rest", async () => {
    await configure('1.1.0');
    for (const [id, netns] of [['alive', NETNS], ['gone', `${NETNS}-2`]] as const) expect(await client(DIR, 'containerd', 'add', id, `/run/netns/${netns}`)).toMatch(/10\.253\.253\.[^]*exit 0$/);
    expect(await records()).toBe('2');
    const collected = await client(DIR, 'libcni', 'gc', 'alive');
    expect(collected).toContain('cniVersion 1.1.0');
    expect(collected).toMatch(/exit 0$/);
    expect(await records()).toBe('1');
    expect(await shellOn(node, `ip -n ${NETNS}-2 -br link show type veth; cat /var/lib/cni/networks/canal-cni-test/10.253.253.* | grep -c gone || true`)).toBe('0');
    expect(await shellOn(node, `ip -n ${NETNS} -br addr show eth0`)).toContain('10.253.253.');
    for (const [id, netns] of [['alive', NETNS], ['gone', `${NETNS}-2`]] as const) expect(await client(DIR, 'containerd', 'del', id, `/run/netns/${netns}`)).toMatch(/exit 0$/);
    expect(await records()).toBe('0');
  });
}
