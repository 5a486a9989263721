/** Turns the JSON schema of a function's arguments into fields of a form. */

import { type Json, type JsonObject, equal, isNumber, isObject } from './json';

export type Schema = JsonObject;

/** What a person does to give a value. */
export type Kind =
  | 'constant'
  | 'nothing'
  | 'boolean'
  | 'number'
  | 'integer'
  | 'text'
  | 'choice'
  | 'date'
  | 'date-time'
  | 'time'
  | 'bytes'
  | 'point'
  | 'area'
  | 'object'
  | 'list'
  | 'choices'
  | 'tuple'
  | 'map'
  | 'union'
  | 'any';

/** A field of a form. Its parts are made when they are shown, because a type may contain itself. */
export interface Field {
  kind: Kind;
  /** The keywords that constrain the value, without references. */
  schema: Schema;
  ui: Hints;
  title: string;
  description: string | undefined;
  /** Whether null is a value, too. */
  nullable: boolean;
  /** The value if the caller leaves the field out; undefined if there is none. */
  default: Json | undefined;
  examples: Json[];
  /** Of an object: its properties. */
  properties: () => Property[];
  /** Of a list or a map: the field of each value. */
  item: () => Field;
  /** Of a tuple: its places. Of a union: its options. */
  parts: () => Field[];
  /** Of a choice, or of the choices in a list: the values. */
  choices: Choice[];
}

export interface Property {
  name: string;
  required: boolean;
  field: Field;
}

export interface Choice {
  value: Json;
  label: string;
}

/** The hints of a `uiSchema`, as the form library of DASF's web component reads them. */
export type Hints = JsonObject;

const NONE: never[] = [];

/** Returns the field for a schema. `root` contains the definitions that it refers to. */
export function fieldOf(raw: Json, root: Schema, name = '', hints: Json = {}): Field {
  const own: Schema = isObject(raw) ? raw : {};
  const { schema, nullable } = withoutNull(resolve(own, root), root);
  const beside: Hints = {
    ...(isObject(own['uiSchema']) ? own['uiSchema'] : {}),
    ...(isObject(hints) ? hints : {}),
  };
  const ui: Hints = { ...(isObject(schema['uiSchema']) ? schema['uiSchema'] : {}), ...beside };
  const field: Field = {
    kind: 'any',
    schema,
    ui,
    // The hint of a type would name all properties of this type alike.
    title: hint(beside, 'title') ?? text(own['title']) ?? (titleOf(name) || (hint(ui, 'title') ?? '')),
    description: hint(ui, 'description') ?? text(own['description']) ?? text(schema['description']),
    nullable,
    default: own['default'] !== undefined ? own['default'] : schema['default'],
    examples: Array.isArray(schema['examples']) ? schema['examples'] : NONE,
    properties: () => [],
    item: () => fieldOf({}, root),
    parts: () => [],
    choices: NONE,
  };
  classify(field, root);
  return field;
}

function classify(field: Field, root: Schema): void {
  const { schema, ui } = field;
  if (schema['const'] !== undefined) {
    field.kind = 'constant';
    return;
  }
  const choices = choicesOf(schema, root, ui);
  if (choices) {
    field.kind = 'choice';
    field.choices = choices;
    return;
  }
  const union = unionOf(schema);
  if (union) {
    field.kind = 'union';
    field.parts = once(() => union.map((option) => fieldOf(option, root)));
    return;
  }
  const type = text(schema['type']) ?? guess(schema);
  switch (type) {
    case 'null':
      field.kind = 'nothing';
      break;
    case 'boolean':
    case 'number':
    case 'integer':
      field.kind = type;
      break;
    case 'string':
      field.kind = kindOfText(schema, ui);
      break;
    case 'array':
      classifyList(field, root);
      break;
    case 'object':
      classifyObject(field, root);
      break;
    default:
      field.kind = 'any';
  }
}

function kindOfText(schema: Schema, ui: Hints): Kind {
  const encoding = text(schema['contentEncoding']);
  const format = text(schema['format']);
  if (encoding === 'base64' || encoding === 'base64url') return 'bytes';
  if (format === 'base64' || format === 'base64url' || format === 'data-url') return 'bytes';
  if (hint(ui, 'widget') === 'textarea') return 'text';
  switch (format) {
    case 'date':
      return 'date';
    case 'date-time':
    case 'partial-date-time':
      return 'date-time';
    case 'time':
    case 'partial-time':
      return 'time';
    default:
      return 'text';
  }
}

