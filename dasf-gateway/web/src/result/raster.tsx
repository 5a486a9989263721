/** Values of two dimensions as a picture with axes, a scale of colours and, on a map, coastlines. */

import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { download } from '../bytes';
import { css, scaleOf, shown } from '../colours';
import { useModule } from '../ui';
import { theme, useTheme } from './plot';

export interface Axis {
  label: string;
  values: Float64Array;
  text: (index: number) => string;
  /** Whether it is a longitude or a latitude in degrees. */
  geo: 'lon' | 'lat' | undefined;
}

export interface RasterProps {
  /** In rows of `y`, with NaN for a missing value. */
  values: Float64Array;
  x: Axis;
  y: Axis;
  label: string;
  name: string;
  /** Whether the first row is at the top, as in a matrix. */
  topDown?: boolean;
}

const MARGIN = { left: 64, top: 10, right: 12, bottom: 40 };

export function Raster(props: RasterProps): JSX.Element {
  const { values, x, y, label, name } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<{ column: number; row: number }>();
  const themes = useTheme();
  const map = x.geo === 'lon' && y.geo === 'lat';
  const outline = useModule(() => (map ? import('../map/outline') : Promise.resolve(undefined)));
  const scale = useMemo(() => {
    let [least, most] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
    return least <= most ? { ...scaleOf(least, most), least, most } : undefined;
  }, [values]);
  // The rows go up like the axis of a plot, unless the values say otherwise.
  const columns = useMemo(() => order(x.values, false), [x.values]);
  const rows = useMemo(() => order(y.values, !props.topDown), [y.values, props.topDown]);

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  const inner = Math.max(80, width - MARGIN.left - MARGIN.right);
  const height = heightOf(inner, x, y, map);

  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context || width === 0) return;
    const ratio = devicePixelRatio || 1;
    context.canvas.width = width * ratio;
    context.canvas.height = (height + MARGIN.top + MARGIN.bottom) * ratio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const { text, grid, back } = theme();
    context.fillStyle = back;
    context.fillRect(0, 0, width, height + MARGIN.top + MARGIN.bottom);
    if (scale) {
      const image = pictureOf(values, x.values.length, columns, rows, scale.colour);
      context.imageSmoothingEnabled = false;
      context.drawImage(image, MARGIN.left, MARGIN.top, inner, height);
    }
    if (outline && map) drawLand(context, outline, x, y, inner, height);
    context.strokeStyle = grid;
    context.strokeRect(MARGIN.left, MARGIN.top, inner, height);
    context.fillStyle = text;
    context.font = '12px system-ui, sans-serif';
    context.textAlign = 'center';
    for (const place of ticks(columns.length, Math.max(2, Math.floor(inner / 90)))) {
      const at = MARGIN.left + ((place + 0.5) / columns.length) * inner;
      const written = x.text(columns[place] ?? 0);
      const half = context.measureText(written).width / 2;
      context.fillText(written, Math.min(width - half - 2, Math.max(half + 2, at)), MARGIN.top + height + 16);
    }
    context.fillText(x.label, MARGIN.left + inner / 2, MARGIN.top + height + 34);
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const place of ticks(rows.length, Math.max(2, Math.floor(height / 40)))) {
      const at = MARGIN.top + ((place + 0.5) / rows.length) * height;
      context.fillText(cut(context, y.text(rows[place] ?? 0), MARGIN.left - 22), MARGIN.left - 6, at);
    }
    context.save();
    context.translate(10, MARGIN.top + height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = 'center';
    context.fillText(y.label, 0, 0);
    context.restore();
    context.textBaseline = 'alphabetic';
  }, [values, width, height, scale, outline, themes]);

  const point = (event: PointerEvent): void => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return;
    const column = Math.floor(((event.clientX - box.left - MARGIN.left) / inner) * columns.length);
    const row = Math.floor(((event.clientY - box.top - MARGIN.top) / height) * rows.length);
    const inside = column >= 0 && row >= 0 && column < columns.length && row < rows.length;
    setHover(inside ? { column, row } : undefined);
  };
  const value = hover
    ? values[(rows[hover.row] ?? 0) * x.values.length + (columns[hover.column] ?? 0)]
    : undefined;
  const range = scale ? `${label} from ${shown(scale.least)} to ${shown(scale.most)}` : `${label}, without values`;
  return (
    <div class="raster">
      <div ref={frame}>
        <canvas
          ref={canvas}
          style={{ width: '100%', height: `${height + MARGIN.top + MARGIN.bottom}px` }}
          role="img"
          aria-label={`Raster of ${range}, over ${x.label} and ${y.label}`}
          onPointerMove={point}
          onPointerLeave={() => setHover(undefined)}
        />
      </div>
      {scale && <Bar low={scale.low} high={scale.high} colour={(value) => css(scale.colour(value))} label={label} />}
      <div class="quiet readout">
        {hover
          ? `${x.label} ${x.text(columns[hover.column] ?? 0)}, ${y.label} ${y.text(rows[hover.row] ?? 0)}: ${
              value === undefined || Number.isNaN(value) ? 'no value' : shown(value)
            }`
          : range}
      </div>
      <div class="actions">
        <button
          type="button"
          class="plain"
          onClick={() => canvas.current?.toBlob((blob) => blob && download(blob, `${name}.png`))}
        >
          Download PNG
        </button>
      </div>
    </div>
  );
}

