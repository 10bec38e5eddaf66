import { addressBytes, IpAddress, type Family } from '../base/address.js';

/** Address fields of the structs in native/canal.h hold either family in 16 bytes, from the left. */
export function to16(address: IpAddress | undefined): Uint8Array {
  const bytes = new Uint8Array(16);
  if (address !== undefined) bytes.set(address.bytes);
  return bytes;
}

/** The reverse; undefined where all bytes are zero. */
export function from16(bytes: Uint8Array, family: Family): IpAddress | undefined {
  return isZero(bytes) ? undefined : IpAddress.fromBytes(bytes.subarray(0, addressBytes(family)));
}

/** An address or undefined for its zero ("none") form. */
export function someAddress(bytes: Uint8Array): IpAddress | undefined {
  return isZero(bytes) ? undefined : IpAddress.fromBytes(bytes);
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
