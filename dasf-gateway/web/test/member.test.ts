import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventReader, type ModuleInfo, problemOf } from '../src/api';
import { CONSTRUCTOR, bodyOf, checkAll, formPath, memberOf, valuesOf } from '../src/member';
import { placeText, progressOf } from '../src/progress';
import { routeOf } from '../src/router';
import { LANGUAGES } from '../src/snippets';

const MODULE: ModuleInfo = {
  topic: 'greetings',
  functions: [{ name: 'nothing', parameters: { type: 'object', properties: {} } }],
  classes: [
    {
      name: 'Greeter',
      parameters: {
        type: 'object',
        properties: { greeting: { type: 'string', default: 'Hi' }, name: { type: 'string', minLength: 1 } },
        required: ['name'],
      },
      methods: [
        {
          name: 'greet',
          parameters: {
            type: 'object',
            properties: { name: { type: 'string' }, times: { type: 'integer', default: 1 } },
            required: ['name'],
          },
        },
      ],
    },
  ],
};

function greet() {
  const member = memberOf(MODULE, ['Greeter', 'greet']);
  assert.ok(member);
  return member;
}

test('members are found by their names', () => {
  assert.deepEqual(greet().path, ['greetings', 'Greeter', 'greet']);
  assert.ok(memberOf(MODULE, ['nothing']));
  for (const names of [['greet'], ['Greeter'], ['Greeter', 'wave'], ['Greeter', 'greet', 'more'], []]) {
    assert.equal(memberOf(MODULE, names), undefined, names.join());
  }
});

test('the arguments of a constructor stand beside those of its method', () => {
  const values = { constructor: { greeting: 'Yo', name: 'robot' }, own: { name: 'Ada', times: 1 } };
  const body = bodyOf(greet(), values);
  // The name of both is made different, and a value that equals its default is left out.
  assert.deepEqual(body, { greeting: 'Yo', 'Greeter.name': 'robot', name: 'Ada' });
  assert.deepEqual(valuesOf(greet(), body), {
    constructor: { greeting: 'Yo', name: 'robot' },
    own: { name: 'Ada' },
  });
});

test('problems of the gateway belong to the fields', () => {
  assert.equal(formPath(greet(), '/Greeter.name'), `${CONSTRUCTOR}/name`);
  assert.equal(formPath(greet(), '/greeting'), `${CONSTRUCTOR}/greeting`);
  assert.equal(formPath(greet(), '/name'), '/name');
  assert.equal(formPath(greet(), '/times/0'), '/times/0');
  assert.equal(formPath(greet(), 'times[0].x'), '/times/0/x');
});

test('both parts of the form are checked', () => {
  const problems = checkAll(greet(), { constructor: { name: '' }, own: {} });
  assert.deepEqual(problems.map(({ path }) => path), [`${CONSTRUCTOR}/name`, '/name']);
});

test('problem documents become failures', () => {
  const failure = problemOf(
    { title: 'No', status: 400, detail: 'two', errors: [{ path: '/a', detail: 'is required' }], code: 'x' },
    500,
  );
  assert.equal(failure.status, 400);
  assert.deepEqual(failure.errors, [{ path: '/a', detail: 'is required' }]);
  assert.deepEqual(failure.more, { code: 'x' });
  // An answer that is no problem document still says something.
  assert.equal(problemOf(null, 503).title, 'Nobody listens');
});

test('event streams may be cut anywhere', () => {
  const stream = 'event: progress\ndata: {"percent":1}\n\n: comment\n\nevent: result\r\ndata: "a\r\ndata: b"\r\n\r\n';
  const expected = [
    { event: 'progress', data: '{"percent":1}' },
    { event: 'result', data: '"a\nb"' },
  ];
  for (let size = 1; size <= stream.length; size += 1) {
    const reader = new EventReader();
    const events = [];
    for (let start = 0; start < stream.length; start += size) {
      events.push(...reader.read(stream.slice(start, start + size)));
    }
    assert.deepEqual(events, expected, `pieces of ${size}`);
  }
});

test('progress has a bar and a log', () => {
  const progress = progressOf({
    step_message: 'all',
    steps: 4,
    status: 'running',
    children: [
      { step_message: 'a', status: 'success', children: [{ step_message: 'inner', status: 'success', children: [] }] },
      { step_message: 'b', status: 'running', children: [] },
    ],
  });
  assert.equal(progress.percent, 25);
  assert.deepEqual(
    progress.steps.map(({ message, depth, status }) => [message, depth, status]),
    [
      ['a', 0, 'success'],
      ['inner', 1, 'success'],
      ['b', 0, 'running'],
    ],
  );
  assert.equal(progressOf({ percent: 130 }).percent, 100);
  assert.equal(progressOf({}).percent, undefined);
  assert.equal(placeText({ state: 'waiting', before: 1 }), '1 call is before this one.');
  assert.equal(placeText({ state: 'waiting', text: 'waits' }), 'waits');
});

test('addresses of pages are read', () => {
  assert.deepEqual(routeOf('#/modules/a%2Fb/Greeter/greet'), {
    page: 'member',
    topic: 'a/b',
    members: ['Greeter', 'greet'],
  });
  assert.deepEqual(routeOf('#/jobs/a.b.1'), { page: 'job', id: 'a.b.1' });
  assert.deepEqual(routeOf('#/%zz'), { page: 'modules' });
  assert.deepEqual(routeOf(''), { page: 'modules' });
});

test('code quotes what a caller gives', () => {
  const call = { url: 'http://h/api/a/f', body: { text: `it's "x"`, none: null, yes: true, list: [1, 2] }, token: true };
  const written = Object.fromEntries(LANGUAGES.map(({ name, write }) => [name, write(call)]));
  assert.ok(written['curl']?.includes(`-d '{"text":"it'\\''s \\"x\\"","none":null,"yes":true,"list":[1,2]}'`));
  assert.ok(written['Python']?.includes(`{"text": "it's \\"x\\"", "none": None, "yes": True, "list": [1, 2]}`));
  assert.ok(written['R']?.includes(`list(text = "it's \\"x\\"", none = NULL, yes = TRUE, list = list(1, 2))`));
  assert.ok(written['Rust']?.includes('json!({'));
  assert.ok(written['TypeScript']?.includes('JSON.stringify({'));
  // The token is a secret: the code reads it from the environment.
  for (const code of Object.values(written)) assert.ok(code.includes('DASF_TOKEN'), code);
});
