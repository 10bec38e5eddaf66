import { describe } from 'vitest';
import { install } from './steps/install.js';
import { traffic } from './steps/traffic.js';
import { upgrade } from './steps/upgrade.js';

// In this order: each part finds the cluster as the part before left it.
describe('install', install);
describe('traffic', traffic);
describe('upgrade', upgrade);
