/** The views from the pinned maps, when there is no agent. Imported only then: it takes libbpf and zod. */
import { readdirSync, statSync } from 'node:fs';
import type { ServiceView } from '../../api/types.ts';
import { statsOf } from '../../dataplane/inspect/open-inspector.ts';
import { mapsDirectory, pinPath } from '../../dataplane/maps.ts';
import { type Kernel, KernelError } from '../../kernel/kernel.ts';
import { openKernel } from '../../kernel/libbpf.ts';
import { layout } from '../../layout/generated.ts';
import { runAtOnce } from '../../slices/run-in-slices.ts';
import { type AgentUnreachableError, CliError, needsAgent } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { Locations } from '../locations.ts';
import type { Source } from '../source.ts';
import { offlineStatus } from './offline-status.ts';
import { openPinnedView, type PinnedView } from './pinned-view.ts';
import { readFacts } from './read-facts.ts';

/** A source of pinned maps, which can be used again while the pins are the same. */
export interface OfflineSource extends Source {
  /** Inode of a pin. */
  readonly pin: number;
}

/**
 * @param former of an earlier look: opening anew every time would pile up descriptors and mappings.
 * @param absence why the agent was not asked; undefined with --offline.
 * @throws CliError when there are no pinned maps, they may not be read, or they are of another layout.
 */
export async function offlineSource(
  locations: Locations,
  absence: AgentUnreachableError | undefined,
  former?: OfflineSource,
): Promise<OfflineSource> {
  requirePins(locations.bpfDirectory, absence);
  const pin = statSync(pinPath(locations.bpfDirectory, 'services')).ino;
  if (former?.pin === pin) return former;
  return explained(locations, async () => {
    const kernel = openKernel();
    const view = await openPinnedView(kernel, locations);
    // The pins were there a moment ago: an agent's cleanup was faster.
    if (view === undefined) throw noPins(locations.bpfDirectory, absence);
    return { ...sourceOf(kernel, view, locations, absence), pin };
  });
}

function sourceOf(
  kernel: Kernel,
  { inspector, names }: PinnedView,
  locations: Locations,
  absence: AgentUnreachableError | undefined,
): Source {
  const read = <T>(look: () => T | Promise<T>) => explained(locations, async () => look());
  return {
    origin: 'maps',
    status: () =>
      read(async () =>
        offlineStatus(await readFacts(kernel, locations, names(), runAtOnce(inspector.overview()))),
      ),
    problems: () => Promise.reject(needsAgent('problems', absence)),
    services: () => read(() => [...runAtOnce(inspector.look()).services()]),
    // The command filters what it is given: maps are read as a whole anyway.
    connections: () => read(() => [...inspector.connections()]),
    stats: () => read(() => runAtOnce(statsOf(runAtOnce(inspector.look())))),
    maglev: ({ frontend }: ServiceView) =>
      read(() => {
        const view = runAtOnce(inspector.maglev(frontend));
        if (view !== undefined) return view;
        const remedy = 'lbctl service list shows the services.';
        throw new CliError(EXIT.notFound, `The service ${frontend} is gone.`, remedy);
      }),
  };
}

/** What the kernel refuses becomes an error for people. */
async function explained<T>(locations: Locations, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof KernelError ? kernelProblem(error, locations.bpfDirectory) : error;
  }
}

function requirePins(bpfDirectory: string, absence: AgentUnreachableError | undefined): void {
  let pins: string[] = [];
  try {
    pins = readdirSync(mapsDirectory(bpfDirectory));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EACCES' || code === 'EPERM') {
      const message = `${withoutAgent(absence)}the pinned maps in ${bpfDirectory} may not be read (${code}).`;
      throw new CliError(EXIT.notPermitted, message, 'Run lbctl as root.', { cause: error });
    }
  }
  if (pins.includes(`services_v${layout.LAYOUT_VERSION}`)) return;
  const other = pins.find((pin) => pin.startsWith('services_v'))?.slice('services_v'.length);
  if (other === undefined) throw noPins(bpfDirectory, absence);
  throw new CliError(
    EXIT.notUnderstood,
    `${withoutAgent(absence)}the maps in ${bpfDirectory} are of layout ${other}, where this lbctl reads layout ${layout.LAYOUT_VERSION}.`,
    'Use the lbctl of the same version as the agent that made them.',
  );
}

function noPins(bpfDirectory: string, absence: AgentUnreachableError | undefined): CliError {
  return new CliError(
    EXIT.unreachable,
    `${withoutAgent(absence)}there are no pinned maps in ${bpfDirectory}.`,
    'Start lb-agent, or name the right places by --socket and --bpf-directory (or --config FILE).',
  );
}

function withoutAgent(absence: AgentUnreachableError | undefined): string {
  return absence === undefined
    ? 'the agent was not asked, and '
    : `the agent does not listen on ${absence.socketPath} (${absence.code}), and `;
}

function kernelProblem(error: KernelError, bpfDirectory: string): CliError {
  const denied = ['NOT_ROOT', 'EPERM', 'EACCES'].includes(error.code);
  return new CliError(
    denied ? EXIT.notPermitted : EXIT.failure,
    `the pinned maps in ${bpfDirectory} cannot be read: ${error.message}`,
    denied ? 'Run lbctl as root.' : undefined,
    { cause: error },
  );
}
