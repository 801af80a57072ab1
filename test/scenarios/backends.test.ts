/** Backends come, go and change under load. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BackendView } from '../../src/api/types.ts';
import { since } from '../rig/load/counters.ts';
import { httpLoad, streamLoad } from '../rig/load.ts';
import { type EndpointSpec, type ServiceSpec, withEndpoint, writeService } from '../rig/manifests.ts';
import { VIP } from '../rig/one-armed.ts';
import { addressOf, CLIENT, type LbRig, standLbRig } from './lb-rig.ts';

let lb: LbRig;
beforeAll(async () => {
  lb = await standLbRig('back');
});
afterAll(() => lb?.rig.destroy());
afterEach(async () => {
  if (lb === undefined) return;
  for (const service of Object.values(lb.services)) await apply(service);
});

/** Writes it and waits until every backend of it is programmed as the manifest says. */
async function apply(service: ServiceSpec, then: (backends: readonly BackendView[]) => boolean = () => true) {
  writeService(lb.rig, service);
  const addresses = service.endpoints.map((endpoint) => endpoint.address).sort();
  await lb.agents[0]?.untilServices(`${service.name} is programmed`, (views) =>
    views
      .filter((view) => view.name === service.name)
      .every(
        (view) =>
          view.backends
            .map((each) => each.address)
            .sort()
            .join() === addresses.join() && then(view.backends),
      ),
  );
}

const isDraining = (address: string) => (backends: readonly BackendView[]) =>
  backends.some((each) => each.address === address && each.state === 'draining');

describe.each<[string, Partial<EndpointSpec>]>([
  ['terminating', { ready: false, serving: true, terminating: true }],
  ['not ready', { ready: false }],
  ['of weight 0', { weight: 0 }],
])('a backend that is %s', (_, change) => {
  it('keeps its connections and gets no new ones', async () => {
    const { echo, web } = lb.services;
    const streams = await streamLoad(lb.rig, CLIENT, { host: VIP, port: 7, connections: 20 });
    const before = await streams.until('20 streams', (counters) => counters.open === 20);
    expect(before.byPod['echo-1']).toBeGreaterThan(0);
    const kept = await httpLoad(lb.rig, CLIENT, { host: VIP, port: 80, keepAlive: true, loops: 48 });
    await kept.until('kept connections to web-1-1', (counters) => (counters.answers['web-1-1'] ?? 0) > 0);

    await apply(withEndpoint(echo, 'echo-1', change), isDraining(addressOf(echo, 'echo-1')));
    await apply(withEndpoint(web, 'web-1-1', change), isDraining(addressOf(web, 'web-1-1')));

    const fresh = await httpLoad(lb.rig, CLIENT, { host: VIP, port: 80 });
    const first = await fresh.until('first requests', (counters) => counters.requests > 20);
    const later = await fresh.until('300 requests', (counters) => counters.requests > first.requests + 300);
    expect(since(first, later).answers).not.toHaveProperty('web-1-1');

    const mark = await kept.read();
    const went = await kept.until(
      'kept connections go on',
      (counters) => counters.requests > mark.requests + 300,
    );
    expect(since(mark, went).answers['web-1-1']).toBeGreaterThan(0);
    const bytes = (await streams.read()).leastBytes;
    const moved = await streams.until('every stream moves on', (counters) => counters.leastBytes > bytes);
    expect(moved.byPod).toEqual(before.byPod);

    const [a, b, c] = [await fresh.stop(), await kept.stop(), await streams.stop()];
    expect([a.failures, b.failures, c.broken]).toEqual([[], [], []]);
  });
});

describe('a backend that is removed while it has connections', () => {
  it('fails requests on itself only', async () => {
    const { web } = lb.services;
    const kept = await httpLoad(lb.rig, CLIENT, {
      host: VIP,
      port: 80,
      keepAlive: true,
      loops: 64,
      timeout: 3000,
    });
    await kept.until('connections to all pods', (counters) => Object.keys(counters.answers).length === 4);
    await apply(withEndpoint(web, 'web-1-1', undefined));
    const mark = await kept.read();
    const later = await kept.until('requests go on', (counters) => counters.requests > mark.requests + 300);
    expect(since(mark, later).answers).not.toHaveProperty('web-1-1');
    const total = await kept.stop();
    const others = total.failures.filter((failure) => failure.pod !== 'web-1-1');
    console.log(
      `removed at once: ${total.failures.length} of ${total.requests} failed, all on the removed pod`,
    );
    expect(others).toEqual([]);
  });

  it('breaks no stream of another', async () => {
    const { echo } = lb.services;
    const streams = await streamLoad(lb.rig, CLIENT, { host: VIP, port: 7, connections: 20, patience: 2000 });
    const before = await streams.until('20 streams', (counters) => counters.open === 20);
    await apply(withEndpoint(echo, 'echo-1', undefined));
    const after = await streams.until(
      'the streams of the removed pod end',
      (c) => c.open === before.byPod['echo-2'],
    );
    expect(after.byPod).toEqual({ 'echo-2': before.byPod['echo-2'] });
    expect(after.broken.map((failure) => failure.pod)).toEqual(
      Array.from({ length: before.byPod['echo-1'] ?? 0 }, () => 'echo-1'),
    );
    await streams.stop();
  });
});

describe('a service whose backends are all gone', () => {
  it('refuses connections at once, and serves again when one comes back', async () => {
    const { web } = lb.services;
    await apply({ ...web, endpoints: [] });
    const curl = () => lb.rig.exec(CLIENT, ['curl', '-sSv', '-m', '5', `http://${VIP}/`]);
    await expect(curl()).rejects.toThrow(/Connection refused/);
    await apply(web);
    expect((await curl()).stdout).toMatch(/^web-/);
  });
});
