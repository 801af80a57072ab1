import { expect, test } from 'vitest';
import { formatAddress } from '../../../src/net/address.ts';
import { planTargets, type TargetPlan } from '../../../src/node-dataplane/plan-targets.ts';
import type { DesiredBackend, DesiredService } from '../../../src/services/desired-state.ts';
import type { EndpointSlice } from '../../../src/sources/kube-objects.ts';

const HERE = { node: 'worker-1', endpoints: 'local' } as const;

const backend = (address: string, port: number, more: Partial<DesiredBackend> = {}): DesiredBackend => ({
  address,
  port,
  weight: 1,
  state: 'active',
  ...more,
});

const service = (vip: string, ...backends: DesiredBackend[]): DesiredService => ({
  frontend: { vip, port: 80, protocol: 'TCP' },
  namespace: 'demo',
  name: 'web',
  type: 'ExternalIPs',
  tableSize: 251,
  mode: 'ipip',
  backends,
});

const shown = ({ targets }: TargetPlan): string[] =>
  targets.map(
    ({ vip, port, protocol, outer, address, targetPort }) =>
      `${formatAddress(vip)} ${port}/${protocol} by ${formatAddress(outer)} to ${formatAddress(address)} ${targetPort}`,
  );
const codes = ({ problems }: TargetPlan): string[] => problems.map(({ code }) => code);

test('pods of this node, and endpoints that name none; draining ones keep their flows', () => {
  const web = service(
    '10.1.0.2',
    backend('10.40.1.2', 8080, { node: 'worker-1', state: 'draining' }),
    backend('10.40.2.2', 8080, { node: 'worker-2' }),
    backend('10.40.3.2', 8080),
  );
  expect(shown(planTargets([web], [], HERE))).toEqual([
    '10.1.0.2 80/6 by 10.40.1.2 to 10.40.1.2 8080',
    '10.1.0.2 0/0 by 10.40.1.2 to 10.40.1.2 0',
    '10.1.0.2 80/6 by 10.40.3.2 to 10.40.3.2 8080',
    '10.1.0.2 0/0 by 10.40.3.2 to 10.40.3.2 0',
  ]);
  expect(shown(planTargets([web], [], { ...HERE, endpoints: 'all' }))).toHaveLength(6);
});

test('a node whose name no endpoint has is probably misnamed', () => {
  const web = service('10.1.0.2', backend('10.40.2.2', 8080, { node: 'worker-2' }));
  const plan = planTargets([web], [], HERE);
  expect(plan.targets).toEqual([]);
  expect(codes(plan)).toEqual(['no-endpoint-here']);
  expect(codes(planTargets([], [], HERE))).toEqual([]);
});

test('two endpoints with one address: the first port gets all, and it is said', () => {
  const web = service('10.1.0.2', backend('10.0.0.5', 8080), backend('10.0.0.5', 8081));
  const plan = planTargets([web], [], HERE);
  expect(shown(plan)[0]).toBe('10.1.0.2 80/6 by 10.0.0.5 to 10.0.0.5 8080');
  expect(plan.targets).toHaveLength(2);
  expect(codes(plan)).toEqual(['endpoint-ports']);
});

test('a tunnel of the other family leads to the same pod in the family of the VIP', () => {
  const slice = (address: string): EndpointSlice => ({
    kind: 'EndpointSlice',
    namespace: 'demo',
    name: address,
    annotations: {},
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    ports: [],
    endpoints: [
      { addresses: [address], ready: true, serving: true, terminating: false, target: 'demo/web-1' },
    ],
  });
  const web = service('10.1.0.2', backend('2001:db8:40::2', 8080, { target: 'demo/web-1' }));
  const slices = [slice('10.40.1.2'), slice('2001:db8:40::2')];
  expect(shown(planTargets([web], slices, HERE))[0]).toBe(
    '10.1.0.2 80/6 by 2001:db8:40::2 to 10.40.1.2 8080',
  );
  const without = planTargets([web], slices.slice(1), HERE);
  expect(without.targets).toEqual([]);
  expect(codes(without)).toEqual(['pod-family']);
});
