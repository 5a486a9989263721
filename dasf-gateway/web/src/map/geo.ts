/** GeoJSON as what a map draws, and the view of a map. */

import { type Json, type JsonObject, isNumber, isObject } from '../json';
import { latKey, lonKey } from '../schema';

/** Degrees: longitude, latitude. */
export type Position = [number, number];

export interface Shape {
  /** The number of the feature that the shape belongs to. */
  feature: number;
  kind: 'point' | 'line' | 'area';
  /** Of a point, one ring of one position; of a line, one ring; of an area, its outline and holes. */
  rings: Position[][];
}

export interface Features {
  shapes: Shape[];
  properties: JsonObject[];
  /** How many features could not be read. */
  unread: number;
}

/** A map shows no more corners, so that a browser stays quick. */
const MOST_CORNERS = 400_000;

export function isGeoJson(value: Json | undefined): boolean {
  if (!isObject(value)) return false;
  const type = value['type'];
  if (type === 'FeatureCollection') return Array.isArray(value['features']);
  if (type === 'Feature') return isObject(value['geometry']);
  if (type === 'GeometryCollection') return Array.isArray(value['geometries']);
  return typeof type === 'string' && GEOMETRIES.includes(type) && Array.isArray(value['coordinates']);
}

const GEOMETRIES = [
  'Point',
  'MultiPoint',
  'LineString',
  'MultiLineString',
  'Polygon',
  'MultiPolygon',
];

export function featuresOf(value: Json): Features {
  const features: Features = { shapes: [], properties: [], unread: 0 };
  const budget = { corners: MOST_CORNERS };
  const list =
    isObject(value) && value['type'] === 'FeatureCollection' && Array.isArray(value['features'])
      ? value['features']
      : [value];
  for (const each of list) {
    const feature = isObject(each) && each['type'] === 'Feature' ? each : { geometry: each };
    const number = features.properties.length;
    const properties = isObject(feature['properties'] ?? null) ? (feature['properties'] as JsonObject) : {};
    const before = features.shapes.length;
    const geometry = feature['geometry'] ?? null;
    if (geometry === null) {
      features.properties.push(properties);
      continue;
    }
    addGeometry(geometry, number, features.shapes, budget);
    if (features.shapes.length === before) features.unread += 1;
    else features.properties.push(properties);
  }
  return features;
}

function addGeometry(geometry: Json, feature: number, shapes: Shape[], budget: { corners: number }): void {
  if (!isObject(geometry)) return;
  const coordinates = geometry['coordinates'];
  const add = (kind: Shape['kind'], rings: (Position[] | undefined)[]): void => {
    const read = rings.filter((ring): ring is Position[] => !!ring && ring.length > 0);
    const corners = read.reduce((sum, ring) => sum + ring.length, 0);
    if (read.length === 0 || corners > budget.corners) return;
    budget.corners -= corners;
    shapes.push({ feature, kind, rings: read });
  };
  const list = Array.isArray(coordinates) ? coordinates : [];
  switch (geometry['type']) {
    case 'Point': {
      const point = position(list);
      if (point) add('point', [[point]]);
      break;
    }
    case 'MultiPoint':
      for (const point of positions(list) ?? []) add('point', [[point]]);
      break;
    case 'LineString':
      add('line', [positions(list)]);
      break;
    case 'MultiLineString':
      for (const line of list) add('line', [positions(line)]);
      break;
    case 'Polygon':
      add('area', list.map(positions));
      break;
    case 'MultiPolygon':
      for (const polygon of list) add('area', Array.isArray(polygon) ? polygon.map(positions) : []);
      break;
    case 'GeometryCollection':
      if (Array.isArray(geometry['geometries'])) {
        for (const part of geometry['geometries']) addGeometry(part, feature, shapes, budget);
      }
  }
}

function position(value: Json): Position | undefined {
  if (!Array.isArray(value)) return undefined;
  const [lon, lat] = value;
  if (!isNumber(lon) || !isNumber(lat)) return undefined;
  const [x, y] = [lon.valueOf(), lat.valueOf()];
  return Number.isFinite(x) && Number.isFinite(y) && Math.abs(y) <= 90 && Math.abs(x) <= 720 ? [x, y] : undefined;
}

function positions(value: Json): Position[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const read: Position[] = [];
  for (const each of value) {
    const point = position(each);
    if (!point) return undefined;
    read.push(point);
  }
  return read;
}

/** Returns the place of an object with a longitude and a latitude. */
export function placeOf(value: Json | undefined): Position | undefined {
  if (!isObject(value)) return undefined;
  const names = Object.keys(value);
  const [lon, lat] = [lonKey(names), latKey(names)];
  if (lon === undefined || lat === undefined) return undefined;
  return position([value[lon] ?? null, value[lat] ?? null]);
}

