/**
 * The far end of a device, for frames that must come over it: tags that the kernel takes out of the frame
 * cannot be given to BPF_PROG_TEST_RUN.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeLibrary } from '../../src/kernel/native-library.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
/** struct sockaddr_ll of linux/if_packet.h. */
const SOCKADDR_LL_SIZE = 20;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
/** struct virtio_net_hdr: nothing of it is asked for. Without a length of headers only a link layer is kept linear. */
const NO_OFFLOAD = Buffer.alloc(10);
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;

const PCAP_HEADER = 24;
const PCAP_RECORD = 16;

/** Milliseconds that a frame may be under way. */
const PATIENCE = 5000;

export class Wire {
  readonly #socket: number;
  readonly #capture: ChildProcess;
  #captured = Buffer.alloc(0);

  private constructor(socket: number, capture: ChildProcess) {
    this.#socket = socket;
    this.#capture = capture;
    capture.stdout?.on('data', (chunk: Buffer) => {
      this.#captured = Buffer.concat([this.#captured, chunk]);
    });
  }

  /** The device's frames that match tcpdump's filter will be captured, with their tags. */
  static async open(device: string, ifindex: number, filter: string): Promise<Wire> {
    const options = ['--immediate-mode', '-U', '-Q', 'in', '-Z', 'root', '-i', device, '-w', '-'];
    const capture = spawn('tcpdump', [...options, filter], { stdio: ['ignore', 'pipe', 'pipe'] });
    const wire = new Wire(packetSocket(ifindex), capture);
    let said = '';
    // Read to its end: a pipe that is closed would kill tcpdump with the next word that it says.
    await new Promise<void>((resolve, reject) => {
      capture.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('listening on')) resolve();
      });
      capture.on('close', () => reject(new Error(`tcpdump does not listen: ${said}`)));
    });
    return wire;
  }

  /** A frame of more than a page is not linear: behind its link layer nothing is readable without being pulled. */
  send(frame: Uint8Array): void {
    writeSync(this.#socket, Buffer.concat([NO_OFFLOAD, frame]));
  }

  /** The same with a checksum that is to be completed from `start` to the frame's end, into the place at `checksum`. */
  sendPartial(frame: Uint8Array, start: number, checksum: number): void {
    const header = Buffer.alloc(NO_OFFLOAD.length);
    header.writeUInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
    header.writeUInt16LE(start, 6);
    header.writeUInt16LE(checksum - start, 8);
    writeSync(this.#socket, Buffer.concat([header, frame]));
  }

  /** The next frame that was captured. */
  async receive(): Promise<Buffer> {
    for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(2)) {
      const frame = this.#next();
      if (frame !== undefined) return frame;
    }
    throw new Error(`no frame came within ${PATIENCE} ms`);
  }

  #next(): Buffer | undefined {
    if (this.#captured.length < PCAP_HEADER + PCAP_RECORD) return undefined;
    const end = PCAP_HEADER + PCAP_RECORD + this.#captured.readUInt32LE(PCAP_HEADER + 8);
    if (this.#captured.length < end) return undefined;
    const frame = this.#captured.subarray(PCAP_HEADER + PCAP_RECORD, end);
    this.#captured = Buffer.concat([this.#captured.subarray(0, PCAP_HEADER), this.#captured.subarray(end)]);
    return frame;
  }

  async close(): Promise<void> {
    closeSync(this.#socket);
    const ended = once(this.#capture, 'close');
    this.#capture.kill();
    await ended;
  }
}

/** Sends whole frames and receives none. */
function packetSocket(ifindex: number): number {
  const libc = new NativeLibrary('libc.so.6');
  const socket = libc.int('socket', 'int', 'int', 'int')(AF_PACKET, SOCK_RAW, 0);
  const address = Buffer.alloc(SOCKADDR_LL_SIZE);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeInt32LE(ifindex, 4);
  const bound = libc.int('bind', 'int', 'pointer', 'int')(socket, address, address.length);
  const on = Buffer.from([1, 0, 0, 0]);
  const setsockopt = libc.int('setsockopt', 'int', 'int', 'int', 'pointer', 'int');
  const asked = setsockopt(socket, SOL_PACKET, PACKET_VNET_HDR, on, on.length);
  if (socket < 0 || bound !== 0 || asked !== 0) throw new Error('no packet socket: run as root');
  return socket;
}
