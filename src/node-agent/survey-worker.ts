/** What this worker looks like to the agent: which of its devices are there. */

import { matchDevices, type NodeSurvey } from '../agent/survey-node.ts';
import type { NodeConfig } from '../config/node-config.ts';
import { listLinks } from '../node/ip.ts';
import { checkOffloads } from '../node/offloads.ts';
import type { RunCommand } from '../node/run-command.ts';
import type { Problem } from '../services/desired-state.ts';

export async function surveyWorker(config: NodeConfig, run: RunCommand): Promise<NodeSurvey> {
  const matched = matchDevices(config, await listLinks(run));
  const problems = matched.missing.map(
    (name): Problem => ({
      severity: 'error',
      code: 'device-missing',
      message: `devices: there is no device "${name}"; tunnels that come by it do not end`,
    }),
  );
  for (const { name, attach } of matched.devices) {
    const vlans = matched.links.some((link) => link.parent === name);
    const warnings = await checkOffloads(run, name, attach, vlans);
    problems.push(...warnings.map((warning): Problem => ({ severity: 'warning', ...warning })));
  }
  return { ...matched, problems };
}
