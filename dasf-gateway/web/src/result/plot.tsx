/** Lines over an axis of times or numbers. */

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { download } from '../bytes';
import { lineColour, shown } from '../colours';
import { timeText } from './dataset';
import type { Series } from './view';

/** The colours of the page, which change with light and dark. */
export function theme(): { text: string; grid: string; back: string } {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return { text: colour('--text'), grid: colour('--line'), back: colour('--back') };
}

/** Counts how often the page has changed between light and dark. */
export function useTheme(): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const change = (): void => setChanges((changes) => changes + 1);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  return changes;
}

export function Plot({ series, name }: { series: Series; name: string }): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [zoomed, setZoomed] = useState(false);
  const themes = useTheme();

  useEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const made = new uPlot(optionsOf(series, element, setZoomed), dataOf(series), element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize(sizeOf(element));
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [series, themes]);

  const reset = (): void => {
    const first = series.x[0];
    const last = series.x.at(-1);
    if (first !== undefined && last !== undefined) plot.current?.setScale('x', { min: first, max: last });
    setZoomed(false);
  };
  return (
    <div class="plot">
      <div ref={frame} class="plot-frame" role="img" aria-label={summary(series)} />
      <div class="actions">
        <button type="button" class="plain" onClick={() => plot.current && savePng(plot.current, series, name)}>
          Download PNG
        </button>
        <button type="button" class="plain" onClick={reset} disabled={!zoomed}>
          Reset zoom
        </button>
        <span class="quiet">Drag to zoom. Click a name to hide its line.</span>
      </div>
    </div>
  );
}

function sizeOf(element: HTMLElement): { width: number; height: number } {
  const width = element.clientWidth || 600;
  return { width, height: Math.round(Math.min(420, Math.max(240, width * 0.5))) };
}

function dataOf(series: Series): uPlot.AlignedData {
  return [series.x, ...series.lines.map((line) => line.values)];
}

function optionsOf(series: Series, element: HTMLElement, onZoom: (zoomed: boolean) => void): uPlot.Options {
  const { text, grid } = theme();
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const font = '12px system-ui, sans-serif';
  const few = series.x.length <= 60;
  return {
    ...sizeOf(element),
    // The times of results are in UTC, wherever the browser is.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    scales: { x: { time: series.time } },
    axes: [
      {
        ...axis,
        font,
        ...(series.time
          ? { values: (_plot, ticks, _axis, _space, step) => timeTicks(ticks, step) }
          : { values: (_plot, ticks) => ticks.map(shown) }),
        ...(series.xLabel && !series.time ? { label: series.xLabel, labelFont: font, labelSize: 22 } : {}),
      },
      {
        ...axis,
        font,
        size: (_plot, values) => 18 + 7 * Math.max(3, ...(values ?? []).map((value) => String(value ?? '').length)),
        values: (_plot, ticks) => ticks.map(shown),
      },
    ],
    series: [
      {
        label: series.xLabel || 'x',
        value: (_plot, value: number | null) =>
          value === null || value === undefined ? '' : series.time ? timeText(value * 1000) : shown(value),
      },
      ...series.lines.map(({ label }, index): uPlot.Series => ({
        label,
        stroke: lineColour(index),
        width: 1.75,
        points: { show: few, size: 6 },
        value: (_plot, value: number | null) => (value === null || value === undefined ? '' : shown(value)),
      })),
    ],
    cursor: { drag: { x: true, y: false } },
    hooks: {
      setScale: [
        (made, key) => {
          if (key !== 'x') return;
          const { min, max } = made.scales['x'] ?? {};
          const [first, last] = [series.x[0], series.x.at(-1)];
          onZoom(min !== undefined && max !== undefined && (min > (first ?? min) || max < (last ?? max)));
        },
      ],
    },
  };
}

/** Returns the ticks of an axis of times; the year or the day stands below where it changes. */
export function timeTicks(ticks: number[], step: number): string[] {
  const day = 86_400;
  let before = '';
  return ticks.map((seconds) => {
    const time = new Date(seconds * 1000).toISOString();
    if (step >= 365 * day) return time.slice(0, 4);
    if (step >= 28 * day) return time.slice(0, 7);
    const [above, below] =
      step >= day
        ? [time.slice(5, 10), time.slice(0, 4)]
        : [time.slice(11, step >= 60 ? 16 : 19), time.slice(0, 10)];
    const changed = below !== before;
    before = below;
    return changed ? `${above}\n${below}` : above;
  });
}

/** What a person who cannot see the plot learns; the numbers are in the table beside it. */
export function summary(series: Series): string {
  const end = (value: number | undefined): string =>
    value === undefined ? '' : series.time ? timeText(value * 1000) : shown(value);
  const lines = series.lines.map(({ label, values }) => {
    let [least, most] = [Infinity, -Infinity];
    for (const value of values) {
      if (value === null) continue;
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    return least <= most ? `${label} from ${shown(least)} to ${shown(most)}` : `${label} without values`;
  });
  return `Plot over ${series.xLabel || 'the position'} from ${end(series.x[0])} to ${end(series.x.at(-1))}: ${lines.join('; ')}`;
}

function savePng(plot: uPlot, series: Series, name: string): void {
  const { canvas } = plot.ctx;
  const { back, text } = theme();
  const ratio = devicePixelRatio || 1;
  const line = 20 * ratio;
  const picture = document.createElement('canvas');
  picture.width = canvas.width;
  picture.height = canvas.height + line;
  const context = picture.getContext('2d');
  if (!context) return;
  context.fillStyle = back;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  // The names of the lines are outside of the plot's canvas.
  context.font = `${12 * ratio}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  let x = 10 * ratio;
  series.lines.forEach(({ label }, index) => {
    context.fillStyle = lineColour(index);
    context.fillRect(x, canvas.height + line / 2 - 1.5 * ratio, 14 * ratio, 3 * ratio);
    context.fillStyle = text;
    context.fillText(label, x + 18 * ratio, canvas.height + line / 2);
    x += context.measureText(label).width + 34 * ratio;
  });
  picture.toBlob((blob) => blob && download(blob, `${name}.png`));
}
