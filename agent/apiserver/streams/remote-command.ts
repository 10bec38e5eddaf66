import { ApiError, type Status } from '../status.js';
import { PodRuntimeError, type ExecRequest, type ExitStatus, type PodRuntime, type RemoteStreams } from '../pod-runtime.js';

/** A remote command as the URL asks for it, before its streams are there. */
export interface RemoteCommand {
  readonly mode: 'exec' | 'attach';
  readonly target: Pick<ExecRequest, 'namespace' | 'pod' | 'uid' | 'nodeName' | 'container'>;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** Runs it and words its end as the kubelet does: the exit code is a cause of a failed Status. Never rejects. */
export async function runRemoteCommand(runtime: PodRuntime, command: RemoteCommand, streams: RemoteStreams): Promise<Status> {
  try {
    return statusOfExit(await start(runtime, command, streams));
  } catch (error) {
    return statusOfFailure(error);
  }
}

function start(runtime: PodRuntime, command: RemoteCommand, streams: RemoteStreams): Promise<ExitStatus> {
  if (command.mode === 'exec') return runtime.exec({ ...command.target, ...streams, command: command.command });
  if (runtime.attach === undefined) throw new PodRuntimeError(501, 'attach is not supported by this runtime');
  return runtime.attach({ ...command.target, ...streams });
}

function statusOfExit({ exitCode }: ExitStatus): Status {
  if (exitCode === 0) return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

function statusOfFailure(error: unknown): Status {
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(500, 'InternalError', message, { causes: [{ message }] }).status;
}

/** An async queue of terminal sizes. */
export class TerminalSizes implements AsyncIterable<{ columns: number; rows: number }> {
  private readonly waiting: { columns: number; rows: number }[] = [];
  private wake: (() => void) | undefined;
  private ended = false;

  /** One JSON object as clients send it: `{"Width":80,"Height":24}`. What is not, is passed over. */
  pushText(text: string): void {
    try {
      const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
      if (typeof Width === 'number' && typeof Height === 'number') this.waiting.push({ columns: Width, rows: Height });
    } catch {
      return; // a size that cannot be read changes nothing
    }
    this.wake?.();
  }

  end(): void {
    this.ended = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<{ columns: number; rows: number }> {
    for (;;) {
      const next = this.waiting.shift();
      if (next !== undefined) yield next;
      else if (this.ended) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
