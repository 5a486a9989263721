/** The list of modules. */

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type ModuleRow, modules } from '../api';
import { link } from '../router';
import { Problem, ago, inline, useLoad, useTitle } from '../ui';

const REFRESH_SECONDS = 5;

export function ModulesPage(): JSX.Element {
  useTitle('Modules');
  const { value, failure, again } = useLoad(modules, [], REFRESH_SECONDS);
  return (
    <main id="main">
      <h1>Modules</h1>
      {failure && <Problem failure={failure} retry={again} />}
      {!value && !failure && <p class="quiet">The list is being loaded …</p>}
      {value?.length === 0 && (
        <div class="empty">
          <p>
            <strong>No module listens.</strong>
          </p>
          <p>Start a module with the address of this broker. It appears here when it listens.</p>
        </div>
      )}
      {value && value.length > 0 && (
        <ul class="cards" aria-label="Modules that listen">
          {value.map((row) => (
            <Card key={row.topic} row={row} />
          ))}
        </ul>
      )}
      <OpenTopic />
    </main>
  );
}

/** Some brokers keep no list of their modules. */
function OpenTopic(): JSX.Element {
  const [topic, setTopic] = useState('');
  return (
    <form
      class="open"
      onSubmit={(event) => {
        event.preventDefault();
        if (topic.trim()) location.hash = link('modules', topic.trim()).slice(1);
      }}
    >
      <label for="topic">Open a module that is not listed by its topic</label>
      <div class="row">
        <input
          id="topic"
          type="text"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          value={topic}
          onInput={(event) => setTopic(event.currentTarget.value)}
        />
        <button type="submit" class="plain">
          Open
        </button>
      </div>
    </form>
  );
}

function Card({ row }: { row: ModuleRow }): JSX.Element {
  const since = sinceOf(row.since);
  const facts: [string, JSX.Element | string | undefined][] = [
    ['version', row.version],
    ['host', row.host],
    ['since', since === undefined ? undefined : <time title={new Date(since).toLocaleString()}>{ago(since)}</time>],
    ['instances', row.instances !== undefined && row.instances !== 1 ? String(row.instances) : undefined],
    ['waiting', numberText(row.waiting)],
    ['running', numberText(row.running)],
    ['failures', numberText(row.failures)],
    ['latency', row.latency_ms === undefined ? undefined : latency(row.latency_ms)],
  ];
  const known = facts.filter(([, value]) => value !== undefined);
  return (
    <li class="card">
      <h2>
        <a href={link('modules', row.topic)}>{row.topic}</a>
      </h2>
      {row.name && row.name !== row.topic && <p class="quiet">module {row.name}</p>}
      {row.description && <p>{inline(row.description)}</p>}
      {known.length > 0 && (
        <dl class="facts">
          {known.map(([name, value]) => (
            <div class={name === 'failures' && value !== '0' ? 'bad' : undefined}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}

function numberText(value: number | undefined): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}

function latency(milliseconds: number): string {
  if (milliseconds < 1) return '< 1 ms';
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Reads a time as text, or as seconds or milliseconds since 1970. */
function sinceOf(since: string | number | undefined): number | undefined {
  if (since === undefined || since === null) return undefined;
  if (typeof since === 'number') return since < 1e11 ? since * 1000 : since;
  const time = Date.parse(since);
  return Number.isNaN(time) ? undefined : time;
}
