import type { Dialogue } from '../dialogue.js';
import { collections } from './collections.js';
import { corners } from './corners.js';
import { custom } from './custom.js';
import { deletions } from './deletions.js';
import { discovery } from './discovery.js';
import { lives } from './lives.js';
import { rules } from './rules.js';
import { reads } from './reads.js';
import { validation } from './validation.js';
import { watches } from './watches.js';
import { writes } from './writes.js';

/** Cases by title. */
export type Cases = Readonly<Record<string, (api: Dialogue) => Promise<void>>>;

export const AREAS: Readonly<Record<string, Cases>> = { lives, collections, reads, watches, writes, deletions, validation, rules, custom, discovery, corners };
