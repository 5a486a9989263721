/** The fields of a form, made from a schema. */

import { type ComponentChildren, type JSX, createContext } from 'preact';
import { useContext, useState } from 'preact/hooks';
import { decode, encode, size } from '../bytes';
import {
  type Json,
  type JsonObject,
  equal,
  isNumber,
  isObject,
  numberOf,
  parse,
  stringify,
} from '../json';
import {
  type Field,
  at,
  check,
  hint,
  initial,
  optionLabel,
  optionOf,
  text,
} from '../schema';
import { inline, useModule, useName } from '../ui';

/** What the fields know of their form. */
export interface FormState {
  /** The problems to show at a place. */
  problems: (path: string) => string[];
  /** The problems to show below a place that does not show its parts. */
  below: (path: string) => string[];
  /** Remembers that the person has changed a place. */
  touch: (path: string) => void;
}

export const FormContext = createContext<FormState>({
  problems: () => [],
  below: () => [],
  touch: () => undefined,
});

export interface FieldProps {
  field: Field;
  path: string;
  required: boolean;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  /** The label in place of the title; empty if a part around the field shows it. */
  label?: string;
}

/** The kinds whose control is one input, which is empty for null and for no value. */
const PLAIN = ['number', 'integer', 'text', 'choice', 'date', 'date-time', 'time', 'boolean'];

export function FieldView(props: FieldProps): JSX.Element | null {
  const { field, path, required, value, onChange } = props;
  const form = useContext(FormContext);
  const change = (next: Json | undefined): void => {
    form.touch(path);
    onChange(next);
  };
  if (hint(field.ui, 'widget') === 'hidden') return null;
  const label = props.label ?? field.title;
  const own = { ...props, label, onChange: change };
  if (PLAIN.includes(field.kind)) return <PlainField {...own} />;
  if (field.kind === 'constant') {
    return (
      <div class="field">
        <span class="label">{label}</span>
        <code>{stringify(field.schema['const'] ?? null)}</code>
      </div>
    );
  }
  const none = value === undefined || value === null;
  if (field.nullable || (!required && field.default === undefined)) {
    return (
      <Group {...own}>
        <label class="check">
          <input
            type="checkbox"
            checked={!none}
            onChange={(event) => change(event.currentTarget.checked ? start(field) : field.nullable ? null : undefined)}
          />
          Give a value
        </label>
        {!none && <Content {...own} />}
      </Group>
    );
  }
  return (
    <Group {...own}>
      <Content {...own} />
    </Group>
  );
}

/** Returns the first value of a field that was empty. */
function start(field: Field): Json {
  return initial({ ...field, nullable: false, default: undefined }) ?? '';
}

/** The title, the description and the problems around parts. */
function Group({ field, path, label, children }: FieldProps & { children: ComponentChildren }): JSX.Element {
  return (
    <fieldset class={`group kind-${field.kind}`} data-path={path}>
      {label ? <legend>{label}</legend> : <legend class="hidden">{field.title || 'Value'}</legend>}
      <Description field={field} />
      {children}
      <Problems path={path} id={undefined} />
    </fieldset>
  );
}

function Description({ field, id }: { field: Field; id?: string }): JSX.Element | null {
  const help = hint(field.ui, 'help');
  if (!field.description && !help) return null;
  return (
    <div class="description" id={id}>
      {field.description && inline(field.description)}
      {help && <div>{help}</div>}
    </div>
  );
}

function Problems({ path, id }: { path: string; id: string | undefined }): JSX.Element | null {
  const problems = useContext(FormContext).problems(path);
  if (problems.length === 0) return null;
  return (
    <div class="wrong" id={id} role="alert">
      {problems.map((problem) => (
        <div>{problem}</div>
      ))}
    </div>
  );
}