function classifyList(field: Field, root: Schema): void {
  const { schema, ui } = field;
  const places = Array.isArray(schema['prefixItems'])
    ? schema['prefixItems']
    : Array.isArray(schema['items'])
      ? schema['items']
      : undefined;
  if (places) {
    field.kind = 'tuple';
    field.parts = once(() =>
      places.map((place, index) => {
        const part = fieldOf(place, root);
        return part.title ? part : { ...part, title: `Value ${index + 1}` };
      }),
    );
    return;
  }
  const items = schema['items'] ?? {};
  field.kind = 'list';
  field.item = once(() => fieldOf(items, root, '', ui['items'] ?? {}));
  // A set of choices is ticked, not listed.
  if (schema['uniqueItems'] === true && isObject(items)) {
    const resolved = resolve(items, root);
    const choices = choicesOf(resolved, root, isObject(ui['items']) ? ui['items'] : {});
    if (choices && choices.length <= 30) {
      field.kind = 'choices';
      field.choices = choices;
    }
  }
}

function classifyObject(field: Field, root: Schema): void {
  const { schema, ui } = field;
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const names = ordered(Object.keys(properties), ui['ui:order']);
  const map = mapOf(schema);
  if (names.length === 0) {
    field.kind = 'map';
    field.item = once(() => fieldOf(map ?? {}, root));
    return;
  }
  field.kind = 'object';
  const special = hint(ui, 'field');
  if (special === 'GeoLocation' || isPlace(properties, names)) field.kind = 'point';
  if (special === 'GeoArea' && properties['points'] !== undefined) field.kind = 'area';
  field.properties = once(() =>
    names.map((name) => ({
      name,
      required: required.includes(name),
      field: fieldOf(properties[name] ?? {}, root, name, ui[name] ?? {}),
    })),
  );
}

/** The names of a point's coordinates in an object that has nothing else. */
const LONGITUDES = ['lon', 'lng', 'longitude'];
const LATITUDES = ['lat', 'latitude'];

export function lonKey(names: string[]): string | undefined {
  return names.find((name) => LONGITUDES.includes(name.toLowerCase()));
}

export function latKey(names: string[]): string | undefined {
  return names.find((name) => LATITUDES.includes(name.toLowerCase()));
}

function isPlace(properties: Schema, names: string[]): boolean {
  const numeric = (name: string): boolean => {
    const property = properties[name];
    return isObject(property) && property['type'] === 'number';
  };
  return (
    names.length === 2 && !!lonKey(names) && !!latKey(names) && names.every((name) => numeric(name))
  );
}

function mapOf(schema: Schema): Json | undefined {
  if (isObject(schema['patternProperties'])) {
    const values = Object.values(schema['patternProperties']);
    if (values.length > 0) return values[0];
  }
  const additional = schema['additionalProperties'];
  return isObject(additional) ? additional : undefined;
}

/** Returns the names in the order of the hint; `*` stands for all others. */
function ordered(names: string[], hint: Json | undefined): string[] {
  if (!Array.isArray(hint)) return names;
  const wanted = hint.filter((name): name is string => typeof name === 'string');
  const others = names.filter((name) => !wanted.includes(name));
  const order = wanted.includes('*') ? wanted : [...wanted, '*'];
  return order.flatMap((name) => (name === '*' ? others : names.includes(name) ? [name] : []));
}

/** Replaces references, and joins what `allOf` lists. Keywords beside a reference win. */
export function resolve(schema: Schema, root: Schema, depth = 0): Schema {
  // Only references in a circle are so deep.
  if (depth > 32) return {};
  let result = schema;
  const reference = text(schema['$ref']);
  if (reference !== undefined) {
    const { $ref: _, ...beside } = schema;
    const target = find(reference, root);
    const { title, ...definition } = target ? resolve(target, root, depth + 1) : {};
    result = { ...definition, ...(title !== undefined ? { typeTitle: title } : {}), ...beside };
  }
  if (Array.isArray(result['allOf'])) {
    const { allOf, ...beside } = result;
    const parts = (allOf as Json[]).filter(isObject).map((part) => resolve(part, root, depth + 1));
    result = [...parts, beside].reduce(join, {});
  }
  return result;
}

