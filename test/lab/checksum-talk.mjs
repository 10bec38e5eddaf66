// One end of a conversation that checks every byte; prints a line of JSON.
//   serve PORT                     TCP: hashes what it gets, answers the hash and as many bytes; UDP: echoes
//   tcp HOST PORT BYTES            sends and gets so many; prints {sent, received}: whether both arrived whole
//   udp HOST PORT SIZE,SIZE,…      prints {echoed, wrong} over datagrams of these sizes
import { createCipheriv, createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { PassThrough } from 'node:stream';

const [mode, ...args] = process.argv.slice(2);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const PART = 1 << 16;
const HASH = 64; // hex digits

/** The same bytes for a seed every time, as a stream. */
function bytesOf(seed, count) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const out = new PassThrough({ highWaterMark: PART * 4 });
  let left = count;
  const push = () => {
    while (left > 0) {
      const part = cipher.update(Buffer.alloc(Math.min(PART, left)));
      left -= part.length;
      if (!out.write(part)) return void out.once('drain', push);
    }
    out.end();
  };
  push();
  return out;
}

async function hashOf(stream) {
  const hash = createHash('sha256');
  for await (const part of stream) hash.update(part);
  return hash.digest('hex');
}

function serve(port) {
  const tcp = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.on('error', () => undefined);
    const hash = createHash('sha256');
    let count = 0;
    for await (const part of socket.iterator({ destroyOnReturn: false })) {
      hash.update(part);
      count += part.length;
    }
    socket.write(hash.digest('hex'));
    bytesOf(2, count).pipe(socket);
  });
  const udp = createSocket('udp4').on('message', (data, from) => udp.send(data, from.port, from.address));
  tcp.listen(port, '0.0.0.0', () => udp.bind(port, '0.0.0.0', () => print({ ready: true })));
}

async function askTcp(host, port, count) {
  const socket = connect({ host, port, allowHalfOpen: true });
  bytesOf(1, count).pipe(socket);
  const hash = createHash('sha256');
  let head = Buffer.alloc(0);
  for await (const part of socket) {
    const missing = HASH - head.length;
    if (missing > 0) head = Buffer.concat([head, part.subarray(0, missing)]);
    if (part.length > missing) hash.update(part.subarray(Math.max(0, missing)));
  }
  print({ sent: head.toString() === (await hashOf(bytesOf(1, count))), received: hash.digest('hex') === (await hashOf(bytesOf(2, count))) });
}

async function askUdp(host, port, sizes) {
  const socket = createSocket('udp4');
  const result = { echoed: 0, wrong: 0 };
  for (const [i, size] of sizes.entries()) {
    const sent = Buffer.alloc(size, i + 1);
    const answer = new Promise((resolve) => socket.once('message', resolve));
    const late = new Promise((resolve) => setTimeout(resolve, 3000).unref());
    socket.send(sent, port, host);
    const data = await Promise.race([answer, late]);
    if (data === undefined) continue;
    if (data.equals(sent)) result.echoed++;
    else result.wrong++;
  }
  print(result);
  process.exit();
}

if (mode === 'serve') serve(Number(args[0]));
if (mode === 'tcp') await askTcp(args[0], Number(args[1]), Number(args[2]));
if (mode === 'udp') await askUdp(args[0], Number(args[1]), args[2].split(',').map(Number));
