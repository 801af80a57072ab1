import type { NodeScene } from './scene.ts';

/** One thing that the node programs do; it is run in both families unless it is of one only. */
export interface NodeCase {
  readonly name: string;
  readonly only?: 'v4' | 'v6';
  readonly run: (scene: NodeScene) => void;
}
