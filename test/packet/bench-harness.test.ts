/** Can the bench's figures be believed? The wrapper restores every packet; the proof refuses wrong ones. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BpfMap, Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { compileObjects } from '../bench/compile-objects.ts';
import { buildFrame } from '../bench/frame.ts';
import { insideCommand } from '../bench/namespace.ts';
import { clientTuples, TCP_ACK, TCP_SYN, writeTuple, writeTuples } from '../bench/tuples.ts';
import { u32, Wrapper } from '../bench/wrapper.ts';

const ITERATIONS = 10000;
const frontends = [{ address: 0x0a010002, port: 80 }];
const macs = { sourceMac: '02:00:00:00:00:02', destinationMac: '02:00:00:00:00:01' };

let kernel: Kernel;
let objects: ReturnType<typeof compileObjects>;

beforeAll(() => {
  kernel = openKernel();
  objects = compileObjects();
});

interface Seen {
  readonly frames: number;
  readonly differed: number;
  readonly syns: number;
  readonly sources: bigint;
  readonly first: Buffer;
}

function readSeen(map: BpfMap): Seen {
  const value = kernel.lookup(map, u32(0)) as Buffer;
  const word = (n: number) => value.readBigUInt64LE(8 * n);
  return {
    frames: Number(word(0)),
    differed: Number(word(1)),
    syns: Number(word(2)),
    sources: word(3),
    first: value.subarray(32, 92),
  };
}

/** A wrapper before the program that spoils every frame, with `count` tuples. */
function mangled(count: number, moveHead: boolean) {
  const tuples = clientTuples(frontends, count);
  const object = kernel.loadObject({
    objectPath: objects.mangle,
    programName: 'mangle',
    rodata: { move_head: Uint8Array.of(moveHead ? 1 : 0) },
  });
  const frame = buildFrame({ ...macs, protocol: 'TCP', tuple: tuples.at(0), flags: TCP_ACK });
  const wrapper = new Wrapper(kernel, {
    objectPath: objects.wrap,
    frame,
    tupleCount: count,
    targetFd: object.programFd,
    ingressIfindex: 0,
  });
  writeTuples(wrapper.tuples, tuples, TCP_ACK);
  return { wrapper, frame, tuples, seen: () => readSeen(object.maps.get('seen') as BpfMap) };
}

describe('the wrapper', () => {
  it.each([true, false])('restores frames byte by byte (head moves: %s)', (moveHead) => {
    const { wrapper, frame, seen } = mangled(1, moveHead);
    wrapper.run(ITERATIONS);
    expect(wrapper.progress()).toEqual({ iterations: ITERATIONS, notReached: 0 });
    const { frames, differed, first } = seen();
    expect({ frames, differed }).toEqual({ frames: ITERATIONS, differed: 0 });
    // The first frame seen is the frame that was built, and all later ones were like it.
    expect(first.toString('hex')).toBe(frame.toString('hex'));
  });

  it('gives each tuple its turn', () => {
    const count = 4096;
    const { wrapper, tuples, seen } = mangled(count, true);
    for (let n = 0; n < count; n += 2) writeTuple(wrapper.tuples, n, tuples.at(n), TCP_SYN);
    wrapper.run(3 * count);
    let sources = 0n;
    for (let n = 0; n < count; n++) sources += BigInt(wrapper.tuples.readUInt32LE(16 * n));
    expect(seen()).toMatchObject({
      frames: 3 * count,
      differed: 0,
      syns: (3 * count) / 2,
      sources: 3n * sources,
    });
  });

  it('begins again with the first tuple when asked', () => {
    const { wrapper, seen } = mangled(8, false);
    wrapper.run(3);
    const before = seen().sources;
    wrapper.restart();
    wrapper.run(3);
    expect(seen().sources).toBe(2n * before);
    expect(wrapper.progress().iterations).toBe(3);
  });

  it('counts frames that it can not restore', () => {
    const long = Buffer.concat([mangled(1, false).frame, Buffer.alloc(600)]);
    const wrapper = new Wrapper(kernel, {
      objectPath: objects.wrap,
      frame: long,
      tupleCount: 1,
      targetFd: kernel.loadObject({ objectPath: objects.floors, programName: 'empty' }).programFd,
      ingressIfindex: 0,
    });
    // There is no head-room for 600 bytes.
    const tooShort = kernel.testRun(wrapper.programFd, { data: long.subarray(0, 60) });
    expect(tooShort.returnValue).toBe(0); // XDP_ABORTED
    expect(wrapper.progress()).toEqual({ iterations: 1, notReached: 1 });
  });

  it('refuses a number of tuples that no mask can express', () => {
    expect(() => mangled(3, false)).toThrow('3 tuples: must be a power of two');
  });
});

describe('the proof', () => {
  it('accepts packets that take their path, and refuses all others', () => {
    const script = fileURLToPath(new URL('../bench/check-proof.ts', import.meta.url));
    const { command, args, env } = insideCommand(['--import', 'tsx', script]);
    const found = JSON.parse(execFileSync(command, args, { env, encoding: 'utf8', timeout: 90_000 }));
    const { pass, forward, reply, forwardAgain } = found;
    expect({ pass, forward, reply, forwardAgain }).toEqual({
      pass: 'proved',
      forward: 'proved',
      reply: 'proved',
      forwardAgain: 'proved',
    });
    const notForwarded = 'packets in, by service, counted 0, not 1000; packets in, by backend, counted 0';
    expect(found.forwardWithoutFlow).toContain(notForwarded);
    expect(found.forwardElsewhere).toContain(notForwarded);
    expect(found.forwardElsewhere).toContain('the last verdict was 2, not 3');
    expect(found.replyOfStranger).toContain('packets were dropped as DROP_SNAT_NO_FLOW');
    expect(found.passToVip).toContain('did not take its path');
  });
});
