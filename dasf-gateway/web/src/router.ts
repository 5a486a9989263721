/** The pages have addresses after the `#`, so that the server has only one page. */

import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { page: 'modules' }
  | { page: 'module'; topic: string }
  | { page: 'member'; topic: string; members: string[] }
  | { page: 'jobs' }
  | { page: 'job'; id: string };

export function routeOf(hash: string): Route {
  const parts = hash.replace(/^#?\/?/, '').split('/').filter(Boolean).map(unescape);
  const [first, second, ...rest] = parts;
  if (first === 'jobs') return second === undefined ? { page: 'jobs' } : { page: 'job', id: second };
  if (first === 'modules' && second !== undefined) {
    return rest.length > 0
      ? { page: 'member', topic: second, members: rest }
      : { page: 'module', topic: second };
  }
  return { page: 'modules' };
}

function unescape(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function link(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const change = (): void => {
      setRoute(routeOf(location.hash));
      window.scrollTo(0, 0);
    };
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return route;
}
