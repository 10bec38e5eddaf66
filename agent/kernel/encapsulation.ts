import { BpfObject } from './bpf-object.js';
import { testRun } from './test-run.js';

/** An IPv4 packet without payload, from nobody to nobody. */
const PACKET = Buffer.concat([Buffer.alloc(12), Buffer.from('080045000014000000004011000000000000' + '00000000', 'hex'), Buffer.alloc(20)]);

/** Whether the kernel's helper can write VXLAN around packets that are still to be cut. @param path object file with canal_probe, of which nothing else is loaded */
export function canEncapsulate(path: string): boolean {
  const object = BpfObject.load({ path, only: PROBE });
  try {
    return testRun(object.program(PROBE).fd, { packet: PACKET }).verdict === 0;
  } finally {
    object.close();
  }
}

const PROBE = 'canal_probe';
