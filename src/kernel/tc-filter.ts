/**
 * A program on tc where the kernel has no tcx (before Linux 6.6): a filter on the clsact qdisc.
 *
 * A filter belongs to nobody and holds its program until it is deleted. To have the same life as a link, the
 * program is pinned where the link would be: the pin says that the filter is ours, and is there before the
 * filter, so that a start that is killed in between leaves nothing that nobody knows of.
 */
import { closeSync, existsSync, renameSync, unlinkSync } from 'node:fs';
import type { BpfLink, Direction } from './kernel.ts';
import type { NativeCalls } from './native-calls.ts';
import { cString } from './native-library.ts';
import { checked, errnoName, kernelError } from './native-result.ts';
import { programInfo } from './programs.ts';

export class TcFilter implements BpfLink {
  readonly #native: NativeCalls;
  readonly #ifindex: number;
  readonly #direction: Direction;
  readonly #name: string;
  #fd: number;
  #pin: string | undefined;

  /** `fd` of the program, this filter's own. ifindex 0: the device is gone. */
  constructor(native: NativeCalls, fd: number, ifindex: number, direction: Direction, pin?: string) {
    this.#native = native;
    this.#fd = fd;
    this.#ifindex = ifindex;
    this.#direction = direction;
    this.#pin = pin;
    this.#name = programInfo(native, fd).name;
  }

  get fd(): number {
    return this.#fd;
  }

  /** 0 when the filter is not there, as for a link without a device. */
  get ifindex(): number {
    return this.programId === 0 ? 0 : this.#ifindex;
  }

  /** Of the filter, not of the pin: a swap that was killed in between has replaced only the former. */
  get programId(): number {
    const { result, id } = queryFilter(this.#native, this.#ifindex, this.#direction);
    if (result < 0 && errnoName(result) !== 'ENODEV') throw queryError(result, this.#ifindex);
    return id !== 0 && programNameOf(this.#native, id) === this.#name ? id : 0;
  }

  /** Pins the program, then puts it on the device. */
  pin(path: string): void {
    checked(this.#native.bpf.objPin(this.#fd, cString(path)), `pin a program as ${path}`);
    this.#pin = path;
    this.#set(this.#fd);
  }

  update(programFd: number): void {
    const { id } = programInfo(this.#native, programFd);
    const own = checked(this.#native.bpf.programFdById(id), `open program ${id}`);
    this.#set(own);
    closeSync(this.#fd);
    this.#fd = own;
    if (this.#pin === undefined) return;
    const fresh = `${this.#pin}%new`;
    if (existsSync(fresh)) unlinkSync(fresh);
    checked(this.#native.bpf.objPin(own, cString(fresh)), `pin a program as ${fresh}`);
    renameSync(fresh, this.#pin);
  }

  remove(): void {
    checked(
      this.#native.l4lb.filterRemove(this.#ifindex, flagOf(this.#direction)),
      `take the program off tc ${this.#direction} of device ${this.#ifindex}`,
    );
  }

  #set(programFd: number): void {
    checked(
      this.#native.l4lb.filterSet(programFd, this.#ifindex, flagOf(this.#direction)),
      `put a filter on tc ${this.#direction} of device ${this.#ifindex}`,
    );
  }
}

/** Id of the program in the place where our filters sit; 0: none. Throws when there is no such device. */
export function filterOwner(native: NativeCalls, ifindex: number, direction: Direction): number {
  const { result, id } = queryFilter(native, ifindex, direction);
  if (result < 0) throw queryError(result, ifindex);
  return id;
}

function queryFilter(
  native: NativeCalls,
  ifindex: number,
  direction: Direction,
): { result: number; id: number } {
  const id = new Uint32Array(1);
  const out = new Uint8Array(id.buffer);
  const result = ifindex === 0 ? 0 : native.l4lb.filterQuery(ifindex, flagOf(direction), out);
  return { result, id: id[0] ?? 0 };
}

/** As native/ wants it. */
const flagOf = (direction: Direction): number => (direction === 'egress' ? 1 : 0);

const queryError = (result: number, ifindex: number) =>
  kernelError(result, `ask for tc filters on device ${ifindex}`);

function programNameOf(native: NativeCalls, id: number): string | undefined {
  const fd = native.bpf.programFdById(id);
  if (fd < 0) return undefined;
  try {
    return programInfo(native, fd).name;
  } finally {
    closeSync(fd);
  }
}
