/** The signals that end an agent, or have it read its configuration again. */
import type { Logger } from 'pino';
import type { ReloadDecision } from './decide-reload.ts';

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

/** What SIGHUP does to an agent of either role: never more than what its reload says in the log. */
export function reloadHandler(
  agent: { readonly reload: () => Promise<ReloadDecision> },
  log: Logger,
): () => Promise<void> {
  return async () => {
    try {
      const { verdict, changed } = await agent.reload();
      log.info({ verdict, changed }, 'SIGHUP');
    } catch (err) {
      log.error({ err }, 'the configuration was not reloaded; the old one stays in force');
    }
  };
}
