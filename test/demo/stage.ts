/** What the steps of the demo work with, and looks at it that several of them share. */
import type { ServiceView } from '../../src/api/types.ts';
import { type Agent, lbctl, startAgent } from '../rig/agent.ts';
import { demoServices, type ServiceSpec } from '../rig/manifests.ts';
import type { Rig } from '../rig/rig.ts';
import { type Manifests, manifestFiles } from './manifests.ts';
import type { Narrator } from './narrator.ts';

export const LB = 'lb1';
export const CLIENT = 'client1';
export const WORKERS = ['worker1', 'worker2'];

export interface Stage {
  readonly rig: Rig;
  readonly say: Narrator;
  /** As the manifests say it now. */
  services: { web: ServiceSpec; dns: ServiceSpec; echo: ServiceSpec };
  agent: Agent | undefined;
  manifests: Manifests;
}

export function newStage(rig: Rig, say: Narrator): Stage {
  return { rig, say, services: demoServices(rig.topology), agent: undefined, manifests: manifestFiles(rig) };
}

export function agentOf(stage: Stage): Agent {
  if (stage.agent === undefined) throw new Error('the agent has not been started');
  return stage.agent;
}

/** Starts the agent and measures until it serves. */
export async function beginAgent(stage: Stage): Promise<number> {
  const { result, ms } = await stage.say.during('the agent starts', () =>
    startAgent(stage.rig, LB, stage.manifests.config),
  );
  stage.agent = result;
  return ms;
}

/** Changes the web service and waits until the agent has programmed it; returns milliseconds. */
export async function changeWeb(
  stage: Stage,
  web: ServiceSpec,
  done: (view: ServiceView) => boolean,
): Promise<number> {
  const began = Date.now();
  stage.services = { ...stage.services, web };
  await stage.manifests.publish(web);
  await agentOf(stage).untilServices('the change is programmed', (views) => {
    const view = views.find((each) => each.name === 'web');
    return view !== undefined && done(view);
  });
  return Date.now() - began;
}

export async function webView(stage: Stage): Promise<ServiceView> {
  const view = (await agentOf(stage).services()).find((each) => each.name === 'web');
  if (view === undefined) throw new Error('the agent does not know the service web');
  return view;
}

/** Runs lbctl on the LB node and shows what it printed. */
export async function showLbctl(stage: Stage, args: readonly string[], most?: number): Promise<string> {
  const { stdout } = await lbctl(stage.rig, LB, args);
  stage.say.shown(`lbctl ${args.join(' ')}`, stdout, most);
  return stdout;
}
