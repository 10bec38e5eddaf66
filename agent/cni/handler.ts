import { CanalError } from '../base/errors.js';
import { Serial } from '../ipam/serial.js';
import { add } from './add.js';
import { check } from './check.js';
import { CniCode, CniError } from './cni-error.js';
import type { CniContext } from './context.js';
import { del } from './del.js';
import type { CniHandler, RawAnswer, RawRequest } from './frame.js';
import { gc, type InTurn } from './gc.js';
import type { DelQueue } from './queue.js';
import { decodeRequest, type Attachment, type CniRequest } from './request.js';
import { status } from './status.js';
import { SUPPORTED_VERSIONS, versionAnswer } from './version.js';

/**
 * Serves requests concurrently, but those of one container, and those that concern one host
 * device, in turn (always in that order, so none waits for the other for good). DELs that were
 * queued for a container come before its next ADD.
 * @param turns for others who work on devices too
 */
export function createHandler(context: CniContext, queue: DelQueue, turns = new Serial()): CniHandler {
  const inDeviceTurn = <T>(device: () => string, work: () => Promise<T>): Promise<T> => turns.run(deviceTurn(device()), work);
  const inContainerTurn = <T>(containerId: string, work: () => Promise<T>): Promise<T> => turns.run(`container ${containerId}`, work);
  const gcTurn: InTurn = ({ endpoint }, work) => inContainerTurn(endpoint.containerId, () => inDeviceTurn(() => endpoint.hostDevice, work));

  const inTheContainersTurn: Dispatch = (request, signal) =>
    'attachment' in request
      ? inDeviceTurn(() => deviceOf(context, request.attachment), () => serve(context, request, signal, gcTurn))
      : serve(context, request, signal, gcTurn);
  const replayed: CniHandler = (raw, signal) => respond(context, raw, signal, inTheContainersTurn);
  const dispatch: Dispatch = (request, signal) => {
    if (!('attachment' in request)) return inTheContainersTurn(request, signal);
    const { containerId } = request.attachment;
    return inContainerTurn(containerId, async () => {
      if (request.verb === 'ADD') await queue.replay(replayed, containerId);
      return inTheContainersTurn(request, signal);
    });
  };
  return (raw, signal) => respond(context, raw, signal, dispatch);
}

/** Key of the turn that all work on a host device takes. */
export const deviceTurn = (device: string): string => `device ${device}`;

type Dispatch = (request: CniRequest, signal: AbortSignal) => Promise<object | undefined>;

async function respond(context: CniContext, raw: RawRequest, signal: AbortSignal, dispatch: Dispatch): Promise<RawAnswer> {
  const started = context.clock.monotonic();
  const about = { verb: raw.env.get('CNI_COMMAND'), container: raw.env.get('CNI_CONTAINERID'), args: raw.env.get('CNI_ARGS') };
  const took = (): number => Math.round(context.clock.monotonic() - started);
  try {
    const result = await dispatch(decodeRequest(raw), signal);
    context.log.info({ ...about, ms: took() }, 'CNI request served');
    return { status: 0, output: result === undefined ? '' : `${JSON.stringify(result)}\n` };
  } catch (error) {
    const answer = encodeError(error, raw.config);
    context.log.warn({ ...about, ms: took(), err: error, code: answer.code }, 'CNI request refused');
    return { status: 1, output: `${JSON.stringify(answer)}\n` };
  }
}

async function serve(context: CniContext, request: CniRequest, signal: AbortSignal, gcTurn: InTurn): Promise<object | undefined> {
  switch (request.verb) {
    case 'ADD':
      return add(context, request, signal);
    case 'DEL':
      await del(context, request.config, request.attachment);
      return undefined;
    case 'CHECK':
      await check(context, request.config, request.attachment);
      return undefined;
    case 'GC':
      await gc(context, request.config, gcTurn);
      return undefined;
    case 'STATUS':
      await status(context, request.config);
      return undefined;
    case 'VERSION':
      return versionAnswer();
  }
}

/** A DEL without CNI_ARGS names no pod; the record knows the device. */
function deviceOf(context: CniContext, { containerId, ifname, hostDevice }: Attachment): string {
  return context.endpoints.get(containerId, ifname)?.endpoint.hostDevice ?? hostDevice;
}

function encodeError(error: unknown, config: Buffer): { cniVersion: string; code: number; msg: string; details: string } {
  const { code, message, details } = classify(error);
  return { cniVersion: versionOf(config), code, msg: message, details };
}

function classify(error: unknown): { code: number; message: string; details: string } {
  if (error instanceof CniError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
  if (!(error instanceof CanalError)) return { code: CniCode.INTERNAL, message, details: cause };
  const code = error.code === 'IPAM' ? CniCode.IPAM : error.code === 'KERNEL' ? CniCode.DATAPLANE : error.code === 'CNI' ? CniCode.IO : CniCode.INTERNAL;
  return { code, message, details: [error.subject, cause].filter(Boolean).join(': ') };
}

/** An error is encoded in the request's version where it has a supported one. */
function versionOf(config: Buffer): string {
  try {
    const version = (JSON.parse(config.toString('utf8')) as { cniVersion?: unknown } | null)?.cniVersion;
    return SUPPORTED_VERSIONS.find((known) => known === version) ?? '1.1.0';
  } catch {
    return '1.1.0';
  }
}