function join(a: Schema, b: Schema): Schema {
  const joined: Schema = { ...a, ...b };
  if (isObject(a['properties']) && isObject(b['properties'])) {
    joined['properties'] = { ...a['properties'], ...b['properties'] };
  }
  if (Array.isArray(a['required']) && Array.isArray(b['required'])) {
    joined['required'] = [...new Set([...a['required'], ...b['required']])];
  }
  return joined;
}

function find(reference: string, root: Schema): Schema | undefined {
  if (!reference.startsWith('#')) return undefined;
  let place: Json | undefined = root;
  for (const part of reference.slice(1).split('/').filter(Boolean)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    place = isObject(place) && Object.hasOwn(place, name) ? place[name] : undefined;
  }
  return isObject(place) ? place : undefined;
}

/** Takes null out of a type. What remains keeps the keywords beside it. */
function withoutNull(schema: Schema, root: Schema): { schema: Schema; nullable: boolean } {
  const types = schema['type'];
  if (Array.isArray(types)) {
    const others = types.filter((type) => type !== 'null');
    const nullable = others.length < types.length;
    const { type: _, ...rest } = schema;
    if (others.length === 1) return { schema: { ...rest, type: others[0] as Json }, nullable };
    return { schema: { ...rest, anyOf: others.map((type) => ({ type })) }, nullable };
  }
  for (const keyword of ['anyOf', 'oneOf']) {
    const options = schema[keyword];
    if (!Array.isArray(options)) continue;
    const others = options.filter((option) => !isNull(option, root));
    const nullable = others.length < options.length;
    if (!nullable && others.length !== 1) continue;
    const { [keyword]: _, ...rest } = schema;
    const only = others[0];
    if (others.length === 1 && isObject(only)) {
      // The only option may itself be a union or nullable.
      const inner = withoutNull(resolve(only, root), root);
      return { schema: { ...inner.schema, ...rest }, nullable: nullable || inner.nullable };
    }
    if (others.length === 0) return { schema: { ...rest, type: 'null' }, nullable: false };
    return { schema: { ...rest, [keyword]: others }, nullable };
  }
  const values = schema['enum'];
  if (Array.isArray(values) && values.length > 1 && values.includes(null)) {
    return { schema: { ...schema, enum: values.filter((value) => value !== null) }, nullable: true };
  }
  return { schema, nullable: false };
}

function isNull(option: Json, root: Schema): boolean {
  if (!isObject(option)) return false;
  const schema = resolve(option, root);
  return schema['type'] === 'null' || schema['const'] === null;
}

/** Returns the values of an enum, or of a union that consists of constants and enums. */
function choicesOf(schema: Schema, root: Schema, ui: Hints): Choice[] | undefined {
  const names = ui['ui:enumNames'] ?? schema['enumNames'];
  const label = (value: Json, index: number): string => {
    const name = Array.isArray(names) ? names[index] : undefined;
    return typeof name === 'string' ? name : labelOf(value);
  };
  if (Array.isArray(schema['enum'])) {
    return schema['enum'].map((value, index) => ({ value, label: label(value, index) }));
  }
  const options = unionOf(schema);
  if (!options) return undefined;
  const choices: Choice[] = [];
  for (const option of options) {
    if (!isObject(option)) return undefined;
    const resolved = resolve(option, root);
    if (resolved['const'] !== undefined) {
      const title = text(resolved['title']);
      choices.push({ value: resolved['const'], label: title ?? labelOf(resolved['const']) });
    } else if (Array.isArray(resolved['enum'])) {
      choices.push(...resolved['enum'].map((value) => ({ value, label: labelOf(value) })));
    } else {
      return undefined;
    }
  }
  return choices;
}

function labelOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function unionOf(schema: Schema): Json[] | undefined {
  for (const keyword of ['anyOf', 'oneOf']) {
    const options = schema[keyword];
    if (Array.isArray(options) && options.length > 0) {
      // Keywords beside the options, such as the properties of a flattened struct, hold for each.
      const { [keyword]: _, title: _t, description: _d, default: _v, ...beside } = schema;
      const plain = !('properties' in beside);
      return options.map((option) =>
        plain || !isObject(option) ? option : join(beside, option),
      );
    }
  }
  return undefined;
}

