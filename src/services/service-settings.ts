/** What of the configuration decides how Services are served. */
import type { Config } from '../config/config.ts';
import { type Family, familyOf } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { BackendKind, ServiceMode } from './desired-state.ts';

export interface ServiceSettings {
  /** The VIP ranges of the configuration. */
  readonly ranges: readonly Prefix[];
  /** Slots of a Maglev table where the Service does not say: one of TABLE_SIZES. */
  readonly defaultTableSize: number;
  /** Undefined: pods, whatever Services say. */
  readonly backends: BackendSettings | undefined;
  /** How packets travel where the Service does not say. */
  readonly mode: ServiceMode;
  /** Families of the SNAT addresses. */
  readonly snatFamilies: readonly Family[];
  /** Undefined: DSR is not configured. */
  readonly dsr: DsrSettings | undefined;
}

export interface BackendSettings {
  /** Of Services that do not say. */
  readonly kind: BackendKind;
  /** Nodes are known, so that a Service may ask for node ports. */
  readonly nodes: boolean;
}

export interface DsrSettings {
  /** Families that outer headers have a source for. */
  readonly sourceFamilies: readonly Family[];
  /** Milliseconds. */
  readonly window: { readonly tcp: number; readonly udp: number };
}

export function serviceSettings({
  source,
  vips,
  maglev,
  backends,
  mode,
  snat,
  dsr,
}: Pick<Config, 'source' | 'vips' | 'maglev' | 'backends' | 'mode' | 'snat' | 'dsr'>): ServiceSettings {
  return {
    ranges: vips.ranges,
    defaultTableSize: maglev.slots,
    backends: { kind: backends, nodes: source.nodes },
    mode,
    snatFamilies: [...new Set(snat.ranges.map(({ first }) => familyOf(first)))],
    dsr: dsr && { sourceFamilies: dsr.source.map(({ network }) => familyOf(network)), window: dsr.window },
  };
}
