/** JSON whose integers keep all digits, because JavaScript rounds them from 2⁵³ on. */

/** A number that JavaScript would round: the digits as they stand in the JSON. */
export class BigNumber {
  constructor(readonly text: string) {}

  valueOf(): number {
    return Number(this.text);
  }
}

export type Json = null | boolean | number | string | BigNumber | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof BigNumber)
  );
}

export function isNumber(value: Json | undefined): value is number | BigNumber {
  return typeof value === 'number' || value instanceof BigNumber;
}

/** Returns the number for a text with its digits, and nothing if the text is no JSON number. */
export function numberOf(text: string): number | BigNumber | undefined {
  const trimmed = text.trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(trimmed)) return undefined;
  const value = Number(trimmed);
  if (/^[+-]?\d+$/.test(trimmed) && !Number.isSafeInteger(value)) {
    return new BigNumber(BigInt(trimmed.replace('+', '')).toString());
  }
  return Number.isFinite(value) ? value : undefined;
}

/** Reads JSON. Where the browser shows the source of a number, large integers keep their digits. */
export function parse(text: string): Json {
  // Only texts with so many digits in a row can contain such an integer: the others are read faster.
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json;
  const revive = (_key: string, value: Json, context?: { source?: string }): Json => {
    const source = context?.source;
    return typeof value === 'number' &&
      source !== undefined &&
      /^-?\d+$/.test(source) &&
      !Number.isSafeInteger(value)
      ? new BigNumber(source)
      : value;
  };
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown) as Json;
}

/** Writes JSON, on one line or indented. */
export function stringify(value: Json, indent = 0): string {
  return write(value, indent, '');
}

function write(value: Json, indent: number, margin: string): string {
  if (value instanceof BigNumber) return value.text;
  // A place in a form that is still empty is undefined.
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const inner = margin + ' '.repeat(indent);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const parts = Array.isArray(value)
    ? value.map((item) => write(item, indent, inner))
    : Object.entries(value).map(
        ([key, item]) => `${JSON.stringify(key)}:${indent ? ' ' : ''}${write(item, indent, inner)}`,
      );
  if (parts.length === 0) return open + close;
  // A list of plain values is easier to read on one line.
  const plain =
    Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null);
  if (!indent || (plain && parts.join(', ').length <= 80)) {
    return open + parts.join(indent ? ', ' : ',') + close;
  }
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${margin}${close}`;
}

export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  if (isNumber(a) && isNumber(b)) return String(a.valueOf()) === String(b.valueOf()) && stringify(a) === stringify(b);
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && equal(a[name], b[name]))
    );
  }
  return false;
}
