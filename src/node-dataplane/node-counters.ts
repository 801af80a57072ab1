/** Names of the node programs' drop reasons and events as people see them, and what to make of them. */
import { type CounterName, DROP_COUNTERS } from '../dataplane/inspect/counter-help.ts';
import { nodeDropReason, nodeDropReasonNames, nodeEvent, nodeEventNames } from '../layout/generated.ts';

type DropKey = Exclude<keyof typeof nodeDropReason, 'NODE_DROP_REASONS'>;
type EventKey = Exclude<keyof typeof nodeEvent, 'NODE_EVENTS'>;

const DROP_HELP: Record<DropKey, string> = {
  NODE_DROP_SOURCE:
    'A tunnel for a VIP from a source that is no LB node: forged, or tunnel.sources lacks it.',
  NODE_DROP_FRAGMENT: 'The tunnel itself was cut into fragments: raise the MTU between LB nodes and workers.',
  NODE_DROP_NO_TARGET:
    'No pod of this node serves that port of the VIP there: just gone, or check endpoints and node.',
  NODE_DROP_FLOW_TAKEN:
    'The client uses one port for many VIPs that lead to one port of a pod, and no port is left to tell them apart.',
  NODE_DROP_FLOWS_FULL: 'No room to remember the flow: raise limits.flows, or shorten timeouts.',
  NODE_DROP_CONGESTED:
    'A router on the way of the tunnel was congested and marked it, and its ends know no marks.',
};

const EVENT_HELP: Record<EventKey, string> = {
  NODE_EVENT_FLOW_EXPIRED: 'Flows whose place was taken by another after their timeout.',
  NODE_EVENT_FLOW_EVICTED:
    'Half-open flows whose place was taken before it: a SYN flood, or limits.flows is small.',
  NODE_EVENT_ICMP_TO_POD: 'ICMP errors about answers, translated for the pod.',
  NODE_EVENT_ICMP_TO_CLIENT: 'ICMP errors about requests, translated for the client.',
  NODE_EVENT_FRAGMENT_TO_POD: 'Later fragments of requests.',
  NODE_EVENT_PORT_CHANGED:
    'Flows that got another client port at their pod, which has one of theirs through another VIP.',
  NODE_EVENT_FRAGMENT_TO_CLIENT: 'Later fragments of answers, by the ports of the first one.',
};

/** Reasons of reading a packet that the lb program has too. */
const SHARED = [
  'truncated',
  'bad-header',
  'unknown-protocol',
  'icmp',
  'icmp-no-flow',
  'extension-header',
  'internal',
];

const plain = (name: string): string =>
  name
    .replace(/^NODE_(DROP|EVENT)_/, '')
    .toLowerCase()
    .replaceAll('_', '-');

/** `NODE_DROP_NO_TARGET` is `no-target`. */
export const NODE_DROP_COUNTERS: readonly CounterName[] = [
  ...DROP_COUNTERS.filter(({ name }) => SHARED.includes(name)),
  ...(Object.keys(DROP_HELP) as DropKey[]).map((key) => {
    const index = nodeDropReason[key];
    return { index, name: plain(nodeDropReasonNames[index] ?? key), help: DROP_HELP[key] };
  }),
];

export const NODE_EVENT_COUNTERS: readonly CounterName[] = (Object.keys(EVENT_HELP) as EventKey[]).map(
  (key) => ({
    index: nodeEvent[key],
    name: plain(nodeEventNames[nodeEvent[key]] ?? key),
    help: EVENT_HELP[key],
  }),
);
