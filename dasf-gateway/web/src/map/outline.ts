/** The outline of the land and the borders of the countries, from Natural Earth (public domain). */

import { feature, mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { MultiLineString, MultiPolygon, Polygon, Position } from 'geojson';
import world from 'virtual:world';

const topology = world as unknown as Topology;

function pathOf(lines: Position[][], close: string): string {
  return lines
    .map((line) => `M${line.map(([x, y]) => `${(x ?? 0).toFixed(2)} ${(y ?? 0).toFixed(2)}`).join('L')}${close}`)
    .join('');
}

function landPath(): string {
  const land = feature(topology, topology.objects['land'] as GeometryCollection);
  const features = 'features' in land ? land.features : [land];
  return features
    .map(({ geometry }) => {
      const areas = geometry as unknown as Polygon | MultiPolygon;
      const polygons = areas.type === 'Polygon' ? [areas.coordinates] : areas.coordinates;
      return polygons.map((rings) => pathOf(rings, 'Z')).join('');
    })
    .join('');
}

function borderPath(): string {
  const countries = topology.objects['countries'] as GeometryCollection;
  const lines: MultiLineString = mesh(topology, countries, (a, b) => a !== b);
  return pathOf(lines.coordinates, '');
}

/** The land as the path of an SVG, in degrees. */
export const land = landPath();
/** The borders between countries as the path of an SVG, in degrees. */
export const borders = borderPath();
