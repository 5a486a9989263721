/** A map without tiles: coastlines and borders that come with the page, and shapes on them. */

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useModule } from '../ui';
import {
  type Bounds,
  type Position,
  type Shape,
  type View,
  WORLD,
  gridStep,
  limited,
  narrowing,
  project,
  rounded,
  unproject,
  viewOf,
} from './geo';

export interface MapProps {
  shapes: Shape[];
  /** What the map shows first, and again when it changes. */
  bounds?: Bounds | undefined;
  label: string;
  colour?: (feature: number) => string | undefined;
  chosen?: number | undefined;
  onChoose?: (feature: number) => void;
  /** The person picks places: a click or the Enter key gives one. */
  onPick?: (place: Position) => void;
  /** The person draws a rectangle by dragging. */
  onDraw?: ((corners: [Position, Position]) => void) | undefined;
  children?: ComponentChildren;
}

/** With more points, a browser becomes slow: the map shows the first ones, and says so. */
const MOST_POINTS = 5000;

/** A map of fewer degrees shows the finer coastlines. */
const CLOSE = 45;

export function WorldMap(props: MapProps): JSX.Element {
  const { shapes, bounds, label, colour, chosen, onChoose, onPick, onDraw } = props;
  const frame = useRef<HTMLDivElement>(null);
  const [{ width, height }, setSize] = useState({ width: 640, height: 360 });
  const [view, setView] = useState<View>(WORLD);
  const [focused, setFocused] = useState(false);
  const [drawn, setDrawn] = useState<[Position, Position]>();
  const outline = useModule(() => import('./outline'));
  const [coast, setCoast] = useState<string>();
  const close = view.span < CLOSE;
  const key = bounds?.join();

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const measure = (): void => {
      const { clientWidth, clientHeight } = element;
      if (clientWidth > 0) setSize({ width: clientWidth, height: clientHeight });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    // Without them, the map still has the coarse ones.
    if (close && !coast) void import('./coast').then(({ land }) => setCoast(land)).catch(() => undefined);
  }, [close]);

  useEffect(() => {
    if (bounds) setView(viewOf(bounds, width, height));
  }, [key, width, height]);

  const zoom = (factor: number, around?: Position): void =>
    setView((view) => {
      const next = limited({ ...view, span: view.span * factor });
      if (!around) return next;
      // The place under the pointer stays there.
      const before = unproject(view, width, height, around);
      const after = unproject(next, width, height, around);
      return limited({ ...next, lon: next.lon + before[0] - after[0], lat: next.lat + before[1] - after[1] });
    });

  const pointers = useRef(new Map<number, Position>());
  const moved = useRef(false);
  const where = (event: PointerEvent | WheelEvent | MouseEvent): Position => {
    const box = frame.current?.getBoundingClientRect();
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)];
  };
  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    pointers.current.set(event.pointerId, where(event));
    moved.current = false;
    if (onDraw && pointers.current.size === 1) {
      const place = unproject(view, width, height, where(event));
      setDrawn([place, place]);
    }
  };
  const move = (event: PointerEvent): void => {
    const before = pointers.current.get(event.pointerId);
    if (!before) return;
    const now = where(event);
    const far = Math.hypot(now[0] - before[0], now[1] - before[1]);
    // A finger never rests: a small movement is still a click.
    if (!moved.current && far < 4) return;
    if (!moved.current) {
      moved.current = true;
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
    }
    const others = [...pointers.current].filter(([id]) => id !== event.pointerId);
    pointers.current.set(event.pointerId, now);
    const other = others[0]?.[1];
    if (other) {
      const [old, fresh] = [before, now].map((point) => Math.hypot(point[0] - other[0], point[1] - other[1]));
      if (old && fresh) zoom(old / fresh, other);
      setDrawn(undefined);
    } else if (onDraw && drawn) {
      setDrawn([drawn[0], unproject(view, width, height, now)]);
    } else {
      setView((view) => {
        const [a, b] = [unproject(view, width, height, before), unproject(view, width, height, now)];
        return limited({ ...view, lon: view.lon + a[0] - b[0], lat: view.lat + a[1] - b[1] });
      });
    }
  };
  const up = (event: PointerEvent): void => {
    if (!pointers.current.delete(event.pointerId)) return;
    if (drawn && moved.current && onDraw) {
      onDraw([rounded(drawn[0], view), rounded(drawn[1], view)]);
    } else if (!moved.current && onPick && event.type === 'pointerup') {
      onPick(rounded(unproject(view, width, height, where(event)), view));
    }
    setDrawn(undefined);
  };

  // Preact listens passively to wheels, which could not keep the page from scrolling.
  const wheel = useRef<(event: WheelEvent) => void>(() => undefined);
  wheel.current = (event) => {
    // Without a key, the wheel scrolls the page as everywhere else.
    if (!event.ctrlKey && !event.metaKey && !focused) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, where(event));
  };
  useEffect(() => {
    const element = frame.current;
    const listen = (event: WheelEvent): void => wheel.current(event);
    element?.addEventListener('wheel', listen, { passive: false });
    return () => element?.removeEventListener('wheel', listen);
  }, []);

  const keyboard = (event: KeyboardEvent): void => {
    const step = view.span / 10;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => setView(limited({ ...view, lon: view.lon - step })),
      ArrowRight: () => setView(limited({ ...view, lon: view.lon + step })),
      ArrowUp: () => setView(limited({ ...view, lat: view.lat + step })),
      ArrowDown: () => setView(limited({ ...view, lat: view.lat - step })),
      '+': () => zoom(0.7),
      '=': () => zoom(0.7),
      '-': () => zoom(1.4),
    };
    if (onPick) actions['Enter'] = () => onPick(rounded([view.lon, view.lat], view));
    const action = actions[event.key];
    if (!action || event.target !== event.currentTarget) return;
    event.preventDefault();
    action();
  };

  const scale = height / view.span;
  const narrow = narrowing(view);
  const transform = `translate(${width / 2} ${height / 2}) scale(${scale * narrow} ${-scale}) translate(${-view.lon} ${-view.lat})`;
  const lines = useMemo(() => linesOf(shapes), [shapes]);
  const points = useMemo(() => shapes.filter((shape) => shape.kind === 'point'), [shapes]);
  return (
    <div class="map">
      <div
        class={`map-frame ${onPick ? 'picks' : ''}`}
        ref={frame}
        role="application"
        aria-roledescription="map"
        aria-label={label}
        tabIndex={0}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
        onDblClick={(event) => !onPick && zoom(0.5, where(event))}
        onKeyDown={keyboard}
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
      >
        <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
          <g transform={transform} class="map-world">
            {[-360, 0, 360].map((shift) => (
              <g key={shift} transform={`translate(${shift} 0)`}>
                {outline && <path class="land" d={close && coast ? coast : outline.land} />}
                {outline && <path class="border" d={outline.borders} />}
              </g>
            ))}
          </g>
          <Grid view={view} width={width} height={height} />
          <g transform={transform}>
            {lines.map(({ feature, kind, path }) => (
              <path
                class={`shape ${kind} ${feature === chosen ? 'chosen' : ''}`}
                d={path}
                style={colour?.(feature) ? (kind === 'area' ? { fill: colour(feature) } : { stroke: colour(feature) }) : undefined}
                onClick={() => !moved.current && onChoose?.(feature)}
              />
            ))}
          </g>
          {points.slice(0, MOST_POINTS).map(({ feature, rings }) => {
            const place = rings[0]?.[0];
            if (!place) return null;
            const [x, y] = project(view, width, height, place);
            if (x < -20 || y < -20 || x > width + 20 || y > height + 20) return null;
            return (
              <circle
                class={`shape point ${feature === chosen ? 'chosen' : ''}`}
                cx={x}
                cy={y}
                r={points.length > 500 ? 3 : 5}
                style={colour?.(feature) ? { fill: colour(feature) } : undefined}
                onClick={() => !moved.current && onChoose?.(feature)}
              />
            );
          })}
          {drawn && <Box corners={drawn} view={view} width={width} height={height} />}
          {focused && onPick && (
            <path class="cross" d={`M${width / 2 - 9} ${height / 2}h18M${width / 2} ${height / 2 - 9}v18`} />
          )}
        </svg>
      </div>
      <div class="map-buttons">
        <button type="button" aria-label="Zoom in" onClick={() => zoom(0.6)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => zoom(1.6)}>
          −
        </button>
        <button
          type="button"
          aria-label="Show everything"
          onClick={() => setView(bounds ? viewOf(bounds, width, height) : WORLD)}
        >
          ⤢
        </button>
      </div>
      {points.length > MOST_POINTS && (
        <p class="quiet">
          The map shows the first {MOST_POINTS} of {points.length} points.
        </p>
      )}
      {props.children}
    </div>
  );
}

