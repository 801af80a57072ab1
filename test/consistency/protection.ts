/**
 * Which flows may not move, at one node, by docs/consistency.md, "What is guaranteed": a flow stays with its
 * backend as long as the backend is in some slice, if it sends a packet within the window after each change
 * of its slot to a node that saw the change. To a node that a flow comes to from another one, a packet that
 * the hash alone would have sent to the same backend counts as one that it saw: nothing tells them apart.
 */

/** What the node's table says of a flow's slot. */
export interface SlotView {
  /** Endpoint of the live owner. */
  readonly owner: string | undefined;
  readonly isTracked: boolean;
}

export interface Limits {
  /** Jiffies after a change of its slot within which a flow has to send a packet. */
  readonly window: number;
  /** Jiffies of silence after which a remembered flow is forgotten. */
  readonly idle: number;
}

export class Protection {
  readonly #endpoint: string;
  readonly #limits: Limits;
  #isGiven = false;
  #owner: string | undefined;
  /** Jiffies: until then it has to send a packet. */
  #due: number | undefined;
  #seen = 0;

  constructor(endpoint: string, limits: Limits) {
    this.#endpoint = endpoint;
    this.#limits = limits;
  }

  /** After anything that may have changed the node's tables. */
  look({ owner, isTracked }: SlotView, isThere: boolean, now: number): void {
    this.#expire(now);
    if (!isThere) this.#isGiven = false;
    const isChanged = owner !== this.#owner;
    this.#owner = owner;
    if (isThere && !isTracked && owner === this.#endpoint) this.#give(now);
    else if (isChanged && this.#isGiven) this.#due ??= now + this.#limits.window;
  }

  /** Whether a packet that comes now must go to the flow's backend. */
  holds(now: number): boolean {
    this.#expire(now);
    return this.#isGiven;
  }

  /** A packet went to the flow's backend. */
  arrived(now: number): void {
    this.#give(now);
  }

  /** The node lost its tables. */
  end(): void {
    this.#isGiven = false;
    this.#owner = undefined;
  }

  #give(now: number): void {
    this.#isGiven = true;
    this.#due = undefined;
    this.#seen = now;
  }

  #expire(now: number): void {
    const isLate = this.#due !== undefined && now > this.#due;
    if (isLate || now - this.#seen > this.#limits.idle) this.#isGiven = false;
  }
}
