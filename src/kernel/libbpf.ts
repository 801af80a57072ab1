/** The {@link Kernel} of this process, by libbpf and the native library. */
import { closeSync, existsSync, readFileSync } from 'node:fs';
import { buildProduct } from './build-directory.ts';
import { cpuNumbersOf, POSSIBLE_CPUS } from './cpu-numbers.ts';
import { type Kernel, KernelError } from './kernel.ts';
import { Links } from './links.ts';
import { loadObject, loadObjectAside } from './load-object.ts';
import { buildMaglevTable } from './maglev-table.ts';
import { loadU64, MapMemory, storeU64 } from './map-memory.ts';
import { MapAccess, openPinnedMap } from './maps.ts';
import { bindNativeCalls, type NativeCalls } from './native-calls.ts';
import { checked } from './native-result.ts';
import { testRun } from './programs.ts';
import { checkRequirements, thisMachine } from './requirements.ts';

const LIBBPF = 'libbpf.so.1';

let bound: NativeCalls | undefined;

/** The libraries are bound once: frames and libbpf's print function are the process's own. */
function nativeCalls(): NativeCalls {
  if (bound) return bound;
  const libl4lb = buildProduct('libl4lb.so');
  if (!existsSync(libl4lb)) {
    throw new KernelError('NOT_BUILT', `there is no native library ${libl4lb}: run make build`);
  }
  try {
    bound = bindNativeCalls(LIBBPF, libl4lb);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KernelError(
      'NO_LIBBPF',
      `${LIBBPF} (1.1 or newer) cannot be used: install it (Debian: apt install libbpf1); ${reason}`,
      { cause },
    );
  }
  return bound;
}

/** Throws a {@link KernelError} of one line if this machine cannot run BPF programs. */
export function openKernel(): Kernel {
  checkRequirements(thisMachine());
  const native = nativeCalls();
  const possibleCpus = checked(native.bpf.possibleCpus(), 'count the CPUs');
  const access = new MapAccess(native, possibleCpus);
  const memory = new MapMemory(native);
  const links = new Links(native);
  return {
    possibleCpus,
    cpuNumbers: cpuNumbersOf(readFileSync(POSSIBLE_CPUS, 'utf8')),
    loadObject: (options) => loadObject(native, options),
    loadObjectAside: (options) => loadObjectAside(native, options),
    openPinnedMap: (path) => openPinnedMap(native, path),
    closeFd: (fd) => closeSync(fd),
    lookup: (map, key) => access.lookup(map, key),
    update: (map, key, value, flags) => access.update(map, key, value, flags),
    delete: (map, key) => access.delete(map, key),
    entries: (map) => access.entries(map),
    batches: (map) => access.batches(map),
    mapMemory: (map, mode) => memory.of(map, mode),
    storeU64,
    loadU64,
    sumPerCpu: (map, first, count) => access.sumPerCpu(map, first, count),
    clearPerCpu: (map, first, count) => access.clearPerCpu(map, first, count),
    buildMaglevTable: (slots, hashes, quotas) => buildMaglevTable(native, slots, hashes, quotas),
    attach: (programFd, ifindex, mode) => links.attach(programFd, ifindex, mode),
    pinLink: (link, path) => links.pin(link, path),
    openPinnedLink: (path, direction = 'ingress') => links.openPinned(path, direction),
    updateLink: (link, programFd) => links.update(link, programFd),
    detachLink: (link) => links.detach(link),
    xdpOwner: (ifindex) => links.xdpOwner(ifindex),
    testRun: (programFd, options) => testRun(native, programFd, options),
    async gracePeriod() {
      checked(await native.l4lb.gracePeriod.async(), 'wait for a grace period (membarrier)');
    },
  };
}
