/**
 * The seed of flow hash and Maglev tables. Nodes that share it send a flow to
 * the same backend, so with more than one node it comes from a file that all
 * of them have. A node alone makes its own once and keeps it: another seed
 * would move nearly all flows.
 */
import { createHash, randomBytes } from 'node:crypto';
import { parseHashSeed } from '../config/hash-seed.ts';
import { readFileIfThere, writeFileAtomic } from '../node/atomic-file.ts';
import { AgentError, exitCodes } from './exit-codes.ts';

function parseSeed(text: string, file: string): bigint {
  try {
    return parseHashSeed(text, file);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new AgentError(exitCodes.configuration, `hash.seedFile: ${message}`, { cause });
  }
}

/** Reads the configured seed, or the node's own, which is made at the first start. */
export function loadHashSeed(configured: string | undefined, ownFile: string): bigint {
  const file = configured ?? ownFile;
  let text: string | undefined;
  try {
    text = readFileIfThere(file);
  } catch (cause) {
    throw new AgentError(exitCodes.configuration, `hash.seedFile: ${file} cannot be read: ${String(cause)}`, {
      cause,
    });
  }
  if (text !== undefined) return parseSeed(text, file);
  if (configured !== undefined) {
    throw new AgentError(
      exitCodes.configuration,
      `hash.seedFile: ${file} does not exist; copy it from another node, or make one with: openssl rand -hex 16 > ${file}`,
    );
  }
  const made = randomBytes(8).toString('hex');
  writeFileAtomic(ownFile, `${made}\n`, 0o600);
  return parseSeed(made, ownFile);
}

/** Says whether nodes agree without telling the seed: 8 hexadecimal digits of its SHA-256. */
export function seedFingerprint(seed: bigint): string {
  return createHash('sha256')
    .update(`l4lb hash seed ${seed.toString(16).padStart(16, '0')}`)
    .digest('hex')
    .slice(0, 8);
}
