/** Links: programs on devices. */
import { type AttachPoint, type BpfLink, type Direction, KernelError } from './kernel.ts';
import { deviceOfPin } from './link-pin.ts';
import { openPinned } from './maps.ts';
import type { NativeCalls } from './native-calls.ts';
import { cString } from './native-library.ts';
import { checked, errnoName, kernelError } from './native-result.ts';
import { describeProgram, programInfo } from './programs.ts';
import { filterOwner, TcFilter } from './tc-filter.ts';

const MODES: Readonly<Record<AttachPoint, number>> = { xdp: 0, 'xdp-generic': 1, tc: 2, 'tc-egress': 3 };
const MAX_TCX_PROGRAMS = 64;

/** A link asks the kernel anew each time, because {@link Links.update} changes its program. */
class OpenLink implements BpfLink {
  readonly #native: NativeCalls;

  constructor(
    native: NativeCalls,
    readonly fd: number,
  ) {
    this.#native = native;
  }

  get programId(): number {
    return this.#info()[0] ?? 0;
  }

  get ifindex(): number {
    return this.#info()[1] ?? 0;
  }

  #info(): Uint32Array {
    const info = new Uint32Array(3);
    checked(
      this.#native.l4lb.linkInfo(this.fd, new Uint8Array(info.buffer)),
      `read about link descriptor ${this.fd}`,
    );
    return info;
  }
}

export interface XdpOwner {
  readonly programId: number;
  readonly mode: 'xdp' | 'xdp-generic' | 'offload';
}

export class Links {
  readonly #native: NativeCalls;

  constructor(native: NativeCalls) {
    this.#native = native;
  }

  attach(programFd: number, ifindex: number, mode: AttachPoint): BpfLink {
    if (mode === 'tc' || mode === 'tc-egress') {
      const hasTcx = this.#refuseTwiceOnTcx(programFd, ifindex, mode);
      if (!hasTcx) return this.#filterFor(programFd, ifindex, mode);
    }
    const fd = this.#native.l4lb.attach(programFd, ifindex, MODES[mode]);
    if (fd >= 0) return new OpenLink(this.#native, fd);
    throw this.#attachError(fd, ifindex, mode);
  }

  openPinned(path: string, direction: Direction): BpfLink | undefined {
    const pinned = openPinned(this.#native, path, 'link', 'prog');
    if (pinned === undefined) return undefined;
    if (pinned.kind === 'link') return new OpenLink(this.#native, pinned.fd);
    const ifindex = this.#native.l4lb.deviceIndex(cString(deviceOfPin(path)));
    return new TcFilter(this.#native, pinned.fd, ifindex, direction, path);
  }

  pin(link: BpfLink, path: string): void {
    if (link instanceof TcFilter) link.pin(path);
    else checked(this.#native.bpf.objPin(link.fd, cString(path)), `pin a link as ${path}`);
  }

  update(link: BpfLink, programFd: number): void {
    if (link instanceof TcFilter) link.update(programFd);
    else {
      checked(
        this.#native.bpf.linkUpdate(link.fd, programFd, null),
        `swap the program on device ${link.ifindex}`,
      );
    }
  }

  detach(link: BpfLink): void {
    if (link instanceof TcFilter) link.remove();
    else checked(this.#native.bpf.linkDetach(link.fd), `take the program off device ${link.ifindex}`);
  }

  xdpOwner(ifindex: number): XdpOwner | undefined {
    const ids = new Uint32Array(3);
    checked(
      this.#native.l4lb.xdpQuery(ifindex, new Uint8Array(ids.buffer)),
      `ask for XDP on device ${ifindex}`,
    );
    const [native = 0, generic = 0, offload = 0] = ids;
    if (native) return { programId: native, mode: 'xdp' };
    if (generic) return { programId: generic, mode: 'xdp-generic' };
    return offload ? { programId: offload, mode: 'offload' } : undefined;
  }

  /** Sits on the device once it is pinned. The place is ours alone, whatever is in it. */
  #filterFor(programFd: number, ifindex: number, mode: 'tc' | 'tc-egress'): TcFilter {
    const direction = mode === 'tc' ? 'ingress' : 'egress';
    const owner = filterOwner(this.#native, ifindex, direction);
    if (owner !== 0) throw busy(ifindex, mode, describeProgram(this.#native, owner));
    const { id } = programInfo(this.#native, programFd);
    const fd = checked(this.#native.bpf.programFdById(id), `open program ${id}`);
    return new TcFilter(this.#native, fd, ifindex, direction);
  }

  /**
   * tcx takes any number of programs; two of ours would balance each packet twice. False: this kernel has no
   * tcx, which came with Linux 6.6.
   */
  #refuseTwiceOnTcx(programFd: number, ifindex: number, mode: 'tc' | 'tc-egress'): boolean {
    const ids = new Uint32Array(MAX_TCX_PROGRAMS);
    const count = new Uint32Array([MAX_TCX_PROGRAMS]);
    const result = this.#native.l4lb.tcxQuery(
      ifindex,
      MODES[mode],
      new Uint8Array(ids.buffer),
      new Uint8Array(count.buffer),
    );
    if (result < 0 && errnoName(result) === 'EINVAL') return false;
    if (result < 0) throw this.#attachError(result, ifindex, mode);
    const { name } = programInfo(this.#native, programFd);
    for (const id of ids.subarray(0, count[0])) {
      const owner = describeProgram(this.#native, id);
      if (owner.endsWith(`(${name})`)) throw busy(ifindex, mode, owner);
    }
    return true;
  }

  #attachError(result: number, ifindex: number, mode: AttachPoint): KernelError {
    const code = errnoName(result);
    if (code === 'EBUSY' || code === 'EEXIST') {
      const owner = this.xdpOwner(ifindex);
      return busy(
        ifindex,
        owner?.mode ?? mode,
        owner ? describeProgram(this.#native, owner.programId) : 'another program',
      );
    }
    const hint =
      mode === 'xdp' && code === 'EOPNOTSUPP' ? ': no native XDP here, mode xdp-generic always works' : '';
    return kernelError(result, `attach by ${mode} to device ${ifindex}`, hint);
  }
}

function busy(ifindex: number, mode: string, owner: string): KernelError {
  return new KernelError(
    'DEVICE_BUSY',
    `device ${ifindex} already has ${owner} attached by ${mode}: stop its owner, or detach it (bpftool net, bpftool link detach)`,
  );
}
