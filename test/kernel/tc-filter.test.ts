/** Programs on tc as a kernel before 6.6 keeps them: this one is told to have no tcx. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { DeviceLinks } from '../../src/dataplane/device-links.ts';
import { linksDirectory } from '../../src/dataplane/maps.ts';
import { cleanupPins } from '../../src/dataplane/open-dataplane.ts';
import { buildProduct } from '../../src/kernel/build-directory.ts';
import type { Kernel, LoadedObject } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { linkPin } from '../../src/kernel/link-pin.ts';
import { Links } from '../../src/kernel/links.ts';
import { bindNativeCalls } from '../../src/kernel/native-calls.ts';
import { mountBpffs } from './bpffs-directory.ts';
import { compileProgram } from './sample-object.ts';

const DEVICE = 'l4lb-kf.0';
const EINVAL = 22;

const native = bindNativeCalls('libbpf.so.1', buildProduct('libl4lb.so'));
const noTcx = Object.assign(() => -EINVAL, { async: async () => -EINVAL });
const links = new Links({ ...native, l4lb: { ...native.l4lb, tcxQuery: noTcx } });
const kernel: Kernel = {
  ...openKernel(),
  attach: (programFd, ifindex, mode) => links.attach(programFd, ifindex, mode),
  pinLink: (link, path) => links.pin(link, path),
  openPinnedLink: (path, direction = 'ingress') => links.openPinned(path, direction),
  updateLink: (link, programFd) => links.update(link, programFd),
  detachLink: (link) => links.detach(link),
};

let bpffs: ReturnType<typeof mountBpffs>;
let directory = '';
let runs = 0;
let programs: LoadedObject[] = [];

beforeAll(() => {
  bpffs = mountBpffs('tc-filter');
});
afterAll(() => bpffs.unmount());

beforeEach(() => {
  directory = `${bpffs.path}/run${++runs}`;
  makeDevice();
  const objectPath = compileProgram('classifier');
  programs = [1, 2].map(() => kernel.loadObject({ objectPath, programName: 'classify' }));
});
afterEach(() => {
  for (const program of programs) program.close();
  spawnSync('ip', ['link', 'delete', DEVICE]);
});

function makeDevice(): void {
  spawnSync('ip', ['link', 'delete', DEVICE]);
  execFileSync('ip', ['link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', 'l4lb-kf.1']);
}

const ifindex = () => Number(readFileSync(`/sys/class/net/${DEVICE}/ifindex`, 'utf8'));
const device = () => ({ name: DEVICE, ifindex: ifindex(), attach: 'tc' as const });
const tc = (...args: string[]) => execFileSync('tc', args, { encoding: 'utf8' });
const onIngress = () => tc('filter', 'show', 'dev', DEVICE, 'ingress');
const pin = () => linkPin(linksDirectory(directory), DEVICE);

function program(at: number): { fd: number; id: number } {
  const object = programs[at];
  if (object === undefined) throw new Error(`no program ${at}`);
  return { fd: object.programFd, id: object.programId };
}

/** An agent that puts this program on the device, and dies. */
function agent(at: number): boolean {
  const held = new DeviceLinks(kernel, directory);
  held.ensure([device()], () => program(at));
  const [health] = held.health([device()], () => program(at));
  held.close();
  return health?.attached === true && health.programId === program(at).id;
}

it('stays without its agent, and is swapped in its place by the next one', () => {
  expect(agent(0)).toBe(true);
  expect(onIngress()).toContain(`direct-action not_in_hw id ${program(0).id} name classify`);
  expect(agent(1)).toBe(true);
  const filters = onIngress();
  expect(filters.match(/ id \d+ name /g)).toEqual([` id ${program(1).id} name `]);
  expect(readdirSync(linksDirectory(directory))).toEqual(['l4lb-kf%2e0']);
});

it('is the filter that is there, not the one that was pinned', () => {
  agent(0);
  native.l4lb.filterSet(program(1).fd, ifindex(), 0);
  const link = kernel.openPinnedLink(pin());
  expect([link?.programId, link?.ifindex]).toEqual([program(1).id, ifindex()]);
  kernel.closeFd(link?.fd ?? -1);
});

it('is not on the device before it is pinned, so that a killed start leaves nothing unknown', () => {
  const link = kernel.attach(program(0).fd, ifindex(), 'tc');
  expect([link.ifindex, onIngress()]).toEqual([0, '']);
  kernel.closeFd(link.fd);
});

it('comes back on a device that was made anew, and where somebody took it off', () => {
  agent(0);
  makeDevice();
  expect(agent(0)).toBe(true);
  tc('filter', 'delete', 'dev', DEVICE, 'ingress');
  expect(agent(0)).toBe(true);
  expect(onIngress()).toContain('classify');
});

it('is refused where a filter without our pin sits in its place', () => {
  agent(0);
  unlinkSync(pin());
  expect(() => agent(1)).toThrow(`program ${program(0).id} (classify) attached by tc`);
  expect(onIngress()).toContain(` id ${program(0).id} `);
});

it('goes with cleanup, and the qdisc with it', () => {
  agent(0);
  cleanupPins(kernel, directory);
  expect(tc('qdisc', 'show', 'dev', DEVICE)).not.toContain('clsact');
  expect(existsSync(pin())).toBe(false);
});

it('leaves the qdisc to filters of others, in either direction', () => {
  agent(0);
  // Pinned: when tc loads a file itself, it leaves directories and links in the BPF file system.
  const pinned = `${directory}/other`;
  execFileSync('bpftool', ['prog', 'load', compileProgram('classifier'), pinned, 'type', 'classifier']);
  tc('filter', 'add', 'dev', DEVICE, 'egress', 'bpf', 'direct-action', 'object-pinned', pinned);
  cleanupPins(kernel, directory);
  expect(onIngress()).toBe('');
  expect(tc('filter', 'show', 'dev', DEVICE, 'egress')).toContain('direct-action');
});

it('sits on egress beside the one on ingress, each with a life of its own', () => {
  const answers = `${directory}/egress`;
  const leaving = (at: number): boolean => {
    const held = new DeviceLinks(kernel, answers, true);
    held.ensure([device()], () => program(at));
    const [health] = held.health([device()], () => program(at));
    held.close();
    return health?.attached === true;
  };
  const onEgress = () => tc('filter', 'show', 'dev', DEVICE, 'egress');
  expect([agent(0), leaving(1)]).toEqual([true, true]);
  expect(onIngress()).toContain(` id ${program(0).id} `);
  expect(onEgress()).toContain(` id ${program(1).id} `);
  expect(leaving(0)).toBe(true);
  expect(onEgress().match(/ id \d+ name /g)).toEqual([` id ${program(0).id} name `]);
  expect(() => kernel.attach(program(1).fd, ifindex(), 'tc-egress')).toThrow('attached by tc-egress');
  cleanupPins(kernel, directory);
  expect([onIngress(), onEgress()]).toEqual(['', expect.stringContaining(` id ${program(0).id} `)]);
  cleanupPins(kernel, answers, 'egress');
  expect(tc('qdisc', 'show', 'dev', DEVICE)).not.toContain('clsact');
});

it('says when there is no such device', () => {
  expect(() => kernel.attach(program(0).fd, 999_999, 'tc')).toThrow(/tc filters on device 999999: ENODEV/);
});
