import { useEffect, useState } from 'preact/hooks';
import { LOG_CHECKS, verifyLog, type LogFindings } from '../checks/log.ts';
import { registrySource } from '../checks/source.ts';
import { browserMemory } from '../memory.ts';

/** The checks of the log, made anew each time a page that shows them opens, and again on request. */
export function useLogCheck(): { findings: LogFindings; checkedAt?: Date; again: () => void } {
  const [round, next] = useState(0);
  const [result, keep] = useState<{ findings: LogFindings; checkedAt?: Date }>({ findings: { steps: LOG_CHECKS } });
  useEffect(() => {
    let isCurrent = true;
    const now = new Date();
    const show = (findings: LogFindings) => {
      if (isCurrent) keep({ findings, checkedAt: now });
    };
    void verifyLog({ source: registrySource, memory: browserMemory(), now }, show);
    return () => {
      isCurrent = false;
    };
  }, [round]);
  return { ...result, again: () => next((n) => n + 1) };
}
