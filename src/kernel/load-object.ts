/** Loading a compiled object: constants, sizes, pinned maps, then the verifier. */
import { closeSync, existsSync, mkdirSync, statfsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '../layout/generated.ts';
import { type BpfMap, KernelError, type LoadedObject, type LoadOptions } from './kernel.ts';
import { type MapShape, mapShape, openPinnedMap } from './maps.ts';
import type { NativeCalls } from './native-calls.ts';
import { type Address, cString, pointerCell, readCString } from './native-library.ts';
import { checked, errnoName, kernelError, takeLog } from './native-result.ts';
import { programInfo } from './programs.ts';

const BPFFS_MAGIC = 0xcafe4a11;
const MAP_NAME_BYTES = 64;

/** A map of the object before load, and after it with its descriptor. */
interface ObjectMap extends MapShape {
  readonly address: Address;
  readonly name: string;
  /** .rodata, .bss and the like. */
  readonly internal: boolean;
  readonly fd: number;
}

/** Where a map of this layout is pinned. */
export function pinPath(directory: string, mapName: string): string {
  return join(directory, `${mapName}_v${layout.LAYOUT_VERSION}`);
}

export function loadObject(native: NativeCalls, options: LoadOptions): LoadedObject {
  const { object, reused } = prepare(native, options);
  try {
    return finish(native, object, options, reused, native.bpf.objectLoad(object));
  } catch (error) {
    native.bpf.objectClose(object);
    throw error;
  }
}

/** As {@link loadObject}, with maps and verifier on a thread of their own. */
export async function loadObjectAside(native: NativeCalls, options: LoadOptions): Promise<LoadedObject> {
  const { object, reused } = prepare(native, options);
  try {
    return finish(native, object, options, reused, await native.bpf.objectLoad.async(object));
  } catch (error) {
    native.bpf.objectClose(object);
    throw error;
  }
}

interface PreparedObject {
  readonly object: Address;
  /** Names of the maps that exist already. */
  readonly reused: ReadonlySet<string>;
}

function prepare(native: NativeCalls, options: LoadOptions): PreparedObject {
  takeLog(native);
  const object = open(native, options);
  try {
    selectProgram(native, object, options);
    setConstants(native, object, options);
    return { object, reused: prepareMaps(native, object, options) };
  } catch (error) {
    native.bpf.objectClose(object);
    throw error;
  }
}

function finish(
  native: NativeCalls,
  object: Address,
  options: LoadOptions,
  reused: ReadonlySet<string>,
  result: number,
): LoadedObject {
  if (result < 0) throw loadError(native, result, options);
  pinNewMaps(native, object, options, reused);
  return describe(native, object, options);
}

function open(native: NativeCalls, { objectPath }: LoadOptions): Address {
  if (!existsSync(objectPath)) {
    throw new KernelError('ENOENT', `there is no compiled program ${objectPath}: run make build`);
  }
  const cell = pointerCell();
  const result = native.l4lb.objectOpen(cString(objectPath), cell);
  if (result < 0) throw kernelError(result, `open ${objectPath}`, `\n${takeLog(native)}`);
  return cell.readBigUInt64LE();
}

function selectProgram(native: NativeCalls, object: Address, options: LoadOptions): void {
  const result = native.l4lb.objectSelect(object, cString(options.programName));
  if (result < 0) {
    throw new KernelError('ENOENT', `${options.objectPath} has no program ${options.programName}`);
  }
}

function setConstants(native: NativeCalls, object: Address, { rodata = {}, objectPath }: LoadOptions): void {
  for (const [name, bytes] of Object.entries(rodata)) {
    const size = new Uint32Array([bytes.length]);
    const result = native.l4lb.setConstant(object, cString(name), bytes, new Uint8Array(size.buffer));
    if (result >= 0) continue;
    throw new KernelError(
      errnoName(result),
      errnoName(result) === 'EMSGSIZE'
        ? `constant ${name} of ${objectPath} has ${size[0]} bytes, not ${bytes.length}: run make build`
        : `${objectPath} has no constant ${name} in .rodata`,
    );
  }
}

function objectMaps(native: NativeCalls, object: Address): ObjectMap[] {
  const maps: ObjectMap[] = [];
  const cell = pointerCell();
  const name = Buffer.alloc(MAP_NAME_BYTES);
  const info = new Uint32Array(7);
  let previous: Address = 0n;
  while (native.l4lb.nextMap(object, previous, cell, name, name.length, new Uint8Array(info.buffer)) === 1) {
    previous = cell.readBigUInt64LE();
    const [type = 0, keySize = 0, valueSize = 0, maxEntries = 0, flags = 0, internal = 0, fd = 0] = info;
    const shape = { type, keySize, valueSize, maxEntries, flags };
    maps.push({ address: previous, name: readCString(name), ...shape, internal: internal !== 0, fd: fd | 0 });
  }
  return maps;
}

/** Sets sizes and hands over maps that exist already; returns the names of these. */
function prepareMaps(native: NativeCalls, object: Address, options: LoadOptions): Set<string> {
  const { maxEntries = {}, reuse = {}, pinDirectory } = options;
  const maps = objectMaps(native, object).filter((map) => !map.internal);
  refuseUnknownMaps(maps, [...Object.keys(maxEntries), ...Object.keys(reuse)], options.objectPath);
  const reused = new Set<string>();
  for (const map of maps) {
    const wanted = { ...map, maxEntries: maxEntries[map.name] ?? map.maxEntries };
    if (wanted.maxEntries !== map.maxEntries) {
      checked(
        native.bpf.setMaxEntries(map.address, wanted.maxEntries),
        `size map ${map.name} for ${wanted.maxEntries} entries`,
      );
    }
    const given = reuse[map.name];
    if (given !== undefined) {
      takeOver(native, wanted, given, `map descriptor ${given}`);
      reused.add(map.name);
    } else if (pinDirectory !== undefined && takePinned(native, wanted, pinPath(pinDirectory, map.name))) {
      reused.add(map.name);
    }
  }
  return reused;
}

function refuseUnknownMaps(maps: readonly ObjectMap[], names: readonly string[], objectPath: string): void {
  const known = maps.map((map) => map.name);
  for (const name of names) {
    if (known.includes(name)) continue;
    throw new KernelError('ENOENT', `${objectPath} has no map ${name}; it has ${known.join(', ')}`);
  }
}

function takePinned(native: NativeCalls, wanted: ObjectMap, path: string): boolean {
  const pinned = openPinnedMap(native, path);
  if (!pinned) return false;
  try {
    takeOver(native, wanted, pinned.fd, path);
  } finally {
    closeSync(pinned.fd);
  }
  return true;
}

/** libbpf makes its own copy of the descriptor. */
function takeOver(native: NativeCalls, wanted: ObjectMap, fd: number, from: string): void {
  const found = mapShape(native, fd);
  const differs = (['type', 'keySize', 'valueSize', 'maxEntries', 'flags'] as const).some(
    (property) => found[property] !== wanted[property],
  );
  if (differs) {
    throw new KernelError(
      'MAP_MISMATCH',
      `map ${wanted.name}: ${from} has ${shapeText(found)}, this program and configuration want ${shapeText(wanted)}. ` +
        'Configure the former sizes, or stop the agent and remove its pinned maps, which ends the connections in them',
    );
  }
  checked(native.bpf.reuseFd(wanted.address, fd), `use ${from} as map ${wanted.name}`);
}

function shapeText({ type, keySize, valueSize, maxEntries, flags }: MapShape): string {
  return `${maxEntries} entries of ${keySize} + ${valueSize} bytes (type ${type}, flags ${flags})`;
}

function loadError(native: NativeCalls, result: number, options: LoadOptions): KernelError {
  const log = takeLog(native);
  return kernelError(
    result,
    `load program ${options.programName} of ${options.objectPath}`,
    log && `; libbpf says:\n${log}`,
  );
}

/** All or nothing: what was pinned is unpinned again if one fails. */
function pinNewMaps(
  native: NativeCalls,
  object: Address,
  { pinDirectory }: LoadOptions,
  reused: ReadonlySet<string>,
): void {
  if (pinDirectory === undefined) return;
  makePinDirectory(pinDirectory);
  const pinned: string[] = [];
  try {
    for (const map of objectMaps(native, object)) {
      if (map.internal || reused.has(map.name)) continue;
      const path = pinPath(pinDirectory, map.name);
      checked(native.bpf.objPin(map.fd, cString(path)), `pin map ${map.name} as ${path}`);
      pinned.push(path);
    }
  } catch (error) {
    for (const path of pinned) unlinkSync(path);
    throw error;
  }
}

function makePinDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true });
  if (statfsSync(directory).type === BPFFS_MAGIC) return;
  throw new KernelError(
    'NOT_BPFFS',
    `${directory} is on no BPF file system, maps cannot be pinned there: mount -t bpf bpf <directory>`,
  );
}

function describe(native: NativeCalls, object: Address, options: LoadOptions): LoadedObject {
  const program = native.bpf.findProgram(object, cString(options.programName));
  const programFd = checked(native.bpf.programFd(program), `use program ${options.programName}`);
  const info = programInfo(native, programFd);
  const maps = new Map<string, BpfMap>();
  for (const { address: _address, internal, ...map } of objectMaps(native, object)) {
    if (!internal) maps.set(map.name, map);
  }
  let isOpen = true;
  return {
    programFd,
    programId: info.id,
    verifiedInstructions: info.verifiedInstructions,
    maps,
    close() {
      if (isOpen) native.bpf.objectClose(object);
      isOpen = false;
    },
  };
}
