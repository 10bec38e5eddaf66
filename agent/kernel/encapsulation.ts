import { testRun } from './test-run.js';

/** An IPv4 packet without payload, from nobody to nobody. */
const PACKET = Buffer.concat([Buffer.alloc(12), Buffer.from('080045000014000000004011000000000000' + '00000000', 'hex'), Buffer.alloc(20)]);

/** Whether the kernel's helper can write VXLAN around packets that are still to be cut. @param probe descriptor of canal_probe */
export const canEncapsulate = (probe: number): boolean => testRun(probe, { packet: PACKET }).verdict === 0;
