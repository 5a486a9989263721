/** Outlines as paths of an SVG, in degrees. */

import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { MultiPolygon, Polygon, Position } from 'geojson';

/** Lines that cross the 180th meridian go on beyond it, because the map draws the world thrice. */
function unwrapped(line: Position[]): Position[] {
  let shift = 0;
  let before: number | undefined;
  return line.map(([lon = 0, lat = 0]) => {
    if (before !== undefined && Math.abs(lon - before) > 180) shift += lon < before ? 360 : -360;
    before = lon;
    return [lon + shift, lat];
  });
}

export function pathOf(lines: Position[][], close: string): string {
  return lines
    .map((line) => {
      const points = unwrapped(line);
      const [first, last] = [points[0], points.at(-1)];
      // The outline of Antarctica goes around the pole, and ends below the map.
      if (close && first && last && Math.abs((first[0] ?? 0) - (last[0] ?? 0)) > 180) {
        points.push([last[0] ?? 0, -90], [first[0] ?? 0, -90]);
      }
      return `M${points.map(([x, y]) => `${(x ?? 0).toFixed(2)} ${(y ?? 0).toFixed(2)}`).join('L')}${close}`;
    })
    .join('');
}

/** Returns the land of a topology as the path of an SVG, in degrees. */
export function landPath(topology: Topology): string {
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
