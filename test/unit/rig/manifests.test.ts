import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { decodeEndpointSlice, decodeService } from '../../../src/sources/kube-decoders.ts';
import { demoServices, type ServiceSpec, serviceManifest, withEndpoint } from '../../rig/manifests.ts';
import { oneArmedTopology } from '../../rig/one-armed.ts';

const { web, dns } = demoServices(oneArmedTopology({ id: 't' }));

/** Through the agent's own decoders: a manifest that they refuse is no use. */
function decoded(spec: ServiceSpec) {
  const [first, second] = parseAllDocuments(serviceManifest(spec)).map(
    (document) => document.toJS() as unknown,
  );
  const service = decodeService(first);
  const slice = decodeEndpointSlice(second);
  if (!service.ok || !slice.ok) throw new Error('the agent would refuse this manifest');
  return { service: service.value, slice: slice.value };
}

describe('serviceManifest', () => {
  it('is a Service with the VIP and a slice with its pods', () => {
    const { service, slice } = decoded(web);
    expect(service).toMatchObject({
      name: 'web',
      externalIPs: ['10.1.0.2'],
      ports: [{ port: 80, protocol: 'TCP' }],
    });
    expect(slice.service).toBe('web');
    expect(slice.ports).toMatchObject([{ name: 'http', port: 8080 }]);
    expect(slice.endpoints.map((endpoint) => endpoint.addresses[0])).toEqual([
      '10.40.1.1',
      '10.40.1.2',
      '10.40.2.1',
      '10.40.2.2',
    ]);
  });

  it('has a port for each protocol of one number', () => {
    expect(decoded(dns).service.ports).toMatchObject([
      { port: 53, protocol: 'UDP' },
      { port: 53, protocol: 'TCP' },
    ]);
  });

  it('says conditions and weights', () => {
    const spec = withEndpoint(
      withEndpoint(web, 'web-1-1', { ready: false, serving: true, terminating: true }),
      'web-2-1',
      {
        weight: 0,
      },
    );
    const { slice } = decoded(spec);
    expect(slice.endpoints[0]).toMatchObject({ ready: false, serving: true, terminating: true });
    expect(slice.endpoints[1]).toMatchObject({ ready: true, serving: true, terminating: false });
    expect(JSON.parse(slice.annotations['l4lb.io/weights'] ?? '')).toEqual({ '10.40.2.1': 0 });
  });
});

describe('withEndpoint', () => {
  it('takes an endpoint out and leaves the others', () => {
    expect(withEndpoint(web, 'web-1-2', undefined).endpoints.map((endpoint) => endpoint.pod)).toEqual([
      'web-1-1',
      'web-2-1',
      'web-2-2',
    ]);
  });
});
