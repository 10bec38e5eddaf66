import type { Problem } from '../../base/errors.js';
import { FIELDS, RANKS } from './faces.js';
import type { Claim } from './service.js';

/** Who of several claims on one frontend has it; undefined of none. Does not depend on their order. */
export function winner(claims: readonly Claim[]): Claim | undefined {
  return claims.reduce<Claim | undefined>((best, claim) => (best === undefined || precedes(claim, best) ? claim : best), undefined);
}

function precedes(a: Claim, b: Claim): boolean {
  const rank = RANKS.indexOf(a.rank) - RANKS.indexOf(b.rank);
  return rank !== 0 ? rank < 0 : a.service < b.service;
}

/** What the losers are told. */
export function disputes(claims: readonly Claim[], text: string): readonly Problem[] {
  const first = winner(claims);
  return claims.filter((claim) => claim !== first).map((claim) => ({
    object: ownerOf(claim),
    field: FIELDS[claim.rank],
    message: `${text} belongs to ${ownerOf(first!)}`,
  }));
}

/** As a user would write it. */
export const ownerOf = ({ rank, service }: Claim): string => `${rank === 'hostPort' ? 'Pod' : 'Service'} ${service}`;
