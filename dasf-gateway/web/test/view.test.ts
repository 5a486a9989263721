import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '../src/bytes';
import type { Json } from '../src/json';
import { boundsOf, featuresOf, narrowing, project, unproject, viewOf } from '../src/map/geo';
import { coordinateOf, readDataset, textAt, timeUnits } from '../src/result/dataset';
import { readNetcdf } from '../src/result/netcdf';
import { type View, compare, csvOf, seriesOf, viewsOf } from '../src/result/view';

function kinds(value: Json, schema = {}, responseType?: string): string[] {
  return viewsOf(value, { schema, responseType, name: 'f' }).map((view) => view.kind);
}

function first<K extends View['kind']>(value: Json, kind: K): Extract<View, { kind: K }> {
  const view = viewsOf(value, { schema: {}, responseType: undefined, name: 'f' }).find((each) => each.kind === kind);
  assert.ok(view, kind);
  return view as Extract<View, { kind: K }>;
}

test('plain results are shown as what they are', () => {
  assert.deepEqual(kinds(null), ['nothing']);
  assert.deepEqual(kinds(true), ['boolean']);
  assert.deepEqual(kinds(2.5), ['number']);
  assert.deepEqual(kinds('a'), ['text', 'json']);
  assert.deepEqual(kinds('# a', { type: 'string', contentMediaType: 'text/markdown' }), ['markdown', 'json']);
  assert.deepEqual(kinds({ a: { b: [1] } }), ['json']);
  assert.deepEqual(kinds([]), ['json']);
  assert.deepEqual(kinds({ a: 1, b: 'x' }), ['table', 'json']);
});

test('records become tables, and plots if they have an axis', () => {
  assert.deepEqual(kinds([{ name: 'a', n: 1 }, { name: 'b', n: null }]), ['table', 'json']);
  assert.deepEqual(kinds([{ date: '2024-01-02', n: 1 }, { date: '2024-01-01', n: 2 }]), ['plot', 'table', 'json']);
  const { series } = first([{ date: '2024-01-02', n: 1 }, { date: '2024-01-01', n: null }], 'plot');
  assert.deepEqual(series, {
    x: [1704067200, 1704153600],
    time: true,
    xLabel: 'date',
    lines: [{ label: 'n', values: [null, 1] }],
  });
  assert.deepEqual(kinds({ time: [1, 2, 3], level: [1, null, 2], unit: 'm' }), ['plot', 'table', 'json']);
  assert.deepEqual(kinds([1, 2, null]), ['plot', 'table', 'json']);
  assert.deepEqual(kinds([[1, 2, 3, 4], [5, 6, 7, 8]]), ['grid', 'table', 'json']);
  assert.deepEqual(kinds([['2024-01-01T00:00:00Z', 1], ['2024-01-02T00:00:00Z', 2]]), ['plot', 'table', 'json']);
});

test('a series has an index, columns and gaps', () => {
  const series: Json = {
    response_type: 'series',
    name: 'levels',
    index: { name: 'time', unit: null, values: ['2024-01-01T00:00:00Z', '2024-01-01T01:00:00Z'] },
    columns: [
      { name: 'level', unit: 'm', values: [1, null] },
      { name: 'surge', unit: null, values: [0, 0.5] },
    ],
  };
  const { series: shown } = first(series, 'plot');
  assert.deepEqual(shown.lines, [
    { label: 'level (m)', values: [1, null] },
    { label: 'surge', values: [0, 0.5] },
  ]);
  assert.ok(shown.time);
  // Of numbers, too, the index is the axis.
  const numbers = { ...(series as object), index: { name: 'level', unit: 'm', values: [2, 1] } } as Json;
  assert.deepEqual(first(numbers, 'plot').series.x, [1, 2]);
  assert.deepEqual(kinds({ response_type: 'series', index: {}, columns: [] }), ['json']);
});

