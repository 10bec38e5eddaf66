import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { decode, encode, AUTHORITATIVE_ANSWER, RECURSION_DESIRED, TRUNCATED_RESPONSE, type DecodedPacket, type Packet, type Question } from 'dns-packet';
import { CanalError } from '../../base/errors.js';
import { reply, ZONE, type NamedObjects, type Reply } from './names.js';

/** RFC 1035 4.1.1. */
const CODES = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
/** Without EDNS0 (RFC 1035 4.2.1), and the most that we send in one datagram. */
const PLAIN_BYTES = 512;
const MOST_BYTES = 1232;
const IDLE_MS = 10_000;
/** For how long a name's absence may be remembered, seconds. */
const NEGATIVE_TTL = 5;

export interface DnsServer {
  readonly port: number;
  close(): void;
}

/** Serves the cluster's names over UDP and TCP. Throws CanalError CONFIG where the port is taken. */
export async function serveDns(options: { address: string; port: number; objects: () => NamedObjects }): Promise<DnsServer> {
  const { address, objects } = options;
  const tcp = createServer((socket) => serveStream(socket, objects));
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    tcp.listen(options.port, address);
    await once(tcp, 'listening');
    const { port } = tcp.address() as { port: number };
    udp.bind(port, address);
    await once(udp, 'listening');
    udp.on('message', (message, from) => {
      const answer = answerTo(message, objects(), true);
      if (answer !== undefined) udp.send(answer, from.port, from.address);
    });
    return { port, close: () => void (tcp.close(), udp.close()) };
  } catch (error) {
    tcp.close();
    udp.close();
    throw new CanalError('CONFIG', `cannot serve DNS at ${address}:${options.port}: ${(error as Error).message}`);
  }
}

/** Messages with their length before them (RFC 1035 4.2.2). */
function serveStream(socket: Socket, objects: () => NamedObjects): void {
  let pending = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    pending = Buffer.concat([pending, data]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const answer = answerTo(pending.subarray(2, end), objects(), false);
      pending = pending.subarray(end);
      if (answer === undefined) return void socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
  });
}

/** The bytes of the answer to a message; undefined where it is no question at all. */
export function answerTo(message: Buffer, objects: NamedObjects, datagram: boolean): Buffer | undefined {
  // Not even an id to answer to, or itself an answer.
  if (message.length < 12 || message.readUInt8(2) & 0x80) return undefined;
  let query: DecodedPacket & { readonly opcode?: string };
  try {
    query = decode(message);
  } catch {
    return encode({ type: 'response', id: message.readUInt16BE(0), flags: CODES.FORMERR });
  }
  const [question] = query.questions ?? [];
  const base: Packet = { type: 'response', id: query.id ?? 0, flags: (query.flags ?? 0) & RECURSION_DESIRED, questions: query.questions ?? [] };
  if (query.opcode !== 'QUERY') return encode({ ...base, flags: base.flags! | CODES.NOTIMP });
  if (question === undefined || query.questions!.length > 1) return encode({ ...base, flags: base.flags! | CODES.FORMERR });
  const whole = encode(response(base, question, reply(question, objects), hasEdns(query)));
  if (!datagram || whole.length <= datagramBytes(query)) return whole;
  return encode({ ...base, flags: base.flags! | AUTHORITATIVE_ANSWER | TRUNCATED_RESPONSE });
}

function response(base: Packet, question: Question, { code, answers }: Reply, edns: boolean): Packet {
  const authority = code !== 'REFUSED' && answers.length === 0 ? [{ name: ZONE, type: 'SOA' as const, ttl: NEGATIVE_TTL, data: { mname: `ns.dns.${ZONE}`, rname: `hostmaster.${ZONE}`, serial: 1, refresh: 7200, retry: 1800, expire: 86400, minimum: NEGATIVE_TTL } }] : [];
  const flags = base.flags! | (code === 'REFUSED' ? 0 : AUTHORITATIVE_ANSWER) | CODES[code];
  return { ...base, flags, questions: [question], answers: [...answers], authorities: authority, additionals: edns ? [{ name: '.', type: 'OPT', udpPayloadSize: MOST_BYTES, flags: 0, extendedRcode: 0, ednsVersion: 0, options: [] } as never] : [] };
}

const hasEdns = ({ additionals }: DecodedPacket): boolean => additionals?.some(({ type }) => type === 'OPT') ?? false;

function datagramBytes({ additionals }: DecodedPacket): number {
  const size = (additionals?.find(({ type }) => type === 'OPT') as { udpPayloadSize?: number } | undefined)?.udpPayloadSize;
  return Math.min(MOST_BYTES, Math.max(PLAIN_BYTES, size ?? PLAIN_BYTES));
}
