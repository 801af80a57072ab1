/** The inspector of the pinned maps: names where the agent left them, ages by the kernel's clock. */
import { runtimeFiles } from '../../agent/runtime-files.ts';
import { type MapsInspector, openInspector } from '../../dataplane/inspect/open-inspector.ts';
import { openJiffiesClock } from '../../dataplane/jiffies-clock.ts';
import { namesOf, readServiceNames, type ServiceNames, unknownNames } from '../../dataplane/service-names.ts';
import { buildProduct } from '../../kernel/build-directory.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Locations } from '../locations.ts';

export interface PinnedView {
  readonly inspector: MapsInspector;
  /** The newest the agent has left. */
  names(): ServiceNames;
}

/** Undefined when there are no pinned maps. Throws a KernelError when they may not be read. */
export async function openPinnedView(kernel: Kernel, locations: Locations): Promise<PinnedView | undefined> {
  const file = runtimeFiles(locations.runtimeDirectory).names;
  // Without the file, hz is measured.
  const clock = await openJiffiesClock(kernel, buildProduct('clock.bpf.o'), readServiceNames(file)?.hz);
  const names = () => readServiceNames(file) ?? namesWithout(locations, clock.hz);
  const inspector = openInspector({ kernel, bpfDirectory: locations.bpfDirectory, names, clock });
  if (inspector === undefined) clock.close();
  return inspector && { inspector, names };
}

/** A configuration at least tells timeouts and SNAT addresses. */
function namesWithout({ config }: Locations, hz: number): ServiceNames {
  return config === undefined ? unknownNames(hz) : namesOf(new Map(), config, hz);
}
