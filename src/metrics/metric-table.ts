/**
 * Every metric by name, type, labels and help: names and labels are a promise.
 * docs/operations.md shows the same table.
 *
 * Labels are bounded by what the operator configured (services, devices) or by
 * the code (reasons, states). No label holds a client's address. Backends are
 * the largest number: above a limit their series are left out and counted.
 */

export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

const SERVICE = ['namespace', 'service', 'frontend'] as const;

function metric(
  type: MetricDefinition['type'],
  name: string,
  labels: readonly string[],
  help: string,
): MetricDefinition {
  return { name: `l4lb_${name}`, type, labels, help };
}

export const metricTable = {
  info: metric(
    'gauge',
    'agent_info',
    ['version', 'node', 'hash_seed_fingerprint', 'layout_version'],
    'Always 1; nodes that share clients must have one fingerprint.',
  ),
  startTime: metric(
    'gauge',
    'agent_start_time_seconds',
    [],
    'When the agent started, in seconds since 1970.',
  ),
  cpuSeconds: metric(
    'counter',
    'agent_cpu_seconds_total',
    [],
    'CPU time the agent has used; packets are not in it.',
  ),
  longestStall: metric(
    'gauge',
    'agent_longest_stall_seconds',
    [],
    'The longest time since the agent started for which its event loop took up nothing new.',
  ),
  residentBytes: metric('gauge', 'agent_resident_memory_bytes', [], 'Resident memory of the agent.'),
  announced: metric(
    'gauge',
    'announced',
    [],
    '1 when the VIP device is up, so that the ranges are announced.',
  ),
  drained: metric('gauge', 'drained', [], '1 when an operator has drained the node.'),
  deviceAttached: metric(
    'gauge',
    'device_attached',
    ['device', 'mode'],
    '1 when our program is on the device.',
  ),
  services: metric('gauge', 'services', [], 'Frontends in the maps.'),
  backends: metric('gauge', 'backends', ['state'], 'Backends in the maps, counted once a service, by state.'),
  problems: metric(
    'gauge',
    'problems',
    ['severity'],
    'Things that cannot be done as written; lbctl status lists them.',
  ),
  activeFlows: metric('gauge', 'active_flows', [], 'Flows that are alive now.'),
  servicePackets: metric(
    'counter',
    'service_packets_total',
    [...SERVICE, 'direction'],
    'Packets forwarded; in is client to backend.',
  ),
  serviceBytes: metric(
    'counter',
    'service_bytes_total',
    [...SERVICE, 'direction'],
    'Bytes forwarded, from the IP header on.',
  ),
  serviceFlows: metric('counter', 'service_flows_total', SERVICE, 'Flows begun.'),
  serviceActiveFlows: metric(
    'gauge',
    'service_active_flows',
    SERVICE,
    'Flows of the service that are alive now.',
  ),
  serviceBackends: metric(
    'gauge',
    'service_backends',
    [...SERVICE, 'state'],
    'Backends of the service; active ones take new flows.',
  ),
  serviceDrops: metric(
    'counter',
    'service_drops_total',
    [...SERVICE, 'reason'],
    'Packets dropped for the service; reasons that never occurred are left out.',
  ),
  backendPackets: metric(
    'counter',
    'backend_packets_total',
    [...SERVICE, 'backend', 'direction'],
    'Packets forwarded to (in) and from (out) the backend.',
  ),
  backendBytes: metric(
    'counter',
    'backend_bytes_total',
    [...SERVICE, 'backend', 'direction'],
    'Bytes forwarded to and from the backend.',
  ),
  backendFlows: metric(
    'counter',
    'backend_flows_total',
    [...SERVICE, 'backend'],
    'Flows begun towards the backend.',
  ),
  backendsOmitted: metric(
    'gauge',
    'metrics_backends_omitted',
    [],
    'Backends without series of their own, because there are too many.',
  ),
  drops: metric('counter', 'drops_total', ['reason'], 'Packets dropped, by reason.'),
  dropBytes: metric('counter', 'drop_bytes_total', ['reason'], 'Bytes of dropped packets, by reason.'),
  events: metric(
    'counter',
    'events_total',
    ['event'],
    'Packets to which something happened that is neither forwarding nor a drop.',
  ),
  snatRecords: metric(
    'gauge',
    'snat_records',
    [],
    'Flows there is room for: SNAT ports of all addresses, and shared ones.',
  ),
  snatRecordsUsed: metric('gauge', 'snat_records_used', [], 'Of those, in use or in their hold time.'),
  poolCapacity: metric('gauge', 'pool_capacity', ['pool'], 'Entries of a pool in the maps.'),
  poolUsed: metric(
    'gauge',
    'pool_used',
    ['pool'],
    'Entries of a pool in use; a change that finds it full waits.',
  ),
  mapsBytes: metric('gauge', 'maps_bytes', [], 'Memory of the BPF maps.'),
  sourceSynced: metric('gauge', 'source_synced', [], '1 when the source has given a complete list.'),
  sourceObjects: metric('gauge', 'source_objects', [], 'Services and EndpointSlices read.'),
  sourceLastChange: metric(
    'gauge',
    'source_last_change_timestamp_seconds',
    [],
    'When the objects changed last, in seconds since 1970; 0: never.',
  ),
  sourceConnected: metric(
    'gauge',
    'source_connected',
    ['kind'],
    '1 while a watch of the API server is open.',
  ),
  sourceLastHeard: metric(
    'gauge',
    'source_last_heard_timestamp_seconds',
    ['kind'],
    'When the API server was heard last (event, bookmark or list), in seconds since 1970; 0: never.',
  ),
  sourceRelists: metric(
    'counter',
    'source_relists_total',
    ['kind'],
    'Complete lists read from the API server after the first.',
  ),
  sourceErrors: metric('counter', 'source_errors_total', ['kind'], 'Attempts to list or watch that failed.'),
  controllerLeads: metric(
    'gauge',
    'controller_leader',
    [],
    '1 when this agent is the one that writes to the cluster.',
  ),
  controllerAddresses: metric(
    'gauge',
    'controller_pool_addresses',
    ['pool', 'family'],
    'Addresses of the pool that Services can get; of the leader only.',
  ),
  controllerAddressesUsed: metric(
    'gauge',
    'controller_pool_addresses_used',
    ['pool', 'family'],
    'Of those, the ones that Services have.',
  ),
  controllerWaiting: metric(
    'gauge',
    'controller_services_waiting',
    [],
    'Services that have not the addresses they ask for; of the leader only.',
  ),
  controllerWrites: metric(
    'counter',
    'controller_writes_total',
    ['what'],
    'Requests to write a status or an event (status, event), and attempts after which a pause was needed (failed).',
  ),
  lastApply: metric(
    'gauge',
    'last_apply_timestamp_seconds',
    [],
    'When the maps were last made what the source says, in seconds since 1970; 0: never.',
  ),
  applyDuration: metric(
    'histogram',
    'apply_duration_seconds',
    [],
    'How long it took to bring a change into the maps.',
  ),
  applyFailures: metric(
    'counter',
    'apply_failures_total',
    [],
    'Attempts to bring a change into the maps that failed as a whole.',
  ),
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof metricTable;