function Content(props: FieldProps): JSX.Element | null {
  switch (props.field.kind) {
    case 'object':
      return <ObjectFields {...props} />;
    case 'point':
    case 'area':
      return <Place {...props} />;
    case 'list':
      return <List {...props} />;
    case 'choices':
      return <Choices {...props} />;
    case 'tuple':
      return <Tuple {...props} />;
    case 'map':
      return <Entries {...props} />;
    case 'union':
      return <Union {...props} />;
    case 'bytes':
      return <FileField {...props} />;
    case 'nothing':
      return <p class="quiet">This has no value.</p>;
    default:
      return <JsonField {...props} />;
  }
}

/** A label with one control. */
function PlainField({ field, path, required, value, onChange, label }: FieldProps): JSX.Element {
  const id = useName('field');
  const form = useContext(FormContext);
  const problems = form.problems(path);
  const empty = field.nullable ? null : undefined;
  // A field that is left empty has its default.
  const optional = field.nullable || !required;
  const chosen = !field.nullable && field.default !== undefined;
  const described = [
    field.description || hint(field.ui, 'help') ? `${id}-text` : '',
    problems.length > 0 ? `${id}-wrong` : '',
  ]
    .filter(Boolean)
    .join(' ');
  const control: Control = {
    id,
    field,
    value,
    onChange,
    empty,
    optional: optional && !chosen,
    attributes: {
      'aria-invalid': problems.length > 0 ? 'true' : undefined,
      'aria-describedby': described || undefined,
      'aria-required': optional ? undefined : 'true',
      disabled: field.ui['ui:disabled'] === true || undefined,
      readOnly: field.ui['ui:readonly'] === true || field.schema['readOnly'] === true || undefined,
    },
  };
  const name = label || field.title || 'Value';
  const radio = hint(field.ui, 'widget') === 'radio';
  if (field.kind === 'boolean' && (!optional || chosen) && !radio) {
    return (
      <div class="field" data-path={path}>
        <label class="check">
          <input
            type="checkbox"
            id={id}
            checked={value === true}
            onChange={(event) => onChange(event.currentTarget.checked)}
            {...control.attributes}
          />
          {name}
        </label>
        <Description field={field} id={`${id}-text`} />
        <Problems path={path} id={`${id}-wrong`} />
      </div>
    );
  }
  return (
    <div class={`field kind-${field.kind}`} data-path={path}>
      <label for={id} id={`${id}-label`} class={label ? 'label' : 'hidden'}>
        {name}
        {!optional && (
          <span class="required" title="A value is required">
            {' '}
            *
          </span>
        )}
        <Limits field={field} />
      </label>
      <Description field={field} id={`${id}-text`} />
      <ControlOf {...control} />
      <Problems path={path} id={`${id}-wrong`} />
    </div>
  );
}

/** The limits of a number, and the unit of a time, beside the label. */
function Limits({ field }: { field: Field }): JSX.Element | null {
  const { schema, kind } = field;
  const parts: string[] = [];
  const limit = (keyword: string, sign: string, ignored: number[]): void => {
    const value = schema[keyword];
    if (isNumber(value) && !ignored.includes(value.valueOf())) parts.push(`${sign} ${stringify(value)}`);
  };
  if (kind === 'number' || kind === 'integer') {
    // The limits of the types themselves only distract.
    const widths = [8, 16, 32, 64, 128].flatMap((bits) => [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 2 ** bits - 1]);
    const [least, most] = [schema['minimum'], schema['maximum']];
    if (isNumber(least) && isNumber(most) && !widths.includes(most.valueOf())) {
      parts.push(`${stringify(least)} to ${stringify(most)}`);
    } else {
      limit('minimum', '≥', widths.filter((width) => width < 0));
      limit('maximum', '≤', widths);
    }
    limit('exclusiveMinimum', '>', []);
    limit('exclusiveMaximum', '<', []);
    limit('multipleOf', 'multiple of', []);
  }
  if (kind === 'date-time' && schema['format'] === 'date-time') parts.push('UTC');
  if (field.nullable) parts.push('may be empty');
  if (parts.length === 0) return null;
  return <span class="limits">{parts.join(', ')}</span>;
}

interface Control {
  id: string;
  field: Field;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  empty: null | undefined;
  optional: boolean;
  attributes: Record<string, string | boolean | undefined>;
}

