/** Clients inside the VM, made of small programs: node takes a second there to say anything. */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { VIP } from '../rig/one-armed.ts';
import type { Rig } from '../rig/rig.ts';
import { ZONE } from '../rig/server-configs.ts';
import { waitFor } from '../rig/wait.ts';
import { CLIENT } from './vm-bed.ts';

/** sha256 of the file that the web pods serve. */
export const MEGABYTE = createHash('sha256')
  .update(Buffer.alloc(1 << 20, 'l4lb'))
  .digest('hex');

/** Seconds a request may take. */
const PATIENCE = '100';

/** One connection a request; the names of the pods that answered, with how often. Throws if any fails. */
export async function askWeb(rig: Rig, requests: number): Promise<Map<string, number>> {
  const url = `http://${VIP}/?[1-${requests}]`;
  const { stdout } = await rig.exec(
    CLIENT,
    ['curl', '-sS', '-f', '-m', PATIENCE, '-H', 'Connection: close', url],
    { timeout: 20_000 },
  );
  return countLines(stdout);
}

/** One socket a query; the names of the pods that answered, with how often. */
export async function askDns(rig: Rig, queries: number): Promise<Map<string, number>> {
  const names = Array.from({ length: queries }, () => [`pod.${ZONE}`, 'TXT']).flat();
  const dig = ['dig', '+short', '+tries=3', '+time=5', `@${VIP}`, ...names];
  const { stdout } = await rig.exec(CLIENT, dig, { timeout: 20_000 });
  return countLines(stdout.replaceAll('"', ''));
}

/** Fetches a megabyte through the VIP and returns its sha256. */
export async function fetchMegabyte(rig: Rig, ...options: string[]): Promise<string> {
  const curl = `curl -sS -f -m 300 ${options.join(' ')} http://${VIP}/files/megabyte | sha256sum`;
  const { stdout } = await rig.exec(CLIENT, ['sh', '-c', curl], { timeout: 30_000 });
  return stdout.split(' ')[0] ?? '';
}

/** The client's address as the pod sees it. */
export async function addressSeen(rig: Rig): Promise<string> {
  const { stdout } = await rig.exec(CLIENT, ['curl', '-sS', '-f', '-m', PATIENCE, `http://${VIP}/from`]);
  return stdout.trim();
}

/** A connection that stays open between two requests. */
export interface HeldConnection {
  /** The pod that answered the first request. */
  readonly pod: string;
  /** Sends a second request on the same connection; the pod that answers. */
  readonly askAgain: () => Promise<string>;
}

/** In bash: one request at once, the next one when a line comes on its standard input. */
const HOLD = `
exec 3<>/dev/tcp/${VIP}/80
while :; do
	printf 'GET / HTTP/1.1\\r\\nHost: vip\\r\\n\\r\\n' >&3
	while read -r line <&3; do [[ $line != web-* ]] || break; done
	echo "$line"
	read -r || exit
done`;

let held = 0;

export async function holdConnection(rig: Rig): Promise<HeldConnection> {
  const client = rig.spawn(CLIENT, ['bash', '-c', HOLD], { name: `held-${++held}`, pipes: true });
  const { stdin, stdout } = client.child;
  if (stdin === null || stdout === null) throw new Error('bash has no pipes');
  const answers: string[] = [];
  createInterface({ input: stdout }).on('line', (line) => answers.push(line));
  const answer = (number: number) =>
    waitFor(`answer ${number} on a held connection`, async () => answers[number - 1], {
      evidence: async () => client.output(),
    });
  const pod = await answer(1);
  const askAgain = async () => {
    stdin.write('\n');
    const second = await answer(2);
    stdin.end();
    return second;
  };
  return { pod, askAgain };
}

function countLines(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of text.split('\n')) if (line !== '') counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}
