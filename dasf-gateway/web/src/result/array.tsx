/** Arrays of a NetCDF file: a plot of one dimension, a raster of two, and their coordinates. */

import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { Tabs } from '../ui';
import {
  type Dataset,
  type Variable,
  coordinateOf,
  labelOf,
  readDataset,
  textAt,
  textOf,
} from './dataset';
import { Plot } from './plot';
import { type Axis, Raster } from './raster';
import { TableView } from './table';
import type { Series, Table } from './view';

/** A table shows so many values; the download has all. */
const MOST_CELLS = 100_000;

export function NetcdfView({ bytes, name }: { bytes: Uint8Array<ArrayBuffer>; name: string }): JSX.Element {
  const read = useMemo((): { dataset: Dataset } | { problem: string } => {
    try {
      return { dataset: readDataset(bytes) };
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) };
    }
  }, [bytes]);
  const [chosen, setChosen] = useState(0);
  if ('problem' in read) {
    return <p class="problem">This file cannot be shown: {read.problem}. You can still download it.</p>;
  }
  const { dataset } = read;
  const variable = dataset.data[chosen] ?? dataset.data[0];
  return (
    <div class="array">
      <Overview dataset={dataset} />
      {dataset.data.length > 1 && (
        <label class="choose">
          Variable{' '}
          <select value={String(chosen)} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
            {dataset.data.map((each, index) => (
              <option value={String(index)}>{each.name}</option>
            ))}
          </select>
        </label>
      )}
      {variable ? (
        <VariableView key={variable.name} dataset={dataset} variable={variable} name={name} />
      ) : (
        <p class="quiet">The file has no variables.</p>
      )}
    </div>
  );
}