/** Returns the name of an option for people. */
export function optionLabel(field: Field): string {
  const title = text(field.schema['title']) ?? text(field.schema['typeTitle']);
  if (field.kind === 'constant') return labelOf(field.schema['const'] ?? null);
  if (field.kind === 'choice') return field.choices.map((choice) => choice.label).join(', ');
  if (field.kind === 'object') {
    const properties = field.properties();
    const tag = properties.find((property) => property.field.kind === 'constant');
    if (tag) return labelOf(tag.field.schema['const'] ?? null);
    const [only] = properties;
    if (properties.length === 1 && only) return only.name;
  }
  if (title) return title;
  const words: Partial<Record<Kind, string>> = {
    text: 'Text',
    number: 'Number',
    integer: 'Integer',
    boolean: 'Yes or no',
    list: 'List',
    tuple: 'List',
    map: 'Object',
    bytes: 'File',
    nothing: 'Nothing',
    date: 'Date',
    'date-time': 'Date and time',
    time: 'Time',
    any: 'JSON',
  };
  return words[field.kind] ?? field.kind;
}

/** Returns the type of a schema that does not state it. */
function guess(schema: Schema): string | undefined {
  if ('properties' in schema || 'additionalProperties' in schema) return 'object';
  if ('items' in schema || 'prefixItems' in schema) return 'array';
  if ('pattern' in schema || 'minLength' in schema || 'maxLength' in schema) return 'string';
  if ('minimum' in schema || 'maximum' in schema || 'multipleOf' in schema) return 'number';
  return undefined;
}

/** Returns the value that a form begins with; undefined where the person has to give one. */
export function initial(field: Field, depth = 0): Json | undefined {
  if (field.default !== undefined && !(field.default === null && !field.nullable)) {
    return field.default;
  }
  if (field.nullable) return null;
  switch (field.kind) {
    case 'constant':
      return field.schema['const'];
    case 'nothing':
      return null;
    case 'boolean':
      return false;
    case 'list': {
      const least = count(field.schema['minItems']);
      const item = least > 0 && least <= 20 && depth < 6 ? field.item() : undefined;
      // Numbers are typed as a whole, and points are chosen on the map.
      if (!item || ['number', 'integer', 'point'].includes(item.kind)) return [];
      // A place without a value is shown empty and reported as missing.
      return Array.from({ length: least }, () => initial(item, depth + 1) as Json);
    }
    case 'choices':
      return [];
    case 'map':
      return {};
    case 'tuple':
      return field.parts().map((part) => initial(part, depth + 1) as Json);
    case 'object':
    case 'point':
    case 'area': {
      // A type that needs itself has no finite value.
      if (depth > 12) return undefined;
      const value: JsonObject = {};
      for (const { name, field: part, required } of field.properties()) {
        const start = required || part.default !== undefined ? initial(part, depth + 1) : undefined;
        if (start !== undefined) value[name] = start;
      }
      return value;
    }
    case 'union': {
      const [first] = depth > 12 ? [] : field.parts();
      return first ? initial(first, depth + 1) : undefined;
    }
    default:
      return undefined;
  }
}

/** A problem of a value: its place as a JSON pointer, and what is wrong. */
export interface Problem {
  path: string;
  detail: string;
}

