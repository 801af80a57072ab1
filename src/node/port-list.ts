/** The port lists of `net.ipv4.ip_local_reserved_ports`: `22,1024-2000`, sorted, both ends included. */

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Throws on anything the kernel would not print. An empty list is the empty string. */
export function parsePortList(text: string): PortRange[] {
  const ranges = text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
      if (match === null) throw new Error(`"${part}" is no port or range of ports`);
      const first = Number(match[1]);
      const last = Number(match[2] ?? match[1]);
      if (first > last || last > 65535)
        throw new Error(`"${part}" is no range of ports (0-65535, ascending)`);
      return { first, last };
    });
  return normalise(ranges);
}

function normalise(ranges: readonly PortRange[]): PortRange[] {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  const merged: PortRange[] = [];
  for (const range of sorted) {
    const before = merged.at(-1);
    if (before !== undefined && range.first <= before.last + 1) {
      merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    } else {
      merged.push(range);
    }
  }
  return merged;
}

/** As the kernel prints it. */
export function formatPortList(ranges: readonly PortRange[]): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** Both lists' ports. */
export function mergePortLists(a: readonly PortRange[], b: readonly PortRange[]): PortRange[] {
  return normalise([...a, ...b]);
}

/** The ports of `a` that are not in `b`. */
export function subtractPortLists(a: readonly PortRange[], b: readonly PortRange[]): PortRange[] {
  let left = normalise(a);
  for (const cut of normalise(b)) {
    left = left.flatMap((range) => {
      if (cut.last < range.first || cut.first > range.last) return [range];
      const parts: PortRange[] = [];
      if (range.first < cut.first) parts.push({ first: range.first, last: cut.first - 1 });
      if (range.last > cut.last) parts.push({ first: cut.last + 1, last: range.last });
      return parts;
    });
  }
  return left;
}

/** The ports that are in both lists. */
export function intersectPortLists(a: readonly PortRange[], b: readonly PortRange[]): PortRange[] {
  return subtractPortLists(a, subtractPortLists(a, b));
}
