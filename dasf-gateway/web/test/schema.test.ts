import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BigNumber, type Json, type JsonObject, isObject, numberOf, parse, stringify } from '../src/json';
import { type Field, type Kind, type Schema, check, fieldOf, initial, optionLabel, optionOf } from '../src/schema';

/** A description of a module, with the functions of which each has arguments of other types. */
function functionsOf(file: string): { name: string; schema: Schema }[] {
  const api = JSON.parse(readFileSync(`../../dasf-codegen/tests/schemas/${file}`, 'utf8'));
  return api.functions.map(({ name, rpc_schema }: { name: string; rpc_schema: Schema }) => ({
    name,
    schema: rpc_schema,
  }));
}

function field(schema: JsonObject, root: JsonObject = schema): Field {
  return fieldOf(schema, root);
}

function details(schema: JsonObject, value: Json): string[] {
  return check(field(schema), value).map((problem) => `${problem.path} ${problem.detail}`.trim());
}

test('the fields of a function follow the types of its arguments', () => {
  const schema = functionsOf('types.api.json').find(({ name }) => name === 'enums')?.schema ?? {};
  const kinds = Object.fromEntries(
    field(schema)
      .properties()
      .map(({ name, field: part }) => [name, part.kind]),
  );
  assert.deepEqual(kinds, {
    func_name: 'constant',
    unit: 'choice',
    external: 'list',
    internal: 'union',
    adjacent: 'union',
    untagged: 'list',
  });
});

test('every argument of the modules of the tests has a field, and its value can be given', () => {
  // Arguments that take any JSON have no other field.
  const free = ['any', 'value', 'raw', 'json', 'kept'];
  for (const file of ['types.api.json', 'forms.api.json']) {
    for (const { name, schema } of functionsOf(file)) {
      for (const { name: argument, field: part } of field(schema).properties()) {
        const known = part.kind !== 'any' || free.some((word) => argument.includes(word)) || name === 'json';
        assert.ok(known, `${file}: ${name}: ${argument}: ${JSON.stringify(part.schema)}`);
        // A form begins without a fault, also for types that contain themselves.
        initial(part);
        check(part, initial(part));
      }
    }
  }
});

test('references are followed in both places of definitions', () => {
  for (const keyword of ['$defs', 'definitions']) {
    const root: JsonObject = {
      type: 'object',
      properties: { place: { $ref: `#/${keyword}/Place`, description: 'where' } },
      required: ['place'],
      [keyword]: {
        Place: { title: 'Place', description: 'A place.', type: 'object', properties: { name: { type: 'string' } } },
      },
    };
    const [place] = field(root).properties();
    assert.equal(place?.field.kind, 'object');
    assert.equal(place?.field.title, 'Place');
    assert.equal(place?.field.description, 'where');
    assert.equal(place?.field.properties()[0]?.field.kind, 'text');
  }
});

test('references in a circle end', () => {
  const root: JsonObject = { $defs: { A: { $ref: '#/$defs/B' }, B: { $ref: '#/$defs/A' } }, $ref: '#/$defs/A' };
  assert.equal(field(root).kind, 'any');
  const tree: JsonObject = {
    $ref: '#/$defs/Tree',
    $defs: { Tree: { type: 'object', properties: { child: { $ref: '#/$defs/Tree' } }, required: ['child'] } },
  };
  assert.ok(isObject(initial(field(tree))));
});

test('an optional value is the type without null', () => {
  const nullable: Json[] = [
    { anyOf: [{ type: 'integer' }, { type: 'null' }], default: null },
    { type: ['integer', 'null'] },
    { oneOf: [{ type: 'null' }, { allOf: [{ type: 'integer' }] }] },
  ];
  for (const schema of nullable) {
    const read = fieldOf(schema, {});
    assert.equal(read.kind, 'integer');
    assert.ok(read.nullable);
    assert.equal(initial(read), null);
    assert.deepEqual(check(read, null), []);
    assert.deepEqual(check(read, 3), []);
    assert.equal(check(read, 'a').length, 1);
  }
});

