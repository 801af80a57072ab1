/**
 * tc on packets that the card has summed up (CHECKSUM_COMPLETE): what is translated leaves with the sum that
 * it has then, else its receiver takes the card for broken. The kernel compares after each run.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bed, openBed } from './bed.ts';
import { FORWARD_CASES } from './cases/forward-cases.ts';
import { FRAGMENT_CASES } from './cases/fragment-cases.ts';
import { ICMP_ERROR_CASES } from './cases/icmp-error-cases.ts';
import { IPV6_CASES } from './cases/ipv6-cases.ts';
import { NEXT_HOP_CASES } from './cases/next-hop-cases.ts';
import { enterNetwork } from './network.ts';
import { Scene } from './scene.ts';
import { HASH_SEED, testConfig } from './situation.ts';

const CASES = [...FORWARD_CASES, ...FRAGMENT_CASES, ...ICMP_ERROR_CASES, ...IPV6_CASES, ...NEXT_HOP_CASES];
/** Those in which packets are translated, and none is made. */
const TRANSLATED = [
  'a SYN goes to the backend',
  'with the longest IP options',
  'an answer comes from the VIP and goes to the client by its gateway',
  'a wrong checksum stays wrong',
  'UDP there and back',
  'a UDP checksum that becomes 0 is written as 0xffff',
  'fragments of a datagram go the way of the first, and of its answer too',
  'frag-needed about an answer reaches the backend, about what the backend sent',
  'an error about a forwarded packet reaches the client; the backend’s own comes from the VIP',
  'an unresolved backend gets its packet through the kernel, rewritten',
  'TCP and UDP there and back over IPv6',
  'extension headers stay; too many, too long ones and routing headers end it',
  'packet-too-big reaches the backend and the client over IPv6',
  'fragments of an IPv6 datagram follow the first',
];

let bed: Bed;
let scene: Scene;
beforeAll(() => {
  enterNetwork();
  const config = testConfig({ reject: { perSecond: 20 } });
  bed = openBed({ config, hashSeed: HASH_SEED, hook: 'tc', checksumComplete: true });
  scene = new Scene(bed, new Set());
});
afterAll(() => bed?.close());

it.each(TRANSLATED)('%s', async (name) => {
  const found = CASES.find((each) => each.name === name);
  if (found === undefined) expect.fail('there is no such case');
  await found.run(scene);
});
