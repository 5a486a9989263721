/** Base64, and the kinds of files that their first bytes show. */

/** Returns base64, with the alphabet of JSON's usual form. */
export function encode(bytes: Uint8Array): string {
  const pieces: string[] = [];
  // A longer list of arguments overflows the stack.
  for (let start = 0; start < bytes.length; start += 0x8000) {
    pieces.push(String.fromCharCode(...bytes.subarray(start, start + 0x8000)));
  }
  return btoa(pieces.join(''));
}

/** Reads base64 with either alphabet; returns nothing if it is none. */
export function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(text.replace(/\s+/g, '').replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = new Uint8Array(binary.length);
    for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
    return bytes;
  } catch {
    return undefined;
  }
}

const MAGIC: [string, number[], string][] = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47], 'png'],
  ['image/jpeg', [0xff, 0xd8, 0xff], 'jpg'],
  ['image/gif', [0x47, 0x49, 0x46, 0x38], 'gif'],
  ['application/pdf', [0x25, 0x50, 0x44, 0x46], 'pdf'],
  ['application/zip', [0x50, 0x4b, 0x03, 0x04], 'zip'],
  ['application/gzip', [0x1f, 0x8b], 'gz'],
  ['application/x-netcdf', [0x43, 0x44, 0x46, 0x01], 'nc'],
  ['application/x-netcdf', [0x43, 0x44, 0x46, 0x02], 'nc'],
  ['application/x-hdf5', [0x89, 0x48, 0x44, 0x46], 'h5'],
];

/** Returns the media type and the extension that the first bytes of a file show. */
export function sniff(bytes: Uint8Array): { type: string; extension: string } {
  for (const [type, magic, extension] of MAGIC) {
    if (magic.every((byte, index) => bytes[index] === byte)) return { type, extension };
  }
  const head = String.fromCharCode(...bytes.subarray(0, 200));
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') {
    return { type: 'image/webp', extension: 'webp' };
  }
  if (/^\s*(<\?xml[^>]*>\s*)?<svg[\s>]/.test(head)) return { type: 'image/svg+xml', extension: 'svg' };
  return { type: 'application/octet-stream', extension: 'bin' };
}

const EXTENSIONS: Record<string, string> = {
  'text/plain': 'txt',
  'text/markdown': 'md',
  'text/csv': 'csv',
  'application/json': 'json',
  'application/geo+json': 'geojson',
  'image/svg+xml': 'svg',
};

export function extensionOf(type: string): string {
  const known = MAGIC.find(([each]) => each === type);
  return known?.[2] ?? EXTENSIONS[type] ?? type.match(/\/([a-z\d]{2,5})$/)?.[1] ?? 'bin';
}

export function size(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  const [unit, value] =
    bytes < 1e6 ? ['kB', bytes / 1e3] : bytes < 1e9 ? ['MB', bytes / 1e6] : ['GB', bytes / 1e9];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** Lets the browser save a file. */
export function download(content: Blob | Uint8Array<ArrayBuffer> | string, name: string, type = ''): void {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, '_') || 'download';
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
