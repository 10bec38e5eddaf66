import { cpus } from 'node:os';
import { CanalError } from '../base/errors.js';
import { bottleneck, CONNTRACK_FILES, conntrackState, type ConntrackState } from './bottleneck.js';
import { createContender, type LabContender } from './contenders.js';
import type { Ask, Contender, Driver, Figure } from './driver.js';
import { removeLeftovers } from './lab.js';
import { NODES, PORT } from './lab-plan.js';
import { checkResult, load, perCpuSecond } from './load.js';
import { serviceAddress, SERVICE_PORT } from './services.js';
import type { Size } from './size.js';

/** Every contender in a lab of its own on this machine. Needs root; touches only namespaces and cgroups of its own. */
export function labDriver(): Driver {
  removeLeftovers();
  return {
    async create({ contender, size }, id) {
      const made = await createContender(contender, `${process.pid}-${id}`, size);
      return contenderOf(made, size);
    },
  };
}

function contenderOf(contender: LabContender, size: Size): Contender {
  return { measure: (ask) => measure(contender, size, ask), close: () => contender.close() };
}

async function measure(contender: LabContender, size: Size, ask: Ask): Promise<Figure> {
  const { lab } = contender;
  const { client, server, address } = contender.ends(ask.path);
  const listen = `${address}:${PORT}`;
  const to = contender.services && size.services > 0 ? `${serviceAddress(size.services, ask.path)}:${SERVICE_PORT}` : listen;
  const { clientCpu, serverCpu } = processors(ask);
  const place = (name: string, cpu: number) => ({ netns: lab.netns(name), cgroup: lab.cgroup(name), cpu });
  const before = conntrack(contender);
  const result = await load({ ...ask, to, listen, client: place(client, clientCpu), server: place(server, serverCpu) });
  checkResult(result, `${ask.metric} to ${to}`);
  const other = bottleneck(result.limits, before, conntrack(contender));
  if (other !== undefined) throw new CanalError('KERNEL', `no figure for ${ask.metric} to ${to}: ${other}`);
  return ask.perCpuSecond ? perCpuSecond(result, ask.metric) : result;
}

const conntrack = ({ lab }: LabContender): ConntrackState => conntrackState(NODES.map((node) => lab.run(node.name, ['cat', ...CONNTRACK_FILES])));

/**
 * Question and answer on one processor: what is measured is the path, not how
 * long an idle one takes to wake. Streams and floods have one for each side,
 * unless it is work per processor time that is asked for: on one processor, the
 * kernel's part of it is done, and counted, in the ends' own time.
 */
function processors(ask: Ask): { readonly clientCpu: number; readonly serverCpu: number } {
  const apart = !ask.perCpuSecond && (ask.metric === 'stream' || ask.metric === 'stream8' || ask.metric === 'udp-pps');
  return { clientCpu: 0, serverCpu: apart && cpus().length > 1 ? 1 : 0 };
}
