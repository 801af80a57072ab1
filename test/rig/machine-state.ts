/** What rigs and agents could leave behind on this machine, to be compared before and after. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { RIG_ROOT } from './record.ts';

/**
 * `ip netns` and bpftool mount these when they first need them, and leave them to the machine. Whether
 * that was before is a matter of which test came first.
 */
const OF_THE_SYSTEM = ['/run/netns', '/sys/fs/bpf'];
const OF_EVERY_BPFFS = ['maps.debug', 'progs.debug'];

/** Processes that were started with this in their environment are found, wherever they went. */
export const MARK = 'L4LB_STARTED_BY';

export interface MachineState {
  /** Whatever has a name: namespaces, pins, mounts, devices, directories. */
  readonly names: readonly string[];
  readonly sysctls: readonly string[];
  readonly processes: readonly string[];
}

/**
 * Other rigs, of ids other than this one, may come and go meanwhile: what bears their names is left out.
 *
 * @param id of the rig, also the value of the mark.
 */
export async function machineState(id: string): Promise<MachineState> {
  const ofOthers = (name: string) => /l4lb-/.test(name) && !name.includes(`l4lb-${id}`);
  const places = ['/run/netns', '/etc/frr', '/var/run/frr', RIG_ROOT].flatMap(entries);
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => !OF_THE_SYSTEM.includes(line.split(' ')[1] ?? ''));
  const links = (await run(['ip', '-o', 'link'])).stdout.split('\n').map((line) => line.split(' ')[1] ?? '');
  // A rig's directory has no prefix.
  const names = [...places, ...bpffs('/sys/fs/bpf', ofOthers), ...mounts, ...links].filter(
    (name) => !ofOthers(name) && (!name.startsWith(`${RIG_ROOT}/`) || name.endsWith(`/${id}`)),
  );
  const { stdout } = await run(['sysctl', '-a', '--pattern', '^net\\.'], { mayFail: true });
  const sysctls = stdout.split('\n').filter((line) => !/nf_conntrack_count|hash_seed/.test(line));
  return { names: names.sort(), sysctls, processes: marked(id) };
}

/** What is there now and was not before, in words. */
export function addedSince(before: MachineState, now: MachineState): string[] {
  const added = (kind: keyof MachineState) => now[kind].filter((each) => !before[kind].includes(each));
  return [...added('names'), ...added('sysctls'), ...added('processes')];
}

function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((entry) => join(directory, entry)) : [];
}

function bpffs(directory: string, isLeftOut: (name: string) => boolean): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (isLeftOut(path) || OF_EVERY_BPFFS.includes(entry.name)) return [];
    return entry.isDirectory() ? [path, ...bpffs(path, isLeftOut)] : [path];
  });
}

function marked(id: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
        if (!environment.includes(`${MARK}=${id}`)) return [];
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`];
      } catch {
        return []; // ended meanwhile
      }
    });
}
