/** What the agent asks of and tells the network stack, through iproute2's JSON. */
import { CommandError, type RunCommand, runChecked } from './run-command.ts';

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** `dummy`, `ifb`, `vlan`, `veth` ...; undefined for a physical device. */
  readonly kind?: string;
  /** Administratively up. */
  readonly up: boolean;
  readonly mtu: number;
  /** Of a VLAN device: its parent's name and its 802.1Q id. */
  readonly parent?: string;
  readonly vlan?: number;
}

export interface InterfaceAddress {
  readonly address: string;
  readonly prefixLength: number;
}

/** Where the kernel would send a packet to an address. */
export interface RouteAnswer {
  readonly type: string;
  readonly device?: string;
  readonly gateway?: string;
}

interface JsonLink {
  ifindex: number;
  ifname: string;
  flags?: string[];
  mtu?: number;
  link?: string;
  linkinfo?: { info_kind?: string; info_data?: { id?: number } };
  addr_info?: Array<{ family?: string; local?: string; prefixlen?: number; scope?: string }>;
}

/** ip prints nothing at all, rather than [], when there is nothing to print. */
function parseJson<T>(text: string, what: string): T[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  try {
    const value: unknown = JSON.parse(trimmed);
    // `ip -j` leaves empty objects for entries that its own filter dropped.
    return (Array.isArray(value) ? value : [value]).filter(
      (entry) => typeof entry === 'object' && entry !== null && Object.keys(entry).length > 0,
    ) as T[];
  } catch (cause) {
    throw new Error(`ip printed something for "${what}" that is not JSON: ${trimmed.slice(0, 120)}`, {
      cause,
    });
  }
}

export function toLink(json: JsonLink): Link {
  const kind = json.linkinfo?.info_kind;
  const vlan = json.linkinfo?.info_data?.id;
  return {
    ifindex: json.ifindex,
    name: json.ifname,
    up: (json.flags ?? []).includes('UP'),
    mtu: json.mtu ?? 0,
    ...(kind === undefined ? {} : { kind }),
    ...(kind === 'vlan' && json.link !== undefined && vlan !== undefined ? { parent: json.link, vlan } : {}),
  };
}

async function ipJson<T>(run: RunCommand, args: readonly string[]): Promise<T[]> {
  return parseJson<T>(await runChecked(run, 'ip', ['-j', ...args]), args.join(' '));
}

/** All devices of this network namespace. */
export async function listLinks(run: RunCommand): Promise<Link[]> {
  return (await ipJson<JsonLink>(run, ['-d', 'link', 'show'])).map(toLink);
}

/** The device, or undefined when there is none of that name. */
export async function findLink(run: RunCommand, name: string): Promise<Link | undefined> {
  return (await listLinks(run)).find((link) => link.name === name);
}

/** Addresses of a device, without the link-local ones of IPv6, which the kernel makes. */
export async function listAddresses(run: RunCommand, device: string): Promise<InterfaceAddress[]> {
  const links = await ipJson<JsonLink>(run, ['addr', 'show', 'dev', device]);
  return links.flatMap((link) =>
    (link.addr_info ?? []).flatMap((info) => {
      const isOrdinary = info.family === 'inet' || (info.family === 'inet6' && info.scope !== 'link');
      return isOrdinary && info.local !== undefined && info.prefixlen !== undefined
        ? [{ address: info.local, prefixLength: info.prefixlen }]
        : [];
    }),
  );
}

/** Addresses of every device: what is the node's own. */
export async function listOwnAddressesByDevice(
  run: RunCommand,
): Promise<Array<{ device: string; address: string }>> {
  const links = await ipJson<JsonLink>(run, ['addr', 'show']);
  return links.flatMap((link) =>
    (link.addr_info ?? []).flatMap(({ local }) =>
      local === undefined ? [] : [{ device: link.ifname, address: local }],
    ),
  );
}

/**
 * Where the kernel would send packets to these addresses, asked in one go. An address without a route,
 * or with one that refuses it (unreachable, blackhole, prohibit), is not in the answer.
 */
export async function routesTo(
  run: RunCommand,
  addresses: readonly string[],
): Promise<ReadonlyMap<string, RouteAnswer>> {
  if (addresses.length === 0) return new Map();
  const questions = addresses.map((address) => `route get ${address}\n`).join('');
  // The exit code says only that some address has no route.
  const { stdout } = await run('ip', ['-j', '-force', '-batch', '-'], questions);
  const answers = stdout
    .split('\n')
    .flatMap((line) =>
      parseJson<{ type?: string; dst?: string; dev?: string; gateway?: string }>(line, 'route get'),
    );
  return new Map(
    answers.flatMap(({ type, dst, dev, gateway }) =>
      dst === undefined
        ? []
        : [
            [
              dst,
              {
                type: type ?? 'unicast',
                ...(dev === undefined ? {} : { device: dev }),
                ...(gateway === undefined ? {} : { gateway }),
              },
            ] as const,
          ],
    ),
  );
}

export interface NeighbourEntry {
  readonly address: string;
  readonly device: string;
  readonly managed: boolean;
  /** Written by an administrator: the kernel neither resolves nor forgets it. */
  readonly permanent: boolean;
}

/** The neighbour tables of both families. */
export async function listNeighbours(run: RunCommand): Promise<NeighbourEntry[]> {
  const entries = await ipJson<{ dst: string; dev: string; managed?: null; state?: string[] }>(run, [
    'neigh',
    'show',
  ]);
  return entries.map((entry) => ({
    address: entry.dst,
    device: entry.dev,
    managed: 'managed' in entry,
    permanent: (entry.state ?? []).some((state) => state === 'PERMANENT' || state === 'NOARP'),
  }));
}

/** Runs `ip ARGS`; an answer that says "it is so already" or "it is gone already" is fine. */
export async function ipIdempotent(run: RunCommand, args: readonly string[]): Promise<void> {
  const result = await run('ip', args);
  if (result.code === 0) return;
  const said = result.stderr;
  const already = /File exists|Cannot find device|No such (process|file|device)|Cannot assign requested/i;
  if (!already.test(said)) throw new CommandError('ip', args, result);
}
