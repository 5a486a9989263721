/** Colours for values, which people with colour blindness can tell apart. */

export type Rgb = [number, number, number];

/** Points of the colour map viridis, which was dedicated to the public domain (CC0). */
const VIRIDIS: Rgb[] = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 74, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [109, 205, 89],
  [180, 222, 44],
  [253, 231, 37],
];

/** For values on both sides of zero: from blue over white to red. */
const DIVERGING: Rgb[] = [
  [5, 48, 97],
  [67, 147, 195],
  [209, 229, 240],
  [247, 247, 247],
  [253, 219, 199],
  [214, 96, 77],
  [103, 0, 31],
];

export interface Scale {
  low: number;
  high: number;
  colour: (value: number) => Rgb;
}

/** Returns the scale for values between two limits. */
export function scaleOf(least: number, most: number): Scale {
  const diverging = least < 0 && most > 0 && Math.min(-least, most) > 0.2 * Math.max(-least, most);
  const limit = Math.max(-least, most);
  const [low, high] = diverging ? [-limit, limit] : [least, most];
  const stops = diverging ? DIVERGING : VIRIDIS;
  return { low, high, colour: (value) => between(stops, high > low ? (value - low) / (high - low) : 0.5) };
}

function between(stops: Rgb[], part: number): Rgb {
  const place = Math.min(1, Math.max(0, part)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  const [a, b] = [stops[index] as Rgb, stops[index + 1] as Rgb];
  const mix = (channel: 0 | 1 | 2): number => Math.round(a[channel] + (b[channel] - a[channel]) * (place - index));
  return [mix(0), mix(1), mix(2)];
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

const LIGHT = ['#2a6fbb', '#c63a4d', '#217a49', '#9a6f00', '#7b5ea7', '#007a88', '#b84f0a', '#5b6370'];
const DARK = ['#6cb2f7', '#ff8b95', '#6fd49a', '#e8c15a', '#c3a6ef', '#55d0dd', '#ffab70', '#b3bcc8'];

/** Returns the colour of a line, on a light or a dark page. */
export function lineColour(index: number): string {
  const colours = matchMedia('(prefers-color-scheme: dark)').matches ? DARK : LIGHT;
  return colours[index % colours.length] ?? 'gray';
}

/** Returns a number for people: no more digits than are different. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '';
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(6)));
}