/** Returns points of objects that have a longitude and a latitude; nothing if one lacks them. */
export function pointsOf(value: Json): Features | undefined {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) return undefined;
  const features: Features = { shapes: [], properties: [], unread: 0 };
  for (const each of list) {
    const place = placeOf(each);
    if (!place || !isObject(each)) return undefined;
    features.shapes.push({ feature: features.properties.length, kind: 'point', rings: [[place]] });
    features.properties.push(each);
  }
  return features;
}

/** Returns the records of features, for a table. */
export function recordsOf(value: Json): JsonObject[] {
  return featuresOf(value).properties;
}

/** West, south, east, north. */
export type Bounds = [number, number, number, number];

export function boundsOf(shapes: Shape[]): Bounds | undefined {
  let bounds: Bounds | undefined;
  for (const { rings } of shapes) {
    for (const ring of rings) {
      for (const [x, y] of ring) {
        bounds = bounds
          ? [Math.min(bounds[0], x), Math.min(bounds[1], y), Math.max(bounds[2], x), Math.max(bounds[3], y)]
          : [x, y, x, y];
      }
    }
  }
  return bounds;
}

/** What a map shows: the place in its centre, and the height of the picture in degrees. */
export interface View {
  lon: number;
  lat: number;
  span: number;
}

export const WORLD: View = { lon: 10, lat: 10, span: 150 };

/** How much narrower a degree of longitude is drawn, so that shapes look right near their centre. */
export function narrowing({ lat, span }: View): number {
  const local = Math.cos((Math.min(Math.abs(lat), 80) * Math.PI) / 180);
  const part = Math.min(1, Math.max(0, (100 - span) / 70));
  return 1 + (local - 1) * part;
}

/** Returns the view that shows bounds in a picture of this size. */
export function viewOf(bounds: Bounds | undefined, width: number, height: number): View {
  if (!bounds) return WORLD;
  const [west, south, east, north] = bounds;
  const [lon, lat] = [(west + east) / 2, (south + north) / 2];
  const tall = (north - south) * 1.25;
  const rough = { lon, lat, span: Math.max(tall, 0.02) };
  const wide = ((east - west) * 1.25 * narrowing(rough) * height) / Math.max(width, 1);
  // A single point is shown with its surroundings.
  const least = bounds[0] === bounds[2] && bounds[1] === bounds[3] ? 30 : 0.02;
  return limited({ lon, lat, span: Math.max(tall, wide, least) });
}

export function limited({ lon, lat, span }: View): View {
  const height = Math.min(180, Math.max(0.005, span));
  return {
    lon: lon > 360 ? lon - 360 : lon < -180 ? lon + 360 : lon,
    lat: Math.min(90, Math.max(-90, lat)),
    span: height,
  };
}

/** Returns the pixels of a place. */
export function project(view: View, width: number, height: number, [lon, lat]: Position): Position {
  const scale = height / view.span;
  return [width / 2 + (lon - view.lon) * scale * narrowing(view), height / 2 - (lat - view.lat) * scale];
}

/** Returns the place at pixels. */
export function unproject(view: View, width: number, height: number, [x, y]: Position): Position {
  const scale = height / view.span;
  return [view.lon + (x - width / 2) / (scale * narrowing(view)), view.lat - (y - height / 2) / scale];
}

/** Returns a place with no more digits than the view shows. */
export function rounded([lon, lat]: Position, view: View): Position {
  const digits = Math.min(6, Math.max(1, Math.ceil(-Math.log10(view.span / 1000))));
  const wrapped = lon > 180 ? lon - 360 : lon < -180 ? lon + 360 : lon;
  const round = (value: number): number => Number(value.toFixed(digits));
  return [round(wrapped), round(Math.min(90, Math.max(-90, lat)))];
}

/** Returns the distance of the lines of a grid, in degrees. */
export function gridStep(span: number): number {
  const steps = [45, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
  return steps.find((step) => span / step >= 3) ?? 0.001;
}

/** Returns the properties of a feature that a map names first. */
export function nameOf(properties: JsonObject, number: number): string {
  for (const key of ['name', 'title', 'label', 'id', 'station']) {
    const found = Object.keys(properties).find((each) => each.toLowerCase() === key);
    const value = found === undefined ? undefined : properties[found];
    if (typeof value === 'string' || isNumber(value)) return String(value.valueOf());
  }
  return `Feature ${number + 1}`;
}

/** Returns the names of the properties that are numbers in most features. */
export function numericProperties(features: Features): string[] {
  const counts = new Map<string, number>();
  for (const properties of features.properties) {
    for (const [name, value] of Object.entries(properties)) {
      if (isNumber(value)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  const most = features.properties.length / 2;
  return [...counts].filter(([, count]) => count > most && count > 1).map(([name]) => name);
}

