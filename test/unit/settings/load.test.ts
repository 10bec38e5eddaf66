import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../../agent/daemon/settings/load.js';
import { parseNetConf } from '../../../agent/daemon/settings/net-conf.js';

const load = (flags = {}, environment = {}, text?: string) => loadSettings(flags, environment, text === undefined ? undefined : { name: 'canal.yaml', text });

describe('settings', () => {
  it('take the flag before the environment before the file before the default', () => {
    const file = 'healthPort: 4\n';
    expect(load({ 'health-port': '1' }, { CANAL_HEALTH_PORT: '2', FELIX_HEALTHPORT: '3' }, file).settings.healthPort).toBe(1);
    expect(load({}, { CANAL_HEALTH_PORT: '2', FELIX_HEALTHPORT: '3' }, file).settings.healthPort).toBe(2);
    expect(load({}, { FELIX_HEALTHPORT: '3' }, file).settings.healthPort).toBe(3);
    expect(load({}, {}, file).settings.healthPort).toBe(4);
    expect(load().settings.healthPort).toBe(9099);
  });

  it("read Felix's variables without regard to case", () => {
    expect(load({}, { FELIX_DefaultEndpointToHostAction: 'DROP' }).settings.endpointToHost).toBe('drop');
    expect(load({}, { FELIX_DEFAULTENDPOINTTOHOSTACTION: 'RETURN' }).settings.endpointToHost).toBe('accept');
  });

  it("treat an empty variable as not set, as Canal's manifest leaves FLANNELD_IFACE", () => {
    expect(load({}, { FLANNELD_IFACE: '' }).settings.uplink.iface).toEqual([]);
    expect(load({}, { FLANNELD_IFACE: 'eth1' }).settings.uplink.iface).toEqual(['eth1']);
  });

  it('keep the order of a repeated flag', () => {
    expect(load({ iface: ['eth1', '10.0.0.1'] }).settings.uplink.iface).toEqual(['eth1', '10.0.0.1']);
  });

  it.each([
    [{ 'health-port': 'x' }, {}, undefined, '--health-port'],
    [{ 'public-ip': '1.2.3' }, {}, undefined, '--public-ip'],
    [{ 'etcd-endpoints': 'http://x' }, {}, undefined, '--etcd-endpoints'],
    [{}, { FELIX_NOSUCHTHING: '1' }, undefined, 'FELIX_NOSUCHTHING'],
    [{}, { FLANNELD_NO_SUCH: '1' }, undefined, 'FLANNELD_NO_SUCH'],
    [{}, { CANAL_NO_SUCH: '1' }, undefined, 'CANAL_NO_SUCH'],
    [{}, { FELIX_HEALTHPORT: '99999' }, undefined, 'FELIX_HEALTHPORT'],
    [{}, {}, 'noSuchKey: 1', 'noSuchKey'],
    [{}, {}, 'healthPort: [x]', 'healthPort'],
    [{}, {}, '- a list', 'canal.yaml'],
    [{}, {}, 'a: [', 'canal.yaml'],
    [{ 'iface-regex': ['('] }, {}, undefined, '--iface-regex'],
    [{ 'kube-annotation-prefix': 'a/b/c' }, {}, undefined, '--kube-annotation-prefix'],
  ])('refuse %j %j %j, naming %s', (flags, environment, text, name) => {
    expect(() => load(flags, environment, text)).toThrow(name);
  });

  it('accept and name what has no meaning here', () => {
    const { ignored } = load({ 'kube-subnet-mgr': true }, { FELIX_IPV6SUPPORT: 'false', FELIX_IPTABLESREFRESHINTERVAL: '60' }, 'bpfLogLevel: Off\n');
    expect(ignored).toEqual(['--kube-subnet-mgr', 'FELIX_IPV6SUPPORT', 'FELIX_IPTABLESREFRESHINTERVAL', 'canal.yaml: bpfLogLevel']);
  });

  it("leave alone what Kubernetes injects for a Service named canal", () => {
    expect(() => load({}, { CANAL_SERVICE_HOST: '10.43.0.1', CANAL_PORT_80_TCP: 'tcp://10.43.0.1:80' })).not.toThrow();
  });

  it.each([['flannel.alpha.coreos.com', 'flannel.alpha.coreos.com/'], ['x.io/a', 'x.io/a-'], ['x.io/a-', 'x.io/a-']])(
    'normalise the annotation prefix %s to %s',
    (given, expected) => expect(load({ 'kube-annotation-prefix': given }).settings.annotationPrefix).toBe(expected),
  );

  it.each([
    ['first-found', { method: 'first-found' }],
    ['can-reach=10.0.0.1', { method: 'can-reach', target: '10.0.0.1' }],
    ['interface=eth.*,ens', { method: 'interface', patterns: ['eth.*', 'ens'] }],
    ['kubernetes-internal-ip', { method: 'kubernetes-internal-ip' }],
  ])("understand Calico's %s", (text, expected) => {
    expect(load({}, { IP_AUTODETECTION_METHOD: text }).settings.uplink.autodetection).toEqual(expected);
  });
});

describe('net-conf.json', () => {
  it("takes flannel's defaults", () => {
    const conf = parseNetConf('{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}', 'net-conf.json');
    expect(conf.network?.text).toBe('10.244.0.0/16');
    expect(conf.backend).toEqual({ type: 'vxlan', vni: 1, port: 0, mtu: 0, gbp: false, learning: false, directRouting: false });
  });

  it('matches keys without regard to case and reads every vxlan field', () => {
    const conf = parseNetConf('{"network":"10.1.0.0/16","BACKEND":{"type":"VXLAN","vni":7,"port":4789,"mtu":1400,"gbp":true,"learning":true,"directrouting":true}}', 'f');
    expect(conf.backend).toEqual({ type: 'vxlan', vni: 7, port: 4789, mtu: 1400, gbp: true, learning: true, directRouting: true });
  });

  it.each([
    ['{', 'not JSON'],
    ['[]', 'must be an object'],
    ['{"Backend":{"Type":"vxlan"}}', 'Network is missing'],
    ['{"Network":"10.0.0.0","Backend":{"Type":"vxlan"}}', 'Network must be an IPv4 CIDR'],
    ['{"Network":"fd00::/56","Backend":{"Type":"vxlan"}}', 'Network must be an IPv4 CIDR'],
    ['{"Network":"10.0.0.0/8"}', 'Backend is missing'],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"host-gw"}}', 'host-gw is not supported'],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","VNI":16777216}}', 'Backend.VNI must be an integer from 0 to 16777215'],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","Prot":1}}', 'Backend.Prot is unknown'],
    ['{"Netwrok":"10.0.0.0/8"}', 'Netwrok is unknown'],
    ['{"Network":"10.0.0.0/8","EnableIPv6":"yes","Backend":{"Type":"vxlan"}}', 'EnableIPv6 must be true or false'],
  ])('refuses %s', (text, message) => expect(() => parseNetConf(text, 'f')).toThrow(message));
});
