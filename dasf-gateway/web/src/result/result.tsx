/** Shows a result as what it is. */

import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { download, size } from '../bytes';
import { type Json, stringify } from '../json';
import { Copy, type Tab, Tabs, useModule } from '../ui';
import { JsonTree } from './json_tree';
import { TableView } from './table';
import { type Expected, type Series, type View, viewsOf } from './view';

export function Result({ value, expected }: { value: Json; expected: Expected }): JSX.Element {
  const views = useMemo(() => viewsOf(value, expected), [value, expected.schema]);
  return <Views views={views} name={expected.name} />;
}

const NAMES: Record<View['kind'], string> = {
  nothing: 'Result',
  number: 'Number',
  boolean: 'Result',
  text: 'Text',
  markdown: 'Text',
  plot: 'Plot',
  table: 'Table',
  map: 'Map',
  grid: 'Raster',
  netcdf: 'Array',
  image: 'Image',
  file: 'File',
  link: 'Link',
  several: 'Results',
  json: 'JSON',
};

function Views({ views, name }: { views: View[]; name: string }): JSX.Element {
  // A button needs no tab of its own.
  const buttons: View[] = views.length > 1 ? views.filter((view) => view.kind === 'file') : [];
  const tabs = views
    .filter((view) => !buttons.includes(view))
    .map((view): Tab => ({ name: NAMES[view.kind], show: () => <One view={view} name={name} /> }));
  return (
    <>
      <Tabs tabs={tabs} label="Views of the result" />
      {buttons.map((view) => (
        <One view={view} name={name} />
      ))}
    </>
  );
}

function One({ view, name }: { view: View; name: string }): JSX.Element {
  switch (view.kind) {
    case 'nothing':
      return <p class="quiet">The function is done. It returns no value.</p>;
    case 'number':
      return <Big text={view.text} />;
    case 'boolean':
      return <Big text={view.value ? 'true' : 'false'} />;
    case 'text':
      return <TextView text={view.text} />;
    case 'markdown':
      return <MarkdownView text={view.text} />;
    case 'plot':
      return <PlotView series={view.series} name={name} />;
    case 'table':
      return <TableView table={view.table} name={name} />;
    case 'map':
      return <MapView view={view} />;
    case 'grid':
      return <GridView rows={view.rows} name={name} />;
    case 'netcdf':
      return <ArrayView bytes={view.bytes} name={name} />;
    case 'image':
      return <ImageView bytes={view.bytes} type={view.type} name={view.name} />;
    case 'file':
      return (
        <div class="actions">
          <button type="button" class="plain" onClick={() => download(view.bytes, view.name, view.type)}>
            {view.label}
          </button>
          <span class="quiet">
            {view.type}, {size(view.bytes.length)}
          </span>
        </div>
      );
    case 'link':
      return <LinkView href={view.href} label={view.label} />;
    case 'several':
      return (
        <div class="several">
          {view.parts.map((part) => (
            <section class="part">
              <h3>{part.title}</h3>
              <Views views={part.views} name={part.title} />
            </section>
          ))}
        </div>
      );
    case 'json':
      return <JsonView value={view.value} name={name} />;
  }
}

function Big({ text }: { text: string }): JSX.Element {
  return (
    <div class="big-value">
      <output class={text.length > 24 ? 'long' : undefined}>{text}</output>
      <Copy text={() => text} />
    </div>
  );
}

function TextView({ text }: { text: string }): JSX.Element {
  if (text === '') return <p class="quiet">The text is empty.</p>;
  if (text.length <= 60 && !text.includes('\n')) return <Big text={text} />;
  return (
    <div>
      <pre class="text" tabIndex={0}>
        {text}
      </pre>
      <div class="actions">
        <Copy text={() => text} />
      </div>
    </div>
  );
}

/** Only addresses that a browser opens as pages become links. */
export function safeLink(href: string): string | undefined {
  try {
    const url = new URL(href);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

function LinkView({ href, label }: { href: string; label: string }): JSX.Element {
  const safe = safeLink(href);
  if (!safe) {
    return (
      <p>
        {label}: <code>{href}</code>
      </p>
    );
  }
  return (
    <p>
      <a href={safe} target="_blank" rel="noreferrer noopener">
        {label}
      </a>{' '}
      <span class="quiet">{new URL(safe).host}</span>
    </p>
  );
}

const WAITS = <p class="quiet">This view is being loaded …</p>;

function MarkdownView({ text }: { text: string }): JSX.Element {
  const module = useModule(() => import('./markdown'));
  return module ? <module.Markdown text={text} /> : WAITS;
}

function PlotView({ series, name }: { series: Series; name: string }): JSX.Element {
  const module = useModule(() => import('./plot'));
  return module ? <module.Plot series={series} name={name} /> : WAITS;
}

function MapView({ view }: { view: Extract<View, { kind: 'map' }> }): JSX.Element {
  const module = useModule(() => import('../map/features'));
  return module ? <module.FeatureMap features={view.features} /> : WAITS;
}

function ArrayView({ bytes, name }: { bytes: Uint8Array<ArrayBuffer>; name: string }): JSX.Element {
  const module = useModule(() => import('./array'));
  return module ? <module.NetcdfView bytes={bytes} name={name} /> : WAITS;
}

function GridView({ rows, name }: { rows: (number | null)[][]; name: string }): JSX.Element {
  const module = useModule(() => import('./raster'));
  if (!module) return WAITS;
  const height = rows.length;
  const width = rows[0]?.length ?? 0;
  const values = Float64Array.from({ length: width * height }, (_, index) => {
    const value = rows[Math.floor(index / width)]?.[index % width];
    return value ?? Number.NaN;
  });
  const axis = (length: number, label: string) => ({
    label,
    values: Float64Array.from({ length }, (_, index) => index),
    text: (index: number) => String(index),
    geo: undefined,
  });
  return (
    <module.Raster
      values={values}
      x={axis(width, 'column')}
      y={axis(height, 'row')}
      label="value"
      name={name}
      topDown
    />
  );
}

function ImageView({ bytes, type, name }: { bytes: Uint8Array<ArrayBuffer>; type: string; name: string }): JSX.Element {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([bytes], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes]);
  return <div class="image">{url && <img src={url} alt={`The image ${name}`} />}</div>;
}

function JsonView({ value, name }: { value: Json; name: string }): JSX.Element {
  const written = (): string => stringify(value, 2);
  return (
    <div>
      <JsonTree value={value} />
      <div class="actions">
        <Copy text={written} label="Copy JSON" />
        <button type="button" class="plain" onClick={() => download(written(), `${name}.json`, 'application/json')}>
          Download JSON
        </button>
      </div>
    </div>
  );
}
