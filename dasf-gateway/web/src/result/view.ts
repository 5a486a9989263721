/** Decides how to show a result. */

import { decode, extensionOf, sniff } from '../bytes';
import { type Json, type JsonObject, isNumber, isObject } from '../json';
import { type Features, featuresOf, isGeoJson, placeOf, pointsOf } from '../map/geo';
import { type Schema, resolve, text } from '../schema';

/** A table: the names of its columns, and its rows. */
export interface Table {
  columns: string[];
  rows: Json[][];
}

/** Lines over a common axis. */
export interface Series {
  /** Seconds since 1970 if `time`, otherwise numbers in rising order. */
  x: number[];
  time: boolean;
  xLabel: string;
  lines: { label: string; values: (number | null)[] }[];
}

export type View =
  | { kind: 'nothing' }
  | { kind: 'number'; text: string }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'text'; text: string }
  | { kind: 'markdown'; text: string }
  | { kind: 'plot'; series: Series }
  | { kind: 'table'; table: Table }
  | { kind: 'map'; features: Features }
  | { kind: 'grid'; rows: (number | null)[][] }
  | { kind: 'netcdf'; bytes: Uint8Array<ArrayBuffer> }
  | { kind: 'image'; bytes: Uint8Array<ArrayBuffer>; type: string; name: string }
  | { kind: 'file'; bytes: Uint8Array<ArrayBuffer>; type: string; name: string; label: string }
  | { kind: 'link'; href: string; label: string }
  | { kind: 'several'; parts: { title: string; views: View[] }[] }
  | { kind: 'json'; value: Json };

/** What is known of a result before it comes. */
export interface Expected {
  schema: Schema;
  responseType: string | undefined;
  name: string;
}

/** Returns the views of a result, the best one first. */
export function viewsOf(value: Json, expected: Expected): View[] {
  const schema = resolve(expected.schema, expected.schema);
  const views = special(value, expected) ?? plain(value, schema, expected);
  const enough = views.some((view) => ['nothing', 'json', 'boolean', 'number', 'file', 'image', 'netcdf', 'link'].includes(view.kind));
  return enough ? views : [...views, { kind: 'json', value }];
}

/** The results of DASF's map widget, which name their kind. */
function special(value: Json, expected: Expected): View[] | undefined {
  if (!isObject(value)) return undefined;
  const type = text(value['response_type']) ?? expected.responseType;
  switch (type) {
    case 'geojson': {
      const data = value['data'] ?? value;
      return isGeoJson(data) ? mapViews(data) : undefined;
    }
    case 'datasource': {
      const records = value['records'];
      return records === undefined ? undefined : plain(records, {}, expected);
    }
    case 'categorical_button': {
      const label = text(value['button_title']) ?? text(value['text']) ?? text(value['button_text']);
      const href = text(value['href']);
      if (href !== undefined) return [{ kind: 'link', href, label: label ?? href }];
      const bytes = decode(text(value['data']) ?? '');
      if (!bytes) return undefined;
      const name = text(value['filename']) ?? 'download';
      return fileViews(bytes, text(value['mimetype']), name, label);
    }
    case 'series':
      return seriesViews(value);
    case 'multiple': {
      const parts = value['data'];
      if (!Array.isArray(parts)) return undefined;
      return [
        {
          kind: 'several',
          parts: parts.map((part, index) => ({
            title: titleOf(part) ?? `Part ${index + 1}`,
            views: viewsOf(part, { schema: {}, responseType: undefined, name: expected.name }),
          })),
        },
      ];
    }
    default:
      return undefined;
  }
}

