/** A function: its form, the call that runs, and the result. */

import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type ModuleInfo, address, describe, run, submit, token } from '../api';
import { FieldView, FormContext, type FormState } from '../form/form';
import { type Json, type JsonObject, isObject, parse, stringify } from '../json';
import { addJob } from '../jobs';
import {
  type Arguments,
  CONSTRUCTOR,
  type Member,
  bodyOf,
  checkAll,
  formPath,
  hasArguments,
  memberOf,
  valuesOf,
} from '../member';
import { placeText, progressOf } from '../progress';
import { Result } from '../result/result';
import { link } from '../router';
import { type Field, type Problem as Wrong, at, initial, text } from '../schema';
import { LANGUAGES } from '../snippets';
import { Copy, Problem, Prose, Tabs, failureFrom, inline, useLoad, useTitle } from '../ui';
import { IDLE, type RunState, Running } from './running';

export function MemberPage({ topic, members }: { topic: string; members: string[] }): JSX.Element {
  useTitle(`${members.join('.')} – ${topic}`);
  const { value: module, failure, again } = useLoad((signal) => describe(topic, signal), [topic]);
  const member = useMemo(() => module && memberOf(module, members), [module, members.join('/')]);
  return (
    <main id="main">
      <nav class="crumbs" aria-label="Where you are">
        <a href={link()}>Modules</a>
        <a href={link('modules', topic)}>{topic}</a>
      </nav>
      {failure && <Problem failure={failure} retry={again} />}
      {!module && !failure && <p class="quiet">The description is being loaded …</p>}
      {module && !member && <Unknown module={module} name={members.join('.')} />}
      {member && <Call key={member.path.join('/')} member={member} />}
    </main>
  );
}

function Unknown({ module, name }: { module: ModuleInfo; name: string }): JSX.Element {
  return (
    <div class="problem" role="alert">
      <strong>
        {module.topic} has no function {name}
      </strong>
      <p>
        The module may have changed. <a href={link('modules', module.topic)}>See its functions.</a>
      </p>
    </div>
  );
}

/** The arguments of a job that is run again, from the page of the job to the form. */
export const AGAIN = 'dasf-again';

function firstValues(member: Member): Arguments {
  const kept = sessionStorage.getItem(AGAIN);
  const object = (field: Field | undefined): JsonObject => {
    const value = field ? initial({ ...field, default: undefined, nullable: false }) : {};
    return isObject(value) ? value : {};
  };
  const values = { constructor: object(member.constructorField), own: object(member.field) };
  if (!kept) return values;
  sessionStorage.removeItem(AGAIN);
  const again = valuesOf(member, parse(kept));
  if (!again) return values;
  return {
    constructor: { ...values.constructor, ...again.constructor },
    own: { ...values.own, ...again.own },
  };
}

