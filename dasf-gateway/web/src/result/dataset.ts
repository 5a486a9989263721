/** The meaning of the variables in a NetCDF file, by the CF conventions and as xarray writes them. */

import { type AttributeValue, type RawFile, type RawVariable, readNetcdf } from './netcdf';

export interface Variable {
  name: string;
  dims: string[];
  shape: number[];
  attributes: Record<string, AttributeValue>;
  kind: 'number' | 'time' | 'text' | 'boolean';
  /** Numbers, with NaN for a missing value; milliseconds since 1970 for times; nothing for texts. */
  numbers: Float64Array;
  texts: string[];
  /** The names of the coordinates that belong to it. */
  coordinates: string[];
}

export interface Dataset {
  dims: Record<string, number>;
  attributes: Record<string, AttributeValue>;
  data: Variable[];
  coordinates: Variable[];
}

export function readDataset(bytes: Uint8Array): Dataset {
  const file = readNetcdf(bytes);
  const variables = file.variables.map(decode);
  // A variable is a coordinate if it has the name of its dimension, or if another one names it.
  const named = new Set(variables.flatMap((variable) => variable.coordinates));
  const global = textOf(file.attributes['coordinates']);
  for (const name of global?.split(/\s+/) ?? []) named.add(name);
  const isCoordinate = ({ name, dims }: Variable): boolean =>
    (dims.length === 1 && dims[0] === name) || named.has(name);
  const data = variables.filter((variable) => !isCoordinate(variable));
  const coordinates = variables.filter(isCoordinate);
  const shown = data.length > 0 ? data : coordinates;
  return { dims: dimsOf(file, variables), attributes: file.attributes, data: shown, coordinates };
}

function dimsOf(file: RawFile, variables: Variable[]): Record<string, number> {
  const used = new Set(variables.flatMap((variable) => variable.dims));
  return Object.fromEntries(Object.entries(file.dims).filter(([name]) => used.has(name)));
}

const HIDDEN = ['_FillValue', 'missing_value', 'scale_factor', 'add_offset', 'coordinates', '_Unsigned', 'dtype', '_Encoding'];

function decode(raw: RawVariable): Variable {
  const coordinates = textOf(raw.attributes['coordinates'])?.split(/\s+/).filter(Boolean) ?? [];
  const attributes = Object.fromEntries(
    Object.entries(raw.attributes).filter(([name]) => !HIDDEN.includes(name)),
  );
  const variable: Variable = {
    // xarray gives a name of its own to an array without one.
    name: raw.name === '__xarray_dataarray_variable__' ? 'values' : raw.name,
    dims: raw.dims,
    shape: raw.shape,
    attributes,
    kind: 'number',
    numbers: new Float64Array(0),
    texts: [],
    coordinates,
  };
  if (raw.isText) return { ...variable, ...textsOf(raw) };
  const numbers = unpack(raw);
  const time = timeUnits(raw.attributes);
  if (time) {
    const { units: _, calendar: _c, ...others } = attributes;
    return {
      ...variable,
      kind: 'time',
      attributes: others,
      numbers: numbers.map((value) => time.start + value * time.step),
    };
  }
  if (textOf(raw.attributes['dtype']) === 'bool') return { ...variable, kind: 'boolean', numbers };
  return { ...variable, numbers };
}

function unpack(raw: RawVariable): Float64Array {
  const number = (name: string): number | undefined => {
    const value = raw.attributes[name];
    return Array.isArray(value) ? value[0] : undefined;
  };
  const [scale, offset] = [number('scale_factor') ?? 1, number('add_offset') ?? 0];
  const missing = [number('_FillValue'), number('missing_value')].filter((value) => value !== undefined);
  const unsigned = textOf(raw.attributes['_Unsigned']) === 'true';
  const wrap = { Int8Array: 256, Int16Array: 65536, Int32Array: 2 ** 32 }[raw.values.constructor.name] ?? 0;
  return Float64Array.from(raw.values, (value) => {
    if (missing.includes(value)) return Number.NaN;
    const read = unsigned && value < 0 ? value + wrap : value;
    return read * scale + offset;
  });
}

const STEPS: Record<string, number> = {
  nanosecond: 1e-6,
  microsecond: 1e-3,
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
  s: 1000,
  sec: 1000,
  min: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  d: 86_400_000,
};

/** Reads units such as `days since 2000-01-01`. The calendars of models stay numbers. */
export function timeUnits(attributes: Record<string, AttributeValue>): { start: number; step: number } | undefined {
  const calendar = textOf(attributes['calendar'])?.toLowerCase() ?? 'standard';
  if (!['standard', 'gregorian', 'proleptic_gregorian'].includes(calendar)) return undefined;
  const match = textOf(attributes['units'])?.match(
    /^\s*(\w+?)s?\s+since\s+(\d{1,4})-(\d{1,2})-(\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d+)?)?)?\s*(Z|UTC|[+-]\d{1,2}:?\d{0,2})?\s*$/i,
  );
  if (!match) return undefined;
  const step = STEPS[match[1]?.toLowerCase() ?? ''] ?? STEPS[`${match[1]?.toLowerCase()}s`];
  if (step === undefined) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0);
  const start = new Date(0);
  start.setUTCFullYear(part(2), part(3) - 1, part(4));
  start.setUTCHours(part(5), part(6), part(7));
  return { start: start.getTime(), step };
}

/** Joins the characters of the last dimension. */
function textsOf(raw: RawVariable): Partial<Variable> {
  const bytes = raw.values as Uint8Array;
  const length = raw.shape.at(-1) ?? bytes.length;
  const shape = raw.shape.slice(0, -1);
  const count = shape.reduce((product, each) => product * each, 1);
  const decoder = new TextDecoder();
  const texts = Array.from({ length: count }, (_, index) =>
    decoder.decode(bytes.subarray(index * length, (index + 1) * length)).replace(/\0+$/, ''),
  );
  return { kind: 'text', texts, shape, dims: raw.dims.slice(0, -1) };
}

export function textOf(value: AttributeValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Returns the name and the unit of a variable for people. */
export function labelOf(variable: Variable): string {
  const name = textOf(variable.attributes['long_name']) ?? variable.name;
  const units = textOf(variable.attributes['units']);
  return units && units !== '1' ? `${name} (${units})` : name;
}

/** Returns the values of a variable as text. */
export function textAt(variable: Variable, index: number): string {
  if (variable.kind === 'text') return variable.texts[index] ?? '';
  const value = variable.numbers[index] ?? Number.NaN;
  if (Number.isNaN(value)) return '';
  if (variable.kind === 'time') return timeText(value);
  if (variable.kind === 'boolean') return value === 0 ? 'false' : 'true';
  return String(Number(value.toPrecision(7)));
}

/** Returns a time, without the parts that are zero. */
export function timeText(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return '';
  return date
    .toISOString()
    .replace(/\.000Z$/, 'Z')
    .replace(/T00:00:00Z$/, '')
    .replace('T', ' ')
    .replace(/Z$/, '');
}

/** Returns the coordinate of a dimension. */
export function coordinateOf(dataset: Dataset, dim: string): Variable | undefined {
  return dataset.coordinates.find(({ name, dims }) => name === dim && dims.length === 1);
}
