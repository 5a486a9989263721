/** Small parts that all pages use. */

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Failure } from './api';

/** Shows text of a module: paragraphs, and code between backticks. */
export function Prose({ text, class: name }: { text: string | undefined; class?: string }): JSX.Element | null {
  if (!text?.trim()) return null;
  return (
    <div class={`prose ${name ?? ''}`}>
      {text
        .trim()
        .split(/\n\s*\n/)
        .map((paragraph, index) => (
          <p key={index}>{inline(paragraph)}</p>
        ))}
    </div>
  );
}

export function inline(text: string): ComponentChildren[] {
  return text
    .split(/(`[^`\n]+`)/)
    .map((part) =>
      part.length > 2 && part.startsWith('`') && part.endsWith('`') ? <code>{part.slice(1, -1)}</code> : part,
    );
}

/** Shows a failure in words. */
export function Problem({ failure, retry }: { failure: Failure; retry?: () => void }): JSX.Element {
  const kind = failure.more['kind'];
  const code = failure.more['code'];
  const details = failure.more['details'];
  const suggestions = failure.more['did_you_mean'];
  return (
    <div class="problem" role="alert">
      <strong>{failure.title}</strong>
      {failure.detail && failure.detail !== failure.title && <p>{failure.detail}</p>}
      {failure.errors.length > 0 && (
        <ul>
          {failure.errors.map((error) => (
            <li>
              <code>{error.path || '/'}</code> {error.detail}
            </li>
          ))}
        </ul>
      )}
      {typeof suggestions === 'string' && <p>Did you mean “{suggestions}”?</p>}
      {(kind || code || details) && (
        <p class="quiet">
          {[kind && `kind: ${String(kind)}`, code && `code: ${String(code)}`].filter(Boolean).join(', ')}
          {details !== undefined && details !== null && (
            <>
              {' '}
              details: <code>{typeof details === 'string' ? details : JSON.stringify(details)}</code>
            </>
          )}
        </p>
      )}
      {failure.status === 401 && <p>Give your token with the button “Token” at the top.</p>}
      {retry && (
        <button type="button" class="plain" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function failureFrom(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Failure('The page has a fault', detail, 0);
}

/** What a request returned last, and the failure of the latest try. */
export interface Loaded<T> {
  value: T | undefined;
  failure: Failure | undefined;
  again: () => void;
}

/** Loads something, and again every `seconds` while the page is visible. */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  keys: unknown[],
  seconds?: number,
): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [failure, setFailure] = useState<Failure>();
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = async (): Promise<void> => {
      if (!document.hidden || value === undefined) {
        try {
          const loaded = await load(stop.signal);
          setValue(() => loaded);
          setFailure(undefined);
        } catch (error) {
          if (!stop.signal.aborted) setFailure(failureFrom(error));
        }
      }
      if (seconds && !stop.signal.aborted) timer = setTimeout(() => void next(), seconds * 1000);
    };
    void next();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [...keys, tries]);
  return { value, failure, again: () => setTries((tries) => tries + 1) };
}

/** Loads a part of the page that most calls do not need. */
export function useModule<T>(load: () => Promise<T>): T | undefined {
  const [module, setModule] = useState<T>();
  useEffect(() => {
    let shown = true;
    void load().then((module) => {
      if (shown) setModule(() => module);
    });
    return () => {
      shown = false;
    };
  }, []);
  return module;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}

let numbers = 0;

/** Returns an id that no other element has. */
export function useName(prefix: string): string {
  const ref = useRef<string>('');
  if (!ref.current) ref.current = `${prefix}-${++numbers}`;
  return ref.current;
}

export interface Tab {
  name: string;
  show: () => ComponentChildren;
}

/** Tabs, as the keyboard expects them: arrows choose, Tab leaves. */
export function Tabs({ tabs, label }: { tabs: Tab[]; label: string }): JSX.Element | null {
  const [chosen, setChosen] = useState(0);
  const name = useName('tabs');
  const list = useRef<HTMLDivElement>(null);
  const index = Math.min(chosen, tabs.length - 1);
  const tab = tabs[index];
  if (!tab) return null;
  if (tabs.length === 1) return <>{tab.show()}</>;
  const move = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = (index + step + tabs.length) % tabs.length;
    setChosen(next);
    (list.current?.children[next] as HTMLElement | undefined)?.focus();
  };
  return (
    <div class="tabs">
      <div role="tablist" aria-label={label} ref={list} onKeyDown={move}>
        {tabs.map((each, position) => (
          <button
            type="button"
            role="tab"
            id={`${name}-${position}`}
            aria-selected={position === index}
            aria-controls={`${name}-panel`}
            tabIndex={position === index ? 0 : -1}
            onClick={() => setChosen(position)}
          >
            {each.name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${name}-panel`} aria-labelledby={`${name}-${index}`} key={tab.name}>
        {tab.show()}
      </div>
    </div>
  );
}

/** A button that copies a text, and says that it has. */
export function Copy({ text, label = 'Copy' }: { text: () => string; label?: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    const written = text();
    try {
      await navigator.clipboard.writeText(written);
    } catch {
      // Without TLS, browsers have no clipboard: the selection of a hidden field is copied.
      const area = document.createElement('textarea');
      area.value = written;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <button type="button" class="plain" onClick={() => void copy()} aria-live="polite">
      {copied ? 'Copied' : label}
    </button>
  );
}

/** Returns `3 minutes ago` for a time. */
export function ago(time: number, now = Date.now()): string {
  const seconds = Math.round((now - time) / 1000);
  if (seconds < 0) return new Date(time).toLocaleString();
  if (seconds < 60) return seconds < 5 ? 'just now' : `${seconds} seconds ago`;
  const units: [string, number][] = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ];
  for (const [unit, length] of units) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}