test('choices have values and labels', () => {
  const both = field({ oneOf: [{ const: 'a', title: 'first' }, { type: 'string', enum: ['b', 'c'] }] });
  assert.deepEqual(both.choices, [
    { value: 'a', label: 'first' },
    { value: 'b', label: 'b' },
    { value: 'c', label: 'c' },
  ]);
  const named = field({ enum: [1, 2], uiSchema: { 'ui:enumNames': ['one', 'two'] } });
  assert.deepEqual(named.choices.map(({ label }) => label), ['one', 'two']);
  const set = field({ type: 'array', uniqueItems: true, items: { enum: ['a', 'b'] } });
  assert.equal(set.kind, 'choices');
});

test('numbers are checked', () => {
  assert.deepEqual(details({ type: 'number', minimum: -273.15 }, -300), [
    '-300 is less than the minimum of -273.15',
  ]);
  assert.deepEqual(details({ type: 'number', exclusiveMinimum: 0 }, 0), ['0 is not greater than 0']);
  assert.deepEqual(details({ type: 'integer', maximum: 10, multipleOf: 3 }, 13), [
    '13 is greater than the maximum of 10',
    '13 is not a multiple of 3',
  ]);
  assert.deepEqual(details({ type: 'number', multipleOf: 0.1 }, 0.7), []);
  assert.deepEqual(details({ type: 'integer' }, 1.5), ['an integer is expected']);
  assert.deepEqual(details({ type: 'integer' }, 1e3), []);
  assert.deepEqual(details({ type: 'integer' }, new BigNumber('9223372036854775807')), []);
  assert.deepEqual(details({ type: 'integer', maximum: 10 }, new BigNumber('9223372036854775807')), [
    '9223372036854775807 is greater than the maximum of 10',
  ]);
});

test('texts are checked', () => {
  assert.deepEqual(details({ type: 'string', minLength: 2 }, '世'), ['shorter than 2 characters']);
  assert.deepEqual(details({ type: 'string', maxLength: 1 }, '𝄞'), []);
  assert.deepEqual(details({ type: 'string', pattern: '^\\d+$' }, 'a'), ['does not match the pattern ^\\d+$']);
  // A pattern that only the module understands is left to it.
  assert.deepEqual(details({ type: 'string', pattern: '(?P<a>x)' }, 'a'), []);
  assert.deepEqual(details({ type: 'string', format: 'date-time' }, '2024-02-29T12:00:00'), [
    'a date, a time and an offset are expected, like 2024-02-29T12:00:00Z',
  ]);
  assert.deepEqual(details({ type: 'string', format: 'partial-date-time' }, '2024-02-29T12:00:00'), []);
});

test('problems have the place of their value', () => {
  const schema: JsonObject = {
    type: 'object',
    required: ['gauges'],
    properties: {
      gauges: {
        type: 'array',
        minItems: 1,
        items: { type: 'object', required: ['a/b'], properties: { 'a/b': { type: 'string' }, height: { type: 'number' } } },
      },
    },
  };
  assert.deepEqual(details(schema, {}), ['/gauges a value is missing']);
  assert.deepEqual(details(schema, { gauges: [] }), ['/gauges at least 1 item is needed']);
  assert.deepEqual(details(schema, { gauges: [{ 'a/b': 'x' }, { height: 'high' }] }), [
    '/gauges/1/a~1b a value is missing',
    '/gauges/1/height a number is expected',
  ]);
  assert.deepEqual(details({ type: 'array', uniqueItems: true, items: {} }, [1, 2, 1]), ['1 is in the list twice']);
});

