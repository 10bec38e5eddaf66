import { describe, expect, it } from 'vitest';
import { ALL, type Selector, matches, selectorText } from '../../../agent/model/selector.js';

describe('canonical text of selectors', () => {
  it('tells "all of nothing", which everything satisfies, from "one of nothing", which nothing does', () => {
    const everything: Selector = { op: 'and', of: [] };
    const nothing: Selector = { op: 'or', of: [] };
    expect(matches(everything, {})).toBe(true);
    expect(matches(nothing, {})).toBe(false);
    expect(selectorText(everything)).toBe(selectorText(ALL));
    expect(selectorText(nothing)).not.toBe(selectorText(everything));
  });
});
