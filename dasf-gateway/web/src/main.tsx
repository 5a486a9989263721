/** The page of the gateway: modules, forms for their functions, results and jobs. */

import { type JSX, render } from 'preact';
import { useState } from 'preact/hooks';
import { setToken, token } from './api';
import { JobPage, JobsPage } from './pages/jobs';
import { MemberPage } from './pages/member';
import { ModulePage } from './pages/module';
import { ModulesPage } from './pages/modules';
import { type Route, link, useRoute } from './router';
import './style.css';

function App(): JSX.Element {
  const route = useRoute();
  const [signIn, setSignIn] = useState(0);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header>
        <a class="brand" href={link()}>
          <Logo /> Modules
        </a>
        <nav aria-label="Pages">
          <a href={link('jobs')} aria-current={route.page === 'jobs' ? 'page' : undefined}>
            My jobs
          </a>
          <Token onChange={() => setSignIn((count) => count + 1)} />
        </nav>
      </header>
      {/* Another token may see other modules. */}
      <Page key={signIn} route={route} />
    </>
  );
}

/** Addresses after the `#` are pages here, so the link must not change them. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  const main = document.getElementById('main');
  main?.setAttribute('tabindex', '-1');
  main?.focus();
}

function Page({ route }: { route: Route }): JSX.Element {
  switch (route.page) {
    case 'modules':
      return <ModulesPage />;
    case 'module':
      return <ModulePage topic={route.topic} />;
    case 'member':
      return <MemberPage key={route.members.join('/')} topic={route.topic} members={route.members} />;
    case 'jobs':
      return <JobsPage />;
    case 'job':
      return <JobPage key={route.id} id={route.id} />;
  }
}

function Token({ onChange }: { onChange: () => void }): JSX.Element {
  const [open, setOpen] = useState(false);
  const [written, setWritten] = useState(token);
  const given = token() !== '';
  return (
    <div class="token">
      <button type="button" class="plain" aria-expanded={open} aria-controls="token" onClick={() => setOpen(!open)}>
        {given ? 'Token ✓' : 'Token'}
      </button>
      {open && (
        <form
          id="token"
          onSubmit={(event) => {
            event.preventDefault();
            setToken(written.trim());
            setOpen(false);
            onChange();
          }}
        >
          <label for="token-value">Your token at the broker</label>
          <input
            id="token-value"
            type="password"
            autocomplete="off"
            value={written}
            onInput={(event) => setWritten(event.currentTarget.value)}
          />
          <p class="quiet">It is kept in this tab until you close it.</p>
          <div class="actions">
            <button type="submit" class="main">
              Use
            </button>
            <button
              type="button"
              class="plain"
              onClick={() => {
                setWritten('');
                setToken('');
                setOpen(false);
                onChange();
              }}
            >
              Remove
            </button>
          </div>
        </form>
      )}
    </div>
  );
}

function Logo(): JSX.Element {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <path d="M7 22c4 0 4-12 9-12s5 12 9 12" fill="none" stroke="var(--on-accent)" stroke-width="3" stroke-linecap="round" />
    </svg>
  );
}

// After an update of the gateway, an open page asks for parts that are gone.
addEventListener('vite:preloadError', () => location.reload());

const root = document.getElementById('app');
if (root) {
  root.replaceChildren();
  render(<App />, root);
}
