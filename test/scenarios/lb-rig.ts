/** A rig with everything in it, for the scenarios with an agent. */
import { type Agent, startAgent } from '../rig/agent.ts';
import type { ConfigTree } from '../rig/agent-config.ts';
import { startBird, startFrr, waitForRoute } from '../rig/bgp.ts';
import { demoServices, type ServiceSpec, writeService } from '../rig/manifests.ts';
import { type OneArmedOptions, oneArmedTopology, ROUTER, VIP, VIP_RANGE } from '../rig/one-armed.ts';
import { createRig, type Rig } from '../rig/rig.ts';
import { startDns, startEcho, startNginx } from '../rig/servers.ts';
import { nodesOf } from '../rig/topology.ts';

export const CLIENT = 'client1';
export const LB = 'lb1';

export interface LbRig {
  readonly rig: Rig;
  readonly services: { web: ServiceSpec; dns: ServiceSpec; echo: ServiceSpec };
  /** In the order of the LB nodes. */
  agents: Agent[];
}

/** Name: short, for the rig's id. Everything runs and the VIP range is on the router when it returns. */
export async function standLbRig(
  name: string,
  options: Partial<OneArmedOptions> = {},
  overrides: ConfigTree = {},
): Promise<LbRig> {
  const rig = await createRig(oneArmedTopology({ id: `${name}-${process.pid}`, ...options }));
  try {
    const lbs = nodesOf(rig.topology, 'lb').map((node) => node.name);
    await startFrr(rig, ROUTER);
    await Promise.all([
      ...lbs.map((lb) => startBird(rig, lb)),
      ...nodesOf(rig.topology, 'worker').flatMap(({ name: worker }) => [
        startNginx(rig, worker),
        startDns(rig, worker),
        startEcho(rig, worker),
      ]),
    ]);
    const services = demoServices(rig.topology);
    for (const service of Object.values(services)) writeService(rig, service);
    const agents = await Promise.all(lbs.map((lb) => startAgent(rig, lb, overrides)));
    await waitForRoute(rig, VIP_RANGE, lbs);
    return { rig, services, agents };
  } catch (error) {
    await rig.destroy();
    throw error;
  }
}

/** The body of an answer through the VIP; throws what curl says. */
export async function fetchVip(rig: Rig, path = '/', ...options: string[]): Promise<string> {
  const { stdout } = await rig.exec(CLIENT, ['curl', '-sS', '-m', '5', ...options, `http://${VIP}${path}`]);
  return stdout.trim();
}

/** The address of a pod in a service's manifest. */
export function addressOf(service: ServiceSpec, pod: string): string {
  const endpoint = service.endpoints.find((each) => each.pod === pod);
  if (endpoint === undefined) throw new Error(`no pod ${pod} in ${service.name}`);
  return endpoint.address;
}
