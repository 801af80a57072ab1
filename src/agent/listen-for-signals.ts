/** The signals that end an agent, or have it read its configuration again. */

export interface Signals {
  /** Resolves at the first SIGTERM or SIGINT, also if that came before. */
  follow(handlers: { readonly reload: () => Promise<void> }): Promise<void>;
}

/** From the first moment, so that a signal during the start ends the agent in order. */
export function listenForSignals(): Signals {
  let reload: () => Promise<void> = () => Promise.resolve();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
  });
  process.on('SIGHUP', () => void reload());
  return {
    follow(handlers) {
      reload = handlers.reload;
      return stopped;
    },
  };
}
