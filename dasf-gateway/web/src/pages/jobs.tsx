/** The jobs of this browser, and one of them. */

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import {
  type FunctionInfo,
  type JobInfo,
  type JobStatus,
  cancelJob,
  describe,
  followJob,
  forgetJob,
  job,
} from '../api';
import { type MyJob, isOver, myJobs, removeJob, updateJob } from '../jobs';
import { memberOf } from '../member';
import { placeText, progressOf } from '../progress';
import { Result } from '../result/result';
import { link } from '../router';
import { JsonTree } from '../result/json_tree';
import { isObject, parse } from '../json';
import { Copy, Problem, ago, failureFrom, useLoad, useTitle } from '../ui';
import type { Failure } from '../api';
import { AGAIN } from './member';
import { IDLE, type RunState, Running } from './running';

const REFRESH_SECONDS = 3;

export function JobsPage(): JSX.Element {
  useTitle('My jobs');
  const [jobs, setJobs] = useState(myJobs);
  const remove = async (id: string): Promise<void> => {
    // The broker may have forgotten it already.
    await forgetJob(id).catch(() => undefined);
    removeJob(id);
    setJobs(myJobs());
  };
  return (
    <main id="main">
      <h1>My jobs</h1>
      {jobs.length === 0 ? (
        <div class="empty">
          <p>
            <strong>You have no jobs.</strong>
          </p>
          <p>Press “Run as a job” at a function. The job goes on when you leave, and this browser remembers it.</p>
        </div>
      ) : (
        <ul class="jobs">
          {jobs.map((each) => (
            <JobRow key={each.id} mine={each} onRemove={() => void remove(each.id)} />
          ))}
        </ul>
      )}
      <OpenJob />
    </main>
  );
}

function JobRow({ mine, onRemove }: { mine: MyJob; onRemove: () => void }): JSX.Element {
  const [status, setStatus] = useState(mine.status);
  const over = isOver(status);
  const { value, failure } = useLoad(
    async (signal): Promise<JobInfo | undefined> => {
      // The status of a job that is over stays.
      if (over) return undefined;
      const now = await job(mine.id, signal);
      updateJob(mine.id, now.status);
      setStatus(now.status);
      return now;
    },
    [mine.id, over],
    over ? undefined : REFRESH_SECONDS,
  );
  return (
    <li class="job">
      <a href={link('jobs', mine.id)}>
        <span class="member-name">{mine.path.slice(1).join('.')}</span>{' '}
        <span class="quiet">on {mine.path[0]}</span>
      </a>
      <Status status={status} percent={value?.percent} />
      <span class="quiet">{ago(mine.since)}</span>
      {failure && <span class="wrong">{failure.status === 404 ? 'the broker does not know it any more' : failure.title}</span>}
      <button type="button" class="plain small" onClick={onRemove}>
        {isOver(status) ? 'Forget' : 'Cancel and forget'}
        <span class="hidden"> {mine.path.slice(1).join('.')}</span>
      </button>
    </li>
  );
}

const WORDS: Record<JobStatus, string> = {
  waiting: 'waiting',
  delivered: 'with the module',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
};

function Status({ status, percent }: { status: JobStatus; percent: number | undefined }): JSX.Element {
  const shown = percent !== undefined && !isOver(status) ? `, ${Math.round(percent)} %` : '';
  return (
    <span class={`status ${status}`}>
      {WORDS[status] ?? status}
      {shown}
    </span>
  );
}

/** A job of another program is found by its id. */
function OpenJob(): JSX.Element {
  const [id, setId] = useState('');
  return (
    <form
      class="open"
      onSubmit={(event) => {
        event.preventDefault();
        if (id.trim()) location.hash = link('jobs', id.trim()).slice(1);
      }}
    >
      <label for="job-id">Open a job by its id</label>
      <div class="row">
        <input
          id="job-id"
          type="text"
          autocomplete="off"
          value={id}
          placeholder="as printed by dasf submit"
          onInput={(event) => setId(event.currentTarget.value)}
        />
        <button type="submit" class="plain">
          Open
        </button>
      </div>
    </form>
  );
}

