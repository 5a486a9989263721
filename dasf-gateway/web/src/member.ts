/** A function or a method, and the fields of its arguments. */

import type { ClassInfo, FunctionInfo, ModuleInfo } from './api';
import { type Json, type JsonObject, equal, isObject } from './json';
import { type Field, type Problem, at, check, fieldOf } from './schema';

export interface Member {
  /** The topic, the class if there is one, and the function. */
  path: string[];
  info: FunctionInfo;
  owner: ClassInfo | undefined;
  /** The fields of the constructor, if there is one, and of the function. */
  constructorField: Field | undefined;
  field: Field;
}

export function memberOf(module: ModuleInfo, names: string[]): Member | undefined {
  const [first, second] = names;
  const owner = second === undefined ? undefined : module.classes.find(({ name }) => name === first);
  const info =
    second === undefined
      ? module.functions.find(({ name }) => name === first)
      : owner?.methods.find(({ name }) => name === second);
  if (!info || (second !== undefined && !owner) || names.length > 2) return undefined;
  return {
    path: [module.topic, ...names],
    info,
    owner,
    constructorField: owner && argumentsField(owner.parameters, {}),
    field: argumentsField(info.parameters, info.uiSchema ?? {}),
  };
}

/** Returns the field of an object of arguments, even if there are none. */
function argumentsField(parameters: Json | undefined, hints: JsonObject): Field {
  const schema = isObject(parameters) ? parameters : {};
  const field = fieldOf({ type: 'object', ...schema }, schema, '', hints);
  // An object without properties would be a map with names of any kind.
  return { ...field, kind: 'object', properties: field.kind === 'map' ? () => [] : field.properties };
}

/** Returns whether a member needs anything from its caller. */
export function hasArguments(member: Member): boolean {
  return [member.constructorField, member.field].some((field) => field && field.properties().length > 0);
}

/** The arguments of a constructor and of a function, as the form keeps them. */
export interface Arguments {
  constructor: JsonObject;
  own: JsonObject;
}

/** Returns the names of the constructor's arguments in a request: a name of both is made different. */
function requestName(member: Member, name: string): string {
  const collides = member.field.properties().some((property) => property.name === name);
  return collides ? `${member.owner?.name}.${name}` : name;
}

/** Returns the body of the request. What equals its default is left out. */
export function bodyOf(member: Member, values: Arguments): JsonObject {
  const body: JsonObject = {};
  const add = (field: Field | undefined, object: JsonObject, rename: (name: string) => string): void => {
    for (const { name, required, field: part } of field?.properties() ?? []) {
      const value = object[name];
      if (value === undefined) continue;
      if (!required && part.default !== undefined && equal(part.default, value)) continue;
      body[rename(name)] = value;
    }
  };
  add(member.constructorField, values.constructor, (name) => requestName(member, name));
  add(member.field, values.own, (name) => name);
  return body;
}

/** Where the form shows the constructor's arguments; a name of the function cannot be so. */
export const CONSTRUCTOR = '/\u0000constructor';

/** Returns the problems of both objects, at the places of the form. */
export function checkAll(member: Member, values: Arguments): Problem[] {
  const constructor = member.constructorField
    ? check(member.constructorField, values.constructor, CONSTRUCTOR)
    : [];
  return [...constructor, ...check(member.field, values.own)];
}

/** Returns the place in the form of a place in the request, which the gateway names. */
export function formPath(member: Member, path: string): string {
  const written = path.startsWith('/') || path === '' ? path : pointerOf(path);
  const [, first = '', ...rest] = written.split('/');
  const name = first.replaceAll('~1', '/').replaceAll('~0', '~');
  const properties = member.constructorField?.properties() ?? [];
  const found = properties.find((property) => requestName(member, property.name) === name);
  if (!found) return written;
  return [at(CONSTRUCTOR, found.name), ...rest].join('/');
}

/** Reads a path such as `gauges[0].name`, as modules write them. */
function pointerOf(path: string): string {
  return path
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.')
    .filter(Boolean)
    .map((part) => at('', part))
    .join('');
}

/** The arguments as JSON of a request, back in the form. */
export function valuesOf(member: Member, body: Json): Arguments | undefined {
  if (!isObject(body)) return undefined;
  const values: Arguments = { constructor: {}, own: {} };
  for (const { name } of member.constructorField?.properties() ?? []) {
    const value = body[requestName(member, name)];
    if (value !== undefined) values.constructor[name] = value;
  }
  for (const { name } of member.field.properties()) {
    const value = body[name];
    if (value !== undefined) values.own[name] = value;
  }
  return values;
}
