/**
 * Maglev in plain TypeScript, for the model and to check the C one slot by slot. Written for reading:
 * Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4,
 * with quotas for weights.
 *
 * Each backend walks its own permutation, offset + i * skip modulo the number of slots, and takes the
 * next slot that is free when it is its turn. Its k-th turn (from 0) comes in round
 * k * largest quota / its quota, rounded down; within a round the order is that of the backends. So a
 * backend with half the largest quota takes a turn in every second round, and the turns of the others stay
 * where they are when one joins or leaves.
 */
export function referenceTable(slots: number, hashes: BigUint64Array, quotas: Uint32Array): Uint16Array {
  const largest = Math.max(...quotas);
  const turns: Array<{ round: number; backend: number }> = [];
  quotas.forEach((quota, backend) => {
    for (let k = 0; k < quota; k++) turns.push({ round: Math.floor((k * largest) / quota), backend });
  });
  turns.sort((x, y) => x.round - y.round || x.backend - y.backend);
  const positions = Array.from(quotas, (_, backend) =>
    Number((hashes[backend * 2] as bigint) % BigInt(slots)),
  );
  const skips = Array.from(
    quotas,
    (_, backend) => 1 + Number((hashes[backend * 2 + 1] as bigint) % BigInt(slots - 1)),
  );
  const owners = new Uint16Array(slots).fill(0xffff);
  for (const { backend } of turns) {
    let position = positions[backend] as number;
    while (owners[position] !== 0xffff) position = (position + (skips[backend] as number)) % slots;
    owners[position] = backend;
    positions[backend] = position;
  }
  return owners;
}
