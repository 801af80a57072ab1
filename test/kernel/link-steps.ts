/**
 * Attaches, swaps and detaches programs in the network namespace it runs in, and prints what each step gave
 * as one line of JSON. A process of its own, because attaching looks devices up in the caller's namespace.
 *
 * usage: link-steps <object> <pin directory> <device>
 */
import { readFileSync } from 'node:fs';
import { type BpfLink, KernelError } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { u32 } from './sample-object.ts';

const [objectPath = '', pinDirectory = '', device = ''] = process.argv.slice(2);
const kernel = openKernel();
const ifindex = Number(/^\s*(\d+)/.exec(readInterfaceIndex())?.[1]);
const results: Record<string, unknown> = {};

/** /sys shows the devices of the namespace it was mounted in, /proc/net those of the process. */
function readInterfaceIndex(): string {
  const line = readFileSync('/proc/net/dev_mcast', 'utf8')
    .split('\n')
    .find((entry) => entry.split(/\s+/).includes(device));
  return line ?? '';
}

function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (error instanceof KernelError) return { code: error.code, message: error.message };
    throw error;
  }
}

const load = (verdict: number) =>
  kernel.loadObject({ objectPath, programName: 'sample', rodata: { verdict: u32(verdict) } });
const describeLink = (link: BpfLink) => ({ programId: link.programId, ifindex: link.ifindex });

const first = load(1);
const second = load(2);
results.ifindex = ifindex;
results.programs = [first.programId, second.programId];

for (const mode of ['xdp', 'xdp-generic'] as const) {
  const link = kernel.attach(first.programFd, ifindex, mode);
  results[`${mode} attached`] = { ...describeLink(link), owner: kernel.xdpOwner(ifindex) };
  results[`${mode} busy`] = outcome(() => kernel.attach(second.programFd, ifindex, mode));
  kernel.updateLink(link, second.programFd);
  results[`${mode} updated`] = { ...describeLink(link), owner: kernel.xdpOwner(ifindex) };
  const path = `${pinDirectory}/link-${mode}`;
  kernel.pinLink(link, path);
  kernel.closeFd(link.fd);
  results[`${mode} pinned`] = kernel.xdpOwner(ifindex);
  const again = kernel.openPinnedLink(path);
  if (!again) throw new Error('the pinned link is not there');
  results[`${mode} opened`] = describeLink(again);
  kernel.detachLink(again);
  results[`${mode} detached`] = kernel.xdpOwner(ifindex) ?? 'none';
  kernel.closeFd(again.fd);
}

const tc = [1, 2].map(() =>
  kernel.loadObject({ objectPath: objectPath.replace('sample', 'classifier'), programName: 'classify' }),
);
const tcLink = kernel.attach(tc[0]?.programFd ?? -1, ifindex, 'tc');
results['tc attached'] = { ...describeLink(tcLink), program: tc[0]?.programId };
results['tc busy'] = outcome(() => kernel.attach(tc[1]?.programFd ?? -1, ifindex, 'tc'));
kernel.updateLink(tcLink, tc[1]?.programFd ?? -1);
results['tc updated'] = { ...describeLink(tcLink), program: tc[1]?.programId };
kernel.detachLink(tcLink);
results['tc detached'] = describeLink(tcLink).ifindex;

results['no device'] = outcome(() => kernel.attach(first.programFd, 999_999, 'xdp'));
results['no native XDP'] = outcome(() => kernel.attach(first.programFd, 1, 'xdp'));
console.log(JSON.stringify(results));
