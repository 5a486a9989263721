/** A table that can be sorted and saved. */

import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { download } from '../bytes';
import { type Json, isNumber, stringify } from '../json';
import { type Table, compare, csvOf, isPlain } from './view';

const PAGE = 50;

export function TableView({ table, name }: { table: Table; name: string }): JSX.Element {
  const [sort, setSort] = useState<{ column: number; down: boolean }>();
  const [most, setMost] = useState(PAGE);
  const rows = useMemo(() => {
    if (!sort) return table.rows;
    const { column, down } = sort;
    return table.rows
      .map((row, index) => ({ row, index }))
      .sort((a, b) => {
        const [x, y] = [a.row[column] ?? null, b.row[column] ?? null];
        // Nothing stays last in both directions.
        if (x === null || y === null) return compare(x, y) || a.index - b.index;
        return (down ? compare(y, x) : compare(x, y)) || a.index - b.index;
      })
      .map(({ row }) => row);
  }, [table, sort]);
  const numeric = table.columns.map((_, column) =>
    table.rows.slice(0, 50).every((row) => row[column] === null || isNumber(row[column] ?? null)),
  );
  const click = (column: number): void =>
    setSort(sort?.column !== column ? { column, down: false } : sort.down ? undefined : { column, down: true });
  return (
    <div class="table">
      <div class="table-frame" tabIndex={0} role="region" aria-label="Table">
        <table>
          <thead>
            <tr>
              {table.columns.map((column, index) => {
                const sorted = sort?.column === index ? (sort.down ? 'descending' : 'ascending') : 'none';
                return (
                  <th scope="col" aria-sort={sorted} class={numeric[index] ? 'number' : undefined}>
                    <button type="button" onClick={() => click(index)}>
                      {column}
                      <span aria-hidden="true" class="arrow">
                        {sorted === 'none' ? '' : sorted === 'ascending' ? ' ▲' : ' ▼'}
                      </span>
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, most).map((row) => (
              <tr>
                {row.map((cell, index) => (
                  <td class={numeric[index] ? 'number' : undefined}>{cellText(cell)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="actions">
        <button
          type="button"
          class="plain"
          onClick={() => download(csvOf({ ...table, rows }), `${name}.csv`, 'text/csv;charset=utf-8')}
        >
          Download CSV
        </button>
        {rows.length > most && (
          <button type="button" class="plain" onClick={() => setMost(most * 10)}>
            Show more rows
          </button>
        )}
        <span class="quiet">
          {rows.length > most ? `${most} of ` : ''}
          {rows.length === 1 ? '1 row' : `${rows.length} rows`}
        </span>
      </div>
    </div>
  );
}

function cellText(cell: Json): string {
  if (cell === null) return '';
  if (typeof cell === 'string') return cell;
  const written = isPlain(cell) ? stringify(cell) : JSON.stringify(cell);
  return written.length > 300 ? `${written.slice(0, 300)} …` : written;
}