function ControlOf(control: Control): JSX.Element {
  const { field } = control;
  switch (field.kind) {
    case 'number':
    case 'integer':
      return <NumberInput {...control} />;
    case 'choice':
      return <Select {...control} choices={field.choices} />;
    case 'boolean':
      return (
        <Select
          {...control}
          choices={[
            { value: true, label: 'yes' },
            { value: false, label: 'no' },
          ]}
        />
      );
    case 'date':
    case 'date-time':
    case 'time':
      return <TimeInput {...control} />;
    default:
      return <TextInput {...control} />;
  }
}

function NumberInput({ id, field, value, onChange, empty, attributes }: Control): JSX.Element {
  const [typed, setTyped] = useState('');
  // What was typed is kept as long as it means the value: `1.` must not become `1`.
  const meaning = typed.trim() === '' ? undefined : (numberOf(typed) ?? typed);
  const written = equal(meaning, value)
    ? typed
    : value === undefined || value === null
      ? ''
      : typeof value === 'string'
        ? value
        : stringify(value);
  const example = field.examples[0];
  const change = (text: string): void => {
    setTyped(text);
    onChange(text.trim() === '' ? empty : (numberOf(text) ?? text));
  };
  const [least, most] = [field.schema['minimum'], field.schema['maximum']];
  const range = hint(field.ui, 'widget') === 'range' && isNumber(least) && isNumber(most);
  const step = field.schema['multipleOf'] ?? (field.kind === 'integer' ? 1 : undefined);
  return (
    <div class={range ? 'range' : undefined}>
      {range && (
        <input
          type="range"
          min={least.valueOf()}
          max={most.valueOf()}
          step={isNumber(step) ? step.valueOf() : 'any'}
          value={isNumber(value) ? value.valueOf() : least.valueOf()}
          aria-labelledby={`${id}-label`}
          onInput={(event) => change(event.currentTarget.value)}
        />
      )}
      <input
        id={id}
        type="text"
        inputMode={field.kind === 'integer' ? 'numeric' : 'decimal'}
        autocomplete="off"
        spellcheck={false}
        value={written}
        placeholder={hint(field.ui, 'placeholder') ?? (example === undefined ? undefined : stringify(example))}
        onInput={(event) => change(event.currentTarget.value)}
        {...attributes}
      />
    </div>
  );
}

function TextInput({ id, field, value, onChange, empty, attributes }: Control): JSX.Element {
  const widget = hint(field.ui, 'widget');
  const shown = typeof value === 'string' ? value : '';
  const example = field.examples[0];
  const placeholder = hint(field.ui, 'placeholder') ?? (typeof example === 'string' ? example : undefined);
  const change = (text: string): void => onChange(text === '' && empty === null ? null : text);
  const most = field.schema['maxLength'];
  const format = text(field.schema['format']);
  const media = text(field.schema['contentMediaType']);
  const long = widget === 'textarea' || media?.startsWith('text/') || shown.includes('\n');
  if (long) {
    const rows = isObject(field.ui['ui:options']) ? field.ui['ui:options']['rows'] : undefined;
    return (
      <textarea
        id={id}
        rows={isNumber(rows) ? rows.valueOf() : 5}
        value={shown}
        placeholder={placeholder}
        onInput={(event) => change(event.currentTarget.value)}
        {...attributes}
      />
    );
  }
  const types: Record<string, string> = { password: 'password', email: 'email', color: 'color', uri: 'url' };
  return (
    <input
      id={id}
      // Preact's types want one literal.
      type={(types[widget ?? ''] ?? types[format ?? ''] ?? 'text') as 'text'}
      autocomplete="off"
      value={shown}
      placeholder={placeholder}
      size={isNumber(most) && most.valueOf() <= 8 ? 10 : undefined}
      onInput={(event) => change(event.currentTarget.value)}
      {...attributes}
    />
  );
}

