/** Reads a directory of manifests; only files that changed are read and parsed again. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { brokenManifest, MAX_MANIFEST_BYTES, type ParsedManifest, parseManifest } from './manifest-parser.ts';

/** Whether a file of this name is read: YAML or JSON, not hidden; editors' copies end otherwise. */
export function isManifestName(name: string): boolean {
  return /^[^.#].*\.(ya?ml|json)$/.test(name);
}

/** What a look found out about one file. */
export type FileNews =
  | { readonly name: string; readonly state: 'read'; readonly parsed: ParsedManifest }
  | { readonly name: string; readonly state: 'unchanged' }
  | { readonly name: string; readonly state: 'gone' };

interface Cached {
  readonly signature: string;
  /** A file written in the same tick of the file system's clock as it was read may change unseen. */
  readonly trusted: boolean;
  readonly hash: string;
  readonly hadObjects: boolean;
}

/** Coarser than any file system's clock we meet, and too short to matter. */
const CLOCK_TICK_MS = 100;
/** The event loop gets a turn after this much work. */
const WORK_SLICE_MS = 10;

export class ManifestFolder {
  readonly #directory: string;
  readonly #cache = new Map<string, Cached>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Tells about every file, or about the named ones. Throws what readdir throws. Reads synchronously in
   * slices: a hop to the thread pool and back costs more than reading a small file.
   */
  async look(only: ReadonlySet<string> | undefined, tell: (news: FileNews) => void): Promise<void> {
    const listed = readdirSync(this.#directory).filter(isManifestName);
    const present = new Set(listed);
    const names = only === undefined ? [...listed, ...this.#cache.keys()] : [...only].filter(isManifestName);
    let sliceEnd = performance.now() + WORK_SLICE_MS;
    for (const name of new Set(names)) {
      tell(present.has(name) ? this.#lookAt(name, only !== undefined) : this.#forget(name));
      if (performance.now() > sliceEnd) {
        await setImmediate();
        sliceEnd = performance.now() + WORK_SLICE_MS;
      }
    }
  }

  #forget(name: string): FileNews {
    this.#cache.delete(name);
    return { name, state: 'gone' };
  }

  #lookAt(name: string, suspect: boolean): FileNews {
    const path = join(this.#directory, name);
    const cached = this.#cache.get(name);
    try {
      const stats = statSync(path);
      if (!stats.isFile()) return this.#forget(name);
      const signature = signatureOf(stats);
      if (cached?.signature === signature && cached.trusted && !suspect) return { name, state: 'unchanged' };
      return this.#read(name, path, stats, signature, cached);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.#forget(name);
      this.#cache.delete(name);
      const reason = error instanceof Error ? error.message : String(error);
      const message = `cannot be read (${reason}); its objects stay as they were`;
      const parsed = brokenManifest({
        severity: 'error',
        code: 'file-unreadable',
        message,
        file: path,
        line: 1,
      });
      return { name, state: 'read', parsed };
    }
  }

  #read(name: string, path: string, stats: Stats, signature: string, cached: Cached | undefined): FileNews {
    const tooLarge = stats.size > MAX_MANIFEST_BYTES;
    const bytes = tooLarge ? Buffer.alloc(0) : readFileSync(path);
    const hash = tooLarge ? `${stats.size} bytes` : createHash('sha256').update(bytes).digest('base64');
    const trusted = Date.now() - Math.max(stats.mtimeMs, stats.ctimeMs) > CLOCK_TICK_MS;
    if (cached?.hash === hash) {
      this.#cache.set(name, { ...cached, signature, trusted });
      return { name, state: 'unchanged' };
    }
    const parsed = tooLarge
      ? brokenManifest(tooLargeProblem(path, stats.size))
      : parseFile(bytes, path, cached?.hadObjects ?? false);
    const hadObjects = parsed.objects.length > 0 || (parsed.broken && (cached?.hadObjects ?? false));
    this.#cache.set(name, { signature, trusted, hash, hadObjects });
    return { name, state: 'read', parsed };
  }
}

function signatureOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
}

function tooLargeProblem(file: string, size: number) {
  const message = `has ${size} bytes, the limit is ${MAX_MANIFEST_BYTES}; split it into several files`;
  return { severity: 'error', code: 'file-too-large', message, file, line: 1 } as const;
}

/** An empty file that had objects is most likely being written this moment. */
function parseFile(bytes: Buffer, file: string, hadObjects: boolean): ParsedManifest {
  if (hadObjects && bytes.toString('latin1').trim() === '') {
    const message = 'is empty; its objects stay as they were. To remove them, remove the file';
    return brokenManifest({ severity: 'warning', code: 'empty-file', message, file, line: 1 });
  }
  return parseManifest(bytes, file);
}
