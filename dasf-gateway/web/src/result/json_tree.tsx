/** JSON as a tree whose branches open. */

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Json, isObject, stringify } from '../json';

/** A branch shows so many entries at first, and as many more at a time. */
const PAGE = 100;

export function JsonTree({ value }: { value: Json }): JSX.Element {
  return (
    <div class="json">
      <Node value={value} depth={0} />
    </div>
  );
}

function Node({ name, value, depth }: { name?: string; value: Json; depth: number }): JSX.Element {
  const label = name === undefined ? null : <span class="json-key">{name}: </span>;
  if (!Array.isArray(value) && !isObject(value)) {
    const kind = value === null ? 'null' : typeof value === 'object' ? 'number' : typeof value;
    return (
      <div class="json-line">
        {label}
        <span class={`json-${kind}`}>{stringify(value)}</span>
      </div>
    );
  }
  return <Branch label={label} value={value} depth={depth} />;
}

function Branch({
  label,
  value,
  depth,
}: {
  label: JSX.Element | null;
  value: Json[] | { [key: string]: Json };
  depth: number;
}): JSX.Element {
  const list = Array.isArray(value);
  const entries: [string, Json][] = list
    ? value.map((each, index) => [String(index), each])
    : Object.entries(value);
  const [open, setOpen] = useState(depth < 2 && entries.length <= PAGE);
  const [most, setMost] = useState(PAGE);
  const count = list
    ? `[${entries.length === 1 ? '1 item' : `${entries.length} items`}]`
    : `{${entries.length === 1 ? '1 key' : `${entries.length} keys`}}`;
  if (entries.length === 0) {
    return (
      <div class="json-line">
        {label}
        {list ? '[ ]' : '{ }'}
      </div>
    );
  }
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}
        <span class="quiet">{count}</span>
      </summary>
      {open && (
        <div class="json-children">
          {entries.slice(0, most).map(([name, each]) => (
            <Node key={name} name={name} value={each} depth={depth + 1} />
          ))}
          {entries.length > most && (
            <button type="button" class="plain small" onClick={() => setMost(most + 10 * PAGE)}>
              Show more of {entries.length}
            </button>
          )}
        </div>
      )}
    </details>
  );
}
