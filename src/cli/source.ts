/** Where the views come from: the agent, or the maps it left pinned. */
import type { ConnectionView, MaglevView, ServiceView, StatsView, StatusView } from '../api/types.ts';
import type { Problem } from '../services/desired-state.ts';

/** As the query of `/v1/connections`: what the source can leave out before it answers. All parts must match. */
export interface ConnectionQuery {
  /** Address or CIDR. */
  readonly client?: string;
  /** Address, with or without `:port`. */
  readonly backend?: string;
  /** `10.1.0.2:53/UDP` */
  readonly service?: string;
  readonly state?: string;
  readonly protocol?: string;
  readonly limit?: number;
}

export interface Source {
  readonly origin: 'agent' | 'maps';
  status(): Promise<StatusView>;
  /** @throws CliError without an agent, who alone knows them. */
  problems(): Promise<Problem[]>;
  services(): Promise<ServiceView[]>;
  connections(query: ConnectionQuery): Promise<ConnectionView[]>;
  stats(): Promise<StatsView>;
  maglev(service: ServiceView): Promise<MaglevView>;
}
