/** The jobs that were submitted from this browser. */

import type { JobStatus } from './api';
import { parse } from './json';

export interface MyJob {
  id: string;
  /** The topic, the class if there is one, and the function. */
  path: string[];
  /** When it was submitted, in milliseconds since 1970. */
  since: number;
  /** The status when this page last asked. */
  status: JobStatus;
  /** The arguments as JSON, if they are short enough to keep. */
  body?: string;
}

const KEY = 'dasf-jobs';
/** Older jobs are forgotten here, not at the broker. */
const MOST = 200;
const LONGEST_BODY = 4000;

export function myJobs(): MyJob[] {
  try {
    const kept = parse(localStorage.getItem(KEY) ?? '[]');
    if (!Array.isArray(kept)) return [];
    return (kept as unknown as MyJob[]).filter(
      (job) => typeof job?.id === 'string' && Array.isArray(job.path),
    );
  } catch {
    return [];
  }
}

function keep(jobs: MyJob[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(jobs.slice(0, MOST)));
  } catch {
    // A browser without storage still runs jobs; their address is in the page.
  }
}

export function addJob(job: MyJob): void {
  const { body, ...rest } = job;
  const short = body !== undefined && body.length <= LONGEST_BODY ? { ...rest, body } : rest;
  keep([short, ...myJobs().filter((other) => other.id !== job.id)]);
}

export function updateJob(id: string, status: JobStatus): void {
  keep(myJobs().map((job) => (job.id === id ? { ...job, status } : job)));
}

export function removeJob(id: string): void {
  keep(myJobs().filter((job) => job.id !== id));
}

export function isOver(status: JobStatus): boolean {
  return status === 'done' || status === 'failed' || status === 'cancelled';
}
