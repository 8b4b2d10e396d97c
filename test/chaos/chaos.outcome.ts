import type { Judgement } from './history.judge.js';

/** The figures that a run is judged by. */
export interface ChaosReport {
  writes: number;
  acknowledged: number;
  /** Of unknown fate to their caller: timed out, killed. */
  unknown: number;
  lost: number;
  divergent: number;
  stuck: number;
  parkedWithoutCause: number;
  keysChecked: number;
  nonLinearizable: number;
  kills: number;
  /** Processes that ended by themselves, calls that did not end, faults that could not be carried out. */
  failures: number;
}

export interface ChaosOutcome {
  readonly report: ChaosReport;
  readonly clean: boolean;
  readonly judgement: Judgement;
  readonly parked: readonly string[];
  readonly folder: string;
  readonly seconds: number;
  readonly notes: readonly string[];
  readonly failures: readonly string[];
}

export interface ChaosProgress {
  say(line: string): void;
  progress(text: string): void;
}

/** What is known of the stores once everything is quiet. */
export interface ChaosEnd {
  readonly stuck: number;
  readonly parked: number;
  readonly kills: number;
  readonly failures: number;
}

export function reportOf(judgement: Judgement, { stuck, parked, kills, failures }: ChaosEnd): ChaosReport {
  return {
    writes: judgement.writes,
    acknowledged: judgement.acknowledged,
    unknown: judgement.unknown,
    lost: judgement.lost,
    divergent: judgement.differences.length,
    stuck,
    parkedWithoutCause: parked,
    keysChecked: judgement.keysChecked,
    nonLinearizable: judgement.nonLinearizable,
    kills,
    failures,
  };
}

export function isClean(report: ChaosReport): boolean {
  const { failures, lost, divergent, stuck, parkedWithoutCause, nonLinearizable } = report;
  return failures + lost + divergent + stuck + parkedWithoutCause + nonLinearizable === 0;
}
