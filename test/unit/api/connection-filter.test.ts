import { describe, expect, test } from 'vitest';
import { matchesFilter, parseConnectionFilter } from '../../../src/api/connection-filter.ts';
import { FLOW_STATES } from '../../../src/api/flow-states.ts';
import type { ConnectionView } from '../../../src/api/types.ts';
import { plainName } from '../../../src/dataplane/inspect/counter-help.ts';
import { flowStateNames } from '../../../src/layout/generated.ts';

const flow: ConnectionView = {
  protocol: 'TCP',
  client: '192.0.2.7:40000',
  frontend: '10.1.0.2:80/TCP',
  snat: '10.2.0.1:2000',
  backend: '10.0.0.5:8080',
  state: 'established',
  idleSeconds: 1,
  expiresInSeconds: 10,
  service: 'default/web',
};

describe('the filter of connections', () => {
  test.each([
    ['', true],
    ['client=192.0.2.7', true],
    ['client=192.0.2.8', false],
    ['client=192.0.2.0/24', true],
    ['client=192.0.3.0/24', false],
    ['client=0.0.0.0/0', true],
    ['backend=10.0.0.5', true],
    ['backend=10.0.0.5:8080', true],
    ['backend=10.0.0.5:80', false],
    ['service=web', true],
    ['service=default/web', true],
    ['service=10.1.0.2:80/TCP', true],
    ['service=other/web', false],
    ['state=ESTABLISHED', true],
    ['state=closed', false],
    ['protocol=tcp', true],
    ['protocol=UDP', false],
    ['client=192.0.2.7&protocol=UDP', false],
  ])('%j matches: %s', (query, expected) => {
    expect(matchesFilter(parseConnectionFilter(new URLSearchParams(query)), flow)).toBe(expected);
  });

  test.each([
    ['client=2001:DB8::7', true],
    ['client=2001:db8::/32', true],
    ['client=2001:db8::8', false],
    ['client=192.0.2.7', false],
    ['client=::/0', true],
    ['client=0.0.0.0/0', false],
    ['backend=2001:db8:3:0::5', true],
    ['backend=[2001:db8:3::5]:8080', true],
    ['backend=[2001:db8:3::5]:80', false],
    ['service=[2001:db8:1::2]:80/TCP', true],
  ])('%j matches an IPv6 flow: %s', (query, expected) => {
    const six = {
      ...flow,
      client: '[2001:db8::7]:40000',
      frontend: '[2001:db8:1::2]:80/TCP',
      backend: '[2001:db8:3::5]:8080',
    };
    expect(matchesFilter(parseConnectionFilter(new URLSearchParams(query)), six)).toBe(expected);
  });

  test.each([
    ['clint=1', /unknown parameter "clint"/],
    ['client=300.1.1.1', /client=300/],
    ['client=192.0.2.7/33', /client=/],
    ['backend=10.0.0.5:0', /backend=/],
    ['backend=10.0.0.5:1:2', /backend=/],
    ['backend=[2001:db8::5]:0', /backend=/],
    ['client=2001:db8::/129', /client=/],
    ['protocol=SCTP', /protocol=SCTP/],
    ['state=open', /state=open/],
    ['state=free', /state=free/],
    ['limit=0', /limit=0/],
    ['limit=-1', /limit=-1/],
    ['limit=1e3', /limit=1e3/],
    ['limit=99999999', /limit=/],
  ])('%j is refused', (query, message) => {
    expect(() => parseConnectionFilter(new URLSearchParams(query))).toThrow(message);
  });

  test('every state that a flow is shown with can be asked for', () => {
    // A place that is free, or about to be taken, is no flow.
    const [, , ...live] = flowStateNames.map(plainName);
    expect(FLOW_STATES).toEqual([...live, 'client']);
  });
});
