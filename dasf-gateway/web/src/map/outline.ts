/** The outline of the land and the borders of the countries, from Natural Earth (public domain). */

import type { MultiLineString } from 'geojson';
import { mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import world from 'virtual:world';
import { landPath, pathOf } from './land';

function borderPath(topology: Topology): string {
  const countries = topology.objects['countries'] as GeometryCollection;
  const lines: MultiLineString = mesh(topology, countries, (a, b) => a !== b);
  return pathOf(lines.coordinates, '');
}

const topology = world as unknown as Topology;
/** The land of a map of the world. */
export const land = landPath(topology);
/** The borders between countries. */
export const borders = borderPath(topology);