function Call({ member }: { member: Member }): JSX.Element {
  const [values, setValues] = useState(() => firstValues(member));
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [all, setAll] = useState(false);
  const [refused, setRefused] = useState<Wrong[]>([]);
  const [state, setState] = useState<RunState>(IDLE);
  const stop = useRef<AbortController>(undefined);
  const results = useRef<HTMLElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const problems = useMemo(() => checkAll(member, values), [member, values]);
  const body = useMemo(() => bodyOf(member, values), [member, values]);

  // A call ends with its page; a job goes on.
  useEffect(() => () => stop.current?.abort(), []);

  const context: FormState = useMemo(() => {
    const shown = problems.filter(({ path }) => all || isTouched(touched, path));
    const known = [...shown, ...refused];
    return {
      problems: (path) => unique(known.filter((each) => each.path === path).map((each) => each.detail)),
      below: (path) =>
        unique(
          known
            .filter((each) => each.path.startsWith(`${path}/`))
            .map((each) => `${placeName(each.path.slice(path.length + 1))}: ${each.detail}`),
        ),
      touch: (path) => {
        setTouched((touched) => new Set([...touched, path]));
        // What the module refused is another value now.
        setRefused((refused) =>
          refused.filter((each) => !each.path.startsWith(path) && !path.startsWith(`${each.path}/`)),
        );
      },
    };
  }, [problems, touched, all, refused]);

  const showFirstProblem = (): void => {
    requestAnimationFrame(() => {
      const wrong = form.current?.querySelector<HTMLElement>('[aria-invalid="true"], .wrong');
      wrong?.focus?.();
      wrong?.scrollIntoView({ block: 'center' });
    });
  };

  const start = async (): Promise<void> => {
    setAll(true);
    if (problems.length > 0) {
      showFirstProblem();
      return;
    }
    stop.current?.abort();
    const abort = new AbortController();
    stop.current = abort;
    const since = Date.now();
    const update = (change: Partial<RunState>): void => {
      if (stop.current === abort) setState((state) => ({ ...state, ...change }));
    };
    setRefused([]);
    setState({ ...IDLE, running: true, since });
    try {
      await run(
        member.path,
        stringify(body),
        (event) => {
          if (event.kind === 'progress') update({ progress: progressOf(event.report) });
          if (event.kind === 'place') update({ place: placeText(event.place) });
          if (event.kind === 'result') update({ result: { value: event.value } });
          if (event.kind === 'problem') throw event.failure;
        },
        abort.signal,
      );
      update({ running: false, took: Date.now() - since });
      requestAnimationFrame(() => results.current?.scrollIntoView({ block: 'nearest' }));
    } catch (error) {
      if (abort.signal.aborted) {
        update({ running: false, cancelled: true, took: Date.now() - since });
        return;
      }
      const failure = failureFrom(error);
      setRefused(failure.errors.map((each) => ({ ...each, path: formPath(member, each.path) })));
      update({ running: false, failure, took: Date.now() - since });
      if (failure.errors.length > 0) showFirstProblem();
    }
  };

  const startJob = async (): Promise<void> => {
    setAll(true);
    if (problems.length > 0) {
      showFirstProblem();
      return;
    }
    const written = stringify(body);
    setState({ ...IDLE, running: true, since: Date.now(), place: 'The job is being submitted …' });
    try {
      // The key lets a repeated request find the same job.
      const job = await submit(member.path, written, crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`);
      addJob({ id: job.id, path: member.path, since: Date.now(), status: job.status ?? 'waiting', body: written });
      location.hash = link('jobs', job.id).slice(1);
    } catch (error) {
      const failure = failureFrom(error);
      setRefused(failure.errors.map((each) => ({ ...each, path: formPath(member, each.path) })));
      setState({ ...IDLE, failure });
    }
  };

  const name = member.path.at(-1) ?? '';
  const returns = isObject(member.info.returns) ? member.info.returns : {};
  const returned = text(returns['description']);
  return (
    <FormContext.Provider value={context}>
      <h1>
        {member.owner && <span class="quiet">{member.owner.name}.</span>}
        {name}
      </h1>
      <Prose text={member.info.description} class="lead" />
      <div class="columns">
        <form
          ref={form}
          class="panel"
          aria-label="Arguments"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (!state.running) void start();
          }}
        >
          {!hasArguments(member) && <p class="quiet">This function takes no arguments.</p>}
          {member.constructorField && member.constructorField.properties().length > 0 && (
            <fieldset class="group constructor">
              <legend>{member.owner?.name}</legend>
              <Fields
                field={member.constructorField}
                path={CONSTRUCTOR}
                value={values.constructor}
                onChange={(constructor) => setValues((values) => ({ ...values, constructor: constructor(values.constructor) }))}
              />
            </fieldset>
          )}
          <Fields
            field={member.field}
            path=""
            value={values.own}
            onChange={(own) => setValues((values) => ({ ...values, own: own(values.own) }))}
          />
          {all && problems.length > 0 && (
            <p class="wrong" role="alert">
              {problems.length === 1 ? 'One value needs' : `${problems.length} values need`} your attention.
            </p>
          )}
          <div class="actions">
            <button type="submit" class="main" disabled={state.running}>
              Run
            </button>
            <button type="button" class="plain" disabled={state.running} onClick={() => void startJob()}>
              Run as a job
            </button>
          </div>
          <p class="quiet">A job goes on when you leave this page. You find it again under “My jobs”.</p>
        </form>
        <section class="panel result" aria-labelledby="result" ref={results}>
          <h2 id="result">Result</h2>
          {returned && <p class="quiet">{inline(returned)}</p>}
          <Running state={state} onCancel={() => stop.current?.abort()} />
          {!state.running && state.result && (
            <>
              <Result
                value={state.result.value}
                expected={{ schema: returns, responseType: member.info.response_type, name }}
              />
              <p class="quiet">{state.took !== undefined && `after ${duration(state.took)}`}</p>
            </>
          )}
          {state === IDLE && <p class="quiet empty-result">The result appears here.</p>}
        </section>
      </div>
      <Code member={member} body={body} />
    </FormContext.Provider>
  );
}

function Fields({
  field,
  path,
  value,
  onChange,
}: {
  field: Field;
  path: string;
  value: JsonObject;
  onChange: (change: (value: JsonObject) => JsonObject) => void;
}): JSX.Element {
  return (
    <div class="parts">
      {field.properties().map(({ name, required, field: part }) => (
        <FieldView
          key={name}
          field={part}
          path={at(path, name)}
          required={required}
          value={value[name]}
          onChange={(next: Json | undefined) =>
            onChange((value) => {
              const { [name]: _, ...rest } = value;
              return next === undefined ? rest : { ...value, [name]: next };
            })
          }
        />
      ))}
    </div>
  );
}

function Code({ member, body }: { member: Member; body: JsonObject }): JSX.Element {
  const call = { url: address(...member.path), body: shortened(body), token: token() !== '' };
  const whole = { ...call, body };
  return (
    <details class="code">
      <summary>The same call as code</summary>
      <Tabs
        label="Languages"
        tabs={LANGUAGES.map(({ name, write }) => ({
          name,
          show: () => (
            <div>
              <pre tabIndex={0}>
                <code>{write(call)}</code>
              </pre>
              <div class="actions">
                <Copy text={() => write(whole)} />
                {call.token && <span class="quiet">Put your token into the variable DASF_TOKEN.</span>}
              </div>
            </div>
          ),
        }))}
      />
    </details>
  );
}

/** Long texts, such as files, are shown in part; the copy has all. */
function shortened(value: JsonObject): JsonObject {
  const short = (value: Json): Json => {
    if (typeof value === 'string' && value.length > 400) return `${value.slice(0, 60)}…`;
    if (Array.isArray(value)) return value.slice(0, 200).map(short);
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, short(each)]));
  };
  return short(value) as JsonObject;
}

/** A problem shows at once at a place that was changed, and at the places inside of it. */
function isTouched(touched: ReadonlySet<string>, path: string): boolean {
  if (touched.has(path)) return true;
  return [...touched].some((each) => each !== '' && path.startsWith(`${each}/`));
}

function placeName(path: string): string {
  return path
    .split('/')
    .map((part) => (/^\d+$/.test(part) ? `item ${Number(part) + 1}` : part))
    .join(', ');
}

function unique(texts: string[]): string[] {
  return [...new Set(texts)];
}

export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(1, Math.round(milliseconds))} ms`;
  const seconds = milliseconds / 1000;
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} minutes`;
}