export function JobPage({ id }: { id: string }): JSX.Element {
  useTitle('Job');
  const mine = myJobs().find((each) => each.id === id);
  const [info, setInfo] = useState<JobInfo>();
  const [state, setState] = useState<RunState>({ ...IDLE, since: mine?.since ?? Date.now() });
  const [lost, setLost] = useState<Failure>();
  const [tries, setTries] = useState(0);
  const topic = mine?.path[0] ?? info?.topic ?? id.split('.')[0] ?? '';
  const over = !!state.result || !!state.failure;

  useEffect(() => {
    const stop = new AbortController();
    const follow = async (): Promise<void> => {
      setLost(undefined);
      try {
        const now = await job(id, stop.signal);
        setInfo(now);
        updateJob(id, now.status);
        const known = now.report ? { progress: progressOf(now.report) } : {};
        setState((state) => ({ ...state, ...known, running: !isOver(now.status) }));
        if (now.status === 'cancelled') {
          setState((state) => ({ ...state, running: false, cancelled: true }));
          return;
        }
        await followJob(
          id,
          (event) => {
            if (event.kind === 'progress') setState((state) => ({ ...state, progress: progressOf(event.report) }));
            if (event.kind === 'place') setState((state) => ({ ...state, place: placeText(event.place) }));
            if (event.kind === 'result') {
              updateJob(id, 'done');
              setState((state) => ({ ...state, running: false, result: { value: event.value } }));
            }
            if (event.kind === 'problem') {
              const cancelled = event.failure.status === 409;
              updateJob(id, cancelled ? 'cancelled' : 'failed');
              const outcome = cancelled ? { cancelled } : { failure: event.failure };
              setState((state) => ({ ...state, running: false, ...outcome }));
            }
          },
          stop.signal,
        );
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((state) => ({ ...state, running: false }));
        setLost(failureFrom(error));
      }
    };
    void follow();
    return () => stop.abort();
  }, [id, tries]);

  const { value: module } = useLoad((signal) => describe(topic, signal), [topic]);
  const member = module && mine ? memberOf(module, mine.path.slice(1)) : undefined;
  const returns: FunctionInfo['returns'] = member?.info.returns ?? {};
  const name = mine?.path.at(-1) ?? topic;
  const cancel = async (): Promise<void> => {
    try {
      await cancelJob(id);
      updateJob(id, 'cancelled');
      setState((state) => ({ ...state, running: false, cancelled: true }));
      setTries((tries) => tries + 1);
    } catch (error) {
      setLost(failureFrom(error));
    }
  };
  const again = (): void => {
    if (!mine?.body) return;
    sessionStorage.setItem(AGAIN, mine.body);
    location.hash = link('modules', ...mine.path).slice(1);
  };
  const body = mine?.body === undefined ? undefined : parse(mine.body);
  return (
    <main id="main">
      <nav class="crumbs" aria-label="Where you are">
        <a href={link('jobs')}>My jobs</a>
        <a href={link('modules', topic)}>{topic}</a>
      </nav>
      <h1>{mine ? mine.path.slice(1).join('.') : 'Job'}</h1>
      <p class="quiet job-id">
        <code>{id}</code> <Copy text={() => id} label="Copy the id" />
      </p>
      <div class="columns">
        <section class="panel" aria-labelledby="job-state">
          <h2 id="job-state">State</h2>
          <p>
            {state.running ? (
              <Status status={info?.status ?? 'waiting'} percent={state.progress?.percent} />
            ) : (
              <Status
                status={state.result ? 'done' : state.cancelled ? 'cancelled' : state.failure ? 'failed' : (info?.status ?? 'waiting')}
                percent={undefined}
              />
            )}
            {mine && <span class="quiet">, submitted {ago(mine.since)}</span>}
          </p>
          {lost && <Problem failure={lost} retry={() => setTries((tries) => tries + 1)} />}
          <Running state={state} onCancel={() => void cancel()} />
          {isObject(body ?? null) && Object.keys(body as object).length > 0 && (
            <details>
              <summary>Arguments</summary>
              <JsonTree value={body ?? null} />
            </details>
          )}
          <div class="actions">
            {mine?.body !== undefined && (
              <button type="button" class="plain" onClick={again}>
                Change and run again
              </button>
            )}
          </div>
          {state.running && <p class="quiet">You can close this page. The job goes on.</p>}
        </section>
        <section class="panel result" aria-labelledby="result">
          <h2 id="result">Result</h2>
          {state.result ? (
            <Result
              key={member ? 'described' : 'plain'}
              value={state.result.value}
              expected={{ schema: returns, responseType: member?.info.response_type, name }}
            />
          ) : (
            <p class="quiet empty-result">{over ? 'There is no result.' : 'The result appears here.'}</p>
          )}
        </section>
      </div>
    </main>
  );
}
