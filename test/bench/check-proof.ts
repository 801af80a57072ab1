/**
 * Measures one flow rightly, and then wrongly in several ways. Prints as JSON what came of each: `proved`,
 * or why it was refused. For the test of the bench; runs inside the bench's namespaces.
 */
import { openKernel } from '../../src/kernel/libbpf.ts';
import { openBed } from './bed.ts';
import { compileObjects } from './compile-objects.ts';
import { setUpNetwork } from './namespace.ts';
import { establishedScenarios, type PathScenario, passScenario } from './paths.ts';
import { ProofError } from './proof.ts';
import { measureRound } from './rounds.ts';

setUpNetwork();
const kernel = openKernel();
const objects = compileObjects();
const empty = kernel.loadObject({ objectPath: objects.floors, programName: 'empty' });
const bed = await openBed(kernel, { services: 1, snatCount: 1 });
const options = { wrapObject: objects.wrap, emptyFd: empty.programFd, flows: 1 as const, iterations: 1000 };
const [forward, reply] = establishedScenarios(kernel, bed, options);
const pass = passScenario(kernel, bed, options);

function outcome(scenario: PathScenario | undefined): string {
  if (!scenario) return 'there is no such scenario';
  try {
    measureRound(scenario, { slices: 1, mostSlices: 1 });
    return 'proved';
  } catch (error) {
    if (error instanceof ProofError) return error.message;
    throw error;
  }
}

/** What comes of a scenario whose tuples were changed; they are as before afterwards. */
function spoiled(scenario: PathScenario | undefined, spoil: (tuples: Buffer) => void): string {
  if (!scenario) return 'there is no such scenario';
  const kept = Buffer.from(scenario.wrapper.tuples);
  spoil(scenario.wrapper.tuples);
  const result = outcome(scenario);
  kept.copy(scenario.wrapper.tuples);
  return result;
}

const outcomes = {
  pass: outcome(pass),
  forward: outcome(forward),
  reply: outcome(reply),
  // The client is another: it has no flow.
  forwardWithoutFlow: spoiled(forward, (tuples) => tuples.writeUInt32BE(0x64407777, 0)),
  // The VIP is no VIP: the packet passes.
  forwardElsewhere: spoiled(forward, (tuples) => tuples.writeUInt32BE(0x0a630001, 4)),
  // The backend is another: the record's flow is not its.
  replyOfStranger: spoiled(reply, (tuples) => tuples.writeUInt32BE(0x0a0300ff, 0)),
  // To the VIP of the service.
  passToVip: spoiled(pass, (tuples) => tuples.writeUInt32BE(0x0a010002, 4)),
  forwardAgain: outcome(forward),
};
process.stdout.write(`${JSON.stringify(outcomes)}\n`);
await bed.close();
