import { beforeAll, describe } from 'vitest';
import { kubectl } from './cluster.js';
import { cni } from './steps/cni.js';
import { degraded } from './steps/degraded.js';
import { faults } from './steps/faults.js';
import { install } from './steps/install.js';
import { permissions } from './steps/permissions.js';
import { reboot } from './steps/reboot.js';
import { nodeStates, removal, type NodeState } from './steps/removal.js';
import { sessions } from './steps/sessions.js';
import { size } from './steps/size.js';
import { suites } from './steps/suites.js';
import { traffic } from './steps/traffic.js';
import { upgrade } from './steps/upgrade.js';

let before: ReadonlyMap<string, NodeState> | undefined;

beforeAll(async () => {
  const there = await kubectl('-n', 'kube-system', 'get', 'daemonset', 'canal', '--ignore-not-found', '-o', 'name');
  if (there === '') before = await nodeStates();
});

// In this order: each part finds the cluster as the part before left it.
describe('install', install);
describe('traffic', traffic);
describe('sessions', sessions);
describe('upgrade', upgrade);
describe('reboot', reboot);
describe('cni', cni);
describe('faults', faults);
describe('degraded', degraded);
describe('size', size);
describe('suites', suites);
describe('permissions', permissions);
describe('removal', () => removal(() => before));
