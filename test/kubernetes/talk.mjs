// What runs in the test's pods, with the image's own Node: `serve PORT...` answers on TCP and UDP with what it gets;
// `probe JSON` asks without pause and prints its totals each second.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';

const [role, ...args] = process.argv.slice(2);
let longestStallMs = 0;
let tickedAt = performance.now();
setInterval(() => {
  longestStallMs = Math.max(longestStallMs, Math.round(performance.now() - tickedAt));
  tickedAt = performance.now();
}, 5);

if (role === 'serve') {
  args.forEach((port) => serve(Number(port)));
  setInterval(() => process.stdout.write(`${JSON.stringify({ at: Date.now(), bufferDrops: bufferDrops(), longestStallMs, report: [] })}\n`), 1000);
}
else if (role === 'probe') probe(JSON.parse(args[0]));
else throw new Error(`serve or probe, not ${role}`);

function serve(port) {
  const udp = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
  udp.on('message', (message, from) => udp.send(message, from.port, from.address));
  udp.on('error', () => undefined); // an asker that has gone
  udp.bind(port);
  createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  }).listen(port);
}

/** @param {{ targets: { name: string, host: string, port: number }[], hz: number, connectHz: number, held: number }} plan */
function probe({ targets, hz, connectHz, held }) {
  const probes = targets.map((target) => ({ name: target.name, datagrams: datagrams(target, hz), connects: connects(target, connectHz), held: hold(target, held) }));
  setInterval(() => {
    const report = probes.map((p) => ({ name: p.name, datagrams: p.datagrams(), connects: p.connects(), held: p.held() }));
    process.stdout.write(`${JSON.stringify({ at: Date.now(), bufferDrops: bufferDrops(), longestStallMs, report })}\n`);
  }, 1000);
}

/** How long an answer may take before its question counts as lost. */
const LOST_MS = 8000;

/** `hz` datagrams a second from one socket, numbered, each with an answer. */
function datagrams({ host, port }, hz) {
  const totals = { sent: 0, answered: 0, lost: 0, longestGapMs: 0 };
  const open = new Map();
  /** Counted as lost; an answer that was only late takes it back: a prober without a processor must not accuse the network. */
  const givenUp = new Set();
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
  const begun = performance.now();
  let last = begun;
  socket.on('message', (message) => {
    const number = message.readUInt32BE(0);
    if (givenUp.delete(number)) totals.lost--;
    else if (!open.delete(number)) return;
    totals.answered++;
    totals.longestGapMs = Math.max(totals.longestGapMs, Math.round(performance.now() - last));
    last = performance.now();
  });
  socket.on('error', () => undefined); // counted as lost
  const tick = () => {
    const due = Math.min(Math.floor(((performance.now() - begun) * hz) / 1000), totals.sent + 64);
    for (; totals.sent < due; totals.sent++) {
      const question = Buffer.alloc(8);
      question.writeUInt32BE(totals.sent);
      open.set(totals.sent, performance.now());
      socket.send(question, port, host, () => undefined);
    }
    for (const [number, since] of open) {
      if (performance.now() - since < LOST_MS) break;
      open.delete(number);
      givenUp.add(number);
      totals.lost++;
    }
  };
  if (hz > 0) setInterval(tick, 1);
  return () => ({ ...totals });
}

/** `hz` new connections a second, each with a question and an answer. */
function connects({ host, port }, hz) {
  const totals = { sent: 0, answered: 0, lost: 0, slowestMs: 0 };
  const one = () => {
    totals.sent++;
    const begun = performance.now();
    let settled = false;
    const socket = createConnection({ host, port, timeout: LOST_MS }, () => socket.write('?'));
    const settle = (kind) => {
      if (settled) return;
      settled = true;
      totals[kind]++;
      totals.slowestMs = Math.max(totals.slowestMs, Math.round(performance.now() - begun));
      socket.destroy();
    };
    socket.on('data', () => settle('answered')).on('timeout', () => settle('lost')).on('error', () => settle('lost'));
  };
  if (hz > 0) setInterval(one, 1000 / hz);
  return () => ({ ...totals });
}

/** `count` connections that stay, each asked ten times a second; one that breaks is not made anew. */
function hold({ host, port }, count) {
  const totals = { open: 0, broken: 0, answered: 0, longestSilenceMs: 0 };
  for (let i = 0; i < count; i++) {
    let last = 0;
    const socket = createConnection({ host, port }, () => {
      totals.open++;
      last = performance.now();
      const timer = setInterval(() => socket.write('.'), 100);
      socket.on('close', () => {
        clearInterval(timer);
        totals.open--;
        totals.broken++;
      });
    });
    socket.on('data', () => {
      totals.answered++;
      totals.longestSilenceMs = Math.max(totals.longestSilenceMs, Math.round(performance.now() - last));
      last = performance.now();
    });
    socket.on('error', () => undefined); // close follows, if it was open
  }
  return () => ({ ...totals });
}

/** Datagrams that this network namespace's sockets had no room for: the prober's fault, not the network's. */
function bufferDrops() {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8').split('\n').filter((line) => line.startsWith('Udp:')).map((line) => line.split(/\s+/));
  return Number(values[names.indexOf('RcvbufErrors')]);
}
