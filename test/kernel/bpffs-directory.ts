import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';

/** A BPF file system for one test file; a former run's is taken away first, with all its pins. */
export function mountBpffs(name: string): { path: string; unmount: () => void } {
  const path = `/run/l4lb-kernel-test/${name}`;
  const unmount = () => {
    while (spawnSync('umount', [path]).status === 0);
    rmSync(path, { recursive: true, force: true });
  };
  unmount();
  mkdirSync(path, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'bpf', 'bpf', path], { encoding: 'utf8' });
  if (mounted.status !== 0) throw new Error(`cannot mount a BPF file system: ${mounted.stderr}`);
  return { path, unmount };
}
