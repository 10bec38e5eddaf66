import { native } from './library.js';

const LOOK_MS = 250;

/** Tells that policies came or went; looks four times a second at most, however often it is asked. */
export class IpsecWatch {
  #policies = ipsecPolicies();
  #lookedAtMs = 0;

  changed(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs < LOOK_MS) return false;
    this.#lookedAtMs = nowMs;
    const before = this.#policies;
    this.#policies = ipsecPolicies();
    return before !== this.#policies;
  }
}

/** IPsec policies in force in this network namespace, those of single sockets left out. */
export function ipsecPolicies(): number {
  const count = Buffer.allocUnsafe(4);
  native('canal_ipsec_policies', 'IPsec policies', count);
  return count.readUInt32LE();
}