/** The dimensions and attributes, as xarray prints them. */
function Overview({ dataset }: { dataset: Dataset }): JSX.Element {
  const dims = Object.entries(dataset.dims);
  const rows = [...dataset.data, ...dataset.coordinates].map((variable) => ({
    variable,
    coordinate: dataset.coordinates.includes(variable),
  }));
  return (
    <details class="overview">
      <summary>
        {dims.length > 0 ? dims.map(([name, length]) => `${name}: ${length}`).join(', ') : 'one value'}
      </summary>
      <div class="table-frame" tabIndex={0} role="region" aria-label="Variables">
        <table>
          <thead>
            <tr>
              <th scope="col">Variable</th>
              <th scope="col">Dimensions</th>
              <th scope="col">Attributes</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ variable, coordinate }) => (
              <tr>
                <th scope="row">
                  {variable.name}
                  {coordinate && <span class="quiet"> coordinate</span>}
                </th>
                <td>{variable.dims.map((dim, index) => `${dim}: ${variable.shape[index]}`).join(', ')}</td>
                <td>
                  {Object.entries(variable.attributes)
                    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(' ') : value}`)
                    .join('; ')}
                </td>
              </tr>
            ))}
            {Object.entries(dataset.attributes).map(([name, value]) => (
              <tr>
                <th scope="row">
                  <span class="quiet">attribute</span> {name}
                </th>
                <td />
                <td>{Array.isArray(value) ? value.join(' ') : value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function VariableView({
  dataset,
  variable,
  name,
}: {
  dataset: Dataset;
  variable: Variable;
  name: string;
}): JSX.Element {
  const rank = variable.dims.length;
  const long = variable.shape.map((length, index) => ({ length, index })).filter(({ length }) => length > 1);
  // The last long dimensions are shown, and the others are chosen.
  const axes = (long.length > 0 ? long.slice(-2) : []).map(({ index }) => index);
  const others = variable.dims.map((_, index) => index).filter((index) => !axes.includes(index));
  const [places, setPlaces] = useState<number[]>(() => variable.dims.map(() => 0));
  const slice = useMemo(() => sliceOf(variable, axes, places), [variable, places.join()]);
  if (rank === 0 || axes.length === 0) {
    return (
      <div class="big-value">
        <output>{textAt(variable, 0) || 'no value'}</output> <span class="quiet">{labelOf(variable)}</span>
      </div>
    );
  }
  const sliders = others.filter((index) => (variable.shape[index] ?? 1) > 1);
  const table = { name: 'Table', show: () => <TableView table={tableOf(dataset, variable)} name={name} /> };
  const numeric = variable.kind === 'number' || variable.kind === 'boolean';
  const [first, second] = axes.map((index) => axisOf(dataset, variable.dims[index] ?? '', variable.shape[index] ?? 0));
  const picture =
    !numeric || !first
      ? undefined
      : axes.length === 1
        ? { name: 'Plot', show: () => <Plot series={lineOf(dataset, variable, axes[0] ?? 0, slice)} name={name} /> }
        : second && {
            name: 'Raster',
            show: () => <PicturedSlice slice={slice} y={first} x={second} label={labelOf(variable)} name={name} />,
          };
  return (
    <>
      {sliders.map((index) => {
        const dim = variable.dims[index] ?? '';
        const axis = axisOf(dataset, dim, variable.shape[index] ?? 1);
        return (
          <label class="slider">
            {axis.label}: <output>{axis.text(places[index] ?? 0)}</output>
            <input
              type="range"
              min={0}
              max={(variable.shape[index] ?? 1) - 1}
              value={places[index] ?? 0}
              aria-valuetext={axis.text(places[index] ?? 0)}
              onInput={(event) => {
                const place = Number(event.currentTarget.value);
                setPlaces(places.map((old, each) => (each === index ? place : old)));
              }}
            />
          </label>
        );
      })}
      <Tabs tabs={picture ? [picture, table] : [table]} label="Views of the variable" />
    </>
  );
}

/** A latitude belongs on the vertical axis, in whichever order the dimensions are. */
function PicturedSlice({
  slice,
  x,
  y,
  label,
  name,
}: {
  slice: Float64Array;
  x: Axis;
  y: Axis;
  label: string;
  name: string;
}): JSX.Element {
  if (x.geo !== 'lat' && y.geo !== 'lon') return <Raster values={slice} x={x} y={y} label={label} name={name} />;
  const [rows, columns] = [y.values.length, x.values.length];
  const turned = Float64Array.from(
    slice,
    (_, index) => slice[(index % rows) * columns + Math.floor(index / rows)] ?? Number.NaN,
  );
  return <Raster values={turned} x={y} y={x} label={label} name={name} />;
}

/** Returns the values over the axes, at these places of the other dimensions. */
export function sliceOf(variable: Variable, axes: number[], places: number[]): Float64Array {
  const { shape, numbers } = variable;
  const strides = shape.map((_, index) => shape.slice(index + 1).reduce((product, length) => product * length, 1));
  const base = shape.reduce(
    (sum, _, index) => (axes.includes(index) ? sum : sum + (places[index] ?? 0) * (strides[index] ?? 0)),
    0,
  );
  const [outer, inner] = axes.length === 2 ? axes : [undefined, axes[0]];
  const width = inner === undefined ? 1 : (shape[inner] ?? 1);
  const height = outer === undefined ? 1 : (shape[outer] ?? 1);
  const [strideX, strideY] = [strides[inner ?? 0] ?? 0, outer === undefined ? 0 : (strides[outer] ?? 0)];
  return Float64Array.from({ length: width * height }, (_, index) => {
    const [row, column] = [Math.floor(index / width), index % width];
    return numbers[base + row * strideY + column * strideX] ?? Number.NaN;
  });
}

function axisOf(dataset: Dataset, dim: string, length: number): Axis {
  const coordinate = coordinateOf(dataset, dim);
  const plain: Axis = {
    label: dim,
    values: Float64Array.from({ length }, (_, index) => index),
    text: (index) => String(index),
    geo: undefined,
  };
  if (!coordinate) return plain;
  const text = (index: number): string => textAt(coordinate, index);
  if (coordinate.kind === 'text') return { ...plain, text };
  return { label: labelOf(coordinate), values: coordinate.numbers, text, geo: geoOf(coordinate) };
}

function geoOf(coordinate: Variable): 'lon' | 'lat' | undefined {
  const units = textOf(coordinate.attributes['units']) ?? '';
  const names = `${coordinate.name} ${textOf(coordinate.attributes['standard_name']) ?? ''}`.toLowerCase();
  if (/^degrees?_?(east|e)$/i.test(units) || /(^|\s)(lon|longitude)(\s|$)/.test(names)) return 'lon';
  if (/^degrees?_?(north|n)$/i.test(units) || /(^|\s)(lat|latitude)(\s|$)/.test(names)) return 'lat';
  return undefined;
}

function lineOf(dataset: Dataset, variable: Variable, axis: number, slice: Float64Array): Series {
  const dim = variable.dims[axis] ?? '';
  const coordinate = coordinateOf(dataset, dim);
  const time = coordinate?.kind === 'time';
  const usable = coordinate && (time || coordinate.kind === 'number') && rising(coordinate.numbers);
  const x = usable
    ? Array.from(coordinate.numbers, (value) => (time ? value / 1000 : value))
    : Array.from(slice, (_, index) => index);
  return {
    x,
    time: time && !!usable,
    xLabel: usable ? labelOf(coordinate) : dim,
    lines: [
      { label: labelOf(variable), values: Array.from(slice, (value) => (Number.isNaN(value) ? null : value)) },
    ],
  };
}

function rising(values: Float64Array): boolean {
  return values.every((value, index) => index === 0 || value > (values[index - 1] ?? value));
}

/** Returns a row for each value, with its coordinates. */
export function tableOf(dataset: Dataset, variable: Variable): Table {
  const total = variable.shape.reduce((product, length) => product * length, 1);
  const columns = [...variable.dims, variable.name];
  const axes = variable.dims.map((dim) => coordinateOf(dataset, dim));
  const rows = Array.from({ length: Math.min(total, MOST_CELLS) }, (_, index) => {
    let rest = index;
    const places: number[] = [];
    for (let dim = variable.dims.length - 1; dim >= 0; dim -= 1) {
      const length = variable.shape[dim] ?? 1;
      places[dim] = rest % length;
      rest = Math.floor(rest / length);
    }
    const coordinates = places.map((place, dim) => {
      const axis = axes[dim];
      return axis ? cellOf(axis, place) : place;
    });
    return [...coordinates, cellOf(variable, index)];
  });
  return { columns, rows };
}

function cellOf(variable: Variable, index: number): string | number | null {
  if (variable.kind !== 'number') return textAt(variable, index) || null;
  const value = variable.numbers[index] ?? Number.NaN;
  return Number.isNaN(value) ? null : Number(value.toPrecision(9));
}
