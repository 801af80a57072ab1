/** Offloads of a network device that do not go together with XDP. */
import { CommandError, type RunCommand } from './run-command.ts';

export interface OffloadWarning {
  readonly code: 'lro-on' | 'rx-vlan-on';
  readonly message: string;
}

/** `ethtool -k`: name to on or off. Lines of other shapes are passed over. */
export function parseOffloads(text: string): Map<string, boolean> {
  const features = new Map<string, boolean>();
  for (const line of text.split('\n')) {
    const match = /^\s*([a-z0-9-]+): (on|off)\b/.exec(line);
    if (match?.[1] !== undefined) features.set(match[1], match[2] === 'on');
  }
  return features;
}

/** What an operator should switch off, with the command. `vlans`: the device carries tagged traffic. */
export function judgeOffloads(
  device: string,
  mode: 'xdp' | 'xdp-generic' | 'tc',
  features: ReadonlyMap<string, boolean>,
  vlans: boolean,
): OffloadWarning[] {
  const warnings: OffloadWarning[] = [];
  if (features.get('large-receive-offload') === true) {
    warnings.push({
      code: 'lro-on',
      message: `${device}: LRO joins packets before they are forwarded; run: ethtool -K ${device} lro off`,
    });
  }
  if (mode === 'xdp' && vlans && features.get('rx-vlan-offload') === true) {
    warnings.push({
      code: 'rx-vlan-on',
      message: `${device}: the card takes VLAN tags off before XDP sees them; run: ethtool -K ${device} rxvlan off`,
    });
  }
  return warnings;
}

/** No ethtool, or a device without offloads: nothing to warn of. */
export async function checkOffloads(
  run: RunCommand,
  device: string,
  mode: 'xdp' | 'xdp-generic' | 'tc',
  vlans: boolean,
): Promise<OffloadWarning[]> {
  try {
    const result = await run('ethtool', ['-k', device]);
    return result.code === 0 ? judgeOffloads(device, mode, parseOffloads(result.stdout), vlans) : [];
  } catch (error) {
    if (error instanceof CommandError) return [];
    throw error;
  }
}
