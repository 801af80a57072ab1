/** That the source has said something: it is looked at also while something slow is under way. */
export class News {
  #isThere = false;
  #wake: () => void = () => {};

  /** There is something to be looked at. */
  tell(): void {
    this.#isThere = true;
    this.#wake();
  }

  /** A look at everything begins. */
  clear(): void {
    this.#isThere = false;
  }

  /** What the work resolves to. Meanwhile `look`, which begins by clear(), is called for each news, one after the other. */
  async during<T>(work: Promise<T>, look: () => Promise<void>): Promise<T> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
      this.#wake();
    };
    work.then(end, end);
    while (!isDone || this.#isThere) {
      if (this.#isThere) await look();
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    return work;
  }
}