test('the options of a union are named and found', () => {
  const shape = field({
    oneOf: [
      { type: 'object', properties: { kind: { const: 'circle' }, radius: { type: 'number' } }, required: ['kind', 'radius'] },
      { type: 'object', properties: { kind: { const: 'square' }, side: { type: 'number' } }, required: ['kind', 'side'] },
      { type: 'object', properties: { Named: { type: 'string' } }, required: ['Named'] },
      { type: 'array', items: { type: 'number' } },
    ],
  });
  assert.deepEqual(shape.parts().map(optionLabel), ['circle', 'square', 'Named', 'List']);
  assert.equal(optionOf(shape, { kind: 'square', side: 1 }), 1);
  assert.equal(optionOf(shape, { kind: 'square', side: 'wrong' }), 1);
  assert.equal(optionOf(shape, [1]), 3);
  assert.deepEqual(initial(shape), { kind: 'circle' });
  assert.deepEqual(check(shape, { kind: 'square' }), [{ path: '/side', detail: 'a value is missing' }]);
});

test('points and areas are chosen on a map', () => {
  const point: JsonObject = {
    type: 'object',
    properties: { lon: { type: 'number' }, lat: { type: 'number' } },
    required: ['lon', 'lat'],
    uiSchema: { 'ui:field': 'GeoLocation', 'ui:title': 'Select point' },
  };
  const root: JsonObject = { $defs: { Point: point } };
  assert.equal(field(point).kind, 'point');
  assert.equal(field({ type: 'object', properties: { latitude: { type: 'number' }, longitude: { type: 'number' } } }).kind, 'point');
  assert.equal(field({ type: 'object', properties: { lat: { type: 'number' }, text: { type: 'string' } } }).kind, 'object');
  const area = field(
    {
      type: 'object',
      properties: { points: { type: 'array', items: { $ref: '#/$defs/Point' } } },
      uiSchema: { 'ui:field': 'GeoArea' },
    },
    root,
  );
  assert.equal(area.kind, 'area');
  // The hint of a type would give two arguments of this type the same title.
  assert.equal(fieldOf({ $ref: '#/$defs/Point' }, root, 'harbour').title, 'Harbour');
});

test('the hints of a uiSchema order, name and hide fields', () => {
  const schema: JsonObject = {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'string' }, c: { type: 'string' } },
  };
  const hints = { 'ui:order': ['c', '*'], a: { 'ui:title': 'First', 'ui:widget': 'textarea' } };
  const properties = fieldOf(schema, schema, '', hints).properties();
  assert.deepEqual(properties.map(({ name }) => name), ['c', 'a', 'b']);
  assert.equal(properties[1]?.field.title, 'First');
});

test('forms begin with defaults', () => {
  const cases: [JsonObject, Json | undefined, Kind][] = [
    [{ type: 'integer', default: 2 }, 2, 'integer'],
    [{ type: 'integer' }, undefined, 'integer'],
    [{ type: 'boolean' }, false, 'boolean'],
    [{ type: 'array', items: { type: 'string' }, minItems: 2 }, [undefined, undefined] as unknown as Json, 'list'],
    [{ type: 'array', items: { type: 'number' }, minItems: 2 }, [], 'list'],
    [{ type: 'object', additionalProperties: { type: 'number' } }, {}, 'map'],
    [{ type: 'string', format: 'base64' }, undefined, 'bytes'],
    [{ type: 'array', prefixItems: [{ type: 'string', default: 'a' }, { type: 'boolean' }] }, ['a', false], 'tuple'],
  ];
  for (const [schema, expected, kind] of cases) {
    assert.deepEqual(initial(field(schema)), expected, JSON.stringify(schema));
    assert.equal(field(schema).kind, kind);
  }
});

test('integers keep their digits', () => {
  const text = '{"a":9223372036854775807,"b":[1,2.5],"c":123456789012345678901234567890}';
  // Node.js 20 does not show the source of a number; the browsers do.
  if ('rawJSON' in JSON) assert.equal(stringify(parse(text)), text);
  assert.equal(stringify({ a: numberOf('9223372036854775807') as Json }), '{"a":9223372036854775807}');
  assert.equal(numberOf('1.'), 1);
  assert.equal(numberOf('1e400'), undefined);
  assert.equal(numberOf('12a'), undefined);
});
