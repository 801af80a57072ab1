/** How long things may take. */

/** An emulated machine is 13 times as slow: the VM tests ask for ten times the patience. */
const FACTOR = Number(process.env.L4LB_PATIENCE ?? 1);

/** Milliseconds to wait on this machine for what takes at most `milliseconds` on an ordinary one. */
export function patience(milliseconds: number): number {
  return milliseconds * FACTOR;
}