function Box({
  corners: [a, b],
  view,
  width,
  height,
}: {
  corners: [Position, Position];
  view: View;
  width: number;
  height: number;
}): JSX.Element {
  const [p, q] = [project(view, width, height, a), project(view, width, height, b)];
  return (
    <rect
      class="shape area"
      x={Math.min(p[0], q[0])}
      y={Math.min(p[1], q[1])}
      width={Math.abs(p[0] - q[0])}
      height={Math.abs(p[1] - q[1])}
    />
  );
}

function Grid({ view, width, height }: { view: View; width: number; height: number }): JSX.Element {
  const step = gridStep(view.span);
  const [west, north] = unproject(view, width, height, [0, 0]);
  const [east, south] = unproject(view, width, height, [width, height]);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const lines: JSX.Element[] = [];
  // Names that would touch each other are left out.
  const every = Math.max(1, Math.ceil((56 * view.span) / (height * narrowing(view) * step)));
  for (let lon = Math.ceil(west / step) * step; lon <= east; lon += step) {
    const [x] = project(view, width, height, [lon, 0]);
    const wrapped = ((((lon + 180) % 360) + 360) % 360) - 180;
    const name = `${Math.abs(wrapped).toFixed(digits)}°${wrapped < -1e-9 ? 'W' : wrapped > 1e-9 ? 'E' : ''}`;
    lines.push(
      <g key={`x${lon}`}>
        <path d={`M${x} 0V${height}`} />
        {Math.round(lon / step) % every === 0 && (
          <text x={x + 3} y={height - 5}>
            {name}
          </text>
        )}
      </g>,
    );
  }
  for (let lat = Math.ceil(Math.max(south, -90) / step) * step; lat <= Math.min(north, 90); lat += step) {
    const [, y] = project(view, width, height, [0, lat]);
    const name = `${Math.abs(lat).toFixed(digits)}°${lat < -1e-9 ? 'S' : lat > 1e-9 ? 'N' : ''}`;
    lines.push(
      <g key={`y${lat}`}>
        <path d={`M0 ${y}H${width}`} />
        {y > 14 && y < height - 20 && (
          <text x={4} y={y - 3}>
            {name}
          </text>
        )}
      </g>,
    );
  }
  return <g class="grid">{lines}</g>;
}

interface Line {
  feature: number;
  kind: Shape['kind'];
  path: string;
}

/** Returns the lines and areas as paths in degrees. */
function linesOf(shapes: Shape[]): Line[] {
  return shapes
    .filter((shape) => shape.kind !== 'point')
    .map(({ feature, kind, rings }) => ({
      feature,
      kind,
      path: rings
        .map((ring) => `M${ring.map(([x, y]) => `${x} ${y}`).join('L')}${kind === 'area' ? 'Z' : ''}`)
        .join(''),
    }));
}