function Bar({
  low,
  high,
  colour,
  label,
}: {
  low: number;
  high: number;
  colour: (value: number) => string;
  label: string;
}): JSX.Element {
  const stops = Array.from({ length: 12 }, (_, index) => colour(low + ((high - low) * index) / 11));
  return (
    <div class="colour-bar">
      <span>{shown(low)}</span>
      <div style={{ background: `linear-gradient(to right, ${stops.join(', ')})` }} role="presentation" />
      <span>{shown(high)}</span>
      <span class="quiet">{label}</span>
    </div>
  );
}

/** Returns the positions in rising order of their values, or in falling order. */
function order(values: Float64Array, falling: boolean): number[] {
  const first = values[0] ?? 0;
  const last = values.at(-1) ?? 0;
  const positions = Array.from(values, (_, index) => index);
  return last >= first === falling ? positions.reverse() : positions;
}

function heightOf(width: number, x: Axis, y: Axis, map: boolean): number {
  const most = width > 500 ? 460 : 360;
  if (!map) {
    const part = y.values.length / x.values.length;
    return Math.round(Math.min(most, Math.max(140, width * Math.min(1, part))));
  }
  const [wide, tall] = [extent(x.values), extent(y.values)];
  const middle = ((y.values[0] ?? 0) + (y.values.at(-1) ?? 0)) / 2;
  const narrow = wide > 120 ? 1 : Math.cos((Math.min(80, Math.abs(middle)) * Math.PI) / 180);
  return Math.round(Math.min(most, Math.max(140, (width * tall) / Math.max(wide * narrow, 1e-9))));
}

function extent(values: Float64Array): number {
  const [first, last] = [values[0] ?? 0, values.at(-1) ?? 0];
  return Math.abs(last - first) * (values.length / Math.max(1, values.length - 1)) || 1;
}

function pictureOf(
  values: Float64Array,
  width: number,
  columns: number[],
  rows: number[],
  colour: (value: number) => [number, number, number],
): HTMLCanvasElement {
  // More cells than a screen has pixels are drawn in part.
  const stepX = Math.ceil(columns.length / 2000);
  const stepY = Math.ceil(rows.length / 2000);
  const [shownColumns, shownRows] = [Math.ceil(columns.length / stepX), Math.ceil(rows.length / stepY)];
  const picture = document.createElement('canvas');
  picture.width = shownColumns;
  picture.height = shownRows;
  const context = picture.getContext('2d');
  if (!context) return picture;
  const image = context.createImageData(shownColumns, shownRows);
  for (let row = 0; row < shownRows; row += 1) {
    for (let column = 0; column < shownColumns; column += 1) {
      const value = values[(rows[row * stepY] ?? 0) * width + (columns[column * stepX] ?? 0)] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      const [red, green, blue] = colour(value);
      image.data.set([red, green, blue, 255], (row * shownColumns + column) * 4);
    }
  }
  context.putImageData(image, 0, 0);
  return picture;
}

function ticks(count: number, most: number): number[] {
  const step = Math.max(1, Math.ceil(count / most));
  const places: number[] = [];
  for (let place = Math.floor(step / 2); place < count; place += step) places.push(place);
  return places;
}

function cut(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let short = text;
  while (short.length > 1 && context.measureText(`${short}…`).width > width) short = short.slice(0, -1);
  return `${short}…`;
}

function drawLand(
  context: CanvasRenderingContext2D,
  outline: { land: string; borders: string },
  x: Axis,
  y: Axis,
  width: number,
  height: number,
): void {
  const edges = (values: Float64Array): [number, number] => {
    const [a, b] = [values[0] ?? 0, values.at(-1) ?? 0];
    const half = extent(values) / Math.max(1, values.length) / 2;
    return [Math.min(a, b) - half, Math.max(a, b) + half];
  };
  const [west, east] = edges(x.values);
  const [south, north] = edges(y.values);
  const [scaleX, scaleY] = [width / (east - west), height / (north - south)];
  context.save();
  context.beginPath();
  context.rect(MARGIN.left, MARGIN.top, width, height);
  context.clip();
  for (const shift of [-360, 0, 360]) {
    const path = new Path2D();
    path.addPath(
      new Path2D(outline.land),
      new DOMMatrix([
        scaleX,
        0,
        0,
        -scaleY,
        MARGIN.left + (shift - west) * scaleX,
        MARGIN.top + north * scaleY,
      ]),
    );
    // Dark lines with a light rim can be seen on all colours.
    context.lineWidth = 2.2;
    context.strokeStyle = 'rgb(255 255 255 / 0.65)';
    context.stroke(path);
    context.lineWidth = 1;
    context.strokeStyle = 'rgb(0 0 0 / 0.8)';
    context.stroke(path);
  }
  context.restore();
}
