/** Reads NetCDF-3 files: the form of arrays in the protocol of DASF. */

export type Numbers =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export type AttributeValue = string | number[];

export interface RawVariable {
  name: string;
  dims: string[];
  shape: number[];
  attributes: Record<string, AttributeValue>;
  /** The values in rows; text for characters. */
  values: Numbers;
  isText: boolean;
}

export interface RawFile {
  dims: Record<string, number>;
  attributes: Record<string, AttributeValue>;
  variables: RawVariable[];
}

const CHAR = 2;
const SIZES: Record<number, number> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8 };

/** Reads from the start of the file to its end, and refuses to read behind it. */
class Reader {
  offset = 0;
  readonly view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly version: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(length: number): number {
    const start = this.offset;
    if (length < 0 || start + length > this.bytes.length) throw new Error(`the file ends at byte ${this.bytes.length}`);
    this.offset += length;
    return start;
  }

  int(): number {
    return this.view.getUint32(this.take(4));
  }

  /** A count: four bytes, and eight in the fifth version. */
  count(): number {
    return this.version === 5 ? this.long() : this.int();
  }

  /** A position in the file: four bytes in the first version, eight in the others. */
  position(): number {
    return this.version === 1 ? this.int() : this.long();
  }

  long(): number {
    const value = this.view.getBigUint64(this.take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`a number at byte ${this.offset - 8} is too large`);
    return Number(value);
  }

  name(): string {
    const length = this.count();
    const start = this.take(length);
    const name = new TextDecoder().decode(this.bytes.subarray(start, start + length));
    this.take((4 - (length % 4)) % 4);
    return name;
  }

  /** The number of entries of a list, whose tag must be `tag` or absent. */
  list(tag: number): number {
    const found = this.int();
    const count = this.count();
    if (found === 0 && count === 0) return 0;
    if (found !== tag) throw new Error(`a list is malformed at byte ${this.offset}`);
    // Each entry needs some bytes, so a larger count cannot be true.
    if (count > this.bytes.length) throw new Error(`a count is too large at byte ${this.offset}`);
    return count;
  }
}

/** Returns the content of a file. @throws Error in words if it is malformed. */
export function readNetcdf(bytes: Uint8Array): RawFile {
  const version = bytes[3] ?? 0;
  if (bytes[0] !== 0x43 || bytes[1] !== 0x44 || bytes[2] !== 0x46 || ![1, 2, 5].includes(version)) {
    throw new Error('the file is not NetCDF-3');
  }
  const reader = new Reader(bytes, version);
  reader.take(4);
  let records = reader.count();
  const dimensions: { name: string; length: number }[] = [];
  for (let left = reader.list(10); left > 0; left -= 1) {
    dimensions.push({ name: reader.name(), length: reader.count() });
  }
  const attributes = readAttributes(reader);
  const headers: Header[] = [];
  for (let left = reader.list(11); left > 0; left -= 1) {
    const name = reader.name();
    const dims: number[] = [];
    for (let more = reader.count(); more > 0; more -= 1) {
      const id = reader.count();
      if (!dimensions[id]) throw new Error(`the variable ${name} has a dimension that the file lacks`);
      dims.push(id);
    }
    const own = readAttributes(reader);
    const type = reader.int();
    if (!SIZES[type]) throw new Error(`the variable ${name} has the unknown type ${type}`);
    const size = reader.count();
    headers.push({ name, dims, attributes: own, type, size, begin: reader.position() });
  }
  const isRecord = (header: Header): boolean =>
    header.dims[0] !== undefined && dimensions[header.dims[0]]?.length === 0;
  const recordHeaders = headers.filter(isRecord);
  const single = recordHeaders.length === 1;
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  const lengthOf = (header: Header, skip: number): number =>
    header.dims.slice(skip).reduce((product, id) => product * (dimensions[id]?.length ?? 0), 1);
  const stride = recordHeaders.reduce((sum, header) => {
    const length = lengthOf(header, 1) * (SIZES[header.type] ?? 1);
    return sum + (single ? length : padded(length));
  }, 0);
  // A file whose writer still wrote says so with this number.
  if (records === 0xffffffff) {
    const begin = Math.min(...recordHeaders.map((header) => header.begin));
    records = stride > 0 ? Math.floor((bytes.length - begin) / stride) : 0;
  }
  const dims: Record<string, number> = {};
  for (const { name, length } of dimensions) dims[name] = length === 0 ? records : length;
  const variables = headers.map((header): RawVariable => {
    const record = isRecord(header);
    const shape = header.dims.map((id, index) => (record && index === 0 ? records : (dimensions[id]?.length ?? 0)));
    const count = shape.reduce((product, length) => product * length, 1);
    if (count * (SIZES[header.type] ?? 1) > bytes.length) {
      throw new Error(`the variable ${header.name} is longer than the file`);
    }
    const chunk = record ? lengthOf(header, 1) : count;
    const values = read(reader, header, count, chunk, record ? stride : 0);
    const names = header.dims.map((id) => dimensions[id]?.name ?? '');
    return {
      name: header.name,
      dims: names,
      shape,
      attributes: header.attributes,
      values,
      isText: header.type === CHAR,
    };
  });
  return { dims, attributes, variables };
}

