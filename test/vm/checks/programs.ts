/** What the verifier of this kernel made of our programs, as the agent's log says. */
import assert from 'node:assert/strict';
import type { Check, Facts } from '../check.ts';
import type { VmBed } from '../vm-bed.ts';

export const programChecks: ReadonlyArray<Check<VmBed>> = [
  { name: 'programs: the agent loads and attaches them', run: loaded },
];

/** Instructions the verifier walked, by program, as the agent's log says. */
export function verifiedBy({ process }: VmBed['agent']): Facts {
  const lines = process.output(1 << 20).split('\n');
  const line = lines.find((text) => text.includes('"verified"'));
  if (line === undefined) throw new Error(`the log does not say what was verified\n${lines.join('\n')}`);
  const { verified } = JSON.parse(line) as { verified: Record<string, number> };
  for (const [name, count] of Object.entries(verified)) assert.ok(count > 1000, `${name}: ${count}`);
  return verified;
}

async function loaded({ agent }: VmBed): Promise<Facts> {
  const verified = verifiedBy(agent);
  assert.deepEqual(Object.keys(verified).sort(), ['lb_tc', 'lb_xdp']);
  const { devices, problems } = await agent.status();
  assert.deepEqual(
    devices.filter(({ attached }) => !attached),
    [],
  );
  assert.deepEqual(problems, []);
  return verified;
}