/** A `dasf::present::Series`: an index, and columns with gaps. */
function seriesViews(value: JsonObject): View[] | undefined {
  const part = (each: Json | undefined): { label: string; values: Json[] } | undefined => {
    if (!isObject(each) || !Array.isArray(each['values'])) return undefined;
    const [name, unit] = [text(each['name']) ?? '', text(each['unit'])];
    return { label: unit ? `${name} (${unit})` : name, values: each['values'] };
  };
  const index = part(value['index']);
  const columns = Array.isArray(value['columns']) ? value['columns'].map(part) : [];
  if (!index || columns.length === 0 || columns.some((column) => column?.values.length !== index.values.length)) {
    return undefined;
  }
  const all = [index, ...columns.filter((column) => column !== undefined)];
  const table: Table = {
    columns: all.map((column) => column.label),
    rows: index.values.map((_, row) => all.map((column) => column.values[row] ?? null)),
  };
  const series = seriesOf(table, 0);
  return series ? [{ kind: 'plot', series }, { kind: 'table', table }] : [{ kind: 'table', table }];
}

function titleOf(part: Json): string | undefined {
  if (!isObject(part)) return undefined;
  return text(part['title']) ?? text(part['name']) ?? text(part['category']);
}

function plain(value: Json, schema: Schema, expected: Expected): View[] {
  if (value === null) return [{ kind: 'nothing' }];
  if (typeof value === 'boolean') return [{ kind: 'boolean', value }];
  if (isNumber(value)) return [{ kind: 'number', text: typeof value === 'number' ? String(value) : value.text }];
  if (typeof value === 'string') return textViews(value, schema, expected);
  if (isGeoJson(value)) return mapViews(value);
  if (Array.isArray(value)) return listViews(value);
  return objectViews(value as JsonObject);
}

function mapViews(value: Json): View[] {
  const features = featuresOf(value);
  const views: View[] = [{ kind: 'map', features }];
  const table = recordTable(features.properties);
  if (table) views.push({ kind: 'table', table });
  return views;
}

function textViews(value: string, schema: Schema, expected: Expected): View[] {
  const media = text(schema['contentMediaType']);
  const encoded =
    text(schema['contentEncoding'])?.startsWith('base64') || text(schema['format'])?.startsWith('base64');
  // Modules in Python describe an array only as any value, so its first bytes decide.
  const netcdf = media === 'application/x-netcdf' || /^Q0RG[AB]/.test(value);
  if (encoded || netcdf) {
    const bytes = decode(value);
    if (bytes) return fileViews(bytes, media, expected.name, undefined);
  }
  if (media === 'text/markdown') return [{ kind: 'markdown', text: value }];
  return [{ kind: 'text', text: value }];
}

function fileViews(
  bytes: Uint8Array<ArrayBuffer>,
  stated: string | undefined,
  name: string,
  label: string | undefined,
): View[] {
  const seen = sniff(bytes);
  const type = seen.type === 'application/octet-stream' ? (stated ?? seen.type) : seen.type;
  const extension = seen.extension === 'bin' ? extensionOf(type) : seen.extension;
  const full = /\.[A-Za-z\d]{1,8}$/.test(name) ? name : `${name}.${extension}`;
  const file: View = { kind: 'file', bytes, type, name: full, label: label ?? `Download ${full}` };
  if (type === 'application/x-netcdf') return [{ kind: 'netcdf', bytes }, file];
  if (type.startsWith('image/')) return [{ kind: 'image', bytes, type, name: full }, file];
  // The first bytes of a text show nothing.
  const small = bytes.length <= 1_000_000;
  if (type === 'text/markdown' && small) return [{ kind: 'markdown', text: new TextDecoder().decode(bytes) }, file];
  if (type === 'text/plain' && small) return [{ kind: 'text', text: new TextDecoder().decode(bytes) }, file];
  return [file];
}

