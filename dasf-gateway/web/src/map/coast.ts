/** Finer coastlines, for a map that shows a part of the world. */

import type { Topology } from 'topojson-specification';
import coast from 'virtual:coast';
import { landPath } from './land';

export const land = landPath(coast as Topology);
