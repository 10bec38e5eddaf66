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
  const collect = (valid: string): Promise<string> => {
    const config = `{"cniVersion":"1.1.0","name":"canal-cni-test","type":"canal","ipam":{"type":"host-local","ranges":[[{"subnet":"10.253.253.0/28"}]]},"cni.dev/valid-attachments":${valid}}`;
    return shellOn(node, `printf '%s' '${config}' | CNI_COMMAND=GC CNI_PATH=/opt/cni/bin /opt/cni/bin/canal 2>&1; echo "exit $?"`);
  };
  const records = (): Promise<string> => shellOn(node, `grep -l canal-cni-test /var/lib/canal/endpoints/* 2>/dev/null | wc -l`);

  beforeAll(async () => {
    node = (await nodes())[0]!.name;
    if (given.cnitool === '') return;
    await shellOn(node, `mkdir -p ${DIR} && ip netns add ${NETNS}`);
    await feedNode(node, ['sh', '-c', `cat >${DIR}/cnitool && chmod +x ${DIR}/cnitool`], createReadStream(given.cnitool));
  });
  afterAll(async () => {
    if (given.cnitool !== '') await shellOn(node, `ip netns delete ${NETNS} 2>/dev/null; rm -rf ${DIR} /var/lib/cni/networks/canal-cni-test`);
  });

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
    await tool('add');
    expect(await records()).toBe('1');
    // cnitool names no valid attachments at all: that must not free everything.
    expect(await tool('gc')).toContain('valid-attachments: not set');
    expect(await records()).toBe('1');
    expect(await collect('null')).toMatch(/exit 0$/);
    expect(await records()).toBe('0');
    expect(await shellOn(node, 'ls /var/lib/canal/endpoints | wc -l')).not.toBe(await records()); // pods of the cluster stay
  });
}
