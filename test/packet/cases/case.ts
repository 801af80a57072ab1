import type { Scene } from '../scene.ts';

/** A packet test; `setup` names the configuration it needs. */
export interface Case {
  readonly name: string;
  /**
   * roomy: 20 ports of 3 addresses, everything answered. tight: one port of each, 2 records to share. full:
   * the same with room for 4 flows. silent: nothing is answered.
   * ipv6: no VIP range is of IPv4.
   */
  readonly setup?: 'roomy' | 'tight' | 'full' | 'silent' | 'ipv6';
  /** Tags are in the frame on XDP only. */
  readonly hooks?: ReadonlyArray<'xdp' | 'tc'>;
  run(scene: Scene): Promise<void> | void;
}
