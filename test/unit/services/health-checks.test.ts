import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import pino from 'pino';
import { systemClock } from '../../../agent/base/clock.js';
import { ServiceCompiler } from '../../../agent/compile/services/compiler.js';
import type { HealthCheck } from '../../../agent/compile/services/health-checks.js';
import { HealthCheckPorts } from '../../../agent/daemon/health-check-ports.js';
import type { EndpointSlice, Service } from '../../../agent/model/service.js';
import { endpoint, LEAVING, NODE, port, service, slice, snapshot, STARTING } from './cluster.js';

const HERE = { nodeName: NODE };
const checked = (name: string, number: number, parts: Partial<Service> = {}): Service => service(name, { type: 'LoadBalancer', externalPolicy: 'local', healthCheckNodePort: number, ...parts } as never);

function compiled(services: readonly Service[], slices: readonly EndpointSlice[]): ServiceCompiler {
  const compiler = new ServiceCompiler();
  compiler.sync(snapshot(services, slices), NODE);
  return compiler;
}

describe('the health that a load balancer is told of a node', () => {
  it('is the number of ready endpoints there, each address once whatever its ports', () => {
    const ports = [port(80, { name: 'a' }), port(81, { name: 'b' })];
    const slices = [slice('s', [endpoint('10.42.0.2', HERE), endpoint('10.42.0.3', { ...HERE, ...LEAVING }), endpoint('10.42.0.4', { ...HERE, ...STARTING }), endpoint('10.42.1.2')], {
      ports: [{ name: 'a', protocol: 6, port: 1 }, { name: 'b', protocol: 6, port: 2 }],
    })];
    expect([...compiled([checked('web', 31_000, { ports })], slices).healthChecks()]).toEqual([[31_000, { namespace: 'shop', name: 'web', port: 31_000, localEndpoints: 1 }]]);
  });

  it('is 0 where only terminating ones serve, and nothing is told of services that nobody asks for', () => {
    const slices = [slice('s', [endpoint('10.42.0.3', { ...HERE, ...LEAVING })])];
    expect(compiled([checked('web', 31_000), service('plain', { clusterIps: ['10.96.0.2'] })], slices).healthChecks().get(31_000)?.localEndpoints).toBe(0);
  });

  it('at a port that two services want is the first one\'s; the other is told', () => {
    const compiler = compiled([checked('web', 31_000), checked('api', 31_000, { clusterIps: [] })], []);
    expect(compiler.healthChecks().get(31_000)?.name).toBe('web'); // api is headless: not served
    const both = compiled([checked('web', 31_000), { ...checked('api', 31_000), clusterIps: service('x', { clusterIps: ['10.96.0.9'] }).clusterIps }], []);
    expect(both.healthChecks().get(31_000)?.name).toBe('api');
    expect(both.problems()).toEqual([{ object: 'Service shop/web', field: 'spec.healthCheckNodePort', message: '31000 belongs to Service shop/api' }]);
  });
});

const open: HealthCheckPorts[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: found } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return found;
}

function ports(healthy: () => boolean = () => true): HealthCheckPorts {
  const made = new HealthCheckPorts({ clock: systemClock, log: pino({ level: 'silent' }), healthy, host: '127.0.0.1' });
  open.push(made);
  return made;
}

const check = (port: number, localEndpoints: number): [number, HealthCheck] => [port, { namespace: 'shop', name: 'web', port, localEndpoints }];

/** Asks until somebody listens. */
async function get(port: number): Promise<Response> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (answer !== undefined) return answer;
  }
}

describe('the server on a health-check port', () => {
  it('answers as kube-proxy does: 200 with endpoints, 503 without, the count in body and header', async () => {
    const number = await freePort();
    const made = ports();
    made.want(new Map([check(number, 2)]));
    const well = await get(number);
    expect([well.status, well.headers.get('x-load-balancing-endpoint-weight'), well.headers.get('content-type'), well.headers.get('x-content-type-options')]).toEqual([200, '2', 'application/json', 'nosniff']);
    expect(await well.text()).toBe('{\n\t"service": {\n\t\t"namespace": "shop",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}');
    made.want(new Map([check(number, 0)]));
    const none = await get(number);
    expect([none.status, (await none.json() as { localEndpoints: number }).localEndpoints]).toEqual([503, 0]);
  });

  it('is 503 while the node\'s services are not in force', async () => {
    const number = await freePort();
    ports(() => false).want(new Map([check(number, 2)]));
    const answer = await get(number);
    expect([answer.status, await answer.json()]).toEqual([503, { service: { namespace: 'shop', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: false }]);
  });

  it('closes with its service, and comes back with it at once', async () => {
    const number = await freePort();
    const made = ports();
    for (const localEndpoints of [1, 2, 3]) {
      made.want(new Map([check(number, localEndpoints)]));
      made.want(new Map());
    }
    made.want(new Map([check(number, 7)]));
    expect((await get(number)).headers.get('x-load-balancing-endpoint-weight')).toBe('7');
    await made.close();
    await expect(fetch(`http://127.0.0.1:${number}/`)).rejects.toThrow();
  });

  it('on a port that is somebody else\'s is a problem with the service\'s name, until the service goes', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port: number } = other.address() as { port: number };
    const made = ports();
    made.want(new Map([check(number, 2)]));
    while (made.problems().length === 0) await new Promise(setImmediate);
    expect(made.problems()[0]).toMatch(/^Service shop\/web: spec\.healthCheckNodePort: cannot listen on .*EADDRINUSE/);
    await made.close();
    expect(made.problems()).toEqual([]);
    other.close();
  });
});