function listViews(value: Json[]): View[] {
  if (value.length === 0) return [{ kind: 'json', value }];
  const numbers = numbersOf(value);
  if (numbers) {
    const table: Table = { columns: ['index', 'value'], rows: value.map((each, index) => [index, each]) };
    if (value.length < 2) return [{ kind: 'table', table }];
    const x = value.map((_, index) => index);
    const series: Series = { x, time: false, xLabel: 'index', lines: [{ label: 'value', values: numbers }] };
    return [{ kind: 'plot', series }, { kind: 'table', table }];
  }
  if (value.every(isObject)) {
    const records = value as JsonObject[];
    const table = recordTable(records);
    const points = pointsOf(value);
    const views: View[] = [];
    if (points) views.push({ kind: 'map', features: points });
    if (table) {
      const series = seriesOf(table);
      if (series) views.push({ kind: 'plot', series });
      views.push({ kind: 'table', table });
    }
    if (views.length > 0) return views;
  }
  if (value.every(Array.isArray)) {
    const rows = value as Json[][];
    const width = rows[0]?.length ?? 0;
    const flat = width > 0 && rows.every((row) => row.length === width && row.every(isPlain));
    if (flat) {
      const columns = Array.from({ length: width }, (_, index) => String(index + 1));
      const table: Table = { columns, rows };
      const series = width <= 8 ? seriesOf(table) : undefined;
      const read = rows.map(numbersOf);
      if (series?.time || (series && width <= 3)) return [{ kind: 'plot', series }, { kind: 'table', table }];
      if (width > 1 && read.every((row) => row !== undefined)) {
        return [{ kind: 'grid', rows: read as (number | null)[][] }, { kind: 'table', table }];
      }
      return [{ kind: 'table', table }];
    }
  }
  if (value.every(isPlain)) {
    return [{ kind: 'table', table: { columns: ['value'], rows: value.map((each) => [each]) } }];
  }
  return [{ kind: 'json', value }];
}

function objectViews(value: JsonObject): View[] {
  const views: View[] = [];
  if (placeOf(value)) {
    const points = pointsOf(value);
    if (points) views.push({ kind: 'map', features: points });
  }
  const table = columnTable(value);
  if (table) {
    const series = seriesOf(table);
    if (series) views.push({ kind: 'plot', series });
    views.push({ kind: 'table', table });
    return views;
  }
  const entries = Object.entries(value);
  if (entries.length > 0 && entries.every(([, each]) => isPlain(each))) {
    views.push({ kind: 'table', table: { columns: ['name', 'value'], rows: entries } });
    return views;
  }
  // Named records, such as a measurement of each station.
  if (entries.length > 1 && entries.every(([, each]) => isObject(each))) {
    const records = recordTable(entries.map(([name, each]) => ({ name, ...(each as JsonObject) })));
    if (records) return [{ kind: 'table', table: records }];
  }
  return [...views, { kind: 'json', value }];
}

export function isPlain(value: Json): boolean {
  return value === null || typeof value !== 'object' || isNumber(value);
}

function numbersOf(values: Json[]): (number | null)[] | undefined {
  let found = false;
  const numbers: (number | null)[] = [];
  for (const value of values) {
    if (value === null) numbers.push(null);
    else if (isNumber(value)) {
      numbers.push(value.valueOf());
      found = true;
    } else return undefined;
  }
  return found ? numbers : undefined;
}

/** Returns a table of flat objects. */
export function recordTable(records: JsonObject[]): Table | undefined {
  const columns: string[] = [];
  const seen = new Set<string>();
  for (const record of records) {
    for (const name of Object.keys(record)) {
      if (seen.has(name)) continue;
      seen.add(name);
      columns.push(name);
    }
  }
  if (columns.length === 0 || columns.length > 200) return undefined;
  return { columns, rows: records.map((record) => columns.map((name) => record[name] ?? null)) };
}

