import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { judge, type StatusThresholds, type Verdict } from '../status/status.judgement.js';
import type { StatusReport } from '../status/status.report.js';
import { codeOf } from '../status/report.part.js';

const MAX_FINDINGS = 20;

/** For `HealthCheckService.check` of Terminus. Answers are at most a second old, so probes cost nothing; it never throws. */
@Injectable()
export class ConsistentHealthIndicator {
  private readonly indicators = new HealthIndicatorService();

  /** @internal */
  constructor(
    private readonly report: StatusReport,
    private readonly thresholds: StatusThresholds,
  ) {}

  /**
   * This process runs its event loop. Asks no store: a process that is ended for a store's sake comes back to the same store,
   * and all of them at once.
   */
  liveness(key = 'consistent'): HealthIndicatorResult {
    return this.indicators.check(key).up({ uptimeSeconds: Math.floor(process.uptime()) });
  }

  /**
   * `up`: both stores are reached and entities are registered. `degraded`, with the findings: work goes on, but somebody should
   * look (HTTP 200; `up` with `degraded: true` where Terminus is older than 12.1). `down`: a store has not been reached for
   * `unreachableMs`, or nothing is registered.
   */
  async readiness(key = 'consistent'): Promise<HealthIndicatorResult> {
    const session = this.indicators.check(key);
    let verdict: Verdict;
    try {
      verdict = judge(await this.report.read(), this.thresholds);
    } catch (error) {
      return session.down({ error: codeOf(error) });
    }
    const { level, findings } = verdict;
    if (level === 'well') return session.up();
    const details = {
      findings: findings.slice(0, MAX_FINDINGS).map(({ code, subject, text }) => ({ code, subject, text })),
      ...(findings.length > MAX_FINDINGS ? { more: findings.length - MAX_FINDINGS } : {}),
    };
    if (level === 'down') return session.down(details);
    const data = { degraded: true, ...details };
    // Terminus 11 knows up and down only.
    return 'degraded' in session && typeof session.degraded === 'function' ? session.degraded(data) : up(session, data);
  }
}

type Session = ReturnType<HealthIndicatorService['check']>;

const up = (session: Session, data: Record<string, unknown>): HealthIndicatorResult => session.up(data);