function Select({
  id,
  field,
  value,
  onChange,
  empty,
  optional,
  attributes,
  choices,
}: Control & { choices: { value: Json; label: string }[] }): JSX.Element {
  const index = choices.findIndex((choice) => equal(choice.value, value));
  const choose = (chosen: string): void => onChange(chosen === '' ? empty : choices[Number(chosen)]?.value);
  if (hint(field.ui, 'widget') === 'radio' && choices.length <= 12) {
    return (
      <div role="radiogroup" aria-labelledby={`${id}-label`} id={id} class="radios">
        {choices.map((choice, position) => (
          <label class="check">
            <input
              type="radio"
              name={id}
              checked={position === index}
              onChange={() => choose(String(position))}
            />
            {choice.label}
          </label>
        ))}
      </div>
    );
  }
  return (
    <select
      id={id}
      value={index < 0 ? '' : String(index)}
      onChange={(event) => choose(event.currentTarget.value)}
      {...attributes}
    >
      {(optional || index < 0) && <option value="">{optional ? 'none' : 'choose …'}</option>}
      {choices.map((choice, position) => (
        <option value={String(position)}>{choice.label}</option>
      ))}
    </select>
  );
}

/** Dates and times, with the browser's own control. It has no offset: times are in UTC. */
function TimeInput({ id, field, value, onChange, empty, attributes }: Control): JSX.Element {
  const offset = field.schema['format'] === 'date-time';
  const written = typeof value === 'string' ? value : '';
  const shown = field.kind === 'date-time' ? inUtc(written, offset) : written;
  const types = { date: 'date', 'date-time': 'datetime-local', time: 'time' } as const;
  const change = (text: string): void => {
    if (text === '') onChange(empty);
    else if (field.kind === 'date') onChange(text);
    else {
      // The control leaves out seconds that are zero.
      const seconds = /:\d\d:\d\d/.test(text) ? text : `${text}:00`;
      const zone = offset || field.schema['format'] === 'time' ? 'Z' : '';
      onChange(field.kind === 'time' && !zone ? seconds : `${seconds}${zone}`);
    }
  };
  return (
    <input
      id={id}
      type={types[field.kind as keyof typeof types]}
      step={field.kind === 'date' ? undefined : '1'}
      value={field.kind === 'time' ? shown.replace(/(Z|[+-]\d\d:\d\d)$/, '') : shown}
      onInput={(event) => change(event.currentTarget.value)}
      {...attributes}
    />
  );
}

/** Returns a point in time as the control of the browser takes it. */
function inUtc(written: string, offset: boolean): string {
  if (!offset) return written.replace(' ', 'T');
  const time = new Date(written);
  return Number.isNaN(time.getTime()) ? '' : time.toISOString().replace(/(\.000)?Z$/, '');
}

function ObjectFields({ field, path, value, onChange }: FieldProps): JSX.Element {
  const fields = isObject(value) ? value : {};
  return (
    <div class="parts">
      {field.properties().map(({ name, required, field: part }) => (
        <FieldView
          key={name}
          field={part}
          path={at(path, name)}
          required={required}
          value={fields[name]}
          onChange={(next) => onChange(withKey(fields, name, next))}
        />
      ))}
    </div>
  );
}

/** Returns a copy of an object with another value for a key. */
export function withKey(value: JsonObject, key: string, next: Json | undefined): JsonObject {
  if (next !== undefined) return { ...value, [key]: next };
  const { [key]: _, ...rest } = value;
  return rest;
}

