/** What of the agent the status shows. */
import type { Config } from '../config/config.ts';
import type { ControllerState } from '../controller/controller.ts';
import type { Problem } from '../services/desired-state.ts';
import type { ReconcileState } from './reconcile.ts';
import type { NodeSurvey } from './survey-node.ts';

export interface AgentFacts {
  readonly config: Config;
  readonly hashSeed: bigint;
  readonly startedAt: number;
  readonly lastApplyAt: number | undefined;
  readonly survey: NodeSurvey;
  readonly state: ReconcileState;
  readonly drained: boolean;
  readonly failure: string | undefined;
  readonly problems: readonly Problem[];
  /** Undefined: nothing is written to the cluster. */
  readonly controller: ControllerState | undefined;
}
