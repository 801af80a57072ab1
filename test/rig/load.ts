/** Load programs in a client's namespace, and what they counted so far. */
import { createInterface, type Interface } from 'node:readline';
import type { RequestCounters, StreamCounters } from './load/counters.ts';
import type { DnsLoadSettings } from './load/dns-load.ts';
import type { HttpLoadSettings } from './load/http-load.ts';
import type { StreamLoadSettings } from './load/stream-load.ts';
import type { UdpSteadySettings } from './load/udp-steady.ts';
import type { ManagedProcess } from './managed-process.ts';
import { patience } from './patience.ts';
import type { Rig } from './rig.ts';
import { ZONE } from './server-configs.ts';
import { program } from './servers.ts';
import { waitFor } from './wait.ts';

/** Milliseconds a load program gets to answer; it may be waiting for its own last requests. */
const PATIENCE = patience(20_000);

export class Load<T> {
  readonly #process: ManagedProcess;
  readonly #lines: Interface;
  readonly #waiting: Array<(line: string) => void> = [];

  constructor(process: ManagedProcess) {
    this.#process = process;
    if (process.child.stdout === null) throw new Error(`${process.name} has no pipes`);
    this.#lines = createInterface({ input: process.child.stdout });
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line));
    process.child.stdin?.on('error', () => {}); // it ended: the missing answer tells
  }

  /** Counters now. */
  async read(): Promise<T> {
    return this.ask('read');
  }

  /** Lets the requests under way finish, ends the program, and returns the final counters. */
  async stop(): Promise<T> {
    const last = await this.ask<T>('stop');
    await this.#process.exited();
    return last;
  }

  /** Waits until the counters satisfy `enough`. */
  async until(what: string, enough: (counters: T) => boolean): Promise<T> {
    return waitFor(
      what,
      async () => {
        const counters = await this.read();
        return enough(counters) ? counters : undefined;
      },
      { evidence: async () => JSON.stringify(await this.read(), null, 2) },
    );
  }

  /** Resolves when the program runs; no load has to be measured while it still compiles. */
  async ready(): Promise<this> {
    await this.#next();
    return this;
  }

  /** Any other line that the program knows. */
  async ask<A>(line: string): Promise<A> {
    this.#process.child.stdin?.write(`${line}\n`);
    return JSON.parse(await this.#next()) as A;
  }

  #next(): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.#process.name} says nothing\n${this.#process.output()}`)),
        PATIENCE,
      );
      this.#waiting.push((line) => {
        clearTimeout(timer);
        resolve(line);
      });
    });
  }
}

/** Host and port are needed; 4 loops without keep-alive, 5 ms pause, 2 s patience unless told. */
export function httpLoad(
  rig: Rig,
  client: string,
  wanted: Partial<HttpLoadSettings> & Pick<HttpLoadSettings, 'host' | 'port'>,
): Promise<Load<RequestCounters>> {
  const settings = { loops: 4, keepAlive: false, pause: 5, timeout: 2000, ...wanted };
  return start(rig, client, 'http-load', settings);
}

/** Asks for the pod's name; 2 loops, 5 ms pause, 2 s patience unless told. */
export function dnsLoad(
  rig: Rig,
  client: string,
  wanted: Partial<DnsLoadSettings> & Pick<DnsLoadSettings, 'host' | 'port'>,
): Promise<Load<RequestCounters>> {
  const settings = { name: `pod.${ZONE}`, loops: 2, pause: 5, timeout: 2000, ...wanted };
  return start(rig, client, 'dns-load', settings);
}

/** 10 connections that send 1,000 bytes every 20 ms and lose patience after 5 s, unless told. */
export function streamLoad(
  rig: Rig,
  client: string,
  wanted: Partial<StreamLoadSettings> & Pick<StreamLoadSettings, 'host' | 'port'>,
): Promise<Load<StreamCounters>> {
  const settings = { connections: 10, chunk: 1000, pause: 20, patience: 5000, ...wanted };
  return start(rig, client, 'stream-load', settings);
}

/** One UDP flow, a datagram every 20 ms unless told. */
export function udpSteady(
  rig: Rig,
  client: string,
  wanted: Partial<UdpSteadySettings> & Pick<UdpSteadySettings, 'host' | 'port'>,
): Promise<Load<RequestCounters>> {
  return start(rig, client, 'udp-steady', { pause: 20, ...wanted });
}

let started = 0;

async function start<T>(rig: Rig, client: string, name: string, settings: object): Promise<Load<T>> {
  const command = program(`test/rig/load/${name}.ts`, JSON.stringify(settings));
  const spawned = rig.spawn(client, command, { name: `${name}-${++started}`, pipes: true });
  return new Load<T>(spawned).ready();
}