function List(props: FieldProps): JSX.Element {
  const { field, path, value, onChange } = props;
  const item = field.item();
  const values = Array.isArray(value) ? value : [];
  const most = field.schema['maxItems'];
  const full = isNumber(most) && values.length >= most.valueOf();
  if (item.kind === 'number' || item.kind === 'integer') return <Numbers {...props} />;
  if (item.kind === 'point') return <Place {...props} />;
  const replace = (index: number, next: Json | undefined): void =>
    onChange(values.map((each, position) => (position === index ? (next as Json) : each)));
  return (
    <div class="list">
      {values.map((each, index) => (
        <div class="item" key={index}>
          <div class="item-value">
            <FieldView
              field={{ ...item, title: `Item ${index + 1}` }}
              label={PLAIN.includes(item.kind) ? '' : `Item ${index + 1}`}
              path={at(path, index)}
              required
              value={each}
              onChange={(next) => replace(index, next)}
            />
          </div>
          <button
            type="button"
            class="plain small"
            aria-label={`Remove item ${index + 1}`}
            onClick={() => onChange(values.filter((_, position) => position !== index))}
          >
            ✕
          </button>
        </div>
      ))}
      <button
        type="button"
        class="plain"
        disabled={full}
        onClick={() => onChange([...values, initial(item) as Json])}
      >
        Add an item
      </button>
    </div>
  );
}

/** A list of numbers is typed or pasted as a whole. */
function Numbers({ field, path, value, onChange }: FieldProps): JSX.Element {
  const form = useContext(FormContext);
  const id = useName('numbers');
  const [typed, setTyped] = useState('');
  const values = Array.isArray(value) ? value : [];
  const shown = equal(numbersOf(typed), values)
    ? typed
    : values.map((each) => (typeof each === 'string' ? each : stringify(each ?? null))).join(', ');
  const problems = form.below(path);
  const nulls = field.item().nullable;
  return (
    <div>
      <label for={id} class="hidden">
        {field.title}
      </label>
      <textarea
        id={id}
        class="numbers"
        rows={Math.min(8, Math.max(2, Math.ceil(shown.length / 60)))}
        spellcheck={false}
        placeholder="1, 2.5, 4"
        aria-describedby={`${id}-help ${problems.length > 0 ? `${id}-wrong` : ''}`}
        aria-invalid={problems.length > 0 ? 'true' : undefined}
        value={shown}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          onChange(numbersOf(event.currentTarget.value));
        }}
      />
      <div class="quiet" id={`${id}-help`}>
        Numbers with commas, spaces or line breaks between them{nulls ? ', and null for a gap' : ''}.{' '}
        {values.length === 1 ? '1 number' : `${values.length} numbers`}
      </div>
      {problems.length > 0 && (
        <div class="wrong" id={`${id}-wrong`} role="alert">
          {problems.slice(0, 5).map((problem) => (
            <div>{problem}</div>
          ))}
        </div>
      )}
    </div>
  );
}

/** Reads numbers; a part that is none stays a text, which the check of the form refuses. */
export function numbersOf(text: string): Json[] {
  return text
    .replace(/[[\]]/g, ' ')
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map((part) => (/^(null|nan)$/i.test(part) ? null : (numberOf(part) ?? part)));
}

function Choices({ field, value, onChange }: FieldProps): JSX.Element {
  const values = Array.isArray(value) ? value : [];
  return (
    <div class="radios">
      {field.choices.map((choice) => {
        const chosen = values.some((each) => equal(each, choice.value));
        return (
          <label class="check">
            <input
              type="checkbox"
              checked={chosen}
              onChange={() =>
                onChange(
                  chosen
                    ? values.filter((each) => !equal(each, choice.value))
                    : [...values, choice.value],
                )
              }
            />
            {choice.label}
          </label>
        );
      })}
    </div>
  );
}

function Tuple({ field, path, value, onChange }: FieldProps): JSX.Element {
  const values = Array.isArray(value) ? value : [];
  const parts = field.parts();
  return (
    <div class="parts row">
      {parts.map((part, index) => (
        <FieldView
          key={index}
          field={part}
          path={at(path, index)}
          required
          value={values[index]}
          onChange={(next) =>
            onChange(parts.map((_, position) => (position === index ? next : values[position]) as Json))
          }
        />
      ))}
    </div>
  );
}

