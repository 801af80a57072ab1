/** IPv6 and the modes, as people see them. */
import { expect, test } from 'vitest';
import type { Frame } from '../../../src/cli/present.ts';
import { selectServices } from '../../../src/cli/select-services.ts';
import { makeStyler } from '../../../src/cli/style.ts';
import { backendRows, renderBackends } from '../../../src/cli/views/backend-table.ts';
import { renderServiceDetails } from '../../../src/cli/views/service-details.ts';
import { renderServices } from '../../../src/cli/views/service-table.ts';
import { backend, service } from './fixtures.ts';

const SIX = service({
  vip: '2001:db8:1::2',
  frontend: '[2001:db8:1::2]:53/UDP',
  mode: 'gue',
  affinity: 'ClientIP',
  hash: '3-tuple',
  sourceRanges: ['192.0.2.0/24', '198.51.100.0/24'],
  backends: [backend('2001:db8:3::5', { port: 5353 })],
});

function frame<T>(wide = false): Frame<T> {
  const layout = { styler: makeStyler(false), headers: true, width: undefined, unicode: true };
  return { ...layout, wide, now: 0, previous: undefined };
}

test('an address with a port is in brackets, as Cilium prints it', () => {
  expect(renderServices([SIX], frame())).toMatchInlineSnapshot(`
    "ID   Frontend                Service Type   Backend
    1    [2001:db8:1::2]:53/UDP  ExternalIPs    1 => [2001:db8:3::5]:5353 (active)
    "
  `);
  expect(renderBackends(backendRows([SIX]), frame())).toMatchInlineSnapshot(`
    "Backend                Frontend                 State    Weight   Share   Active Flows   Next Hop
    [2001:db8:3::5]:5353   [2001:db8:1::2]:53/UDP   active        1   0.0 %              0   valid
    "
  `);
});

test('wide output has the mode', () => {
  expect(renderServices([SIX, service({ mode: 'l2' })], frame(true))).toMatchInlineSnapshot(`
    "ID   Frontend                Service Type   Mode   Service       Backend                              Weight   Share   Active Flows   Packets In   Packets Out
    1    [2001:db8:1::2]:53/UDP  ExternalIPs    gue    default/dns   1 => [2001:db8:3::5]:5353 (active)        1   0.0 %              0            0             0
    1    10.1.0.2:53/UDP         ExternalIPs    l2     default/dns   -
    "
  `);
});

test('everything about a service: mode, affinity, hash, and who may come', () => {
  expect(renderServiceDetails([SIX], frame())).toMatchInlineSnapshot(`
    "Service:        default/dns
    Frontend:       [2001:db8:1::2]:53/UDP
    ID:             1
    Type:           ExternalIPs
    Mode:           gue
    Affinity:       ClientIP
    Hash:           3-tuple
    Clients:        192.0.2.0/24
                    198.51.100.0/24
    Table:          4099 slots
    Active flows:   0
    New flows:      0
    Traffic in:     0 packets, 0 B
    Traffic out:    0 packets, 0 B
    Dropped:        nothing

    Backend                State    Weight   Share   Active Flows   Flows   Packets In   Packets Out   Next Hop   Pod   Node
    [2001:db8:3::5]:5353   active        1   0.0 %              0       0            0             0   valid      -     -
    "
  `);
  expect(renderServiceDetails([service({ sourceRanges: [] })], frame())).toMatch(/^Clients: +nobody$/m);
  expect(renderServiceDetails([service()], frame())).toMatch(/^Clients: +everybody$/m);
});

test.each(['2001:db8:1::2', '[2001:db8:1::2]:53', '[2001:db8:1::2]:53/udp', 'default/dns:53'])(
  '%s selects the service',
  (selector) => expect(selectServices([SIX, service({ id: 7, name: 'other' })], selector)).toEqual([SIX]),
);
