const FORM = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:[eE]([+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?$/;
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Readonly<Record<string, number>> = { Ki: 1, Mi: 2, Gi: 3, Ti: 4, Pi: 5, Ei: 6 };

/** A resource.Quantity as a number, for comparisons: `250m` is 0.25. Undefined for what is none. */
export function quantity(text: string): number | undefined {
  const [, digits, exponent, suffix = ''] = FORM.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const power = BINARY[suffix];
  return power === undefined ? Number(`${digits}e${exponent ?? DECIMAL[suffix]}`) : Number(digits) * 1024 ** power;
}
