/** What is known of a call that runs, and its outcome. */

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Failure } from '../api';
import type { Json } from '../json';
import type { Progress } from '../progress';
import { Problem } from '../ui';

export interface RunState {
  running: boolean;
  /** When the call began, in milliseconds since 1970. */
  since: number;
  /** How long it took, in milliseconds, if it is over. */
  took: number | undefined;
  place: string;
  progress: Progress | undefined;
  result: { value: Json } | undefined;
  failure: Failure | undefined;
  cancelled: boolean;
}

export const IDLE: RunState = {
  running: false,
  since: 0,
  took: undefined,
  place: '',
  progress: undefined,
  result: undefined,
  failure: undefined,
  cancelled: false,
};

export function Running({ state, onCancel }: { state: RunState; onCancel?: () => void }): JSX.Element | null {
  const { running, progress, place, failure, cancelled, took } = state;
  const [, tick] = useState(0);
  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 500);
    return () => clearInterval(timer);
  }, [running]);
  if (!running && !progress && !failure && !cancelled) return null;
  const seconds = ((took ?? Date.now() - state.since) / 1000).toFixed(1);
  return (
    <div class="running">
      {running && (
        <div class="running-head">
          <Bar percent={progress?.percent} />
          <span class="percent">
            {progress?.percent === undefined ? `${seconds} s` : `${Math.round(progress.percent)} %, ${seconds} s`}
          </span>
          {onCancel && (
            <button type="button" class="plain" onClick={onCancel}>
              Cancel
            </button>
          )}
        </div>
      )}
      <div class="quiet" role="status">
        {running ? progress?.message || place || 'The call is on its way …' : cancelled ? 'The call was cancelled.' : ''}
      </div>
      {progress && progress.steps.length > 0 && <Steps progress={progress} open={running || !!failure} />}
      {failure && <Problem failure={failure} />}
    </div>
  );
}

function Bar({ percent }: { percent: number | undefined }): JSX.Element {
  const value = percent === undefined ? undefined : Math.round(percent);
  return (
    <div
      class={`bar ${value === undefined ? 'unknown' : ''}`}
      role="progressbar"
      aria-label="Progress of the call"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value}
    >
      <div style={{ width: `${value ?? 30}%` }} />
    </div>
  );
}

const SIGNS: Record<string, string> = { success: '✓', error: '✗', running: '…' };

function Steps({ progress, open }: { progress: Progress; open: boolean }): JSX.Element {
  return (
    <details class="steps" open={open}>
      <summary>
        {progress.steps.length === 1 ? '1 step' : `${progress.steps.length} steps`}
      </summary>
      {/* The list scrolls, so the keyboard must reach it. */}
      <ol tabIndex={0}>
        {progress.steps.map((step) => (
          <li class={`step ${step.status}`} style={{ marginLeft: `${step.depth * 1.2}rem` }}>
            <span aria-hidden="true">{SIGNS[step.status] ?? '·'}</span> {step.message || 'step'}
            <span class="hidden"> ({step.status})</span>
          </li>
        ))}
      </ol>
    </details>
  );
}
