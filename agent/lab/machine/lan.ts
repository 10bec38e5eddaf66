import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Server, type Socket } from 'node:net';
import { CanalError } from '../../base/errors.js';
import { makeCgroup } from './cgroup.js';
import { hold, type Holder } from './holder.js';
import { API_PORT, labBinary, LAN_GATEWAY, LAN_PREFIX } from './layout.js';
import { inside, type Place } from './place.js';
import { must } from './process.js';

/** The lab's network: a namespace of its own with one bridge, to which the nodes' uplinks attach. */
export interface Lan {
  readonly holder: Holder;
  readonly place: Place;
  /** Gives a node's namespace (by a process in it) its eth0: address, up, default route by the gateway. */
  attach(node: string, pid: number, address: string): Promise<void>;
}

// No checksums are left to hardware that is not there: veth passes them on, and captures would show them wrong.
const LAN_SCRIPT = `set -e
ip link set lo up
ip link add name lan0 type bridge forward_delay 0
ip address add ${LAN_GATEWAY}/${LAN_PREFIX} dev lan0
ip link set lan0 up
echo ready
exec "$CANAL_LAB" pause`;

export async function createLan(cgroup: string): Promise<Lan> {
  makeCgroup(cgroup);
  const holder = await hold({ cgroup }, ['unshare', '--net', 'sh', '-c', LAN_SCRIPT], { CANAL_LAB: labBinary() });
  const place = { cgroup, net: `/proc/${holder.pid}/ns/net` };
  return { holder, place, attach: (node, pid, address) => attach(place, node, pid, address) };
}

async function attach(place: Place, node: string, pid: number, address: string): Promise<void> {
  const inLan = inside(place, ['ip', '-batch', '-']);
  await must(inLan.file, inLan.args, {
    input: `link add name ${node} type veth peer name eth0 netns ${pid}\nlink set ${node} master lan0\nlink set ${node} up\n`,
  });
  const inNode = inside({ net: `/proc/${pid}/ns/net` }, ['ip', '-batch', '-']);
  await must(inNode.file, inNode.args, {
    input: `address add ${address}/${LAN_PREFIX} dev eth0\nlink set eth0 up\nroute add default via ${LAN_GATEWAY}\n`,
  });
}

// Runs in the LAN's namespace, and hands its listening socket to the lab, which
// stays in the machine's: a socket belongs to the namespace that it was made in.
const LISTENER = `const server = require('node:net').createServer();
server.listen({ host: process.argv[1], port: Number(process.argv[2]), backlog: 1024 }, () =>
  process.send('listening', server, () => process.exit(0)));
server.on('error', (error) => { console.error(error.message); process.exit(1); });`;

/**
 * Makes the API server reachable at the gateway's address: connections that
 * come in on the LAN go on to `target`, which is on the machine's side.
 */
export async function relayApi(lan: Lan, target: { host: string; port: number }): Promise<Server> {
  const { file, args } = inside(lan.place, [process.execPath, '-e', LISTENER, LAN_GATEWAY, String(API_PORT)]);
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [, handle] = (await Promise.race([
    once(child, 'message'),
    once(child, 'close').then(() => {
      throw new CanalError('KERNEL', 'cannot listen in the namespace of the LAN');
    }),
  ])) as [unknown, Server];
  handle.on('connection', (socket: Socket) => relay(socket, target));
  return handle;
}

function relay(socket: Socket, target: { host: string; port: number }): void {
  const upstream = connect({ ...target, noDelay: true });
  socket.setNoDelay(true);
  socket.pipe(upstream).pipe(socket);
  // Either end's failure is the other's: a half-open watch would never be noticed.
  socket.on('error', () => upstream.destroy());
  upstream.on('error', () => socket.destroy());
  socket.on('close', () => upstream.destroy());
  upstream.on('close', () => socket.destroy());
}
