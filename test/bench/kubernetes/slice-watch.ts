/** A second watch on the same server: says when an event reaches whoever listens, apart from the agent. */

import type { IncomingMessage } from 'node:http';
import { Agent, get } from 'node:https';
import type { ControlPlane } from '../../kube/control-plane.ts';

const PATH = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?watch=true&resourceVersion=';

export class SliceWatch {
  readonly #response: IncomingMessage;
  readonly #waiting = new Map<string, (at: number) => void>();
  #rest = '';

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8').on('data', (text: string) => this.#hear(text, performance.now()));
    response.on('error', () => undefined);
  }

  static async open(plane: ControlPlane): Promise<SliceWatch> {
    const options = { ...plane.credentials, agent: new Agent({ maxSockets: 1 }) };
    const version = JSON.parse(
      plane.kubectl(['get', '--raw', '/api/v1/namespaces/default/pods?limit=1']),
    ) as {
      metadata: { resourceVersion: string };
    };
    const url = `${plane.url}${PATH}${version.metadata.resourceVersion}`;
    return new Promise((resolve, reject) => {
      get(url, options, (response) => resolve(new SliceWatch(response))).on('error', reject);
    });
  }

  /** When the next event of this slice is heard, by performance.now(). */
  next(name: string): Promise<number> {
    return new Promise((resolve) => this.#waiting.set(name, resolve));
  }

  close(): void {
    this.#response.destroy();
  }

  #hear(text: string, at: number): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const { object } = JSON.parse(line) as { object: { metadata?: { name?: string } } };
      const name = object.metadata?.name ?? '';
      this.#waiting.get(name)?.(at);
      this.#waiting.delete(name);
    }
  }
}
