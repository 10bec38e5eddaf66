import { describe, expect, it } from 'vitest';
import { CniCode, CniError } from '../../../agent/cni/cni-error.js';
import { decodeAttachConfig } from '../../../agent/cni/network-config.js';
import { decodeRequest, hostDeviceName } from '../../../agent/cni/request.js';

const ENV = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'abc', CNI_NETNS: '/run/netns/p', CNI_IFNAME: 'eth0' };
const CONFIG = { cniVersion: '1.0.0', name: 'net', type: 'canal' };

function decode(env: Record<string, string | undefined>, config: unknown): CniError | object {
  const given = Object.entries({ ...ENV, ...env }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const bytes = Buffer.from(typeof config === 'string' ? config : JSON.stringify(config));
  try {
    const request = decodeRequest({ env: new Map(given), config: bytes });
    return request.verb === 'ADD' ? { ...request, attach: decodeAttachConfig(request.config) } : request;
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
}

describe('a request', () => {
  it.each<[string, Record<string, string | undefined>, unknown, number, string]>([
    ['no command', { CNI_COMMAND: undefined }, CONFIG, CniCode.INVALID_ENV, 'CNI_COMMAND'],
    ['an unknown command', { CNI_COMMAND: 'add' }, CONFIG, CniCode.INVALID_ENV, 'CNI_COMMAND'],
    ['no container', { CNI_CONTAINERID: undefined }, CONFIG, CniCode.INVALID_ENV, 'CNI_CONTAINERID'],
    ['a container that is a path', { CNI_CONTAINERID: '../../etc/passwd' }, CONFIG, CniCode.INVALID_ENV, 'CNI_CONTAINERID'],
    ['a container of 300 characters', { CNI_CONTAINERID: 'a'.repeat(300) }, CONFIG, CniCode.INVALID_ENV, 'CNI_CONTAINERID'],
    ['no interface', { CNI_IFNAME: '' }, CONFIG, CniCode.INVALID_ENV, 'CNI_IFNAME'],
    ['an interface of 16 characters', { CNI_IFNAME: 'a'.repeat(16) }, CONFIG, CniCode.INVALID_ENV, 'CNI_IFNAME'],
    ['an interface with a slash', { CNI_IFNAME: '../eth0' }, CONFIG, CniCode.INVALID_ENV, 'CNI_IFNAME'],
    ['the interface ..', { CNI_IFNAME: '..' }, CONFIG, CniCode.INVALID_ENV, 'CNI_IFNAME'],
    ['no netns', { CNI_NETNS: '' }, CONFIG, CniCode.INVALID_ENV, 'CNI_NETNS'],
    ['a relative netns', { CNI_NETNS: 'netns' }, CONFIG, CniCode.INVALID_ENV, 'CNI_NETNS'],
    ['args that are no pairs', { CNI_ARGS: 'nonsense' }, CONFIG, CniCode.INVALID_ENV, 'CNI_ARGS'],
    ['a pod without namespace', { CNI_ARGS: 'K8S_POD_NAME=a' }, CONFIG, CniCode.INVALID_ENV, 'CNI_ARGS'],
    ['a pod name that is none', { CNI_ARGS: 'K8S_POD_NAMESPACE=a;K8S_POD_NAME=a/b' }, CONFIG, CniCode.INVALID_ENV, 'CNI_ARGS'],
    ['nothing on stdin', {}, '', CniCode.DECODE, ''],
    ['half a JSON', {}, '{"cniVersion":"1.0.0",', CniCode.DECODE, ''],
    ['a JSON list', {}, '[]', CniCode.DECODE, ''],
    ['null', {}, 'null', CniCode.DECODE, ''],
    ['a version of the future', {}, { ...CONFIG, cniVersion: '9.0.0' }, CniCode.INCOMPATIBLE_VERSION, 'cniVersion'],
    ['a version that is a number', {}, { ...CONFIG, cniVersion: 1 }, CniCode.INVALID_CONFIG, 'cniVersion'],
    ['CHECK before 0.4.0', { CNI_COMMAND: 'CHECK' }, { ...CONFIG, cniVersion: '0.3.1' }, CniCode.INCOMPATIBLE_VERSION, 'cniVersion'],
    ['GC before 1.1.0', { CNI_COMMAND: 'GC' }, CONFIG, CniCode.INCOMPATIBLE_VERSION, 'cniVersion'],
    ['STATUS before 1.1.0', { CNI_COMMAND: 'STATUS' }, CONFIG, CniCode.INCOMPATIBLE_VERSION, 'cniVersion'],
    ['a name that is a path', {}, { ...CONFIG, name: '../x' }, CniCode.INVALID_CONFIG, 'name'],
    ['another type', {}, { ...CONFIG, type: 'bridge' }, CniCode.INVALID_CONFIG, 'type'],
    ['no type', {}, { cniVersion: '1.0.0', name: 'net' }, CniCode.INVALID_CONFIG, 'type'],
    ['netkit', {}, { ...CONFIG, device_type: 'netkit' }, CniCode.UNSUPPORTED_FIELD, 'device_type'],
    ['an mtu that is text', {}, { ...CONFIG, mtu: '1450' }, CniCode.INVALID_CONFIG, 'mtu'],
    ['an mtu of 100', {}, { ...CONFIG, mtu: 100 }, CniCode.INVALID_CONFIG, 'mtu'],
    ['calico-ipam', {}, { ...CONFIG, ipam: { type: 'calico-ipam' } }, CniCode.UNSUPPORTED_FIELD, 'ipam.type'],
    ['an ipam that is a list', {}, { ...CONFIG, ipam: [] }, CniCode.INVALID_CONFIG, 'ipam'],
    ['a subnet that is none', {}, { ...CONFIG, ipam: { ranges: [[{ subnet: '10.0.0.0/33' }]] } }, CniCode.INVALID_CONFIG, 'ipam.ranges[0][0].subnet'],
    ['an empty range set', {}, { ...CONFIG, ipam: { ranges: [[]] } }, CniCode.INVALID_CONFIG, 'ipam.ranges[0]'],
    ['fewer routes than the default', {}, { ...CONFIG, ipam: { routes: [{ dst: '10.0.0.0/8' }] } }, CniCode.UNSUPPORTED_FIELD, 'ipam.routes[0].dst'],
    ['a relative data directory', {}, { ...CONFIG, ipam: { dataDir: 'x' } }, CniCode.INVALID_CONFIG, 'ipam.dataDir'],
    ['a container port of 0', {}, { ...CONFIG, runtimeConfig: { portMappings: [{ hostPort: 1 }] } }, CniCode.INVALID_CONFIG, 'runtimeConfig.portMappings[0].containerPort'],
    ['an odd protocol', {}, { ...CONFIG, runtimeConfig: { portMappings: [{ hostPort: 1, containerPort: 1, protocol: 'icmp' }] } }, CniCode.INVALID_CONFIG, 'runtimeConfig.portMappings[0].protocol'],
    ['a previous address that is none', {}, { ...CONFIG, prevResult: { ips: [{ address: 'x' }] } }, CniCode.INVALID_CONFIG, 'prevResult.ips[0].address'],
    ['a previous interface out of range', {}, { ...CONFIG, prevResult: { interfaces: [{ name: 'a' }], ips: [{ address: '10.0.0.1/8', interface: 4 }] } }, CniCode.INVALID_CONFIG, 'prevResult.ips[0].interface'],
  ])('with %s is refused, and the answer names the field', (_, env, config, code, field) => {
    const error = decode(env, config);
    expect(error).toBeInstanceOf(CniError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(field === '' ? /configuration/ : new RegExp(`^${field.replace(/[[\].]/g, '\\$&')}: `)) });
  });

  it('with the smallest configuration is served as 0.2.0 on the network of a Canal', () => {
    expect(decode({}, { type: 'canal' })).toMatchObject({ config: { cniVersion: '0.2.0', name: 'k8s-pod-network', dataDir: '/var/lib/cni/networks' } });
  });

  it('may name pod CIDRs in any case, in range sets of both families', () => {
    const config = { ...CONFIG, ipam: { ranges: [[{ subnet: 'UsePodCidr' }], [{ subnet: 'usePodCidrIPv6' }]] } };
    expect(decode({}, config)).toMatchObject({ attach: { ipam: { sets: [[{ subnet: 4 }], [{ subnet: 6 }]] } } });
  });

  it('may be a DEL with a configuration that ADD would refuse', () => {
    expect(decode({ CNI_COMMAND: 'DEL', CNI_NETNS: undefined }, { ...CONFIG, mtu: 'x', device_type: 'netkit' })).toMatchObject({ verb: 'DEL' });
  });

  it('says which members have no effect', () => {
    expect(decode({}, { ...CONFIG, log_level: 'info', readiness_gates: {} })).toMatchObject({ attach: { ignored: ['log_level', 'readiness_gates'] } });
  });
});

describe("a device's name", () => {
  it('is made of the pod, or of the container outside Kubernetes', () => {
    expect(hostDeviceName('default', 'nginx', 'x')).toBe('calic440f455693');
    expect(hostDeviceName('t', 'a', 'x')).toBe('cali82a9c9cc7e9'); // seen on a running Canal
    expect(hostDeviceName('', '', '0123456789abcdef')).toBe('cali0123456789a');
  });
});