function Entries({ field, path, value, onChange }: FieldProps): JSX.Element {
  const entries = Object.entries(isObject(value) ? value : {});
  const item = field.item();
  const names = entries.map(([name]) => name);
  const fresh = (): string => {
    let number = entries.length + 1;
    while (names.includes(`key ${number}`)) number += 1;
    return `key ${number}`;
  };
  const rename = (index: number, name: string): void => {
    if (names.includes(name)) return;
    onChange(Object.fromEntries(entries.map(([old, each], position) => [position === index ? name : old, each])));
  };
  return (
    <div class="list">
      {entries.map(([name, each], index) => (
        <div class="item" key={index}>
          <div class="item-value parts row">
            <div class="field">
              <label class="label">
                Name
                <input
                  type="text"
                  value={name}
                  aria-label={`Name of entry ${index + 1}`}
                  onChange={(event) => rename(index, event.currentTarget.value)}
                />
              </label>
              <Problems path={at(path, name)} id={undefined} />
            </div>
            <FieldView
              field={{ ...item, title: item.title || 'Value' }}
              path={at(path, name)}
              required
              value={each}
              onChange={(next) => onChange({ ...Object.fromEntries(entries), [name]: next as Json })}
            />
          </div>
          <button
            type="button"
            class="plain small"
            aria-label={`Remove ${name}`}
            onClick={() => onChange(Object.fromEntries(entries.filter((_, position) => position !== index)))}
          >
            ✕
          </button>
        </div>
      ))}
      <button
        type="button"
        class="plain"
        onClick={() => onChange({ ...Object.fromEntries(entries), [fresh()]: initial(item) as Json })}
      >
        Add an entry
      </button>
    </div>
  );
}

function Union({ field, path, value, onChange }: FieldProps): JSX.Element {
  const parts = field.parts();
  const id = useName('union');
  const [chosen, setChosen] = useState(() => optionOf(field, value));
  const part = parts[chosen];
  return (
    <div class="union">
      <label for={id} class="hidden">
        Kind of {field.title || 'value'}
      </label>
      <select
        id={id}
        value={String(chosen)}
        onChange={(event) => {
          const index = Number(event.currentTarget.value);
          setChosen(index);
          const next = parts[index];
          onChange(next ? initial(next) : undefined);
        }}
      >
        {parts.map((each, index) => (
          <option value={String(index)}>{optionLabel(each)}</option>
        ))}
      </select>
      {part && part.kind !== 'constant' && part.kind !== 'nothing' && (
        <Part key={chosen} field={part} path={path} value={value} onChange={onChange} title={optionLabel(part)} />
      )}
    </div>
  );
}

/** The chosen option of a union, without a second frame. */
function Part({
  field,
  path,
  value,
  onChange,
  title,
}: Omit<FieldProps, 'required' | 'label'> & { title: string }): JSX.Element {
  const named = { ...field, title: field.title || title };
  if (PLAIN.includes(field.kind)) {
    return <FieldView field={named} path={path} required value={value} onChange={onChange} label="" />;
  }
  // The tag is chosen above.
  const visible = {
    ...named,
    properties: () => named.properties().filter((property) => property.field.kind !== 'constant'),
  };
  return <Content field={visible} path={path} required value={value} onChange={onChange} />;
}

