import { describe, expect, it } from 'vitest';
import {
  CLIENT_NETWORK,
  clientTuple,
  scatter,
  setFlags,
  TCP_ACK,
  TCP_SYN,
  TUPLE_SIZE,
  writeTuple,
} from '../../bench/tuples.ts';

const frontends = Array.from({ length: 1000 }, (_, n) => ({ address: 0x0a010002 + n, port: 80 }));

describe('client tuples', () => {
  it('all differ, up to the largest number', () => {
    const count = 4194304;
    const seen = new Uint8Array(count);
    for (let n = 0; n < count; n++) seen[scatter(n, count)] = 1;
    expect(seen.indexOf(0)).toBe(-1);
    const first = clientTuple(0, count, frontends);
    expect(first.source >>> 16).toBe(CLIENT_NETWORK >>> 16);
    expect(clientTuple(count - 1, count, frontends).sourcePort).toBeLessThan(65536);
  });

  it('differ in address or port where neither alone would', () => {
    const count = 131072;
    const keys = new Set<string>();
    for (let n = 0; n < count; n++) {
      const { source, sourcePort } = clientTuple(n, count, frontends);
      keys.add(`${source}:${sourcePort}`);
    }
    expect(keys.size).toBe(count);
  });

  it('reach every frontend', () => {
    const reached = new Set<number>();
    for (let n = 0; n < 65536; n++) reached.add(clientTuple(n, 65536, frontends).destination);
    expect(reached.size).toBe(frontends.length);
  });

  it('need a frontend', () => {
    expect(() => clientTuple(0, 1, [])).toThrow('no frontends');
  });
});

describe('the table of tuples', () => {
  it('holds the bytes as they are on the wire', () => {
    const memory = Buffer.alloc(2 * TUPLE_SIZE);
    const tuple = { source: 0x64400102, destination: 0x0a010002, sourcePort: 20001, destinationPort: 80 };
    writeTuple(memory, 1, tuple, TCP_SYN);
    expect(memory.subarray(0, 16).every((byte) => byte === 0)).toBe(true);
    expect(memory.subarray(16).toString('hex')).toBe('644001020a0100024e21005050020000');
    setFlags(memory, 2, TCP_ACK);
    expect(memory.readUInt16BE(16 + 12)).toBe(0x5010);
  });
});
