import { describe, expect, it } from 'vitest';
import { buildFrame, frameRodata, internetChecksum } from '../../bench/frame.ts';

const macs = { sourceMac: '02:00:00:00:00:01', destinationMac: '02:00:00:00:00:02' };
const tuple = { source: 0x64400102, destination: 0x0a010002, sourcePort: 20001, destinationPort: 80 };

function pseudoSum(frame: Buffer, l4Size: number): number {
  let sum = frame.readUInt8(23) + l4Size;
  for (let at = 26; at < 34; at += 2) sum += frame.readUInt16BE(at);
  return sum;
}

describe('frames', () => {
  it('agree with the example of RFC 1071', () => {
    expect(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(
      ~0xddf2 & 0xffff,
    );
  });

  it.each([
    ['TCP', 20],
    ['UDP', 8],
  ] as const)('have correct %s checksums and the smallest size', (protocol, l4Size) => {
    const frame = buildFrame({ ...macs, protocol, tuple, flags: 0x02 });
    expect(frame).toHaveLength(60);
    expect(internetChecksum(frame.subarray(14, 34))).toBe(0);
    expect(internetChecksum(frame.subarray(34, 34 + l4Size), pseudoSum(frame, l4Size))).toBe(0);
    expect(frame.readUInt16BE(16)).toBe(20 + l4Size);
  });

  it('refuse what is no MAC address', () => {
    expect(() => buildFrame({ ...macs, sourceMac: '02:00', protocol: 'TCP', tuple })).toThrow('02:00');
  });

  it('tell the wrapper the bytes to restore', () => {
    const frame = buildFrame({ ...macs, protocol: 'TCP', tuple, flags: 0x10 });
    const rodata = frameRodata(frame);
    expect(Buffer.from(rodata.frame_mac_low ?? []).toString('hex')).toBe('0200000000020200');
    expect(Buffer.from(rodata.frame_mac_high ?? []).toString('hex')).toBe('00000001');
    expect(rodata.frame_l4_checksum).toEqual(frame.subarray(50, 52));
    expect(rodata.frame_is_tcp).toEqual(Uint8Array.of(1));
    const udp = buildFrame({ ...macs, protocol: 'UDP', tuple });
    expect(frameRodata(udp).frame_l4_checksum).toEqual(udp.subarray(40, 42));
    expect(frameRodata(udp).frame_is_tcp).toEqual(Uint8Array.of(0));
  });
});