/** Returns a table of an object whose values are columns of the same length. */
function columnTable(value: JsonObject): Table | undefined {
  const lists = Object.entries(value).filter((entry): entry is [string, Json[]] => Array.isArray(entry[1]));
  const length = lists[0]?.[1].length ?? 0;
  const flat = lists.filter(([, list]) => list.length === length && list.every(isPlain));
  // Beside the columns, there may be names and units, but no further structure.
  const others = Object.values(value).filter((each) => !Array.isArray(each));
  if (lists.length < 2 || length === 0 || flat.length < lists.length || !others.every(isPlain)) return undefined;
  const columns = lists.map(([name]) => name);
  const rows = Array.from({ length }, (_, row) => lists.map(([, list]) => list[row] ?? null));
  return { columns, rows };
}

const TIME = /^\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?$/;
const AXES = /^(time|times|date|dates|datetime|timestamp|index|day|month|year|years|x|when)$/i;

/** Returns the seconds of a time; a time without an offset is in UTC. */
export function secondsOf(value: Json | undefined): number | undefined {
  if (typeof value !== 'string' || !TIME.test(value)) return undefined;
  const written = value.replace(' ', 'T');
  const zone = /T/.test(written) && !/(Z|[+-]\d\d:?\d\d)$/.test(written) ? 'Z' : '';
  const time = Date.parse(written + zone);
  return Number.isNaN(time) ? undefined : time / 1000;
}

/**
 * Returns the lines of a table: one column is the axis, the other numbers are lines over it. Without
 * `given`, the names and values of the columns tell which one is the axis.
 */
export function seriesOf(table: Table, given?: number): Series | undefined {
  if (table.rows.length < 2) return undefined;
  const columns = table.columns.map((name, index) => {
    const values = table.rows.map((row) => row[index] ?? null);
    const numbers = numbersOf(values);
    const times = numbers ? undefined : values.map(secondsOf);
    return { name, numbers, times: times?.every((time) => time !== undefined) ? (times as number[]) : undefined };
  });
  const timeColumn =
    given === undefined ? columns.find((column) => column.times) : columns[given]?.times && columns[given];
  const numeric = columns.filter((column) => column.numbers);
  const rising = (values: (number | null)[]): boolean =>
    values.every((value, index) => value !== null && (index === 0 || value > (values[index - 1] ?? value)));
  const axis =
    timeColumn ??
    (given === undefined ? undefined : columns[given]?.numbers && columns[given]) ??
    numeric.find((column) => AXES.test(column.name) && column.numbers && rising(column.numbers)) ??
    // Of a table without names, the first column that rises is the axis.
    (/^\d+$/.test(table.columns[0] ?? '')
      ? numeric.find((column) => column.name === '1' && column.numbers && rising(column.numbers))
      : undefined);
  const lines = numeric
    .filter((column) => column !== axis)
    .slice(0, 24)
    .map((column) => ({ label: column.name, values: column.numbers ?? [] }));
  if (!axis || lines.length === 0) return undefined;
  const x = axis.times ?? (axis.numbers as number[]);
  // The plot needs its axis in order.
  const order = x.map((_, index) => index).sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0));
  const sorted = order.map((index) => x[index] ?? 0);
  return {
    x: sorted,
    time: axis === timeColumn,
    xLabel: /^\d+$/.test(axis.name) ? (axis === timeColumn ? 'time' : '') : axis.name,
    lines: lines.map(({ label, values }) => ({
      label: /^\d+$/.test(label) ? `column ${label}` : label,
      values: order.map((index) => values[index] ?? null),
    })),
  };
}

/** Returns a table as CSV, as spreadsheets read it. */
export function csvOf(table: Table): string {
  const cell = (value: Json): string => {
    if (value === null) return '';
    const written = isPlain(value) ? String(value instanceof Object ? value.valueOf() : value) : JSON.stringify(value);
    const text = isNumber(value) && typeof value !== 'number' ? value.text : written;
    // A spreadsheet runs a text that looks like a formula.
    const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [table.columns, ...table.rows].map((row) => row.map(cell).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

/** Compares two cells: numbers by value, texts as people sort, and nothing last. */
export function compare(a: Json, b: Json): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (isNumber(a) && isNumber(b)) return a.valueOf() - b.valueOf();
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}
