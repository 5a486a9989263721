/** The progress of a call: its bar, and the log of its steps. */

import { type Json, type JsonObject, isNumber, isObject } from './json';
import { text } from './schema';

export interface Step {
  id: string;
  message: string;
  status: string;
  depth: number;
}

export interface Progress {
  /** From 0 to 100; undefined if the function has not said how far it is. */
  percent: number | undefined;
  message: string;
  steps: Step[];
}

/** A log shows so many steps: the last ones. */
const MOST_STEPS = 500;

export function progressOf(report: JsonObject): Progress {
  const steps: Step[] = [];
  collect(report, 0, steps);
  const given = report['percent'];
  const percent = isNumber(given) ? given.valueOf() : percentOf(report);
  return {
    percent: percent === undefined ? undefined : Math.min(100, Math.max(0, percent)),
    message: text(report['step_message']) ?? '',
    steps: steps.slice(-MOST_STEPS),
  };
}

function collect(report: JsonObject, depth: number, steps: Step[]): void {
  const children = report['children'];
  if (!Array.isArray(children) || depth > 20) return;
  children.filter(isObject).forEach((child, index) => {
    const id = `${depth}-${index}-${text(child['report_id']) ?? ''}`;
    const message = text(child['step_message']) ?? '';
    steps.push({ id, message, status: text(child['status']) ?? 'running', depth });
    collect(child, depth + 1, steps);
  });
}

/** Returns how many of the steps are done, in percent. */
function percentOf(report: JsonObject): number | undefined {
  const children = Array.isArray(report['children']) ? report['children'].filter(isObject) : [];
  const steps = report['steps'];
  const all = Math.max(isNumber(steps) ? steps.valueOf() : 0, children.length);
  if (text(report['status']) === 'success') return 100;
  if (all < 1) return undefined;
  const done = children.reduce((sum, child) => sum + (child['status'] === 'running' ? 0 : 1), 0);
  return (100 * done) / all;
}

/** Returns in words where a call is. */
export function placeText(place: Json): string {
  if (typeof place === 'string') return place;
  if (!isObject(place)) return '';
  const said = text(place['text']) ?? text(place['detail']) ?? text(place['message']);
  if (said !== undefined) return said;
  const before = ['before', 'waiting', 'position', 'requests_before'].map((key) => place[key]).find((value) => isNumber(value ?? null));
  if (before !== undefined && isNumber(before)) {
    const count = before.valueOf();
    if (count === 0) return 'This call is next.';
    return count === 1 ? '1 call is before this one.' : `${count} calls are before this one.`;
  }
  const state = text(place['state']) ?? text(place['status']) ?? text(place['kind']);
  return state ? `The call is ${state}.` : '';
}