export function at(path: string, name: string | number): string {
  return `${path}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Returns what is wrong with a value. */
export function check(field: Field, value: Json | undefined, path = ''): Problem[] {
  const problem = (detail: string): Problem[] => [{ path, detail }];
  if (value === undefined) return problem('a value is missing');
  if (value === null && (field.nullable || field.kind === 'nothing')) return [];
  const { schema } = field;
  switch (field.kind) {
    case 'constant':
      return equal(value, schema['const']) ? [] : problem(`only ${labelOf(schema['const'] ?? null)} is allowed`);
    case 'nothing':
      return problem('only null is allowed');
    case 'boolean':
      return typeof value === 'boolean' ? [] : problem('choose yes or no');
    case 'number':
    case 'integer':
      return checkNumber(field, value).map((detail) => ({ path, detail }));
    case 'choice':
      return field.choices.some((choice) => equal(choice.value, value))
        ? []
        : problem('choose one of the values');
    case 'text':
    case 'bytes':
    case 'date':
    case 'date-time':
    case 'time':
      return checkText(field, value).map((detail) => ({ path, detail }));
    case 'list':
    case 'choices':
      return checkList(field, value, path);
    case 'tuple': {
      if (!Array.isArray(value)) return problem('a list is expected');
      return field.parts().flatMap((part, index) => check(part, value[index], at(path, index)));
    }
    case 'map': {
      if (!isObject(value)) return problem('an object is expected');
      const patterns = isObject(schema['patternProperties'])
        ? Object.keys(schema['patternProperties'])
        : [];
      const names = Object.keys(value);
      const problems = names.flatMap((name) => {
        const known = patterns.length === 0 || patterns.some((pattern) => matches(pattern, name));
        const own = known
          ? []
          : [{ path: at(path, name), detail: `the name does not match ${patterns.join(' or ')}` }];
        return [...own, ...check(field.item(), value[name], at(path, name))];
      });
      const [least, most] = [schema['minProperties'], schema['maxProperties']];
      if (isNumber(least) && names.length < least.valueOf()) {
        problems.push({ path, detail: `at least ${least.valueOf()} entries are needed` });
      }
      if (isNumber(most) && names.length > most.valueOf()) {
        problems.push({ path, detail: `at most ${most.valueOf()} entries are allowed` });
      }
      return problems;
    }
    case 'object':
    case 'point':
    case 'area': {
      if (!isObject(value)) return problem('an object is expected');
      return field.properties().flatMap(({ name, required, field: part }) => {
        const given = value[name];
        if (given === undefined && !required) return [];
        return check(part, given, at(path, name));
      });
    }
    case 'union': {
      const tries = field.parts().map((part) => check(part, value, path));
      if (tries.some((problems) => problems.length === 0)) return [];
      // The option that the value is meant for explains best what is missing.
      const meant = tries[field.parts().findIndex((part) => resembles(part, value))];
      if (meant) return meant;
      const deepest = (problems: Problem[]): number =>
        Math.max(...problems.map((each) => each.path.length));
      return tries.reduce((best, problems) =>
        deepest(problems) > deepest(best) || (deepest(problems) === deepest(best) && problems.length < best.length)
          ? problems
          : best,
      );
    }
    case 'any':
      return [];
  }
}

/** Returns the option of a union that a value belongs to. */
export function optionOf(field: Field, value: Json | undefined): number {
  const parts = field.parts();
  const exact = parts.findIndex((part) => check(part, value).length === 0);
  if (exact >= 0 || value === undefined) return Math.max(exact, 0);
  const similar = parts.findIndex((part) => resembles(part, value));
  return Math.max(similar, 0);
}

function resembles(field: Field, value: Json): boolean {
  switch (field.kind) {
    case 'object':
    case 'point':
    case 'area':
      return (
        isObject(value) &&
        field
          .properties()
          .every(({ name, field: part }) => part.kind !== 'constant' || equal(part.schema['const'], value[name])) &&
        Object.keys(value).every((name) => field.properties().some((property) => property.name === name))
      );
    case 'map':
      return isObject(value);
    case 'list':
    case 'choices':
    case 'tuple':
      return Array.isArray(value);
    case 'number':
    case 'integer':
      return isNumber(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'text':
    case 'bytes':
    case 'date':
    case 'date-time':
    case 'time':
      return typeof value === 'string';
    default:
      return false;
  }
}

function checkNumber(field: Field, value: Json): string[] {
  const { schema, kind } = field;
  if (!isNumber(value)) {
    return [kind === 'integer' ? 'an integer is expected' : 'a number is expected'];
  }
  const number = value.valueOf();
  if (kind === 'integer' && !Number.isInteger(number)) return ['an integer is expected'];
  const shown = typeof value === 'number' ? String(value) : value.text;
  const problems: string[] = [];
  const bound = (keyword: string, broken: (limit: number) => boolean, words: string): void => {
    const limit = schema[keyword];
    if (isNumber(limit) && broken(limit.valueOf())) problems.push(`${shown} ${words} ${limit.valueOf()}`);
  };
  bound('minimum', (limit) => number < limit, 'is less than the minimum of');
  bound('maximum', (limit) => number > limit, 'is greater than the maximum of');
  bound('exclusiveMinimum', (limit) => number <= limit, 'is not greater than');
  bound('exclusiveMaximum', (limit) => number >= limit, 'is not less than');
  bound('multipleOf', (limit) => !isMultiple(number, limit), 'is not a multiple of');
  return problems;
}

function isMultiple(value: number, of: number): boolean {
  if (of <= 0) return true;
  const quotient = value / of;
  return Math.abs(quotient - Math.round(quotient)) <= 1e-9 * Math.max(1, Math.abs(quotient));
}

function checkText(field: Field, value: Json): string[] {
  const { schema } = field;
  if (typeof value !== 'string') return ['a text is expected'];
  const problems: string[] = [];
  const length = [...value].length;
  const [least, most] = [schema['minLength'], schema['maxLength']];
  if (isNumber(least) && length < least.valueOf()) {
    problems.push(length === 0 ? 'a value is missing' : `shorter than ${characters(least)}`);
  }
  if (isNumber(most) && length > most.valueOf()) {
    problems.push(`longer than ${characters(most)}`);
  }
  const pattern = text(schema['pattern']);
  if (pattern !== undefined && problems.length === 0 && !matches(pattern, value)) {
    problems.push(`does not match the pattern ${pattern}`);
  }
  if (problems.length === 0) problems.push(...checkFormat(field, value));
  return problems;
}

const FORMATS: Record<string, [RegExp, string]> = {
  date: [/^\d{4,}-\d\d-\d\d$/, 'a date like 2024-02-29 is expected'],
  'date-time': [
    /^\d{4,}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/,
    'a date, a time and an offset are expected, like 2024-02-29T12:00:00Z',
  ],
  'partial-date-time': [
    /^\d{4,}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?$/,
    'a date and a time are expected, like 2024-02-29T12:00:00',
  ],
  uuid: [
    /^[\da-f]{8}-?[\da-f]{4}-?[\da-f]{4}-?[\da-f]{4}-?[\da-f]{12}$/i,
    'a UUID is expected',
  ],
  uri: [/^[a-z][a-z\d+.-]*:\S*$/i, 'a URL is expected, like https://example.org'],
  email: [/^[^\s@]+@[^\s@]+$/, 'an e-mail address is expected'],
};

function checkFormat(field: Field, value: string): string[] {
  const format = FORMATS[text(field.schema['format']) ?? ''];
  return format && !format[0].test(value) ? [format[1]] : [];
}

function characters(count: number | { valueOf(): number }): string {
  return count.valueOf() === 1 ? '1 character' : `${count.valueOf()} characters`;
}

/** A pattern of another dialect, which this browser cannot read, is left to the module. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true;
  }
}

function checkList(field: Field, value: Json, path: string): Problem[] {
  if (!Array.isArray(value)) return [{ path, detail: 'a list is expected' }];
  const { schema } = field;
  const problems: Problem[] = [];
  const [least, most] = [schema['minItems'], schema['maxItems']];
  if (isNumber(least) && value.length < least.valueOf()) {
    problems.push({ path, detail: `at least ${items(least)} needed` });
  }
  if (isNumber(most) && value.length > most.valueOf()) {
    problems.push({ path, detail: `at most ${items(most)} allowed` });
  }
  if (schema['uniqueItems'] === true) {
    const seen = new Set<string>();
    for (const item of value) {
      const key = JSON.stringify(item) ?? '';
      if (seen.has(key)) {
        problems.push({ path, detail: `${key} is in the list twice` });
        break;
      }
      seen.add(key);
    }
  }
  if (field.kind === 'list') {
    const item = field.item();
    value.forEach((each, index) => problems.push(...check(item, each, at(path, index))));
  }
  return problems;
}

function items(count: number | { valueOf(): number }): string {
  return count.valueOf() === 1 ? '1 item is' : `${count.valueOf()} items are`;
}

function count(value: Json | undefined): number {
  return isNumber(value) ? value.valueOf() : 0;
}

export function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Returns a hint of a `uiSchema`, which stands under `ui:NAME` or in `ui:options`. */
export function hint(ui: Hints, name: string): string | undefined {
  const options = ui['ui:options'];
  return text(ui[`ui:${name}`]) ?? (isObject(options) ? text(options[name]) : undefined);
}

/** Returns `Moving mean` for `moving_mean`. */
export function titleOf(name: string): string {
  const words = name.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
