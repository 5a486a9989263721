/** A map of a result, with the properties of the chosen feature. */

import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { css, scaleOf, shown } from '../colours';
import { type Json, isNumber } from '../json';
import { type Features, boundsOf, nameOf, numericProperties } from './geo';
import { WorldMap } from './map';

export function FeatureMap({ features }: { features: Features }): JSX.Element {
  const [chosen, setChosen] = useState<number>();
  const names = useMemo(() => numericProperties(features), [features]);
  const [property, setProperty] = useState('');
  const bounds = useMemo(() => boundsOf(features.shapes), [features]);
  const scale = useMemo(() => {
    if (!property) return undefined;
    const values = features.properties
      .map((each) => each[property] ?? null)
      .filter(isNumber)
      .map((value) => value.valueOf());
    return scaleOf(Math.min(...values), Math.max(...values));
  }, [features, property]);
  const colour = (feature: number): string | undefined => {
    const value = features.properties[feature]?.[property] ?? null;
    return scale && isNumber(value) ? css(scale.colour(value.valueOf())) : undefined;
  };
  const count = features.properties.length;
  const properties = chosen === undefined ? undefined : features.properties[chosen];
  return (
    <WorldMap
      shapes={features.shapes}
      bounds={bounds}
      label={`Map of ${count === 1 ? '1 feature' : `${count} features`}: arrow keys move, plus and minus zoom`}
      colour={property ? colour : (_) => undefined}
      chosen={chosen}
      onChoose={setChosen}
    >
      <div class="map-tools">
        {names.length > 0 && (
          <label>
            Colour by{' '}
            <select value={property} onChange={(event) => setProperty(event.currentTarget.value)}>
              <option value="">nothing</option>
              {names.map((name) => (
                <option value={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        {scale && (
          <span class="quiet">
            from {shown(scale.low)} <Swatch colour={css(scale.colour(scale.low))} /> to {shown(scale.high)}{' '}
            <Swatch colour={css(scale.colour(scale.high))} />
          </span>
        )}
        <span class="quiet">
          {count === 1 ? '1 feature' : `${count} features`}
          {features.unread > 0 && `, and ${features.unread} that the map cannot show`}
        </span>
      </div>
      {properties && chosen !== undefined && (
        <div class="feature" aria-live="polite">
          <strong>{nameOf(properties, chosen)}</strong>
          <dl>
            {Object.entries(properties).map(([name, value]) => (
              <div>
                <dt>{name}</dt>
                <dd>{valueText(value)}</dd>
              </div>
            ))}
          </dl>
        </div>
      )}
    </WorldMap>
  );
}

function Swatch({ colour }: { colour: string }): JSX.Element {
  return <span class="swatch" style={{ background: colour }} aria-hidden="true" />;
}

function valueText(value: Json): string {
  if (value === null) return '';
  return typeof value === 'object' && !isNumber(value) ? JSON.stringify(value) : String(value.valueOf());
}