test('the results of the map widget are shown', () => {
  const geo: Json = {
    response_type: 'geojson',
    title: 'Stations',
    data: {
      type: 'FeatureCollection',
      features: [{ type: 'Feature', id: '1', properties: { a: 1 }, geometry: { type: 'Point', coordinates: [8, 54] } }],
    },
  };
  assert.deepEqual(kinds(geo), ['map', 'table', 'json']);
  assert.deepEqual(kinds({ response_type: 'datasource', name: 'a', records: [{ text: 'x' }] }), ['table', 'json']);
  const file: Json = {
    response_type: 'categorical_button',
    category: 'Downloads',
    data: 'IyBhCg==\n',
    filename: 'a.md',
    mimetype: 'text/markdown',
    button_title: 'Read',
  };
  assert.deepEqual(kinds(file), ['markdown', 'file']);
  const link: Json = { response_type: 'categorical_button', category: 'Links', href: 'https://example.org/' };
  assert.deepEqual(kinds(link), ['link']);
  const { parts } = first({ response_type: 'multiple', data: [geo, file, link] }, 'several');
  assert.deepEqual(parts.map(({ title, views }) => [title, views[0]?.kind]), [
    ['Stations', 'map'],
    ['Downloads', 'markdown'],
    ['Links', 'link'],
  ]);
});

test('places become points on the map', () => {
  assert.deepEqual(kinds([{ lon: 8, lat: 54, t: 1 }, { lon: 9, lat: 55, t: 2 }]), ['map', 'table', 'json']);
  assert.deepEqual(kinds({ longitude: 8, latitude: 54 }), ['map', 'table', 'json']);
  assert.deepEqual(kinds([{ lon: 800, lat: 54 }]), ['table', 'json']);
});

test('bytes are known by their first bytes', () => {
  const base64 = { type: 'string', format: 'base64' };
  const png = encode(Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 1, 2]));
  assert.deepEqual(kinds(png, base64), ['image', 'file']);
  assert.deepEqual(kinds(encode(Uint8Array.from([1, 2])), base64), ['file']);
  // Modules in Python do not say that a text is an array.
  assert.deepEqual(kinds(encode(netcdf())), ['netcdf', 'file']);
  assert.deepEqual(kinds('not base64!', base64), ['text', 'json']);
});

test('a table becomes CSV that no spreadsheet runs', () => {
  const table = { columns: ['a', 'b'], rows: [['x,"y"', 1], [null, -2], ['=1+1', true]] as Json[][] };
  assert.equal(csvOf(table), 'a,b\r\n"x,""y""",1\r\n,-2\r\n\'=1+1,true\r\n');
});

test('cells are sorted as people do', () => {
  assert.deepEqual([10, 9, null, 1.5].sort(compare), [1.5, 9, 10, null]);
  assert.deepEqual(['b10', 'b9', null, 'a'].sort(compare), ['a', 'b9', 'b10', null]);
});

test('an axis needs an order', () => {
  assert.equal(seriesOf({ columns: ['x', 'y'], rows: [[2, 1], [1, 2]] }), undefined);
  assert.ok(seriesOf({ columns: ['x', 'y'], rows: [[1, 1], [2, 2]] }));
  assert.equal(seriesOf({ columns: ['a', 'y'], rows: [[1, 1], [2, 2]] }), undefined);
});

test('malformed features are counted, not drawn', () => {
  const features = featuresOf({
    type: 'FeatureCollection',
    features: [
      { type: 'Feature', properties: null, geometry: { type: 'Polygon', coordinates: [[[0, 0], [1, 0], [1, 1], [0, 0]]] } },
      { type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: ['a', 0] } },
      { type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: [[0, 0], [1, 95]] } },
      { type: 'Feature', properties: { a: 1 }, geometry: null },
    ],
  });
  assert.equal(features.shapes.length, 1);
  assert.equal(features.unread, 2);
});

test('a place on the map goes back to itself', () => {
  const view = viewOf(boundsOf([{ feature: 0, kind: 'point', rings: [[[8, 54]]] }]), 600, 400);
  assert.ok(narrowing(view) < 1);
  const [lon, lat] = unproject(view, 600, 400, project(view, 600, 400, [8.5, 53]));
  assert.ok(Math.abs(lon - 8.5) < 1e-9 && Math.abs(lat - 53) < 1e-9);
});