function FileField({ field, value, onChange }: FieldProps): JSX.Element {
  const id = useName('file');
  const [name, setName] = useState('');
  const [over, setOver] = useState(false);
  const given = typeof value === 'string' && value !== '';
  const url = field.schema['contentEncoding'] === 'base64url' || field.schema['format'] === 'base64url';
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    const written = encode(new Uint8Array(await file.arrayBuffer()));
    setName(file.name);
    onChange(url ? written.replaceAll('+', '-').replaceAll('/', '_') : written);
  };
  const media = text(field.schema['contentMediaType']);
  return (
    <div
      class={`file ${over ? 'over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files[0]);
      }}
    >
      <label for={id}>{given ? 'Another file' : 'Choose a file'}</label>
      <input
        id={id}
        type="file"
        accept={media === 'application/x-netcdf' ? '.nc,.nc3,.cdf' : media}
        onChange={(event) => void take(event.currentTarget.files?.[0])}
      />
      <span class="quiet" aria-live="polite">
        {given
          ? `${name || 'A file'}, ${size(decode(value)?.length ?? 0)}`
          : `or drop it here${media ? ` (${media})` : ''}`}
      </span>
    </div>
  );
}

/** Any JSON, as text. */
function JsonField({ field, value, onChange }: FieldProps): JSX.Element {
  const id = useName('json');
  const [typed, setTyped] = useState(() => (value === undefined ? '' : stringify(value, 2)));
  const [wrong, setWrong] = useState('');
  const change = (text: string): void => {
    setTyped(text);
    if (text.trim() === '') {
      setWrong('');
      onChange(undefined);
      return;
    }
    try {
      onChange(parse(text));
      setWrong('');
    } catch (error) {
      setWrong(`This is no JSON: ${error instanceof Error ? error.message : String(error)}`);
      onChange(undefined);
    }
  };
  return (
    <div>
      <label for={id} class="hidden">
        {field.title || 'JSON'}
      </label>
      <textarea
        id={id}
        class="numbers"
        rows={Math.min(12, Math.max(3, typed.split('\n').length))}
        spellcheck={false}
        placeholder={'{"any": "JSON"}'}
        value={typed}
        onInput={(event) => change(event.currentTarget.value)}
        aria-invalid={wrong ? 'true' : undefined}
      />
      {wrong && (
        <div class="wrong" role="alert">
          {wrong}
        </div>
      )}
    </div>
  );
}

/** A point, an area or a list of points, on the map and as numbers. */
function Place(props: FieldProps): JSX.Element {
  const picker = useModule(() => import('../map/picker'));
  const { field, path, value, onChange } = props;
  return (
    <div class="place">
      {picker ? <picker.Picker field={field} value={value} onChange={onChange} /> : <div class="map-waits" />}
      {field.kind === 'point' ? (
        <div class="row">
          <ObjectFields {...props} />
        </div>
      ) : (
        <details>
          <summary>Corners and points as numbers</summary>
          <PointRows field={field} path={path} value={value} onChange={onChange} />
        </details>
      )}
      <Below path={path} />
    </div>
  );
}

/** The problems of parts that the map shows. */
function Below({ path }: { path: string }): JSX.Element | null {
  const problems = useContext(FormContext).below(path);
  if (problems.length === 0) return null;
  return (
    <div class="wrong" role="alert">
      {problems.slice(0, 3).map((problem) => (
        <div>{problem}</div>
      ))}
    </div>
  );
}

function PointRows({ field, path, value, onChange }: Omit<FieldProps, 'required'>): JSX.Element {
  const area = field.kind === 'area';
  const list = area ? field.properties().find((property) => property.name === 'points')?.field : field;
  const points = area ? (isObject(value) ? value['points'] : undefined) : value;
  const values = Array.isArray(points) ? points : [];
  const below = area ? at(path, 'points') : path;
  const change = (next: Json[]): void =>
    onChange(area ? withKey(isObject(value) ? value : {}, 'points', next) : next);
  const item = list?.item();
  if (!item) return <p class="quiet">There are no points.</p>;
  return (
    <div class="list">
      {values.map((each, index) => (
        <div class="item" key={index}>
          <div class="item-value row">
            <ObjectFields
              field={item}
              path={at(below, index)}
              required
              value={each}
              onChange={(next) => change(values.map((old, position) => (position === index ? (next as Json) : old)))}
            />
          </div>
          <button
            type="button"
            class="plain small"
            aria-label={`Remove point ${index + 1}`}
            onClick={() => change(values.filter((_, position) => position !== index))}
          >
            ✕
          </button>
        </div>
      ))}
      <button type="button" class="plain" onClick={() => change([...values, initial(item) ?? {}])}>
        Add a point
      </button>
    </div>
  );
}

/** Returns the problems of a value with `check`, as the form keeps them. */
export function problemsOf(field: Field, value: Json | undefined): Map<string, string[]> {
  const problems = new Map<string, string[]>();
  for (const { path, detail } of check(field, value)) {
    problems.set(path, [...(problems.get(path) ?? []), detail]);
  }
  return problems;
}
