import type { Clock } from '../base/clock.js';

/** Certificates of a connection; identity changes when content does, so that `===` says whether to reconnect. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer | string;
  readonly key?: Buffer | string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** What a request must carry now. */
export interface Credentials {
  /** `Authorization`, `Impersonate-User`, or nothing. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
}

/** Where the API server is and how to be someone to it. Made by `loadConnection`. */
export interface Connection {
  /** Scheme, host, port, and a path prefix where the server is behind one. */
  readonly server: URL;
  /** Where it was read from, for the log: a file's name, `in-cluster`, `flag`. */
  readonly origin: string;
  /** Read anew when files have changed or a credential has run out. Throws CanalError CONFIG. */
  credentials(): Promise<Credentials>;
  /** The server answered 401: what is cached is not to be used again. */
  invalidate(): void;
}

/** What `loadConnection` has to find it by. */
export interface ConnectionOptions {
  /** `--kubeconfig-file`. */
  readonly kubeconfig?: string | undefined;
  /** `--kube-api-url`: replaces the server that the kubeconfig or the account names. */
  readonly apiUrl?: string | undefined;
  /** The kubeconfig's context; its current one by default. */
  readonly context?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Default: where kubelet mounts it. */
  readonly accountDir?: string;
}
