import type { Duplex, Readable, Writable } from 'node:stream';

/**
 * What the embedder (the lab) gives the API server so that `kubectl exec`,
 * `attach`, `logs` and `port-forward` reach its pods. The server speaks the
 * wire protocols and checks that the pod and container exist; the runtime
 * only moves bytes. A runtime method that rejects with {@link PodRuntimeError}
 * becomes a Status of that code and message; any other rejection is a 500.
 */
export interface PodRuntime {
  /** Runs a command in a container until it exits; resolves with its exit code. */
  exec(request: ExecRequest): Promise<ExitStatus>;
  /** Joins the streams of the container's main process; resolves when the client goes or the process ends. Without it, attach answers 501. */
  attach?(request: AttachRequest): Promise<ExitStatus>;
  /**
   * The container's log as bytes. With `follow` the stream ends when the
   * container does. The server destroys the stream when the client goes.
   */
  logs(request: LogsRequest): Promise<Readable>;
  /** One connection to a TCP port inside the pod's network namespace. Rejects when nothing listens. */
  portForward(request: PortForwardRequest): Promise<Duplex>;
}

export interface PodTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly nodeName: string;
}

export interface ContainerTarget extends PodTarget {
  /** Always a container of the pod: the first one where the client named none. */
  readonly container: string;
}

/** Streams of a remote command. Absent ones were not asked for. With `tty` there is no stderr. */
export interface RemoteStreams {
  /** Ends when the client closes its standard input. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly tty: boolean;
  /** Terminal sizes as the client reports them; ends with the session. Only with `tty`. */
  readonly sizes: AsyncIterable<TerminalSize>;
  /** Aborted when the client is gone: the command must be killed. */
  readonly signal: AbortSignal;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecRequest extends ContainerTarget, RemoteStreams {
  readonly command: readonly string[];
}

export interface AttachRequest extends ContainerTarget, RemoteStreams {}

export interface LogsRequest extends ContainerTarget {
  readonly follow: boolean;
  /** The instance before the last restart. */
  readonly previous: boolean;
  /** Prefix each line with its RFC 3339 time in nanoseconds and a space. */
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly sinceSeconds: number | undefined;
  /** RFC 3339. */
  readonly sinceTime: string | undefined;
  readonly limitBytes: number | undefined;
  readonly signal: AbortSignal;
}

export interface PortForwardRequest extends PodTarget {
  readonly port: number;
  readonly signal: AbortSignal;
}

/** 0 to 255; a command killed by signal N has 128 + N, as a shell reports it. */
export interface ExitStatus {
  readonly exitCode: number;
}

/** A refusal that the client shall see as a Status. */
export class PodRuntimeError extends Error {
  /** HTTP status: 400 for a bad request, 404 for no such container, 409 for not running, 500 otherwise. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'PodRuntimeError';
    this.status = status;
  }
}