interface Header {
  name: string;
  dims: number[];
  attributes: Record<string, AttributeValue>;
  type: number;
  size: number;
  begin: number;
}

function readAttributes(reader: Reader): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  for (let left = reader.list(12); left > 0; left -= 1) {
    const name = reader.name();
    const type = reader.int();
    const size = SIZES[type];
    if (!size) throw new Error(`the attribute ${name} has the unknown type ${type}`);
    const count = reader.count();
    const start = reader.take(Math.ceil((count * size) / 4) * 4);
    if (type === CHAR) {
      const text = new TextDecoder().decode(reader.bytes.subarray(start, start + count));
      attributes[name] = text.replace(/\0+$/, '');
    } else {
      attributes[name] = Array.from({ length: count }, (_, index) => Number(valueAt(reader.view, type, start + index * size)));
    }
  }
  return attributes;
}

function valueAt(view: DataView, type: number, at: number): number | bigint {
  switch (type) {
    case 1:
      return view.getInt8(at);
    case 3:
      return view.getInt16(at);
    case 4:
      return view.getInt32(at);
    case 5:
      return view.getFloat32(at);
    case 6:
      return view.getFloat64(at);
    case 8:
      return view.getUint16(at);
    case 9:
      return view.getUint32(at);
    case 10:
      return view.getBigInt64(at);
    case 11:
      return view.getBigUint64(at);
    default:
      return view.getUint8(at);
  }
}

function arrayOf(type: number, count: number): Numbers {
  switch (type) {
    case 1:
      return new Int8Array(count);
    case 3:
      return new Int16Array(count);
    case 4:
      return new Int32Array(count);
    case 5:
      return new Float32Array(count);
    case 8:
      return new Uint16Array(count);
    case 9:
      return new Uint32Array(count);
    case 2:
    case 7:
      return new Uint8Array(count);
    default:
      return new Float64Array(count);
  }
}

/** Reads the values. Those of a record variable lie in pieces of `chunk` values, `stride` bytes apart. */
function read(reader: Reader, header: Header, count: number, chunk: number, stride: number): Numbers {
  const { type, begin, name } = header;
  const size = SIZES[type] ?? 1;
  const values = arrayOf(type, count);
  for (let index = 0; index < count; index += 1) {
    const piece = chunk > 0 && stride > 0 ? Math.floor(index / chunk) : 0;
    const at = begin + piece * stride + (index - piece * chunk) * size;
    if (at + size > reader.bytes.length) throw new Error(`the values of ${name} end behind the file`);
    values[index] = Number(valueAt(reader.view, type, at));
  }
  return values;
}
