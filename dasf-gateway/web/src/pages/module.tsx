/** A module: its functions and classes. */

import type { JSX } from 'preact';
import { type FunctionInfo, describe } from '../api';
import { link } from '../router';
import { hasArguments, memberOf } from '../member';
import type { ModuleInfo } from '../api';
import { Problem, Prose, inline, useLoad, useTitle } from '../ui';

export function ModulePage({ topic }: { topic: string }): JSX.Element {
  useTitle(topic);
  const { value: module, failure, again } = useLoad((signal) => describe(topic, signal), [topic]);
  return (
    <main id="main">
      <nav class="crumbs" aria-label="Where you are">
        <a href={link()}>Modules</a>
      </nav>
      <h1>{topic}</h1>
      {failure && <Problem failure={failure} retry={again} />}
      {!module && !failure && <p class="quiet">The description is being loaded …</p>}
      {module && (
        <>
          <Prose text={module.description} class="lead" />
          {module.version && <p class="quiet">version {module.version}</p>}
          {module.functions.length > 0 && (
            <section aria-labelledby="functions">
              <h2 id="functions">Functions</h2>
              <Functions module={module} functions={module.functions} owner={undefined} />
            </section>
          )}
          {module.classes.map((each) => (
            <section aria-labelledby={`class-${each.name}`}>
              <h2 id={`class-${each.name}`}>{each.name}</h2>
              <Prose text={each.description} />
              <Functions module={module} functions={each.methods} owner={each.name} />
            </section>
          ))}
          {module.functions.length + module.classes.length === 0 && (
            <p class="empty">This module has no functions.</p>
          )}
          <p class="quiet">
            The same as an interface for programs:{' '}
            <a href={`api/${encodeURIComponent(topic)}/openapi.json`}>OpenAPI</a>
          </p>
        </>
      )}
    </main>
  );
}

function Functions({
  module,
  functions,
  owner,
}: {
  module: ModuleInfo;
  functions: FunctionInfo[];
  owner: string | undefined;
}): JSX.Element {
  return (
    <ul class="members">
      {functions.map((each) => {
        const names = owner === undefined ? [each.name] : [owner, each.name];
        const member = memberOf(module, names);
        const summary = each.description?.split(/\n\s*\n/)[0];
        return (
          <li>
            <a href={link('modules', module.topic, ...names)}>
              <span class="member-name">{each.name}</span>
              {summary && <span class="member-text">{inline(summary)}</span>}
              {member && !hasArguments(member) && <span class="quiet">no arguments</span>}
            </a>
          </li>
        );
      })}
    </ul>
  );
}
