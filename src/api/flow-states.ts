/** What a flow's state can be, as {@link ConnectionView} has it; of bpf/types.h, and `client` of a remembered client. */
export const FLOW_STATES: readonly string[] = [
  'syn',
  'established',
  'fin-client',
  'fin-backend',
  'closed',
  'udp',
  'udp-replied',
  'client',
];