/** Writes a NetCDF-3 file: packed temperatures at times, with a text for each. */
function netcdf(): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const int = (value: number): void => void bytes.push((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  const padded = (list: number[]): void => {
    bytes.push(...list);
    while (bytes.length % 4) bytes.push(0);
  };
  const name = (text: string): void => {
    int(text.length);
    padded([...new TextEncoder().encode(text)]);
  };
  const text = (key: string, value: string): void => {
    name(key);
    int(2);
    name(value);
  };
  const short = (key: string, value: number): void => {
    name(key);
    int(3);
    int(1);
    padded([(value >> 8) & 255, value & 255]);
  };
  bytes.push(0x43, 0x44, 0x46, 1);
  int(0);
  int(10);
  int(2);
  name('time');
  int(3);
  name('string2');
  int(2);
  int(0);
  int(0);
  int(11);
  int(3);
  const places: number[] = [];
  const variable = (key: string, dims: number[], attributes: () => void, type: number, size: number): void => {
    name(key);
    int(dims.length);
    dims.forEach(int);
    attributes();
    int(type);
    int(size);
    places.push(bytes.length);
    int(0);
  };
  variable(
    'time',
    [0],
    () => {
      int(12);
      int(1);
      text('units', 'days since 2024-02-28');
    },
    4,
    12,
  );
  variable(
    't',
    [0],
    () => {
      int(12);
      int(3);
      text('units', 'K');
      short('scale_factor', 2);
      short('_FillValue', -1);
    },
    3,
    8,
  );
  variable(
    'station',
    [0, 1],
    () => {
      int(0);
      int(0);
    },
    2,
    8,
  );
  const begin = (index: number): void => {
    const at = places[index] ?? 0;
    const value = bytes.length;
    bytes.splice(at, 4, (value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  };
  begin(0);
  [0, 1, 2].forEach(int);
  begin(1);
  padded([0, 10, 255, 255, 0, 12]);
  begin(2);
  padded([...new TextEncoder().encode('a\0bbü')]);
  return Uint8Array.from(bytes);
}

test('a NetCDF file is decoded by the conventions', () => {
  const dataset = readDataset(netcdf());
  assert.deepEqual(dataset.dims, { time: 3 });
  const [t, station] = dataset.data;
  assert.deepEqual([...(t?.numbers ?? [])], [20, Number.NaN, 24]);
  assert.deepEqual(t?.attributes, { units: 'K' });
  assert.deepEqual(station?.texts, ['a', 'bb', 'ü']);
  const time = coordinateOf(dataset, 'time');
  assert.ok(time);
  assert.deepEqual([0, 1, 2].map((index) => textAt(time, index)), ['2024-02-28', '2024-02-29', '2024-03-01']);
});

test('a file that is cut off or malformed is refused in words', () => {
  const file = netcdf();
  // The last two bytes only fill the file up.
  for (let length = 0; length < file.length - 2; length += 1) {
    assert.throws(() => readNetcdf(file.subarray(0, length)), Error, `${length}`);
  }
  for (let at = 0; at < file.length; at += 1) {
    const broken = Uint8Array.from(file);
    broken[at] = 255;
    try {
      readDataset(broken);
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof TypeError), `${at}: ${String(error)}`);
    }
  }
});

test('only calendars that exist become times', () => {
  assert.equal(timeUnits({ units: 'days since 2000-01-01', calendar: '360_day' }), undefined);
  assert.equal(timeUnits({ units: 'months since 2000-01-01' }), undefined);
  assert.equal(timeUnits({ units: 'degC' }), undefined);
  assert.deepEqual(timeUnits({ units: 'seconds since 1970-01-01T00:00:00' }), { start: 0, step: 1000 });
  assert.deepEqual(timeUnits({ units: 'hours since 1970-01-02 12:00:00' }), { start: 129_600_000, step: 3_600_000 });
});
