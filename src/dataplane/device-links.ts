/** The program on the devices: links that outlive the agent, pinned by the device's name. */
import { existsSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import type { AttachMode, BpfLink, Kernel } from '../kernel/kernel.ts';
import { deviceOfPin, linkPin } from '../kernel/link-pin.ts';
import { linksDirectory } from './maps.ts';

/** A device that the program shall sit on. */
export interface ManagedDevice {
  readonly name: string;
  readonly ifindex: number;
  readonly attach: AttachMode;
}

export interface DeviceHealth {
  readonly name: string;
  readonly mode: AttachMode;
  /** Our program, the one that is loaded now, is on the device. */
  readonly attached: boolean;
  readonly programId: number | null;
}

export interface LoadedPrograms {
  readonly fd: number;
  readonly id: number;
}

type LinkKernel = Pick<
  Kernel,
  'attach' | 'pinLink' | 'openPinnedLink' | 'updateLink' | 'detachLink' | 'xdpOwner' | 'closeFd'
>;

export class DeviceLinks {
  readonly #kernel: LinkKernel;
  readonly #directory: string;
  readonly #egress: boolean;
  readonly #links = new Map<string, { device: ManagedDevice; link: BpfLink }>();

  /** egress: the programs see what leaves; the devices must say `tc` then. */
  constructor(kernel: LinkKernel, bpfDirectory: string, egress = false) {
    this.#kernel = kernel;
    this.#directory = linksDirectory(bpfDirectory);
    this.#egress = egress;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  /**
   * Puts the programs on these devices and takes them off all others. A link that is there gets the new
   * program without a gap. Throws a KernelError when another program owns a device; the devices before it
   * are done.
   */
  ensure(devices: readonly ManagedDevice[], programOf: (mode: AttachMode) => LoadedPrograms): void {
    for (const name of this.#pinned()) {
      if (!devices.some((device) => device.name === name)) this.#drop(name);
    }
    for (const device of devices) this.#ensureOne(device, programOf(device.attach));
  }

  health(devices: readonly ManagedDevice[], programOf: (mode: AttachMode) => LoadedPrograms): DeviceHealth[] {
    return devices.map((device) => {
      const programId = this.#programOn(device);
      return {
        name: device.name,
        mode: device.attach,
        attached: programId !== null && programId === programOf(device.attach).id,
        programId,
      };
    });
  }

  /** Closes descriptors; the programs stay on the devices. */
  close(): void {
    for (const { link } of this.#links.values()) this.#kernel.closeFd(link.fd);
    this.#links.clear();
  }

  #ensureOne(device: ManagedDevice, program: LoadedPrograms): void {
    const { name, ifindex, attach } = device;
    const link = this.#open(name);
    if (link !== undefined) {
      // A device that was deleted and made again has left its link without a device.
      if (link.ifindex === ifindex && this.#modeOf(link, device) === attach) {
        if (link.programId !== program.id) this.#kernel.updateLink(link, program.fd);
        this.#links.set(name, { device, link });
        return;
      }
      this.#drop(name);
    }
    const made = this.#kernel.attach(program.fd, ifindex, this.#egress ? 'tc-egress' : attach);
    this.#kernel.pinLink(made, this.#pin(name));
    this.#links.set(name, { device, link: made });
  }

  #open(name: string): BpfLink | undefined {
    const known = this.#links.get(name);
    if (known !== undefined) return known.link;
    return existsSync(this.#pin(name))
      ? this.#kernel.openPinnedLink(this.#pin(name), this.#egress ? 'egress' : 'ingress')
      : undefined;
  }

  /** A link does not tell its mode: what XDP says about the device does. */
  #modeOf(link: BpfLink, device: ManagedDevice): AttachMode | undefined {
    const owner = this.#kernel.xdpOwner(device.ifindex);
    if (owner === undefined || owner.programId !== link.programId) return 'tc';
    return owner.mode === 'offload' ? undefined : owner.mode;
  }

  #programOn(device: ManagedDevice): number | null {
    const held = this.#links.get(device.name);
    if (held === undefined || held.link.ifindex !== device.ifindex) return null;
    if (!existsSync(this.#pin(device.name))) return null;
    if (device.attach === 'tc') return held.link.programId;
    return this.#kernel.xdpOwner(device.ifindex)?.programId ?? null;
  }

  #drop(name: string): void {
    const link = this.#open(name);
    if (link !== undefined) {
      // Without a device there is nothing to take off.
      if (link.ifindex !== 0) this.#kernel.detachLink(link);
      this.#kernel.closeFd(link.fd);
    }
    this.#links.delete(name);
    if (existsSync(this.#pin(name))) unlinkSync(this.#pin(name));
  }

  #pinned(): string[] {
    return existsSync(this.#directory) ? readdirSync(this.#directory).map(deviceOfPin) : [];
  }

  #pin(name: string): string {
    return linkPin(this.#directory, name);
  }
}
