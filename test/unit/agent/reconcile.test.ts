import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  initialState,
  type ReconcileEffects,
  type ReconcileState,
  reconcile,
} from '../../../src/agent/reconcile.ts';
import type { DesiredService, DesiredState } from '../../../src/services/desired-state.ts';
import type { SourceSnapshot } from '../../../src/sources/source.ts';

function service(vip: string): DesiredService {
  return {
    frontend: { vip, port: 80, protocol: 'TCP' },
    namespace: 'd',
    name: vip,
    type: 'ExternalIPs',
    mode: 'snat',
    tableSize: 251,
    backends: [],
  };
}

/** A node whose every effect is written down; it checks the promises of the order after each. */
class FakeNode {
  source: { synced: boolean; complete: boolean; vips: string[] } = {
    synced: false,
    complete: false,
    vips: [],
  };
  maps = new Set<string>();
  up = false;
  drained = false;
  attached = true;
  applyFails = false;
  vipFails = false;
  readonly log: string[] = [];

  effects(): ReconcileEffects {
    return {
      snapshot: (): SourceSnapshot => ({
        services: [],
        slices: [],
        nodes: [],
        problems: [],
        synced: this.source.synced,
        complete: this.source.complete,
      }),
      desiredState: async (): Promise<DesiredState> => ({
        services: this.source.vips.map(service),
        problems: [],
      }),
      apply: async (state, { deletions }) => {
        expect(this.source.synced).toBe(true);
        const wanted = state.services.map(({ frontend }) => frontend.vip);
        for (const vip of wanted) {
          this.maps.add(vip);
          if (this.applyFails) throw new Error('map full');
        }
        for (const vip of [...this.maps]) {
          if (wanted.includes(vip) || !deletions) continue;
          // Withdrawn before the last service leaves the maps.
          if (this.maps.size === 1) expect(this.up).toBe(false);
          this.maps.delete(vip);
        }
        this.log.push(`apply ${[...this.maps].join()}`);
        return [];
      },
      servicesInMaps: () => this.maps.size,
      devicesAttached: () => this.attached,
      drained: () => this.drained,
      setVip: async (up) => {
        if (this.vipFails) throw new Error('device gone');
        // Announced is only what can be served.
        if (up) expect(this.maps.size).toBeGreaterThan(0);
        if (up) expect(this.drained || !this.attached).toBe(false);
        const changed = this.up !== up;
        this.up = up;
        if (changed) this.log.push(up ? 'up' : 'down');
        return changed;
      },
    };
  }

  async run(state: ReconcileState): Promise<ReconcileState> {
    return (await reconcile(this.effects(), state)).state;
  }
}

describe('one reconcile', () => {
  test('programs before it announces, withdraws before it unprograms', async () => {
    const node = new FakeNode();
    let state = await node.run(initialState);
    expect(node.log).toEqual([]);
    node.source = { synced: true, complete: true, vips: ['10.1.0.2'] };
    state = await node.run(state);
    node.source = { synced: true, complete: true, vips: [] };
    await node.run(state);
    expect(node.log).toEqual(['apply 10.1.0.2', 'up', 'down', 'apply ']);
  });

  test('a restarted agent touches nothing before the source is synced, and deletes nothing before it is whole', async () => {
    const node = new FakeNode();
    node.maps = new Set(['10.1.0.2', '10.1.0.3']);
    node.up = true;
    let state = await node.run(initialState);
    expect(node.log).toEqual([]);
    expect(state.announcement).toEqual({ device: 'leave', reason: 'not-synced' });
    node.source = { synced: true, complete: false, vips: ['10.1.0.2'] };
    state = await node.run(state);
    expect(node.log).toEqual(['apply 10.1.0.2,10.1.0.3']);
    node.source.complete = true;
    await node.run(state);
    expect(node.log.at(-1)).toBe('apply 10.1.0.2');
  });

  test('a drain withdraws even if the maps refuse, and the failure is still told', async () => {
    const node = new FakeNode();
    node.source = { synced: true, complete: true, vips: ['10.1.0.2'] };
    const state = await node.run(initialState);
    node.applyFails = true;
    node.drained = true;
    await expect(node.run(state)).rejects.toThrow('map full');
    expect(node.up).toBe(false);
  });

  test('a failed change does not withdraw what is served', async () => {
    const node = new FakeNode();
    node.source = { synced: true, complete: true, vips: ['10.1.0.2'] };
    const state = await node.run(initialState);
    node.source.vips = ['10.1.0.2', '10.1.0.3'];
    node.applyFails = true;
    await expect(node.run(state)).rejects.toThrow('map full');
    expect(node.up).toBe(true);
  });

  type Step =
    | { kind: 'source'; synced: boolean; complete: boolean; vips: string[] }
    | { kind: 'drained' | 'attached' | 'applyFails' | 'vipFails'; value: boolean }
    | { kind: 'restart' };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      kind: fc.constant('source' as const),
      synced: fc.boolean(),
      complete: fc.boolean(),
      vips: fc.uniqueArray(fc.constantFrom('10.1.0.2', '10.1.0.3', '10.1.0.4')),
    }),
    fc.record({
      kind: fc.constantFrom(
        'drained' as const,
        'attached' as const,
        'applyFails' as const,
        'vipFails' as const,
      ),
      value: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('restart' as const) }),
  );

  test('any history ends where its last state alone would', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const node = new FakeNode();
        let state = initialState;
        for (const one of steps) {
          if (one.kind === 'source') node.source = { ...one };
          else if (one.kind === 'restart') state = initialState;
          else node[one.kind] = one.value;
          const before = new Set(node.maps);
          try {
            state = await node.run(state);
          } catch {}
          if (!node.source.synced || !node.source.complete) {
            for (const vip of before) expect(node.maps.has(vip)).toBe(true);
          }
          if (!node.vipFails && (node.drained || !node.attached)) expect(node.up).toBe(false);
        }
        node.applyFails = false;
        node.vipFails = false;
        node.source = { ...node.source, synced: true, complete: true };
        await node.run(state);
        expect([...node.maps].sort()).toEqual([...node.source.vips].sort());
        expect(node.up).toBe(!node.drained && node.attached && node.source.vips.length > 0);
      }),
      { numRuns: 300 },
    );
  });
});
