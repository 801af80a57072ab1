/** All that can become of a packet, and every rule that decides it: what a long enough run has to reach. */
import { SERVICE_MODES } from '../../src/services/desired-state.ts';
import { TRACKED_RULES } from '../model/tracked.ts';
import { OUTCOMES } from '../packet/reached.ts';

const FAMILIES = [4, 6] as const;

const SENT = SERVICE_MODES.filter((mode) => mode !== 'snat').flatMap((mode) =>
  FAMILIES.flatMap((inner) =>
    mode === 'l2'
      ? [`sent: ${mode}, IPv${inner}`]
      : FAMILIES.map((outer) => `sent: ${mode}, IPv${inner} in IPv${outer}`),
  ),
);

export const RULES: readonly string[] = [
  ...['pass', 'drop', 'tx', 'redirect'],
  ...OUTCOMES,
  ...TRACKED_RULES.map((rule) => `rule: ${rule}`),
  ...SENT,
  ...['too big: in pieces', 'too big: in silence', 'too big: nobody to tell'],
  ...['to the backend', 'to the client'].flatMap((way) =>
    ['fragmented by the kernel', 'IPv4', 'IPv6'].map((what) => `too big ${way}: ${what}`),
  ),
  ...[
    'error: to the owner',
    'error: after the flow',
    'error: after the client',
    'error: to the oldest owner',
  ],
];
