/** Gives a point, an area or a list of points on the map. */

import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { type Json, type JsonObject, isObject } from '../json';
import { type Field, latKey, lonKey } from '../schema';
import { type Position, type Shape, boundsOf, placeOf } from './geo';
import { WorldMap } from './map';

export interface PickerProps {
  field: Field;
  value: Json | undefined;
  onChange: (value: Json) => void;
}

export function Picker({ field, value, onChange }: PickerProps): JSX.Element {
  const [rectangle, setRectangle] = useState(false);
  const kind = field.kind === 'point' ? 'point' : field.kind === 'area' ? 'area' : 'points';
  const place = pointField(field);
  const names = place.properties().map((property) => property.name);
  const [lon, lat] = [lonKey(names) ?? 'lon', latKey(names) ?? 'lat'];
  const list = kind === 'area' && isObject(value) ? value['points'] : value;
  const values = kind === 'point' ? [value] : Array.isArray(list) ? list : [];
  const places = values.map((each) => placeOf(each)).filter((each): each is Position => each !== undefined);
  const shapes = useMemo(() => shapesOf(kind, places), [kind, places.join()]);
  // The map goes where the value is when the form opens, and does not jump afterwards.
  const [bounds] = useState(() => boundsOf(shapes));

  const object = ([x, y]: Position, before?: Json): JsonObject => ({
    ...(isObject(before) ? before : {}),
    [lon]: x,
    [lat]: y,
  });
  const set = (next: Json[]): void =>
    onChange(kind === 'area' ? { ...(isObject(value) ? value : {}), points: next } : next);
  const pick = (at: Position): void => {
    if (kind === 'point') onChange(object(at, value));
    else set([...(values as Json[]), object(at)]);
  };
  const draw = ([[x1, y1], [x2, y2]]: [Position, Position]): void =>
    set(
      (
        [
          [x1, y1],
          [x2, y1],
          [x2, y2],
          [x1, y2],
        ] as Position[]
      ).map((corner) => object(corner)),
    );
  const what = { point: 'Click to choose the point', area: 'Click to add corners', points: 'Click to add points' }[kind];
  return (
    <WorldMap
      shapes={shapes}
      bounds={bounds}
      label={`Map to choose ${kind === 'point' ? 'a point' : kind === 'area' ? 'an area' : 'points'}: arrow keys move, plus and minus zoom, Enter takes the centre`}
      onPick={pick}
      onDraw={rectangle ? draw : undefined}
    >
      <div class="map-tools">
        <span class="quiet">{rectangle ? 'Drag a rectangle' : what}</span>
        {kind === 'area' && (
          <button type="button" class="plain small" aria-pressed={rectangle} onClick={() => setRectangle(!rectangle)}>
            Rectangle
          </button>
        )}
        {kind !== 'point' && values.length > 0 && (
          <>
            <button type="button" class="plain small" onClick={() => set((values as Json[]).slice(0, -1))}>
              Undo
            </button>
            <button type="button" class="plain small" onClick={() => set([])}>
              Clear
            </button>
          </>
        )}
      </div>
    </WorldMap>
  );
}

function pointField(field: Field): Field {
  if (field.kind === 'point') return field;
  if (field.kind === 'area') {
    const points = field.properties().find((property) => property.name === 'points');
    return points ? points.field.item() : field;
  }
  return field.item();
}

function shapesOf(kind: 'point' | 'area' | 'points', places: Position[]): Shape[] {
  const points = places.map((place): Shape => ({ feature: 0, kind: 'point', rings: [[place]] }));
  if (kind !== 'area' || places.length < 2) return points;
  return [{ feature: 0, kind: places.length > 2 ? 'area' : 'line', rings: [places] }, ...points];
}
